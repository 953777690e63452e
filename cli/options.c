/*
 * options.c - a small table-driven option parser.
 */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"

static const struct option *find_long(const struct option *table, size_t count, const char *name,
				      size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(table[i].name) == len && strncmp(table[i].name, name, len) == 0)
			return &table[i];
	return NULL;
}

static const struct option *find_letter(const struct option *table, size_t count, char letter)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].letter == letter)
			return &table[i];
	return NULL;
}

/* Without a sign. */
static int parse_number(const char *text, int64_t *ret)
{
	return text[0] < '0' || text[0] > '9' ? -EINVAL : integer_parse(text, ret);
}

static int store(const struct option *o, const char *value, struct err *e)
{
	struct option_texts *texts = o->target;

	switch (o->kind) {
	case OPTION_FLAG:
		if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			return err_say(e, EINVAL, "--%s: \"%s\" is neither true nor false", o->name,
				       value);
		*(bool *)o->target = !value || strcmp(value, "true") == 0;
		return 0;
	case OPTION_TEXT:
		*(const char **)o->target = value;
		return 0;
	case OPTION_TEXTS:
		if (texts->count == OPTION_TEXTS_MAX)
			return err_say(e, E2BIG, "--%s: given more than %d times", o->name,
				       OPTION_TEXTS_MAX);
		texts->item[texts->count++] = value;
		return 0;
	case OPTION_NUMBER:
		if (parse_number(value, o->target) < 0)
			return err_say(e, EINVAL, "--%s: \"%s\" is not a number", o->name, value);
		return 0;
	default:
		return err_say(e, ENOTSUP, "--%s: %s", o->name, o->help);
	}
}

static int unknown(struct err *e, const char *text)
{
	err_say(e, EINVAL, "unknown option %s", text);
	return err_fix(e, "see --help");
}

/* One argument that begins with a dash; may take the next one too. Returns how many were used. */
static int parse_one(const struct option *table, size_t count, int left, char **argv, struct err *e)
{
	const char *text = argv[0], *value = NULL;
	const struct option *o;
	bool is_long = text[1] == '-';

	if (is_long) {
		size_t len = strcspn(text + 2, "=");

		o = find_long(table, count, text + 2, len);
		if (text[2 + len] == '=')
			value = text + 3 + len;
	} else {
		o = find_letter(table, count, text[1]);
		if (o && text[2] && o->kind != OPTION_FLAG)
			value = text + 2 + (text[2] == '=');
		else if (text[2])
			o = NULL;
	}
	if (!o)
		return unknown(e, text);
	if (o->kind == OPTION_FLAG || o->kind == OPTION_REFUSED || value)
		return store(o, value, e) < 0 ? -e->error : 1;
	if (left < 2)
		return err_say(e, EINVAL, "--%s needs a value (%s)", o->name, o->value);
	return store(o, argv[1], e) < 0 ? -e->error : 2;
}

/* -it: several letters that take no value. */
static int parse_cluster(const struct option *table, size_t count, const char *text)
{
	for (const char *c = text + 1; *c; c++) {
		const struct option *o = find_letter(table, count, *c);

		if (!o || o->kind != OPTION_FLAG)
			return 0;
	}
	for (const char *c = text + 1; *c; c++)
		*(bool *)find_letter(table, count, *c)->target = true;
	return 1;
}

int options_parse(const struct option *table, size_t count, int argc, char **argv, bool *ret_help,
		  struct err *e)
{
	int i = 1;

	*ret_help = false;
	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		int used;

		if (strcmp(argv[i], "--") == 0)
			return i + 1;
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			*ret_help = true;
			return i;
		}
		used = argv[i][1] != '-' && argv[i][2] ? parse_cluster(table, count, argv[i]) : 0;
		if (used == 0)
			used = parse_one(table, count, argc - i, argv + i, e);
		if (used < 0)
			return used;
		i += used;
	}
	return i;
}

void options_print(const struct option *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct option *o = &table[i];
		char left[64];

		if (o->kind == OPTION_REFUSED)
			continue;
		snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : " ",
			 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			 o->value ? " " : "", o->value ? o->value : "");
		printf("  %-30s %s\n", left, o->help);
	}
}
