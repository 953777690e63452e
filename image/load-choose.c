/*
 * load-choose.c - which images a layout holds for this machine, and their names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/fd.h"
#include "base/path.h"
#include "image/hash.h"
#include "image/load-internal.h"
#include "image/reference.h"

int load_open_blob(struct load *l, const struct descriptor *d, int *ret_fd, struct err *e)
{
	struct store_path path = store_blob_path(&d->digest);
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;
	int error = l->pull ? pull_document(l, d, e) : 0;

	if (error)
		return error;
	/* O_NONBLOCK: a fifo in the layout must not hang us */
	fd = path_open_beneath(l->source.dir, path.text, O_RDONLY | O_NONBLOCK, 0, false);
	if (fd < 0)
		return err_set(e, -fd, "cannot open blob %.19s...", digest_text(&d->digest).text);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "blob %.19s... is not a file", digest_text(&d->digest).text);
	*ret_fd = fd_take(&fd);
	return 0;
}

int load_read_document(struct load *l, const struct descriptor *d, size_t limit, json_t **ret,
		       struct err *e)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_fd_ int fd = -EBADF;
	char name[32];
	struct digest got;
	ssize_t n;
	int error;

	if (d->size > limit)
		return err_say(e, EFBIG, "a document of %llu bytes (limit %zu)",
			       (unsigned long long)d->size, limit);
	error = load_open_blob(l, d, &fd, e);
	if (error)
		return error;
	data = malloc(d->size + 1);
	if (data == NULL)
		return err_set(e, ENOMEM, "no memory for a document");
	n = fd_read_full(fd, data, d->size + 1); /* one more tells "longer" */
	if (n < 0)
		return err_set(e, -n, "cannot read blob %.19s...", digest_text(&d->digest).text);
	if ((uint64_t)n != d->size)
		return err_say(e, EBADMSG,
			       "blob %.19s... has %s bytes than the %llu its "
			       "descriptor says",
			       digest_text(&d->digest).text, (uint64_t)n > d->size ? "more" : "fewer",
			       (unsigned long long)d->size);
	error = hash_memory_as(data, n, &d->digest, &got, e);
	if (error)
		return error;
	if (!digest_equal(&got, &d->digest))
		return err_say(e, EBADMSG,
			       "blob %.19s... has the content of "
			       "%.19s...",
			       digest_text(&d->digest).text, digest_text(&got).text);
	snprintf(name, sizeof(name), "%.19s", digest_text(&d->digest).text);
	return json_parse_strict(data, n, name, ret, e);
}

static int none_for_here(const struct load *l, const struct index_entry *const *entries,
			 size_t count, struct err *e)
{
	const struct platform *here = &l->platform, *p;
	char text[200];
	struct buf has = BUF_ON(text);
	size_t i, said = 0;

	buf_reset(&has);
	for (i = 0; i < count && said < 6; i++) {
		p = &entries[i]->platform;
		if (strcmp(p->os, "unknown") == 0) /* an attestation */
			continue;
		buf_addf(&has, "%s%.20s/%.20s%s%.8s", said++ ? ", " : "", p->os, p->architecture,
			 p->variant[0] ? "/" : "", p->variant);
	}
	err_say(e, ENOENT, "no image for %s/%s%s%s (it has %s%s)", here->os, here->architecture,
		l->options->platform && here->variant[0] ? "/" : "",
		l->options->platform ? here->variant : "", text, i < count ? ", others" : "");
	return err_fix(e, "choose one that it has: --platform OS/ARCHITECTURE");
}

/* The best of some entries for this machine; the first among equals. */
static int best_entry(const struct load *l, const struct index_entry *const *entries, size_t count,
		      const struct index_entry **ret, struct err *e)
{
	const struct index_entry *best = NULL;
	int rank, best_rank = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		rank = platform_rank(&entries[i]->platform, &l->platform);
		/* two without a word about platform or name: which one is meant? */
		if (rank == 1 && best_rank == 1 && entries[i]->ref_name == NULL &&
		    !digest_equal(&entries[i]->descriptor.digest, &best->descriptor.digest))
			return err_say(e, EINVAL, "the index holds several images without names");
		if (rank > best_rank) {
			best = entries[i];
			best_rank = rank;
		}
	}
	if (best == NULL)
		return count ? none_for_here(l, entries, count, e)
			     : err_say(e, ENOENT, "the index holds no image");
	*ret = best;
	return 0;
}

