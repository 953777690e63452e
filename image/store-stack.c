/*
 * store-stack.c - layers/sha256/CHAINID/stack: the layers that show, from this one down.
 *
 * An image of a hundred layers has a hundred markers, each a file to open, read and parse, at every
 * start. What comes of them follows from the chainID alone, so whoever walked them once writes it
 * beside the topmost one. It is a convenience: what is not exactly right is not used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/store-layout.h"

#define LINE (DIGEST_HEX_LEN + 1)
#define END  "end\n"
#define LEAST 8 /* layers for which it pays */

bool store_read_stack(const struct store *s, const struct digest *top, size_t count,
		      struct digest *ret, size_t *ret_count)
{
	struct store_path path = store_layer_path(top, "/stack");
	size_t end = strlen(END), size = 0, n, i;
	_cleanup_free_ char *text = NULL;

	if (count < LEAST ||
	    file_read_whole(s->dir, path.text, count * LINE + end, &text, &size, NULL) ||
	    size < LINE + end || (size - end) % LINE || strcmp(text + size - end, END) != 0)
		return false;
	n = (size - end) / LINE;
	for (i = 0; i < n; i++) {
		char *line = text + i * LINE;

		if (line[DIGEST_HEX_LEN] != '\n')
			return false;
		line[DIGEST_HEX_LEN] = '\0';
		if (!digest_from_hex("sha256", line, &ret[i]) ||
		    faccessat(s->dir, store_layer_path(&ret[i], "/complete").text, F_OK, 0) < 0)
			return false;
	}
	if (!digest_equal(&ret[0], top))
		return false;
	*ret_count = n;
	return true;
}

void store_write_stack(const struct store *s, const struct digest *layers, size_t count)
{
	_cleanup_free_ char *text = count < LEAST ? NULL : malloc(count * LINE + sizeof(END));
	_cleanup_fd_ int dir = -EBADF;
	size_t i;

	if (text == NULL)
		return;
	for (i = 0; i < count; i++) {
		memcpy(text + i * LINE, layers[i].hex, DIGEST_HEX_LEN);
		text[i * LINE + DIGEST_HEX_LEN] = '\n';
	}
	memcpy(text + i * LINE, END, sizeof(END));
	dir = openat(s->dir, store_layer_path(&layers[0], "").text,
		     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0)
		file_replace_at(dir, "stack", text, i * LINE + strlen(END), 0600, false, NULL);
}
