/*
 * job_config.c - a job as an OCI configuration: closed by default.
 *
 * Pure. Everything a job may not do is decided here.
 */
#include "supervisor/job.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "runtime/landlock.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define TMP_OPTIONS  "size=64m,nr_inodes=16384"

static json_t *strings(const char *const *list)
{
	json_t *array = json_array();

	for (; list && *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

/* The image's environment, then the job's: a later one of the same name wins when parsed. */
static json_t *environment(const struct job *job, const struct image_info *image)
{
	json_t *env = image ? strings((const char *const *)image->env) : json_array();
	bool has_path = false;
	const char *text;

	for (size_t i = 0; i < job->env_count; i++)
		json_array_append_new(env, json_string(job->env[i]));
	for (size_t i = 0; i < json_array_size(env); i++) {
		text = json_string_value(json_array_get(env, i));
		has_path |= text && strncmp(text, "PATH=", 5) == 0;
	}
	if (!has_path)
		json_array_insert_new(env, 0, json_string(DEFAULT_PATH));
	return env;
}

/* docker's rule: arguments replace Cmd and follow Entrypoint. */
static json_t *command(const struct job *job, const struct image_info *image)
{
	json_t *args = image ? strings((const char *const *)image->entrypoint) : json_array();
	json_t *rest = job->args && job->args[0] ? strings((const char *const *)job->args)
			: strings(image ? (const char *const *)image->cmd : NULL);

	json_array_extend(args, rest);
	json_decref(rest);
	return args;
}

static void add_limit(json_t *list, const char *type, uint64_t soft, uint64_t hard)
{
	json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "type", type, "soft",
					      (json_int_t)soft, "hard", (json_int_t)hard));
}

static json_t *rlimits(const struct job *job)
{
	uint64_t seconds = ((uint64_t)job->cpu_ms + 999) / 1000;
	json_t *list = json_array();

	/* Not 0: profile_job.c says why. */
	add_limit(list, "RLIMIT_CORE", 1, 1);
	add_limit(list, "RLIMIT_NOFILE", job->open_files, job->open_files);
	if (job->file_size)
		add_limit(list, "RLIMIT_FSIZE", job->file_size, job->file_size);
	/* Of each process alone: should kist itself not get to look at the cgroup in time. */
	if (job->cpu_ms)
		add_limit(list, "RLIMIT_CPU", seconds + 1, seconds + 2);
	if (job->stack || job_walls(job)->limited)
		add_limit(list, "RLIMIT_STACK", job->stack ? job->stack : 8u << 20,
			  job->stack ? job->stack : 8u << 20);
	if (job_walls(job)->limited) {
		add_limit(list, "RLIMIT_MEMLOCK", 65536, 65536);
		add_limit(list, "RLIMIT_MSGQUEUE", 0, 0);
		add_limit(list, "RLIMIT_SIGPENDING", 256, 256);
	}
	return list;
}

/* Mostly none, not even in the bounding set: no setuid file and no mistake gives one. As docker does it,
 * a user that is not root has them only there, for setuid files. */
static json_t *capabilities(const struct job *job, const struct job_user *user)
{
	const char *const *caps = job_walls(job)->caps;
	json_t *o = json_object();

	if (!caps[0])
		return o;
	json_object_set_new(o, "bounding", strings(caps));
	if (user->uid == 0) {
		json_object_set_new(o, "permitted", strings(caps));
		json_object_set_new(o, "effective", strings(caps));
	}
	return o;
}

static json_t *process(const struct job *job, const struct image_info *image,
		       const struct job_user *user)
{
	json_t *groups = json_array();
	const char *cwd = job->workdir ? job->workdir
			  : job->workspace ? JOB_WORKSPACE
			  : image && image->workdir && image->workdir[0] ? image->workdir : "/";

	for (size_t i = 0; i < user->gid_count; i++)
		json_array_append_new(groups, json_integer((json_int_t)user->gids[i]));
	return json_pack("{s:b, s:{s:I, s:I, s:o}, s:o, s:o, s:o, s:b, s:o, s:o}",
			 "terminal", 0, "user", "uid", (json_int_t)user->uid, "gid",
			 (json_int_t)user->gid, "additionalGids", groups,
			 "args", command(job, image), "env", environment(job, image), "cwd",
			 /* an image's may begin without it, as in a bundle */
			 cwd[0] == '/' ? json_string(cwd) : json_sprintf("/%s", cwd),
			 "noNewPrivileges", !job_walls(job)->new_privs, "capabilities",
			 capabilities(job, user), "rlimits", rlimits(job));
}

