/*
 * prune.h - freeing what no image, no container and no load in progress needs.
 */
#pragma once
#include <time.h>
#include "image/store-gc.h"

#define PRUNE_PARTIAL_SECONDS 86400 /* what a cut-off pull left is younger than this: it stays */

struct prune_label {		 /* label=KEY[=VALUE], label!=KEY[=VALUE] */
	const char *key, *value; /* NULL: any */
	bool absent;
};
struct prune_options {
	bool all;     /* images, too: those that no container runs, and that fit the filters */
	bool dry_run; /* says what it would do */
	int64_t partial_seconds;
	time_t until;			  /* 0, or: images made before */
	const struct prune_label *labels; /* all of them */
	size_t label_count;
};
struct prune_result {	    /* in the arena */
	const char **names; /* of images */
	struct store_removed removed;
	struct store_leftovers leftovers;
};

/* Takes the lock itself. */
int store_prune(const struct store *s, const struct prune_options *o, struct arena *a,
		struct prune_result *ret, struct err *e);
/* "2026-01-02T03:04:05.678Z" or with an offset, as images have it; -EINVAL. */
int prune_parse_time(const char *text, time_t *ret);
