/*
 * systemd.h - a container's cgroup as a unit of systemd's (--systemd-cgroup).
 *
 * The scope is made with the guest's pid, after its birth: systemd makes no
 * empty one. What systemd has a property for is told to it, since it writes
 * those files again when it likes; every limit then also goes into the
 * cgroup's files, as without systemd. Who talks to systemd is a program of its
 * own (systemd_bus.h).
 */
#pragma once
#include "cgroup/cgroup.h"

#define SYSTEMD_UNIT_MAX	255			/* bytes of a unit's name */
#define SYSTEMD_VALUES_MAX	256			/* of one array in an annotation */
#define SYSTEMD_PROPERTY_PREFIX "org.systemd.property." /* of annotations */
#define SYSTEMD_PROPERTIES_MAX	64			/* annotations org.systemd.property.* */

/* The systemd that is asked: the machine's, or a user's own. */
struct systemd_manager {
	bool user;
	unsigned version;     /* 252; some properties came late */
	const char *cgroup;   /* below the cgroup2 mount, "" for the root: where its units live */
	uint32_t controllers; /* HOST_* bits that its units may have */
};
/* Asks it; -errno when there is none, or none that can be reached. */
int systemd_find(bool user, const struct host *h, struct arena *a, struct systemd_manager *ret,
		 struct err *e);
/* True when this caller's units belong to the user's own systemd: not root, or root of a user
 * namespace only. */
bool systemd_wants_user(const struct host *h);

/* A property as D-Bus sends it: a basic type (one of "sybnqiuxtd"), or an array of one. */
union systemd_value {
	const char *text; /* s */
	uint64_t number;  /* b y q u t */
	int64_t integer;  /* n i x */
	double real;	  /* d */
};
struct systemd_property {
	const char *name;
	char type;
	bool array;
	size_t count; /* 1 unless an array */
	const union systemd_value *values;
};

struct systemd_unit {
	struct systemd_manager manager;
	const char *name;  /* "kist-web.scope" */
	const char *slice; /* "system.slice": what it lives in */
	bool is_slice;	   /* the unit is a slice itself: no pid is handed over, it is moved in */
	const struct systemd_property *asked; /* annotations */
	size_t asked_count;
};

/* Turns what cgroup_parse() found into a unit: ret->unit and ret->path. `annotations` may be NULL,
 * `at` is its pointer. Pure. */
int cgroup_use_systemd(struct cgroup_spec *s, const json_t *annotations, const struct json_at *at,
		       const char *id, const struct systemd_manager *manager, struct arena *a,
		       struct err *e);

/* Appends the host steps that make the unit, set every limit, and leave an O_PATH fd of the cgroup
 * in slot_cgroup. After the guest's birth, before its cgroup namespace. `owner` becomes the unit's
 * description, by which it is known again. */
void cgroup_plan_systemd(struct plan *p, const struct cgroup_spec *s, const struct host *h,
			 const char *owner, int slot_cgroup);

/* "system:kist-web.scope", as state.json and the intent record call a unit. */
const char *cgroup_systemd_unit_text(const struct systemd_unit *unit, struct arena *a);
/* Host step: the guest joins a unit of a user's systemd, which may move it where the user may not:
 * out of a cgroup that is not the user's. Only such units need it. */
bool cgroup_systemd_is_user(const char *unit_text);
/* below: a cgroup of the unit's own, "" or "/x" */
void cgroup_plan_systemd_join(struct plan *p, const char *unit_text, const char *below);
/* Tells a running unit its new limits; the files are still to be written (cgroup_plan_limits).
 * Limits that systemd has no property for are left alone. */
int cgroup_systemd_update(const char *unit_text, const struct cgroup_spec *s, struct err *e);

/* ---- pieces, public for tests and fuzzing ---- */

/* "a-b.slice" is in /a.slice/a-b.slice. NULL: not a slice's name. */
const char *systemd_slice_path(const char *slice, struct arena *a);
/* A value as GVariant text: 'text', true, 5, uint64 5, [1, 2], @as []. Without the name. */
int systemd_parse_variant(const char *text, const struct json_at *at, struct arena *a,
			  struct systemd_property *ret, struct err *e);
int systemd_parse_annotations(const json_t *annotations, const struct json_at *at, struct arena *a,
			      const struct systemd_property **ret, size_t *ret_count,
			      struct err *e);
/* The properties that say the same as the spec's writes. */
const struct systemd_property *systemd_limits(const struct cgroup_spec *s, unsigned version,
					      struct arena *a, size_t *ret_count);
