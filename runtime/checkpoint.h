/*
 * checkpoint.h - a container's processes into files and back, by criu.
 *
 * What the processes are stands in criu's images. What surrounds them, cgroup, limits, root, the
 * sources of binds, comes from the bundle's config.json, at restore as at create.
 */
#pragma once
#include "runtime/criu.h"
#include "runtime/runtime.h"

#define CHECKPOINT_RECORD      "kist.json" /* beside criu's images */
#define CHECKPOINT_KEY_MAX     64
#define CHECKPOINT_NET_NAME    "kist-net"
#define CHECKPOINT_NULL	       "null" /* what masks files */
#define CHECKPOINT_DUMP_LOG    "dump.log"
#define CHECKPOINT_RESTORE_LOG "restore.log"

struct checkpoint_options {
	const char *image, *work; /* folders; work NULL: image */
	const char *parent;	  /* of a pre-dump, relative to image; NULL: none */
	bool tcp_established, file_locks, link_remap;
	bool leave_running, pre_dump; /* checkpoint alone */
};

/* Saves the processes, which end with it unless they are to go on; then the container is deleted.
 */
int runtime_checkpoint(int root, const char *root_path, const char *id,
		       const struct checkpoint_options *o, const struct host *h, struct err *e);
/* As runtime_create(), with the processes of an image folder in the program's place. */
int runtime_restore(struct compiled *c, const struct container_spec *s, const struct host *h,
		    const struct create_options *create, const struct checkpoint_options *o,
		    const struct runtime_hooks_in *in, struct arena *a, struct run *ret_run,
		    struct err *e);

/* --- pieces, public for tests ----------------------------------------------- */

/* What restore has to know besides, kept with the images. */
struct checkpoint_record {
	int pid; /* of the first process, then */
	bool no_new_privs;
	struct checkpoint_stdio {
		const char
			*key; /* criu's name of what came from outside; NULL: the container's own */
		unsigned int mode;
		int64_t size;
	} stdio[3];
};
int checkpoint_record_write(int image, const struct checkpoint_record *r, struct err *e);
int checkpoint_record_read(int image, struct arena *a, struct checkpoint_record *ret,
			   struct err *e);
/* "pipe:[12]" or "file[1f:2a]": nothing else may become a word of criu's. Pure. */
bool checkpoint_key_is_plain(const char *key);

/* A mount whose source is the host's: criu knows it by `name`. */
struct checkpoint_external {
	const char *name;
	const char *source;
	const char *why; /* JSON pointer */
	const char *at;	 /* in the container; NULL: wherever it is (masks) */
	bool recursive;
};
/* All of a configuration. Pure. */
size_t checkpoint_externals(const struct container_spec *s, const struct host *h, struct arena *a,
			    struct checkpoint_external **ret);
/* Refuses one on networks of kist's. */
int checkpoint_refuse_network(struct err *e);
/* What criu would lose without a word, or can't save: refused. Pure. */
int checkpoint_check(const struct container_spec *s, struct err *e);
/* One --external a mount of the process's that comes from the host. */
int checkpoint_name_mounts(struct criu_args *args, pid_t pid,
			   const struct checkpoint_external *list, size_t count, struct err *e);
/* The options that both of criu's verbs have. */
void checkpoint_common_args(struct criu_args *args, const struct checkpoint_options *o);
/* --manage-cgroups-mode: soft, or NULL. */
int checkpoint_check_mode(const char *mode, struct err *e);
/* Opens a folder of images or logs; `make`: makes it, 0700. It must be the caller's alone to write.
 * `*ret_path` is absolute. */
int checkpoint_open_folder(const char *path, bool make, struct arena *a, const char **ret_path,
			   struct err *e);
/* In criu's own mount namespace: `folder` becomes one of memory, with the cgroups below "yard", so
 * that criu mounts no hierarchy itself: that would change the flags of the host's. -errno. */
int checkpoint_private_mounts(const char *folder, const char *cgroup_mount);
/* criu's lock of a network namespace (its fd), for a container whose first process was `pid`, is taken
 * away: else packets would be dropped for ever. Absent: 0. */
int checkpoint_unlock(int net, int pid, struct err *e);
