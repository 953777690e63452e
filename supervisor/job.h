/*
 * job.h - one untrusted job: what was asked for, run, and what became of it.
 *
 * A job is compiled to an OCI configuration and goes through the same plan as
 * any container: there is no second way into the kernel.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/host.h"
#include "cgroup/cgroup.h"
#include "image/store.h"
#include "net/counters.h"
#include "net/net.h"
#include "runtime/runtime.h"

/* What can be limited, and so waived: bits, and names for --allow-degraded. */
enum job_limit {
	JOB_MEMORY = 1 << 0,
	JOB_PIDS = 1 << 1,
	JOB_CPU = 1 << 2,
	JOB_CPU_TIME = 1 << 3,
	JOB_LANDLOCK = 1 << 4,
};

struct job_file { /* of the job's root */
	const char *path;
	const char *data;
	size_t size;
	unsigned int mode;
};
struct job_input { /* a file or folder of the host, read-only */
	const char *source, *path;
	uint32_t uid, gid; /* its owner: job_look_at_inputs() */
};
#define JOB_LIST_MAX 256

/* job: closed, every limit has a value. compute: also without sockets, names of other processes and /sys,
 * and with a workspace. dev: a writable root, the network, limits only where said. docker: as dev, and
 * with what a container of docker's has: capabilities, setuid programs, its filter, its mounts. */
enum job_profile { JOB_PROFILE_JOB, JOB_PROFILE_COMPUTE, JOB_PROFILE_DEV, JOB_PROFILE_DOCKER,
		   JOB_PROFILES };

/* Of whose names a job knows that has another container's network. */
enum job_shared { JOB_SHARED_ALIEN, JOB_SHARED, JOB_SHARED_SERVED };

struct job {
	const char *id;
	const char *source;           /* image reference, or a folder */
	bool is_folder;
	enum job_profile profile;
	bool network_given;           /* what the profile says does not count */
	bool user_given;
	uint32_t uid, gid;            /* with user_given: instead of the image's user */
	bool landlock;                /* filled by job_check() */
	bool scoped;                  /* likewise: abstract sockets outside of the job are out of reach */
	char *const *args;            /* NULL-terminated; empty: the image's own */
	const char *const *env;       /* "NAME=value", added to the image's */
	size_t env_count;
	const char *const *pass_env;  /* names of the caller's variables; of the job file */
	size_t pass_env_count;
	const char *workdir;          /* NULL: the image's */
	uint64_t memory;              /* bytes; 0: no limit */
	uint64_t pids;                /* 0: no limit */
	uint64_t cpu_quota;           /* microseconds per 100 ms; 0: no limit */
	int64_t wall_ms;              /* 0: no limit */
	int64_t setup_ms;             /* until its program runs; 0: no limit */
	int64_t cpu_ms;               /* of processor time; 0: no limit */
	int64_t grace_ms;             /* from SIGTERM to SIGKILL; 0: SIGKILL at once */
	uint64_t output;              /* bytes of standard output, and of error; 0: no limit */
	bool output_kills;            /* ... and more ends the job, instead of being dropped */
	uint64_t file_size;           /* 0: no limit */
	uint64_t stack;               /* 0: 8 MiB, or the caller's in an open profile */
	uint64_t open_files;          /* never 0 once the profile is applied */
	const char *stdio[3];         /* files; NULL: the caller's own */
	bool merge_stderr;            /* into standard output */
	const char *workspace_from;   /* a folder of the host that it begins as, and that stays */
	uint32_t from_uid, from_gid;  /* its owner: job_look_at_inputs() */
	uint64_t workspace, workspace_inodes; /* a tmpfs at JOB_WORKSPACE; bytes 0: none */
	struct job_file file[JOB_LIST_MAX];
	size_t file_count;
	struct job_input input[JOB_LIST_MAX];
	size_t input_count;
	const char *collect[JOB_LIST_MAX]; /* patterns: job_collect.h */
	size_t collect_count;
	const char *collect_to;       /* a folder of the host */
	uint64_t collect_bytes;       /* at most; 0: JOB_COLLECT_BYTES */
	bool bridge;                  /* on a network; otherwise none */
	bool host_net;                /* the host's network, and no namespace of its own */
	bool shares;                  /* another container's network: job_share.c ... */
	enum job_shared shared;       /* ... which fills these */
	const char *netns_path;
	const char *net;              /* --net: words of net_parse_word(), parted by blanks; or NULL */
	const char *publish;          /* --publish, likewise */
	const char *dns, *dns_search, *dns_option, *add_host; /* words, parted by blanks; NULL: the host's */
	struct net_rate rate;         /* of its interfaces */
	const char *egress;           /* where it may send to: egress.h; NULL: anywhere */
	bool init, init_said;         /* process 1 is kist's own: runtime/init.h */
	const char *writable;         /* "64m" or a folder: layers.h; NULL: the root is read-only */
	uint32_t waived;              /* enum job_limit: may be missing */
	uint32_t degraded;            /* were missing, and waived: filled by job_check() */
	const char *cpus;             /* cpuset(7): processors it runs on; NULL: any */
	bool alone;                   /* a stream that is no file is nobody's, instead of the caller's */
	const struct job_detach *detach; /* job_detach.h; NULL: in the foreground */
};

