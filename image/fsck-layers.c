/*
 * fsck-layers.c - unpacked layers: are they what their blobs say? And making them again.
 *
 * A chainID is a hash of the chain below it and of the layer's own diffID, so
 * a marker that names the wrong parent or diffID cannot go unseen. What is in
 * the folder is only known from the blob: that is unpacked again, beside, and
 * the two are compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/fsck-internal.h"
#include "image/hash.h"
#include "image/reference.h"
#include "image/tree.h"
#include "image/unpack.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* What may be wrong with a layer's marker; "" nothing. */
static int marker_wrong(struct fsck *f, const struct digest *chain, char *why, size_t size,
			struct err *e)
{
	struct layer_marker m;
	struct digest want;
	int got = store_read_marker(&f->store, chain, &m, e);

	why[0] = '\0';
	if (got < 0 && !fsck_is_damage(got))
		return got;
	if (got < 0) {
		err_format(e, why, size);
		err_clear(e);
		return 0;
	}
	if (got == 0) {
		snprintf(why, size, "it was never finished: it has no file \"complete\"");
		return 0;
	}
	got = hash_chain(m.has_parent ? &m.parent : NULL, &m.diffid, &want, e);
	if (got < 0)
		return got;
	if (!digest_equal(&want, chain))
		snprintf(why, size, "its file \"complete\" names another parent or content");
	return 0;
}

/* Does the chain of `top` hold it? What can't be read might. */
static bool chain_holds(struct fsck *f, struct digest top, const struct digest *chain)
{
	struct layer_marker m;
	int depth;

	for (depth = 0; depth <= MANIFEST_LAYERS_MAX; depth++) {
		if (digest_equal(&top, chain) || store_read_marker(&f->store, &top, &m, NULL) != 1)
			return true;
		if (!m.has_parent)
			return false;
		top = m.parent;
	}
	return true;
}

/* A container holds its image's topmost layer alone, and runs on all below it. */
bool fsck_layer_in_use(struct fsck *f, const struct digest *chain)
{
	DIR *dir = store_open_folder(f->store.dir, "layers/sha256");
	bool found = dir == NULL;
	struct dirent *entry;
	struct digest top;
	int got = 0;

	while (!found && (got = store_next(dir, "layers/sha256", &entry, NULL)) > 0)
		found = digest_from_hex("sha256", entry->d_name, &top) &&
			store_layer_in_use(&f->store, &top) && chain_holds(f, top, chain);
	if (dir)
		closedir(dir);
	return found || got < 0;
}

/* A load or pull holds the chain's lock while it makes the layer, or counts on it. */
static bool may_replace(struct fsck *f, const struct digest *chain, int *ret_lock, const char **why)
{
	*why = NULL;
	if (store_try_lock_chain(&f->store, chain, ret_lock, NULL)) {
		*why = "; a load or pull is at work on it: nothing was done";
		return false;
	}
	if (fsck_layer_in_use(f, chain)) {
		store_unlock_chain(&f->store, chain, ret_lock);
		*why = "; a container uses it: nothing was done";
		return false;
	}
	return true;
}

static int bad_layer(struct fsck *f, const struct digest *chain, const char *why, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF;
	const char *done = NULL, *hindered = NULL;
	int error = 0;

	if (f->options->repair && may_replace(f, chain, &lock, &hindered)) {
		error = fsck_set_aside(f, store_layer_path(chain, "").text, e);
		store_unlock_chain(&f->store, chain, &lock);
		done = error ? NULL : "removed";
	} else {
		error = digests_add(&f->bad_layers, chain, e);
	}
	fsck_tell(f, "layer", chain->hex, true, done, "%s%s", why, hindered ? hindered : "");
	return error;
}

