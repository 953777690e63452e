/*
 * fd.h - file descriptors with visible ownership, and small whole-file I/O.
 *
 * `_cleanup_fd_ int fd = -EBADF;` owns; fd_take(&fd) hands over. Every fd
 * made here is CLOEXEC. Nothing here allocates unless it says so.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include "base/err.h"

/* Closes *fd when it is >= 0, keeps errno, sets it to -EBADF. */
void fd_close(int *fd);
static inline int fd_take(int *fd)
{
	int taken = *fd;
	*fd = -EBADF;
	return taken;
}
void free_pointer(void *pointer_to_pointer);
void close_stream(FILE **stream);
#define _cleanup_fd_     __attribute__((cleanup(fd_close)))
#define _cleanup_free_   __attribute__((cleanup(free_pointer)))
#define _cleanup_stream_ __attribute__((cleanup(close_stream)))

/* Writes all of it, restarting on EINTR and short writes. 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t size);
/* Reads up to size bytes until EOF, restarting on EINTR. Bytes read or -errno. */
ssize_t fd_read_full(int fd, void *data, size_t size);
/* Opens dirfd/path O_WRONLY, writes text in ONE write(2), closes: for /proc, /sys, cgroup files.
 * 0 or -errno; a short write is -EIO. Does not create. Guest-safe. */
int file_write_at(int dirfd, const char *path, const char *text);
/* Reads a small text file (kernel or our own) into text, NUL-terminated, trailing newline
 * stripped. Length, or -errno; -E2BIG when it does not fit. Guest-safe. */
ssize_t file_read_at(int dirfd, const char *path, char *text, size_t size);
/* The same of a file that the kernel gives in one read(2): /proc/PID/stat, cgroup files. */
ssize_t file_read_record_at(int dirfd, const char *path, char *text, size_t size);
/* Reads a whole regular file of at most `limit` bytes into malloc'd *ret_data (NUL-terminated),
 * caller frees. Opens O_NONBLOCK|O_NOCTTY; not a regular file: -EINVAL; larger: -E2BIG.
 * The record names the path. */
int file_read_whole(int dirfd, const char *path, size_t limit, char **ret_data, size_t *ret_size,
		    struct err *e);
/* A new file of mode 0600, not yet there: whoever reads it meanwhile sees part of it. */
int file_create_at(int dirfd, const char *name, const void *data, size_t size, struct err *e);
/* Atomically replaces dirfd/name (temporary file, fsync when durable, rename, fsync of dirfd). */
int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
		    bool durable, struct err *e);
/* The same, durable, and for a folder that is not kist's own: where the file system can make a file
 * without a name, whoever is killed leaves nothing there but, over a file that was there, ".NAME.tmp",
 * until the next one. */
int file_publish_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
		    struct err *e);
/* Connects to a unix socket. What is sent there may block for send_timeout seconds: a peer that never
 * reads must hold up nobody for ever. fd or -errno; the record names the path, and `what` it is. */
int socket_connect(const char *path, int send_timeout, const char *what, struct err *e);
/* Sends data plus at most one fd (fd < 0: none) as one SEQPACKET/STREAM message. 0 or -errno. */
int socket_send_fd(int sock, const void *data, size_t size, int fd);
/* Receives one message; *ret_fd is -EBADF when none came; extra fds are closed and make it
 * -EPROTO. Returns bytes (0 = EOF) or -errno. The fd is CLOEXEC. */
ssize_t socket_recv_fd(int sock, void *data, size_t size, int *ret_fd);
