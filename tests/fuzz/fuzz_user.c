/*
 * fuzz_user.c - any bytes as /etc/passwd and /etc/group of an image: "user NUL passwd NUL group".
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int top_fd = -EBADF, root = -EBADF;
static char top[64];

static void leave(void)
{
	struct err e = ERR_INIT;

	path_remove_tree(top_fd, "root", &e);
	rmdir(top);
}

static void begin(void)
{
	memcpy(top, "/dev/shm/kist-fuzz-XXXXXX", sizeof "/dev/shm/kist-fuzz-XXXXXX");
	assert(mkdtemp(top));
	atexit(leave);
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(mkdirat(top_fd, "root", 0755) == 0 && mkdirat(top_fd, "root/etc", 0755) == 0);
	root = openat(top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(root >= 0);
}

static void put(const char *name, const uint8_t **data, size_t *size)
{
	const uint8_t *nul = memchr(*data, 0, *size);
	size_t here = nul ? (size_t)(nul - *data) : *size;
	int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert(fd >= 0 && fd_write_all(fd, *data, here) == 0);
	close(fd);
	*data += here + !!nul;
	*size -= here + !!nul;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, 0, size);
	size_t here = nul ? (size_t)(nul - data) : size, count = 16;
	uint32_t uid = 7, gid = 7, gids[16];
	struct err e = ERR_INIT;
	char *user, line[1024];
	int r;

	if (root < 0)
		begin();
	user = strndup((const char *)data, here);
	assert(user);
	data += here + !!nul;
	size -= here + !!nul;
	put("etc/passwd", &data, &size);
	put("etc/group", &data, &size);
	r = image_user_lookup(root, user, &uid, &gid, gids, &count, &e);
	if (r == 0) {
		/* (uid_t)-1 would mean "keep the id you have", which is root's */
		assert(uid != UINT32_MAX && gid != UINT32_MAX && count <= 16);
		for (size_t i = 0; i < count; i++)
			assert(gids[i] != UINT32_MAX);
	} else {
		err_format(&e, line, sizeof line);
		assert(e.error && line[0] && !strchr(line, '\033'));
	}
	if (image_user_home(root, 0, line, sizeof line, NULL) == 0)
		assert(line[0] == '\0' || line[0] == '/');
	free(user);
	return 0;
}
