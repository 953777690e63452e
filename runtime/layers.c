/*
 * layers.c - from annotations to the layers of an image.
 */
#include "runtime/layers.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/size.h"
#include "runtime/annotations.h"

void root_layers_close(struct root_layers *l)
{
	fd_close(&l->pin);
}

void root_layers_of_image(const struct image_info *image, int pin, struct root_layers *ret)
{
	*ret = (struct root_layers){ .pin = pin,
				     .image = image,
				     .dir = image->layer_dir,
				     .layers = (const char *const *)image->layer_names,
				     .count = image->layer_count };
}

int root_layers_parse_writable(const char *text, struct arena *a, struct root_layers *l,
			       struct err *e)
{
	const char *colon = text[0] == '/' ? strrchr(text, ':') : NULL;
	const char *size = text[0] == '/' ? (colon ? colon + 1 : NULL) : text;
	int64_t bytes = 0;

	if (size && (size_parse(size, &bytes) < 0 || bytes <= 0))
		return err_say(e, EINVAL,
			       "\"%.64s\" is neither a size, like 64m, nor an absolute folder, "
			       "nor both, like /folder:64m",
			       text);
	l->upper_bytes = (uint64_t)bytes;
	l->upper_dir = NULL;
	if (text[0] != '/')
		return 0;
	l->upper_dir =
		arena_printf(a, "%.*s", colon ? (int)(colon - text) : (int)strlen(text), text);
	return l->upper_dir ? 0 : err_set(e, ENOMEM, "%.64s", text);
}

static int read_text(const json_t *all, const struct json_at *at, const char *key, const char **ret,
		     struct err *e)
{
	struct json_at here = json_at_key(at, key);
	int r;

	*ret = NULL;
	r = json_get_string(all, at, key, ret, e);
	return r > 0 && !**ret ? json_bad(e, &here, "must not be empty") : r;
}

int root_layers_find(const json_t *config, struct arena *a, struct root_layers *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations"), here;
	const char *name = NULL, *store = NULL, *writable = NULL;
	struct image_info *image = arena_alloc(a, sizeof *image);
	const json_t *all = json_object_get(config, "annotations");
	int r, pin = -EBADF;

	r = read_text(all, &at, ANNOTATION_IMAGE, &name, e);
	if (r >= 0)
		r = read_text(all, &at, ANNOTATION_STORE, &store, e);
	if (r >= 0)
		r = read_text(all, &at, ANNOTATION_WRITABLE, &writable, e);
	if (r < 0)
		return r;
	here = json_at_key(&at, store ? ANNOTATION_STORE : ANNOTATION_WRITABLE);
	if (!name && (store || writable))
		return json_bad(e, &here, "has no meaning without " ANNOTATION_IMAGE);
	if (!name)
		return 0;
	if (!image)
		return err_set(e, ENOMEM, "the image");
	here = json_at_key(&at, ANNOTATION_STORE);
	if (store && store[0] != '/')
		return json_bad(e, &here, "must be an absolute path");
	r = image_resolve_layers(store, name, a, image, &pin, e);
	if (r < 0)
		return err_wrap(e, "/annotations/" ANNOTATION_IMAGE);
	root_layers_of_image(image, pin, ret);
	here = json_at_key(&at, ANNOTATION_WRITABLE);
	r = writable ? root_layers_parse_writable(writable, a, ret, e) : 0;
	if (r < 0) {
		err_at(e, "/annotations/" ANNOTATION_WRITABLE);
		root_layers_close(ret);
	}
	return r < 0 ? r : 1;
}

/* Overlay notes in user xattrs, when it may not use trusted ones, which of a new folder's names are
 * not the old one's. */
#define TMPFS_USER_XATTR HOST_KERNEL(6, 6)

int root_layers_check(const struct root_layers *l, const struct host *h, bool readonly,
		      struct err *e)
{
	if (h->root || readonly || l->upper_dir || h->kernel >= TMPFS_USER_XATTR)
		return 0;
	err_say(e, ENOTSUP,
		"a writable root without root needs user xattrs in what takes the changes, and "
		"this kernel's tmpfs has none (Linux 6.6 does)");
	return err_fix(e, "let a folder on a disk take them: " ANNOTATION_WRITABLE
			  "=/folder, or for a job "
			  "--writable /folder");
}
