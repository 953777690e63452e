/*
 * annotations.c - the annotations of config.json that kist acts upon.
 */
#include "runtime/annotations.h"

#include <string.h>

#include "base/json.h"
#include "cgroup/systemd.h"

static const char *const unsafe[] = {
	ANNOTATION_KEEP_GROUPS,
	SYSTEMD_PROPERTY_PREFIX,
};

const char *annotation_unsafe_name(size_t i)
{
	return i < sizeof unsafe / sizeof *unsafe ? unsafe[i] : NULL;
}

int annotation_flag(const json_t *config, const char *name, bool *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");
	const char *text;
	json_t *all = NULL;
	int r = json_get_object(config, &root, "annotations", &all, e);

	*ret = false;
	if (r > 0)
		r = json_get_string(all, &at, name, &text, e);
	if (r <= 0)
		return r;
	if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0) {
		*ret = true;
		return 0;
	}
	if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
		return 0;
	at = json_at_key(&at, name);
	return json_bad(e, &at, "must be 1 or 0, not \"%.32s\"", text);
}
