/*
 * checkpoint_record.c - what kist itself keeps with a checkpoint's images.
 */
#include "runtime/checkpoint.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"

#define RECORD_VERSION 1

bool checkpoint_key_is_plain(const char *key)
{
	bool pipe = strncmp(key, "pipe:[", 6) == 0;
	size_t len = strlen(key), at = pipe ? 6 : 5;
	int colons = 0;

	if ((!pipe && strncmp(key, "file[", 5) != 0) || len <= at + 1 ||
	    len >= CHECKPOINT_KEY_MAX || key[len - 1] != ']')
		return false;
	for (; at < len - 1; at++) {
		if (key[at] == ':' && !pipe && colons++ == 0)
			continue;
		if (pipe ? !isdigit((unsigned char)key[at]) : !isxdigit((unsigned char)key[at]))
			return false;
	}
	return pipe || colons == 1;
}

int checkpoint_record_write(int image, const struct checkpoint_record *r, struct err *e)
{
	json_t *stdio = json_array();
	_cleanup_json_ json_t *record =
		json_pack("{s:i, s:i, s:b, s:o}", "version", RECORD_VERSION, "pid", r->pid,
			  "noNewPrivileges", r->no_new_privs, "stdio", stdio);
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < 3; i++)
		json_array_append_new(stdio,
				      r->stdio[i].key
					      ? json_pack("{s:s, s:i, s:I}", "key", r->stdio[i].key,
							  "mode", (int)r->stdio[i].mode, "size",
							  (json_int_t)r->stdio[i].size)
					      : json_null());
	text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	if (!text)
		return err_set(e, ENOMEM, CHECKPOINT_RECORD);
	return file_replace_at(image, CHECKPOINT_RECORD, text, strlen(text), 0600, false, e);
}

static int read_one(const json_t *item, const struct json_at *at, struct arena *a,
		    struct checkpoint_stdio *ret, struct err *e)
{
	struct json_at key = json_at_key(at, "key");
	const char *text = NULL;
	int64_t mode = 0;
	int r = json_is_object(item)
			? json_require(json_get_string(item, at, "key", &text, e), at, "key", e)
			: json_bad(e, at, "must be null or an object");

	if (r >= 0 && !checkpoint_key_is_plain(text))
		r = json_bad(e, &key, "must be pipe:[N] or file[N:N]");
	if (r >= 0)
		r = json_require(json_get_int(item, at, "mode", 0, 0177777, &mode, e), at, "mode",
				 e);
	if (r >= 0)
		r = json_require(json_get_int(item, at, "size", 0, INT64_MAX, &ret->size, e), at,
				 "size", e);
	if (r < 0)
		return r;
	ret->mode = (unsigned int)mode;
	ret->key = arena_strdup(a, text);
	return ret->key ? 0 : err_set(e, ENOMEM, CHECKPOINT_RECORD);
}

static int read_stdio(const json_t *list, struct arena *a, struct checkpoint_record *r,
		      struct err *e)
{
	struct json_at at = json_at_key(&JSON_AT_ROOT, "stdio");
	int n = json_is_array(list) && json_array_size(list) == 3
			? 0
			: json_bad(e, &at, "must be an array of three");

	for (size_t i = 0; n == 0 && i < 3; i++) {
		const json_t *item = json_array_get(list, i);
		struct json_at here = json_at_index(&at, i);

		if (!json_is_null(item))
			n = read_one(item, &here, a, &r->stdio[i], e);
	}
	return n;
}

int checkpoint_record_read(int image, struct arena *a, struct checkpoint_record *ret, struct err *e)
{
	struct checkpoint_record r = { 0 };
	_cleanup_json_ json_t *record = NULL;
	int64_t number = 0;
	int n = json_read_file(image, CHECKPOINT_RECORD, &record, e);

	if (n == -ENOENT) {
		err_say(e, ENOENT, "there is no checkpoint of kist's: no " CHECKPOINT_RECORD);
		return err_fix(e, "--image-path names the folder that kist checkpoint wrote");
	}
	if (n < 0)
		return n;
	n = json_require(json_get_int(record, &JSON_AT_ROOT, "version", RECORD_VERSION,
				      RECORD_VERSION, &number, e),
			 &JSON_AT_ROOT, "version", e);
	if (n >= 0)
		n = json_require(json_get_int(record, &JSON_AT_ROOT, "pid", 1, INT_MAX, &number, e),
				 &JSON_AT_ROOT, "pid", e);
	if (n >= 0) {
		r.pid = (int)number;
		n = json_require(
			json_get_bool(record, &JSON_AT_ROOT, "noNewPrivileges", &r.no_new_privs, e),
			&JSON_AT_ROOT, "noNewPrivileges", e);
	}
	if (n >= 0)
		n = read_stdio(json_object_get(record, "stdio"), a, &r, e);
	if (n < 0)
		return err_wrap(e, CHECKPOINT_RECORD);
	*ret = r;
	return 0;
}
