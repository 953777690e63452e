/*
 * parse.c - namespaces, maps, root, names and path lists of a config.json.
 *
 * Strict: a wrong type or value is refused with its JSON pointer; a field that
 * would have no effect (a host name without a UTS namespace) is refused too,
 * because the reader of the config would believe it.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <linux/sched.h>

#include "ns/internal.h"

const struct ns_kind_info ns_kind_info[NS_KINDS] = {
	[NS_NET] = { "network", "net", CLONE_NEWNET },
	[NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[NS_TIME] = { "time", "time", CLONE_NEWTIME },
	[NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[NS_MOUNT] = { "mount", "mnt", CLONE_NEWNS },
	[NS_USER] = { "user", "user", CLONE_NEWUSER },
};

static bool name_kind(const char *json, enum ns_kind *ret)
{
	for (int i = 0; i < NS_KINDS; i++) {
		if (strcmp(ns_kind_info[i].json, json) == 0) {
			*ret = (enum ns_kind)i;
			return true;
		}
	}
	return false;
}

char *ns_path_normalise(const char *path, struct arena *a)
{
	size_t len = strlen(path), n = 0;
	char *out;

	if (len >= PATH_MAX)
		return NULL;
	out = arena_alloc(a, len + 2);
	if (!out)
		return NULL;
	while (*path) {
		size_t part = strcspn(path, "/");

		if (part == 2 && path[0] == '.' && path[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (part > 0 && !(part == 1 && path[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, part);
			n += part;
		}
		path += part;
		path += *path == '/';
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

static int parse_namespace(const json_t *o, const struct json_at *at, struct arena *a,
			   struct ns_spec *s, struct err *e)
{
	struct json_at type_at = json_at_key(at, "type"), path_at = json_at_key(at, "path");
	const char *type = NULL, *path = NULL;
	enum ns_kind kind;
	unsigned int flag;
	int r;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	r = json_require(json_get_string(o, at, "type", &type, e), at, "type", e);
	if (r < 0)
		return r;
	r = json_get_string(o, at, "path", &path, e);
	if (r < 0)
		return r;
	if (!name_kind(type, &kind))
		return json_bad(e, &type_at, "\"%.40s\" is no namespace type (pid, network, mount, ipc, "
				"uts, user, cgroup, time)", type);
	flag = ns_kind_info[kind].flag;
	if ((s->new_namespaces | s->join_namespaces) & flag)
		return json_bad(e, &type_at, "a second %s namespace", type);
	/* An empty path means a new one: engines write the key always. */
	if (!path || !*path) {
		s->new_namespaces |= flag;
		return 0;
	}
	if (path[0] != '/')
		return json_bad(e, &path_at, "must be absolute");
	if (kind == NS_MOUNT)
		return json_bad(e, &path_at, "cannot set up a root in somebody else's mount namespace; "
				"leave out the path, or use exec");
	s->join_namespaces |= flag;
	s->join_path[kind] = arena_strdup(a, path);
	s->join_why[kind] = arena_strdup(a, at->text);
	return 0;
}

static int parse_namespaces(const json_t *linux_object, const struct json_at *at, struct arena *a,
			    struct ns_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "namespaces");
	json_t *array = NULL;
	int r = json_get_array(linux_object, at, "namespaces", &array, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct json_at item = json_at_index(&here, i);

		r = parse_namespace(json_array_get(array, i), &item, a, s, e);
		if (r < 0)
			return r;
	}
	if (!(s->new_namespaces & CLONE_NEWNS)) {
		json_bad(e, &here, "a mount namespace is required: without one, the container's mounts "
			 "would be the host's");
		err_fix(e, "add {\"type\": \"mount\"}");
		return -EINVAL;
	}
	return 0;
}

static int parse_map(const json_t *linux_object, const struct json_at *at, const char *key,
		     struct arena *a, struct ns_id_maps *ret, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	json_t *array = NULL;
	int r = json_get_array(linux_object, at, key, &array, e);

	if (r <= 0)
		return r;
	return ns_maps_parse(array, here.text, a, ret, e);
}

static int parse_maps(const json_t *linux_object, const struct json_at *at, struct arena *a,
		      struct ns_spec *s, struct err *e)
{
	struct json_at uid = json_at_key(at, "uidMappings"), gid = json_at_key(at, "gidMappings");
	uint32_t root;
	int r;

	r = parse_map(linux_object, at, "uidMappings", a, &s->uid_maps, e);
	if (r < 0)
		return r;
	r = parse_map(linux_object, at, "gidMappings", a, &s->gid_maps, e);
	if (r < 0)
		return r;
	if (!(s->new_namespaces & CLONE_NEWUSER)) {
		if (s->uid_maps.count || s->gid_maps.count)
			return json_bad(e, s->uid_maps.count ? &uid : &gid,
					s->join_namespaces & CLONE_NEWUSER
					? "the user namespace that is joined has its own maps"
					: "needs a new user namespace in /linux/namespaces");
		return 0;
	}
	if (!s->uid_maps.count || !ns_map_id(&s->uid_maps, 0, &root))
		return json_bad(e, &uid, "must map containerID 0: the setup runs as the container's root");
	if (!s->gid_maps.count || !ns_map_id(&s->gid_maps, 0, &root))
		return json_bad(e, &gid, "must map containerID 0: the setup runs as the container's root");
	return 0;
}

