/*
 * failing.h - calls of libc that fail when asked to, for tests linked with -Wl,--wrap (Makefile).
 *
 * Nothing happens when one fails: neither in the world nor in the process.
 */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"

struct failing {
	bool armed;
	bool memory; /* arenas fail, and the kernel does not */
	int error;
	int at;	     /* this call alone, counted from 1; 0: each of them */
	int at_most; /* with at == 0: the first so many; 0: all */
	bool since;  /* `at`, and each after it */
	void (*deed)(void); /* done once, before that call, which then succeeds or not as it will */
	bool empty;  /* readlinkat(2) finds nothing instead, and statx(2) no mount ids */
	int calls;   /* so far, a child's too: the test maps this shared */
};
static struct failing *failing;

static inline bool fails_now(void)
{
	if (!failing || !failing->armed)
		return false;
	failing->calls++;
	if (failing->at ? failing->since ? failing->calls < failing->at
					 : failing->calls != failing->at
			: failing->at_most && failing->calls > failing->at_most)
		return false;
	if (failing->deed) {
		void (*deed)(void) = failing->deed;

		failing->armed = false;
		failing->deed = NULL;
		deed();
		return false;
	}
	errno = failing->error;
	return true;
}

static inline bool kernel_fails_now(void)
{
	return failing && !failing->memory && fails_now();
}

#define FAILING(type, name, params, args)                                                          \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return kernel_fails_now() ? (type)-1 : __real_##name args;                         \
	}

FAILING(int, fsopen, (const char *t, unsigned f), (t, f))
FAILING(int, fsconfig, (int fd, unsigned c, const char *k, const void *v, int a), (fd, c, k, v, a))
FAILING(int, fsmount, (int fd, unsigned f, unsigned a), (fd, f, a))
FAILING(int, fspick, (int d, const char *p, unsigned f), (d, p, f))
FAILING(int, open_tree, (int d, const char *p, unsigned f), (d, p, f))
FAILING(int, mount_setattr, (int d, const char *p, unsigned f, struct mount_attr *a, size_t n),
	(d, p, f, a, n))
FAILING(int, move_mount, (int d, const char *p, int d2, const char *p2, unsigned f),
	(d, p, d2, p2, f))
FAILING(int, mount, (const char *s, const char *t, const char *y, unsigned long f, const void *d),
	(s, t, y, f, d))
FAILING(int, umount2, (const char *p, int f), (p, f))
FAILING(int, __openat_2, (int d, const char *p, int f), (d, p, f))
FAILING(int, mkdirat, (int d, const char *p, mode_t m), (d, p, m))
FAILING(int, mknodat, (int d, const char *p, mode_t m, dev_t v), (d, p, m, v))
FAILING(int, symlinkat, (const char *t, int d, const char *p), (t, d, p))
FAILING(int, fchownat, (int d, const char *p, uid_t u, gid_t g, int f), (d, p, u, g, f))
FAILING(int, fchmodat, (int d, const char *p, mode_t m, int f), (d, p, m, f))
FAILING(int, fchmod, (int fd, mode_t m), (fd, m))
FAILING(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g))
FAILING(int, fstat, (int fd, struct stat *s), (fd, s))
FAILING(int, fstatat, (int d, const char *p, struct stat *s, int f), (d, p, s, f))
FAILING(int, fstatfs, (int fd, struct statfs *s), (fd, s))
FAILING(int, fchdir, (int fd), (fd))
FAILING(int, chdir, (const char *p), (p))
FAILING(int, chroot, (const char *p), (p))
FAILING(int, setns, (int fd, int f), (fd, f))
FAILING(int, unshare, (int f), (f))
FAILING(int, setresuid, (uid_t a, uid_t b, uid_t c), (a, b, c))
FAILING(int, setresgid, (gid_t a, gid_t b, gid_t c), (a, b, c))
FAILING(int, setgroups, (size_t n, const gid_t *g), (n, g))
FAILING(int, execve, (const char *p, char *const a[], char *const v[]), (p, a, v))
FAILING(int, dup2, (int a, int b), (a, b))
FAILING(int, unlinkat, (int d, const char *p, int f), (d, p, f))
FAILING(int, renameat, (int d, const char *p, int d2, const char *p2), (d, p, d2, p2))
FAILING(ssize_t, read, (int fd, void *d, size_t n), (fd, d, n))
FAILING(ssize_t, write, (int fd, const void *d, size_t n), (fd, d, n))
FAILING(ssize_t, pread, (int fd, void *d, size_t n, off_t o), (fd, d, n, o))
FAILING(ssize_t, pwrite, (int fd, const void *d, size_t n, off_t o), (fd, d, n, o))
FAILING(off_t, lseek, (int fd, off_t o, int w), (fd, o, w))
FAILING(int, ftruncate, (int fd, off_t n), (fd, n))
FAILING(int, fsync, (int fd), (fd))
FAILING(ssize_t, fgetxattr, (int fd, const char *k, void *v, size_t n), (fd, k, v, n))
FAILING(int, fsetxattr, (int fd, const char *k, const void *v, size_t n, int f), (fd, k, v, n, f))
FAILING(ssize_t, flistxattr, (int fd, char *l, size_t n), (fd, l, n))
FAILING(int, futimens, (int fd, const struct timespec t[2]), (fd, t))
FAILING(int, utimensat, (int d, const char *p, const struct timespec t[2], int f), (d, p, t, f))
FAILING(int, socket, (int d, int t, int p), (d, t, p))
FAILING(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
FAILING(ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), (fd, m, f))
FAILING(ssize_t, recvmsg, (int fd, struct msghdr *m, int f), (fd, m, f))
FAILING(int, socketpair, (int d, int t, int p, int v[2]), (d, t, p, v))
FAILING(int, pipe2, (int v[2], int f), (v, f))
FAILING(int, pidfd_open, (pid_t p, unsigned f), (p, f))
FAILING(int, poll, (struct pollfd * p, nfds_t n, int t), (p, n, t))
FAILING(pid_t, waitpid, (pid_t p, int *s, int o), (p, s, o))
FAILING(int, sethostname, (const char *n, size_t l), (n, l))
FAILING(int, setdomainname, (const char *n, size_t l), (n, l))
FAILING(pid_t, setsid, (void), ())
FAILING(int, personality, (unsigned long p), (p))

