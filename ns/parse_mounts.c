/*
 * parse_mounts.c - /mounts of a config.json.
 *
 * Refuses what would let a mount pose as procfs: labels and sysctls are
 * written below /proc, and a bind or tmpfs there would take or redirect those
 * writes (CVE-2019-16884, CVE-2019-19921).
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>

#include "ns/internal.h"

/* Files of procfs that a bind may cover: they only show numbers (lxcfs does that). */
static const char *const proc_covers[] = {
	"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps",
	"/proc/uptime", "/proc/loadavg", "/proc/slabinfo", "/proc/sys/kernel/ns_last_pid",
	"/proc/sys/crypto/fips_enabled",
};

static int check_proc(const struct ns_mount *m, const struct json_at *at, struct err *e)
{
	struct json_at type = json_at_key(at, "type"), destination = json_at_key(at, "destination");

	if (strcmp(m->destination, "/proc") == 0) {
		/* A bind must come from a procfs: the step that makes it checks that. */
		if (m->flags.bind || m->flags.remount || strcmp(m->type, "proc") == 0)
			return 0;
		return json_bad(e, &type, "only a proc filesystem may be mounted at /proc");
	}
	if (strncmp(m->destination, "/proc/", 6) != 0)
		return 0;
	for (size_t i = 0; i < sizeof proc_covers / sizeof proc_covers[0]; i++)
		if (strcmp(proc_covers[i], m->destination) == 0)
			return 0;
	return json_bad(e, &destination, "nothing may be mounted below /proc, except over files that "
			"only show numbers (cpuinfo, meminfo, stat, uptime, ...)");
}

static int parse_mount_maps(const json_t *o, const struct json_at *at, struct arena *a,
			    struct ns_mount *m, struct err *e)
{
	struct json_at uid = json_at_key(at, "uidMappings"), gid = json_at_key(at, "gidMappings");
	json_t *uids = NULL, *gids = NULL;
	int r = json_get_array(o, at, "uidMappings", &uids, e);

	if (r >= 0)
		r = json_get_array(o, at, "gidMappings", &gids, e);
	if (r >= 0 && json_array_size(uids))
		r = ns_maps_parse(uids, uid.text, a, &m->uid, e);
	if (r >= 0 && json_array_size(gids))
		r = ns_maps_parse(gids, gid.text, a, &m->gid, e);
	if (r < 0)
		return r;
	if (!m->uid.count != !m->gid.count)
		return json_bad(e, m->uid.count ? &gid : &uid, "must be given together with the other map");
	if (m->uid.count && !m->flags.idmap)
		m->flags.idmap = true; /* the maps alone ask for it (config.md, "idmap") */
	return 0;
}

static int check_idmap(const struct ns_mount *m, const struct json_at *at, const struct ns_spec *s,
		       struct err *e)
{
	struct json_at here = json_at_key(at, m->uid.count && !m->flags.idmap_text ? "uidMappings"
									      : "options");

	if (!m->flags.idmap)
		return 0;
	if (strcmp(m->type, NS_COW_TYPE) == 0)
		return m->flags.idmap_text || m->flags.idmap_recursive
			? json_bad(e, &here, "idmap is not for " NS_COW_TYPE ", whose maps are its own") : 0;
	if (!m->flags.bind)
		return json_bad(e, &here, "idmap is for bind mounts only");
	if (!m->uid.count && !ns_has_userns(s))
		return json_bad(e, &here, "idmap needs uidMappings and gidMappings, or a container with a "
				"user namespace");
	return 0;
}

/* The pointer of the option whose key was found to be wrong. */
static struct json_at option_at(const struct json_at *at, char **options, size_t count,
				const char *key)
{
	struct json_at here = json_at_key(at, "options");
	size_t len = strlen(key);

	for (size_t i = 0; i < count; i++)
		if (strncmp(options[i], key, len) == 0 && (!options[i][len] || options[i][len] == '='))
			return json_at_index(&here, i);
	return here;
}

