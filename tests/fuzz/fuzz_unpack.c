/*
 * fuzz_unpack.c - any bytes as a layer blob, into a folder of its own.
 *
 * A canary beside the folder must survive; the whole pass runs: decompression,
 * tar-guard, libarchive, apply. The diffID is right, so that good tars end well.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/hash.h"
#include "image/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int scratch = -EBADF;

static void make_scratch(void)
{
	char path[] = "/dev/shm/kist-fuzz-XXXXXX";

	assert(mkdtemp(path));
	scratch = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(mkdirat(scratch, "canary", 0700) == 0);
}

static void check_canary(void)
{
	struct stat st;

	assert(fstatat(scratch, "canary", &st, AT_SYMLINK_NOFOLLOW) == 0);
	assert(st.st_mode == (S_IFDIR | 0700) && st.st_nlink == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unpack_budget budget = { .entries_max = 200, .bytes_max = 1 << 20 };
	struct unpack_job job = { .copy_fd = -EBADF, .budget = &budget };
	struct unpack_result result;
	struct err e = ERR_INIT;
	char line[1024];

	if (scratch < 0)
		make_scratch();
	assert(mkdirat(scratch, "root", 0755) == 0);
	job.root = openat(scratch, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	job.blob_fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fd_write_all(job.blob_fd, data, size) == 0);
	lseek(job.blob_fd, 0, SEEK_SET);
	job.expect.size = size;
	assert(hash_memory(data, size, &job.expect.digest, &e) == 0);
	job.diffid = job.expect.digest;
	if (unpack_layer(&job, &result, &e) == 0)
		apply_free(&result.apply);
	else
		err_format(&e, line, sizeof(line));
	close(job.blob_fd);
	close(job.root);
	err_clear(&e);
	assert(path_remove_tree(scratch, "root", &e) == 0);
	check_canary();
	return 0;
}
