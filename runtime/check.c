/*
 * check.c - check_bundle(): the parts in their order, and the list of what they find.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "runtime/check_internal.h"

static const char *const level_names[] = { [CHECK_ERROR] = "error", [CHECK_WARNING] = "warning" };

static void add(struct check *c, enum check_level level, const char *where, const char *what,
		const char *fix)
{
	const json_t *o;
	size_t i;

	json_array_foreach(
		c->problems, i,
		o) if (strcmp(json_string_value(json_object_get(o, "where")), where) == 0 &&
		       strcmp(json_string_value(json_object_get(o, "what")), what) == 0) return;
	json_array_append_new(c->problems,
			      json_pack("{s:s, s:s, s:s, s:s}", "level", level_names[level],
					"where", where, "what", what, "fix", fix ? fix : ""));
}

void check_say(struct check *c, enum check_level level, const char *where, const char *fix,
	       const char *fmt, ...)
{
	char text[1024];
	struct err e = ERR_INIT;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* Names of the bundle may hold control characters, and what is no UTF-8. */
	err_say(&e, 1, "%s", text);
	err_format(&e, text, sizeof text);
	add(c, level, check_in_file(&c->mended, where).text, text, fix);
}

void check_err(struct check *c, enum check_level level, const char *where, const struct err *e)
{
	struct err copy = *e;
	char text[1024];

	copy.where[0] = '\0';
	err_format(&copy, text, sizeof text);
	add(c, level, where ? where : check_in_file(&c->mended, e->where).text, text, e->fix);
}

/* "/pointer: what", from spec_warn(). */
static void take_warning(void *user, bool usual, const char *text)
{
	struct check *c = user;
	const char *colon = strstr(text, ": ");
	char where[JSON_POINTER_MAX];

	(void)usual;
	if (!colon || text[0] != '/' || colon - text >= JSON_POINTER_MAX) {
		add(c, CHECK_WARNING, "", text, NULL);
		return;
	}
	snprintf(where, sizeof where, "%.*s", (int)(colon - text), text);
	if (!check_follows(&c->mended, check_in_file(&c->mended, where).text, colon + 2))
		add(c, CHECK_WARNING, check_in_file(&c->mended, where).text, colon + 2, NULL);
}

bool check_failed(const json_t *problems)
{
	size_t i;
	const json_t *o;

	json_array_foreach(problems, i,
			   o) if (strcmp(json_string_value(json_object_get(o, "level")), "error") ==
				  0) return true;
	return false;
}

json_t *check_bundle(const char *bundle, const char *file, const struct host *h, check_settle *settle)
{
	struct check c = { .problems = json_array(),
			   .h = h,
			   .arena = ARENA_INIT,
			   .root = -EBADF,
			   .settle = settle };

	if (!c.problems)
		return NULL;
	if (check_spec(&c, bundle, file)) {
		check_root(&c);
		check_mounts(&c);
		check_program(&c);
		check_host(&c);
		spec_warn(&c.spec, take_warning, &c);
		spec_free(&c.spec);
	}
	check_mended_free(&c.mended);
	fd_close(&c.root);
	arena_free(&c.arena);
	return c.problems;
}
