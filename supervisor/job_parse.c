/*
 * job_parse.c - sizes, durations and names as people write them.
 */
#include "supervisor/job.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	double factor;
};

/* A plain decimal number ("0.5") and one of the units; no sign, no exponent, no hex. */
static int parse_with_unit(const char *where, const char *text, const struct unit *units,
			   const char *example, double *ret, struct err *e)
{
	size_t digits = strspn(text, "0123456789"), len = digits;
	double value;

	if (text[len] == '.')
		len += 1 + strspn(text + len + 1, "0123456789");
	if (digits > 0 && len < 20) {
		value = strtod(text, NULL);
		for (; units->name; units++) {
			if (strcmp(text + len, units->name) == 0) {
				*ret = value * units->factor;
				return 0;
			}
		}
	}
	err_say(e, EINVAL, "%s: \"%.40s\" is not understood", where, text);
	return err_fix(e, "write it like %s", example);
}

int job_parse_size(const char *where, const char *text, uint64_t *ret, struct err *e)
{
	static const struct unit units[] = {
		{ "", 1 }, { "b", 1 }, { "k", 1024 }, { "K", 1024 }, { "m", 1048576 },
		{ "M", 1048576 }, { "g", 1073741824 }, { "G", 1073741824 },
		{ "t", 1099511627776 }, { NULL, 0 },
	};
	double value;
	int r = parse_with_unit(where, text, units, "64m or 1g", &value, e);

	if (r < 0)
		return r;
	if (value < 1 || value > 1e18)
		return err_say(e, EINVAL, "%s: \"%.40s\" is out of range", where, text);
	*ret = (uint64_t)value;
	return 0;
}

int job_parse_duration(const char *where, const char *text, int64_t *ret_ms, struct err *e)
{
	static const struct unit units[] = {
		{ "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3600000 },
		{ NULL, 0 },
	};
	double value;
	int r = parse_with_unit(where, text, units, "5s, 500ms or 2m", &value, e);

	if (r < 0)
		return r;
	if (value < 1 || value > INT_MAX) /* what poll(2) can wait for: 24 days */
		return err_say(e, EINVAL, "%s: \"%.40s\" is out of range (at most 24 days)", where,
			       text);
	*ret_ms = (int64_t)value;
	return 0;
}

int job_parse_cpus(const char *where, const char *text, uint64_t *ret_quota, struct err *e)
{
	static const struct unit units[] = { { "", 100000 }, { NULL, 0 } };
	double value;
	int r = parse_with_unit(where, text, units, "0.5 or 2", &value, e);

	if (r < 0)
		return r;
	/* The kernel takes no quota below 1 ms. */
	if (value < 1000 || value > 1e9)
		return err_say(e, EINVAL, "%s: \"%.40s\" is out of range (0.01 to 10000)", where,
			       text);
	*ret_quota = (uint64_t)value;
	return 0;
}

int job_parse_network(const char *where, const char *text, struct job *job, struct err *e)
{
	struct arena scratch = ARENA_INIT;
	struct net_spec net = { 0 };
	int r;

	if (strspn(text, " \t\n") == strlen(text))
		return err_say(e, EINVAL, "%s: is empty", where);
	/* What a namespace of its own has without any network. */
	if (strcmp(text, "loopback") == 0)
		text = "none";
	r = net_parse_annotations(text, NULL, &net, &scratch, e);
	/* Above the pointer of an annotation, which this is not. */
	if (r < 0)
		snprintf(e->where, sizeof e->where, "%s", where);
	arena_free(&scratch);
	if (r < 0)
		return r;
	job->bridge = net.mode == NET_BRIDGE;
	job->shares = net.mode == NET_CONTAINER;
	job->host_net = net.mode == NET_HOST;
	job->net = text;
	return 0;
}

int job_parse_publish(const char *where, const char *text, struct job *job, struct err *e)
{
	struct arena scratch = ARENA_INIT;
	struct net_spec net = { 0 };
	int r = net_parse_annotations(NULL, text, &net, &scratch, e);

	if (r == 0 && net.port_count == 0)
		r = err_say(e, EINVAL, "%s: is empty", where);
	else if (r < 0)
		snprintf(e->where, sizeof e->where, "%s", where);
	arena_free(&scratch);
	if (r == 0)
		job->publish = text;
	return r;
}

int job_parse_waived(const char *where, const char *text, uint32_t *ret, struct err *e)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} names[] = { { "memory", JOB_MEMORY },
		      { "pids", JOB_PIDS },
		      { "cpu", JOB_CPU },
		      { "cpu-time", JOB_CPU_TIME },
		      { "landlock", JOB_LANDLOCK } };
	const size_t count = sizeof names / sizeof *names;

	while (*text) {
		size_t len = strcspn(text, ","), i;

		for (i = 0; i < count; i++)
			if (strlen(names[i].name) == len && strncmp(text, names[i].name, len) == 0)
				break;
		if (i == count) {
			err_say(e, EINVAL, "%s: \"%.*s\" is not a control that may be missing", where,
				len > 40 ? 40 : (int)len, text);
			return err_fix(e, "name some of: memory,pids,cpu,cpu-time,landlock");
		}
		*ret |= names[i].bit;
		text += len + (text[len] == ',');
	}
	return 0;
}