static void add_mount(json_t *mounts, const char *destination, const char *type,
		      const char *options)
{
	json_t *list = json_array();
	char text[256], *next = text, *word;

	snprintf(text, sizeof text, "%s", options);
	while ((word = strsep(&next, ",")))
		json_array_append_new(list, json_string(word));
	json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:o}", "destination", destination,
						"type", type, "source", type, "options", list));
}

static json_t *map(const struct ns_id_map *line, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:I, s:I, s:I}", "containerID",
						      (json_int_t)line[i].container, "hostID",
						      (json_int_t)line[i].host, "size",
						      (json_int_t)line[i].size));
	return list;
}

/* The job's user sees itself as the owner: only root of the host can map what is not its own. */
static void set_maps(json_t *mount, const struct job_ids *ids, const struct job_user *user, uint32_t uid,
		     uint32_t gid)
{
	struct ns_id_map line[JOB_IDMAP_LINES];
	size_t n;

	if (!ids->leased)
		return;
	n = job_idmap(&ids->uid[0], uid, user->uid, line);
	json_object_set_new(mount, "uidMappings", map(line, n));
	n = job_idmap(&ids->gid[0], gid, user->gid, line);
	json_object_set_new(mount, "gidMappings", map(line, n));
}

/* Empty; or a folder of the host, which overlay shows and a tmpfs takes the changes of. */
static void add_workspace(const struct job *job, const struct job_ids *ids,
			  const struct job_user *user, json_t *list)
{
	unsigned long long bytes = job->workspace,
			   inodes = job->workspace_inodes ? job->workspace_inodes
							  : JOB_WORKSPACE_INODES;
	char text[192];
	json_t *mount;

	snprintf(text, sizeof text, "nosuid,nodev%s,uid=%u,gid=%u,size=%llu,nr_inodes=%llu",
		 job->workspace_from ? "" : ",mode=755", user->uid, user->gid, bytes, inodes);
	add_mount(list, JOB_WORKSPACE, job->workspace_from ? "kist-cow" : "tmpfs", text);
	if (!job->workspace_from)
		return;
	mount = json_array_get(list, json_array_size(list) - 1);
	json_object_set_new(mount, "source", json_string(job->workspace_from));
	set_maps(mount, ids, user, job->from_uid, job->from_gid);
}

static void add_input(const struct job_input *i, const struct job_ids *ids,
		      const struct job_user *user, json_t *list)
{
	json_t *mount = json_pack("{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", i->path, "type",
				  "bind", "source", i->source, "options", "rbind", "rro",
				  "rnosuid", "rnodev");

	set_maps(mount, ids, user, i->uid, i->gid);
	if (ids->leased)
		json_array_append_new(json_object_get(mount, "options"), json_string("tryidmap"));
	json_array_append_new(list, mount);
}

