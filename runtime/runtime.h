/*
 * runtime.h - the verbs, as functions: what the commands, jobs and the
 * supervisor call.
 */
#pragma once
#include "base/engine.h"
#include "base/host.h"
#include "runtime/activation.h"
#include "runtime/compile.h"
#include "runtime/container.h"

struct runtime_hooks_in { /* what a caller wants to see of the run */
	void (*report)(void *user, const struct plan *p, struct run_report report);
	void *user;
	int fault_step;  /* -1 */
	int fault_error;
};

/* Compiles, runs and, on error, takes back. *ret_run holds the guest's pid, pidfd and the pty's
 * master: run_close() it. The record is wrapped with nothing: the caller says its verb. */
int runtime_create(struct compiled *c, const struct container_spec *s, const struct host *h,
		   const struct create_options *o, const struct runtime_hooks_in *in,
		   struct arena *a, struct run *ret_run, struct err *e);

/* The same for what is compiled already. */
int runtime_walk(struct compiled *c, const struct container_spec *s, const struct host *h,
		 const struct create_options *o, const struct runtime_hooks_in *in,
		 struct run *ret_run, struct err *e);

/* The same in parts, for who has other things to do meanwhile: begin, then on, again whenever
 * run->sync can be read, as long as it says 1. */
void runtime_walk_begin(struct compiled *c, const struct runtime_hooks_in *in, struct run *run);
int runtime_walk_on(struct compiled *c, const struct container_spec *s, const struct host *h,
		    const struct create_options *o, struct run *run, struct err *e);

/* Lets a created container go; returns once its program runs, and, when somebody wants to be notified
 * of that (a) and it was created so, is ready. */
int runtime_start(int root, const char *id, const struct activation *a, struct err *e);
/* signal -1: what its image says (STOP_SIGNAL_KEY), else SIGTERM; 0: none, only whether it could. */
#define STOP_SIGNAL_KEY "org.opencontainers.image.stopSignal"
int runtime_kill(int root, const char *id, int signal, bool all, struct err *e);
int runtime_delete(int root, const char *id, bool force, struct err *e);
/* A bind mount more or less in a container that lives: {"source", "destination", "options"} as in
 * config.json. What was added is kept in state.json, as "addedMounts". */
int runtime_mount_add(int root, const char *id, const json_t *mount, const char *cwd,
		      const struct host *h, const struct runtime_hooks_in *in, struct err *e);
int runtime_mount_remove(int root, const char *id, const char *destination, const struct host *h,
			 const struct runtime_hooks_in *in, struct err *e);
/* A device more or less for a container that lives: {"path", "type", "major", ...} as in config.json,
 * `access` of "rwm"; `source` is its node on the host. Kept in state.json, as "addedDevices". */
int runtime_device_add(int root, const char *id, const json_t *device, const char *source,
		       const char *access, const struct host *h, const struct runtime_hooks_in *in,
		       struct err *e);
int runtime_device_remove(int root, const char *id, const char *path, const struct host *h,
			  const struct runtime_hooks_in *in, struct err *e);
/* Takes away what runtime_create() made, before run_close(). If others did so already, and perhaps
 * made another of that id, there is nothing to do: 0. */
int runtime_delete_made(int root, const char *id, const struct run *run, struct err *e);
/* The same once its first process has ended and was reaped: by the plan in memory, unless others may
 * still be alive. */
int runtime_delete_ended(int root, const char *id, const struct compiled *c, const struct run *run,
			 struct err *e);
/* Kills what is left of a container whose lock this process holds, and takes it back. */
int runtime_destroy(struct container *c, struct err *e);

/* "9", "0", "KILL", "SIGKILL", "RTMIN+3"; -EINVAL with runc's words. */
int signal_parse(const char *text, int *ret_signal, struct err *e);

/* Waits for a child while passing on signals and the terminal. */
struct attach_options {
	int pidfd;         /* a child of this process */
	int master;        /* pty; -1: none */
	int timeout_ms;    /* -1: none */
	bool subreaper;
	const struct notify_relay *notify; /* the container's words for the service manager; NULL */
};
enum attach_end { ATTACH_EXITED, ATTACH_TIMEOUT, ATTACH_SIGNAL };
struct attach_result {
	enum attach_end end;
	int status;        /* as the shell says it: 0..255, 128 + signal */
	int exit_code;     /* -1 when a signal ended it */
	int signal;        /* that ended it; with ATTACH_SIGNAL: that came in */
};
/* Blocks all signals from now on; call before the plan runs, so that none is lost. */
void attach_block_signals(void);
/* By which a user ends what kist waits for. */
bool attach_is_terminating(int signal);
void attach_restore_signals(void);
/* The size of the terminal that is stdin; false, and nothing written, when there is none. */
bool attach_window_size(uint16_t *rows, uint16_t *cols);
/* take_signals: a terminating signal ends the wait (ATTACH_SIGNAL) instead of being passed on. */
int attach_wait(const struct attach_options *o, bool take_signals, struct attach_result *ret,
		struct err *e);
