/*
 * image_test.h - what the unit tests of image/ share: a scratch folder.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"

static char scratch_path[64];

static inline int scratch_open(void)
{
	int fd;

	snprintf(scratch_path, sizeof(scratch_path), "/tmp/kist-unit-XXXXXX");
	assert_non_null(mkdtemp(scratch_path));
	fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline void scratch_remove(int fd)
{
	struct err e = ERR_INIT;

	assert_int_equal(path_remove_tree(AT_FDCWD, scratch_path, &e), 0);
	close(fd);
}

static inline void write_file(int dirfd, const char *name, const void *data, size_t size)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, size), 0);
	close(fd);
}

/* The record as one line, for strstr. */
static inline const char *err_text(const struct err *e)
{
	static char text[1024];

	err_format(e, text, sizeof(text));
	return text;
}
#define assert_err(e, part)                                                                        \
	do {                                                                                       \
		if (!strstr(err_text(e), (part)))                                                  \
			fail_msg("\"%s\" is not in \"%s\"", (part), err_text(e));                  \
	} while (0)
