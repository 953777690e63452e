/*
 * fuzz_path.c - a tree and a path from any bytes: openat2 and the component walk must answer alike,
 * and making must stay inside the root.
 *
 * Lines of the input: "d NAME" makes a folder, "f NAME" a file, "l NAME TARGET" a link; any other
 * line is a path to open. A canary beside the root must survive.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[64];
static int top_fd = -1, root_fd;

static void clean(void)
{
	struct err e = ERR_INIT;

	path_remove_tree(top_fd, "root", &e);
}

static void leave(void)
{
	clean();
	unlinkat(top_fd, "canary", 0);
	rmdir(top);
}

static void begin(void)
{
	if (top_fd < 0) {
		snprintf(top, sizeof top, "/dev/shm/kist-fuzz-XXXXXX");
		if (!mkdtemp(top))
			abort();
		top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(openat(top_fd, "canary", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		atexit(leave);
	}
	clean();
	if (mkdirat(top_fd, "root", 0755) < 0)
		abort();
	root_fd = openat(top_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The tree itself is built by plain calls on names without "..": only what is under test resolves. */
static void build(char *line)
{
	char *name = line + 2, *target;

	if (strstr(name, "..") || name[0] == '/')
		return;
	target = strchr(name, ' ');
	if (line[0] == 'l' && target) {
		*target++ = '\0';
		if (symlinkat(target, root_fd, name) < 0)
			return;
	} else if (line[0] == 'd') {
		mkdirat(root_fd, name, 0755);
	} else if (line[0] == 'f') {
		int fd = openat(root_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

		fd_close(&fd);
	}
}

static ino_t answer(const char *path, bool walk, bool beneath, int flags, int *ret_error)
{
	struct stat st = { 0 };
	int fd;

	path_openat2_missing = walk;
	fd = beneath ? path_open_beneath(root_fd, path, flags, 0, false)
		     : path_open_in_root(root_fd, path, flags, 0);
	*ret_error = fd < 0 ? -fd : 0;
	if (fd >= 0 && fstat(fd, &st) < 0)
		abort();
	fd_close(&fd);
	return st.st_ino;
}

static void check(const char *path)
{
	for (int kind = 0; kind < 4; kind++) {
		int flags = kind & 1 ? O_PATH | O_NOFOLLOW : O_PATH, kernel, walk;
		ino_t a = answer(path, false, kind & 2, flags, &kernel);
		ino_t b = answer(path, true, kind & 2, flags, &walk);

		/* The walk may refuse what is too long for its buffers, never answer otherwise. */
		if (walk != ENAMETOOLONG && (a != b || kernel != walk)) {
			fprintf(stderr, "\"%s\" kind %d: openat2 %s, walk %s\n", path, kind,
				strerrorname_np(kernel), strerrorname_np(walk));
			abort();
		}
	}
}

static void make(const char *path, bool walk)
{
	char text[32], where[4300];
	size_t len = strlen(top);
	ssize_t n;
	int fd;

	path_openat2_missing = walk;
	fd = path_mkdir_in_root(root_fd, path, 0755);
	if (fd < 0)
		return;
	n = readlink(path_of_fd(fd, text), where, sizeof where - 1);
	close(fd);
	if (n < 0)
		return; /* deeper than a path can say */
	where[n] = '\0';
	if (strncmp(where, top, len) || strncmp(where + len, "/root", 5) ||
	    (where[len + 5] && where[len + 5] != '/')) {
		fprintf(stderr, "mkdir \"%s\" led to %s\n", path, where);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2048], *rest = text, *line;
	bool walk = false;

	if (size >= sizeof text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	begin();
	while ((line = strsep(&rest, "\n"))) {
		if (line[0] && strchr("dfl", line[0]) && line[1] == ' ') {
			build(line);
			continue;
		}
		check(line);
		make(line, walk);
		walk = !walk;
	}
	close(root_fd);
	if (faccessat(top_fd, "canary", F_OK, 0) < 0)
		abort();
	return 0;
}
