/* What musl 1.2.3 lacks of sys/mount.h. */
#pragma once
#include <fcntl.h>
#include <stddef.h>
#include_next <sys/mount.h>
#include <linux/mount.h>

int fsopen(const char *type, unsigned int flags);
int fsconfig(int fd, unsigned int command, const char *key, const void *value, int aux);
int fsmount(int fd, unsigned int flags, unsigned int attributes);
int fspick(int dirfd, const char *path, unsigned int flags);
int open_tree(int dirfd, const char *path, unsigned int flags);
int move_mount(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned int flags);
int mount_setattr(int dirfd, const char *path, unsigned int flags, struct mount_attr *attr,
		  size_t size);
