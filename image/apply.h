/*
 * apply.h - puts one layer's entries into a folder, in overlayfs's form.
 *
 * Everything that touches the file system is here. The entries are hostile:
 * each path is walked from the layer's own folder with in-root resolution,
 * the last part is never followed, and attributes go on through file
 * descriptors. Whiteouts become what overlayfs wants (char device 0/0, an
 * "opaque" xattr), so a layer unpacks without looking at those below it.
 * Knows nothing of tar: unpack.c feeds it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include "base/err.h"

#define APPLY_PATH_MAX	  4095	     /* bytes of one path (PATH_MAX without its NUL) */
#define APPLY_DEPTH_MAX	  4096	     /* parts of one path */
#define APPLY_XATTRS_MAX  256	     /* of one entry */
#define APPLY_IMPLIED_MAX (8u << 20) /* bytes of paths of folders that have no entry */
#define APPLY_FOLDERS	  16	     /* folders held open */

struct layer_xattr {
	const char *name;
	const void *value;
	size_t size;
};

/* One entry, however it was packed. */
struct layer_entry {
	const char *path;
	mode_t mode; /* type and permissions; the type is ignored for hard links */
	uint64_t uid, gid;
	struct timespec mtime;
	dev_t rdev;
	const char *symlink;  /* S_IFLNK: where to */
	const char *hardlink; /* not NULL: another name of this path */
	const struct layer_xattr *xattrs;
	size_t xattr_count;
};

/* What was left out, by how often; the first path of each. */
enum note { NOTE_OVERLAY_XATTR, NOTE_XATTR, NOTE_DEVICE, NOTE_OWNER, NOTE_COUNT };
struct apply_note {
	uint64_t count;
	char first[96];
};

/* A folder that is open (apply-folder.h). */
struct apply_folder {
	int fd;
	dev_t dev;
	ino_t ino;
	char *path; /* that led to it; NULL: it may not lead here any more */
	uint64_t hash, used;
	struct timespec mtime; /* what it shall be */
	bool touched;	       /* and is not */
	bool plain; /* what is made in it is ours and has no other rights than we give it */
};

/* Whose files a layer's become. */
enum apply_as {
	APPLY_SINGLE, /* the caller's; whose they should be is kept in an xattr */
	APPLY_MAPPED, /* their owners', in a user namespace that has those ids */
	APPLY_ROOT,   /* the same; and devices and trusted.* xattrs, which root of the host alone gives */
};

struct apply {
	int root;	  /* borrowed: the layer's folder */
	bool owners;	  /* they, and modes, are set as they should be: not APPLY_SINGLE */
	bool host;	  /* APPLY_ROOT */
	bool opaque_root; /* the layer hides everything below it */
	bool root_said;	  /* it has an entry for its root */
	struct apply_note notes[NOTE_COUNT];
	struct apply_folder folders[APPLY_FOLDERS];
	size_t folder_count;
	uint64_t clock;
	struct apply_folder *in; /* the one that the entry goes into */
	uid_t uid;
	gid_t gid;	    /* whose new files are */
	bool umask_is_zero; /* of this thread: modes of new files are exact */
	bool acl_seen;	    /* a folder has a default ACL, which new files would inherit */
	int late_error;	    /* of a folder that was left: it was not possible to put its time back */
	int file_fd;	    /* the regular file being written */
	char *implied;	    /* NUL-separated paths of folders made without an entry */
	size_t implied_size;
};

/* root: an empty folder, mode 0755 owner 0:0 or whoever runs this. */
void apply_begin(struct apply *a, int root, enum apply_as as);
/* Makes one entry. For a regular file *ret_fd is a borrowed fd to write the content to, and
 * apply_file_done() must follow; otherwise *ret_fd is -EBADF. */
int apply_entry(struct apply *a, const struct layer_entry *entry, int *ret_fd, struct err *e);
/* After the content, of which `written` bytes are there: its size, when that is more, and its
 * attributes, which must be last: writing clears setuid. */
int apply_file_done(struct apply *a, const struct layer_entry *entry, uint64_t written,
		    uint64_t size, struct err *e);
/* Ends: sets what waits. Call it on success only. */
int apply_end(struct apply *a, struct err *e);
/* Releases; removes nothing. */
void apply_free(struct apply *a);

/* After every layer below is there: folders of this layer that have no entry of their own take
 * owner, mode, ACLs and mtime from the nearest lower layer that has them (else 0:0, 0755, epoch).
 * Without this an image whose layers hold only files would show /tmp as 0755. lowers: fds of the
 * folders below, nearest first. */
int apply_fix_implied(int root, const char *implied, size_t size, enum apply_as as,
		      const int *lowers, size_t count, struct err *e);

/* The xattr that makes a folder opaque, for this kind of store (overlayfs, "userxattr"). */
const char *apply_opaque_xattr(bool trusted);
