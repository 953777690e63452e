/*
 * record.c - records of a state folder, with a sum over their text.
 */
#include "runtime/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

#define SUM_KEY	 ",\"sum\":\""
#define SUM_SIZE (sizeof SUM_KEY - 1 + 16 + 2) /* the number in hex, and "} */

/* FNV-1a: each step is a bijection, so two texts that differ in one byte have two sums. */
static unsigned long long sum_of(const char *text, size_t size)
{
	unsigned long long h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < size; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3ULL;
	return h;
}

char *record_seal(const json_t *object)
{
	_cleanup_free_ char *text = json_dumps(object, JSON_COMPACT);
	size_t size = text ? strlen(text) : 0;
	char *sealed;

	/* In place of the last bracket. */
	if (size < sizeof "{}" || json_out_of_memory ||
	    asprintf(&sealed, "%.*s" SUM_KEY "%016llx\"}", (int)(size - 1), text,
		     sum_of(text, size - 1)) < 0)
		return NULL;
	return sealed;
}

static int check_sum(const char *text, size_t size, const char *name, struct err *e)
{
	const char *tail = text + size - SUM_SIZE;
	char wanted[SUM_SIZE + 1];

	if (size <= SUM_SIZE || memcmp(tail, SUM_KEY, sizeof SUM_KEY - 1) != 0)
		return 0;
	snprintf(wanted, sizeof wanted, SUM_KEY "%016llx\"}", sum_of(text, size - SUM_SIZE));
	if (memcmp(tail, wanted, SUM_SIZE) == 0)
		return 0;
	return err_say(e, EINVAL, "%s: its sum is wrong: it is not what was written", name);
}

int record_read(int dirfd, const char *name, json_t **ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = file_read_whole(dirfd, name, JSON_BYTES_LIMIT, &text, &size, e);

	if (r == 0)
		r = check_sum(text, size, name, e);
	if (r == 0)
		r = json_parse_strict(text, size, name, ret, e);
	/* Whoever writes it again gives it a new one. */
	if (r == 0)
		json_object_del(*ret, "sum");
	return r;
}
