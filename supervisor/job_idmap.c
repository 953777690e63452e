/*
 * job_idmap.c - how a job sees the owners of files that are the host's.
 *
 * As if they were its own: the ids of a folder's owner are the job's user's, and the other way
 * round, so that nobody's rights grow: what the owner may read the job may, and what is somebody
 * else's stays that. All others are what they are in the job's own range.
 */
#include "supervisor/job.h"

struct lines {
	struct ns_id_map *line;
	size_t count;
};

/* [from, to) of the disk, where they are in the job. */
static void add(struct lines *l, uint32_t from, uint32_t to, uint32_t first)
{
	if (from < to)
		l->line[l->count++] = (struct ns_id_map){ from, first + from, to - from };
}

static void add_one(struct lines *l, uint32_t disk, uint32_t host)
{
	l->line[l->count++] = (struct ns_id_map){ disk, host, 1 };
}

size_t job_idmap(const struct ns_id_map *range, uint32_t owner, uint32_t user,
		 struct ns_id_map ret[JOB_IDMAP_LINES])
{
	uint32_t first = range->host, end = range->size, low, high;
	struct lines l = { .line = ret };

	if (owner == user) {
		add(&l, 0, end, first);
		return l.count;
	}
	/* Beyond the range nobody has an id to give in exchange: the user's own is nobody's then.
	 */
	if (owner >= end) {
		add(&l, 0, user, first);
		add(&l, user + 1, end, first);
		add_one(&l, owner, first + user);
		return l.count;
	}
	low = owner < user ? owner : user;
	high = owner < user ? user : owner;
	add(&l, 0, low, first);
	add_one(&l, low, first + high);
	add(&l, low + 1, high, first);
	add_one(&l, high, first + low);
	add(&l, high + 1, end, first);
	return l.count;
}
