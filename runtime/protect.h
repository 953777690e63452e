/*
 * protect.h - the container must not be able to write kist's own binary.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/err.h"
#include "ns/spec.h"

/* Whether a process with the container's ids could write the file kist was started from: always
 * without a user namespace; with one, when it maps the file's owner or host root. */
bool protect_is_needed(const struct ns_spec *ns);
/* The same of the user namespace that a process is in; when that can't be told, it is needed. */
bool protect_is_needed_in(pid_t pid);
/* Makes this process one whose /proc/PID/exe is a sealed memfd that nobody can write
 * (CVE-2019-5736), before any process of it enters a container: it lets go of its file, or where it
 * may not (no CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, a kernel without CONFIG_CHECKPOINT_RESTORE)
 * runs the same command again from a sealed copy. Returns 0 when this process is protected; does
 * not return when it becomes the copy; -errno when it can't. */
int protect_self(char *argv[], struct err *e);
/* Its first way (own_file.c): maps the program anew and has `exe`, a file that may be executed, take
 * its file's place. -errno: it has to be done the other way. */
int protect_leave_file(int exe, char *const argv[]);
/* The first `count` fds from 3 on are the caller's for the container: they survive protect_self().
 * -EBADF when one was not open as this program started: what has its number now is our own. */
int protect_keep_fds(int count, struct err *e);
/* First thing in main: closed stdio opened on /dev/null, inherited fds CLOEXEC, umask 022. */
int protect_start(struct err *e);
