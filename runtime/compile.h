/*
 * compile.h - the one place that orders the domains' steps into a plan.
 */
#pragma once
#include "base/plan.h"
#include "net/net.h"
#include "ns/builders.h"
#include "runtime/container.h"
#include "runtime/layers.h"
#include "runtime/spec.h"

struct create_options {
	const char *id;
	int root;                  /* fd of the state root */
	const char *root_path;     /* absolute path of it */
	bool wait_for_start;       /* create: stop before the program; run: go on */
	bool outlive;              /* does not die with the process that made it */
	bool no_pivot, no_new_keyring;
	int preserve_fds;
	bool console;              /* the pty's master is wanted in slot_master */
	const char *console_socket;/* and sent there; NULL: kept */
	const char *pidfd_socket;
	const char *pid_file;
	struct net_spec net;
	const struct root_layers *layers; /* of an image; NULL: the spec's root */
	bool lock_securebits;      /* a process without capabilities never gets any again */
	bool init;                 /* process 1 is kist's own, in a pid namespace of its own: init.h */
	bool idrange;              /* a range of ids was leased for it: give it back at the end */
	bool notify;               /* a notify socket, here or at start: activation.h */
	const struct ns_file *files; /* more for its root */
	size_t file_count;
	bool keep_root;            /* its root and mounts stay reachable: compiled.slot_root */
	const int *stdio;          /* three fds that it gets as its 0, 1 and 2; NULL: the caller's */
};

struct compiled {
	struct plan plan;
	struct intent_args *intent;
	int slot_cgroup;
	int slot_notify;           /* host: the notify socket; -1: none, or made at start */
	/* host: O_PATH fd of the root with all its mounts, and what keeps those; -1: nobody asked */
	int slot_root, slot_mounts;
	int slot_netns; /* options.net.keep_netns; else -1 */
	int slot_master;           /* host: the pty's master; -1 without a terminal */
	int step_pid_file;         /* that writes it; -1: none */
	/* No process outlives the first one: it is that of a pid namespace, or the only one kist could
	 * find. */
	bool ends_as_one;
	bool host_stays_dumpable;  /* ns_host_stays_dumpable() */
	int64_t setup_ms;          /* the caller's: given up after that time; 0: never */
};

/* create and run. Pure. */
int compile_create(struct compiled *ret, const struct container_spec *s, const struct host *h,
		   const struct create_options *o, struct arena *a, struct err *e);

struct exec_options {
	const struct host *host;
	bool outlive;
	int pidfd;                 /* of the container's first process */
	const char *cgroup;        /* absolute path of the container's cgroup; NULL: none */
	const char *systemd_unit;  /* of state.json, when systemd made it */
	const char *systemd_below; /* `cgroup` below that unit's: "" or "/x" */
	unsigned int namespaces;   /* CLONE_NEW* to join */
	int preserve_fds;
	bool lock_securebits;      /* as in create_options */
	bool console;
	const char *console_socket;
	const char *pidfd_socket;
	const char *pid_file;
	struct linux_process_spec linux_process; /* the container's */
	bool no_new_keyring;        /* as at create */
	struct seccomp_state state; /* of the container; also for the seccomp agent */
};
/* exec of another process. Pure. */
int compile_exec(struct compiled *ret, const struct process_spec *process,
		 const struct seccomp_filter *seccomp, const struct exec_options *o,
		 struct arena *a, struct err *e);

struct restore;
/* restore: everything around the program criu. */
int compile_restore(struct compiled *ret, const struct container_spec *s, const struct host *h,
		    const struct create_options *o, struct restore *restore, struct arena *a,
		    struct err *e);
