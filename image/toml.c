/*
 * toml.c - the parser: one pass, one line at a time but for arrays.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/toml.h"

struct toml {
	const char *at, *end;
	size_t line;
	int depth;
	struct err *e;
};

static int bad(struct toml *t, const char *why)
{
	return err_say(t->e, EINVAL, "line %zu: %s", t->line, why);
}

static void skip_blank(struct toml *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
	if (t->at < t->end && *t->at == '#')
		while (t->at < t->end && *t->at != '\n')
			t->at++;
}

static bool take(struct toml *t, char c)
{
	if (t->at >= t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

static bool take_newline(struct toml *t)
{
	const char *at = t->at;

	if (at < t->end && *at == '\r')
		at++;
	if (at >= t->end || *at != '\n')
		return false;
	t->at = at + 1;
	t->line++;
	return true;
}

static void skip_lines(struct toml *t)
{
	do
		skip_blank(t);
	while (take_newline(t));
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int escape(struct toml *t, char *to)
{
	static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
	const char *which = t->at < t->end && *t->at ? strchr(names, *t->at) : NULL;

	if (which == NULL)
		return bad(t, "an escape other than \\b \\t \\n \\f \\r \\\" \\\\");
	t->at++;
	*to = values[which - names];
	return 0;
}

/* "basic" or 'literal', into malloc'd text. */
static int read_text(struct toml *t, char **ret)
{
	char quote = *t->at++;
	_cleanup_free_ char *text = malloc(t->end - t->at + 1);
	size_t n = 0;
	int error = 0;

	if (text == NULL)
		return err_set(t->e, ENOMEM, "no memory for a string");
	if (t->end - t->at >= 2 && t->at[0] == quote && t->at[1] == quote)
		return bad(t, "strings over several lines are not supported");
	while (!error) {
		if (t->at >= t->end || *t->at == '\n')
			return bad(t, "a string does not end");
		if (take(t, quote))
			break;
		if ((unsigned char)*t->at < ' ' && *t->at != '\t')
			return bad(t, "a control character");
		if (quote == '"' && take(t, '\\'))
			error = escape(t, &text[n++]);
		else
			text[n++] = *t->at++;
	}
	if (error)
		return error;
	text[n] = '\0';
	*ret = text;
	text = NULL;
	return 0;
}

static int read_key(struct toml *t, char **ret)
{
	const char *from = t->at;

	if (t->at < t->end && (*t->at == '"' || *t->at == '\''))
		return read_text(t, ret);
	while (t->at < t->end && is_bare(*t->at))
		t->at++;
	if (t->at == from)
		return bad(t, "a key is missing");
	*ret = strndup(from, t->at - from);
	return *ret ? 0 : err_set(t->e, ENOMEM, "no memory for a key");
}

static int read_value(struct toml *t, json_t **ret);

static int read_array(struct toml *t, json_t **ret)
{
	_cleanup_json_ json_t *array = json_array();
	json_t *value;
	int error;

	if (++t->depth > TOML_DEPTH_MAX)
		return bad(t, "arrays in arrays too deep");
	for (;;) {
		value = NULL;
		skip_lines(t);
		if (take(t, ']'))
			break;
		error = read_value(t, &value);
		if (error)
			return error;
		if (json_array_append_new(array, value) < 0)
			return err_set(t->e, ENOMEM, "no memory for an array");
		skip_lines(t);
		if (take(t, ','))
			continue;
		if (!take(t, ']'))
			return bad(t, "an array wants , or ]");
		break;
	}
	t->depth--;
	*ret = json_incref(array);
	return 0;
}

static int read_number(struct toml *t, json_t **ret)
{
	json_int_t n = 0;
	const char *from = t->at;

	for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *t->at - '0', &n))
			return bad(t, "too large a number");
	if (t->at == from)
		return bad(t, "a value must be a string, a number, true, false or an array");
	*ret = json_integer(n);
	return *ret ? 0 : err_set(t->e, ENOMEM, "no memory for a number");
}

static bool take_word(struct toml *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0)
		return false;
	t->at += n;
	return true;
}

