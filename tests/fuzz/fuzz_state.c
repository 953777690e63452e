/*
 * fuzz_state.c - any bytes as a container's records: "state.json NUL intent.json NUL exit.json", as
 * a disk that lied would give them back. Read, listed, and taken back with undos that do nothing.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/exit_record.h"
#include "runtime/undo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the place of runtime/undo.c's: the real ones would act on this machine. */
static int act_nothing(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
		       struct err *e)
{
	size_t sum = strlen(at->id);

	for (int i = 0; i < PLAN_UNDO_ARGS; i++)
		sum += args[i] ? strlen(args[i]) : 0;
	return sum % 7 ? 0 : err_set(e, EBUSY, "no");
}

static const struct undo_kind nothing = { .name = "rmdir_cgroup", .act = act_nothing };
static const struct undo_kind *const kinds[] = { &nothing, NULL };
const struct undo_kind *const *const undo_registry[] = { kinds, NULL };

const struct undo_kind *undo_find_kind(const char *name)
{
	return strcmp(name, nothing.name) == 0 ? &nothing : NULL;
}

void undo_by_name(const struct undo_at *at, const char *cgroup, struct err *e)
{
	(void)at;
	(void)e;
	assert(!cgroup || strlen(cgroup) < 1 << 24);
}

static int root = -EBADF;
static char top[64];

static void leave(void)
{
	rmdir(top);
}

static void begin(void)
{
	memcpy(top, "/dev/shm/kist-fuzz-XXXXXX", sizeof "/dev/shm/kist-fuzz-XXXXXX");
	assert(mkdtemp(top));
	atexit(leave);
	root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(root >= 0);
}

static void write_file(int dir, const char *name, const uint8_t *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert(fd >= 0 && fd_write_all(fd, data, size) == 0);
	close(fd);
}

static void write_records(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "state.json", "intent.json", "exit.json" };
	int dir = openat(root, "web", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < 3; i++) {
		const uint8_t *nul = memchr(data, 0, size);
		size_t here = nul ? (size_t)(nul - data) : size;

		write_file(dir, names[i], data, here);
		if (!nul)
			break;
		data += here + 1;
		size -= here + 1;
	}
	close(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct container c = CONTAINER_INIT;
	struct err e = ERR_INIT;
	char line[2048];

	if (root < 0)
		begin();
	assert(mkdirat(root, "web", 0700) == 0);
	write_records(data, size);
	if (container_open(root, "web", true, &c, &e) == 0) {
		json_decref(exit_record_read(&c));
		assert(c.status != STATUS_CREATING || !c.state);
	} else {
		err_format(&e, line, sizeof line);
		assert(e.error && line[0] && c.dir < 0);
	}
	container_close(&c);
	err_clear(&e);
	/* Whatever was in the records, the folder goes; or it stays because an undo could not be
	 * done. */
	if (container_take_back(root, "web", &e) < 0) {
		assert(e.error);
		err_clear(&e);
		assert(undo_kind_state_folder.act(&(struct undo_at){ "web", root }, NULL, &e) == 0);
	}
	assert(faccessat(root, "web", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
	return 0;
}
