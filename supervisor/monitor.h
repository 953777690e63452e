/*
 * monitor.h - stays with one container until it ends: its output, its limits, its status.
 *
 * One thread copies what the container writes into its log; the other waits:
 * for the end, for the clock, for cpu time, for a signal. So a disk that hangs
 * does not make a limit late; and when a write has hung for MONITOR_STALL_MS,
 * the waiting thread reads the pipes and drops what comes, counted, so that the
 * container goes on. A slow disk that moves at all slows the container down
 * instead: nothing is dropped.
 *
 * Must be small (one runs for each detached container): no jansson, no
 * allocation, nothing of kist's set-up.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "supervisor/container_log.h"

#define MONITOR_STALL_MS 1000
#define MONITOR_DRAIN_MS 1000 /* after the end, for output that others still hold open */

struct monitor_limits {
	int64_t wall_ms;	  /* -1: none */
	int64_t cpu_ms;		  /* of the whole cgroup; -1: none */
	int64_t grace_ms;	  /* between SIGTERM and the kill; 0: killed at once */
	uint64_t output_bytes[2]; /* kept of each stream; UINT64_MAX: all */
	bool output_ends;	  /* more ends the container; else it is read and dropped */
};

enum monitor_reason {
	MONITOR_EXIT, /* by itself, or others ended it */
	MONITOR_WALL,
	MONITOR_CPU,
	MONITOR_OUTPUT,
	MONITOR_CANCELLED, /* by a signal to the monitor */
};

struct monitor {
	int pidfd;     /* of a child of this process */
	int cgroup;    /* fd of its folder; -1: the first process takes the others with it */
	int output[2]; /* ends to read; -1: none. Taken over */
	struct monitor_limits limits;
	struct container_log *log; /* open; the monitor closes it */
};

struct monitor_end {
	enum monitor_reason reason;
	int code; /* of its exit; -1: a signal ended it */
	int signal;
	int cancelled_by;	      /* signal */
	int64_t started_ns, ended_ns; /* CLOCK_REALTIME, for people */
	int64_t wall_us;	      /* CLOCK_MONOTONIC */
	uint64_t received[2], dropped;
	bool truncated[2]; /* by its limit */
	unsigned rotations;
	int log_error; /* errno of the newest failure to write; 0 */
};

/* SIGTERM, SIGINT, SIGHUP, SIGQUIT end it (`cancelled`); blocks them in this process. */
int monitor_run(struct monitor *m, struct monitor_end *ret, struct err *e);

const char *monitor_reason_text(enum monitor_reason reason);
/* One JSON object, without a newline. Length, as snprintf. */
int monitor_end_format(const struct monitor_end *end, char *text, size_t size);
