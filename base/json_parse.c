/*
 * json_parse.c - JSON text to jansson's values, in one pass.
 *
 * A start reads some ten thousand bytes of it, and jansson's own reader, which asks for each byte
 * by two calls, would be a tenth of what kist adds to a start. This one also knows where in the
 * document it is when something is wrong. RFC 8259, no more; what json.h refuses is refused here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_parse.h"

struct level {
	json_t *container; /* borrowed from its own container, or the root */
	bool array;
	size_t index;
	/* Of the member being read: as it stands in the text, and without escapes. */
	const char *raw, *key;
	size_t raw_size, key_size;
};

struct parser {
	const char *text, *at, *end;
	/* Of the text's size, for strings with escapes: of keys, of values. malloc'd when needed.
	 */
	char *unescaped[2];
	struct json_fault *fault;
	size_t depth;
	struct level level[JSON_DEPTH_LIMIT + 1]; /* [0] is no container: the document */
};

static void *fail(struct parser *p, const char *why)
{
	p->fault->why = why;
	return NULL;
}

static void *no_memory(struct parser *p)
{
	p->fault->memory = true;
	return fail(p, "no memory");
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end &&
	       (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
		p->at++;
}

/* --- strings ----------------------------------------------------------------- */

/* The bytes of the character there, 0 when it is not UTF-8 (RFC 3629). */
static size_t utf8_size(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char first, last, second_from, second_to, size;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (left < forms[i].size || s[1] < forms[i].second_from ||
		    s[1] > forms[i].second_to)
			return 0;
		for (size_t n = 2; n < forms[i].size; n++)
			if ((s[n] & 0xc0) != 0x80)
				return 0;
		return forms[i].size;
	}
	return 0;
}

