/*
 * cgroup_parse_more.c - the rarer parts of linux.resources: blockIO,
 * hugepageLimits, rdma, unified.
 */
#include <stdio.h>
#include <string.h>
#include "cgroup/cgroup_parse.h"

#define IO_WEIGHT_MIN 10
#define IO_WEIGHT_MAX 1000

/* BFQ keeps v1's scale of 1..1000; io.weight (the io.cost model) has 1..10000. */
static long long io_weight_of(int64_t weight)
{
	return 1 + (weight - IO_WEIGHT_MIN) * 9999 / (IO_WEIGHT_MAX - IO_WEIGHT_MIN);
}

static int add_io_weight(struct cgroup_parser *p, const struct json_at *at, const char *device,
			 int64_t weight, struct err *e)
{
	struct cgroup_write *w;
	int r;

	if (weight == 0)
		return 0;
	if (weight < IO_WEIGHT_MIN)
		return json_bad(e, at, "must be %d to %d", IO_WEIGHT_MIN, IO_WEIGHT_MAX);
	/* which of the two files exists depends on the schedulers the kernel has */
	r = cgroup_parser_add(p, at, HOST_IO, "io.bfq.weight",
			      arena_printf(p->arena, "%s%lld", device, (long long)weight), e);
	if (r < 0)
		return r;
	w = cgroup_parser_last(p);
	w->or_file = "io.weight";
	w->or_value = arena_printf(p->arena, "%s%lld", device, io_weight_of(weight));
	return 0;
}

static int parse_device_number(const json_t *o, const struct json_at *at, int64_t *major,
			       int64_t *minor, struct err *e)
{
	int r;

	r = json_require(json_get_int(o, at, "major", 0, UINT32_MAX, major, e), at, "major", e);
	if (r < 0)
		return r;
	r = json_require(json_get_int(o, at, "minor", 0, UINT32_MAX, minor, e), at, "minor", e);
	return r < 0 ? r : 0;
}

/* An array of objects: the i-th, checked. */
static int array_object(const json_t *array, const struct json_at *at, size_t i,
			struct json_at *ret_at, const json_t **ret, struct err *e)
{
	*ret_at = json_at_index(at, i);
	*ret = json_array_get(array, i);
	return json_is_object(*ret) ? 0 : json_bad(e, ret_at, "must be an object");
}

static int leaf_weight(struct cgroup_parser *p, const json_t *o, const struct json_at *at,
		       int64_t *ret, struct err *e)
{
	struct json_at here = json_at_key(at, "leafWeight");
	int r = json_get_int(o, at, "leafWeight", 0, IO_WEIGHT_MAX, ret, e);

	if (r < 0 || !*ret)
		return r < 0 ? r : 0;
	return cgroup_parser_warn(p, &here, e, "only cgroup v1 has this; it has no effect");
}

static int parse_weight_devices(struct cgroup_parser *p, const json_t *io, const struct json_at *up,
				struct err *e)
{
	struct json_at list_at = json_at_key(up, "weightDevice"), at, here;
	json_t *list = NULL;
	const json_t *o;
	int r;

