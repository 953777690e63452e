/*
 * systemd_variant.c - annotations org.systemd.property.NAME: values in GVariant's text form.
 *
 * A subset: what systemd's unit properties are made of and a person writes by
 * hand. Tuples, dictionaries and arrays of arrays are refused.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cgroup/systemd.h"

#define KEY_PREFIX SYSTEMD_PROPERTY_PREFIX

struct parser {
	const char *next;
	const struct json_at *at;
	struct arena *arena;
	struct err *e;
};

static const struct {
	const char *word;
	char type;
} type_words[] = {
	{ "boolean", 'b' }, { "byte", 'y' },   { "int16", 'n' }, { "uint16", 'q' },
	{ "int32", 'i' },   { "uint32", 'u' }, { "int64", 'x' }, { "uint64", 't' },
	{ "double", 'd' },  { "string", 's' },
};

static void skip_space(struct parser *p)
{
	while (*p->next == ' ' || *p->next == '\t' || *p->next == '\n')
		p->next++;
}

static int bad(struct parser *p, const char *what)
{
	json_bad(p->e, p->at, "%s at \"%.40s\"", what, p->next);
	return err_fix(p->e, "write it as GVariant text: 'text', true, uint64 5, ['a', 'b']");
}

static size_t word_length(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]))
		n++;
	return n;
}

/* "uint64" or "@t" before a value; '\0': none. */
static char take_type(struct parser *p, bool *ret_array)
{
	size_t n = word_length(p->next);

	*ret_array = false;
	if (*p->next == '@') {
		const char *t = p->next + 1;

		*ret_array = *t == 'a';
		t += *ret_array;
		if (!*t || !strchr("bynqiuxtds", *t) || (t[1] && !strchr(" \t\n", t[1])))
			return '\0';
		p->next = t + 1;
		skip_space(p);
		return *t;
	}
	for (size_t i = 0; i < sizeof type_words / sizeof type_words[0]; i++)
		if (strlen(type_words[i].word) == n && !strncmp(p->next, type_words[i].word, n)) {
			p->next += n;
			skip_space(p);
			return type_words[i].type;
		}
	return '\0';
}

static int take_escape(struct parser *p, char *ret)
{
	static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
	const char *known = *p->next ? strchr(from, *p->next) : NULL;

	if (!*p->next || *p->next == 'u' || *p->next == 'U')
		return bad(p, "an escape that is not supported");
	*ret = known ? to[known - from] : *p->next;
	p->next++;
	return 0;
}

static int take_text(struct parser *p, union systemd_value *ret)
{
	char quote = *p->next, *text;
	size_t n = 0;
	int r;

	if (quote != '\'' && quote != '"')
		return bad(p, "a quoted text is wanted");
	text = arena_alloc(p->arena, strlen(p->next) + 1);
	if (!text)
		return err_set(p->e, ENOMEM, "annotation");
	for (p->next++; *p->next != quote;) {
		if (!*p->next)
			return bad(p, "the text has no end");
		if (*p->next != '\\') {
			text[n++] = *p->next++;
			continue;
		}
		p->next++;
		r = take_escape(p, &text[n++]);
		if (r < 0)
			return r;
	}
	p->next++;
	ret->text = text;
	return 0;
}

static int take_bool(struct parser *p, union systemd_value *ret)
{
	size_t n = word_length(p->next);

	ret->number = n == 4 && !strncmp(p->next, "true", 4);
	if (!ret->number && !(n == 5 && !strncmp(p->next, "false", 5)))
		return bad(p, "true or false is wanted");
	p->next += n;
	return 0;
}

static bool in_range(char type, bool negative, unsigned long long magnitude)
{
	static const struct {
		char type;
		unsigned long long min, max; /* min: how far below zero */
	} ranges[] = {
		{ 'y', 0, UINT8_MAX },		{ 'q', 0, UINT16_MAX },
		{ 'u', 0, UINT32_MAX },		{ 't', 0, UINT64_MAX },
		{ 'n', 1ULL << 15, INT16_MAX }, { 'i', 1ULL << 31, INT32_MAX },
		{ 'x', 1ULL << 63, INT64_MAX },
	};

	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
		if (ranges[i].type == type)
			return magnitude <= (negative ? ranges[i].min : ranges[i].max);
	return false;
}

