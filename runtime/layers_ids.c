/*
 * layers_ids.c - are the ids of an image's files the container's?
 *
 * A user's mapped store (image/store-kind.c) holds files of the ids that its maker had
 * in /etc/subuid then. In another user namespace they would be nobody's.
 */
#include <errno.h>
#include <sched.h>

#include "ns/spec.h"
#include "runtime/layers.h"

static bool has(const struct ns_id_maps *maps, uint32_t id, uint32_t want)
{
	uint32_t host;

	return ns_map_id(maps, id, &host) && host == want;
}

static bool has_range(const struct ns_id_maps *maps, const struct subid_range *r)
{
	return has(maps, 0, r->own) && has(maps, 1, r->first) &&
	       has(maps, r->count, r->first + r->count - 1);
}

int root_layers_check_ids(const struct root_layers *l, const struct ns_spec *ns, struct err *e)
{
	const struct subids *ids = l->image ? &l->image->ids : NULL;

	/* A namespace that is joined has the ids it has. */
	if (!ids || !l->image->mapped || (ns->join_namespaces & CLONE_NEWUSER) ||
	    (has_range(&ns->uid_maps, &ids->uid) && has_range(&ns->gid_maps, &ids->gid)))
		return 0;
	err_say(e, EINVAL,
		"the files in the store %.100s are of the ids 0 = %u, 1 to %u = %u to %u, which the "
		"container does not have",
		l->image->store, ids->uid.own, ids->uid.count, ids->uid.first,
		ids->uid.first + ids->uid.count - 1);
	err_at(e, "/linux/uidMappings");
	return err_fix(e,
		       "map these (a job does, while /etc/subuid and /etc/subgid give them to the "
		       "user), or load the image into another store");
}
