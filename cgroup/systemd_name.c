/*
 * systemd_name.c - linux.cgroupsPath "slice:prefix:name" as a unit, and where that unit lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/fd.h"
#include "cgroup/systemd.h"

#define PREFIX "kist"

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), n = strlen(end);

	return length >= n && !strcmp(text + length - n, end);
}

const char *systemd_slice_path(const char *slice, struct arena *a)
{
	size_t length = strlen(slice);
	char *path = arena_strdup(a, "");

	if (!strcmp(slice, "-.slice"))
		return path;
	if (!ends_with(slice, ".slice") || length > SYSTEMD_UNIT_MAX)
		return NULL;
	length -= strlen(".slice");
	for (size_t i = 0; i < length; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.-\\",
			    slice[i]))
			return NULL;
	/* every dash is a step down: none may lead to a part without a name */
	for (size_t i = 0; i < length; i++)
		if (slice[i] == '-' && (i == 0 || i + 1 == length || slice[i + 1] == '-'))
			return NULL;
	for (size_t i = 0; length > 0 && i <= length && path; i++)
		if (i == length || slice[i] == '-')
			path = arena_printf(a, "%s/%.*s.slice", path, (int)i, slice);
	return length > 0 ? path : NULL;
}

/* An id may hold a '+', which a unit's name may not: escaped as systemd-escape(1) does. */
static const char *escape_plus(const char *name, struct arena *a)
{
	const char *plus = strchr(name, '+');

	if (!plus)
		return arena_strdup(a, name);
	return arena_printf(a, "%.*s\\x2b%s", (int)(plus - name), name, escape_plus(plus + 1, a));
}

static int check_name(const char *name, const struct json_at *at, struct err *e)
{
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			      ":_.-\\")])
		return json_bad(e, at,
				"makes the unit \"%.80s\"; a unit's name holds letters, digits "
				"and :_.-\\ only",
				name);
	if (strlen(name) > SYSTEMD_UNIT_MAX)
		return json_bad(e, at, "makes a unit whose name is longer than %d bytes",
				SYSTEMD_UNIT_MAX);
	return 0;
}

/* The three parts of the form, each of which may be left empty but the name. */
static int split(const char *form, const struct json_at *at, const char *id, bool user,
		 struct arena *a, const char *part[3], struct err *e)
{
	const char *first = strchr(form, ':'), *second = first ? strchr(first + 1, ':') : NULL;

	if (!*form) {
		part[0] = user ? "user.slice" : "system.slice";
		part[1] = PREFIX;
		part[2] = id;
		return 0;
	}
	if (!second || strchr(second + 1, ':') || form[0] == '/') {
		json_bad(e, at, "\"%.80s\" is not of the form slice:prefix:name", form);
		return err_fix(e, "write it as \"system.slice:kist:NAME\", or leave out "
				  "--systemd-cgroup");
	}
	part[0] = first == form ? (user ? "user.slice" : "system.slice")
				: arena_strndup(a, form, (size_t)(first - form));
	part[1] = arena_strndup(a, first + 1, (size_t)(second - first - 1));
	part[2] = second + 1;
	if (!*part[2])
		return json_bad(e, at, "\"%.80s\" has no name after the second colon", form);
	return arena_failed(a) ? err_set(e, ENOMEM, "cgroup") : 0;
}

static int name_unit(const char *const part[3], const struct json_at *at, struct arena *a,
		     struct systemd_unit *unit, const char **ret_path, struct err *e)
{
	const char *slice_path = systemd_slice_path(part[0], a);

	if (!slice_path && !arena_failed(a))
		return json_bad(e, at, "\"%.80s\" is not the name of a slice", part[0]);
	unit->slice = part[0];
	unit->is_slice = ends_with(part[2], ".slice");
	unit->name = unit->is_slice ? part[2]
		     : *part[1]	    ? arena_printf(a, "%s-%s.scope", part[1], part[2])
				    : arena_printf(a, "%s.scope", part[2]);
	unit->name = unit->name ? escape_plus(unit->name, a) : NULL;
	if (!unit->name || !slice_path)
		return err_set(e, ENOMEM, "cgroup");
	if (!unit->is_slice) {
		*ret_path =
			arena_printf(a, "%s%s/%s", unit->manager.cgroup, slice_path, unit->name);
		return check_name(unit->name, at, e);
	}
	/* where a slice lives is in its name, whatever the first part says */
	slice_path = systemd_slice_path(unit->name, a);
	if ((!slice_path || !*slice_path) && !arena_failed(a))
		return json_bad(e, at, "\"%.80s\" is not the name of a slice", unit->name);
	*ret_path = arena_printf(a, "%s%s", unit->manager.cgroup, slice_path);
	return 0;
}

/* crun makes a cgroup below the scope unless this annotation is empty, as podman writes it for
 * --cgroups=split; kist makes none. */
static int check_subgroup(const json_t *annotations, const struct json_at *at, struct err *e)
{
	static const char key[] = "run.oci.systemd.subgroup";
	const char *text = json_string_value(json_object_get(annotations, key));
	struct json_at here = json_at_key(at, key);

	if (!text || !*text)
		return 0;
	json_bad(e, &here, "the container's cgroup is the scope itself");
	return err_fix(e, "leave it out, or empty");
}

int cgroup_use_systemd(struct cgroup_spec *s, const json_t *annotations, const struct json_at *at,
		       const char *id, const struct systemd_manager *manager, struct arena *a,
		       struct err *e)
{
	struct json_at root = JSON_AT_ROOT, linux_at = json_at_key(&root, "linux");
	struct json_at here = json_at_key(&linux_at, "cgroupsPath");
	struct systemd_unit unit = { .manager = *manager }, *copy;
	const char *part[3] = { NULL }, *path = NULL;
	int r;

	r = check_subgroup(annotations, at, e);
	if (r < 0)
		return r;
	r = split(s->given ? s->given : "", &here, id, manager->user, a, part, e);
	if (r == 0)
		r = name_unit(part, &here, a, &unit, &path, e);
	if (r == 0)
		r = systemd_parse_annotations(annotations, at, a, &unit.asked, &unit.asked_count,
					      e);
	if (r < 0)
		return r;
	copy = arena_alloc(a, sizeof *copy);
	if (!copy || arena_failed(a))
		return err_set(e, ENOMEM, "cgroup");
	*copy = unit;
	s->unit = copy;
	s->path = path;
	return 0;
}

/* Root of a user namespace only may ask its user's systemd, not the machine's. */
bool systemd_wants_user(const struct host *h)
{
	char text[256];
	unsigned inside, outside, count;

	if (!h->root)
		return true;
	if (file_read_at(AT_FDCWD, "/proc/self/uid_map", text, sizeof text) < 0 ||
	    sscanf(text, "%u %u %u", &inside, &outside, &count) != 3)
		return false;
	return inside != 0 || outside != 0 || count != UINT32_MAX;
}
