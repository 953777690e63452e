/*
 * subids.c - /etc/subuid, /etc/subgid (subuid(5)) and /proc/self/uid_map (user_namespaces(7)).
 */
#include "base/subids.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ids.h"

#define FILE_MAX_BYTES (1u << 20)

/* The next line's first three fields, which are changed to strings; false at the end. */
static bool next_fields(char **at, char *field[3])
{
	while (**at) {
		char *line = *at, *end = line + strcspn(line, "\n");
		int n = 0;

		*at = *end ? end + 1 : end;
		*end = '\0';
		while (n < 3 && line)
			field[n++] = strsep(&line, ":");
		if (n == 3)
			return true;
	}
	return false;
}

/* The caller's name in /etc/passwd, or "". */
static void find_name(char *passwd, uint32_t uid, char name[64])
{
	char *field[3];
	uint32_t id;

	name[0] = '\0';
	while (next_fields(&passwd, field))
		if (id_parse(field[2], strlen(field[2]), &id) == 0 && id == uid) {
			snprintf(name, 64, "%s", field[0]);
			return;
		}
}

bool subids_find(char *text, uint32_t uid, const char *name, struct subid_range *ret)
{
	char *field[3], number[16];
	uint32_t start, count;

	snprintf(number, sizeof number, "%u", uid);
	while (next_fields(&text, field)) {
		if (strcmp(field[0], number) != 0 && (!name[0] || strcmp(field[0], name) != 0))
			continue;
		if (id_parse(field[1], strlen(field[1]), &start) < 0 ||
		    id_parse(field[2], strlen(field[2]), &count) < 0 || count == 0 ||
		    UINT32_MAX - start < count)
			continue;
		*ret = (struct subid_range){
			.own = ret->own,
			.first = start,
			.count = count > SUBIDS_MAX ? SUBIDS_MAX : count,
		};
		return true;
	}
	return false;
}

static bool range_of(const char *file, uint32_t uid, const char *name, struct subid_range *ret)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	size_t size;

	return file_read_whole(AT_FDCWD, file, FILE_MAX_BYTES, &text, &size, &ignored) == 0 &&
	       subids_find(text, uid, name, ret);
}

bool subids_of_caller(struct subids *ret)
{
	struct subids s = { .uid.own = geteuid(), .gid.own = getegid() };
	_cleanup_free_ char *passwd = NULL;
	struct err ignored = ERR_INIT;
	char name[64] = "";
	size_t size;

	if (file_read_whole(AT_FDCWD, "/etc/passwd", FILE_MAX_BYTES, &passwd, &size, &ignored) == 0)
		find_name(passwd, s.uid.own, name);
	if (!range_of("/etc/subuid", s.uid.own, name, &s.uid) ||
	    !range_of("/etc/subgid", s.uid.own, name, &s.gid))
		return false;
	*ret = s;
	return true;
}

/* Where `id` of the namespace is outside, and how many after it are, too. */
static bool look_up(const char *map, uint32_t id, uint32_t *ret, uint32_t *ret_count)
{
	unsigned long inside, outside, size;
	int used;

	while (sscanf(map, " %lu %lu %lu%n", &inside, &outside, &size, &used) == 3) {
		map += used;
		if (id < inside || id - inside >= size)
			continue;
		*ret = (uint32_t)(outside + (id - inside));
		*ret_count = (uint32_t)(size - (id - inside));
		return true;
	}
	return false;
}

bool subids_of_map(const char *text, struct subid_range *ret)
{
	struct subid_range r = { 0 };
	uint32_t alone;

	if (!look_up(text, 0, &r.own, &alone) || !look_up(text, 1, &r.first, &r.count))
		return false;
	if (r.count > SUBIDS_MAX)
		r.count = SUBIDS_MAX;
	*ret = r;
	return true;
}

static bool read_map(const char *file, struct subid_range *ret)
{
	char text[16384];
	ssize_t n = file_read_at(AT_FDCWD, file, text, sizeof text);

	return n > 0 && subids_of_map(text, ret);
}

bool subids_of_namespace(struct subids *ret)
{
	struct subids s = { 0 };

	if (!read_map("/proc/self/uid_map", &s.uid) || !read_map("/proc/self/gid_map", &s.gid))
		return false;
	*ret = s;
	return true;
}

static bool covers(const struct subid_range *here, const struct subid_range *want)
{
	return here->own == want->own && here->first == want->first && here->count >= want->count;
}

bool subids_are_here(const struct subids *s)
{
	struct subids here;

	return subids_of_namespace(&here) && covers(&here.uid, &s->uid) &&
	       covers(&here.gid, &s->gid);
}