static int parse_root(const json_t *config, const char *bundle, struct arena *a, struct ns_spec *s,
		      struct err *e)
{
	const struct json_at top = JSON_AT_ROOT;
	struct json_at at = json_at_key(&top, "root");
	json_t *root = NULL;
	const char *path = NULL;
	int r;

	r = json_require(json_get_object(config, &top, "root", &root, e), &top, "root", e);
	if (r < 0)
		return r;
	r = json_require(json_get_string(root, &at, "path", &path, e), &at, "path", e);
	if (r < 0)
		return r;
	r = json_get_bool(root, &at, "readonly", &s->root_readonly, e);
	if (r < 0)
		return r;
	at = json_at_key(&at, "path");
	if (!*path)
		return json_bad(e, &at, "must not be empty");
	if (strlen(path) + strlen(bundle) + 2 > PATH_MAX)
		return json_bad(e, &at, "is longer than a path may be");
	s->rootfs = path[0] == '/' ? arena_strdup(a, path) : arena_printf(a, "%s/%s", bundle, path);
	return 0;
}

/* One UTS name: hostname or domainname. */
static int parse_name(const json_t *config, const char *key, struct arena *a, struct ns_spec *s,
		      const char **ret, struct err *e)
{
	const struct json_at top = JSON_AT_ROOT;
	struct json_at at = json_at_key(&top, key);
	const char *name = NULL;
	int r = json_get_string(config, &top, key, &name, e);

	if (r <= 0 || !*name)
		return r < 0 ? r : 0;
	if (strlen(name) > 64)
		return json_bad(e, &at, "is longer than 64 bytes, which is all the kernel keeps");
	for (const char *c = name; *c; c++)
		if (iscntrl((unsigned char)*c) || *c == ' ')
			return json_bad(e, &at, "must not hold spaces or control characters");
	if (!((s->new_namespaces | s->join_namespaces) & CLONE_NEWUTS))
		return json_bad(e, &at, "needs a uts namespace; without one it would rename the host");
	*ret = arena_strdup(a, name);
	return 0;
}

static int parse_clock(const json_t *offsets, const struct json_at *at, const char *name,
		       struct arena *a, char **text, struct err *e)
{
	struct json_at here = json_at_key(at, name);
	json_t *clock = NULL;
	int64_t secs = 0, nanosecs = 0;
	int r = json_get_object(offsets, at, name, &clock, e);

	if (r <= 0)
		return r;
	r = json_get_int(clock, &here, "secs", INT64_MIN / 2, INT64_MAX / 2, &secs, e);
	if (r < 0)
		return r;
	r = json_get_int(clock, &here, "nanosecs", 0, 999999999, &nanosecs, e);
	if (r < 0)
		return r;
	*text = arena_printf(a, "%s%s %lld %lld\n", *text, name, (long long)secs,
			     (long long)nanosecs);
	return *text ? 0 : err_set(e, ENOMEM, "%s", here.text);
}

static int parse_time_offsets(const json_t *linux_object, const struct json_at *at,
			      struct arena *a, struct ns_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "timeOffsets");
	static const char *const clocks[] = { "monotonic", "boottime" };
	json_t *offsets = NULL;
	const char *key;
	json_t *value;
	char none[] = "", *text = none;
	int r = json_get_object(linux_object, at, "timeOffsets", &offsets, e);

	if (r <= 0)
		return r;
	for (size_t i = 0; i < 2; i++) {
		r = parse_clock(offsets, &here, clocks[i], a, &text, e);
		if (r < 0)
			return r;
	}
	json_object_foreach(offsets, key, value) {
		struct json_at clock = json_at_key(&here, key);

		if (strcmp(key, clocks[0]) != 0 && strcmp(key, clocks[1]) != 0)
			return json_bad(e, &clock, "only monotonic and boottime have offsets "
					"(time_namespaces(7))");
	}
	if (!*text)
		return 0;
	if (!(s->new_namespaces & CLONE_NEWTIME))
		return json_bad(e, &here, "needs a new time namespace in /linux/namespaces");
	s->time_offsets = text;
	return 0;
}

