/*
 * cgroup_update.c - other limits for a cgroup that is in use: all of them, or
 * none.
 *
 * The writes are the plan's own (cgroup_plan_limits). Before the first one
 * everything they will change is read, so that it can be written back when
 * the kernel refuses a later one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/engine.h"
#include "base/fd.h"
#include "cgroup/cgroup_ops.h"

#define LIMIT_FILE_MAX 16384 /* io.max of a host with many disks */

/* Files of one line for each device, or another key: "8:0 rbps=1048576 ...". cpu.max has a blank
 * too, but is one value. */
static size_t key_length(const char *file, const char *value)
{
	size_t length = strcspn(value, " ");

	return strcmp(file, "cpu.max") && value[length] ? length : 0;
}

/* What takes a key's line away; NULL: unknown. */
static const char *no_limit_for(const char *file)
{
	static const char *const words[][2] = {
		{ "io.max", "rbps=max wbps=max riops=max wiops=max" },
		{ "io.weight", "default" },
		{ "io.bfq.weight", "default" },
		{ "rdma.max", "hca_handle=max hca_object=max" },
		{ "misc.max", "max" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(file, words[i][0]))
			return words[i][1];
	return NULL;
}

/* The text that brings back what a write of `value` will change, out of the file's present one. */
const char *cgroup_text_before(struct arena *a, const char *file, const char *value,
			       const char *present)
{
	size_t key = key_length(file, value);
	const char *line = present;

	if (!key) {
		/* io.weight has "default 100" first: the group's own */
		size_t length = strcspn(present, "\n");

		return length ? arena_strndup(a, present, length) : "\n";
	}
	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, value, key) && line[key] == ' ')
			return arena_strndup(a, line, strcspn(line, "\n"));
	}
	line = no_limit_for(file);
	return line ? arena_printf(a, "%.*s %s", (int)key, value, line) : NULL;
}

/* A file that is missing, or only written to (memory.reclaim), has nothing to go back to. */
static void save(struct cgroup_update *u, struct arena *a, const char *file, const char *value)
{
	const char *path = file ? arena_printf(a, "%s/%s", u->folder, file) : NULL;
	char present[LIMIT_FILE_MAX];

	if (!path || file_read_at(AT_FDCWD, path, present, sizeof(present)) < 0)
		return;
	u->saved[u->count] = (struct cgroup_saved){
		.file = file, .path = path, .value = value,
		.text = cgroup_text_before(a, file, value, present),
	};
	u->count += u->saved[u->count].text != NULL;
}

/* What was never changed must not be written: not each text that is read can be (cpu.weight of an
 * idle group is 0). */
static bool is_changed(const struct cgroup_saved *s)
{
	char present[LIMIT_FILE_MAX];
	struct arena a = ARENA_INIT;
	const char *now;
	bool changed;

	if (file_read_at(AT_FDCWD, s->path, present, sizeof(present)) < 0)
		return true;
	now = cgroup_text_before(&a, s->file, s->value, present);
	changed = !now || strcmp(now, s->text);
	arena_free(&a);
	return changed;
}

int cgroup_update_undo(const struct cgroup_update *u, struct err *e)
{
	int result = 0;

	for (size_t i = u->count; i > 0; i--) {
		const struct cgroup_saved *s = &u->saved[i - 1];
		int r = is_changed(s) ? file_write_at(AT_FDCWD, s->path, s->text) : 0;

		if (r < 0 && !result)
			result = err_set(e, -r, "write %s \"%s\"", s->path, s->text);
	}
	return result;
}

static long long number_in(const struct cgroup_update *u, const char *file)
{
	char path[CGROUP_PATH_MAX + 256], text[64];

	snprintf(path, sizeof(path), "%s/%s", u->folder, file);
	return file_read_at(AT_FDCWD, path, text, sizeof(text)) < 0 ? 0 : strtoll(text, NULL, 10);
}

