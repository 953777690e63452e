/*
 * compat.h - included first in a build with musl 1.2.3: what its headers lack (compat.c).
 */
#pragma once

const char *strerrorname_np(int error);
const char *strerrordesc_np(int error);
const char *sigabbrev_np(int number);
const char *sigdescr_np(int number);

/* Its open() sets close-on-exec once more, by fcntl(2); its openat() does not. */
#include <fcntl.h>
#define open(path, ...) openat(AT_FDCWD, path, __VA_ARGS__)

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#ifndef PRJQUOTA
#define PRJQUOTA 2
#endif
