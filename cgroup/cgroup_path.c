/*
 * cgroup_path.c - linux.cgroupsPath: where in the hierarchy a container lives.
 *
 * The value ends up in mkdir(2) and rmdir(2) below the cgroup2 mount, so it
 * is taken literally or refused, never repaired into something else.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "cgroup/cgroup_parse.h"

static bool is_plain(const char *path)
{
	for (const unsigned char *c = (const unsigned char *)path; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			return false;
	return true;
}

/* "slice:prefix:name" is how callers address systemd's cgroup driver. */
static bool is_systemd_form(const char *path)
{
	const char *first = strchr(path, ':');

	return path[0] != '/' && first && strchr(first + 1, ':');
}

static int check_components(const char *path, const struct json_at *at, struct err *e)
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (length == 0)
			return json_bad(e, at, "must not hold an empty component (\"//\")");
		if (length > NAME_MAX)
			return json_bad(e, at, "has a component longer than %d bytes", NAME_MAX);
		if ((length == 1 && path[0] == '.') ||
		    (length == 2 && path[0] == '.' && path[1] == '.'))
			return json_bad(e, at, "must not hold \"%.*s\"", (int)length, path);
		path += length;
		if (!path[0] || !path[1]) /* one trailing slash is harmless */
			return 0;
		path++;
	}
}

int cgroup_parse_path(const json_t *linux_object, const struct json_at *at, const char *id,
		      struct arena *a, struct cgroup_spec *ret, struct err *e)
{
	struct json_at here = json_at_key(at, "cgroupsPath");
	const char *given = NULL;
	size_t length;
	int r;

	r = linux_object ? json_get_string(linux_object, at, "cgroupsPath", &given, e) : 0;
	if (r < 0)
		return r;
	if (!given || !*given) { /* other runtimes take "" as absent, callers send it so */
		ret->path = arena_printf(a, "/kist-%s", id);
		return 0;
	}
	length = strlen(given);
	if (length > CGROUP_PATH_MAX)
		return json_bad(e, &here, "is longer than %d bytes", CGROUP_PATH_MAX);
	if (!is_plain(given))
		return json_bad(e, &here, "must not hold control characters");
	ret->given = arena_strdup(a, given);
	ret->given_for_systemd = is_systemd_form(given);
	if (ret->given_for_systemd) { /* cgroup_use_systemd() reads it, or cgroup_settle() refuses */
		ret->path = arena_printf(a, "/kist-%s", id);
		return 0;
	}
	if (given[0] == '/')
		given++;
	if (!*given)
		return json_bad(e, &here, "must not be the root of the hierarchy");
	r = check_components(given, &here, e);
	if (r < 0)
		return r;
	length = strlen(given);
	length -= given[length - 1] == '/';
	ret->path = arena_printf(a, "/%.*s", (int)length, given);
	return 0;
}

/* What was asked of the cgroup, as a pointer: the first limit, or the path itself. */
static const char *asked_of(const struct cgroup_spec *s)
{
	if (s->write_count)
		return s->writes[0].why;
	return s->oom_group || s->path_asked ? "/linux/cgroupsPath" : NULL;
}

int cgroup_disable(struct cgroup_spec *s, struct arena *a, struct err *e)
{
	struct cgroup_parser parser = { .arena = a, .spec = s };
	const char *asked = asked_of(s);
	struct json_at at = JSON_AT_ROOT;

	if (asked) {
		err_say(e, EINVAL, "needs a cgroup, and --cgroup-manager disabled makes none");
		err_at(e, asked);
		return err_fix(e, "leave it out of config.json, or use --cgroup-manager cgroupfs");
	}
	s->none = true;
	if (!s->device_count)
		return 0;
	snprintf(at.text, sizeof(at.text), "%s", s->devices_why);
	return cgroup_parser_warn(&parser, &at, e, "without a cgroup of its own the container's "
				  "devices are not filtered");
}

int cgroup_settle(struct cgroup_spec *s, const struct host *h, bool tolerant, struct arena *a,
		  struct err *e)
{
	const char *asked = asked_of(s);

	if (s->none || s->unit)
		return 0;
	if (s->given_for_systemd) {
		err_say(e, EINVAL, "\"%.80s\" is meant for the systemd cgroup driver", s->given);
		err_at(e, "/linux/cgroupsPath");
		return err_fix(e, "give --systemd-cgroup, or a path, which is what the cgroupfs "
				  "driver of a caller sends");
	}
	/* A path that is literal is tried as it stands: the kernel has the last word on it. */
	if (s->path_absolute || (h->root && !(tolerant && !h->cgroup_writable)))
		return 0;
	if (h->cgroup_writable) {
		s->base_length = strlen(h->cgroup_base);
		s->path = arena_printf(a, "%s%s", h->cgroup_base, s->path);
		return s->path ? 0 : err_set(e, ENOMEM, "cgroup");
	}
	if (!asked && tolerant) {
		s->none = true;
		return 0;
	}
	err_say(e, EACCES, "needs a cgroup, and uid %u may make none here", (unsigned)h->uid);
	err_at(e, asked ? asked : "/linux/cgroupsPath");
	return err_fix(e, "%s, let systemd make it (--systemd-cgroup), or start kist in a cgroup that is "
		       "the caller's: systemd-run --user --scope -p Delegate=yes kist ...", asked ? "ask for none" : "use --rootless auto");
}
