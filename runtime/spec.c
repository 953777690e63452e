/*
 * spec.c - config.json as a whole: reads it, hands each domain its slice, and
 * refuses what no domain owns yet. Unknown keys are ignored, as the spec says.
 */
#include "runtime/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "cgroup/systemd.h"
#include "runtime/annotations.h"
#include "runtime/caps.h"

/* One number of a version: no sign, no leading zero. */
static bool take_number(const char **text, bool dot, unsigned long *ret)
{
	size_t digits = strspn(*text, "0123456789");
	char *end;

	if (digits == 0 || digits > 9 || (digits > 1 && **text == '0'))
		return false;
	*ret = strtoul(*text, &end, 10);
	*text = end + dot;
	return !dot || *end == '.';
}

/* "1.2.3" or "1.2.3-rc.1+x": any minor of major 1 is taken, as the spec asks. */
static bool read_version(const char *text, unsigned long *ret_major)
{
	static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ-.+";
	unsigned long other;

	if (!take_number(&text, true, ret_major) || !take_number(&text, true, &other) ||
	    !take_number(&text, false, &other))
		return false;
	return !*text || ((*text == '-' || *text == '+') && text[1] && !text[strspn(text, allowed)]);
}

static int check_version(const json_t *config, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "ociVersion");
	unsigned long major;
	const char *version;
	int r;

	r = json_require(json_get_string(config, &root, "ociVersion", &version, e), &root,
			 "ociVersion", e);
	if (r < 0)
		return r;
	if (!read_version(version, &major))
		return json_bad(e, &at, "\"%s\" is not a SemVer version", version);
	if (major != 1)
		return json_bad(e, &at, "version %s is not supported; kist follows 1.x", version);
	return 0;
}

/* `state` gives them back as they are, so they must be what it promises: strings by name. */
static int check_annotations(const json_t *config, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, here = json_at_key(&root, "annotations");
	json_t *annotations = NULL, *value;
	const char *key;
	int r = json_get_object(config, &root, "annotations", &annotations, e);

	if (r < 0)
		return r;
	json_object_foreach(annotations, key, value) {
		struct json_at at = json_at_key(&here, key);

		if (!*key)
			return json_bad(e, &at, "a key must not be empty");
		if (!json_is_string(value))
			return json_bad(e, &at, "must be a string");
	}
	return annotations_refuse(config, e);
}

/* Fields of the spec that nothing here carries out: refused, never accepted and ignored. */
static int refuse_missing(const json_t *config, struct err *e)
{
	static const struct {
		const char *object, *key;
	} missing[] = {
		{ "linux", "intelRdt" },
	};
	struct json_at root = JSON_AT_ROOT;

	for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
		const json_t *o = missing[i].object ? json_object_get(config, missing[i].object)
						    : config;
		struct json_at at = missing[i].object ? json_at_key(&root, missing[i].object) : root;
		const json_t *value = json_object_get(o, missing[i].key);

		at = json_at_key(&at, missing[i].key);
		if (!value || json_is_null(value))
			continue;
		/* Generators write empty ones, which ask for nothing; but an empty intelRdt wants a
		 * group of the container's own. */
		if (json_is_object(value) && json_object_size(value) == 0 &&
		    strcmp(missing[i].key, "intelRdt") != 0)
			continue;
		json_bad(e, &at, "is not supported by this version of kist");
		return err_fix(e, "remove it from config.json");
	}
	return 0;
}

static int parse_net_devices(struct container_spec *s, const json_t *linux_object,
			     const struct json_at *at, struct arena *a, struct err *e)
{
	struct json_at here = json_at_key(at, "netDevices");
	int r = net_parse_devices(linux_object, at, a, &s->net_devices, e);

	if (r < 0 || s->net_devices.count == 0 ||
	    ((s->ns.new_namespaces | s->ns.join_namespaces) & CLONE_NEWNET))
		return r;
	return json_bad(e, &here, "needs a network namespace of the container's own in "
			"/linux/namespaces");
}

