/*
 * tree.h - looking through folders whose content is hostile: sizes, and whether two are the same.
 *
 * Nothing is followed and nothing but regular files and folders is opened.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define TREE_DIFFERENCE_MAX 400

/* Bytes of the regular files in dirfd/name, or of the file it is; what cannot be read counts
 * nothing. */
uint64_t tree_bytes(int dirfd, const char *name);
/* Is `have` what `want` is? Names, types, modes, owners, sizes, times, devices, targets, xattrs,
 * how many names a file has, and content. 1 yes; 0 no, and why; -errno. */
int tree_same(int want, int have, char why[TREE_DIFFERENCE_MAX], struct err *e);
