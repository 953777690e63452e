/*
 * ops.h - the primitives of this folder, for its builders and the tests.
 *
 * A slot of -1 is AT_FDCWD. Strings must live as long as the plan.
 */
#pragma once
#include "base/ops.h"
#include "base/plan.h"
#include "ns/spec.h"

/* --- ops_mount.c: the mount API --------------------------------------------- */
struct op_fsopen_args {
	const char *type;
	int slot;
};
struct op_fsconfig_args {
	int slot;
	unsigned int command;  /* FSCONFIG_* */
	const char *key, *value;
};
struct op_fsconfig_each_args { /* FSCONFIG_SET_STRING of one key with each value in turn */
	int slot;
	const char *key;
	const char *const *values;
	size_t count;
};
struct op_fsmount_args {
	int fs_slot, slot;
	unsigned int attr;     /* MOUNT_ATTR_* */
};
struct op_fspick_args {
	int target_slot, slot;
};
struct op_open_tree_args {
	int dir_slot;
	const char *path;      /* "": the slot itself */
	unsigned int flags;    /* OPEN_TREE_CLONE, AT_RECURSIVE */
	int slot;
};
struct op_mount_setattr_args {
	int slot;
	const char *path;      /* "": the slot itself */
	bool recursive;
	uint64_t set, clr, propagation;
	int userns_slot;       /* with MOUNT_ATTR_IDMAP in set */
};
struct op_move_mount_args {
	int from_slot, to_slot;
	const char *to_path;            /* "": the slot itself */
	const struct ns_mount *mount;   /* for by_hand; or NULL */
	const char *hand;               /* the shell line otherwise; or NULL */
};
struct op_mount_args { /* mount(2): onto a path of this process */
	const char *source, *target, *type;
	unsigned long flags;
	const char *data;
};
struct op_umount_args {
	const char *path;
	int flags;
};
extern const struct op op_fsopen, op_fsconfig, op_fsconfig_each, op_fsmount, op_fspick, op_open_tree,
	op_mount_setattr, op_move_mount, op_mount, op_umount;

/* --- ops_path.c: paths, nodes, checks --------------------------------------- */
struct op_openat_args {
	int dir_slot;
	const char *path;
	int flags, slot;
};
struct op_open_in_root_args { /* openat2: RESOLVE_IN_ROOT, or BENEATH without any symlink */
	int root_slot;
	const char *path;
	int flags;
	bool plain;            /* no symlinks at all */
	int slot;
};
struct op_make_target_args { /* compound: opens or makes the place of a mount inside the root */
	int root_slot;
	const char *path;
	int like_slot;         /* a file if this slot holds no directory; -1: a directory */
	bool file;             /* a file in any case */
	bool plain;            /* the path may hold no symlink: /dev, /proc, /sys */
	bool proc_ok;          /* may lie on a procfs */
	bool nofollow;         /* a symlink there is itself the place */
	bool fresh;            /* root_slot is the new tmpfs at the path's parent: only the name is
				* made in it, and no slot filled */
	int slot;
};
struct op_copy_symlink_args { /* compound: -EALREADY when from_slot holds a symlink, now made at `path` */
	int from_slot, root_slot;
	const char *path;      /* inside the root; its last component is not followed */
};
struct op_mkdirat_args { /* also fchmodat */
	int dir_slot;
	const char *path;
	mode_t mode;
};
struct op_mknodat_args {
	int dir_slot;
	const char *path;
	mode_t mode;           /* with the type */
	unsigned int major, minor;
};
struct op_symlinkat_args {
	const char *target;
	int dir_slot;
	const char *path;
};
struct op_fchownat_args {
	int dir_slot;
	const char *path;      /* "": the slot itself */
	uid_t uid;
	gid_t gid;
};
struct op_check_device_args {
	int dir_slot;
	const char *path;      /* "": the slot itself */
	mode_t type;
	unsigned int major, minor;
	bool any_minor;
	bool set_mode;         /* and give it `mode`, if it has another */
	mode_t mode;
};
struct op_check_fs_args {
	int slot;
	long magic;
	const char *name;      /* "procfs" */
};
struct op_check_same_args { /* `slot` is the folder that `below_slot` lies in */
	int slot, below_slot;
	const char *path;      /* for show */
};
struct op_fchdir_args {
	int slot;
};
struct op_text_args { /* chdir, chroot, sethostname, setdomainname */
	const char *text;
};
struct op_check_root_args {
	int slot;
};
extern const struct op op_openat, op_open_in_root, op_make_target, op_copy_symlink, op_mkdirat, op_fchmodat, op_mknodat,
	op_symlinkat, op_fchownat, op_check_device, op_check_fs, op_check_same, op_fchdir, op_chdir, op_chroot,
	op_pivot_root, op_check_root;