static int check_folder(struct fsck *f, const struct digest *chain, struct err *e)
{
	char why[ERR_TEXT_MAX];
	struct stat st;
	int error;

	f->result.layers++;
	if (fstatat(f->store.dir, store_layer_path(chain, "").text, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? 0
			       : err_set(e, errno, "cannot look at layer %.12s", chain->hex);
	if (!S_ISDIR(st.st_mode))
		return bad_layer(f, chain, "it is no folder", e);
	error = marker_wrong(f, chain, why, sizeof(why), e);
	if (error)
		return error;
	st.st_mode = 0;
	if (!why[0] && fstatat(f->store.dir, store_layer_path(chain, "/diff").text, &st,
			       AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		return err_set(e, errno, "cannot look at layer %.12s", chain->hex);
	if (!why[0] && !S_ISDIR(st.st_mode))
		snprintf(why, sizeof(why), "its folder \"diff\" is missing");
	return why[0] ? bad_layer(f, chain, why, e) : 0;
}

int fsck_layer_folders(struct fsck *f, struct err *e)
{
	return fsck_each(f, "layers", "sha256", check_folder, e);
}

/* One layer of one image. */
struct place {
	struct fsck *f;
	struct fsck_image *image;
	size_t at;
	const struct digest *chain;
	const struct descriptor *blob;
	enum apply_as as;
};

static int fix_implied(const struct place *p, int root, const struct apply *a, struct err *e)
{
	int lowers[MANIFEST_LAYERS_MAX], error = 0;
	size_t i, count = 0;

	for (i = p->at; i-- > 0 && !error;) {
		lowers[count] =
			openat(p->f->store.dir,
			       store_layer_path(&p->image->chains[i], "/diff").text, FOLDER_FLAGS);
		if (lowers[count] < 0)
			error = err_set(e, errno, "cannot open layer %.12s",
					p->image->chains[i].hex);
		else
			count++;
	}
	if (!error)
		error = apply_fix_implied(root, a->implied, a->implied_size,
					  p->as, lowers, count, e);
	while (count > 0)
		close(lowers[--count]);
	return error;
}

static int make_folder(struct fsck *f, int *ret, struct err *e)
{
	int error = path_remove_tree(f->tmp.dir, "layer", e);

	if (error)
		return error;
	if (mkdirat(f->tmp.dir, "layer", 0700) < 0 || mkdirat(f->tmp.dir, "layer/diff", 0755) < 0)
		return err_set(e, errno, "cannot make a layer's folder");
	*ret = openat(f->tmp.dir, "layer/diff", FOLDER_FLAGS);
	if (*ret < 0 || fchmod(*ret, 0755) < 0)
		return err_set(e, errno, "cannot open a layer's folder");
	return 0;
}

/* Into tmp/layer/diff. */
static int unpack_beside(const struct place *p, int *ret_root, struct layer_marker *ret,
			 struct err *e)
{
	_cleanup_fd_ int root = -EBADF;
	_cleanup_fd_ int blob = openat(p->f->store.dir, store_blob_path(&p->blob->digest).text,
				       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct unpack_budget budget = { .entries_max = INT64_MAX, .bytes_max = INT64_MAX };
	struct unpack_job job = { .blob_fd = blob,
				  .expect = { p->blob->digest, p->blob->size },
				  .copy_fd = -EBADF,
				  .diffid = p->image->config.diff_ids[p->at],
				  .as = p->as,
				  .budget = &budget };
	struct unpack_result result = { .apply = { .file_fd = -EBADF } };
	int error;

	if (blob < 0)
		return err_set(e, errno, "cannot open its blob");
	error = make_folder(p->f, &root, e);
	if (error)
		return error;
	job.root = root;
	error = unpack_layer(&job, &result, e);
	if (!error && result.apply.implied_size)
		error = fix_implied(p, root, &result.apply, e);
	*ret = (struct layer_marker){ .diffid = job.diffid,
				      .has_parent = p->at > 0,
				      .entries = result.entries,
				      .bytes = result.bytes,
				      .userxattr = p->as != APPLY_ROOT,
				      .opaque_root = result.apply.opaque_root };
	if (p->at > 0)
		ret->parent = p->image->chains[p->at - 1];
	apply_free(&result.apply);
	if (error)
		return error;
	*ret_root = fd_take(&root);
	return 0;
}

/* tmp/layer becomes the layer; what was there, if anything, goes. */
static int put_in_place(const struct place *p, const struct layer_marker *m, struct err *e)
{
	struct fsck *f = p->f;
	_cleanup_fd_ int dir = openat(f->tmp.dir, "layer", FOLDER_FLAGS);
	_cleanup_fd_ int layers = openat(f->store.dir, "layers/sha256", FOLDER_FLAGS);
	struct store_path path = store_layer_path(p->chain, "");
	int error;

	if (dir < 0 || layers < 0)
		return err_set(e, errno, "cannot open a layer's folder");
	error = store_write_marker(dir, m, e);
	if (error)
		return error;
	if (syncfs(dir) < 0)
		return err_set(e, errno, "cannot sync the store %s", f->store.path);
	if (faccessat(f->store.dir, path.text, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		error = fsck_set_aside(f, path.text, e);
	if (error)
		return error;
	if (renameat(f->tmp.dir, "layer", f->store.dir, path.text) < 0 || fsync(layers) < 0)
		return err_set(e, errno, "cannot put %s in place", path.text);
	return 0;
}

static int mend(const struct place *p, const char *why, struct err *e)
{
	struct fsck *f = p->f;
	_cleanup_fd_ int lock = -EBADF, root = -EBADF;
	const char *done = NULL, *hindered = NULL;
	struct layer_marker m;
	int error = 0;

	if (f->options->repair && may_replace(f, p->chain, &lock, &hindered)) {
		error = unpack_beside(p, &root, &m, e);
		if (!error)
			error = put_in_place(p, &m, e);
		store_unlock_chain(&f->store, p->chain, &lock);
		done = error ? NULL : "unpacked again";
	}
	fsck_tell(f, "layer", p->chain->hex, true, done, "%s%s", why, hindered ? hindered : "");
	return error;
}

static int layer_missing(const struct place *p, struct err *e)
{
	struct fsck *f = p->f;
	enum fsck_blob state = fsck_blob_state(f, p->blob);

	if (state == FSCK_BLOB_GOOD)
		return mend(p, "it is missing", e);
	p->image->unread = state == FSCK_BLOB_UNREAD;
	p->image->lost = !p->image->unread;
	fsck_tell(f, "image", reference_familiar(p->image->entry->ref_name).text, true,
		  f->options->repair && p->image->lost
			  ? "its name was removed: pull or load it again"
			  : NULL,
		  "its layer %zu (%.12s...) is missing or damaged, and %s", p->at + 1, p->chain->hex,
		  p->image->lost ? "so is the blob it was made of"
				 : "the blob it was made of cannot be read");
	return 0;
}

/* 1 the same, 0 not, and why. */
static int compare(const struct place *p, const struct layer_marker *have, char *why, struct err *e)
{
	_cleanup_fd_ int root = -EBADF;
	_cleanup_fd_ int diff =
		openat(p->f->store.dir, store_layer_path(p->chain, "/diff").text, FOLDER_FLAGS);
	struct layer_marker m;
	int error;

	if (diff < 0)
		return err_set(e, errno, "cannot open layer %.12s", p->chain->hex);
	error = unpack_beside(p, &root, &m, e);
	if (error == -ENOSPC || error == -EDQUOT)
		err_fix(e,
			"layers are unpacked again to compare them: free some space, or leave that "
			"out with --quick");
	if (error)
		return err_wrap(e, "layer %.12s", p->chain->hex);
	p->f->result.bytes += m.bytes;
	if (m.entries != have->entries || m.bytes != have->bytes ||
	    m.opaque_root != have->opaque_root) {
		snprintf(why, TREE_DIFFERENCE_MAX, "its file \"complete\" has other numbers");
		return 0;
	}
	return tree_same(root, diff, why, e);
}

static int check_layer(struct place *p, struct err *e)
{
	struct fsck *f = p->f;
	char why[TREE_DIFFERENCE_MAX];
	struct layer_marker have;
	enum fsck_blob blob;
	int got;

	if (digests_has(&f->seen_layers, p->chain))
		return 0;
	got = store_read_marker(&f->store, p->chain, &have, NULL);
	if (digests_has(&f->bad_layers, p->chain))
		return 0; /* told already, and nothing could be done */
	if (got < 0)
		return got;
	p->as = got && !have.userxattr ? APPLY_ROOT : store_apply_as(&f->store);
	if (got == 0)
		return layer_missing(p, e);
	if (f->options->quick)
		return 0;
	blob = fsck_blob_state(f, p->blob);
	/* Told already, or it just came to that. */
	if (blob == FSCK_BLOB_UNREAD && !digests_has(&f->unread_blobs, &p->blob->digest))
		return err_set(e, EIO, "cannot look at blob %.19s...",
			       digest_text(&p->blob->digest).text);
	if (blob != FSCK_BLOB_GOOD)
		return 0;
	got = digests_add(&f->seen_layers, p->chain, e);
	if (got)
		return got;
	got = compare(p, &have, why, e);
	return got == 0 ? mend(p, why, e) : got < 0 ? got : 0;
}

int fsck_image_layers(struct fsck *f, struct err *e)
{
	size_t i, at;
	int error = 0;

	for (i = 0; i < f->index.count && !error; i++) {
		struct fsck_image *image = &f->images[i];

		for (at = 0; !error && !image->lost && !image->unread &&
			     at < image->manifest.layer_count; at++) {
			struct place p = { .f = f,
					   .image = image,
					   .at = at,
					   .chain = &image->chains[at],
					   .blob = &image->manifest.layers[at] };

			error = check_layer(&p, e);
		}
	}
	path_remove_tree(f->tmp.dir, "layer", NULL);
	return error;
}
