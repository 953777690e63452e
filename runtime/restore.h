/*
 * restore.h - what the steps of a restore share; runtime/restore.c has the steps, compile.c their
 * order.
 */
#pragma once
#include "runtime/checkpoint.h"

struct restore {
	struct arena *arena;
	const struct checkpoint_options *o;
	struct checkpoint_record record;
	const struct checkpoint_external *list;
	size_t count;
	int *fds; /* the mounts, one an external */
	const char *criu, *image_path, *work_path, *rootfs;
	const char
		*private_path; /* in the state folder: where criu's own mounts are, for it alone */
	const char *pid_file;  /* there, too */
	const char *cgroup, *cgroup_mount; /* below the mount; the mount */
	const char *net_path;		   /* of a network namespace given by path; NULL */
	const char *lsm;		   /* "apparmor:NAME", "selinux:LABEL", or NULL */
	bool yard, keyring;
	uint64_t bounding; /* capabilities of the configuration */
	bool filtered, no_new_privs;
	int image, work, net;
	struct criu_args args;
};

/* What criu calls the label that the configuration gives the process; NULL: none. */
const char *restore_label(const struct container_spec *s, struct arena *a);
/* All HOST. */
void restore_plan_sources(struct plan *p, struct restore *r);
/* Leaves the first process in SLOT_GUEST_PID and SLOT_GUEST_PIDFD. */
void restore_plan_criu(struct plan *p, struct restore *r);
/* Refuses processes that may do more than config.json says; the network is let go. */
void restore_plan_verify(struct plan *p, struct restore *r);
