/*
 * fuzz_kernel.c - any bytes as what the kernel says: the first one chooses mountinfo, a cgroup's
 * files, or netlink answers. A container writes into some of these: names of mounts, of devices, of
 * files.
 *
 * Files are included whole: their parsers are nobody else's business.
 */
#include "base/host.c"
#include "net/link.c"
#include "net/netlink.c"

#include <assert.h>
#include "cgroup/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mountinfo(char *text)
{
	char *rest = NULL, mount[128], guarded[130];

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		memset(guarded, 0x55, sizeof guarded);
		if (take_mountinfo_line(line, guarded, sizeof mount))
			assert(memchr(guarded, 0, sizeof mount));
		assert(guarded[128] == 0x55 && guarded[129] == 0x55);
	}
}

static char top[] = "/dev/shm/kist-fuzz-XXXXXX";

static void leave(void)
{
	rmdir(top);
}

/* One text as every file there is. */
static void cgroup_files(const void *text, size_t size)
{
	static const char *const names[] = {
		"memory.current", "memory.peak",  "memory.max",	   "memory.events",
		"memory.stat",	  "cpu.stat",	  "cpu.pressure",  "memory.pressure",
		"io.pressure",	  "pids.current", "pids.peak",	   "pids.max",
		"pids.events",	  "io.stat",	  "cgroup.events", "cgroup.procs",
		"cgroup.stat",
	};
	static int dir = -EBADF;
	struct cgroup_stats stats;
	struct err e = ERR_INIT;

	if (dir < 0) {
		assert(mkdtemp(top));
		atexit(leave);
		dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int fd = openat(dir, names[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		assert(fd >= 0 && fd_write_all(fd, text, size) == 0);
		close(fd);
	}
	if (cgroup_stats_read(dir, &stats, &e) == 0)
		json_decref(cgroup_stats_json(&stats));
	err_clear(&e);
	cgroup_is_frozen(dir, &e);
	err_clear(&e);
	cgroup_is_populated(dir, &e);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlinkat(dir, names[i], 0);
}

static void netlink(const void *data, size_t size)
{
	char what[96] = "";
	struct overlap o = { .subnet = 0x0a580000, .prefix = 16, .what = what };
	struct link_info link = { 0 };
	struct err e = ERR_INIT;
	int acks = 3;
	/* At the end of its memory, where ASan sees one byte too many. */
	void *copy = malloc(size ? size : 1);

	assert(copy);
	memcpy(copy, data, size);
	take_datagram(copy, (int)size, 0, UINT32_MAX, &acks, take_link, &link, &e);
	assert(memchr(link.alias, 0, sizeof link.alias) && memchr(link.kind, 0, sizeof link.kind));
	err_clear(&e);
	acks = 3;
	take_datagram(copy, (int)size, 0, UINT32_MAX, &acks, take_address, &o, &e);
	err_clear(&e);
	acks = 3;
	take_datagram(copy, (int)size, 0, UINT32_MAX, &acks, take_route, &o, &e);
	assert(memchr(what, 0, sizeof what));
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0 || size > NL_READ_BYTES)
		return 0;
	if (data[0] % 3 == 0) {
		cgroup_files(data + 1, size - 1);
	} else if (data[0] % 3 == 1) {
		text = strndup((const char *)data + 1, size - 1);
		assert(text);
		mountinfo(text);
		free(text);
	} else {
		netlink(data + 1, size - 1);
	}
	return 0;
}
