/*
 * image-template.c - --format of `kist image ls` and `inspect`: what most people write of Go's
 * templates.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/json.h"
#include "cli/image-cli.h"

static int unknown(const char *action, int len, struct err *e)
{
	err_say(e, EINVAL, "--format: {{%.*s}} is not known", len > 100 ? 100 : len, action);
	return err_fix(e, "text, {{.Name}}, {{.Name.Name}} and {{json .Name}} are; jq takes what "
			  "--json prints further");
}

/* What `path`, like ".config.Env" or ".", leads to. */
static int walk(const json_t *object, const char *path, size_t len, const json_t **ret,
		struct err *e)
{
	const char *end = path + len;
	char name[128], known[256] = "";
	struct buf names = BUF_ON(known);
	const char *key;
	json_t *value;

	while (path < end && path + 1 < end) {
		size_t n = strcspn(++path, ".}");

		n = n > (size_t)(end - path) ? (size_t)(end - path) : n;
		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		value = json_object_get(object, name);
		if (value == NULL) {
			buf_reset(&names);
			json_object_foreach((json_t *)object, key, value)
				buf_addf(&names, "%s.%.40s", names.len ? ", " : "", key);
			err_say(e, EINVAL, "--format: there is no .%s", name);
			return known[0] ? err_fix(e, "there are %s", known) : -EINVAL;
		}
		object = value;
		path += n;
	}
	*ret = object;
	return 0;
}

static int put_value(const json_t *value, bool as_json, FILE *out, struct err *e)
{
	char line[8192];
	struct buf clean = BUF_ON(line);
	char *text;

	if (!as_json && json_is_string(value)) {
		/* An image's text is hostile; as JSON it is exact. */
		buf_reset(&clean);
		buf_add_clean(&clean, json_string_value(value));
		if (out)
			fputs(line, out);
		return 0;
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for --format");
	if (out)
		fputs(text, out);
	free(text);
	return 0;
}

static int put_action(const char *action, size_t len, const json_t *object, FILE *out,
		      struct err *e)
{
	const char *word = action;
	size_t left = len;
	const json_t *value;
	bool as_json;
	int error;

	for (; left && *word == ' '; left--)
		word++;
	for (; left && word[left - 1] == ' '; left--)
		;
	as_json = left > 5 && strncmp(word, "json ", 5) == 0;
	if (as_json) {
		size_t skip = 4 + strspn(word + 4, " ");

		word += skip < left ? skip : left;
		left -= skip < left ? skip : left;
	}
	if (left == 0 || *word != '.' || memchr(word, ' ', left) || memchr(word, '|', left))
		return unknown(action, (int)len, e);
	error = walk(object, word, left, &value, e);
	return error ? error : put_value(value, as_json, out, e);
}

static void put_text(const char *text, size_t len, FILE *out)
{
	size_t i;

	for (i = 0; out && i < len; i++) {
		if (text[i] == '\\' && i + 1 < len && (text[i + 1] == 't' || text[i + 1] == 'n'))
			fputc(text[++i] == 't' ? '\t' : '\n', out);
		else
			fputc(text[i], out);
	}
}

int image_cli_template(const char *format, const json_t *object, FILE *out, struct err *e)
{
	if (strcmp(format, "json") == 0)
		format = "{{json .}}";
	if (strncmp(format, "table ", 6) == 0) {
		err_say(e, EINVAL, "--format: \"table\" is not known");
		return err_fix(e, "leave --format out for a table");
	}
	for (;;) {
		const char *open = strstr(format, "{{"), *close;
		int error;

		put_text(format, open ? (size_t)(open - format) : strlen(format), out);
		if (open == NULL)
			break;
		close = strstr(open, "}}");
		if (close == NULL)
			return unknown(open + 2, (int)strlen(open + 2), e);
		error = put_action(open + 2, close - open - 2, object, out, e);
		if (error)
			return error;
		format = close + 2;
	}
	if (out)
		fputc('\n', out);
	return 0;
}
