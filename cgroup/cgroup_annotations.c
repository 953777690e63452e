/*
 * cgroup_annotations.c - limits that runtime-spec has no field for, as
 * annotations of ours: org.kist.memory.{high,min,oom.group}, io.kist.egress.
 *
 * The former say what "unified" can say too, but checked before anything is made.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "base/size.h"
#include "cgroup/cgroup_parse.h"

#define PREFIX "org.kist.memory."

static int add_size(struct cgroup_parser *p, const struct json_at *at, const char *file,
		    const char *text, struct err *e)
{
	int64_t bytes = -1;

	if (strcmp(text, "max") && (size_parse(text, &bytes) < 0 || bytes < 0))
		return json_bad(e, at, "must be a size such as \"64M\", or \"max\"");
	return cgroup_parser_add(p, at, HOST_MEMORY, file, cgroup_parser_number(p, bytes), e);
}

static int add_switch(struct cgroup_parser *p, const struct json_at *at, const char *file,
		      const char *text, struct err *e)
{
	bool on = !strcmp(text, "1") || !strcmp(text, "true");

	if (!on && strcmp(text, "0") && strcmp(text, "false"))
		return json_bad(e, at, "must be \"true\" or \"false\"");
	return cgroup_parser_add(p, at, HOST_MEMORY, file, on ? "1" : "0", e);
}

static const struct {
	const char *key, *file;
	int (*add)(struct cgroup_parser *p, const struct json_at *at, const char *file,
		   const char *text, struct err *e);
} known[] = {
	{ PREFIX "high", "memory.high", add_size },
	{ PREFIX "min", "memory.min", add_size },
	{ PREFIX "oom.group", "memory.oom.group", add_switch },
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static int parse_one(struct cgroup_parser *p, const struct json_at *at, const char *key,
		     const json_t *value, struct err *e)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < KNOWN; i++)
		if (!strcmp(key, known[i].key))
			return known[i].add(p, at, known[i].file, text, e);
	if (!text)
		return json_bad(e, at, "must be a string");
	json_bad(e, at, "is no annotation that kist knows");
	return err_fix(e, "there are " PREFIX "high, " PREFIX "min and " PREFIX "oom.group");
}

static int parse_egress(struct arena *a, const struct json_at *at, const json_t *value,
			struct egress *ret, struct err *e)
{
	const char *text = json_string_value(value);
	int r;

	if (!text)
		return json_bad(e, at, "must be a string");
	r = egress_parse(text, a, ret, e);
	if (r < 0)
		return err_at(e, at->text);
	ret->why = arena_strdup(a, at->text);
	return ret->why ? 0 : err_set(e, ENOMEM, "egress list");
}

int cgroup_parse_annotations(const json_t *annotations, const struct json_at *up, struct arena *a,
			     struct cgroup_spec *spec, struct err *e)
{
	struct cgroup_parser p = { .arena = a, .spec = spec, .room = spec->write_count,
				   .writes = (struct cgroup_write *)(uintptr_t)spec->writes };
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)annotations, key, value)
	{
		struct json_at at = json_at_key(up, key);
		int r = strncmp(key, PREFIX, strlen(PREFIX)) ? 0
							     : parse_one(&p, &at, key, value, e);

		if (!strcmp(key, EGRESS_ANNOTATION))
			r = parse_egress(a, &at, value, &spec->egress, e);
		if (r < 0)
			return r;
	}
	return 0;
}
