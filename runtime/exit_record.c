/*
 * exit_record.c - how a container ended, for who asks later: <root>/<id>/exit.json. Only a kist
 * that was the first process's parent knows; what it does not know is absent, never 0.
 */
#include "runtime/exit_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/utc.h"
#include "cgroup/cgroup.h"

static json_t *now_text(void)
{
	struct timespec now;
	char stamp[UTC_TEXT_MAX];

	clock_gettime(CLOCK_REALTIME, &now);
	utc_format(now.tv_sec, stamp);
	return json_sprintf("%s.%09ldZ", stamp, now.tv_nsec);
}

static void add_stat(json_t *o, const char *key, const struct cgroup_stats *s,
		     enum cgroup_stat_bit bit)
{
	if (cgroup_stat_has(s, bit) && s->value[bit] <= INT64_MAX)
		json_object_set_new(o, key, json_integer((json_int_t)s->value[bit]));
}

static json_t *build(const struct attach_result *end, const struct cgroup_stats *s)
{
	json_t *o = json_pack("{s:i}", "status", end->status);

	if (end->exit_code >= 0)
		json_object_set_new(o, "code", json_integer(end->exit_code));
	if (end->signal)
		json_object_set_new(o, "signal", json_integer(end->signal));
	json_object_set_new(o, "finished", now_text());
	if (cgroup_stat_has(s, CGROUP_STAT_MEMORY_OOM_KILL))
		json_object_set_new(o, "oomKilled",
				    json_boolean(s->value[CGROUP_STAT_MEMORY_OOM_KILL] > 0));
	add_stat(o, "memoryPeakBytes", s, CGROUP_STAT_MEMORY_PEAK);
	add_stat(o, "cpuUsec", s, CGROUP_STAT_CPU_USAGE);
	return o;
}

int exit_record_write(const struct run *run, int slot_cgroup, const struct attach_result *end,
		      struct err *e)
{
	struct cgroup_stats stats = { 0 };
	struct err ignored = ERR_INIT;
	_cleanup_json_ json_t *record = NULL;
	_cleanup_free_ char *text = NULL;
	int cgroup = run_slot(run, slot_cgroup), r;

	/* Its figures go with the cgroup. One without them, or none at all, is no error. */
	if (cgroup >= 0 && cgroup_stats_read(cgroup, &stats, &ignored) < 0)
		stats = (struct cgroup_stats){ 0 };
	record = build(end, &stats);
	text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	if (!text)
		return err_set(e, ENOMEM, "the exit record");
	r = file_replace_at(run_slot(run, SLOT_STATE_DIR), "exit.json", text, strlen(text), 0600,
			    false, e);
	if (r != -ENOENT) /* else deleted by somebody: nobody will ask */
		return r;
	err_clear(e);
	return 0;
}

json_t *exit_record_read(const struct container *c)
{
	struct err ignored = ERR_INIT;
	json_t *record;

	if (c->status != STATUS_STOPPED ||
	    json_read_file(c->dir, "exit.json", &record, &ignored) < 0)
		return NULL;
	return record;
}
