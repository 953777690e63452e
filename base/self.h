/*
 * self.h - where this program lies, and with it the programs that belong to it.
 *
 * The protective copy of kist (runtime/protect.c) has no folder: what starts it
 * calls self_remember() first, and the copy finds the path in its argv[0].
 */
#pragma once
#include <stddef.h>

/* What was not installed beside kist lies here. */
#ifndef KIST_LIBEXEC
#define KIST_LIBEXEC "/usr/local/libexec"
#endif

/* Puts the program's own path into argv[0]; leaves it alone when that can't be told. */
void self_remember(char **argv);
/* The path of `name` in this program's folder. 0, -ENOENT when the folder is not known, or -errno.
 */
int self_beside(const char *name, char *path, size_t size);
