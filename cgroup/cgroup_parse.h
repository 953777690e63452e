/*
 * cgroup_parse.h - shared by the files that parse linux.resources; private to cgroup/.
 */
#pragma once
#include "cgroup/cgroup.h"

/* A spec while it grows. */
struct cgroup_parser {
	struct arena *arena;
	struct cgroup_spec *spec;
	struct cgroup_write *writes;
	size_t room;
};

/* Appends a write; file and value are copied. 0 or -errno. */
int cgroup_parser_add(struct cgroup_parser *p, const struct json_at *why, uint32_t controller,
		      const char *file, const char *value, struct err *e);
/* What was just added, for its rarer fields. */
static inline struct cgroup_write *cgroup_parser_last(struct cgroup_parser *p)
{
	return &p->writes[p->spec->write_count - 1];
}
__attribute__((format(printf, 4, 5))) int cgroup_parser_warn(struct cgroup_parser *p,
							     const struct json_at *at,
							     struct err *e, const char *fmt, ...);
/* One decimal number, "max" for -1. */
const char *cgroup_parser_number(struct cgroup_parser *p, int64_t value);

int cgroup_parse_path(const json_t *linux_object, const struct json_at *at, const char *id,
		      struct arena *a, struct cgroup_spec *ret, struct err *e);
int cgroup_parse_block_io(struct cgroup_parser *p, const json_t *resources,
			  const struct json_at *at, struct err *e);
int cgroup_parse_hugepages(struct cgroup_parser *p, const json_t *resources,
			   const struct json_at *at, struct err *e);
int cgroup_parse_rdma(struct cgroup_parser *p, const json_t *resources, const struct json_at *at,
		      struct err *e);
int cgroup_parse_unified(struct cgroup_parser *p, const json_t *resources, const struct json_at *at,
			 struct err *e);
int cgroup_parse_devices(struct cgroup_parser *p, const json_t *resources, const struct json_at *at,
			 struct err *e);
