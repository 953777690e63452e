/*
 * cgroup.h - cgroup v2: what a config asks for, the plan that makes it, and
 * what the verbs do with it afterwards.
 *
 * Three parts: the slice of the spec (parse), a pure builder (host steps, all
 * before clone3), and plain functions that freeze, kill, count and read. kist
 * never mounts a hierarchy and never touches a cgroup v1 one.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/host.h"
#include "base/json.h"
#include "base/plan.h"
#include "cgroup/egress.h"

#define CGROUP_PATH_MAX	    2048 /* bytes in linux.cgroupsPath */
#define CGROUP_WRITES_MAX   4096 /* limits in one config */
#define CGROUP_DEVICES_MAX  512	 /* device rules in one config */
#define CGROUP_WARNINGS_MAX 32
#define CGROUP_UNDO_WAIT_MS 10000 /* how long an undo waits for killed processes */

/* One write(2) to one control file, as the config's value converts to cgroup v2. */
struct cgroup_write {
	const char *file;     /* "memory.max" */
	const char *value;    /* "67108864" */
	const char *why;      /* JSON pointer */
	uint32_t controllers; /* HOST_* bit that must be enabled; 0 when unknown or none */
	bool absent_is_done;  /* the value is the kernel's default: a missing file is fine */
	const char *or_file;  /* written instead when `file` is missing; NULL: none */
	const char *or_value;
};

/* bits of struct cgroup_device_rule.access; the same numbers as BPF_DEVCG_ACC_* */
enum cgroup_device_access {
	CGROUP_DEVICE_MKNOD = 1,
	CGROUP_DEVICE_READ = 2,
	CGROUP_DEVICE_WRITE = 4,
	CGROUP_DEVICE_RWM = 7,
};
struct cgroup_device_rule {
	bool allow;
	char type;	      /* 'a', 'b' or 'c' */
	int64_t major, minor; /* -1: any */
	unsigned access;      /* enum cgroup_device_access */
};

struct systemd_unit;
struct cgroup_spec {
	const char *path; /* below the cgroup2 mount: "/kist-ID" */
	const char *given;		 /* linux.cgroupsPath as it stands there; NULL: none */
	bool given_for_systemd;		 /* it is "slice:prefix:name" */
	const struct systemd_unit *unit; /* systemd makes the cgroup (systemd.h); NULL: kist does */
	bool named_by_id; /* its last component holds the container's id */
	bool path_asked;  /* the config says where */
	bool path_absolute; /* ... and means it literally */
	bool none;	  /* the container stays in the caller's own cgroup */
	size_t base_length; /* so much of the path is there already: struct host's cgroup_base */
	const struct cgroup_write *writes;
	size_t write_count;
	const struct cgroup_device_rule *devices; /* the config's, then the default ones */
	size_t device_count;			  /* 0: the config has no rule, no filter is made */
	const char *devices_why;
	struct egress egress; /* the annotation io.kist.egress; set by its parser, `loopback` by others */
	char **warnings; /* tolerated fields; one line each */
	size_t warning_count;
	int64_t memory_limit;	  /* bytes; 0 not set, -1 unlimited */
	bool check_before_update; /* refuse a memory.max below what is in use */
	bool delegate;		  /* the cgroup becomes `delegate_uid`'s (cgroup ownership) */
	uid_t delegate_uid;	  /* as the host counts */
	bool oom_group;		  /* memory.oom.group=1; set by jobs, not by config.json */
};

/* Rules that are appended to a config's own, so that a container made by docker, podman or
 * containerd finds the default devices usable (config-linux.md, "Default Devices"). */
extern const struct cgroup_device_rule cgroup_devices_default[];
extern const size_t cgroup_devices_default_count;

/* linux.cgroupsPath and linux.resources. `linux_object` may be NULL; `at` is its pointer. */
int cgroup_parse(const json_t *linux_object, const struct json_at *at, const char *id,
		 struct arena *a, struct cgroup_spec *ret, struct err *e);
/* Only the resources (an "update" document); ret->path is left alone. */
int cgroup_parse_resources(const json_t *resources, const struct json_at *at, struct arena *a,
			   struct cgroup_spec *ret, struct err *e);
/* The config's annotations: org.kist.memory.high, .min and .oom.group are limits too, set after all
 * others. After cgroup_parse(). */
int cgroup_parse_annotations(const json_t *annotations, const struct json_at *at, struct arena *a,
			     struct cgroup_spec *spec, struct err *e);
/* cpu.shares (2..262144, default 1024) as cpu.weight (1..10000, default 100). */
unsigned cgroup_weight_of_shares(uint64_t shares);

