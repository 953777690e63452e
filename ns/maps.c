/*
 * maps.c - user and group id maps: checked, and looked up.
 *
 * The kernel would refuse most bad maps too, but only after the guest was
 * born and with a bare EINVAL; user_namespaces(7) has its rules.
 */
#include <errno.h>
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
