/*
 * load-flat.c - of one load: joining the small layers of images that have many.
 *
 * It only makes starts faster: what can't be done is left out, and the load is none the worse.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/load-internal.h"
#include "image/store-flat.h"

struct flat_path {
	char text[sizeof("flat/") + DIGEST_HEX_MAX + sizeof(".bytes")];
};

static struct flat_path tmp_path_of(const struct digest *top, const char *tail)
{
	struct flat_path p;

	snprintf(p.text, sizeof(p.text), "flat/%s%s", top->hex, tail);
	return p;
}

static struct flat_path tmp_path(const struct digest *top)
{
	return tmp_path_of(top, "");
}

/* Top first, down to one that hides all below. */
static size_t read_markers(const struct load *l, const struct load_image *image,
			   struct layer_marker *ret)
{
	size_t i, count = image->manifest.layer_count;

	for (i = 0; i < count; i++) {
		const struct digest *chain = &image->chains[count - 1 - i];
		const struct load_layer *layer = load_find_layer((struct load *)l, chain);

		ret[i] = (struct layer_marker){ .entries = layer->result.entries,
						.bytes = layer->result.bytes,
						.opaque_root = layer->result.apply.opaque_root };
		if (!layer->unpack && store_read_marker(&l->store, chain, &ret[i], NULL) != 1)
			return 0;
		if (ret[i].opaque_root)
			return i + 1;
	}
	return count;
}

static bool is_there(const struct load *l, const struct digest *top)
{
	return faccessat(l->tmp.dir, tmp_path(top).text, F_OK, 0) == 0 ||
	       faccessat(l->store.dir, store_layer_path(top, "/flat").text, F_OK, 0) == 0;
}

/* chains[0] is the topmost of `count`. */
static bool make_one(struct load *l, const struct digest *const *chains, size_t count)
{
	char *paths[MANIFEST_LAYERS_MAX];
	struct flat_path to = tmp_path(chains[0]);
	_cleanup_fd_ int fd = -EBADF;
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < count; i++)
		paths[i] = load_find_layer(l, chains[i])->unpack
				   ? arena_printf(&l->arena, "%s/tmp/%s/layers/%s/diff",
						  l->store.path, l->tmp.name, chains[i]->hex)
				   : arena_printf(&l->arena, "%s/%s", l->store.path,
						  store_layer_path(chains[i], "/diff").text);
	if (arena_failed(&l->arena) || (mkdirat(l->tmp.dir, "flat", 0700) < 0 && errno != EEXIST) ||
	    mkdirat(l->tmp.dir, to.text, 0755) < 0)
		return false;
	fd = openat(l->tmp.dir, to.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fchmod(fd, 0755) == 0 &&
	    flat_make(paths, count, l->as, fd, &bytes, NULL) == 0) {
		flat_note_bytes(l->tmp.dir, tmp_path_of(chains[0], ".bytes").text, bytes);
		return true;
	}
	path_remove_tree(l->tmp.dir, to.text, NULL);
	return false;
}

static void flatten(struct load *l, struct load_image *image)
{
	const struct digest *chains[MANIFEST_LAYERS_MAX];
	struct layer_marker markers[MANIFEST_LAYERS_MAX];
	size_t runs[MANIFEST_LAYERS_MAX], count = read_markers(l, image, markers), i, k;
	struct store_stack stack = { .names = arena_array(&l->arena, count + 1, sizeof(char *)) };
	bool any = false;

	if (count < FLAT_IMAGE_MIN || stack.names == NULL)
		return;
	for (i = 0; i < count; i++)
		chains[i] = &image->chains[image->manifest.layer_count - 1 - i];
	flat_partition(markers, count, runs);
	for (i = 0; i < count; i += runs[i]) {
		bool flat = runs[i] >= FLAT_RUN_MIN &&
			    (is_there(l, chains[i]) || make_one(l, &chains[i], runs[i]));

		any |= flat;
		for (k = 0; k < (flat ? 1 : runs[i]); k++)
			stack.names[stack.count++] = arena_printf(
				&l->arena, "%s/%s", chains[i + k]->hex, flat ? "flat" : "diff");
	}
	if (any && !arena_failed(&l->arena))
		image->stack = stack;
}

void load_flatten(struct load *l)
{
	size_t i;

	for (i = 0; i < l->image_count; i++)
		flatten(l, &l->images[i]);
}

static bool chain_of_flat(const char *name, struct digest *ret)
{
	snprintf(ret->hex, sizeof(ret->hex), "%.*s", DIGEST_HEX_LEN, name);
	return strcmp(name + DIGEST_HEX_LEN, "/flat") == 0;
}

int load_move_flat(struct load *l, struct err *e)
{
	struct digest top;
	size_t i, k;

	for (i = 0; i < l->image_count; i++)
		for (k = 0; k < l->images[i].stack.count; k++) {
			if (!chain_of_flat(l->images[i].stack.names[k], &top))
				continue;
			/* A convenience, and the same whoever writes it. */
			renameat(l->tmp.dir, tmp_path_of(&top, ".bytes").text, l->store.dir,
				 store_layer_path(&top, "/flat-bytes").text);
			if (renameat(l->tmp.dir, tmp_path(&top).text, l->store.dir,
				     store_layer_path(&top, "/flat").text) == 0)
				continue;
			/* Moved for another image; or another load was first. */
			if (errno != ENOENT && errno != EEXIST && errno != ENOTEMPTY)
				return err_set(e, errno, "cannot put a flat layer in place");
		}
	return 0;
}

void load_write_stacks(const struct load *l)
{
	struct digest top;
	size_t i, k;

	for (i = 0; i < l->image_count; i++) {
		const struct store_stack *stack = &l->images[i].stack;

		for (k = 0; k < stack->count; k++)
			if (chain_of_flat(stack->names[k], &top) &&
			    faccessat(l->store.dir, store_layer_path(&top, "/flat").text, F_OK, 0) <
				    0)
				break;
		if (stack->count && k == stack->count)
			store_write_stack(&l->store, stack);
	}
}