	r = json_get_array(io, up, "weightDevice", &list, e);
	if (r <= 0)
		return r;
	for (size_t i = 0; i < json_array_size(list); i++) {
		int64_t major = 0, minor = 0, weight = 0, leaf = 0;

		if ((r = array_object(list, &list_at, i, &at, &o, e)) < 0 ||
		    (r = parse_device_number(o, &at, &major, &minor, e)) < 0 ||
		    (r = json_get_int(o, &at, "weight", 0, IO_WEIGHT_MAX, &weight, e)) < 0 ||
		    (r = leaf_weight(p, o, &at, &leaf, e)) < 0)
			return r;
		if (!weight && !leaf)
			return json_bad(e, &at, "needs \"weight\" or \"leafWeight\"");
		here = json_at_key(&at, "weight");
		r = add_io_weight(
			p, &here,
			arena_printf(p->arena, "%lld:%lld ", (long long)major, (long long)minor),
			weight, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_throttle(struct cgroup_parser *p, const json_t *io, const struct json_at *up,
			  const char *key, const char *word, struct err *e)
{
	struct json_at list_at = json_at_key(up, key), at;
	json_t *list = NULL;
	const json_t *o;
	int r;

	r = json_get_array(io, up, key, &list, e);
	if (r <= 0)
		return r;
	for (size_t i = 0; i < json_array_size(list); i++) {
		int64_t major = 0, minor = 0, rate = 0;

		if ((r = array_object(list, &list_at, i, &at, &o, e)) < 0 ||
		    (r = parse_device_number(o, &at, &major, &minor, e)) < 0)
			return r;
		r = json_require(json_get_int(o, &at, "rate", 0, INT64_MAX, &rate, e), &at, "rate",
				 e);
		if (r < 0)
			return r;
		/* 0 took the limit away in cgroup v1; cgroup v2 wants "max" for that */
		r = cgroup_parser_add(p, &at, HOST_IO, "io.max",
				      arena_printf(p->arena, "%lld:%lld %s=%s", (long long)major,
						   (long long)minor, word,
						   cgroup_parser_number(p, rate ? rate : -1)),
				      e);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_parse_block_io(struct cgroup_parser *p, const json_t *resources,
			  const struct json_at *up, struct err *e)
{
	static const char *const throttles[][2] = {
		{ "throttleReadBpsDevice", "rbps" },
		{ "throttleWriteBpsDevice", "wbps" },
		{ "throttleReadIOPSDevice", "riops" },
		{ "throttleWriteIOPSDevice", "wiops" },
	};
	struct json_at at = json_at_key(up, "blockIO"), here = json_at_key(&at, "weight");
	int64_t weight = 0, leaf = 0;
	json_t *io = NULL;
	int r;

	r = json_get_object(resources, up, "blockIO", &io, e);
	if (r <= 0)
		return r;
	if ((r = json_get_int(io, &at, "weight", 0, IO_WEIGHT_MAX, &weight, e)) < 0 ||
	    (r = add_io_weight(p, &here, "", weight, e)) < 0 ||
	    (r = leaf_weight(p, io, &at, &leaf, e)) < 0 ||
	    (r = parse_weight_devices(p, io, &at, e)) < 0)
		return r;
	for (size_t i = 0; i < sizeof(throttles) / sizeof(throttles[0]); i++) {
		r = parse_throttle(p, io, &at, throttles[i][0], throttles[i][1], e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "64KB", "2MB", "1GB": it becomes part of a file name. */
static bool is_page_size(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits < 8 && text[0] != '0' &&
	       (!strcmp(text + digits, "KB") || !strcmp(text + digits, "MB") ||
		!strcmp(text + digits, "GB"));
}

int cgroup_parse_hugepages(struct cgroup_parser *p, const json_t *resources,
			   const struct json_at *up, struct err *e)
{
	struct json_at list_at = json_at_key(up, "hugepageLimits"), at, size_at, limit_at;
	json_t *list = NULL;
	const json_t *o;
	int r;

	r = json_get_array(resources, up, "hugepageLimits", &list, e);
	if (r <= 0)
		return r;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *size = NULL, *limit_text;
		int64_t limit = 0;
		char file[40];

		r = array_object(list, &list_at, i, &at, &o, e);
		if (r < 0)
			return r;
		size_at = json_at_key(&at, "pageSize");
		limit_at = json_at_key(&at, "limit");
		r = json_require(json_get_string(o, &at, "pageSize", &size, e), &at, "pageSize", e);
		if (r < 0)
			return r;
		r = json_require(json_get_int(o, &at, "limit", 0, INT64_MAX, &limit, e), &at,
				 "limit", e);
		if (r < 0)
			return r;
		if (!is_page_size(size))
			return json_bad(e, &size_at, "must be a page size such as \"2MB\"");
		limit_text = cgroup_parser_number(p, limit);
		snprintf(file, sizeof(file), "hugetlb.%s.max", size);
		r = cgroup_parser_add(p, &limit_at, HOST_HUGETLB, file, limit_text, e);
		if (r < 0)
			return r;
		/* The limit on reservations (Linux 5.7) makes mmap fail instead of killing by
		 * SIGBUS at the fault; the one above holds where it is missing. */
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.max", size);
		r = cgroup_parser_add(p, &limit_at, HOST_HUGETLB, file, limit_text, e);
		if (r < 0)
			return r;
		cgroup_parser_last(p)->absent_is_done = true;
	}
	return 0;
}

int cgroup_parse_rdma(struct cgroup_parser *p, const json_t *resources, const struct json_at *up,
		      struct err *e)
{
	struct json_at map_at = json_at_key(up, "rdma"), at;
	json_t *map = NULL, *o;
	const char *device;
	int r;

	r = json_get_object(resources, up, "rdma", &map, e);
	if (r <= 0)
		return r;
	json_object_foreach(map, device, o)
	{
		uint32_t handles = 0, objects = 0;
		char text[64] = "";
		int has_handles, has_objects;

		at = json_at_key(&map_at, device);
		if (!json_is_object(o))
			return json_bad(e, &at, "must be an object");
		if (!*device || strpbrk(device, " \t\r\n"))
			return json_bad(e, &at, "is no device name");
		has_handles = json_get_u32(o, &at, "hcaHandles", &handles, e);
		if (has_handles < 0)
			return has_handles;
		has_objects = json_get_u32(o, &at, "hcaObjects", &objects, e);
		if (has_objects < 0)
			return has_objects;
		if (!has_handles && !has_objects)
			return json_bad(e, &at, "needs \"hcaHandles\" or \"hcaObjects\"");
		if (has_handles)
			snprintf(text, sizeof(text), " hca_handle=%u", handles);
		if (has_objects)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), " hca_object=%u",
				 objects);
		r = cgroup_parser_add(p, &at, HOST_RDMA, "rdma.max",
				      arena_printf(p->arena, "%s%s", device, text), e);
		if (r < 0)
			return r;
	}
	return 0;
}

static uint32_t controller_of_file(const char *file)
{
	static const struct {
		const char *prefix;
		uint32_t bit;
	} table[] = {
		{ "cpu.", HOST_CPU },	{ "cpuset.", HOST_CPUSET }, { "memory.", HOST_MEMORY },
		{ "pids.", HOST_PIDS }, { "io.", HOST_IO },	    { "hugetlb.", HOST_HUGETLB },
		{ "rdma.", HOST_RDMA }, { "misc.", HOST_MISC },
	};
	const char *dot = strchr(file, '.');

	/* pressure files belong to no controller: they are there in every cgroup */
	if (dot && !strcmp(dot, ".pressure"))
		return 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strncmp(file, table[i].prefix, strlen(table[i].prefix)))
			return table[i].bit;
	return 0;
}

static int check_unified_key(const char *key, const struct json_at *at, struct err *e)
{
	/* The key is a file name: anything that walks would write elsewhere on the host. */
	if (strchr(key, '/') || !strcmp(key, "..") || !strcmp(key, ".") || !strchr(key, '.') ||
	    strlen(key) > 128)
		return json_bad(e, at,
				"must be the name of a cgroup v2 file, such as \"memory.high\"");
	/* cgroup.procs would move a stranger in, cgroup.freeze hang the start: these files move
	 * processes, they hold no limit. */
	if (!strncmp(key, "cgroup.", 7) && strncmp(key, "cgroup.max.", 11) &&
	    strcmp(key, "cgroup.pressure"))
		return json_bad(e, at,
				"is the runtime's to write; only cgroup.max.depth, "
				"cgroup.max.descendants and cgroup.pressure can be set");
	return 0;
}

int cgroup_parse_unified(struct cgroup_parser *p, const json_t *resources, const struct json_at *up,
			 struct err *e)
{
	struct json_at map_at = json_at_key(up, "unified"), at;
	json_t *map = NULL, *o;
	const char *key;
	int r;

	r = json_get_object(resources, up, "unified", &map, e);
	if (r <= 0)
		return r;
	json_object_foreach(map, key, o)
	{
		const char *value = json_string_value(o);

		at = json_at_key(&map_at, key);
		if (!value)
			return json_bad(e, &at, "must be a string");
		r = check_unified_key(key, &at, e);
		if (r < 0)
			return r;
		/* files of the io kind take one line, one device, per write(2); a write of no
		 * byte at all never reaches the kernel's handler, so "" is sent as a newline */
		do {
			size_t length = strcspn(value, "\n");
			const char *line = length ? arena_strndup(p->arena, value, length) : "\n";

			r = cgroup_parser_add(p, &at, controller_of_file(key), key, line, e);
			if (r < 0)
				return r;
			value += length;
			value += *value == '\n';
		} while (*value);
	}
	return 0;
}
