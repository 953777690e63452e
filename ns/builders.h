/*
 * builders.h - the builders: steps that make the namespaces and the file system view.
 *
 * All are pure. runtime/compile.c orders them: birth; (cgroup limits, network,
 * overlay); mounts; hooks; pivot.
 */
#pragma once
#include "base/plan.h"
#include "ns/spec.h"

/*
 * HOST: socketpair, clone3 (into the cgroup directory `slot_cgroup`, or -1), id maps. What the
 * host does to the guest follows, and then ns_plan_settle().
 */
void ns_plan_birth(struct plan *p, const struct ns_spec *s, const struct host *h, int slot_cgroup);
/* The process that runs the plan must not be made undumpable: its child's maps could not be
 * written. */
bool ns_host_stays_dumpable(const struct ns_spec *s, const struct host *h);
/* After a birth, or a step of its guest, failed with EPERM, EACCES or ENOSPC: adds the fix when a
 * setting of the host's (read below `proc`, a folder's fd) is what forbids user namespaces. */
int ns_userns_obstacle(int proc, struct err *e);
/* GUEST: parent death signal, joined namespaces, ids, session, keyring, cgroup namespace, host name. */
struct ns_birth_options {
	bool no_new_keyring;
	const char *keyring; /* the session keyring's name; NULL: none */
};
void ns_plan_settle(struct plan *p, const struct ns_spec *s, const struct host *h,
		    const struct ns_birth_options *o /* may be NULL */);

/* Whether kernel and sandbox let this process have keyrings at all: if not, the container has none. */
bool ns_has_keyrings(void);

/* For exec: a guest in the namespaces (CLONE_NEW* bits) of the process behind the pidfd. HOST: its
 * birth; then what the host does to it, and then GUEST: ns_plan_join_settle().
 * oom_score_adj (NULL: the caller's) is the joiner's work, where the host can't write that of the
 * guest: host_unprivileged(). */
void ns_plan_join(struct plan *p, const struct host *h, int slot_target_pidfd,
		  unsigned int namespaces, int slot_cgroup, const char *oom_score_adj);
void ns_plan_join_settle(struct plan *p, const struct host *h, int slot_target_pidfd,
			 unsigned int namespaces,
			 const struct ns_birth_options *o /* may be NULL */);

struct ns_rootfs_options {
	/* GUEST slot that holds the root, a mount: of the guest's namespace already, or detached (what
	 * ns_plan_overlay says); -1: s->rootfs is cloned. */
	int slot_root;
	bool detached;
	bool no_pivot;     /* chroot instead: for a host whose root is an initramfs */
	bool terminal;     /* ns_plan_console() will follow: makes room for /dev/console */
	/* Until the pivot the root is mounted where s->rootfs is, for hooks to find it there. */
	bool in_place;
};
#define NS_ROOTFS_OPTIONS_INIT { .slot_root = -1 }

/* HOST, before ns_plan_birth: the root of a container with a user namespace, which the guest is born
 * with. Nothing when there is none, or with slot_root. */
void ns_plan_host_root(struct plan *p, const struct ns_spec *s, const struct host *h,
		       const struct ns_rootfs_options *o);
/* Where it can't be made, the host's own node of that path becomes the container's. */
bool ns_device_is_bound(const struct ns_spec *s, const struct host *h, const struct ns_device *d);
/* Propagation, root, mounts in order, devices. createContainer hooks belong after it. */
void ns_plan_mounts(struct plan *p, const struct ns_spec *s, const struct host *h,
		    const struct ns_rootfs_options *o);
/* The GUEST slot that then holds the root with all mounts. */
int ns_root_slot(struct plan *p, const struct ns_rootfs_options *o);
/* GUEST, after ns_plan_mounts: a new file in the root, whose ids are the container's. */
struct ns_file {
	const char *path; /* absolute, in the root */
	const void *data;
	size_t size;
	mode_t mode;
	uint32_t uid, gid;
};
void ns_plan_file(struct plan *p, int root_slot, const struct ns_file *file);
/* sysctls, read-only and masked paths, read-only root. After createContainer hooks. */
void ns_plan_restrict(struct plan *p, const struct ns_spec *s, const struct host *h,
		      const struct ns_rootfs_options *o);
/* pivot_root, old root gone, "/" verified. The umask is still that of ns_plan_mounts, 0. */
void ns_plan_pivot(struct plan *p, const struct ns_spec *s, const struct host *h,
		   const struct ns_rootfs_options *o);