static int parse_linux(struct container_spec *s, const char *id, struct arena *a,
		       const struct spec_known *known, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "linux"), seccomp_at;
	struct json_at annotations_at = json_at_key(&root, "annotations");
	json_t *linux_object = NULL, *seccomp = NULL;
	int r;

	r = json_get_object(s->config, &root, "linux", &linux_object, e);
	if (r < 0)
		return r;
	r = cgroup_parse(linux_object, &at, id, a, &s->cgroup, e);
	if (r == 0)
		r = cgroup_parse_annotations(json_object_get(s->config, "annotations"),
					     &annotations_at, a, &s->cgroup, e);
	/* A network namespace that others made may be the host's, whose loopback is not ours to give. */
	s->cgroup.egress.loopback = s->ns.new_namespaces & CLONE_NEWNET;
	if (r < 0 || !linux_object)
		return r;
	r = linux_process_parse(linux_object, &at, a, &s->linux_process, e);
	if (r >= 0)
		r = parse_net_devices(s, linux_object, &at, a, e);
	if (r < 0)
		return r;
	r = json_get_object(linux_object, &at, "seccomp", &seccomp, e);
	if (r <= 0)
		return r;
	seccomp_at = json_at_key(&at, "seccomp");
	s->has_seccomp = true;
	if (known && known->seccomp == seccomp) {
		s->seccomp = known->filter;
		return 0;
	}
	return seccomp_parse(seccomp, &seccomp_at, a, &s->seccomp, e);
}

static int parse_all(struct container_spec *s, const char *id, struct arena *a,
		     const struct spec_known *known, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "process");
	json_t *process = NULL;
	int r;

	if (!json_is_object(s->config))
		return json_bad(e, &root, "must be an object");
	r = check_version(s->config, e);
	if (r == 0)
		r = check_annotations(s->config, e);
	if (r == 0)
		r = refuse_missing(s->config, e);
	if (r == 0)
		r = json_require(json_get_object(s->config, &root, "process", &process, e), &root,
				 "process", e);
	if (r >= 0)
		r = process_parse(process, &at, a, &s->process, e);
	if (r >= 0)
		r = process_annotate(&s->process, s->config, a, e);
	if (r >= 0)
		r = ns_parse(s->config, s->bundle, a, &s->ns, e);
	if (r >= 0)
		r = hooks_parse(s->config, a, &s->hooks, e);
	if (r >= 0)
		r = parse_linux(s, id, a, known, e);
	return r < 0 ? r : 0;
}

/* The largest part of a configuration is its filter. */
static char *text_around(json_t *config, const struct spec_known *known)
{
	json_t *linux_object = json_object_get(config, "linux");
	_cleanup_free_ char *rest = NULL, *own = NULL;
	char *text;

	json_incref(linux_object);
	json_object_del(linux_object, "seccomp");
	json_object_del(config, "linux");
	rest = json_dumps(config, JSON_COMPACT);
	own = json_dumps(linux_object, JSON_COMPACT);
	json_object_set(linux_object, "seccomp", known->seccomp);
	json_object_set_new(config, "linux", linux_object);
	/* Neither is empty: each ends with a bracket behind something. */
	if (json_out_of_memory || !rest || !own ||
	    asprintf(&text, "%.*s,\"linux\":%.*s,\"seccomp\":%s}}", (int)strlen(rest) - 1, rest,
		     (int)strlen(own) - 1, own, known->text) < 0)
		return NULL;
	return text;
}

