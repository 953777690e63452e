/*
 * maps.c - user and group id maps: checked, and looked up.
 *
 * The kernel would refuse most bad maps too, but only after the guest was
 * born and with a bare EINVAL; user_namespaces(7) has its rules.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "ns/spec.h"

/* The last id there is: (uid_t)-1 means "no id". */
#define ID_LAST 4294967294u

static bool wraps(uint32_t first, uint32_t size)
{
	uint32_t last;

	return __builtin_add_overflow(first, size - 1, &last) || last > ID_LAST;
}

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return a <= b + (b_size - 1) && b <= a + (a_size - 1);
}

static int too_far(const struct json_at *line, const char *key, struct err *e)
{
	struct json_at here = json_at_key(line, key);

	return json_bad(e, &here, "goes beyond the last id, %u", ID_LAST);
}

static int overlaps(const struct json_at *line, const char *key, size_t other, struct err *e)
{
	struct json_at here = json_at_key(line, key);

	return json_bad(e, &here, "overlaps that of line %zu", other);
}

static int parse_line(const json_t *o, const struct json_at *at, struct ns_id_map *ret,
		      struct err *e)
{
	struct json_at size_at = json_at_key(at, "size");
	int r;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	r = json_require(json_get_u32(o, at, "containerID", &ret->container, e), at, "containerID", e);
	if (r < 0)
		return r;
	r = json_require(json_get_u32(o, at, "hostID", &ret->host, e), at, "hostID", e);
	if (r < 0)
		return r;
	r = json_require(json_get_u32(o, at, "size", &ret->size, e), at, "size", e);
	if (r < 0)
		return r;
	if (ret->size == 0)
		return json_bad(e, &size_at, "must be 1 or more");
	if (wraps(ret->container, ret->size))
		return too_far(at, "containerID", e);
	return wraps(ret->host, ret->size) ? too_far(at, "hostID", e) : 0;
}

int ns_maps_parse(const json_t *array, const char *at, struct arena *a, struct ns_id_maps *ret,
		  struct err *e)
{
	size_t count = json_array_size(array);
	struct json_at here = JSON_AT_ROOT;
	struct ns_id_map *line;

	snprintf(here.text, sizeof here.text, "%s", at);
	if (!json_is_array(array))
		return json_bad(e, &here, "must be an array");
	if (count > NS_MAP_LINES_MAX)
		return json_bad(e, &here, "has %zu lines; the kernel takes %d", count,
				NS_MAP_LINES_MAX);
	line = arena_array(a, count ? count : 1, sizeof *line);
	if (!line)
		return err_set(e, ENOMEM, "cannot read id maps");
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(&here, i);
		int r = parse_line(json_array_get(array, i), &item, &line[i], e);

		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++) {
			if (overlap(line[i].container, line[i].size, line[j].container, line[j].size))
				return overlaps(&item, "containerID", j, e);
			if (overlap(line[i].host, line[i].size, line[j].host, line[j].size))
				return overlaps(&item, "hostID", j, e);
		}
	}
	*ret = (struct ns_id_maps){ line, count };
	return 0;
}

/* --- as text ------------------------------------------------------------------------- */

/* A number, then `end`, which is passed over. */
static bool take_number(const char **text, char end, uint32_t *ret)
{
	size_t digits = strspn(*text, "0123456789");
	unsigned long long value;

	if (digits == 0 || digits > 10 || (end && (*text)[digits] != end))
		return false;
	value = strtoull(*text, NULL, 10);
	*text += digits + (end != '\0');
	*ret = (uint32_t)value;
	return value <= UINT32_MAX;
}

/* The whole range in one line of the container's maps: what lies in several has no one place. */
static bool to_host(const struct ns_id_maps *container, struct ns_id_map *m)
{
	for (size_t i = 0; i < container->count; i++) {
		const struct ns_id_map *l = &container->line[i];
		uint32_t offset = m->host - l->container;

		if (m->host >= l->container && offset < l->size && m->size <= l->size - offset) {
			m->host = l->host + offset;
			return true;
		}
	}
	return false;
}

static const char *range_problem(const struct ns_id_map *line, size_t i)
{
	if (wraps(line[i].container, line[i].size) || wraps(line[i].host, line[i].size))
		return "goes beyond the last id";
	for (size_t j = 0; j < i; j++)
		if (overlap(line[i].container, line[i].size, line[j].container, line[j].size) ||
		    overlap(line[i].host, line[i].size, line[j].host, line[j].size))
			return "overlaps one before it";
	return NULL;
}

/* One range, the next of `maps`. Returns what is wrong, or NULL. */
static const char *parse_range(const char *text, const struct ns_id_maps *container,
			       struct ns_id_map *line, size_t i, const char **ret_end)
{
	bool relative = *text == '@';
	struct ns_id_map *m = &line[i];

	text += relative;
	if (i == NS_MAP_LINES_MAX)
		return "is one more than the kernel takes";
	if (!take_number(&text, '-', &m->container) || !take_number(&text, '-', &m->host) ||
	    !take_number(&text, '\0', &m->size) || m->size == 0 || !strchr("#;", *text))
		return "is no range of ids, such as 0-1000-10";
	if (relative && !to_host(container, m))
		return "is not within one line of the container's own maps";
	*ret_end = text;
	return range_problem(line, i);
}

int ns_maps_parse_text(const char *text, const struct ns_id_maps *uids,
		       const struct ns_id_maps *gids, const char *at, struct arena *a,
		       struct ns_id_maps *ret_uid, struct ns_id_maps *ret_gid, struct err *e)
{
	struct ns_id_maps uid = { 0 }, gid = { 0 };
	struct json_at here = JSON_AT_ROOT;

	snprintf(here.text, sizeof here.text, "%s", at);
	while (*text) {
		bool is_uid = strncmp(text, "uids=", 5) == 0;
		struct ns_id_maps *maps = is_uid ? &uid : &gid;
		struct ns_id_map *line = arena_array(a, NS_MAP_LINES_MAX + 1, sizeof *line);

		if (!line)
			break;
		if ((!is_uid && strncmp(text, "gids=", 5) != 0) || maps->count)
			return json_bad(e, &here, "idmap: must be uids=...;gids=..., each once");
		for (text += 4; *text == '=' || *text == '#'; maps->count++) {
			const char *range = text + 1;
			const char *problem = parse_range(range, is_uid ? uids : gids, line,
							  maps->count, &text);

			if (problem)
				return json_bad(e, &here, "idmap: \"%.*s\" %s",
						(int)strcspn(range, "#;"), range, problem);
		}
		maps->line = line;
		text += *text == ';';
	}
	if (arena_failed(a))
		return err_set(e, ENOMEM, "cannot read id maps");
	if (!uid.count || !gid.count)
		return json_bad(e, &here, "idmap: needs uids= and gids=");
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

bool ns_map_id(const struct ns_id_maps *maps, uint32_t id, uint32_t *ret_host)
{
	if (maps->count == 0) {
		*ret_host = id;
		return true;
	}
	for (size_t i = 0; i < maps->count; i++) {
		const struct ns_id_map *m = &maps->line[i];

		if (id >= m->container && id - m->container < m->size) {
			*ret_host = m->host + (id - m->container);
			return true;
		}
	}
	return false;
}

void ns_host_root(const struct ns_spec *s, uid_t *ret_uid, gid_t *ret_gid)
{
	uint32_t uid = 0, gid = 0;

	ns_map_id(&s->uid_maps, 0, &uid);
	ns_map_id(&s->gid_maps, 0, &gid);
	*ret_uid = uid;
	*ret_gid = gid;
}
