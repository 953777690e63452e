/*
 * job_lists.c - what a job may have many of: files put into its root, inputs, patterns of what is
 * collected.
 */
#include <errno.h>
#include <string.h>

#include "supervisor/job.h"

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && (path[n] == '/' || !path[n]);
}

/* Absolute, without "." and "..", and not where the kernel's own file systems are. */
static int check_path(const char *where, const char *path, struct err *e)
{
	bool plain = path[0] == '/' && path[1];

	for (const char *p = path; plain && *p;) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		plain = !(n <= 2 && n > 0 && strncmp(p, "..", n) == 0);
		p += n;
	}
	if (!plain)
		return err_say(e, EINVAL, "%s: \"%.64s\" is no absolute path in the job", where,
			       path);
	if (is_below(path, "/proc") || is_below(path, "/sys") || is_below(path, "/dev"))
		return err_say(e, EINVAL, "%s: nothing is put into %.64s", where, path);
	return 0;
}

static int full(const char *where, struct err *e)
{
	return err_say(e, E2BIG, "%s: more than %d of them", where, JOB_LIST_MAX);
}

int job_add_file_parts(struct job *job, const char *where, const struct job_file *f, struct err *e)
{
	if (job->file_count == JOB_LIST_MAX)
		return full(where, e);
	if (!f->path || !f->data)
		return err_set(e, ENOMEM, "%s", where);
	if (check_path(where, f->path, e) < 0)
		return -e->error;
	job->file[job->file_count++] = *f;
	return 0;
}

int job_add_file(struct job *job, const char *where, const char *text, struct arena *a,
		 struct err *e)
{
	const char *equals = strchr(text, '=');

	if (!equals)
		return err_say(e, EINVAL, "%s: \"%.64s\" is not PATH=TEXT", where, text);
	return job_add_file_parts(
		job, where,
		&(struct job_file){ arena_strndup(a, text, (size_t)(equals - text)), equals + 1,
				    strlen(equals + 1), 0644 },
		e);
}

int job_add_input_parts(struct job *job, const char *where, struct job_input i, struct err *e)
{
	if (job->input_count == JOB_LIST_MAX)
		return full(where, e);
	if (!i.source || !i.path)
		return err_set(e, ENOMEM, "%s", where);
	if (!i.source[0])
		return err_say(e, EINVAL, "%s: the source is empty", where);
	if (check_path(where, i.path, e) < 0)
		return -e->error;
	job->input[job->input_count++] = i;
	return 0;
}

int job_add_input(struct job *job, const char *where, const char *text, struct arena *a,
		  struct err *e)
{
	const char *colon = strrchr(text, ':');

	if (!colon)
		return err_say(e, EINVAL, "%s: \"%.64s\" is not SOURCE:PATH", where, text);
	return job_add_input_parts(
		job, where,
		(struct job_input){ .source = arena_strndup(a, text, (size_t)(colon - text)),
				    .path = colon + 1 }, e);
}

int job_add_pattern(struct job *job, const char *where, const char *text, struct err *e)
{
	if (job->collect_count == JOB_LIST_MAX)
		return full(where, e);
	if (!text)
		return err_set(e, ENOMEM, "%s", where);
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n <= 2 && strncmp(p, "..", n) == 0))
			return err_say(e, EINVAL,
				       "%s: \"%.64s\" is no pattern of a path below the workspace",
				       where, text);
		p += n + (p[n] == '/');
	}
	if (!*text || text[strlen(text) - 1] == '/')
		return err_say(e, EINVAL, "%s: is no pattern of a file", where);
	job->collect[job->collect_count++] = text;
	return 0;
}
