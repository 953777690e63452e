/*
 * internal.h - what the files of this folder tell each other.
 */
#pragma once
#include "base/json.h"
#include "base/plan.h"
#include "ns/builders.h"
#include "ns/spec.h"

/* Parsers of parts; `at` is JSON_AT_ROOT based. 0 or -EINVAL. */
int ns_parse_mounts(const json_t *config, const char *bundle, struct arena *a, struct ns_spec *s,
		    struct err *e);
int ns_parse_devices(const json_t *linux_object, const struct json_at *at, struct arena *a,
		     struct ns_spec *s, struct err *e);
int ns_parse_sysctls(const json_t *linux_object, const struct json_at *at, struct arena *a,
		     struct ns_spec *s, struct err *e);

/* The slot of that name, made at its first use: builders that work on the same fd share it, and
 * scratch fds ("tree") don't eat the plan's few slots. */
int ns_slot(struct plan *p, const char *name);
/* The maps as uid_map and gid_map take them (user_namespaces(7)); lives in the plan's arena. */
const char *ns_map_text(struct plan *p, const struct ns_id_maps *maps);
#define NS_SLOT_ROOT   "root"    /* the container's root */
#define NS_SLOT_TARGET "target"  /* where the current mount goes */
#define NS_SLOT_TREE   "tree"    /* the current detached mount */
#define NS_SLOT_FS     "fs"      /* the current filesystem context */
#define NS_SLOT_DEV    "dev"     /* the container's /dev */
#define NS_SLOT_USERNS "userns"  /* the guest's user namespace */
#define NS_SLOT_NODES  "devices" /* a tmpfs with nodes for a container in a user namespace */
#define NS_SLOT_EMPTY  "empty"   /* the tmpfs that masks directories */
#define NS_SLOT_EMPTY_USED "empty is used" /* a number: a directory has it, the next get clones */

/* The mount at /dev, if it is a tmpfs that begins empty: then its fd is in NS_SLOT_DEV; or NULL. */
const struct ns_mount *ns_fresh_dev(const struct ns_spec *s);
/* Pieces of builders, in mounts.c and dev.c. */
void ns_plan_one_mount(struct plan *p, const struct ns_spec *s, const struct host *h, int root,
		       const struct ns_mount *m);
/* overlay.c: HOST, into the guest's mount namespace and home again: cwd and root, too. */
void ns_plan_enter_guest(struct plan *p);
void ns_plan_leave_guest(struct plan *p);
/* ",key=value...": what an image could smuggle in is not followed. */
const char *ns_overlay_safe_options(struct arena *a);
/* cow.c: a mount of that type. */
#define NS_COW_TYPE "kist-cow"
int ns_check_cow(const struct ns_mount *m, const struct ns_spec *s, const struct json_at *at,
		 struct err *e);
void ns_plan_cow(struct plan *p, const struct ns_spec *s, int root, const struct ns_mount *m);
/* hot.c: HOST: the root of a container that runs, once it is known that it lives. */
void ns_plan_hot_root(struct plan *p, const struct ns_hot *h, int root);
/* Of open_tree(2), for the source of a bind. */
unsigned int ns_tree_flags(const struct ns_mount *m);
void ns_plan_devices(struct plan *p, const struct ns_spec *s, const struct host *h, int root,
		     bool terminal);
/* The config's mount at exactly this destination, the last one; NULL: none. */
const struct ns_mount *ns_mount_at(const struct ns_spec *s, const char *destination);