/* HOST_* bits without which a limit of the config could not be set. */
uint32_t cgroup_controllers_needed(const struct cgroup_spec *s);
/* Where the cgroup of a caller who is not root lies: below the place where the caller may make some;
 * and whether there is one at all. `tolerant` (runc's --rootless): without the right to make one, and
 * nothing asked of it, the container does without. Before cgroup_check(). */
int cgroup_settle(struct cgroup_spec *s, const struct host *h, bool tolerant, struct arena *a,
		  struct err *e);
/* No cgroup is to be made (--cgroup-manager disabled): what needs one is refused, device rules are a
 * warning. Before cgroup_settle(). */
int cgroup_disable(struct cgroup_spec *s, struct arena *a, struct err *e);
/* Refuses what this host can't do, naming the limit, the controller and who holds it. */
int cgroup_check(const struct cgroup_spec *s, const struct host *h, struct err *e);
/* True when device rules can't be enforced (no privilege to attach a BPF program): mknod of a
 * device is impossible there too, and what is bind-mounted obeys its file mode. */
bool cgroup_devices_skipped(const struct cgroup_spec *s, const struct host *h);

/* Appends the host steps that make the cgroup, set every limit and leave an O_PATH fd of it in
 * slot_cgroup for CLONE_INTO_CGROUP. Call after cgroup_check(). `owner` is what the cgroup is
 * marked with: the id, with more in front where ids of several state roots could meet. */
void cgroup_plan_make(struct plan *p, const struct cgroup_spec *s, const struct host *h,
		      const char *owner, int slot_cgroup);
/* The two halves of cgroup_plan_make: the cgroup with its limits, before any process is in it; and
 * its BPF programs (devices, egress), before the container's own program runs. */
void cgroup_plan_place(struct plan *p, const struct cgroup_spec *s, const struct host *h,
		       const char *owner, int slot_cgroup);
void cgroup_plan_filters(struct plan *p, const struct cgroup_spec *s, const struct host *h,
			 int slot_cgroup);
/* Only the limit writes, for a cgroup that exists. */
void cgroup_plan_limits(struct plan *p, const struct cgroup_spec *s, const struct host *h);
/* Gives the cgroup to the container's user, if that was asked for; after its limits. */
void cgroup_plan_delegate(struct plan *p, const struct cgroup_spec *s, const struct host *h);
/* The programs of the egress list, if there is one: for new cgroups, before any process. */
void cgroup_plan_egress(struct plan *p, const struct cgroup_spec *s, int slot_cgroup);
/* Only the device program: load, attach to the cgroup in slot_cgroup, close. */
void cgroup_plan_devices(struct plan *p, const struct cgroup_spec *s, int slot_cgroup);

/* Other device rules for a cgroup (`folder`, absolute; NULL: none) in use: everything that may fail
 * first, then, at one moment, the new program in the old one's place. */
struct cgroup_filter {
	bool none; /* no rules, so no filter: nothing is done */
	int cgroup_slot, old_slot, new_slot;
	int find_step; /* -ENOENT: there is no filter of kist's */
};
void cgroup_plan_filter_load(struct plan *p, const struct cgroup_spec *s, const char *folder,
			     struct cgroup_filter *ret);
void cgroup_plan_filter_replace(struct plan *p, const struct cgroup_filter *f);

/* Undo. args: absolute folder, owner. Kills and removes the cgroup if it carries that mark. */
extern const struct undo_kind cgroup_undo_remove;
/* args: absolute folder. Removes a parent that kist made, once it is empty. */
extern const struct undo_kind cgroup_undo_remove_parent;
extern const struct undo_kind *const cgroup_undo_kinds[]; /* NULL-terminated */
extern const struct undo_kind *const cgroup_systemd_undo_kinds[];

/* ---- other limits for a cgroup in use ("update"): ordinary functions, host side ---- */

struct run_report;
struct cgroup_watch { /* what a caller wants to see of the run; see struct run */
	void (*report)(void *user, const struct plan *p, struct run_report report);
	void *user;
	int fault_step, fault_error;
};
struct cgroup_update { /* how to go back; lives in the arena */
	const char *folder;
	size_t count;
	struct cgroup_saved {
		const char *file, *path; /* name, and absolute */
		const char *value, *text; /* what is written, and what takes it back */
	} *saved;
};
/* Sets the limits of s in the cgroup s->path, enabling controllers for it where they are missing.
 * When one is refused those before it are taken back. Call after cgroup_check(). */
int cgroup_update_apply(const struct cgroup_spec *s, const struct host *h,
			const struct cgroup_watch *watch, struct arena *a,
			struct cgroup_update *ret, struct err *e);
/* Writes back what was there. */
int cgroup_update_undo(const struct cgroup_update *u, struct err *e);
/* The text that takes back a write of `value` to `file`, whose content is `present`; NULL: none. */
const char *cgroup_text_before(struct arena *a, const char *file, const char *value,
			       const char *present);

