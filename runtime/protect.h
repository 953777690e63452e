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
/* Says so of a config.json before it is parsed, if it has no id maps at all. */
bool protect_is_surely_needed(const char *config, size_t size);
/* Runs the same command again from a sealed memfd (CVE-2019-5736: /proc/PID/exe of a process that
 * enters the container is then a file nobody can write). Returns 0 when this process already
 * is that copy; does not return when it becomes it; -errno when it can't. */
int protect_self(char *const argv[], struct err *e);
/* The first `count` fds from 3 on are the caller's for the container: they survive protect_self().
 * -EBADF when one was not open as this program started: what has its number now is our own. */
int protect_keep_fds(int count, struct err *e);
/* First thing in main: closed stdio opened on /dev/null, inherited fds CLOEXEC, umask 022. */
int protect_start(struct err *e);
