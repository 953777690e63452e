/*
 * spec.h - what a config.json says about namespaces, ids, mounts, devices and paths.
 *
 * ns_parse() owns these places of the spec: /root, /mounts, /hostname,
 * /domainname, /linux/{namespaces,uidMappings,gidMappings,timeOffsets,devices,
 * maskedPaths,readonlyPaths,rootfsPropagation,sysctl,mountLabel}, and
 * /annotations/run.oci.mount_context_type. It reads nothing else and touches no file: everything the kernel is asked for comes from the
 * builders in builders.h.
 */
#pragma once
#include <jansson.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/host.h"

#define NS_MAP_LINES_MAX    340   /* the kernel's own limit, user_namespaces(7) */
#define NS_MOUNTS_MAX       2000
#define NS_DEVICES_MAX      1000
#define NS_PATHS_MAX        2000  /* masked or read-only paths */
#define NS_SYSCTLS_MAX      500
#define NS_OPTIONS_MAX      200   /* options of one mount */
#define NS_OPTION_BYTES_MAX 4000  /* mount(2) takes one page of them */
#define NS_PROPAGATIONS_MAX 4
#define NS_LABEL_MAX        255   /* what fsconfig(2) takes as one value */

/* Kinds of namespaces, in the order a process joins them when it may join each. */
enum ns_kind { NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_PID, NS_MOUNT, NS_USER, NS_KINDS };

struct ns_kind_info {
	const char *json; /* "network" */
	const char *proc; /* "net": name in /proc/PID/ns */
	unsigned int flag;/* CLONE_NEW* */
};
extern const struct ns_kind_info ns_kind_info[NS_KINDS];
/* The i-th mount option the parser knows, or NULL. */
const char *ns_mount_option_name(size_t i);

struct ns_id_map {
	uint32_t container, host, size;
};
struct ns_id_maps {
	const struct ns_id_map *line;
	size_t count;
};

struct ns_option { /* for the filesystem: key, or key=value */
	const char *key;
	const char *value; /* NULL: a flag */
};

/* What mount options ask for, besides the filesystem's own words. */
struct ns_mount_flags {
	bool bind, recursive;          /* rbind */
	bool remount;
	uint64_t attr_set, attr_clr;   /* MOUNT_ATTR_* of this mount */
	uint64_t rattr_set, rattr_clr; /* and of all below it */
	bool attr_asked, rattr_asked;
	unsigned int propagation[NS_PROPAGATIONS_MAX]; /* MS_PRIVATE..., with MS_REC */
	int propagation_count;
	struct ns_option super[8];     /* superblock flags, as fsconfig takes them: ro, sync, ... */
	int super_count;
	unsigned long classic;         /* MS_* that only mount(2) can say: I_VERSION, SILENT */
	bool copy_up;                  /* tmpcopyup */
	bool idmap, idmap_recursive, idmap_try; /* try: as it is, where it can't be */
	const char *idmap_text;        /* "uids=0-1-10;gids=0-1-10", as crun takes it; NULL: none */
	bool copy_symlink;             /* a source that is a symlink is made again in the container */
	bool source_nofollow;          /* ... is itself mounted */
	bool target_nofollow;          /* a destination that is a symlink is itself covered */
	const struct ns_option *data;
	size_t data_count;
};

struct ns_mount {
	const char *why;         /* "/mounts/3" */
	const char *destination; /* absolute, normalised: no "//", ".", ".." */
	const char *source;      /* binds: absolute host path; else the name mountinfo shows */
	const char *type;        /* filesystem; "bind" for binds */
	struct ns_mount_flags flags;
	struct ns_id_maps uid, gid; /* of an id-mapped mount; empty: the container's own */
};

struct ns_device {
	const char *why;
	const char *path;        /* absolute, normalised */
	mode_t type;             /* S_IFCHR, S_IFBLK, S_IFIFO */
	mode_t mode;             /* permission bits */
	unsigned int major, minor;
	uid_t uid;
	gid_t gid;
	bool standard;           /* one of the devices every container gets */
};

struct ns_sysctl {
	const char *why;
	const char *path;        /* below /proc/sys: "net/ipv4/ip_forward" */
	const char *value;
	unsigned int needs;      /* CLONE_NEW* of the namespace it belongs to */
};