static int parse_paths(const json_t *linux_object, const struct json_at *at, const char *key,
		       struct arena *a, const char *const **ret, size_t *ret_count, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	char **paths = NULL;
	size_t count = 0;
	int r = json_get_strings(linux_object, at, key, a, &paths, &count, e);

	if (r <= 0)
		return r;
	if (count > NS_PATHS_MAX)
		return json_bad(e, &here, "has %zu paths; at most %d", count, NS_PATHS_MAX);
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(&here, i);
		char *plain;

		if (paths[i][0] != '/')
			return json_bad(e, &item, "must be an absolute path in the container");
		plain = ns_path_normalise(paths[i], a);
		if (!plain)
			return json_bad(e, &item, "is longer than a path may be");
		if (strcmp(plain, "/") == 0)
			return json_bad(e, &item, "must not be the root itself");
		paths[i] = plain;
	}
	*ret = (const char *const *)paths;
	*ret_count = count;
	return 0;
}

static int parse_propagation(const json_t *linux_object, const struct json_at *at,
			     struct ns_spec *s, struct err *e)
{
	static const struct {
		const char *name;
		unsigned int flags;
	} known[] = {
		{ "private", MS_PRIVATE }, { "rprivate", MS_PRIVATE | MS_REC },
		{ "shared", MS_SHARED }, { "rshared", MS_SHARED | MS_REC },
		{ "slave", MS_SLAVE }, { "rslave", MS_SLAVE | MS_REC },
		{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
	};
	struct json_at here = json_at_key(at, "rootfsPropagation");
	const char *name = NULL;
	int r = json_get_string(linux_object, at, "rootfsPropagation", &name, e);

	if (r <= 0 || !*name)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(known[i].name, name) == 0) {
			s->rootfs_propagation = known[i].flags;
			return 0;
		}
	}
	return json_bad(e, &here, "\"%.40s\" is not private, shared, slave or unbindable", name);
}

/* As which option of a filesystem the label is given: crun's annotation, which podman writes. */
static int parse_label_option(const json_t *config, struct arena *a, struct ns_spec *s, struct err *e)
{
	static const char key[] = "run.oci.mount_context_type";
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");
	const char *text = json_string_value(json_object_get(json_object_get(config, "annotations"), key));
	struct json_at here = json_at_key(&at, key);

	s->mount_label_option = text && *text ? arena_strdup(a, text) : "context";
	if (text && *text && !ns_option_is_label(text))
		return json_bad(e, &here, "must be context, fscontext, defcontext or rootcontext");
	return 0;
}

static int parse_mount_label(const json_t *linux_object, const struct json_at *at, struct arena *a,
			     struct ns_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "mountLabel");
	const char *label = NULL;
	int r = json_get_string(linux_object, at, "mountLabel", &label, e);

	if (r <= 0 || !*label)
		return r < 0 ? r : 0;
	if (strlen(label) > NS_LABEL_MAX)
		return json_bad(e, &here, "is longer than %d bytes", NS_LABEL_MAX);
	for (const char *c = label; *c; c++)
		if (iscntrl((unsigned char)*c) || *c == ' ' || *c == '"')
			return json_bad(e, &here, "must not hold spaces, quotes or control characters");
	s->mount_label = arena_strdup(a, label);
	return 0;
}

static int parse_linux(const json_t *config, struct arena *a, struct ns_spec *s, struct err *e)
{
	const struct json_at top = JSON_AT_ROOT;
	struct json_at at = json_at_key(&top, "linux");
	json_t *o = NULL;
	int r = json_require(json_get_object(config, &top, "linux", &o, e), &top, "linux", e);

	if (r >= 0)
		r = parse_namespaces(o, &at, a, s, e);
	if (r >= 0)
		r = parse_maps(o, &at, a, s, e);
	if (r >= 0)
		r = parse_time_offsets(o, &at, a, s, e);
	if (r >= 0)
		r = parse_paths(o, &at, "maskedPaths", a, &s->masked_paths, &s->masked_count, e);
	if (r >= 0)
		r = parse_paths(o, &at, "readonlyPaths", a, &s->readonly_paths, &s->readonly_count, e);
	if (r >= 0)
		r = parse_propagation(o, &at, s, e);
	if (r >= 0)
		r = parse_mount_label(o, &at, a, s, e);
	if (r >= 0)
		r = parse_label_option(config, a, s, e);
	if (r >= 0)
		r = ns_parse_devices(o, &at, a, s, e);
	if (r >= 0)
		r = ns_parse_sysctls(o, &at, a, s, e);
	return r < 0 ? r : 0;
}

int ns_parse(const json_t *config, const char *bundle, struct arena *a, struct ns_spec *ret,
	     struct err *e)
{
	struct ns_spec s = { 0 };
	int r;

	s.bundle = arena_strdup(a, bundle);
	r = parse_linux(config, a, &s, e);
	if (r >= 0)
		r = parse_root(config, bundle, a, &s, e);
	if (r >= 0)
		r = parse_name(config, "hostname", a, &s, &s.hostname, e);
	if (r >= 0)
		r = parse_name(config, "domainname", a, &s, &s.domainname, e);
	if (r >= 0)
		r = ns_parse_mounts(config, bundle, a, &s, e);
	if (r < 0)
		return r;
	if (arena_failed(a))
		return err_set(e, ENOMEM, "cannot read the configuration");
	*ret = s;
	return 0;
}
