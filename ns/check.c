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

static bool maps_only(const struct ns_id_maps *maps, uint32_t id)
{
	return maps->count == 1 && maps->line[0].size == 1 && maps->line[0].host == id;
}

static int check_unprivileged(const struct ns_spec *s, const struct host *h, struct err *e)
{
	if (!(s->new_namespaces & CLONE_NEWUSER)) {
		refuse(e, "/linux/namespaces", "without root a container needs a new user namespace");
		return err_fix(e, "add {\"type\": \"user\"} with maps of your own ids, or run as root");
	}
	if (!maps_only(&s->uid_maps, h->uid))
		return refuse(e, "/linux/uidMappings",
			      "without root only the caller's own uid can be mapped, alone");
	if (!maps_only(&s->gid_maps, h->gid))
		return refuse(e, "/linux/gidMappings",
			      "without root only the caller's own gid can be mapped, alone");
	if (s->time_offsets)
		return refuse(e, "/linux/timeOffsets", "needs root");
	if (s->join_namespaces)
		return refuse(e, "/linux/namespaces", "joining namespaces by path needs root");
	for (size_t i = 0; i < s->mount_count; i++)
		if (s->mounts[i].flags.idmap)
			return refuse(e, s->mounts[i].why, "an id-mapped mount needs root");
	return 0;
}

int ns_check(const struct ns_spec *s, const struct host *h, struct err *e)
{
	int r = check_map_size(&s->uid_maps, "/linux/uidMappings", e);

	if (r >= 0)
		r = check_map_size(&s->gid_maps, "/linux/gidMappings", e);
	if (r >= 0 && !h->root)
		r = check_unprivileged(s, h, e);
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