static int parse_bind(struct ns_mount *m, const char *source, char **options, size_t count,
		      const char *bundle, const struct json_at *at, struct arena *a, struct err *e)
{
	struct json_at here = json_at_key(at, "source");

	m->type = "bind";
	m->flags.bind = true;
	if (m->flags.data_count || m->flags.super_count) {
		bool data = m->flags.data_count;
		const char *key = data ? m->flags.data[0].key : m->flags.super[0].key;

		here = option_at(at, options, count, key);
		return json_bad(e, &here, data ? "\"%.60s\" is no option of a bind mount"
				: "\"%.60s\" belongs to a filesystem, not to a bind mount", key);
	}
	if (m->flags.copy_up || (m->flags.classic & MS_I_VERSION)) {
		const char *key = m->flags.copy_up ? "tmpcopyup" : "iversion";

		here = option_at(at, options, count, key);
		return json_bad(e, &here, "%s belongs to a new filesystem, not to a bind mount", key);
	}
	if (m->flags.remount)
		return 0;
	if (!source || !*source)
		return json_bad(e, &here, "a bind mount needs a source");
	if (strlen(source) + strlen(bundle) + 2 > PATH_MAX)
		return json_bad(e, &here, "is longer than a path may be");
	m->source = source[0] == '/' ? arena_strdup(a, source)
				     : arena_printf(a, "%s/%s", bundle, source);
	return 0;
}

static int parse_fs(struct ns_mount *m, const char *source, const char *type, char **options,
		    size_t count, const struct json_at *at, struct arena *a, struct err *e)
{
	struct json_at here = json_at_key(at, "type");

	if (!m->flags.remount && (!type || !*type || strcmp(type, "none") == 0))
		return json_bad(e, &here, "needs a type, or one of the options bind and rbind");
	m->type = arena_strdup(a, type ? type : "none");
	m->source = source && *source ? arena_strdup(a, source) : m->type;
	here = option_at(at, options, count, "iversion");
	if ((m->flags.classic & MS_I_VERSION) && (m->flags.remount || strncmp(m->type, "cgroup", 6) == 0))
		return json_bad(e, &here, "iversion is for a new filesystem that has files of its own");
	here = option_at(at, options, count, "tmpcopyup");
	if (m->flags.copy_up && (strcmp(m->type, "tmpfs") != 0 || m->flags.remount))
		return json_bad(e, &here, "tmpcopyup is for a new tmpfs only");
	if (m->flags.copy_up && m->flags.classic)
		return json_bad(e, &here, "tmpcopyup does not go with iversion and silent, which mean "
				"nothing to a tmpfs");
	return 0;
}

/* idmap=...: maps of the mount's own, as crun takes them. */
static int parse_idmap_option(struct ns_mount *m, char **options, size_t count,
			      const struct json_at *at, const struct ns_spec *s, struct arena *a,
			      struct err *e)
{
	struct json_at here = option_at(at, options, count,
					m->flags.idmap_recursive ? "ridmap" : "idmap");

	if (!m->flags.idmap_text)
		return 0;
	if (m->uid.count)
		return json_bad(e, &here, "uidMappings and gidMappings give maps too");
	return ns_maps_parse_text(m->flags.idmap_text, &s->uid_maps, &s->gid_maps, here.text, a, &m->uid,
				  &m->gid, e);
}

/* crun's words for symlinks, which podman writes. */
static int check_symlink_options(const struct ns_mount *m, char **options, size_t count,
				 const struct json_at *at, struct err *e)
{
	static const char *const plain[] = { "/dev", "/proc", "/sys" };
	const struct ns_mount_flags *f = &m->flags;
	const char *key = f->copy_symlink	? "copy-symlink"
			  : f->source_nofollow	? "src-nofollow"
			  : f->target_nofollow	? "dest-nofollow" : NULL;
	struct json_at here;

	if (!key)
		return 0;
	here = option_at(at, options, count, key);
	if (!f->bind || f->remount)
		return json_bad(e, &here, "%s is for a new bind mount", key);
	/* The runtime itself makes and writes files there: no symlink may lead that elsewhere. */
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (strcmp(m->destination, plain[i]) == 0 || strncmp(m->destination, "/proc/", 6) == 0)
			return json_bad(e, &here, "%s is not for %s", key, m->destination);
	return 0;
}

