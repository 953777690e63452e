/*
 * batch-lines.c - from lines of a file, or of standard input, to jobs; and from results to lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "cli/batch.h"

#define BLOCK	       65536
#define LINE_MAX_BYTES JSON_BYTES_LIMIT

static int find_folder(struct batch_lines *l, const char *file, struct err *e)
{
	const char *slash = l->fd == STDIN_FILENO ? NULL : strrchr(file, '/');
	char text[PATH_MAX];

	snprintf(text, sizeof text, "%.*s", slash ? (int)(slash - file + 1) : 1,
		 slash ? file : ".");
	return realpath(text, l->folder) ? 0 : err_set(e, errno, "%s", file);
}

int batch_lines_open(struct batch_lines *l, const char *file, struct err *e)
{
	uint32_t number;
	struct stat st;

	if (strcmp(file, "-") == 0)
		l->fd = STDIN_FILENO;
	else
		l->fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return err_set(e, errno, "cannot open %s", file);
	if (S_ISDIR(st.st_mode))
		return err_set(e, EISDIR, "%s", file);
	l->is_file = S_ISREG(st.st_mode);
	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return err_set(e, EIO, "getrandom");
	snprintf(l->prefix, sizeof l->prefix, "b%08x", number);
	return find_folder(l, file, e);
}

void batch_lines_close(struct batch_lines *l)
{
	if (l->fd > STDIN_FILENO)
		fd_close(&l->fd);
	free(l->data);
	arena_free(&l->arena);
}

/* --- lines ----------------------------------------------------------------------------------- */

/* 1: some bytes more, or the end; -EAGAIN: none yet. */
static int read_more(struct batch_lines *l, struct err *e)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	ssize_t n;

	if (!l->is_file && poll(&p, 1, 0) == 0)
		return -EAGAIN;
	if (l->start > 0) {
		memmove(l->data, l->data + l->start, l->size - l->start);
		l->size -= l->start;
		l->seen -= l->start;
		l->start = 0;
	}
	if (l->room - l->size < BLOCK) {
		size_t room = l->room * 2 + BLOCK;
		char *data = realloc(l->data, room);

		if (!data)
			return err_set(e, ENOMEM, "the jobs");
		l->data = data;
		l->room = room;
	}
	do
		n = read(l->fd, l->data + l->size, BLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : err_set(e, errno, "cannot read the jobs");
	l->size += (size_t)n;
	l->at_end = n == 0;
	return 1;
}

/* What is held of the line goes, up to its end; it only counts as one. */
static void skip(struct batch_lines *l)
{
	l->skipping = true;
	l->start = l->seen = l->size;
}

/* 1: the next line, without its end, which stays where it is until the next call; 0: there is none.
 */
static int next_line(struct batch_lines *l, bool at_once, char **ret, size_t *ret_size,
		     struct err *e)
{
	for (;;) {
		char *line = l->data ? l->data + l->start : NULL;
		char *end = l->size > l->seen ? memchr(l->data + l->seen, '\n', l->size - l->seen)
					      : NULL;
		int n;

		if (end || (l->at_end && (l->size > l->start || l->skipping))) {
			*ret = line;
			*ret_size = end ? (size_t)(end - line) : l->size - l->start;
			l->start += *ret_size + (end != NULL);
			l->seen = l->start;
			l->line++;
			l->too_long = l->skipping || *ret_size > LINE_MAX_BYTES;
			l->skipping = false;
			return 1;
		}
		l->seen = l->size;
		if (l->at_end || (at_once && !l->is_file))
			return 0;
		if (l->skipping || l->size - l->start > LINE_MAX_BYTES)
			skip(l);
		n = read_more(l, e);
		if (n < 0)
			return n;
	}
}

static bool is_blank(const char *line, size_t size)
{
	while (size && (*line == ' ' || *line == '\t' || *line == '\r')) {
		line++;
		size--;
	}
	return size == 0;
}