#define JOB_ANNOTATION	     "kist.job" /* its profile: by which gc knows a job */
#define JOB_SETUP_MS	     60000
#define JOB_OPEN_FILES	     256
#define JOB_OPEN_FILES_MAX   1048576
#define JOB_WORKSPACE	     "/work"
#define JOB_WORKSPACE_INODES 16384
#define JOB_WORKSPACE_BYTES  (64u << 20)
#define JOB_COLLECT_BYTES    (64u << 20)

enum job_reason {
	JOB_EXIT,
	JOB_SIGNAL,
	JOB_OOM,
	JOB_WALL,
	JOB_CPU_USED,
	JOB_OUTPUT,
	JOB_DISK,
	JOB_PIDS_REFUSED,
	JOB_CANCELLED,
	JOB_SANDBOX_ERROR,
};

struct job_output {
	uint64_t bytes, kept; /* what the job said, and what was passed on */
	bool counted;	      /* it went through kist */
};

struct job_collected {
	uint64_t files, bytes;
	uint64_t skipped; /* matched, and were links, no files, or more than fits */
	bool truncated;	  /* there was more than fits */
};

#define JOB_TRAFFIC_MAX 32
struct job_traffic { /* of one of its interfaces, as it sees them */
	char network[NETWORK_NAME_MAX], interface[IFNAMSIZ];
	struct net_counters counters;
};

struct job_result {
	enum job_reason reason;
	int status;                   /* kist's exit status */
	int exit_code, signal;        /* -1 / 0 when not applicable */
	int64_t started_ns;           /* CLOCK_REALTIME */
	int64_t wall_us;
	struct cgroup_stats stats;
	struct job_collected collected;
	uint64_t workspace_bytes, workspace_inodes; /* used at the end */
	bool disk_full;               /* something of a capped size was */
	struct job_output output[2];  /* standard output, standard error */
	bool logged;                  /* by a monitor, */
	uint64_t log_lost;            /* who could not keep so many bytes */
	const char *image_digest;     /* NULL for a folder */
	uint32_t address;             /* IPv4, host order; 0: none */
	char owner[LEASE_OWNER_MAX];  /* of its addresses; "": it is on no network */
	struct job_traffic traffic[JOB_TRAFFIC_MAX];
	int traffic_count;
	char error[512];              /* of a sandbox-error */
};

/* Sizes "64m", "1.5g"; durations "5s", "500ms", "2m"; cpus "0.5". -EINVAL names `where`: an option or
 * a place in the job file. */
int job_parse_size(const char *where, const char *text, uint64_t *ret, struct err *e);
int job_parse_duration(const char *where, const char *text, int64_t *ret_ms, struct err *e);
int job_parse_cpus(const char *where, const char *text, uint64_t *ret_quota, struct err *e);
int job_parse_network(const char *where, const char *text, struct job *job, struct err *e);
int job_parse_publish(const char *where, const char *text, struct job *job, struct err *e);
/* One of the four words lists; key: "dns", "dns_search", "dns_option", "add_host". */
int job_parse_lookup(const char *where, const char *key, const char *text, struct job *job, struct err *e);
/* "memory,pids": names of what may be missing. */
int job_parse_waived(const char *where, const char *text, uint32_t *ret, struct err *e);

/* "/work/x=text", "/host:/in", and a pattern, added to the job's lists. */
int job_add_file(struct job *job, const char *where, const char *text, struct arena *a,
		 struct err *e);
int job_add_input(struct job *job, const char *where, const char *text, struct arena *a,
		  struct err *e);
int job_add_pattern(struct job *job, const char *where, const char *text, struct err *e);
/* The same in parts. */
int job_add_file_parts(struct job *job, const char *where, const struct job_file *f, struct err *e);
int job_add_input_parts(struct job *job, const char *where, struct job_input i, struct err *e);

/* Said: no limit. What was not said is 0, until the profile says it (job_profile_apply()), which makes
 * 0 of this. */
#define JOB_NO_LIMIT UINT64_MAX
#define JOB_NO_TIME  INT64_MAX
enum job_none { JOB_NONE_MAX = 1, JOB_NONE_ZERO = 2 }; /* "max", "0" */

/* One value of a job, which is an option of `kist job run` and a key of the job file: job_settings.c. */
struct job_setting {
	const char *section, *key; /* of the job file: "limits", "memory"; section NULL: its top */
	const char *option;
	char letter;
	const char *value, *help;
	int (*set)(struct job *job, const struct job_setting *s, const char *where,
		   const char *text, struct err *e);
	size_t offset;		/* in struct job */
	uint64_t max;		/* of a number; 0: any */
	const char *const *choices; /* of a choice, which sets true for the second; NULL-terminated */
	unsigned int none;	/* enum job_none: words that take a limit of the profile off */
};
extern const struct job_setting job_settings[];
extern const size_t job_setting_count;
/* An option that may be given often: its texts are joined by blanks. */
bool job_setting_repeats(const struct job_setting *s);

