/*
 * store.c - from a reference to the folders and words that a container needs.
 *
 * Trusts the store (it is private to its owner, and load.c verified what went
 * in), but not that it is whole: a missing piece is an error with a way out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/host.h"
#include "image/store.h"
#include "image/store-layout.h"

int store_say_unknown(const struct store *s, const char *reference, struct err *e)
{
	err_say(e, ENOENT, "no such image: %.200s", reference);
	err_at(e, s->path);
	return err_fix(e, "kist pull NAME or kist load FILE puts one there; kist images lists them");
}

int store_find(const struct store *s, const char *reference, struct arena *a,
	       const struct index_entry **ret, struct err *e)
{
	const struct index_entry *found = NULL;
	struct image_index index;
	struct store_query q;
	size_t i;
	int error = store_query_parse(reference, &q, e);

	if (!error)
		error = store_read_index(s, a, &index, e);
	if (!error)
		error = store_query_settle(&q, &index, e);
	if (error)
		return error;
	for (i = 0; i < index.count; i++) {
		const struct index_entry *entry = &index.entries[i];

		if (!store_query_matches(&q, entry))
			continue;
		if (q.reference[0] && strcmp(q.reference, entry->ref_name) == 0) {
			found = entry;
			break;
		}
		if (found && !digest_equal(&found->descriptor.digest, &entry->descriptor.digest))
			return err_say(e, EINVAL, "%.64s is the start of more than one digest",
				       reference);
		found = found ? found : entry;
	}
	if (found == NULL)
		return store_say_unknown(s, reference, e);
	if (found->chain == NULL || found->descriptor.media != MEDIA_MANIFEST) {
		err_say(e, EINVAL, "%.200s is in the store but not unpacked", reference);
		return err_fix(e, "kist image load it again");
	}
	*ret = found;
	return 0;
}

/* Walks from the top layer down by the markers' parents. */
static int walk_layers(const struct store *s, const struct digest *top, size_t count,
		       struct arena *a, struct image_info *info, struct err *e)
{
	struct store_stack stack = { .names = arena_array(a, count + 1, sizeof(*stack.names)) };
	bool hidden = false, odd = false;
	struct digest chain = *top;
	struct layer_marker m;
	size_t i;
	int got;

	for (i = 0; stack.names && i < count; i++) {
		got = store_read_marker(s, &chain, &m, e);
		if (got == 0)
			err_say(e, ENOENT, "layer %.12s is missing from the store", chain.hex);
		if (got <= 0)
			return err_fix(e, "kist image load the image again");
		if (m.has_parent != (i + 1 < count))
			return err_say(e, EBADMSG,
				       "layer %.12s has the wrong parent: the store is "
				       "damaged",
				       chain.hex);
		odd |= m.userxattr != s->userxattr;
		info->userxattr |= m.userxattr;
		/* overlayfs ignores "opaque" on a layer's root: here it ends the list */
		if (!hidden)
			stack.names[stack.count++] = arena_printf(a, "%s/diff", chain.hex);
		hidden |= m.opaque_root;
		chain = m.parent;
	}
	if (arena_failed(a))
		return err_set(e, ENOMEM, "no memory for layers");
	if (!odd) /* which it could not tell */
		store_write_stack(s, &stack);
	info->layer_names = stack.names;
	info->layer_count = stack.count;
	return 0;
}

static int pin(const struct store *s, const struct digest *chain, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = openat(s->dir, store_layer_path(chain, "").text,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "cannot open layer %.12s", chain->hex);
	if (flock(fd, LOCK_SH) < 0)
		return err_set(e, errno, "cannot pin layer %.12s", chain->hex);
	*ret = fd_take(&fd);
	return 0;
}

/* What the manifest and the config say; `layers`: those too, which nobody wrote down. */
static int read_image(const struct store *s, const struct index_entry *entry,
		      const struct digest *top, bool layers, struct arena *a,
		      struct image_info *info, struct err *e)
{
	struct image_manifest manifest;
	struct image_config config;
	int error = store_read_manifest(s, &entry->descriptor, a, &manifest, e);

