/*
 * forward.c - whether the host forwards packets.
 */
#include "net/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

#define RTF_DEFAULT  0x00010000u /* linux/ipv6_route.h */
#define RTF_ADDRCONF 0x00040000u

static const struct {
	const char *path, *note;
} families[] = {
	{ "/proc/sys/net/ipv4/ip_forward", "ip_forward" },
	{ "/proc/sys/net/ipv6/conf/all/forwarding", "ip6_forward" },
};

/* A line of /proc/net/ipv6_route: to, its length, from, its length, gateway, metric, references, uses,
 * flags, interface. */
static bool is_advertised_default(const char *line, char name[32])
{
	unsigned int flags;

	return sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %x %31s", &flags, name) == 2 &&
	       (flags & (RTF_DEFAULT | RTF_ADDRCONF)) == (RTF_DEFAULT | RTF_ADDRCONF);
}

/* A host that forwards takes no more router advertisements (accept_ra 1): a default route that came by
 * one would run out some minutes later, and nobody know why. */
static int refuse_advertised(struct err *e)
{
	_cleanup_stream_ FILE *stream = fopen("/proc/net/ipv6_route", "re");
	char line[256], name[32], path[96], value[8];

	while (stream && fgets(line, sizeof line, stream)) {
		if (!is_advertised_default(line, name))
			continue;
		snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_ra", name);
		if (file_read_at(AT_FDCWD, path, value, sizeof value) < 0 || strcmp(value, "1") != 0)
			continue;
		err_say(e, EBUSY, "the host's IPv6 default route on %s comes by router advertisement, and "
			"would be lost when the host forwards", name);
		return err_fix(e, "sysctl -w net.ipv6.conf.%s.accept_ra=2, or an --internal network",
			       name);
	}
	return 0;
}

int forward_ensure(const struct lease_store *s, bool ipv6, struct err *e)
{
	const char *path = families[ipv6].path;
	char now[16];
	ssize_t n = file_read_at(AT_FDCWD, path, now, sizeof now);
	int r;

	if (n < 0)
		return err_set(e, (int)-n, "cannot read %s", path);
	if (strcmp(now, "0") != 0)
		return 0;
	r = ipv6 ? refuse_advertised(e) : 0;
	if (r < 0)
		return r;
	/* The note first: a kill -9 between the two then restores what never changed. */
	r = lease_note_set(s, families[ipv6].note, now);
	if (r == 0 || r == -EEXIST)
		r = file_write_at(AT_FDCWD, path, "1");
	return r < 0 ? err_set(e, -r, "cannot set %s to 1", path) : 0;
}

static int restore(const struct lease_store *s, bool ipv6, struct err *e)
{
	char before[8];
	int r = lease_note_get(s, families[ipv6].note, before, sizeof before);

	if (r == 0)
		return 0;
	if (r > 0)
		r = file_write_at(AT_FDCWD, families[ipv6].path, "0");
	if (r >= 0)
		r = lease_note_remove(s, families[ipv6].note);
	return r < 0 ? err_set(e, -r, "cannot set %s back to 0", families[ipv6].path) : 0;
}

int forward_restore(const struct lease_store *s, struct err *e)
{
	struct err later = ERR_INIT;
	int first = restore(s, false, e);
	int r = restore(s, true, first < 0 ? &later : e);

	return first < 0 ? first : r;
}
