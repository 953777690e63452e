/*
 * image-filter.c - --filter of `kist image ls`: docker's reference, label, before, since, dangling.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "cli/image-cli.h"
#include "image/prune.h"
#include "image/reference.h"
#include "image/store-layout.h"

/* When the image was made, for before= and since=. */
static int made_of(const struct store *s, const struct index_entry *entry, struct arena *a,
		   time_t *ret, struct err *e)
{
	struct image_manifest manifest;
	struct image_config config;
	int error = store_read_manifest(s, &entry->descriptor, a, &manifest, e);

	if (!error)
		error = store_read_config(s, &manifest.config, a, &config, e);
	if (!error && prune_parse_time(config.created, ret)) {
		err_say(e, EINVAL, "%.200s does not say when it was made", entry->ref_name);
		return err_fix(e, "leave out before= and since=");
	}
	return error;
}

/* 1 fits, 0 does not. */
static int fits_time(const struct store *s, const struct index_entry *entry, const char *other,
		     bool before, struct arena *a, struct err *e)
{
	const struct index_entry *than;
	time_t mine = 0, its = 0;
	int error = store_find(s, other, a, &than, e);

	if (!error)
		error = made_of(s, than, a, &its, e);
	if (error)
		return err_wrap(e, "--filter");
	/* One that does not say is neither. */
	if (made_of(s, entry, a, &mine, NULL))
		return 0;
	return before ? mine < its : mine > its;
}

static int fits_label(const struct store *s, const struct index_entry *entry, const char *text,
		      struct arena *a, struct err *e)
{
	bool absent = text[5] == '!';
	_cleanup_json_ json_t *document = NULL;
	struct image_manifest manifest;
	const json_t *found;
	char *key = arena_strdup(a, text + (absent ? 7 : 6)), *value;
	int error = key ? store_read_manifest(s, &entry->descriptor, a, &manifest, e)
			: err_set(e, ENOMEM, "no memory for a filter");

	if (!error)
		error = store_read_json(s, &manifest.config, MANIFEST_CONFIG_MAX, &document, e);
	if (error)
		return error;
	value = strchr(key, '=');
	if (value)
		*value++ = '\0';
	found = json_object_get(json_object_get(json_object_get(document, "config"), "Labels"),
				key);
	if (found && value &&
	    (!json_is_string(found) || strcmp(json_string_value(found), value) != 0))
		found = NULL;
	return (found != NULL) != absent;
}

/* As docker's: with the tag or without, * and ? not over slashes. */
static bool fits_reference(const char *reference, const char *pattern)
{
	struct reference_text shown = reference_familiar(reference);
	const char *whole[] = { reference, shown.text };
	char name[sizeof(shown.text)];
	char *slash;
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s", whole[i]);
		slash = strrchr(name, '/');
		slash = slash ? slash : name;
		slash[strcspn(slash, ":@")] = '\0';
		if (fnmatch(pattern, whole[i], FNM_PATHNAME) == 0 ||
		    fnmatch(pattern, name, FNM_PATHNAME) == 0)
			return true;
	}
	return false;
}

static int fits_one(const struct store *s, const struct index_entry *entry, const char *filter,
		    struct arena *a, struct err *e)
{
	const char *value = strchr(filter, '=');

	if (strncmp(filter, "reference=", 10) == 0)
		return entry->ref_name && fits_reference(entry->ref_name, value + 1);
	if (strncmp(filter, "before=", 7) == 0 || strncmp(filter, "since=", 6) == 0)
		return fits_time(s, entry, value + 1, filter[0] == 'b', a, e);
	if (strncmp(filter, "label=", 6) == 0 || strncmp(filter, "label!=", 7) == 0)
		return fits_label(s, entry, filter, a, e);
	if (strcmp(filter, "dangling=true") == 0 || strcmp(filter, "dangling=false") == 0)
		return (entry->ref_name == NULL) == (value[1] == 't');
	return 0;
}

int image_cli_check_filters(const struct image_cli *o, struct err *e)
{
	static const char *const known[] = { "reference=", "before=", "since=", "label=",
					     "label!=" };
	size_t i, j;

	for (i = 0; i < o->filters.count; i++) {
		const char *filter = o->filters.item[i];
		bool fine = strcmp(filter, "dangling=true") == 0 ||
			    strcmp(filter, "dangling=false") == 0;

		for (j = 0; j < sizeof(known) / sizeof(known[0]); j++)
			fine |= strncmp(filter, known[j], strlen(known[j])) == 0 &&
				filter[strlen(known[j])];
		if (fine)
			continue;
		err_say(e, EINVAL, "--filter %.100s is not known", filter);
		return err_fix(
			e,
			"reference=PATTERN, label=KEY[=VALUE], label!=KEY[=VALUE], before=IMAGE, "
			"since=IMAGE and dangling=true|false are");
	}
	return 0;
}

int image_cli_fits(const struct image_cli *o, const struct store *s,
		   const struct index_entry *entry, struct arena *a, struct err *e)
{
	size_t i;
	int fits = 1;

	for (i = 0; i < o->filters.count && fits > 0; i++)
		fits = fits_one(s, entry, o->filters.item[i], a, e);
	return fits;
}