/* --- jobs ------------------------------------------------------------------------------------ */

static int choose_outputs(const struct batch_request *q, struct batch_job *j, struct err *e)
{
	struct job *job = &j->job;

	if (!q->outputs)
		return 0;
	if (!job->stdio[1])
		job->stdio[1] = arena_printf(&j->arena, "%s/%s.out", q->outputs, job->id);
	if (!job->stdio[2] && !job->merge_stderr)
		job->stdio[2] = arena_printf(&j->arena, "%s/%s.err", q->outputs, job->id);
	return arena_failed(&j->arena) ? err_set(e, ENOMEM, "--outputs") : 0;
}

static int parse_job(struct batch_lines *l, struct batch_job *j, struct err *e)
{
	struct job *job = &j->job;
	char name[32];
	int r;

	snprintf(name, sizeof name, "line %zu", j->line);
	r = json_parse_strict(j->text, j->size, name, &j->document, e);
	if (r == 0)
		r = job_request_read(j->document, name, l->folder, job, &j->arena, e);
	if (r < 0)
		return r;
	if (!job->id)
		job->id = arena_printf(&j->arena, "%s-%zu", l->prefix, j->line);
	job->alone = true;
	r = job_request_settle(&l->request->job, NULL, job, &j->arena, e);
	if (r == 0)
		r = choose_outputs(l->request, j, e);
	return r < 0 ? err_wrap(e, "%s", name) : 0;
}

int batch_lines_next(void *user, bool over, struct batch_job **ret, struct err *e)
{
	struct batch_lines *l = user;
	struct batch_job *j;
	char *line = NULL;
	size_t size = 0;
	int n;

	do
		n = next_line(l, over, &line, &size, e);
	while (n > 0 && !l->too_long && is_blank(line, size));
	if (n <= 0)
		return n;
	j = batch_job_new(l->line, line, l->too_long ? 0 : size);
	if (!j)
		return err_set(e, ENOMEM, "line %zu", l->line);
	if (l->too_long)
		err_say(&j->refused, E2BIG, "line %zu: is longer than %u bytes", l->line,
			LINE_MAX_BYTES);
	*ret = j;
	return 1;
}

void batch_lines_read(void *user, struct batch_job *j)
{
	parse_job(user, j, &j->refused);
}

/* --- results --------------------------------------------------------------------------------- */

/* Where the line is wrong. A value's own words begin with its place, as those of an option do. */
static const char *pointer_of(const struct batch_job *j, char place[ERR_TEXT_MAX])
{
	const struct err *e = &j->refused;

	if (e->where[0] == '/' || !j->document)
		return e->where;
	for (int i = 0; i < e->contexts; i++) {
		const char *text = strchr(e->context[i], '/');

		/* Behind what err_say() marks its words with. */
		if (!text || text > e->context[i] + 1 || (text > e->context[i] && text[-1] >= ' '))
			continue;
		snprintf(place, ERR_TEXT_MAX, "%s", text);
		place[strcspn(place, ":")] = '\0';
		return place;
	}
	return NULL;
}

char *batch_result_line(const struct batch_job *j, const struct job_result *result)
{
	_cleanup_json_ json_t *o = NULL;
	_cleanup_free_ char *text = NULL;
	char place[ERR_TEXT_MAX], *line = NULL;

	if (j->refused.error)
		o = json_pack("{s:i, s:s?, s:s, s:i, s:s?, s:s}", "version", 1, "id", j->job.id,
			      "reason", job_reason_text(result->reason), "status", result->status,
			      "pointer", pointer_of(j, place), "error", result->error);
	else
		o = job_result_json(&j->job, result);
	if (!o)
		return NULL;
	json_object_set_new(o, "line", json_integer((json_int_t)j->line));
	json_object_set_new(o, "tries", json_integer(j->tries));
	text = json_dumps(o, JSON_COMPACT);
	return text && asprintf(&line, "%s\n", text) >= 0 ? line : NULL;
}