/* ---- what the verbs use: ordinary functions, host side ---- */

/* Directory fd of a cgroup (`path` below the mount). Caller closes. */
int cgroup_open(const struct host *h, const char *path, struct err *e);
/* SIGKILL to all in it and below, at once; does not wait. */
int cgroup_kill(int fd, struct err *e);
/* Forces the freeze-and-signal loop, as before kernel 5.14 (tests). */
extern bool cgroup_kill_missing;
/* Fills *ret with fds to poll(2) for POLLPRI, which the kernel raises at every change. */
struct cgroup_events {
	int life;   /* cgroup.events */
	int memory; /* memory.events; -EBADF where the controller is missing */
};
int cgroup_events_open(int fd, struct cgroup_events *ret, struct err *e);
void cgroup_events_close(struct cgroup_events *events);
/* 1 while a process lives in it, 0 when none does or the cgroup is gone. */
int cgroup_events_populated(const struct cgroup_events *events, struct err *e);
/* How many were killed for want of memory, so far. */
uint64_t cgroup_events_oom_kills(const struct cgroup_events *events);
/* Freezes or thaws and waits until the kernel says so. timeout_ms < 0: forever. -ETIMEDOUT. */
int cgroup_freeze(int fd, bool frozen, int timeout_ms, struct err *e);
/* 1, 0 or -errno */
int cgroup_is_frozen(int fd, struct err *e);
/* 1, 0 or -errno: a live process is in it or below. */
int cgroup_is_populated(int fd, struct err *e);
int cgroup_wait_empty(int fd, int timeout_ms, struct err *e);
/* Process ids as this pid namespace sees them; free() *ret. */
int cgroup_pids(int fd, bool recursive, pid_t **ret, size_t *ret_count, struct err *e);
/* Removes every cgroup below fd, deepest first, not fd itself. They must hold no process. */
int cgroup_remove_children(int fd, struct err *e);

enum cgroup_stat_bit {
	CGROUP_STAT_MEMORY_CURRENT,
	CGROUP_STAT_MEMORY_PEAK,
	CGROUP_STAT_MEMORY_MAX,
	CGROUP_STAT_MEMORY_OOM,
	CGROUP_STAT_MEMORY_OOM_KILL,
	CGROUP_STAT_MEMORY_EVENTS_MAX,
	CGROUP_STAT_CPU_USAGE,
	CGROUP_STAT_CPU_USER,
	CGROUP_STAT_CPU_SYSTEM,
	CGROUP_STAT_CPU_NR_THROTTLED,
	CGROUP_STAT_CPU_THROTTLED,
	CGROUP_STAT_PIDS_CURRENT,
	CGROUP_STAT_PIDS_PEAK,
	CGROUP_STAT_PIDS_MAX,
	CGROUP_STAT_PIDS_EVENTS_MAX,
	CGROUP_STAT_IO_RBYTES,
	CGROUP_STAT_IO_WBYTES,
	CGROUP_STAT_PSI_CPU_SOME,
	CGROUP_STAT_PSI_CPU_FULL,
	CGROUP_STAT_PSI_MEMORY_SOME,
	CGROUP_STAT_PSI_MEMORY_FULL,
	CGROUP_STAT_PSI_IO_SOME,
	CGROUP_STAT_PSI_IO_FULL,
	CGROUP_STAT_COUNT,
};
#define CGROUP_STAT_UNLIMITED UINT64_MAX /* "max" */
/* What a controller that is not enabled, or an older kernel, does not tell is not present. */
struct cgroup_stats {
	uint64_t present;		   /* 1 << enum cgroup_stat_bit */
	uint64_t value[CGROUP_STAT_COUNT]; /* bytes, microseconds, counts */
};
static inline bool cgroup_stat_has(const struct cgroup_stats *s, enum cgroup_stat_bit bit)
{
	return s->present >> bit & 1;
}
/* 0 when not present */
static inline uint64_t cgroup_stat_get(const struct cgroup_stats *s, enum cgroup_stat_bit bit)
{
	return cgroup_stat_has(s, bit) ? s->value[bit] : 0;
}
int cgroup_stats_read(int fd, struct cgroup_stats *ret, struct err *e);
/* {"memory":{"current":..},"cpu":{"usage_usec":..},..}; absent fields are left out, "max" is
 * JSON null. New reference, NULL when out of memory. */
json_t *cgroup_stats_json(const struct cgroup_stats *s);
/* The same and more as members of an object, without its braces, as runc's events have them:
 * "cpu":{..},"cpuset":{..},"memory":{..},"pids":{..},"blkio":{..},"hugetlb":{..} */
void cgroup_report(int fd, FILE *out);
