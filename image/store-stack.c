/*
 * store-stack.c - layers/sha256/CHAINID/stack: the layers that show, from this one down.
 *
 * An image of a hundred layers has a hundred markers, each a file to open, read and parse, at every
 * start. What comes of them follows from the chainID alone, so whoever walked them once writes it
 * beside the topmost one. It is a convenience: what is not exactly right is not used.
 *
 *   INODE SECONDS.NANOSECONDS   of the folder layers/sha256 when all layers were seen in it, its ctime;
 *                               or "-"
 *   HEX/diff                    for each layer, top first; or
 *   HEX/flat                    for several that are small: store-flat.c
 *   end
 *
 * Whatever comes into that folder, or leaves it, changes its ctime. While that is as it was, no
 * layer is gone; else each is looked for. A time of just now could stand for two changes: none
 * is written down before it has settled.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/store-layout.h"

#define TAIL	"/diff\n"
#define FLAT	"/flat\n" /* as long */
#define LINE	(DIGEST_HEX_LEN + strlen(TAIL))
#define END	"end\n"
#define UNKNOWN "-\n"
#define SETTLED 3 /* seconds: some file systems have times of two */

struct folder_state {
	char text[64]; /* the first line */
	bool settled;
};

static struct folder_state look_at_folder(const struct store *s)
{
	struct folder_state f = { UNKNOWN, false };
	struct timespec now = { 0 };
	struct stat st;

	if (fstatat(s->dir, "layers/sha256", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return f;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(f.text, sizeof(f.text), "%llu %lld.%09ld\n", (unsigned long long)st.st_ino,
		 (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	f.settled = now.tv_sec - st.st_ctim.tv_sec >= SETTLED;
	return f;
}

static bool is_line(const char *line)
{
	size_t i;

	for (i = 0; i < DIGEST_HEX_LEN; i++)
		if (!(line[i] >= '0' && line[i] <= '9') && !(line[i] >= 'a' && line[i] <= 'f'))
			return false;
	return memcmp(line + DIGEST_HEX_LEN, TAIL, strlen(TAIL)) == 0 ||
	       memcmp(line + DIGEST_HEX_LEN, FLAT, strlen(FLAT)) == 0;
}

/* Makes strings of the lines. */
static bool split(char *lines, size_t size, const struct digest *top, struct arena *a,
		  struct store_stack *ret)
{
	size_t count, i;

	if (size < LINE + strlen(END) || (size - strlen(END)) % LINE ||
	    memcmp(lines + size - strlen(END), END, strlen(END)) != 0 ||
	    memcmp(lines, top->hex, DIGEST_HEX_LEN) != 0)
		return false;
	count = (size - strlen(END)) / LINE;
	ret->names = arena_array(a, count + 1, sizeof(*ret->names));
	if (ret->names == NULL)
		return false;
	for (i = 0; i < count; i++) {
		if (!is_line(lines + i * LINE))
			return false;
		ret->names[i] = lines + i * LINE;
		ret->names[i][LINE - 1] = '\0';
	}
	ret->count = count;
	return true;
}

static bool all_there(const struct store *s, const struct store_stack *stack)
{
	char path[sizeof("layers/sha256/") + DIGEST_HEX_LEN + sizeof("/complete")];
	size_t i;

	for (i = 0; i < stack->count; i++) {
		const char *name = stack->names[i];

		snprintf(path, sizeof(path), "layers/sha256/%.*s%s", DIGEST_HEX_LEN, name,
			 strcmp(name + DIGEST_HEX_LEN, "/flat") == 0 ? "/flat" : "/complete");
		if (faccessat(s->dir, path, F_OK, 0) < 0)
			return false;
	}
	return true;
}

static void write_stack(const struct store *s, const struct folder_state *f,
			const struct store_stack *stack)
{
	size_t size = strlen(f->text) + stack->count * LINE + strlen(END), n, i;
	_cleanup_free_ char *text = malloc(size + 1);
	char path[sizeof("layers/sha256/") + DIGEST_HEX_LEN];
	_cleanup_fd_ int dir = -EBADF;

	if (text == NULL || stack->count == 0 || s->shared)
		return;
	n = (size_t)snprintf(text, size + 1, "%s", f->settled ? f->text : UNKNOWN);
	for (i = 0; i < stack->count; i++)
		n += (size_t)snprintf(text + n, size + 1 - n, "%s\n", stack->names[i]);
	n += (size_t)snprintf(text + n, size + 1 - n, END);
	snprintf(path, sizeof(path), "layers/sha256/%.*s", DIGEST_HEX_LEN, stack->names[0]);
	dir = openat(s->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0)
		file_replace_at(dir, "stack", text, n, 0600, false, NULL);
}

bool store_read_stack(const struct store *s, const struct digest *top, struct arena *a,
		      struct store_stack *ret)
{
	size_t most = sizeof(struct folder_state) + MANIFEST_LAYERS_MAX * LINE + strlen(END);
	struct store_path path = store_layer_path(top, "/stack");
	_cleanup_free_ char *text = NULL;
	struct folder_state now;
	char *lines, *copy;
	size_t size = 0, first;

	if (file_read_whole(s->dir, path.text, most, &text, &size, NULL))
		return false;
	lines = memchr(text, '\n', size);
	if (lines == NULL)
		return false;
	first = (size_t)(++lines - text);
	copy = arena_strndup(a, lines, size - first);
	if (copy == NULL || !split(copy, size - first, top, a, ret))
		return false;
	now = look_at_folder(s);
	if (first == strlen(now.text) && memcmp(text, now.text, first) == 0)
		return true;
	if (!all_there(s, ret))
		return false;
	if (now.settled)
		write_stack(s, &now, ret);
	return true;
}

void store_write_stack(const struct store *s, const struct store_stack *stack)
{
	struct folder_state now = look_at_folder(s);

	write_stack(s, &now, stack);
}