/* Follows indexes down to a manifest. */
static int descend(struct load *l, const struct index_entry *entry, struct descriptor *ret,
		   struct platform *ret_platform, struct err *e)
{
	int depth, error;
	size_t i;

	for (depth = 0; entry->descriptor.media == MEDIA_INDEX; depth++) {
		_cleanup_json_ json_t *document = NULL;
		const struct index_entry **entries;
		struct image_index index;

		if (depth == MANIFEST_NESTING_MAX)
			return err_say(e, ELOOP, "indexes within indexes over %d deep",
				       MANIFEST_NESTING_MAX);
		error = load_read_document(l, &entry->descriptor, MANIFEST_BYTES_MAX, &document, e);
		if (!error)
			error = manifest_parse_index(document, &l->arena, &index, e);
		if (error)
			return err_wrap(e, "index %.19s...", digest_text(&entry->descriptor.digest).text);
		entries = arena_array(&l->arena, index.count + 1, sizeof(*entries));
		if (entries == NULL)
			return err_set(e, ENOMEM, "no memory for an index");
		for (i = 0; i < index.count; i++)
			entries[i] = &index.entries[i];
		error = best_entry(l, entries, index.count, &entry, e);
		if (error)
			return error;
	}
	if (entry->descriptor.media != MEDIA_MANIFEST)
		return err_say(e, EINVAL, "\"%.100s\" is no image type kist knows",
			       entry->descriptor.media_type);
	*ret = entry->descriptor;
	*ret_platform = entry->platform;
	return 0;
}

/* "dir/busybox.tar.gz" -> "busybox" */
static void base_name(const char *source, char *text, size_t size)
{
	static const char *const tails[] = { ".gz", ".zst", ".tgz", ".tar", ".oci" };
	size_t len = strlen(source), from, i, tail;

	while (len > 0 && source[len - 1] == '/')
		len--;
	for (from = len; from > 0 && source[from - 1] != '/'; from--)
		;
	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		tail = strlen(tails[i]);
		if (len - from > tail && strncmp(source + len - tail, tails[i], tail) == 0)
			len -= tail;
	}
	snprintf(text, size, "%.*s", (int)(len - from), source + from);
}

/* ref.name is a whole reference ("busybox:latest") or, as the spec has it, a tag alone. A word
 * without ':' and '/' could be either: "latest" and what looks like a version is a tag. */
static bool is_tag_alone(const char *ref)
{
	if (strpbrk(ref, ":/@"))
		return false;
	return strcmp(ref, "latest") == 0 || (ref[0] >= '0' && ref[0] <= '9') ||
	       (ref[0] == 'v' && ref[1] >= '0' && ref[1] <= '9');
}

static int name_image(const struct load *l, const char *ref, struct load_image *image,
		      struct err *e)
{
	const char *text = l->options->tag ? l->options->tag : ref;
	char composed[512], base[256];
	struct reference r;
	int error;

	if (l->pull) {
		snprintf(image->reference, sizeof(image->reference), "%s", pull_name(l));
		return 0;
	}
	if (text == NULL) {
		err_say(e, EINVAL, "the image has no name");
		return err_fix(e, "give it one: --tag NAME");
	}
	if (!l->options->tag && is_tag_alone(text)) {
		base_name(l->options->source, base, sizeof(base));
		if ((size_t)snprintf(composed, sizeof(composed), "%s:%s", base, text) >=
		    sizeof(composed))
			return err_say(e, ENAMETOOLONG, "the image's name is too long");
		text = composed;
	}
	error = reference_parse(text, &r, e);
	if (error)
		return err_fix(e, "give it another name: --tag NAME");
	if (r.has_digest)
		return err_say(e, EINVAL, "\"%.200s\" names a digest; a name and tag is wanted",
			       text);
	snprintf(image->reference, sizeof(image->reference), "%s", reference_canonical(&r).text);
	return 0;
}

static int check_platform(const struct load *l, const struct load_image *image, struct err *e)
{
	const struct platform *here = &l->platform;
	struct platform have = image->config.platform;

	/* The index has said it; many a config does not. */
	if (have.variant[0] == '\0')
		have.variant = here->variant;
	if (platform_rank(&have, here) > 0)
		return 0;
	return err_say(e, EINVAL, "its config says %.20s/%.20s, %s %s/%s",
		       image->config.platform.os, image->config.platform.architecture,
		       l->options->platform ? "asked was for" : "this machine is", here->os,
		       here->architecture);
}