static int hex4(const struct parser *p, const char *s)
{
	int value = 0;

	if (p->end - s < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = s[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static char *put_utf8(char *to, unsigned int c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xe0 | c >> 12);
		} else {
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

/* Behind the backslash. NULL: wrong. */
static char *escape(struct parser *p, char *to)
{
	static const char from[] = "\"\\/bfnrt", is[] = "\"\\/\b\f\n\r\t";
	const char *found = p->at < p->end && *p->at ? strchr(from, *p->at) : NULL;
	int c, low;

	if (found) {
		p->at++;
		*to = is[found - from];
		return to + 1;
	}
	if (p->at == p->end || *p->at != 'u')
		return fail(p, "invalid escape");
	c = hex4(p, p->at + 1);
	if (c == 0)
		return fail(p, "a NUL (\\u0000) is not allowed");
	if (c < 0 || (c >= 0xdc00 && c <= 0xdfff))
		return fail(p, "invalid escape");
	p->at += 5;
	if (c < 0xd800 || c > 0xdbff)
		return put_utf8(to, (unsigned int)c);
	low = p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u' ? hex4(p, p->at + 2) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return fail(p, "invalid Unicode: half a surrogate pair");
	p->at += 6;
	return put_utf8(to, 0x10000 + ((unsigned int)(c - 0xd800) << 10) +
				    (unsigned int)(low - 0xdc00));
}

/* From the quote on to behind the other. *ret is in the text, or in one of `unescaped`. */
static bool string(struct parser *p, bool key, const char **ret, size_t *ret_size)
{
	char **buffer = &p->unescaped[key], *to = NULL;
	const char *first = ++p->at;

	for (;;) {
		const char *from = p->at;
		unsigned char c = 0;
		size_t n = 1;

		while (p->at < p->end && (c = (unsigned char)*p->at) >= 0x20 && c < 0x80 &&
		       c != '"' && c != '\\')
			p->at++;
		if (p->at < p->end && c >= 0x80) {
			n = utf8_size((const unsigned char *)p->at, (size_t)(p->end - p->at));
			if (n == 0)
				return fail(p, "invalid UTF-8");
			p->at += n;
		}
		if (to) {
			memcpy(to, from, (size_t)(p->at - from));
			to += p->at - from;
		}
		if (p->at == p->end)
			return fail(p, "the text ends within a string");
		if (c >= 0x80)
			continue;
		if (c < 0x20)
			return fail(p, c == '\0' ? "a NUL in a string"
						 : "a control character in a string");
		if (c == '"')
			break;
		if (!to) {
			if (!*buffer)
				*buffer = malloc((size_t)(p->end - p->text));
			if (!*buffer)
				return no_memory(p);
			to = *buffer + (p->at - first);
			memcpy(*buffer, first, (size_t)(p->at - first));
		}
		p->at++;
		to = escape(p, to);
		if (!to)
			return false;
	}
	*ret = to ? *buffer : first;
	*ret_size = (size_t)(to ? to - *buffer : p->at - first);
	p->at++;
	return true;
}

/* --- numbers, words ---------------------------------------------------------- */

static size_t digits(struct parser *p)
{
	const char *first = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return (size_t)(p->at - first);
}

static json_t *integer(struct parser *p, const char *first, bool negative)
{
	uint64_t value = 0;

	for (const char *s = first; s < p->at; s++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return fail(p, negative ? "too big negative integer" : "too big integer");
	if (negative && value > (uint64_t)INT64_MAX + 1)
		return fail(p, "too big negative integer");
	if (negative)
		return json_integer((json_int_t)(0 - value));
	return value > INT64_MAX ? json_big(value) : json_integer((json_int_t)value);
}

static json_t *number(struct parser *p)
{
	const char *first = p->at, *begin;
	bool negative = *p->at == '-';
	char *text;
	size_t size;
	double value;

	p->at += negative;
	begin = p->at;
	size = digits(p);
	if (size == 0 || (size > 1 && *begin == '0')) {
		p->at = first;
		return fail(p, "invalid token");
	}
	if (p->at == p->end || !strchr(".eE", *p->at) || !*p->at)
		return integer(p, begin, negative);
	if (*p->at == '.') {
		p->at++;
		if (digits(p) == 0)
			return fail(p, "invalid token");
	}
	if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
		p->at++;
		if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
			p->at++;
		if (digits(p) == 0)
			return fail(p, "invalid token");
	}
	text = strndup(first, (size_t)(p->at - first));
	if (!text)
		return no_memory(p);
	value = strtod(text, NULL); /* kist never leaves the C locale */
	free(text);
	if (value > __DBL_MAX__ || value < -__DBL_MAX__)
		return fail(p, "real number overflow");
	return json_real(value);
}

static json_t *word(struct parser *p, const char *is, json_t *value)
{
	size_t size = strlen(is);

	if ((size_t)(p->end - p->at) < size || memcmp(p->at, is, size) != 0)
		return fail(p, "invalid token");
	p->at += size;
	return value;
}

static json_t *scalar(struct parser *p)
{
	const char *text;
	json_t *v = NULL;
	size_t size;

	if (p->at == p->end)
		return fail(p, "the text ends where a value is expected");
	switch (*p->at) {
	case '"':
		if (!string(p, false, &text, &size))
			return NULL;
		v = json_stringn_nocheck(text, size);
		break;
	case 't':
		return word(p, "true", json_true());
	case 'f':
		return word(p, "false", json_false());
	case 'n':
		return word(p, "null", json_null());
	case '-':
	case '0' ... '9':
		v = number(p);
		break;
	case '\0':
		return fail(p, "holds a NUL");
	default:
		return fail(p, "invalid token");
	}
	if (!v && !p->fault->why)
		no_memory(p);
	return v;
}

/* --- containers -------------------------------------------------------------- */

/* Gives `v` to the container being read, whose key or index is set. */
static bool place(struct parser *p, json_t *v)
{
	struct level *l = &p->level[p->depth];

	int r = 0;

	if (p->depth == 0)
		l->container = v;
	else if (l->array)
		r = json_array_append_new(l->container, v);
	else
		r = json_object_setn_new_nocheck(l->container, l->key, l->key_size, v);
	return r == 0 || no_memory(p);
}

/* "key": of a member. */
static bool key(struct parser *p)
{
	struct level *l = &p->level[p->depth];

	l->raw = NULL;
	skip_space(p);
	if (p->at == p->end || *p->at != '"')
		return fail(p, p->at == p->end ? "the text ends within an object"
					       : "invalid token: a key in quotes is expected");
	l->raw = p->at + 1;
	l->raw_size = 0;
	if (!string(p, true, &l->key, &l->key_size))
		return false;
	l->raw_size = (size_t)(p->at - 1 - l->raw);
	if (json_object_getn(l->container, l->key, l->key_size))
		return fail(p, "duplicate object key");
	skip_space(p);
	if (p->at == p->end || *p->at != ':')
		return fail(p, "':' is expected after a key");
	p->at++;
	return true;
}

/* Behind [ or {. `*ret_empty`: and behind its end. */
static bool open_container(struct parser *p, bool *ret_empty)
{
	bool array = *p->at == '[';
	json_t *v;

	if (p->depth == JSON_DEPTH_LIMIT) {
		p->fault->deep = true;
		return fail(p, "");
	}
	v = array ? json_array() : json_object();
	if (!v)
		return no_memory(p);
	if (!place(p, v))
		return false;
	p->at++;
	p->level[++p->depth] = (struct level){ .container = v, .array = array };
	skip_space(p);
	*ret_empty = p->at < p->end && *p->at == (array ? ']' : '}');
	if (!*ret_empty)
		return array || key(p);
	p->at++;
	p->depth--;
	return true;
}

/* Behind a value, to where the next one begins. `*ret_end`: there is none. */
static bool next_value(struct parser *p, bool *ret_end)
{
	*ret_end = false;
	for (; p->depth > 0; p->depth--) {
		struct level *l = &p->level[p->depth];

		skip_space(p);
		if (p->at == p->end)
			return fail(p, l->array ? "the text ends within an array"
						: "the text ends within an object");
		if (*p->at == ',') {
			p->at++;
			l->index++;
			return l->array || key(p);
		}
		if (*p->at != (l->array ? ']' : '}'))
			return fail(p,
				    l->array ? "',' or ']' is expected" : "',' or '}' is expected");
		p->at++;
	}
	skip_space(p);
	*ret_end = true;
	return p->at == p->end || fail(p, *p->at ? "end of file expected" : "holds a NUL");
}

static bool document(struct parser *p)
{
	bool end = false;

	while (!end) {
		bool empty = true;
		json_t *v;

		skip_space(p);
		if (p->at < p->end && (*p->at == '[' || *p->at == '{')) {
			if (!open_container(p, &empty))
				return false;
		} else {
			v = scalar(p);
			if (!v || !place(p, v))
				return false;
		}
		if (empty && !next_value(p, &end))
			return false;
	}
	return true;
}

static void say_where(const struct parser *p, struct json_fault *f)
{
	char key[64];

	f->offset = (size_t)(p->at - p->text);
	f->line = 1;
	f->column = 1;
	for (const char *s = p->text; s < p->at; s++) {
		f->line += *s == '\n';
		f->column = *s == '\n' ? 1 : f->column + 1;
	}
	f->where = JSON_AT_ROOT;
	for (size_t d = 1; d <= p->depth; d++) {
		const struct level *l = &p->level[d];

		if (l->array) {
			f->where = json_at_index(&f->where, l->index);
		} else if (l->raw && l->raw_size) {
			snprintf(key, sizeof key, "%.*s", l->raw_size > 60 ? 60 : (int)l->raw_size,
				 l->raw);
			f->where = json_at_key(&f->where, key);
		}
	}
}

json_t *json_build(const char *text, size_t size, struct json_fault *fault)
{
	struct parser p = { .text = text, .at = text, .end = text + size, .fault = fault };
	bool good;

	*fault = (struct json_fault){ 0 };
	good = document(&p);
	if (!good)
		say_where(&p, fault);
	free(p.unescaped[0]);
	free(p.unescaped[1]);
	if (good)
		return p.level[0].container;
	json_decref(p.level[0].container);
	return NULL;
}
