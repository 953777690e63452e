/*
 * usage.c - whose bytes are whose.
 *
 * Each image is a list of pieces; sorted, those of several images stand
 * together. What could be freed is asked of the sweep itself, so that the two
 * never disagree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include "base/fd.h"
#include "image/store-flat.h"
#include "image/usage.h"

struct piece {
	struct digest digest; /* of a blob, or a chainID, */
	bool is_layer;	      /* which of a lowest layer that came plain are the same */
	uint64_t bytes;
	size_t image; /* the first entry of that image */
};
struct pieces {
	struct piece *list;
	size_t count, room;
};

static int add(struct pieces *p, const struct digest *d, bool is_layer, uint64_t bytes,
	       size_t image, struct err *e)
{
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 256;
		struct piece *more = realloc(p->list, room * sizeof(*more));

		if (more == NULL)
			return err_set(e, ENOMEM, "no memory for sizes");
		p->list = more;
		p->room = room;
	}
	p->list[p->count++] = (struct piece){ *d, is_layer, bytes, image };
	return 0;
}

static int add_layers(const struct store *s, struct pieces *p, const char *top, size_t image,
		      struct err *e)
{
	struct layer_marker m = { .has_parent = true };
	struct digest chain;
	int got = digest_parse(top, &chain, e), depth;

	for (depth = 0; got >= 0 && m.has_parent && depth <= MANIFEST_LAYERS_MAX; depth++) {
		got = store_read_marker(s, &chain, &m, e);
		if (got <= 0)
			return got;
		got = add(p, &chain, true, m.bytes + flat_bytes(s, &chain), image, e);
		chain = m.parent;
	}
	return got;
}

static int add_image(const struct store *s, struct pieces *p, const struct index_entry *entry,
		     size_t image, struct arena *a, struct err *e)
{
	struct image_manifest m;
	size_t i;
	int error = store_read_manifest(s, &entry->descriptor, a, &m, e);

	if (!error)
		error = add(p, &entry->descriptor.digest, false, entry->descriptor.size, image, e);
	if (!error)
		error = add(p, &m.config.digest, false, m.config.size, image, e);
	for (i = 0; !error && i < m.layer_count; i++)
		error = add(p, &m.layers[i].digest, false, m.layers[i].size, image, e);
	if (!error && entry->chain)
		error = add_layers(s, p, entry->chain, image, e);
	return error ? err_wrap(e, "image %.200s", entry->ref_name ? entry->ref_name : "") : 0;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	int order = strcmp(x->digest.hex, y->digest.hex);

	order = order ? order : x->is_layer - y->is_layer;
	return order ? order : (x->image > y->image) - (x->image < y->image);
}

/* A run of one piece: [from, to). */
static void count_run(struct usage *u, const struct piece *list, size_t from, size_t to)
{
	bool shared = list[from].image != list[to - 1].image;
	size_t i;

	u->bytes += list[from].bytes;
	for (i = from; i < to; i++) {
		if (i > from && list[i].image == list[i - 1].image)
			continue; /* an image may have a layer twice */
		if (shared)
			u->images[list[i].image].shared += list[i].bytes;
		else
			u->images[list[i].image].own += list[i].bytes;
	}
}

static size_t first_of(const struct image_index *index, size_t i)
{
	size_t first;

	for (first = 0; !digest_equal(&index->entries[first].descriptor.digest,
				      &index->entries[i].descriptor.digest);)
		first++;
	return first;
}

int usage_of_images(const struct store *s, const struct image_index *index, struct arena *a,
		    struct usage *ret, struct err *e)
{
	struct usage u = { .count = index->count };
	struct pieces p = { 0 };
	size_t i, from;
	int error = 0;

	u.images = arena_array(a, index->count + 1, sizeof(*u.images));
	if (u.images == NULL)
		return err_set(e, ENOMEM, "no memory for sizes");
	for (i = 0; i < index->count && !error; i++) {
		u.images[i] = (struct usage_image){ .entry = &index->entries[i] };
		if (first_of(index, i) != i)
			continue;
		u.different++;
		error = add_image(s, &p, &index->entries[i], i, a, e);
	}
	if (!error && p.count)
		qsort(p.list, p.count, sizeof(*p.list), compare_pieces);
	for (i = from = 0; !error && i < p.count; i++) {
		if (i + 1 < p.count && p.list[i].is_layer == p.list[i + 1].is_layer &&
		    digest_equal(&p.list[i].digest, &p.list[i + 1].digest))
			continue;
		count_run(&u, p.list, from, i + 1);
		from = i + 1;
	}
	for (i = 0; !error && i < index->count; i++) {
		u.images[i].shared = u.images[first_of(index, i)].shared;
		u.images[i].own = u.images[first_of(index, i)].own;
	}
	free(p.list);
	if (!error)
		*ret = u;
	return error;
}

/* Those that run, moved to the front of a copy. */
static int keep_used(const struct store *s, struct usage *u, struct arena *a,
		     struct image_index *ret, struct err *e)
{
	char users[8];
	size_t i;

	ret->count = 0;
	ret->entries = arena_array(a, u->count + 1, sizeof(*ret->entries));
	if (ret->entries == NULL)
		return err_set(e, ENOMEM, "no memory for sizes");
	for (i = 0; i < u->count; i++) {
		u->images[i].in_use =
			store_image_in_use(s, u->images[i].entry, users, sizeof(users));
		if (!u->images[i].in_use)
			continue;
		ret->entries[ret->count] = *u->images[i].entry;
		u->used += first_of(ret, ret->count) == ret->count;
		ret->count++;
	}
	return 0;
}

int usage_of_store(const struct store *s, struct arena *a, struct usage *ret, struct err *e)
{
	struct image_index index, used;
	struct store_removed unused = { 0 };
	struct usage u;
	int error = store_read_index(s, a, &index, e);

	if (!error)
		error = usage_of_images(s, &index, a, &u, e);
	if (!error)
		error = keep_used(s, &u, a, &used, e);
	if (!error)
		error = store_sweep_as(s, NULL, &index, &u.unneeded, e);
	if (!error)
		error = store_sweep_as(s, NULL, &used, &unused, e);
	if (!error)
		error = store_clear(s, 0, true, &u.leftovers, e);
	if (error)
		return error;
	u.reclaimable = unused.bytes - u.unneeded.bytes;
	*ret = u;
	return 0;
}
