/* What musl 1.2.3 lacks of sys/stat.h. */
#pragma once
#include <linux/stat.h>
#include_next <sys/stat.h>

int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *ret);