static int parse_mount(const json_t *o, const struct json_at *at, const char *bundle,
		       struct arena *a, const struct ns_spec *s, struct ns_mount *m, struct err *e)
{
	struct json_at options_at = json_at_key(at, "options");
	struct json_at destination_at = json_at_key(at, "destination");
	const char *destination = NULL, *source = NULL, *type = NULL;
	char **options = NULL;
	size_t count = 0;
	int r;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	r = json_require(json_get_string(o, at, "destination", &destination, e), at, "destination", e);
	if (r >= 0)
		r = json_get_string(o, at, "source", &source, e);
	if (r >= 0)
		r = json_get_string(o, at, "type", &type, e);
	if (r >= 0)
		r = json_get_strings(o, at, "options", a, &options, &count, e);
	if (r >= 0)
		r = ns_mount_options_parse((const char *const *)options, count, options_at.text, a,
					   &m->flags, e);
	if (r >= 0)
		r = parse_mount_maps(o, at, a, m, e);
	if (r < 0)
		return r;
	m->why = arena_strdup(a, at->text);
	/* A relative destination is deprecated and means: below "/" (config.md, "Mounts"). */
	m->destination = ns_path_normalise(destination, a);
	if (!m->destination)
		return json_bad(e, &destination_at, "is longer than a path may be");
	if (strcmp(m->destination, "/") == 0 && !m->flags.remount)
		return json_bad(e, &destination_at, "a mount at / would hide the root");
	if (m->flags.bind || (type && strcmp(type, "bind") == 0))
		r = parse_bind(m, source, options, count, bundle, at, a, e);
	else
		r = parse_fs(m, source, type, options, count, at, a, e);
	if (r >= 0 && arena_failed(a))
		r = err_set(e, ENOMEM, "a mount");
	if (r >= 0)
		r = check_proc(m, at, e);
	if (r >= 0)
		r = parse_idmap_option(m, options, count, at, s, a, e);
	if (r >= 0)
		r = check_symlink_options(m, options, count, at, e);
	if (r >= 0)
		r = check_idmap(m, at, s, e);
	if (r >= 0 && !m->flags.bind && strcmp(m->type, NS_COW_TYPE) == 0)
		r = ns_check_cow(m, s, at, e);
	return r;
}

int ns_parse_mounts(const json_t *config, const char *bundle, struct arena *a, struct ns_spec *s,
		    struct err *e)
{
	const struct json_at top = JSON_AT_ROOT;
	struct json_at at = json_at_key(&top, "mounts");
	struct ns_mount *mounts;
	json_t *array = NULL;
	size_t count;
	int r = json_get_array(config, &top, "mounts", &array, e);

	if (r <= 0)
		return r;
	count = json_array_size(array);
	if (count > NS_MOUNTS_MAX)
		return json_bad(e, &at, "has %zu mounts; at most %d", count, NS_MOUNTS_MAX);
	mounts = arena_array(a, count ? count : 1, sizeof *mounts);
	if (!mounts)
		return err_set(e, ENOMEM, "cannot read mounts");
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(&at, i);

		r = parse_mount(json_array_get(array, i), &item, bundle, a, s, &mounts[i], e);
		if (r < 0)
			return r;
	}
	s->mounts = mounts;
	s->mount_count = count;
	return 0;
}

const struct ns_mount *ns_mount_at(const struct ns_spec *s, const char *destination)
{
	const struct ns_mount *found = NULL;

	for (size_t i = 0; i < s->mount_count; i++)
		if (!s->mounts[i].flags.remount && strcmp(s->mounts[i].destination, destination) == 0)
			found = &s->mounts[i];
	return found;
}
