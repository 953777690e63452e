/*
 * store-layout.h - the store's folders, locks and small files.
 *
 * Who may do what: everything that changes index.json, blobs/ or layers/ holds
 * `lock` exclusively, and only for a moment; readers hold it shared. Work in
 * progress lives in tmp/NAME, whose own flock says that its maker lives, and
 * whose file `pins` names the digests that the maker counts on. Whoever makes
 * the layer of one chainID holds locks/CHAINID. Whoever fetches a blob holds a
 * flock on partial/HEX, which stays when the fetching is cut off. users/NAME says
 * which container runs an image. All locks are flock(2): the
 * kernel drops them when their holder dies.
 */
#pragma once
#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/subids.h"
#include "image/apply.h"
#include "image/manifest.h"

#define STORE_PATH_MAX 2048

struct store {
	int dir;		   /* the store's folder */
	char path[STORE_PATH_MAX]; /* absolute */
	bool userxattr;		   /* its layers have user.overlay.*: made without root */
	bool mapped;		   /* and belong to who they should, of these ids: store-enter.c */
	struct subids ids;
	bool shared;		   /* only read: store-shared.c */
};
#define STORE_INIT                                                                                 \
	{                                                                                          \
		.dir = -EBADF                                                                      \
	}

/* Opens the store at path (NULL: the default); create: makes what is missing (mode 0700), else a
 * store that is not there is -ENOENT. */
int store_open(struct store *s, const char *path, bool create, struct err *e);
void store_close(struct store *s);
#define _cleanup_store_ __attribute__((cleanup(store_close)))

/* A store of root's, or of the caller's own, that is only read. Refuses one that others can alter. */
int store_open_shared(struct store *s, const char *path, struct err *e);
int store_check_shared(const struct store *s, struct err *e);
/* May the caller's containers run on its layers? `reference` is for the way out. */
int store_check_shared_layers(const struct store *s, const char *reference, struct err *e);

#define STORE_SHARED_MAX 16
struct store_list {
	const char *paths[STORE_SHARED_MAX]; /* in an arena */
	size_t count;
};
/* What KIST_SHARED_STORES, or else /etc/kist/shared-stores says. */
int store_shared_list(struct arena *a, struct store_list *ret, struct err *e);
struct store_set {
	struct store stores[STORE_SHARED_MAX];
	size_t count;
};
/* Those that are there and may be used; refused (may be NULL): why the first other one is not. */
int store_open_all_shared(struct store_set *ret, struct err *refused, struct err *e);
void store_close_all(struct store_set *set);

/* Opens and locks (shared) the store that has the image: one's own (path NULL: the default), else the
 * first shared one. run: its layers will be used. -ENOENT when none has it: s is one's own, if there is
 * one. */
int store_open_having(struct store *s, const char *path, const char *reference, bool run,
		      struct arena *a, const struct index_entry **ret, int *ret_lock, struct err *e);
/* Of a verb that changes one's own store and ended with -ENOENT: is it a shared one that has the image?
 * Returns `error`, or another. */
int store_explain_shared(int error, const char *reference, struct err *e);
/* -ENOENT, and what to do. */
int store_say_unknown(const struct store *s, const char *reference, struct err *e);

/* Do others read its blobs (the file `shared`)? Lets them, or no more: store-share.c. */
bool store_is_open(const struct store *s);
int store_share(const struct store *s, bool open, struct err *e);
/* What is wrong with the mode of one of its parts, given that: 0, or the mode it should have. */
struct store_part {
	const char *name;
	mode_t closed, open;
};
extern const struct store_part store_parts[];
extern const size_t store_part_count;

/* Of which kind this caller's stores are; of which kind this one is (the file `xattrs`). */
bool store_caller_userxattr(void);
enum apply_as store_apply_as(const struct store *s);
struct image_info;
enum apply_as image_apply_as(const struct image_info *image);
/* Of a mapped store: does the caller have its ids, as they are there? */
int store_check_ids(const struct store *s, struct err *e);
/* What a store that this process makes will be: mapped, with these; NULL: single. */
void store_choose_ids(const struct subids *ids);
/* 1 and its kind; 0 when there is no store; -errno. Makes nothing. */
int store_look_at(struct store *s, const char *path, struct err *e);

/* Goes into the user namespace that a mapped store's files are owned in, if that store is one: whoever
 * reads or changes its layers must. Once, before there are threads. `create`: if it is not there, it
 * will be made, mapped or not. */
enum store_ids { STORE_IDS_AUTO, STORE_IDS_SINGLE, STORE_IDS_MAPPED };
/* before (may be NULL): is called when it will go in, and has not yet. */
int store_enter(const char *path, enum store_ids want, bool create, void (*before)(void *user),
		void *user, struct err *e);
/* The same for who reads an image's layers, wherever it was found. */
int image_enter(const struct image_info *image, struct err *e);
/* Did it? Then the caller's own id looks like 0, and that of root like nobody's. */
bool store_has_entered(void);
void store_note_entered(void);
/* Before that: which stores of others may be used. */
void store_vouch_shared(void);
int store_read_kind(struct store *s, struct err *e);
int store_write_kind(const struct store *s, struct err *e);

