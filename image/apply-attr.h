/*
 * apply-attr.h - owner, mode, xattrs and times of what apply.c makes.
 *
 * Internal to the unpacker. The order is forced by the kernel: chown clears
 * setuid bits and file capabilities, so it comes first; times come last.
 */
#pragma once
#include "image/apply.h"

extern const struct timespec apply_implied_mtime;
bool apply_is_whiteout(const struct stat *st);
void apply_note(struct apply *a, enum note kind, const char *path);
/* Permissions that the entry gets in this kind of store. */
mode_t apply_mode(const struct apply *a, const struct layer_entry *entry);
/* Owner, mode and xattrs, not times. fd: a regular file or folder, really open. plain: it is new,
 * made with the entry's permissions in a folder that is plain. */
int apply_attrs_fd(struct apply *a, int fd, const struct layer_entry *entry, bool plain,
		   struct err *e);
/* The same for a folder that an earlier entry had made. */
int apply_attrs_kept(struct apply *a, int fd, const struct layer_entry *entry, struct err *e);
/* fd: O_PATH of a device or fifo (opening one for real has effects). */
int apply_attrs_path_fd(struct apply *a, int fd, const struct layer_entry *entry, struct err *e);
int apply_attrs_symlink(struct apply *a, int parent, const char *name,
			const struct layer_entry *entry, bool plain, struct err *e);
/* Hides the lower layers' content of this folder. */
int apply_set_opaque(struct apply *a, int fd, struct err *e);