/*
 * GUEST: a pty from the container's own devpts, its master sent to the host in
 * `slot_master`, its slave made the controlling terminal and 0, 1, 2. With `s`
 * the slave is also bound over /dev/console (after ns_plan_mounts with
 * o->terminal, before ns_plan_pivot); NULL for exec. rows or cols 0: kept.
 */
void ns_plan_console(struct plan *p, const struct ns_spec *s, int slot_master, unsigned int rows,
		     unsigned int cols, uid_t uid);
/* HOST, after that, when the pty's other end is not handed to somebody else: line ends stay \n. */
void ns_plan_foreground(struct plan *p, int slot_master);

/*
 * An image's layers as one root, which the guest's mount namespace alone will see. Root of the host
 * joins them with its own credentials: trusted.* xattrs and device whiteouts count, and layers are
 * mapped to the container's ids. Anybody else leaves it to the guest, in its user namespace, where
 * user.* xattrs count. After ns_plan_birth, before ns_plan_mounts.
 */
struct ns_overlay {
	const char *dir;           /* absolute: the folder all layers lie in, on one mount */
	int slot_below;            /* HOST: a folder in `dir`, which is dir for sure; -1: by name */
	const char *const *layers; /* below `dir`, top first; "." is dir itself */
	size_t count;              /* 1 to NS_LAYERS_MAX */
	const char *mount_dir;     /* absolute; an empty directory of the state folder */
	bool idmap;                /* give the layers the ids of the guest's user namespace */
	bool readonly;             /* no upper layer */
	bool nodev;                /* no device of an image is one */
	uid_t root_uid;            /* host ids of the container's root: ns_host_root() */
	gid_t root_gid;
	const char *upper_dir;     /* absolute: takes changes in upper/, and has work/; NULL: a tmpfs */
	int slot_upper;            /* HOST: its fd */
	uint64_t upper_bytes;      /* of that tmpfs; 0: the kernel's default */
	uint64_t upper_inodes;     /* 0: the kernel's default */
};
#define NS_LAYERS_MAX 400
/* Which of both ways: see overlay.c. */
bool ns_overlay_is_detached(const struct host *h);
/* Sets rootfs->slot_root, which ns_plan_mounts then takes, and whether it is attached already. */
void ns_plan_overlay(struct plan *p, const struct ns_overlay *o, const struct host *h,
		     struct ns_rootfs_options *rootfs);
/* Where the host joined them (h->root; else nothing is left to do): the guest gets the root; then the
 * host's own fds are closed, which costs an RCU grace period each and need not be waited for. */
void ns_plan_overlay_give(struct plan *p, const struct host *h);
void ns_plan_overlay_close(struct plan *p, const struct ns_overlay *o, const struct host *h);

/*
 * A bind mount more in a container that runs. HOST steps only; the caller holds the container's
 * lock. The mount is the container's from then on, and goes with its mount namespace.
 */
struct ns_hot {
	pid_t pid;      /* of the container's first process, in this pid namespace */
	int slot_pidfd; /* HOST: its pidfd */
	uid_t root_uid; /* host ids of the container's root: ns_host_root() */
	gid_t root_gid;
};
/* After either plan the caller is in the container's mount namespace, and goes home (plan.homes). */
/* A mount object as in config.json; relative sources are below `cwd`. Bind mounts only. */
int ns_parse_hot(const json_t *mount, const char *cwd, bool userns, struct arena *a,
		 struct ns_mount *ret, struct err *e);
/* A device object as in config.json, for a container that is made as `s` says. */
int ns_parse_hot_device(const json_t *device, const struct ns_spec *s, struct arena *a,
			struct ns_device *ret, struct err *e);
/* The node, in the container's root. Returns the slot that will hold 1 if it was made, 0 if it was
 * there. Nothing else of that name is taken for it. */
int ns_plan_hot_node(struct plan *p, const struct ns_hot *h, const struct ns_device *d);
/* Where no node can be made: the host's own, `source`, is bound. Returns the slot of the mount's id. */
int ns_plan_hot_bound(struct plan *p, const struct ns_hot *h, const struct ns_device *d,
		      const char *source);
/* Takes the node off again, if it still is that device. Absent is done. */
void ns_plan_hot_unnode(struct plan *p, const struct ns_hot *h, const struct ns_device *d);
/* Returns the slot that will hold the mount's id, statx(2). */
int ns_plan_hot_add(struct plan *p, const struct ns_hot *h, const struct ns_mount *m);
/* Takes it off again, if it is the one with that id. `nofollow`: as it was added. */
void ns_plan_hot_remove(struct plan *p, const struct ns_hot *h, const char *destination, bool nofollow,
			int mount_id);