/* Keeps a little room for what frees the disk when it is full, if it can. True when the error was
 * that there is none, and now is, once: try again. */
void store_reserve_keep(const struct store *s);
bool store_reserve_spend(const struct store *s, int error, struct err *e);

/* The store's lock; waits. Close the fd to unlock. */
int store_lock(const struct store *s, bool exclusive, int *ret_fd, struct err *e);
/* The lock of one chainID; waits. */
int store_lock_chain(const struct store *s, const struct digest *chain, int *ret_fd, struct err *e);
/* -EWOULDBLOCK when it is held. */
int store_try_lock_chain(const struct store *s, const struct digest *chain, int *ret_fd,
			 struct err *e);
/* Removes the lock's file and unlocks. */
void store_unlock_chain(const struct store *s, const struct digest *chain, int *fd);

/* A folder for readdir(3), its last part not followed; NULL with errno. */
DIR *store_open_folder(int dirfd, const char *path);
/* readdir(3): 1 with an entry, 0 at the end, -errno: a folder that was half read is not one that
 * has no more. `what` names it. */
int store_next(DIR *dir, const char *what, struct dirent **ret, struct err *e);
/* A leftover of file_replace_at(), in the store's own folder. */
bool store_is_temporary(const char *name);

struct store_path {
	char text[sizeof("layers/sha256/") + DIGEST_HEX_MAX + sizeof("/complete")];
};
struct store_path store_blob_path(const struct digest *d);
/* tail: "", "/diff", "/complete" */
struct store_path store_layer_path(const struct digest *chain, const char *tail);

/* index.json, or an empty one. */
int store_read_index(const struct store *s, struct arena *a, struct image_index *ret,
		     struct err *e);
/* Reads and parses a JSON blob of at most `limit` bytes; its size must be d->size. */
int store_read_json(const struct store *s, const struct descriptor *d, size_t limit, json_t **ret,
		    struct err *e);
int store_read_manifest(const struct store *s, const struct descriptor *d, struct arena *a,
			struct image_manifest *ret, struct err *e);
int store_read_config(const struct store *s, const struct descriptor *d, struct arena *a,
		      struct image_config *ret, struct err *e);

/* layers/sha256/CHAINID/complete: written last, so a layer that has it is whole. */
struct layer_marker {
	struct digest diffid;
	bool has_parent;
	struct digest parent; /* the chainID below */
	uint64_t entries, bytes;
	bool userxattr;	  /* user.overlay.opaque, owners squashed: made without root */
	bool opaque_root; /* nothing below this layer shows */
};
/* 1 there, 0 no such layer, -errno. */
int store_read_marker(const struct store *s, const struct digest *chain, struct layer_marker *ret,
		      struct err *e);
int store_write_marker(int dir, const struct layer_marker *m, struct err *e);

/* How an index entry is found: a canonical reference, name@digest, or (the start of) a digest.
 * A reference that is none of these is -EINVAL. */
struct store_query {
	char reference[512];		 /* canonical name:tag, or "" */
	char name[256];			 /* with name@digest: the name */
	char digest[DIGEST_HEX_MAX + 1]; /* its hex or the start of it, or "" */
	bool no_domain;			 /* Docker Hub was assumed: settle may find another */
};
int store_query_parse(const char *text, struct store_query *ret, struct err *e);
/* "debian:12" is Docker Hub's; where the store has no such image, but one registry's debian:12, that
 * one is meant: the query then names it. Two registries' different ones: -EINVAL. */
int store_query_settle(struct store_query *q, const struct image_index *index, struct err *e);
/* The entry of an image that can be run. With the store's lock held. */
int store_find(const struct store *s, const char *reference, struct arena *a,
	       const struct index_entry **ret, struct err *e);
bool store_query_matches(const struct store_query *q, const struct index_entry *entry);

struct store_use { /* one file of users/, or of containers/ */
	const char *name;
	bool alive; /* else its maker is dead, and id and manifest are empty */
	char id[256];
	struct digest manifest;
	struct digest chain; /* of containers/: of the topmost layer */
};
typedef int store_use_fn(const struct store *s, const struct store_use *use, void *user,
			 struct err *e);
int store_each_use(const struct store *s, store_use_fn *visit, void *user, struct err *e);
/* Of containers/: those that count. Others are removed. */
int store_each_hold(const struct store *s, store_use_fn *visit, void *user, struct err *e);

struct store_stack { /* the layers of an image that show */
	char **names; /* "HEX/diff", or "HEX/flat", below layers/sha256, top first; in an arena */
	size_t count;
};
/* If somebody wrote them down, and all are there: store-stack.c. With the store's lock held. */
bool store_read_stack(const struct store *s, const struct digest *top, struct arena *a,
		      struct store_stack *ret);
/* Does what it can. */
void store_write_stack(const struct store *s, const struct store_stack *stack);
