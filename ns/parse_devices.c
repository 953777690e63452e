/*
 * parse_devices.c - /linux/devices, and the devices every container has.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "ns/internal.h"

/* config-linux.md, "Default Devices"; console and ptmx are no nodes. */
static const struct ns_device standard[] = {
	{ "", "/dev/null", S_IFCHR, 0666, 1, 3, 0, 0, true },
	{ "", "/dev/zero", S_IFCHR, 0666, 1, 5, 0, 0, true },
	{ "", "/dev/full", S_IFCHR, 0666, 1, 7, 0, 0, true },
	{ "", "/dev/random", S_IFCHR, 0666, 1, 8, 0, 0, true },
	{ "", "/dev/urandom", S_IFCHR, 0666, 1, 9, 0, 0, true },
	{ "", "/dev/tty", S_IFCHR, 0666, 5, 0, 0, 0, true },
};
#define STANDARD_COUNT (sizeof standard / sizeof standard[0])

static int parse_type(const char *type, const struct json_at *at, mode_t *ret, struct err *e)
{
	if (strcmp(type, "c") == 0 || strcmp(type, "u") == 0)
		*ret = S_IFCHR;
	else if (strcmp(type, "b") == 0)
		*ret = S_IFBLK;
	else if (strcmp(type, "p") == 0)
		*ret = S_IFIFO;
	else
		return json_bad(e, at, "\"%.20s\" is no device type (c, b, u, p)", type);
	return 0;
}

/* json_get_int of a small number; -1 means absent. */
static int get_small(const json_t *o, const struct json_at *at, const char *key, int64_t max,
		     int64_t *ret, struct err *e)
{
	*ret = -1;
	return json_get_int(o, at, key, 0, max, ret, e);
}

/* chown(2) reads -1 as "leave it as it is". */
static int get_id(const json_t *o, const struct json_at *at, const char *key, uint32_t *ret,
		  struct err *e)
{
	int64_t id = *ret;
	int r = json_get_int(o, at, key, 0, (int64_t)UINT32_MAX - 1, &id, e);

	if (r > 0)
		*ret = (uint32_t)id;
	return r;
}

static int parse_numbers(const json_t *o, const struct json_at *at, struct ns_device *d,
			 struct err *e)
{
	int64_t major = -1, minor = -1;
	/* dev_t of the kernel: 12 bits and 20 bits. */
	int r = get_small(o, at, "major", 4095, &major, e);

	if (r >= 0)
		r = get_small(o, at, "minor", 1048575, &minor, e);
	if (r < 0)
		return r;
	if (d->type == S_IFIFO)
		return 0;
	if (major < 0 || minor < 0)
		return json_require(0, at, major < 0 ? "major" : "minor", e);
	d->major = (unsigned int)major;
	d->minor = (unsigned int)minor;
	return 0;
}

static int parse_device(const json_t *o, const struct json_at *at, struct arena *a,
			struct ns_device *d, struct err *e)
{
	struct json_at path_at = json_at_key(at, "path"), type_at = json_at_key(at, "type");
	const char *type = NULL, *path = NULL;
	int64_t mode = -1;
	uint32_t uid = 0, gid = 0;
	int r;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	r = json_require(json_get_string(o, at, "type", &type, e), at, "type", e);
	if (r >= 0)
		r = parse_type(type, &type_at, &d->type, e);
	if (r >= 0)
		r = json_require(json_get_string(o, at, "path", &path, e), at, "path", e);
	if (r >= 0)
		r = parse_numbers(o, at, d, e);
	if (r >= 0)
		r = get_small(o, at, "fileMode", 0177777, &mode, e);
	if (r >= 0)
		r = get_id(o, at, "uid", &uid, e);
	if (r >= 0)
		r = get_id(o, at, "gid", &gid, e);
	if (r < 0)
		return r;
	if (path[0] != '/')
		return json_bad(e, &path_at, "must be absolute");
	d->path = ns_path_normalise(path, a);
	if (!d->path || strcmp(d->path, "/") == 0)
		return json_bad(e, &path_at, "is no place for a device");
	if (strncmp(d->path, "/proc/", 6) == 0 || strncmp(d->path, "/sys/", 5) == 0)
		return json_bad(e, &path_at, "no device can be made in %.5s", d->path);
	d->why = arena_strdup(a, at->text);
	d->mode = mode < 0 ? 0666 : (mode_t)mode & 07777; /* type bits, if any, are `type`'s */
	d->uid = uid;
	d->gid = gid;
	return 0;
}

/* One node per path: a device of the config replaces a standard one of the same path. */
static int add_device(struct ns_device *all, size_t *count, const struct ns_device *d,
		      const struct json_at *at, struct err *e)
{
	struct json_at here = json_at_key(at, "path");

	for (size_t i = 0; i < *count; i++) {
		if (strcmp(all[i].path, d->path) != 0)
			continue;
		if (!all[i].standard)
			return json_bad(e, &here, "a second device at %.100s", d->path);
		all[i] = *d;
		return 0;
	}
	all[(*count)++] = *d;
	return 0;
}

int ns_parse_devices(const json_t *linux_object, const struct json_at *at, struct arena *a,
		     struct ns_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "devices");
	struct ns_device *all;
	json_t *array = NULL;
	size_t wanted, count = STANDARD_COUNT;
	int r = json_get_array(linux_object, at, "devices", &array, e);

	if (r < 0)
		return r;
	wanted = json_array_size(array);
	if (wanted > NS_DEVICES_MAX)
		return json_bad(e, &here, "has %zu devices; at most %d", wanted, NS_DEVICES_MAX);
	all = arena_array(a, wanted + STANDARD_COUNT, sizeof *all);
	if (!all)
		return err_set(e, ENOMEM, "cannot read devices");
	memcpy(all, standard, sizeof standard);
	for (size_t i = 0; i < wanted; i++) {
		struct json_at item = json_at_index(&here, i);
		struct ns_device d = { 0 };

		r = parse_device(json_array_get(array, i), &item, a, &d, e);
		if (r >= 0)
			r = add_device(all, &count, &d, &item, e);
		if (r < 0)
			return r;
	}
	s->devices = all;
	s->device_count = count;
	return 0;
}