static int read_image(struct load *l, struct load_image *image, struct err *e)
{
	_cleanup_json_ json_t *manifest = NULL, *config = NULL;
	int error = load_read_document(l, &image->descriptor, MANIFEST_BYTES_MAX, &manifest, e);

	if (!error)
		error = manifest_parse(manifest, &l->arena, &image->manifest, e);
	if (error)
		return err_wrap(e, "manifest %.19s...", digest_text(&image->descriptor.digest).text);
	error = load_read_document(l, &image->manifest.config, MANIFEST_CONFIG_MAX, &config, e);
	if (!error)
		error = manifest_parse_config(config, &l->arena, &image->config, e);
	if (!error && image->config.diff_id_count != image->manifest.layer_count)
		error = err_say(e, EINVAL, "it lists %zu diff_ids, the manifest %zu layers",
				image->config.diff_id_count, image->manifest.layer_count);
	if (!error)
		error = check_platform(l, image, e);
	return error ? err_wrap(e, "config %.19s...", digest_text(&image->manifest.config.digest).text) : 0;
}

static bool same_name(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* All entries of one name are one image, for several platforms. */
static int choose_group(struct load *l, const struct image_index *index, size_t first,
			struct err *e)
{
	const struct index_entry **group, *entry = NULL;
	const char *name = index->entries[first].ref_name;
	struct load_image *image = &l->images[l->image_count];
	size_t i, count = 0;
	int error;

	for (i = 0; i < first; i++)
		if (same_name(index->entries[i].ref_name, name))
			return 0; /* its group is done */
	group = arena_array(&l->arena, index->count, sizeof(*group));
	if (group == NULL)
		return err_set(e, ENOMEM, "no memory for an index");
	for (i = first; i < index->count; i++)
		if (same_name(index->entries[i].ref_name, name))
			group[count++] = &index->entries[i];
	if (l->options->tag && l->image_count > 0) {
		err_say(e, EINVAL, "it holds several images, --tag can name only one");
		return err_fix(e, "leave --tag away, they have names");
	}
	error = name_image(l, name, image, e);
	if (!error)
		error = best_entry(l, group, count, &entry, e);
	if (!error)
		error = descend(l, entry, &image->descriptor, &image->platform, e);
	if (!error)
		error = read_image(l, image, e);
	if (error)
		return name ? err_wrap(e, "image %.200s", name) : error;
	if (image->config.platform.os[0])
		image->platform = image->config.platform;
	l->image_count++;
	return 0;
}

/* A layout's names may be whole, or tags alone. */
static bool fits_query(const struct load *l, const struct store_query *q,
		       const struct index_entry *entry)
{
	struct load_image named;

	if (store_query_matches(q, entry))
		return true;
	return q->reference[0] && entry->ref_name &&
	       name_image(l, entry->ref_name, &named, NULL) == 0 &&
	       strcmp(named.reference, q->reference) == 0;
}

/* --image: what else the layout holds is not looked at. */
static int keep_only(struct load *l, struct image_index *index, struct err *e)
{
	struct load plain = { .options = &(struct load_options){ .source = l->options->source } };
	struct store_query q;
	size_t i, count = 0;
	int error = store_query_parse(l->options->only, &q, e);

	if (!error)
		error = store_query_settle(&q, index, e);
	if (error)
		return error;
	for (i = 0; i < index->count; i++)
		if (fits_query(&plain, &q, &index->entries[i]))
			index->entries[count++] = index->entries[i];
	index->count = count;
	return count ? 0 : err_say(e, ENOENT, "it holds no image %.200s", l->options->only);
}

int load_choose(struct load *l, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	struct image_index index;
	int error = json_read_file(l->source.dir, "index.json", &document, e);
	size_t i;

	if (!error)
		error = manifest_parse_index(document, &l->arena, &index, e);
	if (error)
		return err_wrap(e, "index.json");
	if (index.count == 0)
		return err_say(e, ENOENT, "index.json lists no image");
	error = l->options->only ? keep_only(l, &index, e) : 0;
	if (error)
		return error;
	l->images = arena_array(&l->arena, index.count, sizeof(*l->images));
	if (l->images == NULL)
		return err_set(e, ENOMEM, "no memory for an index");
	for (i = 0; !error && i < index.count; i++)
		error = choose_group(l, &index, i, e);
	return error;
}