static json_t *mounts(const struct job *job, const struct job_ids *ids,
		      const struct job_user *user)
{
	json_t *list = json_array();

	const struct job_walls *w = job_walls(job);

	add_mount(list, "/proc", "proc",
		  w->hidden ? "nosuid,noexec,nodev,hidepid=invisible,subset=pid"
			  : "nosuid,noexec,nodev");
	add_mount(list, "/dev", "tmpfs", "nosuid,noexec,strictatime,mode=755,size=64k");
	/* All of a host share 4,096 of them. */
	add_mount(list, "/dev/pts", "devpts",
		  w->limited ? "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,max=64"
			     : "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	add_mount(list, "/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777," TMP_OPTIONS);
	add_mount(list, "/dev/mqueue", "mqueue", "nosuid,noexec,nodev");
	/* A sysfs shows a network namespace, and mounts for its owner alone. */
	if (w->sysfs && !job->host_net)
		add_mount(list, "/sys", "sysfs", "nosuid,noexec,nodev,ro");
	if (!w->sysfs)
		add_mount(list, "/tmp", "tmpfs", "nosuid,nodev,mode=1777," TMP_OPTIONS);
	if (!w->hidden)
		add_mount(list, "/sys/fs/cgroup", "cgroup2", "nosuid,noexec,nodev,ro");
	if (job->workspace)
		add_workspace(job, ids, user, list);
	for (size_t i = 0; i < job->input_count; i++)
		add_input(&job->input[i], ids, user, list);
	return list;
}

static json_t *resources(const struct job *job)
{
	json_t *r = json_pack("{s:[{s:b, s:s}]}", "devices", "allow", 0, "access", "rwm");

	/* swap is memory and swap together: equal means no swap at all. */
	if (job->memory)
		json_object_set_new(r, "memory", json_pack("{s:I, s:I}", "limit",
				    (json_int_t)job->memory, "swap", (json_int_t)job->memory));
	if (job->pids)
		json_object_set_new(r, "pids", json_pack("{s:I}", "limit",
							(json_int_t)(job->pids + job->init)));
	if (job->cpu_quota || job->cpus)
		json_object_set_new(r, "cpu", json_object());
	if (job->cpu_quota)
		json_object_update_new(json_object_get(r, "cpu"),
				       json_pack("{s:I, s:i}", "quota", (json_int_t)job->cpu_quota,
						 "period", 100000));
	if (job->cpus)
		json_object_set_new(json_object_get(r, "cpu"), "cpus", json_string(job->cpus));
	return r;
}

/* Parsed once: the same object for all jobs of a profile, by which its filter is known again. */
static json_t *seccomp_of(const struct job *job)
{
	static json_t *parsed[JOB_PROFILES];
	const char *text = job_walls(job)->seccomp();

	if (!parsed[job->profile])
		json_parse_strict(text, strlen(text), "the profile", &parsed[job->profile], NULL);
	return parsed[job->profile];
}

static json_t *linux_part(const struct job *job, const struct job_ids *ids)
{
	static const char *const kinds[] = { "user", "pid", "network", "ipc", "uts", "mount",
					     "cgroup", "time" };
	static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore",
					      "/proc/keys", "/proc/latency_stats",
					      "/proc/timer_list", "/proc/timer_stats",
					      "/proc/sched_debug", "/proc/scsi", "/proc/kallsyms",
					      "/proc/interrupts", "/proc/pressure", "/proc/cmdline", "/proc/config.gz", NULL };
	static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
						"/proc/sysrq-trigger", NULL };
	json_t *namespaces = json_array(), *hidden = strings(masked), *o;

	if (job_walls(job)->sysfs) {
		json_array_append_new(hidden, json_string("/sys/firmware"));
		json_array_append_new(hidden, json_string("/sys/devices/virtual/powercap"));
	}

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (!job->host_net || strcmp(kinds[i], "network") != 0)
			json_array_append_new(namespaces, json_pack("{s:s, s:s*}", "type", kinds[i], "path",
					strcmp(kinds[i], "network") == 0 ? job->netns_path : NULL));
	o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "namespaces", namespaces, "uidMappings",
		      map(ids->uid, ids->count), "gidMappings", map(ids->gid, ids->count), "resources", resources(job), "maskedPaths",
		      hidden, "readonlyPaths", strings(readonly));
	json_object_set(o, "seccomp", seccomp_of(job));
	/* Docker's, since 20.10: its containers' root binds any port without a capability. */
	if (job->profile == JOB_PROFILE_DOCKER && !job->host_net)
		json_object_set_new(o, "sysctl", json_pack("{s:s}",
							   "net.ipv4.ip_unprivileged_port_start", "0"));
	return o;
}

/* Landlock knows nothing of mounts: should one be there that a job should not have, what is written
 * still goes nowhere but to these. */
static json_t *annotations(const struct job *job)
{
	json_t *o = json_object();

	json_object_set_new(o, JOB_ANNOTATION, json_string(job_profile_name(job->profile)));
	if (job->egress)
		json_object_set_new(o, EGRESS_ANNOTATION, json_string(job->egress));
	if (job->scoped)
		json_object_set_new(o, LANDLOCK_SCOPE, json_string("abstract-unix-socket"));
	if (job->landlock) {
		json_object_set_new(o, LANDLOCK_READ_ONLY, json_string("/"));
		json_object_set_new(o, LANDLOCK_READ_WRITE,
				    json_string(job->workspace ? "/tmp:/dev:/proc:" JOB_WORKSPACE
							       : "/tmp:/dev:/proc"));
	}
	return o;
}

json_t *job_config(const struct job *job, const struct image_info *image, const struct job_ids *ids,
		   const struct job_user *user)
{
	/* First: kist's own reader seeds the hashes, for which jansson would open /dev/urandom. */
	seccomp_of(job);
	return json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o, s:o}", "ociVersion", SPEC_OCI_VERSION,
			 "process", process(job, image, user), "root", "path",
			 job->is_folder ? job->source : "/", "readonly", !job->writable, "hostname", job->id,
			 "mounts", mounts(job, ids, user), "linux", linux_part(job, ids), "annotations",
			 annotations(job));
}
