/*
 * cpu_list.c - lists of processors, as cpuset(7) writes them: "0-3,7".
 */
#include "runtime/cpu_list.h"

#include <errno.h>

#define BITS (8 * sizeof(unsigned long))

static int read_cpu(const char **at, unsigned int *ret)
{
	const char *p = *at;
	unsigned int n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned int)(*p - '0');
		if (n >= CPU_LIST_MAX)
			return -EINVAL;
	}
	*at = p;
	*ret = n;
	return 0;
}

/* "3" or "0-3"; stands behind it, or behind the comma. */
static int read_range(const char **at, unsigned int *first, unsigned int *last)
{
	if (read_cpu(at, first) < 0)
		return -EINVAL;
	*last = *first;
	if (**at == '-') {
		++*at;
		if (read_cpu(at, last) < 0 || *last < *first)
			return -EINVAL;
	}
	if (**at == '\0')
		return 0;
	if (**at != ',' || (*at)[1] == '\0')
		return -EINVAL;
	++*at;
	return 0;
}

int cpu_list_parse(const char *text, struct arena *a, struct cpu_list *ret)
{
	struct cpu_list list = { .text = arena_strdup(a, text) };
	unsigned int first, last, highest = 0;
	const char *p = text;

	do {
		if (read_range(&p, &first, &last) < 0)
			return -EINVAL;
		if (last > highest)
			highest = last;
	} while (*p);
	list.bytes = (highest / BITS + 1) * sizeof *list.mask;
	list.mask = arena_alloc(a, list.bytes);
	if (!list.mask || !list.text)
		return -ENOMEM;
	for (p = text; *p;) {
		read_range(&p, &first, &last);
		for (; first <= last; first++)
			list.mask[first / BITS] |= 1UL << (first % BITS);
	}
	*ret = list;
	return 0;
}