static int take_number(struct parser *p, char *type, union systemd_value *ret)
{
	const char *start = p->next;
	bool negative = *start == '-', real;
	unsigned long long magnitude;
	char *end;

	start += negative || *start == '+';
	if (!isdigit((unsigned char)*start))
		return bad(p, "a number is wanted");
	real = strncmp(start, "0x", 2) && strncmp(start, "0X", 2) &&
	       start[strspn(start, "0123456789")] &&
	       strchr(".eE", start[strspn(start, "0123456789")]);
	errno = 0;
	if (*type == 'd' || (!*type && real)) {
		ret->real = strtod(p->next, &end);
		if (errno || !isfinite(ret->real) || isalnum((unsigned char)*end))
			return bad(p, "a number is wanted");
		*type = 'd';
		p->next = end;
		return 0;
	}
	magnitude = strtoull(start, &end, 0);
	if (!*type)
		*type = 'i';
	if (isalnum((unsigned char)*end) || *end == '.')
		return bad(p, "a whole number is wanted");
	if (errno || !in_range(*type, negative && magnitude, magnitude))
		return bad(p, "a number out of its type's range (write uint64 before a large one)");
	if (strchr("nix", *type))
		ret->integer = (int64_t)(negative ? 0 - magnitude : magnitude);
	else
		ret->number = magnitude;
	p->next = end;
	return 0;
}

/* One value of a basic type; *type '\0': told by the value. */
static int take_basic(struct parser *p, char *type, union systemd_value *ret)
{
	bool array;
	char said = take_type(p, &array);

	if (array || (said && *type && said != *type))
		return bad(p, "one type only is wanted");
	if (said)
		*type = said;
	if (!*type)
		*type = *p->next == '\'' || *p->next == '"' ? 's'
			: isalpha((unsigned char)*p->next)  ? 'b'
							    : '\0';
	if (*type == 's')
		return take_text(p, ret);
	if (*type == 'b')
		return take_bool(p, ret);
	return take_number(p, type, ret);
}

static int take_array(struct parser *p, struct systemd_property *ret)
{
	union systemd_value *values = arena_array(p->arena, SYSTEMD_VALUES_MAX, sizeof *values);
	size_t count = 0;
	int r;

	if (!values)
		return err_set(p->e, ENOMEM, "annotation");
	p->next++;
	for (skip_space(p); *p->next != ']'; skip_space(p)) {
		if (count > 0) {
			if (*p->next != ',')
				return bad(p, "a comma or ] is wanted");
			p->next++;
			skip_space(p);
		}
		if (count == SYSTEMD_VALUES_MAX)
			return bad(p, "too many values");
		r = take_basic(p, &ret->type, &values[count++]);
		if (r < 0)
			return r;
	}
	p->next++;
	if (!ret->type)
		return bad(p, "an empty array needs its type, as in @as []");
	ret->array = true;
	ret->count = count;
	ret->values = values;
	return 0;
}

int systemd_parse_variant(const char *text, const struct json_at *at, struct arena *a,
			  struct systemd_property *ret, struct err *e)
{
	struct parser p = { .next = text, .at = at, .arena = a, .e = e };
	struct systemd_property property = { .name = ret->name, .count = 1 };
	union systemd_value *value = arena_alloc(a, sizeof *value);
	const char *start;
	bool array;
	int r;

	if (!value)
		return err_set(e, ENOMEM, "annotation");
	skip_space(&p);
	start = p.next;
	property.type = take_type(&p, &array);
	if (array != (*p.next == '[') && array)
		return bad(&p, "an array is wanted");
	if (*p.next == '[') {
		if (property.type && !array)
			return bad(&p, "the type before an array is written @as");
		r = take_array(&p, &property);
	} else {
		p.next = start;
		property.type = '\0';
		r = take_basic(&p, &property.type, value);
		property.values = value;
	}
	if (r < 0)
		return r;
	skip_space(&p);
	if (*p.next)
		return bad(&p, "nothing more is wanted");
	*ret = property;
	return 0;
}

