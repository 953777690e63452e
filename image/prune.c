/*
 * prune.c - `kist image prune`.
 *
 * The sweep itself is rm's; here images are chosen, and what dead makers left
 * is counted before it goes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/prune.h"

/* Days since the epoch, of the proleptic Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int64_t past = year - 1;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return past * 365 + past / 4 - past / 100 + past / 400 + before[month - 1] +
	       (leap && month > 2) + day - 1 - 719162;
}

/* RFC 3339's "Z" or "+01:00", and nothing after it. */
static int parse_offset(const char *text, int *ret)
{
	int hours, minutes, len = 0;

	if (strcmp(text, "Z") == 0) {
		*ret = 0;
		return 0;
	}
	if ((text[0] != '+' && text[0] != '-') ||
	    sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &len) != 2 || len != 5 ||
	    text[6] != '\0')
		return -EINVAL;
	*ret = (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return 0;
}

int prune_parse_time(const char *text, time_t *ret)
{
	int year, month, day, hour, minute, second, len = 0, offset = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second,
		   &len) != 6 ||
	    len != 19 || strspn(text, "0123456789-T:") < 19)
		return -EINVAL;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
	    minute > 59 || second > 60)
		return -EINVAL;
	text += len;
	if (text[0] == '.')
		text += 1 + strspn(text + 1, "0123456789");
	if (parse_offset(text, &offset))
		return -EINVAL;
	*ret = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
	return 0;
}

static bool has_label(const json_t *labels, const struct prune_label *wanted)
{
	const json_t *value = json_object_get(labels, wanted->key);

	return value &&
	       (wanted->value == NULL ||
		(json_is_string(value) && strcmp(json_string_value(value), wanted->value) == 0));
}

static int fits_filters(const struct store *s, const struct index_entry *entry,
			const struct prune_options *o, struct arena *a, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	struct image_manifest manifest;
	struct image_config config;
	const json_t *labels;
	time_t made = 0;
	size_t i;
	int error;

	if (o->until == 0 && o->label_count == 0)
		return 1;
	error = store_read_manifest(s, &entry->descriptor, a, &manifest, e);
	if (!error)
		error = store_read_config(s, &manifest.config, a, &config, e);
	if (!error)
		error = store_read_json(s, &manifest.config, MANIFEST_CONFIG_MAX, &document, e);
	if (error)
		return error;
	/* One that does not say when it was made is not known to be old. */
	if (o->until && (prune_parse_time(config.created, &made) || made >= o->until))
		return 0;
	labels = json_object_get(json_object_get(document, "config"), "Labels");
	for (i = 0; i < o->label_count; i++)
		if (has_label(labels, &o->labels[i]) == o->labels[i].absent)
			return 0;
	return 1;
}

/* Splits the index into what stays and the names that go. */
static int choose(const struct store *s, const struct prune_options *o, struct arena *a,
		  struct image_index *index, struct prune_result *r, struct err *e)
{
	size_t i, kept = 0, gone = 0;
	char users[8];
	int error = store_read_index(s, a, index, e), fits;

	if (error)
		return error;
	r->names = arena_array(a, index->count + 1, sizeof(*r->names));
	if (r->names == NULL)
		return err_set(e, ENOMEM, "no memory for the names of images");
	for (i = 0; i < index->count; i++) {
		const struct index_entry *entry = &index->entries[i];

		fits = 0;
		if (o->all && entry->ref_name &&
		    !store_image_in_use(s, entry, users, sizeof(users)))
			fits = fits_filters(s, entry, o, a, e);
		if (fits < 0)
			return err_wrap(e, "image %.200s", entry->ref_name);
		if (fits)
			r->names[gone++] = entry->ref_name;
		else
			index->entries[kept++] = *entry;
	}
	index->count = kept;
	r->removed.references = gone;
	return 0;
}

int store_prune(const struct store *s, const struct prune_options *o, struct arena *a,
		struct prune_result *ret, struct err *e)
{
	struct prune_result r = { 0 };
	struct store_tmp tmp = STORE_TMP_INIT;
	_cleanup_fd_ int lock = -EBADF;
	struct image_index index;
	int error = store_lock(s, true, &lock, e), later = 0;

	if (!error)
		error = store_clear(s, o->partial_seconds, o->dry_run, &r.leftovers, e);
	if (!error)
		error = choose(s, o, a, &index, &r, e);
	if (!error && !o->dry_run)
		do
			error = store_tmp_new(s, &tmp, e);
		while (store_reserve_spend(s, error, e));
	if (!error && !o->dry_run && r.removed.references)
		do
			error = store_index_drop(s, r.names, r.removed.references, e);
		while (store_reserve_spend(s, error, e));
	if (!error)
		do
			error = store_sweep_as(s, o->dry_run ? NULL : &tmp, &index, &r.removed, e);
		while (store_reserve_spend(s, error, e));
	fd_close(&lock);
	if (tmp.dir >= 0)
		later = store_tmp_remove(s, &tmp, error ? NULL : e);
	if (error || later)
		return error ? error : later;
	*ret = r;
	return 0;
}
