/*
 * self.h - where this program lies, and with it the programs that belong to it.
 *
 * /proc/self/exe does not always say it: kist lets go of its file, or runs on as a
 * copy in memory, so that no container can write it (runtime/protect.h).
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

/* What was not installed beside kist lies here. */
#ifndef KIST_LIBEXEC
#define KIST_LIBEXEC "/usr/local/libexec"
#endif

/* The path of `name` in this program's folder. 0, -ENOENT when the folder can't be told, or
 * -errno. */
int self_beside(const char *name, char *path, size_t size);
/* Starts the program argv[0] of this program's folder, or of KIST_LIBEXEC. Of each pair of fds the
 * first becomes the second, in their order. Which signals kist blocks or ignores is not its business:
 * one that can't be ended would be left behind. 0 or -errno. */
int self_spawn(char *const argv[], const int fds[][2], size_t count, pid_t *ret);
/* Where main()'s arguments lie: what /proc/PID/cmdline shows, which no rule of access hides. */
void self_keep_arguments(int argc, char **argv);
/* They become `name`, and nothing more: they say things of the host. Guest-safe. */
void self_hide_arguments(const char *name);
/* For a copy that is about to be started: its argv[0] is the path of the original, where that is
 * known. */
void self_tell_copy(char *argv[]);