static char *make_text(json_t *config, const struct spec_known *known)
{
	const json_t *linux_object = json_object_get(config, "linux");

	if (known && known->text && json_object_size(config) > 1 &&
	    json_object_size(linux_object) > 1 &&
	    json_object_get(linux_object, "seccomp") == known->seccomp)
		return text_around(config, known);
	return json_dumps(config, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* Takes over the reference and the text, which is stored at create; NULL: made anew. */
static int parse_text(json_t *config, char *text, const char *bundle, const char *id,
		      struct arena *a, const struct spec_known *known,
		      struct container_spec *ret, struct err *e)
{
	struct container_spec s = { .config = config, .bundle = arena_strdup(a, bundle) };
	int r;

	s.config_text = text ? text : make_text(config, known);
	r = s.config_text && s.bundle ? parse_all(&s, id, a, known, e)
				      : err_set(e, ENOMEM, "config.json");
	if (r < 0) {
		spec_free(&s);
		return r;
	}
	*ret = s;
	return 0;
}

int spec_parse(json_t *config, const char *bundle, const char *id, struct arena *a,
	       struct container_spec *ret, struct err *e)
{
	return parse_text(config, NULL, bundle, id, a, NULL, ret, e);
}

int spec_parse_knowing(json_t *config, const char *bundle, const char *id, struct arena *a,
		       const struct spec_known *known, struct container_spec *ret, struct err *e)
{
	return parse_text(config, NULL, bundle, id, a, known, ret, e);
}

/* The last one; a list that is none is refused when it is parsed. */
static void add_mount(json_t *config, json_t *mount)
{
	json_t *mounts = json_object_get(config, "mounts");

	if (!mounts) {
		mounts = json_array();
		json_object_set_new(config, "mounts", mounts);
	}
	json_array_append(mounts, mount);
}

/* The same, with the text: free() *ret_text. */
static int read_both(const char *bundle, const char *file, char absolute[PATH_MAX], char **ret_text,
		     json_t **ret, struct err *e)
{
	_cleanup_fd_ int dir = -EBADF;
	const char *name = file ? file : "config.json";
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "the bundle %s", bundle);
	r = path_name_of_fd(dir, bundle, absolute);
	if (r < 0)
		return err_set(e, -r, "the bundle %s", bundle);
	r = file_read_whole(file ? AT_FDCWD : dir, name, JSON_BYTES_LIMIT, &text, &size, e);
	if (r == -ENOENT && !file) {
		err_say(e, ENOENT, "JSON specification file config.json not found");
		err_fix(e, "make one with: kist spec --bundle %s", bundle);
	}
	if (r == 0)
		r = json_parse_strict(text, size, name, ret, e);
	if (r == 0) {
		*ret_text = text;
		text = NULL;
	}
	return r;
}

int spec_read(const char *bundle, const char *file, char absolute[PATH_MAX], json_t **ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;

	return read_both(bundle, file, absolute, &text, ret, e);
}

int spec_load(const char *bundle, const char *file, json_t *mount, const char *id, struct arena *a,
	      struct container_spec *ret, struct err *e)
{
	char absolute[PATH_MAX], *text;
	_cleanup_json_ json_t *more = mount;
	json_t *config;
	int r = read_both(bundle, file, absolute, &text, &config, e);

	if (r < 0)
		return r;
	if (more) {
		add_mount(config, more);
		free(text);
		text = NULL;
	}
	r = parse_text(config, text, absolute, id, a, NULL, ret, e);
	return r < 0 ? err_wrap(e, "%.200s", file ? file : "config.json") : 0;
}

void spec_free(struct container_spec *s)
{
	json_decref(s->config);
	free(s->config_text);
	s->config = NULL;
	s->config_text = NULL;
}

int spec_use_systemd(struct container_spec *s, const char *id, const struct host *h, struct arena *a,
		     struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");
	struct systemd_manager manager;
	int r = systemd_find(systemd_wants_user(h), h, a, &manager, e);

	return r < 0 ? r
		     : cgroup_use_systemd(&s->cgroup, json_object_get(s->config, "annotations"), &at,
					  id, &manager, a, e);
}

static bool is_cgroup_mount_writable(const struct ns_mount *m)
{
	if (strcmp(m->type, "cgroup") != 0 && strcmp(m->type, "cgroup2") != 0)
		return false;
	for (int i = 0; i < m->flags.super_count; i++)
		if (strcmp(m->flags.super[i].key, "ro") == 0)
			return false;
	return !((m->flags.attr_set | m->flags.rattr_set) & MOUNT_ATTR_RDONLY);
}

/* config-linux.md, "Cgroup ownership": who has a cgroup namespace and may write to what it shows
 * gets the cgroup, so that a program such as systemd can divide it. */
static void settle_owner(struct container_spec *s, const struct host *h)
{
	uint32_t uid;
	bool writable = false;

	for (size_t i = 0; i < s->ns.mount_count; i++)
		writable |= is_cgroup_mount_writable(&s->ns.mounts[i]);
	if (!writable || !h->root || s->cgroup.none || !(s->ns.new_namespaces & CLONE_NEWCGROUP) ||
	    (s->ns.join_namespaces & CLONE_NEWUSER) ||
	    !ns_map_id(&s->ns.uid_maps, s->process.uid, &uid) || uid == 0)
		return;
	s->cgroup.delegate = true;
	s->cgroup.delegate_uid = uid;
}

int spec_settle(struct container_spec *s, const struct host *h, bool tolerant, struct arena *a,
		struct err *e)
{
	int r = cgroup_settle(&s->cgroup, h, tolerant, a, e);

	if (r >= 0)
		settle_owner(s, h);
	return r;
}

int spec_check_groups(const struct container_spec *s, const struct host *h, struct err *e)
{
	if (!s->process.gid_count || !ns_setgroups_denied(&s->ns, h))
		return 0;
	err_say(e, EPERM, "groups can't be changed where setgroups is denied, as it is when only the "
		"caller's own gid is mapped");
	err_at(e, "/process/user/additionalGids");
	return err_fix(e, "leave it out, or map gids of /etc/subgid");
}

bool spec_asks_security(const struct container_spec *s)
{
	return s->ns.mount_label || process_asks_security(&s->process);
}

/* What goes around an egress list: packets made by hand (packet(7), or of a tun device, routed), and
 * the list taken off, or the cgroup left. */
static int check_egress(const struct container_spec *s, struct err *e)
{
	static const int ways[] = { CAP_NET_RAW, CAP_NET_ADMIN, CAP_SYS_ADMIN };

	for (size_t i = 0; s->cgroup.egress.asked && i < sizeof ways / sizeof *ways; i++) {
		if (!(s->process.caps.bounding & CAPS_BIT(ways[i])))
			continue;
		err_say(e, EINVAL, "the egress list would not hold: with %s the container can go around it",
			caps_name(ways[i]));
		err_at(e, s->cgroup.egress.why);
		return err_fix(e, "take %s out of /process/capabilities/bounding", caps_name(ways[i]));
	}
	return 0;
}

int spec_check(const struct container_spec *s, const struct host *h, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "process");
	int r = ns_check(&s->ns, h, e);

	if (r >= 0)
		r = net_check_devices(&s->net_devices, h, e);
	if (r >= 0)
		r = cgroup_check(&s->cgroup, h, e);
	if (r >= 0)
		r = check_egress(s, e);
	if (r >= 0)
		r = spec_check_groups(s, h, e);
	if (r >= 0)
		r = labels_check(&s->process.labels, &at, h, e);
	return r < 0 ? r : landlock_check(&s->process.landlock, h, e);
}

void spec_warn(const struct container_spec *s,
	       void (*warn)(void *user, bool usual, const char *text), void *user)
{
	char text[512];

	for (size_t i = 0; i < s->cgroup.warning_count; i++)
		warn(user, false, s->cgroup.warnings[i]);
	if (s->process.caps.ambient_dropped) {
		struct buf b = BUF_ON(text);

		buf_reset(&b);
		buf_add(&b, "/process/capabilities/ambient: left out, not inheritable: ");
		caps_show_set(&b, s->process.caps.ambient_dropped);
		warn(user, true, text);
	}
	for (size_t i = 0; i < s->process.unknown_caps.count; i++) {
		snprintf(text, sizeof text, "/process/capabilities: ignoring unknown %.40s",
			 s->process.unknown_caps.names[i]);
		warn(user, false, text);
	}
}
