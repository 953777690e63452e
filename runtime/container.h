/*
 * container.h - the runtime's own view of one container: its state folder,
 * state record, status and what to undo.
 *
 *   <root>/<id>/intent.json   every undo, written before the first lasting host step
 *   <root>/<id>/config.json   the configuration as it was at create
 *   <root>/<id>/state.json    pid, start time, bundle, ...: written when created
 *   <root>/<id>/start.sock    where the created container waits for start
 *   <root>/<id>/exit.json     the exit record, when kist was the parent
 *
 * The folder's fd is locked (flock) by whoever changes the container.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/plan.h"

#define CONTAINER_ID_MAX 1024

enum container_status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED,
			STATUS_STOPPED };
const char *container_status_name(enum container_status status);

struct container {
	char id[CONTAINER_ID_MAX + 1];
	int root;                    /* fd of the state root; borrowed */
	int dir;                     /* fd of <root>/<id>; owned */
	json_t *state;               /* state.json; NULL while creating */
	enum container_status status;
	pid_t pid;                   /* 0 when stopped */
	int pidfd;                   /* owned; -EBADF when stopped */
	const char *cgroup;          /* absolute path of its cgroup; from state */
};
#define CONTAINER_INIT { .root = -EBADF, .dir = -EBADF, .pidfd = -EBADF }
void container_close(struct container *c);
#define _cleanup_container_ __attribute__((cleanup(container_close)))

/* Default state root: /run/kist for root, else $XDG_RUNTIME_DIR/kist, else /tmp/kist-UID. Root of a
 * user namespace (`nested`) has XDG_RUNTIME_DIR too, unless it says that it is USER=root. */
int state_root_default(bool nested, char *text, size_t size, struct err *e);
/* Opens the state root (making it, 0700, when `make`). fd or -errno. `shared`: it lies where anybody
 * may make such a name; it must be the caller's own then, and no symlink. */
int state_root_open(const char *path, bool make, bool shared, struct err *e);

/* -EINVAL with runc's words when id is not one. */
int container_check_id(const char *id, struct err *e);
/* Opens an existing container, reads its state, finds its status. Unknown id: -ENOENT and
 * "container does not exist". lock: take the exclusive lock, waiting a bounded time. */
int container_open(int root, const char *id, bool lock, struct container *ret, struct err *e);

/* Pure: the steps that make the state folder and write the intent record. The record's text is
 * filled in by container_plan_seal() once all steps are there. */
struct intent_args;
struct intent_args *container_plan_begin(struct plan *p, const char *id, int root_fd,
					 const char *config_text);
int container_plan_seal(struct plan *p, struct intent_args *intent, const char *id, struct err *e);
/* Guest: wait on the start socket (made by host steps, args of container_plan_begin). */
void container_plan_listen(struct plan *p, int *ret_slot);
void container_plan_wait_start(struct plan *p, int slot);
/* Host, at start: connects and sends the start order; the connection follows the guest. */
int container_connect_start(const struct container *c, struct err *e);

/* The state record of a new container is written aside as soon as its process is there, and has its
 * name once the container is created. */
#define STATE_PREPARED "state.new"
int container_prepare_state(int dir, json_t *state, struct err *e);
/* The record again, of one that has it. */
int container_write_state(int dir, json_t *state, struct err *e);
/* Start time of a process in clock ticks (proc(5), field 22); 0 and -errno if it is gone. */
int process_start_time(pid_t pid, unsigned long long *ret_ticks, bool *ret_zombie);

/* Whether who made the container still has its folder open: a job's kist, until it has ended it. */
bool container_is_attended(int dir);
/* Locks the folder behind `dir`, which must still be the one of that id: else -ENOENT. */
int container_lock(int root, const char *id, int dir, struct err *e);
/* Replays the intent record in reverse and removes the folder. Works at any moment, also when
 * there is no record or no folder. */
int container_take_back(int root, const char *id, struct err *e);