/* --- ops_mask.c ---------------------------------------------------------------- */
struct op_mask_directory_args { /* compound: open_tree(clone) + move_mount; -ENOTDIR: it is none */
	int empty_slot, attached_slot; /* the tmpfs; whether a directory has it */
	int target_slot;
	const char *path; /* for show */
};
struct op_mask_file_args { /* compound: the same of the host's /dev/null */
	int null_slot, target_slot;
	const char *path;
};
extern const struct op op_mask_directory, op_mask_file;

/* --- copy_up.c: tmpcopyup ----------------------------------------------------- */
#define NS_COPY_UP_DEPTH_MAX 128     /* folders in folders; two fds each */
#define NS_COPY_UP_FILES_MAX 1000000
extern unsigned int ns_copy_up_files_max; /* that, but for tests */
struct op_copy_up_args { /* compound */
	int from_slot, to_slot; /* a folder of the root; the tmpfs, detached and still writable */
	bool contents;          /* with all that is in it */
	bool mode, owner;       /* of the folder itself: not where the config says another */
	const char *path;       /* of the folder, for by_hand */
};
extern const struct op op_copy_up;

/* --- ops_process.c: births, namespaces, ids --------------------------------- */
struct op_clone3_args {
	uint64_t namespaces;       /* CLONE_NEW* */
	int cgroup_slot;           /* -1: stay in the host's cgroup */
	int join_count;            /* >0: through a joiner, which enters these first */
	int join_slot[NS_KINDS];
	unsigned int join_flag[NS_KINDS];
	const char *oom_score_adj; /* the joiner writes it first; NULL: not */
};
struct op_setns_args {
	int slot;
	unsigned int flags;
};
struct op_flags_args { /* unshare */
	unsigned int flags;
};
struct op_check_ns_args {
	int slot;
	unsigned int flag;
};
extern const struct op op_clone3, op_clone3_then_cgroup, op_setns, op_unshare, op_check_ns,
	op_open_guest_proc, op_setsid,
	op_sethostname, op_setdomainname;

/* --- ops_keyring.c ------------------------------------------------------------ */
struct op_session_keyring_args {
	const char *name; /* NULL: a new one without a name */
	bool join;	  /* the one of that name, if there is one: exec's */
};
extern const struct op op_session_keyring;

/* --- ops_userns.c ------------------------------------------------------------ */
struct op_make_userns_args { /* compound: a user namespace with these maps, and nobody in it */
	const char *uid_map, *gid_map;
	int slot;
};
#define NS_HELPER_TIMEOUT_MS 10000
struct op_map_ids_args { /* compound: runs newuidmap or newgidmap on the guest */
	const char *helper;            /* absolute path */
	const struct ns_id_maps *maps;
	int timeout_ms;
};
extern const struct op op_make_userns, op_map_ids;

/* --- ops_console.c ----------------------------------------------------------- */
struct op_pty_args {
	int master_slot, slave_slot;
};
struct op_winsize_args {
	int slot;
	unsigned int rows, cols;
};
struct op_dup_args {
	int slot, to;
};
extern const struct op op_unlock_pty, op_open_pty_peer, op_set_winsize, op_set_ctty, op_dup2,
	op_keep_newlines;

/* --- names of flags, for show() ---------------------------------------------- */
void ns_show_clone_flags(struct buf *out, uint64_t flags);
void ns_show_open_flags(struct buf *out, int flags);
/* "<slot>, "path"", or "<slot>, """ and AT_EMPTY_PATH elsewhere. */
void ns_show_at(struct buf *out, const struct plan *p, int slot, const char *path);
/* For op_make_target: opens or makes `path` in the root; a symlink there is itself the place. fd */
int ns_make_place_itself(int root, const char *path, bool file, struct err *e);
/* What follows the last slash. */
const char *ns_base_name(const char *path);
/* The fd of a slot, AT_FDCWD for -1. */
int ns_fd(const struct run *r, int slot);
