/*
 * job_file.c - a job as a JSON file: docs/job.schema.json, and nothing else.
 *
 * A key that is not known is a refusal: what was misspelt would be a limit that
 * is not there.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "supervisor/job.h"

#define VERSION	  1
#define ITEMS_MAX 4096 /* of any list */
#define VALUE_MAX 64   /* of a number as text */

struct reader {
	struct arena *arena;
	const char *folder;
	struct job *job;
};

static const char *const top_keys[] = { "version", "id",     "image",	       "folder", "command",
					"env",	   "limits", "allow_degraded", NULL };

static bool is_in(const char *const *list, const char *key)
{
	for (; *list; list++)
		if (strcmp(*list, key) == 0)
			return true;
	return false;
}

static const struct job_setting *find_setting(const char *section, const char *key)
{
	for (size_t i = 0; i < job_setting_count; i++) {
		const struct job_setting *s = &job_settings[i];

		if (strcmp(s->key, key) == 0 &&
		    (section ? s->section && strcmp(s->section, section) == 0 : !s->section))
			return s;
	}
	return NULL;
}

static int unknown_key(const struct json_at *at, const char *key, struct err *e)
{
	struct json_at here = json_at_key(at, key);

	json_bad(e, &here, "is no key of a job file");
	return err_fix(e, "docs/job.schema.json has those that are");
}

/* Numbers are taken as their text, so that a file and an option mean the same. */
static int value_text(const json_t *v, const struct json_at *at, struct arena *a, const char **ret,
		      struct err *e)
{
	char number[VALUE_MAX];

	if (json_is_string(v)) {
		*ret = arena_strdup(a, json_string_value(v));
	} else if (json_is_integer(v)) {
		*ret = arena_printf(a, "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		snprintf(number, sizeof number, "%f", json_real_value(v));
		*ret = arena_strdup(a, number);
	} else {
		return json_bad(e, at, "must be a string or a number");
	}
	return *ret ? 0 : err_set(e, ENOMEM, "%s", at->text);
}

static bool is_host_path(const struct job_setting *s)
{
	return s->offset >= offsetof(struct job, stdio) &&
	       s->offset < offsetof(struct job, stdio) + sizeof((struct job *)0)->stdio;
}

static const char *beside(struct reader *r, const char *path)
{
	return path[0] == '/' ? path : arena_printf(r->arena, "%s/%s", r->folder, path);
}

static int read_setting(struct reader *r, const struct job_setting *s, const json_t *v,
			const struct json_at *parent, struct err *e)
{
	struct json_at at = json_at_key(parent, s->key);
	const char *text = NULL;
	int n = value_text(v, &at, r->arena, &text, e);

	if (n == 0 && is_host_path(s) && *text)
		text = beside(r, text);
	return n < 0 ? n : s->set(r->job, s, at.text, text, e);
}

static int read_limits(struct reader *r, json_t *limits, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "limits");
	const char *key;
	json_t *v;

	json_object_foreach(limits, key, v)
	{
		const struct job_setting *s = find_setting("limits", key);
		int n = s ? read_setting(r, s, v, &at, e) : unknown_key(&at, key, e);

		if (n < 0)
			return n;
	}
	return 0;
}

static int read_top(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	const char *key;
	json_t *v;
	int n = 0;

	json_object_foreach((json_t *)document, key, v)
	{
		const struct job_setting *s = find_setting(NULL, key);

		if (s)
			n = read_setting(r, s, v, &root, e);
		else if (!is_in(top_keys, key))
			n = unknown_key(&root, key, e);
		if (n < 0)
			return n;
	}
	return 0;
}

static int read_source(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, folder = json_at_key(&root, "folder"),
		       image = json_at_key(&root, "image");
	const char *text = NULL;
	int n = json_get_string(document, &root, "image", &text, e), m;

	if (n > 0 && (!*text || *text == '/' || *text == '.'))
		return json_bad(e, &image, "\"%.64s\" is no image's name", text);
	if (n > 0)
		r->job->source = arena_strdup(r->arena, text);
	m = n < 0 ? n : json_get_string(document, &root, "folder", &text, e);
	if (m <= 0)
		return m;
	if (n > 0)
		return json_bad(e, &folder, "cannot be given beside /image");
	if (!*text)
		return json_bad(e, &folder, "must not be empty");
	r->job->source = beside(r, arena_strdup(r->arena, text));
	r->job->is_folder = true;
	return 0;
}

static int read_env(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "env");
	const char **list, *key;
	json_t *env = NULL, *v;
	size_t n = 0;
	int got = json_get_object(document, &root, "env", &env, e);

	if (got <= 0)
		return got;
	if (json_object_size(env) > ITEMS_MAX)
		return json_bad(e, &at, "has more than %d names", ITEMS_MAX);
	list = arena_array(r->arena, json_object_size(env) + 1, sizeof *list);
	json_object_foreach(env, key, v)
	{
		struct json_at here = json_at_key(&at, key);

		if (!*key || strchr(key, '='))
			return json_bad(e, &here, "is no variable's name");
		if (!json_is_string(v))
			return json_bad(e, &here, "must be a string");
		if (list)
			list[n++] = arena_printf(r->arena, "%s=%s", key, json_string_value(v));
	}
	r->job->env = list;
	r->job->env_count = n;
	return 0;
}

static int read_lists(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "allow_degraded");
	char **command = NULL, **waived = NULL;
	int n = json_get_strings(document, &root, "command", r->arena, &command, NULL, e);

	if (n > 0)
		r->job->args = command;
	if (n >= 0)
		n = json_get_strings(document, &root, "allow_degraded", r->arena, &waived, NULL, e);
	for (size_t i = 0; n > 0 && waived[i]; i++) {
		struct json_at here = json_at_index(&at, i);

		if (!*waived[i] || strchr(waived[i], ','))
			return json_bad(e, &here, "must be one name");
		if (job_parse_waived(here.text, waived[i], &r->job->waived, e) < 0)
			return -e->error;
	}
	return n < 0 ? n : 0;
}

static int read_id(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	const char *id = NULL;
	int n = json_get_string(document, &root, "id", &id, e);

	if (n > 0)
		r->job->id = arena_strdup(r->arena, id);
	return n < 0 ? n : 0;
}

int job_file_parse(const json_t *document, const char *folder, struct arena *a, struct job *job,
		   struct err *e)
{
	struct reader r = { .arena = a, .folder = folder, .job = job };
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "version");
	json_t *limits = NULL;
	int64_t version = 0;
	int n;

	if (!json_is_object(document))
		return json_bad(e, &root, "must be an object");
	n = json_get_int(document, &root, "version", INT64_MIN, INT64_MAX, &version, e);
	if (n >= 0)
		n = json_require(n, &root, "version", e);
	if (n >= 0 && version != VERSION)
		n = json_bad(e, &at, "%lld is not known: this kist knows version %d",
			     (long long)version, VERSION);
	if (n >= 0)
		n = read_top(&r, document, e);
	if (n >= 0)
		n = json_get_object(document, &root, "limits", &limits, e);
	if (n > 0)
		n = read_limits(&r, limits, e);
	if (n >= 0)
		n = read_source(&r, document, e);
	if (n >= 0)
		n = read_id(&r, document, e);
	if (n >= 0)
		n = read_env(&r, document, e);
	if (n >= 0)
		n = read_lists(&r, document, e);
	if (n >= 0 && arena_failed(a))
		n = err_set(e, ENOMEM, "the job file");
	return n < 0 ? n : 0;
}