/* "TimeoutStopSec" is what unit files say; on the bus it is TimeoutStopUSec, in microseconds. */
static int seconds_to_usec(struct systemd_property *p, const struct json_at *at, struct arena *a,
			   struct err *e)
{
	size_t stem = strlen(p->name) - 3;
	union systemd_value *value = arena_alloc(a, sizeof *value);
	double seconds;

	if (stem > 0 && p->name[stem - 1] == 'U')
		return 0;
	if (p->array || p->type == 's' || p->type == 'b')
		return json_bad(e, at, "must be a number of seconds");
	seconds = p->type == 'd'	   ? p->values[0].real
		  : strchr("nix", p->type) ? (double)p->values[0].integer
					   : (double)p->values[0].number;
	if (seconds < 0 || seconds > (double)(INT64_MAX / 1000000))
		return json_bad(e, at, "must be a number of seconds that is not negative");
	if (!value)
		return err_set(e, ENOMEM, "annotation");
	value->number =
		p->type == 'd' ? (uint64_t)(seconds * 1000000) : (uint64_t)seconds * 1000000;
	p->name = arena_printf(a, "%.*sUSec", (int)stem, p->name);
	p->type = 't';
	p->values = value;
	return 0;
}

static int check_key(const char *name, const struct json_at *at, struct err *e)
{
	static const char *const own[] = { "Description", "Slice", "PIDs" };
	size_t length = strlen(name);

	if (length < 3 || length > 64 || !isupper((unsigned char)name[0]))
		return json_bad(e, at,
				"does not end in a property's name, such as "
				"TimeoutStopUSec");
	for (size_t i = 0; i < length; i++)
		if (!isalpha((unsigned char)name[i]))
			return json_bad(e, at, "does not end in a property's name: letters only");
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (!strcmp(name, own[i]))
			return json_bad(e, at,
					"is the runtime's to set: by it kist finds its "
					"own unit");
	return 0;
}

static int take_annotation(const char *key, const json_t *o, const struct json_at *at,
			   struct arena *a, struct systemd_property *ret, struct err *e)
{
	const char *name = key + strlen(KEY_PREFIX), *text = json_string_value(o);
	size_t length = strlen(name);
	int r = check_key(name, at, e);

	if (r < 0)
		return r;
	if (!text)
		return json_bad(e, at, "must be a string");
	ret->name = arena_strdup(a, name);
	if (!ret->name)
		return err_set(e, ENOMEM, "annotation");
	r = systemd_parse_variant(text, at, a, ret, e);
	if (r == 0 && length > 3 && !strcmp(name + length - 3, "Sec"))
		r = seconds_to_usec(ret, at, a, e);
	return r;
}

int systemd_parse_annotations(const json_t *annotations, const struct json_at *at, struct arena *a,
			      const struct systemd_property **ret, size_t *ret_count, struct err *e)
{
	struct systemd_property *list = arena_array(a, SYSTEMD_PROPERTIES_MAX, sizeof *list);
	size_t count = 0;
	const char *key;
	json_t *o;
	int r;

	if (!list)
		return err_set(e, ENOMEM, "annotations");
	json_object_foreach((json_t *)(uintptr_t)annotations, key, o)
	{
		struct json_at here = json_at_key(at, key);

		if (strncmp(key, KEY_PREFIX, strlen(KEY_PREFIX)))
			continue;
		if (count == SYSTEMD_PROPERTIES_MAX)
			return json_bad(e, at, "more than %d properties", SYSTEMD_PROPERTIES_MAX);
		r = take_annotation(key, o, &here, a, &list[count], e);
		if (r < 0)
			return r;
		count++;
	}
	*ret = list;
	*ret_count = count;
	return 0;
}