static int read_value(struct toml *t, json_t **ret)
{
	_cleanup_free_ char *text = NULL;
	int error;

	if (t->at < t->end && (*t->at == '"' || *t->at == '\'')) {
		error = read_text(t, &text);
		if (error)
			return error;
		*ret = json_string(text);
		return *ret ? 0 : bad(t, "a string is not UTF-8");
	}
	if (take(t, '['))
		return read_array(t, ret);
	*ret = NULL;
	if (take_word(t, "true"))
		*ret = json_true();
	else if (take_word(t, "false"))
		*ret = json_false();
	else
		return read_number(t, ret);
	return 0;
}

/* Follows a dotted key to its last part; the tables on the way are made. */
static int walk_key(struct toml *t, json_t *table, json_t **ret_table, char **ret_key)
{
	int depth;

	for (depth = 0;; depth++) {
		_cleanup_free_ char *key = NULL;
		json_t *next;
		int error;

		skip_blank(t);
		error = read_key(t, &key);
		if (error)
			return error;
		skip_blank(t);
		if (!take(t, '.')) {
			*ret_table = table;
			*ret_key = key;
			key = NULL;
			return 0;
		}
		if (depth == TOML_DEPTH_MAX)
			return bad(t, "tables in tables too deep");
		next = json_object_get(table, key);
		if (next == NULL) {
			next = json_object();
			if (json_object_set_new(table, key, next) < 0)
				return bad(t, "a key is not UTF-8");
		}
		if (!json_is_object(next))
			return bad(t, "a key is a table and a value at once");
		table = next;
	}
}

static int read_header(struct toml *t, json_t *root, json_t *seen, json_t **ret)
{
	_cleanup_free_ char *key = NULL;
	json_t *parent = NULL, *table;
	int error;
	char id[32];

	if (t->at < t->end && *t->at == '[')
		return bad(t, "arrays of tables are not supported");
	error = walk_key(t, root, &parent, &key);
	if (error)
		return error;
	if (!take(t, ']'))
		return bad(t, "a table's name wants ]");
	table = json_object_get(parent, key);
	if (table == NULL) {
		table = json_object();
		if (json_object_set_new(parent, key, table) < 0)
			return bad(t, "a key is not UTF-8");
	}
	if (!json_is_object(table))
		return bad(t, "a key is a table and a value at once");
	snprintf(id, sizeof(id), "%p", (void *)table);
	if (json_object_get(seen, id))
		return bad(t, "a table is given twice");
	json_object_set_new(seen, id, json_true());
	*ret = table;
	return 0;
}

static int read_pair(struct toml *t, json_t *table)
{
	_cleanup_free_ char *key = NULL;
	_cleanup_json_ json_t *value = NULL;
	json_t *parent = NULL;
	int error = walk_key(t, table, &parent, &key);

	if (error)
		return error;
	if (!take(t, '='))
		return bad(t, "a key wants =");
	skip_blank(t);
	error = read_value(t, &value);
	if (error)
		return error;
	if (json_object_get(parent, key))
		return bad(t, "a key is given twice");
	return json_object_set(parent, key, value) < 0 ? bad(t, "a key is not UTF-8") : 0;
}

int toml_parse(const char *text, size_t size, json_t **ret, struct err *e)
{
	struct toml t = { .at = text, .end = text + size, .line = 1, .e = e };
	_cleanup_json_ json_t *root = json_object(), *seen = json_object();
	json_t *table = root;
	int error = 0;

	if (root == NULL || seen == NULL)
		return err_set(e, ENOMEM, "no memory for a table");
	if (size > TOML_BYTES_MAX)
		return err_say(e, EFBIG, "more than %u bytes", TOML_BYTES_MAX);
	if (memchr(text, '\0', size))
		return bad(&t, "a NUL byte");
	for (skip_lines(&t); !error && t.at < t.end; skip_lines(&t)) {
		error = take(&t, '[') ? read_header(&t, root, seen, &table) : read_pair(&t, table);
		skip_blank(&t);
		if (!error && t.at < t.end && !take_newline(&t))
			error = bad(&t, "more than one thing on a line");
	}
	if (error)
		return error;
	*ret = json_incref(root);
	return 0;
}
