/*
 * record_json.c - texts of records, and what is said of a record that is none.
 */
#include "net/record_json.h"

#include <errno.h>
#include <string.h>

int record_bad(const struct json_at *parent, const char *key, struct err *e)
{
	struct json_at at = json_at_key(parent, key);

	return json_bad(e, &at, "is not as kist writes it");
}

int record_get_text(const json_t *o, const char *key, char *to, size_t size, struct err *e)
{
	const char *text = "";
	int r = json_require(json_get_string(o, &JSON_AT_ROOT, key, &text, e), &JSON_AT_ROOT, key,
			     e);

	if (r < 0)
		return r;
	if (strlen(text) >= size)
		return record_bad(&JSON_AT_ROOT, key, e);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}
