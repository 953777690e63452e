/*
 * check.c - refusals that depend on the host or the caller, before anything is done.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ns/internal.h"

static int refuse(struct err *e, const char *where, const char *text)
{
	err_say(e, EPERM, "%s", text);
	return err_at(e, where);
}

/* A map is one write of less than a page (user_namespaces(7)). */
static int check_map_size(const struct ns_id_maps *maps, const char *where, struct err *e)
{
	size_t bytes = 0;

	for (size_t i = 0; i < maps->count; i++)
		bytes += (size_t)snprintf(NULL, 0, "%u %u %u\n", maps->line[i].container,
					  maps->line[i].host, maps->line[i].size);
	if (bytes < 4096)
		return 0;
	err_say(e, EINVAL, "the map is %zu bytes as text; the kernel takes 4095", bytes);
	return err_at(e, where);
}

bool ns_map_is_own_id(const struct ns_id_maps *maps, uint32_t id)
{
	return maps->count == 1 && maps->line[0].size == 1 && maps->line[0].host == id;
}

bool ns_setgroups_denied(const struct ns_spec *s, const struct host *h)
{
	return h->setgroups_denied || ((s->new_namespaces & CLONE_NEWUSER) && host_unprivileged(h) &&
				       ns_map_is_own_id(&s->gid_maps, h->gid));
}

static int check_map_rights(const struct ns_id_maps *maps, uint32_t own, const struct host *h,
			    const char *where, const char *kind, struct err *e)
{
	if (ns_map_is_own_id(maps, own) || h->idmap_helpers)
		return 0;
	err_say(e, EPERM, "without root, more ids than the caller's own %s are mapped by "
		HOST_NEWUIDMAP " and " HOST_NEWGIDMAP ", which are not there", kind);
	err_at(e, where);
	return err_fix(e, "install the package uidmap, or map one id: \"hostID\": %u, \"size\": 1",
		       own);
}

static int check_unprivileged(const struct ns_spec *s, const struct host *h, struct err *e)
{
	if (!ns_has_userns(s)) {
		refuse(e, "/linux/namespaces", "rootless container requires user namespaces");
		return err_fix(e, "add {\"type\": \"user\"} with maps of your own ids (as kist spec "
			       "--rootless does), or run as root");
	}
	if (s->new_namespaces & CLONE_NEWUSER) {
		int r = check_map_rights(&s->uid_maps, h->uid, h, "/linux/uidMappings", "uid", e);

		if (r >= 0)
			r = check_map_rights(&s->gid_maps, h->gid, h, "/linux/gidMappings", "gid", e);
		if (r < 0)
			return r;
	}
	if (s->join_namespaces && !(s->join_namespaces & CLONE_NEWUSER)) {
		refuse(e, "/linux/namespaces", "without root, namespaces can be joined only together "
		       "with the user namespace they belong to");
		return err_fix(e, "give the \"user\" namespace the path of that one, and no maps");
	}
	return 0;
}

/* What asks for rights over the host's own namespaces, which root of a user namespace has not. */
static int check_host_rights(const struct ns_spec *s, struct err *e)
{
	if (s->time_offsets)
		return refuse(e, "/linux/timeOffsets", "needs root of the host");
	for (size_t i = 0; i < s->mount_count; i++)
		if (s->mounts[i].flags.idmap)
			return refuse(e, s->mounts[i].why, s->mounts[i].type && strcmp(s->mounts[i].type, NS_COW_TYPE) == 0
				      ? "a folder that is copied on write needs root of the host"
				      : "an id-mapped mount needs root of the host");
	return 0;
}

/* procfs and mqueue belong to a pid and an ipc namespace: only who has rights over that one may mount
 * them, and root of a user namespace has them over those made in it. */
static int check_owners(const struct ns_spec *s, struct err *e)
{
	static const struct {
		const char *type;
		enum ns_kind kind;
		const char *path;
	} owned[] = { { "proc", NS_PID, "/proc" }, { "mqueue", NS_IPC, "/dev/mqueue" } };

	for (size_t i = 0; i < s->mount_count; i++) {
		const struct ns_mount *m = &s->mounts[i];

		for (size_t k = 0; k < 2 && !m->flags.bind && !m->flags.remount; k++) {
			unsigned int flag = ns_kind_info[owned[k].kind].flag;

			if (strcmp(m->type, owned[k].type) != 0 || (s->new_namespaces & flag) ||
			    (s->join_namespaces & flag && s->join_namespaces & CLONE_NEWUSER))
				continue;
			err_say(e, EPERM, "with a user namespace %s can be mounted only in a %s namespace "
				"that belongs to it", m->type, ns_kind_info[owned[k].kind].json);
			err_at(e, m->why);
			return err_fix(e, "add {\"type\": \"%s\"} to /linux/namespaces, or bind the host's: "
				       "\"source\": \"%s\", \"options\": [\"rbind\"]",
				       ns_kind_info[owned[k].kind].json, owned[k].path);
		}
	}
	return 0;
}

/* In a new user namespace the host makes the config's devices, and can give them to no other id. */
static int check_device_owners(const struct ns_spec *s, const struct host *h, struct err *e)
{
	char where[64];
	uint32_t id;

	for (size_t i = 0; i < s->device_count; i++) {
		const struct ns_device *d = &s->devices[i];
		bool uid = ns_map_id(&s->uid_maps, d->uid, &id), gid = ns_map_id(&s->gid_maps, d->gid, &id);

		if (d->standard || (uid && gid) || !h->root || !(s->new_namespaces & CLONE_NEWUSER))
			continue;
		snprintf(where, sizeof where, "%s/%s", d->why, uid ? "gid" : "uid");
		err_say(e, EINVAL, "%u has no id on the host in /linux/%s", uid ? d->gid : d->uid,
			uid ? "gidMappings" : "uidMappings");
		return err_at(e, where);
	}
	return 0;
}

int ns_check(const struct ns_spec *s, const struct host *h, struct err *e)
{
	int r = check_map_size(&s->uid_maps, "/linux/uidMappings", e);

	if (r >= 0)
		r = check_map_size(&s->gid_maps, "/linux/gidMappings", e);
	if (r >= 0 && host_unprivileged(h))
		r = check_unprivileged(s, h, e);
	if (r >= 0 && !h->root)
		r = check_host_rights(s, e);
	if (r >= 0 && ns_has_userns(s))
		r = check_owners(s, e);
	if (r < 0)
		return r;
	r = check_device_owners(s, h, e);
	if (r < 0)
		return r;
	if (s->mount_label && !h->selinux) {
		refuse(e, "/linux/mountLabel", "SELinux is not enabled on this host");
		return err_fix(e, "remove mountLabel from config.json");
	}
	if (s->sysctl_count && !ns_mount_at(s, "/proc"))
		return refuse(e, "/linux/sysctl", "needs proc mounted at /proc");
	return 0;
}