FAILING(void *, mmap, (void *p, size_t n, int r, int f, int fd, off_t o), (p, n, r, f, fd, o))
FAILING(int, sigaction, (int n, const struct sigaction *a, struct sigaction *o), (n, a, o))

/* Filesystems and kernels that know less. */
int __real_statx(int d, const char *p, int f, unsigned m, struct statx *s);
int __wrap_statx(int d, const char *p, int f, unsigned m, struct statx *s);
int __wrap_statx(int d, const char *p, int f, unsigned m, struct statx *s)
{
	int r = kernel_fails_now() ? -1 : __real_statx(d, p, f, m, s);

	if (r == 0 && failing && failing->empty) {
		s->stx_mask &= ~(unsigned)STATX_MNT_ID;
		s->stx_mnt_id = 0;
	}
	return r;
}
ssize_t __real_readlinkat(int d, const char *p, char *t, size_t n);
ssize_t __wrap_readlinkat(int d, const char *p, char *t, size_t n);
ssize_t __wrap_readlinkat(int d, const char *p, char *t, size_t n)
{
	if (failing && failing->empty)
		return 0;
	return kernel_fails_now() ? -1 : __real_readlinkat(d, p, t, n);
}

/* Memory: what malloc and its like, or an arena, was asked for. */
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
	return failing && failing->memory && fails_now() ? NULL : __real_malloc(n);
}
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return failing && failing->memory && fails_now() ? NULL : __real_calloc(n, size);
}

#define FAILING_ARENA(type, name, params, args)                                                    \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		if (!failing || !failing->memory || !fails_now())                                  \
			return __real_##name args;                                                 \
		a->failed = true;                                                                  \
		return NULL;                                                                       \
	}

FAILING_ARENA(void *, arena_alloc, (struct arena * a, size_t n), (a, n))
FAILING_ARENA(void *, arena_array, (struct arena * a, size_t n, size_t m), (a, n, m))
FAILING_ARENA(char *, arena_strdup, (struct arena * a, const char *s), (a, s))
FAILING_ARENA(char *, arena_strndup, (struct arena * a, const char *s, size_t n), (a, s, n))

char *__wrap_arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
char *__wrap_arena_printf(struct arena *a, const char *fmt, ...)
{
	char *text = NULL, *copy;
	va_list ap;

	if (failing && failing->memory && fails_now()) {
		a->failed = true;
		return NULL;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	copy = text ? __real_arena_strdup(a, text) : NULL;
	free(text);
	return copy;
}

DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd)
{
	return kernel_fails_now() ? NULL : __real_fdopendir(fd);
}

/* Those with an open list of arguments. */
#define REST(last, type, arg)                                                                      \
	va_list ap;                                                                                \
	type arg;                                                                                  \
	va_start(ap, last);                                                                        \
	arg = va_arg(ap, type);                                                                    \
	va_end(ap)

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	REST(flags, unsigned, mode);
	return kernel_fails_now() ? -1 : __real_openat(dir, path, flags, mode);
}
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	REST(flags, unsigned, mode);
	return kernel_fails_now() ? -1 : __real_open(path, flags, mode);
}
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	REST(request, void *, argument);
	return kernel_fails_now() ? -1 : __real_ioctl(fd, request, argument);
}
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
	REST(command, void *, argument);
	return kernel_fails_now() ? -1 : __real_fcntl(fd, command, argument);
}
int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int __wrap_prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return kernel_fails_now() ? -1 : __real_prctl(option, a[0], a[1], a[2], a[3]);
}
long __real_syscall(long number, ...);
/* Reads six whatever was passed: of those on the stack a sanitizer may know better. */
long __wrap_syscall(long number, ...) __attribute__((no_sanitize_address));
long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return kernel_fails_now() ? -1 : __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* What calls fail with. */
static const int errors[] = { EIO,    EPERM, ENOENT,  EINVAL, EEXIST, ENOSYS, ENODEV,	 ENOMEM,
			      EAGAIN, ELOOP, ENOTDIR, EISDIR, EACCES, EXDEV,  EOPNOTSUPP, EINTR };
#define ERRORS (sizeof errors / sizeof errors[0])

static inline int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += __real_fcntl(fd, F_GETFD, NULL) >= 0;
	return n;
}
