/*
 * job_ids.c - which ids of the host a job's user namespace has.
 *
 *   root         a range that is nobody else's, leased (idrange.h)
 *   a user       its own id as root, and after it the ids that /etc/subuid and
 *                /etc/subgid give it, by newuidmap; without those its own alone
 *   root of a    those it has there itself: what is mapped from 0 on
 *   namespace
 */
#include "supervisor/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/subids.h"
#include "runtime/idrange.h"
#include "runtime/upper.h"

_Static_assert(SUBIDS_MAX == IDRANGE_SIZE - 1, "a user's job has as many ids as root's");

static struct ns_id_map after_own(const struct subid_range *r)
{
	return (struct ns_id_map){ .container = 1, .host = r->first, .size = r->count };
}

static void user_ids(const struct host *h, struct job_ids *ret)
{
	struct subids s;

	ret->uid[0] = (struct ns_id_map){ .host = h->uid, .size = 1 };
	ret->gid[0] = (struct ns_id_map){ .host = h->gid, .size = 1 };
	ret->count = 1;
	if (!h->idmap_helpers || !subids_of_caller(&s))
		return;
	ret->uid[1] = after_own(&s.uid);
	ret->gid[1] = after_own(&s.gid);
	ret->count = 2;
}

/* What this user namespace has from 0 on. */
static uint32_t own_size(const char *file)
{
	char text[4096], *at = text, *end;
	ssize_t n = file_read_at(AT_FDCWD, file, text, sizeof text);
	unsigned long first, size;

	if (n <= 0)
		return 1;
	first = strtoul(at, &end, 10);
	(void)strtoul(end, &end, 10);
	size = strtoul(end, &end, 10);
	if (first != 0 || size == 0)
		return 1;
	return size > IDRANGE_SIZE ? IDRANGE_SIZE : (uint32_t)size;
}

/* A line of a map must lie within one of the namespace above: a user's with ids of /etc/subuid has its
 * own id in one, and those in another. */
static void namespace_ids(struct job_ids *ret)
{
	struct subids s;

	ret->uid[0].size = own_size("/proc/self/uid_map");
	ret->gid[0].size = own_size("/proc/self/gid_map");
	if (ret->uid[0].size > 1 || ret->gid[0].size > 1 || !subids_of_namespace(&s))
		return;
	s.uid.first = s.gid.first = 1;
	ret->uid[1] = after_own(&s.uid);
	ret->gid[1] = after_own(&s.gid);
	ret->count = 2;
}

int job_ids_take(struct job_ids *ret, const struct host *h, int root, const char *id,
		 const char *upper_dir, struct err *e)
{
	uint32_t first = 0;
	uid_t uid;
	gid_t gid;
	int r = 0;

	*ret = (struct job_ids){ .count = 1, .taking = -1 };
	if (host_unprivileged(h)) {
		user_ids(h, ret);
		return 0;
	}
	ret->uid[0].size = ret->gid[0].size = IDRANGE_SIZE;
	if (h->root) {
		if (upper_dir && upper_read_ids(upper_dir, &uid, &gid) && uid == gid) {
			first = uid;
			r = idrange_take_this(root, id, first, &ret->taking, e);
			if (r < 0)
				err_wrap(e, "the files in %.200s", upper_dir);
		} else {
			r = idrange_take(root, id, &first, &ret->taking, e);
		}
		ret->uid[0].host = ret->gid[0].host = first;
		ret->leased = r == 0;
	} else {
		namespace_ids(ret);
	}
	return r;
}

void job_ids_drop(struct job_ids *ids, int root, const char *id)
{
	if (ids->leased)
		idrange_drop(root, id, ids->uid[0].host);
	job_ids_settle(ids);
}

void job_ids_settle(struct job_ids *ids)
{
	fd_close(&ids->taking);
}

static bool is_mapped(const struct ns_id_map *map, size_t count, uint32_t id)
{
	const struct ns_id_maps maps = { .line = map, .count = count };
	uint32_t host;

	return ns_map_id(&maps, id, &host);
}

int job_ids_check(const struct job_ids *ids, const struct job_user *user, struct err *e)
{
	bool all = is_mapped(ids->uid, ids->count, user->uid) &&
		   is_mapped(ids->gid, ids->count, user->gid);

	for (size_t i = 0; i < user->gid_count; i++)
		all = all && is_mapped(ids->gid, ids->count, user->gids[i]);
	if (all)
		return 0;
	if (ids->leased) {
		err_say(e, EINVAL, "there is no user %u, group %u in a job", user->uid, user->gid);
		return err_fix(e, "all its ids are below %u: --user UID[:GID]", ids->uid[0].size);
	}
	err_say(e, EINVAL,
		"the image runs as user %u, group %u, who have no id on this host: the job has "
		"%u",
		user->uid, user->gid, ids->uid[0].size + (ids->count > 1 ? ids->uid[1].size : 0));
	return err_fix(
		e, "give the caller more in /etc/subuid and /etc/subgid, and install newuidmap; or "
		   "run it as root");
}
