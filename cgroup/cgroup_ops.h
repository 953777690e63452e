/*
 * cgroup_ops.h - the primitives a cgroup plan is made of; private to cgroup/.
 */
#pragma once
#include <linux/bpf.h>
#include "cgroup/cgroup.h"

/* A folder made by kist has the sticky bit from mkdir(2) on, in the same syscall: it tells our
 * folder from a caller's even when kist is killed before the next step. It has no other effect:
 * only the owner of a cgroup folder may remove cgroups in it anyway. */
#define CGROUP_MODE	 01755
#define CGROUP_MARK	 "trusted.kist" /* holds the owner's id; only root can set it */
#define CGROUP_MARK_MAX	 1100
#define CGROUP_MARK_USER "user.kist"	/* where trusted.* is not allowed (Linux 5.7) */

struct op_cgroup_mkdir_args {
	const char *path; /* absolute */
};
extern const struct op op_cgroup_mkdir;

/* Compound, the alternative when a plain step found the tree changed under it or was refused:
 * makes what is missing on the way to `path` and enables controllers along it. */
struct op_cgroup_make_args {
	const char *mount, *path;  /* absolute; path is the mount or below it */
	uint32_t needed, optional; /* HOST_* bits to enable for children */
	bool enable_in_path;	   /* also in `path` itself, else only above it */
	bool exclusive;		   /* -EEXIST when `path` is there */
};
extern const struct op op_cgroup_make;

/* A limit or subtree_control; as base's write, with errors that know cgroup files. */
struct op_cgroup_write_args {
	const char *path, *text;
};
extern const struct op op_cgroup_write;

struct op_cgroup_mark_args {
	const char *path, *name, *id;
};
extern const struct op op_cgroup_mark;

/* Is an existing cgroup fit for a new container? 0: it is ours (mark, or an unmarked leftover of
 * ours); -EEXIST: fit, but somebody else made it; other errors: unfit. */
struct op_cgroup_check_args {
	const char *path, *id;
	bool named_by_id; /* the folder's name holds the id */
};
extern const struct op op_cgroup_check;

struct op_cgroup_open_args {
	const char *path;
	int slot;
};
extern const struct op op_cgroup_open;

/* Reads cgroup.events: a process born into a frozen cgroup would hang for ever. */
struct op_cgroup_thawed_args {
	const char *path;
};
extern const struct op op_cgroup_thawed;

struct op_cgroup_memory_fits_args {
	const char *path;
	int64_t limit;
};
extern const struct op op_cgroup_memory_fits;

/* No swap is in use, so that a missing memory.swap.max takes nothing away. */
struct op_cgroup_no_swap_args {
	const char *missing; /* the file that made us look */
};
extern const struct op op_cgroup_no_swap;

/* Compound: the folder, and those of its files that the kernel says may be given away. */
struct op_cgroup_delegate_args {
	const char *path;
	uid_t uid;
};
extern const struct op op_cgroup_delegate;

/* A hook of the kernel's, and kist's program for it. */
struct bpf_kind {
	uint32_t type, attach;	/* enum bpf_prog_type, enum bpf_attach_type */
	bool bound_to_hook;	/* the kernel wants the hook at load, too (expected_attach_type) */
	const char *type_name, *attach_name;
	const char *name;	/* what bpftool shows: at most 15 characters */
	const char *what, *fix; /* for people; the fix for EPERM */
};
struct op_bpf_load_args {
	const struct bpf_kind *kind;
	const struct bpf_insn *program;
	unsigned count;
	unsigned rules;
	int slot;
};
extern const struct op op_bpf_load;
struct op_bpf_attach_args {
	const struct bpf_kind *kind;
	int cgroup_slot, program_slot;
	int old_slot; /* the program it replaces in the same moment; -1: none */
};
extern const struct op op_bpf_attach;
/* Compound: kist's own program of that kind among those attached to the cgroup; -ENOENT: none. */
struct op_bpf_find_args {
	const struct bpf_kind *kind;
	int cgroup_slot, slot;
};
extern const struct op op_bpf_find;

extern const struct bpf_kind bpf_devices_kind;
/* The device program for rules in order, last match wins per access bit, default deny. */
struct bpf_insn *bpf_devices_assemble(const struct cgroup_device_rule *rules, size_t count,
				      struct arena *a, size_t *ret_count);

/* The programs of an egress list, in the order in which they are attached. */
#define BPF_EGRESS_PROGRAMS 6
extern const struct bpf_kind bpf_egress_kinds[BPF_EGRESS_PROGRAMS];
struct bpf_insn *bpf_egress_assemble(const struct egress *list, int program, struct arena *a,
				     size_t *ret_count);

/* "+memory +pids" into text; empty when bits is 0. */
#define CGROUP_ENABLE_TEXT 80
const char *cgroup_enable_text(uint32_t bits, char text[CGROUP_ENABLE_TEXT]);
/* HOST_* bits of a cgroup.controllers or cgroup.subtree_control file, or -errno. */
int cgroup_read_controllers(int dirfd, const char *path);

enum cgroup_owner { CGROUP_OURS, CGROUP_UNMARKED, CGROUP_FOREIGN, CGROUP_OTHERS };
/* Who made the folder behind fd: OURS carries the id's mark; UNMARKED was made by a kist that
 * did not come to mark it; FOREIGN was not made by kist; OTHERS carries another id's mark, which
 * is copied to other (NULL: not). -errno. */
int cgroup_owner(int fd, const char *id, char other[64]);
