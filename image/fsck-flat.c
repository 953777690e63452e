/*
 * fsck-flat.c - small layers that were joined (store-flat.h): are they what their layers say?
 *
 * They are joined again, beside, and compared. A wrong one goes: starts take the layers then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/fsck-internal.h"
#include "image/store-flat.h"
#include "image/tree.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Every stack that names it is looked at anew once their folder has changed: store-stack.c. */
static int remove_flat(struct fsck *f, const struct digest *top, struct err *e)
{
	static const char passing[] = "layers/sha256/.passing";
	int error = fsck_set_aside(f, store_layer_path(top, "/flat").text, e);

	if (!error && (mkdirat(f->store.dir, passing, 0700) < 0 ||
		       unlinkat(f->store.dir, passing, AT_REMOVEDIR) < 0))
		error = err_set(e, errno, "cannot change layers/sha256");
	return error;
}

/* Into tmp/flat. */
static int join_beside(struct fsck *f, const struct digest *const *chains, size_t count,
		       enum apply_as as, int *ret, struct err *e)
{
	char *paths[MANIFEST_LAYERS_MAX];
	_cleanup_fd_ int to = -EBADF;
	size_t i;
	int error = path_remove_tree(f->tmp.dir, "flat", e);

	for (i = 0; i < count; i++)
		paths[i] = arena_printf(&f->arena, "%s/%s", f->store.path,
					store_layer_path(chains[i], "/diff").text);
	if (arena_failed(&f->arena))
		return err_set(e, ENOMEM, "no memory for paths");
	if (!error && mkdirat(f->tmp.dir, "flat", 0755) < 0)
		error = err_set(e, errno, "cannot make a layer's folder");
	if (error)
		return error;
	to = openat(f->tmp.dir, "flat", FOLDER_FLAGS);
	if (to < 0 || fchmod(to, 0755) < 0)
		return err_set(e, errno, "cannot open a layer's folder");
	error = flat_make(paths, count, as, to, NULL, e);
	if (!error)
		*ret = fd_take(&to);
	return error;
}

static int check_run(struct fsck *f, const struct digest *const *chains, size_t count,
		     enum apply_as as, struct err *e)
{
	_cleanup_fd_ int want = -EBADF;
	_cleanup_fd_ int have =
		openat(f->store.dir, store_layer_path(chains[0], "/flat").text, FOLDER_FLAGS);
	char why[TREE_DIFFERENCE_MAX] = "it is no folder";
	const char *done = NULL;
	int got = 0;

	if (have < 0 && errno == ENOENT)
		return 0;
	if (have < 0 && errno != ENOTDIR && errno != ELOOP)
		return err_set(e, errno, "cannot open %s",
			       store_layer_path(chains[0], "/flat").text);
	if (have >= 0) {
		got = join_beside(f, chains, count, as, &want, e);
		if (!got)
			got = tree_same(want, have, why, e);
	}
	if (got)
		return got < 0 ? err_wrap(e, "flat layer %.12s", chains[0]->hex) : 0;
	if (f->options->repair && !fsck_layer_in_use(f, chains[0])) {
		got = remove_flat(f, chains[0], e);
		done = got ? NULL : "removed: starts take the layers it was made of";
	}
	fsck_tell(f, "layer", store_layer_path(chains[0], "/flat").text, true, done,
		  "it is not what %zu layers come to: %s", count, why);
	return got;
}

/* Top first, down to one that hides all below. */
static size_t read_stack(struct fsck *f, const struct fsck_image *image,
			 const struct digest **chains, struct layer_marker *markers)
{
	size_t count = image->manifest.layer_count, i;

	for (i = 0; i < count; i++) {
		chains[i] = &image->chains[count - 1 - i];
		if (store_read_marker(&f->store, chains[i], &markers[i], NULL) != 1)
			return 0;
		if (markers[i].opaque_root)
			return i + 1;
	}
	return count;
}

static int check_image(struct fsck *f, const struct fsck_image *image, struct err *e)
{
	struct layer_marker markers[MANIFEST_LAYERS_MAX] = { 0 };
	const struct digest *chains[MANIFEST_LAYERS_MAX];
	size_t runs[MANIFEST_LAYERS_MAX], count = read_stack(f, image, chains, markers), i;
	int error = 0;

	if (count)
		flat_partition(markers, count, runs);
	for (i = 0; !error && i < count; i += runs[i])
		error = check_run(f, &chains[i], runs[i], markers[i].userxattr ? store_apply_as(&f->store) : APPLY_ROOT, e);
	return error;
}

int fsck_flat_layers(struct fsck *f, struct err *e)
{
	size_t i;
	int error = 0;

	/* What they were made of must be right first. */
	if (f->options->quick || f->result.wrong != f->result.mended)
		return 0;
	for (i = 0; i < f->index.count && !error; i++)
		if (!f->images[i].lost && !f->images[i].unread)
			error = check_image(f, &f->images[i], e);
	path_remove_tree(f->tmp.dir, "flat", NULL);
	return error;
}
