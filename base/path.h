/*
 * path.h - opening paths that somebody hostile may be rearranging.
 *
 * Host paths are opened from a directory fd; anything inside a container's
 * rootfs or an image goes through path_open_in_root(). Guest-safe: nothing
 * allocates. Where openat2(2) answers ENOSYS a component walk does the same
 * with openat(O_PATH|O_NOFOLLOW) and readlinkat.
 */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

#define PATH_DEPTH_MAX 4096 /* components in one path */
#define PATH_LINKS_MAX 40   /* symlinks followed, as in the kernel */

/* Forces the component walk, as if openat2 were missing (tests; also KIST_NO_OPENAT2 in debug). */
extern bool path_openat2_missing;

/* Opens path inside rootfd as if rootfd were "/": symlinks resolve inside, ".." stops at the root,
 * magic links are refused (-ELOOP). flags as open(2); O_CLOEXEC is added. fd or -errno. */
int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode);
/* The same from this process's own root: one that was entered by pivot_root, chroot or setns. */
int path_open_in_own_root(const char *path, int flags);
/* Opens path beneath dirfd: leaving it, by "..", absolute path or symlink, is -EXDEV;
 * with `no_symlinks` any symlink is -ELOOP. fd or -errno. */
int path_open_beneath(int dirfd, const char *path, int flags, mode_t mode, bool no_symlinks);
/* Makes path as directory (and its parents) inside rootfd with `mode`, in-root resolution, and
 * returns an O_PATH fd of it. An existing directory is fine; any other thing is -ENOTDIR. */
int path_mkdir_in_root(int rootfd, const char *path, mode_t mode);
/* The same for a regular, empty file; an existing non-directory is fine. Parents 0755. O_PATH fd. */
int path_mkfile_in_root(int rootfd, const char *path, mode_t mode);
/* Opens the parent of path, making it with `mode`, and copies the last component to name ("" when
 * path is the root): for what must not follow a symlink there. O_PATH fd. */
int path_parent_in_root(int rootfd, const char *path, mode_t mode, char name[NAME_MAX + 1]);
/* Removes a tree below dirfd/name without following symlinks or crossing mounts. Absent: 0. */
int path_remove_tree(int dirfd, const char *name, struct err *e);
/* An id for a container, job, network: [A-Za-z0-9_][A-Za-z0-9_.+-]{0,max-1}, never "." or "..". */
bool path_is_id(const char *id, size_t max);
/* The absolute path of the folder that was opened as `path`, without symlinks, "." and "..", as
 * realpath(3) gives it, at the price of one call. 0 or -errno. */
int path_name_of_fd(int fd, const char *path, char name[PATH_MAX]);
/* "/proc/self/fd/N" into text[32]. Returns text. */
char *path_of_fd(int fd, char text[32]);
