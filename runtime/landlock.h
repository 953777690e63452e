/*
 * landlock.h - landlock(7): what the container's processes may do with its files, by annotation.
 *
 *   org.kist.landlock.read-only   /usr:/lib:/bin    read, list, execute
 *   org.kist.landlock.read-write  /tmp:/dev/null    whatever Landlock knows
 *   org.kist.landlock.scope       abstract-unix-socket,signal
 *                                 not sent to who is outside; since Linux 6.12
 *
 * With either of the first two, everything that is below none of these paths is denied, whatever
 * its mode says and whoever asks. Paths are the container's.
 */
#pragma once
#include <jansson.h>

#include "base/host.h"
#include "base/plan.h"

#define LANDLOCK_READ_ONLY  "org.kist.landlock.read-only"
#define LANDLOCK_READ_WRITE "org.kist.landlock.read-write"
#define LANDLOCK_SCOPE	    "org.kist.landlock.scope"
#define LANDLOCK_PATHS_MAX  256
#define LANDLOCK_ABI_SCOPE  6

struct landlock_path {
	const char *path; /* absolute */
	bool write;
};
struct landlock_spec {
	struct landlock_path *paths;
	size_t count; /* 0: not asked for */
	uint64_t scoped; /* likewise */
};

static inline bool landlock_is_asked(const struct landlock_spec *s)
{
	return s->count || s->scoped;
}
/* From the annotations of a whole config.json. Lives in the arena. */
int landlock_parse(const json_t *config, struct arena *a, struct landlock_spec *ret, struct err *e);
/* What the kernel lacks. */
int landlock_check(const struct landlock_spec *s, const struct host *h, struct err *e);
/* GUEST, in its root: wants no_new_privs or CAP_SYS_ADMIN. abi: host.landlock_abi. */
void landlock_plan(struct plan *p, const struct landlock_spec *s, int abi);
