/*
 * check_spec.c - every problem that the parsers see in a config.json.
 *
 * A parser stops at the first error and says where it is. So the value there is taken out of a
 * copy, or replaced by one that is fine, and the copy is parsed again, until nothing is left. An
 * error that only follows from what was taken out is not told.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "runtime/check_internal.h"

#define ROUNDS_MAX 200
#define CHECK_ID   "check" /* no container has it: the state root is not looked at */

/* What stands in for a value that must be there. */
static const char donor_text[] =
	"{\"ociVersion\": \"1.0.0\", \"root\": {\"path\": \".\"},"
	"\"process\": {\"args\": [\"/\"], \"cwd\": \"/\", \"user\": {\"uid\": 0, \"gid\": 0}},"
	"\"linux\": {\"namespaces\": [{\"type\": \"mount\"}],"
	"  \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}],"
	"  \"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}]}}";

struct repair {
	struct check *c;
	json_t *donor;
	char bundle[PATH_MAX];
	char last[JSON_POINTER_MAX]; /* what was repaired, as the file has it */
	bool lent;		     /* by a value of the donor's */
};

/* The next key of a pointer, unescaped; NULL at the end. */
static const char *next_key(const char *pointer, char key[JSON_POINTER_MAX])
{
	size_t n = 0;

	if (*pointer != '/')
		return NULL;
	for (pointer++; *pointer && *pointer != '/'; pointer++) {
		if (pointer[0] == '~' && (pointer[1] == '0' || pointer[1] == '1'))
			key[n++] = *++pointer == '0' ? '~' : '/';
		else
			key[n++] = *pointer;
	}
	key[n] = '\0';
	return pointer;
}

static json_t *find(json_t *o, const char *pointer)
{
	char key[JSON_POINTER_MAX];

	while (o && *pointer) {
		pointer = next_key(pointer, key);
		if (!pointer)
			return NULL;
		o = json_is_array(o) ? json_array_get(o, strtoul(key, NULL, 10))
				     : json_object_get(o, key);
	}
	return o;
}

/* "/a/b" of "/a/b/c". */
static struct json_at parent_of(const char *pointer)
{
	struct json_at at;
	const char *slash = strrchr(pointer, '/');

	snprintf(at.text, sizeof at.text, "%.*s", slash ? (int)(slash - pointer) : 0, pointer);
	return at;
}

/* The element of the file that is now number `index` of that array. */
static size_t index_in_file(const struct mended *m, const char *array, size_t index)
{
	for (size_t file = 0;; file++) {
		char element[JSON_POINTER_MAX + 24];
		bool out = false;

		snprintf(element, sizeof element, "%s/%zu", array, file);
		for (size_t i = 0; i < m->count && !out; i++)
			out = m->removed[i] && strcmp(m->place[i], element) == 0;
		if (!out && index-- == 0)
			return file;
	}
}

struct json_at check_in_file(const struct mended *m, const char *pointer)
{
	struct json_at at = JSON_AT_ROOT;
	const json_t *o = m->config;
	char key[JSON_POINTER_MAX];

	if (m->count == 0 || pointer[0] != '/') {
		snprintf(at.text, sizeof at.text, "%s", pointer);
		return at;
	}
	while ((pointer = next_key(pointer, key))) {
		if (json_is_array(o)) {
			size_t index = strtoul(key, NULL, 10);

			at = json_at_index(&at, index_in_file(m, at.text, index));
			o = json_array_get(o, index);
		} else {
			at = json_at_key(&at, key);
			o = json_object_get(o, key);
		}
	}
	return at;
}

/* An error may follow from a neighbour: "needs /memory/limit", when that was wrong. */
bool check_follows(const struct mended *m, const char *where, const char *says)
{
	struct json_at up = parent_of(where);
	size_t len = strlen(up.text);

	for (size_t i = 0; i < m->count; i++) {
		char key[JSON_POINTER_MAX];

		if (strncmp(m->place[i], up.text, len) == 0 && next_key(m->place[i] + len, key) &&
		    strlen(key) > 3 && strstr(says, key))
			return true;
	}
	return false;
}

void check_mended_free(struct mended *m)
{
	json_decref(m->config);
	for (size_t i = 0; i < m->count; i++)
		free(m->place[i]);
}

/* Does an error at `where` only follow from the last repair? */
static bool follows(const struct repair *r, const char *where)
{
	size_t len = strlen(where);

	return r->last[0] && strncmp(r->last, where, len) == 0 &&
	       (r->last[len] == '\0' || r->last[len] == '/');
}

/* A namespace that was meant is not known any more: all are there, so that nothing misses one. */
static void assume_namespaces(struct repair *r)
{
	json_t *linux_object = json_object_get(r->c->mended.config, "linux"), *o;
	json_t *array = json_object_get(linux_object, "namespaces");
	size_t i;

	r->c->assumed = true;
	for (int kind = 0; json_is_array(array) && kind < NS_KINDS; kind++) {
		const char *name = ns_kind_info[kind].json;
		bool there = kind == NS_USER && !json_object_get(linux_object, "uidMappings");

		json_array_foreach(array, i, o) there =
			there ||
			strcmp(json_string_value(json_object_get(o, "type")) ?: "", name) == 0;
		if (!there)
			json_array_append_new(array, json_pack("{s:s}", "type", name));
	}
}