/* A job file (docs/job.schema.json): fills what it says. Host paths in it are relative to `folder`.
 * Strings are copied into the arena. */
int job_file_parse(const json_t *document, const char *folder, struct arena *a, struct job *job,
		   struct err *e);

/* A folder that has a config.json is a bundle: the job's root becomes its root, and its command,
 * environment, working directory and user count where the job says nothing. */
int job_bundle_read(const char *bundle, struct arena *a, struct job *job, struct err *e);
/* What a profile closes; the rest of a job is the same in all. */
struct job_walls {
	const char *const *caps;   /* of its user; NULL-terminated */
	bool new_privs;		   /* setuid programs work, and root has its capabilities */
	bool limited;		   /* every limit has a value, also those without an option */
	bool hidden;		   /* /proc shows its own processes alone, no /sys, no sockets */
	bool sysfs;		   /* /sys is there, read-only; and no tmpfs at /tmp */
	bool open;		   /* a writable root and the network, where nothing else is said */
	const char *(*seccomp)(void);
};
const struct job_walls *job_walls(const struct job *job);
/* What the profile sets where the caller said nothing. */
void job_profile_apply(struct job *job);
const char *job_profile_name(enum job_profile profile);
/* The administrator's word, JOB_POLICY_FILE: refuses (exit_code 125) a job that breaks one of its rules,
 * by the rule's name. uid: of the job's user, as the job counts. No file, no rules. */
#define JOB_POLICY_FILE "/etc/kist/job-policy.json"
int job_policy_check(const struct job *job, uint32_t uid, struct err *e);
int job_policy_check_document(const json_t *document, const struct job *job, uint32_t uid,
			      struct err *e);

/* Refuses (exit_code 125) a limit this host can't enforce, unless it is waived; those waived are
 * taken off and noted in job->degraded. */
int job_check(struct job *job, const struct host *h, struct err *e);
#define JOB_GROUPS_MAX 64
struct job_user {
	uint32_t uid, gid, gids[JOB_GROUPS_MAX];
	size_t gid_count;
};
struct job_ids { /* of the host, for its user namespace */
	struct ns_id_map uid[2], gid[2];
	size_t count;
	bool leased;
	int taking; /* of idrange.h; -1 */
};
/* Those of who asks: job_ids.c. `upper_dir` (may be NULL) is a folder that may have files of a former
 * job, whose ids it is then. Given back by job_ids_drop(), or by the container's undo. */
int job_ids_take(struct job_ids *ret, const struct host *h, int root, const char *id,
		 const char *upper_dir, struct err *e);
void job_ids_drop(struct job_ids *ids, int root, const char *id);
/* The job's state folder is there, or never will be. */
void job_ids_settle(struct job_ids *ids);
/* Refuses an image whose user is none of them. */
int job_ids_check(const struct job_ids *ids, const struct job_user *user, struct err *e);
/* How ids on the disk become the host's ids of the job: the owner is the job's user, as the job counts.
 * `range`: the job's. Returns the number of lines. */
#define JOB_IDMAP_LINES 5
size_t job_idmap(const struct ns_id_map *range, uint32_t owner, uint32_t user,
		 struct ns_id_map ret[JOB_IDMAP_LINES]);
/* Fills the owners of what the job is shown of the host; refuses what no job is shown. `root`: of the
 * state; `store` NULL: the usual one. */
int job_look_at_inputs(struct job *job, int root, const char *store, struct err *e);
/* The OCI configuration of the job. `image` NULL for a folder. New reference. */
json_t *job_config(const struct job *job, const struct image_info *image, const struct job_ids *ids,
		   const struct job_user *user);
/* Runs it to its end and takes everything away. Always fills *ret; the record says why when
 * the reason is JOB_SANDBOX_ERROR. */
void job_run(struct job *job, const char *store, int root, const char *root_path,
	     const struct runtime_hooks_in *in, struct arena *a, struct job_result *ret,
	     struct err *e);
const char *job_reason_text(enum job_reason reason);
/* enum job_reason, or -EINVAL. */
int job_reason_find(const char *text);
/* The network namespace that --net container:ID names: an fd, which job->netns_path is of. */
int job_share_network(struct job *job, const struct host *h, int root, const char *realm, struct arena *a,
		      struct err *e);
/* What went through the interfaces of ret->owner; its network namespace, or -1. */
void job_traffic_read(int netns, struct job_result *ret);
json_t *job_traffic_json(const struct job_result *r);
/* New reference. */
json_t *job_result_json(const struct job *job, const struct job_result *result);