struct ns_spec {
	unsigned int new_namespaces;           /* CLONE_NEW* to make */
	unsigned int join_namespaces;          /* CLONE_NEW* to join by path */
	const char *join_path[NS_KINDS];
	const char *join_why[NS_KINDS];
	struct ns_id_maps uid_maps, gid_maps;
	const char *hostname, *domainname;     /* NULL: keep */
	const char *time_offsets;              /* text for timens_offsets; NULL: none */
	const char *bundle;
	const char *rootfs;                    /* absolute host path; NULL when root is absent */
	bool root_readonly;
	const char *mount_label;               /* SELinux context of new filesystems; NULL: none */
	const char *mount_label_option;        /* as which option it is given: "context" */
	unsigned int rootfs_propagation;       /* MS_SHARED..., with MS_REC; 0: not said */
	const struct ns_mount *mounts;
	size_t mount_count;
	const struct ns_device *devices;       /* the standard ones first */
	size_t device_count;
	const char *const *masked_paths;       /* absolute, normalised */
	size_t masked_count;
	const char *const *readonly_paths;
	size_t readonly_count;
	const struct ns_sysctl *sysctls;
	size_t sysctl_count;
};

/* True when the guest lives in a user namespace other than the host's. */
static inline bool ns_has_userns(const struct ns_spec *s)
{
	return (s->new_namespaces | s->join_namespaces) & CLONE_NEWUSER;
}

/*
 * Parses what this folder owns of a config.json (OCI runtime-spec config.md and
 * config-linux.md). `bundle` is absolute; relative sources and root.path are
 * below it. Strings are copied into the arena. 0, or -EINVAL with the JSON
 * pointer; *ret is untouched then.
 */
int ns_parse(const json_t *config, const char *bundle, struct arena *a, struct ns_spec *ret,
	     struct err *e);
/* Refuses what this host or this caller cannot do, before anything has been done. */
int ns_check(const struct ns_spec *s, const struct host *h, struct err *e);
/* True when nobody in the container may change its groups: user_namespaces(7), "setgroups". */
bool ns_setgroups_denied(const struct ns_spec *s, const struct host *h);
/* The one map the kernel takes from somebody without any right: the caller's own id, alone. */
bool ns_map_is_own_id(const struct ns_id_maps *maps, uint32_t id);
/* The host's ids of the container's uid and gid 0 (0 and 0 without a user namespace). */
void ns_host_root(const struct ns_spec *s, uid_t *ret_uid, gid_t *ret_gid);
/* The host id that `id` has in the maps; false when it has none. Empty maps: identity. */
bool ns_map_id(const struct ns_id_maps *maps, uint32_t id, uint32_t *ret_host);

/* --- pieces, public for tests and fuzzing ----------------------------------- */

/* Reads mount options in order; unknown words become data for the filesystem. `at` is the
 * pointer of the array. */
int ns_mount_options_parse(const char *const *options, size_t count, const char *at,
			   struct arena *a, struct ns_mount_flags *ret, struct err *e);
/* One of SELinux's options, whose value may hold commas. */
bool ns_option_is_label(const char *key);
/* Checks maps and copies them: empty, over 340 lines, size 0, wrap-around and overlap on either
 * side are refused. `at` is the pointer of the array. */
int ns_maps_parse(const json_t *array, const char *at, struct arena *a, struct ns_id_maps *ret,
		  struct err *e);
/* "uids=0-1000-10#@10-0-1;gids=...": maps of one mount, a range as first-mapped-size, in the words of
 * crun's option idmap=. With '@' the mapped id is one of the container, whose maps are `uids` and
 * `gids`. `at` is the option's pointer. */
int ns_maps_parse_text(const char *text, const struct ns_id_maps *uids,
		       const struct ns_id_maps *gids, const char *at, struct arena *a,
		       struct ns_id_maps *ret_uid, struct ns_id_maps *ret_gid, struct err *e);
/* Makes a path inside the container absolute and plain: "a//b/../c/" is "/a/c"; ".." stops at the
 * root. NULL when it is longer than PATH_MAX or out of memory. */
char *ns_path_normalise(const char *path, struct arena *a);
/* "kernel.shmmax" or "kernel/shmmax" -> path below /proc/sys, and the namespace it belongs to.
 * False: not a namespaced key, or not a key at all. */
bool ns_sysctl_find(const char *key, char *path, size_t size, unsigned int *ret_needs);