static bool note(struct mended *m, const char *place, bool removed)
{
	if (m->count == CHECK_MENDED_MAX || !(m->place[m->count] = strdup(place)))
		return false;
	m->removed[m->count++] = removed;
	return true;
}

static bool take_out(struct repair *r, const char *pointer)
{
	struct mended *m = &r->c->mended;
	struct json_at up = parent_of(pointer), file = check_in_file(m, pointer);
	json_t *parent = find(m->config, up.text);
	char key[JSON_POINTER_MAX];

	next_key(pointer + strlen(up.text), key);
	if (!parent || !note(m, file.text, json_is_array(parent)))
		return false;
	return json_is_array(parent) ? json_array_remove(parent, strtoul(key, NULL, 10)) == 0
				     : json_object_del(parent, key) == 0;
}

/* Elements of arrays have no stand-in: another one of them is none. */
static bool put_in(struct repair *r, const char *pointer)
{
	struct json_at up = parent_of(pointer);
	json_t *parent = r->c->mended.config, *value = find(r->donor, pointer);
	const char *rest = pointer;
	char key[JSON_POINTER_MAX];

	while ((rest = next_key(rest, key)) && *rest && json_is_object(parent))
		parent = json_object_get(parent, key);
	return value && json_is_object(parent) && find(r->c->mended.config, up.text) == parent &&
	       json_object_set_new(parent, key, json_deep_copy(value)) == 0;
}

/* What the rest of the configuration means is known a little less. */
static void note_loss(struct repair *r, const char *pointer)
{
	if (strncmp(pointer, "/linux/namespaces", 17) == 0 || strcmp(pointer, "/linux") == 0)
		assume_namespaces(r);
	if (strstr(pointer, "Mappings"))
		r->c->assumed = true;
	if (strncmp(pointer, "/root", 5) == 0)
		r->c->no_root = true;
	if (strncmp(pointer, "/mounts/", 8) == 0 && !strchr(pointer + 8, '/'))
		r->c->assumed = true; /* what needs it there is not to blame */
}

/* Makes the error at `pointer` go away: without the value, with another one, or without what holds
 * it. False: there is no way. */
static bool mend(struct repair *r, const char *pointer)
{
	struct json_at at, file = check_in_file(&r->c->mended, pointer);
	bool again = strcmp(file.text, r->last) == 0, done = false, lent = false;

	snprintf(at.text, sizeof at.text, "%s", pointer);
	if (!again)
		done = find(r->c->mended.config, pointer) && take_out(r, pointer);
	if (!done && !(again && r->lent))
		done = lent = put_in(r, pointer);
	while (!done) {
		at = parent_of(at.text);
		file = parent_of(file.text);
		if (!at.text[0])
			return false;
		done = take_out(r, at.text);
	}
	r->lent = lent;
	snprintf(r->last, sizeof r->last, "%s", file.text);
	note_loss(r, at.text);
	return true;
}

/* A namespace without its type or path would be another one. */
static struct json_at whole(const char *pointer)
{
	static const char array[] = "/linux/namespaces/";
	struct json_at at;

	snprintf(at.text, sizeof at.text, "%s", pointer);
	if (strncmp(pointer, array, sizeof array - 1) == 0)
		at.text[sizeof array - 1 + strcspn(pointer + sizeof array - 1, "/")] = '\0';
	return at;
}

static int parse_once(struct repair *r, bool with_limits, struct err *e)
{
	struct check *c = r->c;
	int error;

	spec_free(&c->spec);
	arena_free(&c->arena);
	c->arena = (struct arena)ARENA_INIT;
	error = spec_parse(json_incref(r->c->mended.config), r->bundle, CHECK_ID, &c->arena,
			   &c->spec, e);
	if (error == 0 && with_limits)
		error = c->settle(&c->spec, CHECK_ID, c->h, &c->arena, e);
	if (error == 0 && with_limits)
		error = cgroup_check(&c->spec.cgroup, c->h, e);
	return error;
}

/* All problems of one kind; true: what is left of the configuration parses. */
static bool find_all(struct repair *r, bool with_limits)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		struct err e = ERR_INIT;
		struct json_at where;

		if (parse_once(r, with_limits, &e) == 0)
			return true;
		where = check_in_file(&r->c->mended, e.where);
		if (e.where[0] != '/' || !e.where[1]) {
			check_err(r->c, CHECK_ERROR, NULL, &e);
			return false;
		}
		if (!follows(r, where.text) &&
		    !check_follows(&r->c->mended, where.text, e.context[0]))
			check_err(r->c, CHECK_ERROR, where.text, &e);
		where = whole(e.where);
		if (!mend(r, where.text))
			return false;
	}
	return false;
}

bool check_spec(struct check *c, const char *bundle, const char *file)
{
	struct repair r = { .c = c };
	struct err e = ERR_INIT;
	bool parsed = false;

	r.donor = json_loads(donor_text, 0, NULL);
	if (spec_read(bundle, file, r.bundle, &c->mended.config, &e) < 0) {
		check_err(c, CHECK_ERROR, e.where, &e);
	} else if (find_all(&r, false)) {
		parsed = find_all(&r, true);
		/* Without the limits that cannot be, for what comes after. */
		if (!parsed)
			parsed = parse_once(&r, false, &e) == 0;
	}
	json_decref(r.donor);
	return parsed;
}