/* When the kernel takes a write: first what makes room for others, last what may kill. */
static int rank(const struct cgroup_write *w, long long burst_now)
{
	/* an idle group takes no weight, and no burst may be above the quota */
	if (!strcmp(w->file, "cpu.idle") && !strcmp(w->value, "0"))
		return 0;
	if (!strcmp(w->file, "cpu.max.burst") && strtoll(w->value, NULL, 10) < burst_now)
		return 0;
	return strcmp(w->file, "memory.max") ? 1 : 2;
}

static int put_in_order(struct cgroup_spec *s, const struct cgroup_update *u, struct arena *a,
			struct err *e)
{
	struct cgroup_write *sorted = arena_array(a, s->write_count + 1, sizeof(*sorted));
	long long burst_now = number_in(u, "cpu.max.burst");
	size_t count = 0;

	if (!sorted)
		return err_set(e, ENOMEM, "limits");
	for (int want = 0; want <= 2; want++)
		for (size_t i = 0; i < s->write_count; i++)
			if (rank(&s->writes[i], burst_now) == want)
				sorted[count++] = s->writes[i];
	s->writes = sorted;
	return 0;
}

static int run_plan(const struct plan *p, const struct cgroup_watch *watch, struct err *e)
{
	struct run run;
	int r;

	run_init(&run, p);
	if (watch) {
		run.report = watch->report;
		run.user = watch->user;
		run.fault_step = watch->fault_step;
		run.fault_error = watch->fault_error;
	}
	r = run_walk(&run, e);
	run_close(&run);
	return r;
}

/* A controller that no limit needed so far has no files in the cgroup yet. */
static int enable_controllers(const struct cgroup_spec *s, const struct host *h,
			      const char *folder, const struct cgroup_watch *watch,
			      struct arena *a, struct err *e)
{
	uint32_t needed = cgroup_controllers_needed(s);
	_cleanup_fd_ int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int have = fd < 0 ? -errno : cgroup_read_controllers(fd, "cgroup.controllers");
	struct plan plan;

	if (have >= 0 && !(needed & ~(uint32_t)have))
		return 0;
	plan_init(&plan, a);
	plan_scope(&plan, "", s->path);
	plan_add(&plan, SIDE_HOST, op_cgroup_make, op_cgroup_make_args,
		 .mount = arena_strdup(a, h->cgroup_mount), .path = folder, .needed = needed);
	have = plan_check(&plan, e);
	return have < 0 ? have : run_plan(&plan, watch, e);
}

int cgroup_update_apply(const struct cgroup_spec *spec, const struct host *h,
			const struct cgroup_watch *watch, struct arena *a,
			struct cgroup_update *ret, struct err *e)
{
	struct cgroup_spec s = *spec;
	struct cgroup_update u = { .folder = arena_printf(a, "%s%s", h->cgroup_mount, s.path) };
	struct err undo = ERR_INIT;
	struct plan plan;
	int r;

	u.saved = arena_array(a, 2 * s.write_count + 1, sizeof(*u.saved));
	if (!u.folder || !u.saved)
		return err_set(e, ENOMEM, "limits");
	r = put_in_order(&s, &u, a, e);
	if (r >= 0)
		r = enable_controllers(&s, h, u.folder, watch, a, e);
	if (r < 0)
		return r;
	plan_init(&plan, a);
	cgroup_plan_limits(&plan, &s, h);
	r = plan_check(&plan, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s.write_count; i++) {
		save(&u, a, s.writes[i].file, s.writes[i].value);
		save(&u, a, s.writes[i].or_file, s.writes[i].or_value);
	}
	r = run_plan(&plan, watch, e);
	if (r < 0 && cgroup_update_undo(&u, &undo) < 0) {
		e->fix[0] = '\0';
		err_fix(e, "not all limits are back at what they were: %.160s", undo.context[0]);
	}
	if (r >= 0)
		*ret = u;
	return r < 0 ? r : 0;
}