	if (!error)
		error = store_read_config(s, &manifest.config, a, &config, e);
	if (!error && layers)
		error = walk_layers(s, top, manifest.layer_count, a, info, e);
	if (error)
		return error;
	info->env = config.env;
	info->entrypoint = config.entrypoint;
	info->cmd = config.cmd;
	info->workdir = config.workdir;
	info->user = config.user;
	return 0;
}

/* As the caller counts: in a user namespace that has the store's ids they are those after 0. */
static int find_ids(const struct store *s, struct image_info *info, struct err *e)
{
	info->mapped = s->mapped;
	info->ids = s->ids;
	if (!s->mapped || store_has_entered() || !host_in_user_namespace())
		return 0;
	info->ids = (struct subids){ { 0, 1, s->ids.uid.count }, { 0, 1, s->ids.gid.count } };
	return store_check_ids(s, e);
}

static int fill_info(const struct store *s, const struct index_entry *entry, bool layers_only,
		     struct arena *a, struct image_info *ret, int *ret_pin_fd, struct err *e)
{
	struct image_info info = { .workdir = "", .user = "" };
	struct store_stack stack = { 0 };
	_cleanup_fd_ int pin_fd = -EBADF;
	struct digest top;
	bool known = false;
	int error = digest_parse(entry->chain, &top, e);

	if (!error)
		error = pin(s, &top, &pin_fd, e);
	if (!error)
		error = find_ids(s, &info, e);
	if (!error) {
		known = store_read_stack(s, &top, a, &stack);
		info.layer_names = stack.names;
		info.layer_count = stack.count;
	}
	if (!error && !(known && layers_only))
		error = read_image(s, entry, &top, !known, a, &info, e);
	if (error)
		return error;
	info.userxattr |= s->userxattr;
	info.layer_dir = arena_printf(a, "%s/layers/sha256", s->path);
	info.store = arena_strdup(a, s->path);
	info.shared = s->shared;
	info.chain = arena_strdup(a, digest_text(&top).text);
	info.reference = entry->ref_name;
	info.manifest_digest = arena_strdup(a, digest_text(&entry->descriptor.digest).text);
	if (arena_failed(a))
		return err_set(e, ENOMEM, "no memory for an image");
	*ret = info;
	*ret_pin_fd = fd_take(&pin_fd);
	return 0;
}

static int resolve(const char *store, const char *reference, bool layers_only, struct arena *a,
		   struct image_info *ret, int *ret_pin_fd, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	_cleanup_fd_ int lock = -EBADF;
	const struct index_entry *entry = NULL;
	/* From reading the index until the layers are pinned, nothing may be removed. */
	int error = store_open_having(&s, store, reference, true, a, &entry, &lock, e);

	if (!error)
		error = fill_info(&s, entry, layers_only, a, ret, ret_pin_fd, e);
	return error ? err_wrap(e, "image %.200s", reference) : 0;
}

int image_resolve(const char *store, const char *reference, struct arena *a, struct image_info *ret,
		  int *ret_pin_fd, struct err *e)
{
	return resolve(store, reference, false, a, ret, ret_pin_fd, e);
}

int image_resolve_layers(const char *store, const char *reference, struct arena *a,
			 struct image_info *ret, int *ret_pin_fd, struct err *e)
{
	return resolve(store, reference, true, a, ret, ret_pin_fd, e);
}

char **image_layer_paths(const struct image_info *image, struct arena *a)
{
	char **paths = arena_array(a, image->layer_count + 1, sizeof(*paths));
	size_t i;

	for (i = 0; paths && i < image->layer_count; i++)
		paths[i] = arena_printf(a, "%s/%s", image->layer_dir, image->layer_names[i]);
	return arena_failed(a) ? NULL : paths;
}
