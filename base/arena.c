/*
 * arena.c - memory that is freed all at once.
 */
#include "base/arena.h"

#include <malloc.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sanitized.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* A buffer, of which perhaps nothing is used: its pages come, and go, as they are. */
#define MAYBE_UNUSED_BYTES (64u << 10)

#define SPARES_MAX 8

#define HEAP_AT_START (96u << 10)

/* With the header whole pages. A usual start fills four: what is left of the last one was made for
 * nothing, at 2 us a page. */
#define CHUNK_BYTES ((32u << 10) - offsetof(struct arena_chunk, data))

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	size_t dirty; /* so much is not zero: of who had it before */
	_Alignas(max_align_t) char data[];
};

#if SANITIZED /* LeakSanitizer looks for pointers only in what malloc gave */
static void *get_pages(size_t size)
{
	return calloc(1, size);
}

static void give_pages(void *pages, size_t size)
{
	(void)size;
	free(pages);
}
#else
/* Zeroed and there at once: a fault for each page would take longer than all that is done with it. */
static void *get_pages(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS |
				   (size < MAYBE_UNUSED_BYTES ? MAP_POPULATE : 0), -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

static void give_pages(void *pages, size_t size)
{
	munmap(pages, size);
}
#endif

/* Given back: what is worked out in an arena of its own, and thrown away, leaves it for the
 * next, and one job of a batch for another. Not under AddressSanitizer, which is to see who still uses
 * it. */
static struct arena_chunk *spares;
static unsigned spare_count;

static struct arena_chunk *take_spare(size_t total)
{
	for (struct arena_chunk **at = &spares; *at; at = &(*at)->next) {
		struct arena_chunk *c = *at;

		if (sizeof *c + c->size != total)
			continue;
		*at = c->next;
		spare_count--;
		return c;
	}
	return NULL;
}

/* Those of sizes that nobody asks for any more make room. */
static void drop_oldest_spare(void)
{
	struct arena_chunk **at = &spares, *c;

	while ((*at)->next)
		at = &(*at)->next;
	c = *at;
	*at = NULL;
	spare_count--;
	give_pages(c, sizeof *c + c->size);
}

static void give_chunk(struct arena_chunk *c)
{
	if (SANITIZED || sizeof *c + c->size >= MAYBE_UNUSED_BYTES) {
		give_pages(c, sizeof *c + c->size);
		return;
	}
	if (spare_count == SPARES_MAX)
		drop_oldest_spare();
	/* Zeroed where it is used, by whom its pages are written anyway. */
	if (c->dirty < c->used)
		c->dirty = c->used;
	c->used = 0;
	c->next = spares;
	spares = c;
	spare_count++;
}

/* What malloc(3) has at its start; more than that is asked for at once, too, where it can be said. */
static void grow_heap(size_t bytes)
{
#if defined(M_TOP_PAD) && !SANITIZED
	void *volatile rest, *volatile more; /* or the compiler leaves them out */

	mallopt(M_TOP_PAD, (int)bytes);
	mallopt(M_TRIM_THRESHOLD, (int)bytes * 4);
	rest = malloc(HEAP_AT_START);
	more = malloc(HEAP_AT_START);
	free(more);
	free(rest);
#else
	(void)bytes;
#endif
}

void arena_warm_heap(size_t bytes)
{
	uintptr_t page;
	void *first;

	if (bytes > HEAP_AT_START)
		grow_heap(bytes);
	first = malloc(1);
	page = ((uintptr_t)first + 4095) & ~(uintptr_t)4095;

	/* A kernel before 5.14 knows no such advice, and faults as ever. */
	if (first)
		madvise((void *)page, bytes, MADV_POPULATE_WRITE);
	free(first);
}

static struct arena_chunk *add_chunk(struct arena *a, size_t at_least)
{
	const bool large = at_least > CHUNK_BYTES / 2;
	size_t size = large ? at_least : CHUNK_BYTES, total;
	struct arena_chunk *c;

	if (__builtin_add_overflow(size, sizeof *c, &total))
		return NULL;
	c = take_spare(total);
	if (!c)
		c = get_pages(total);
	if (!c)
		return NULL;
	c->size = size;
	/* One of its own for what is large, behind that which has room left. */
	if (large && a->chunks) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		c->next = a->chunks;
		a->chunks = c;
	}
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	struct arena_chunk *c = a->chunks;
	size_t start = 0, rounded;
	void *p;

	if (__builtin_add_overflow(size ? size : 1, align - 1, &rounded)) {
		a->failed = true;
		return NULL;
	}
	rounded &= ~(align - 1);
	if (c)
		start = c->used;
	if (!c || c->size - start < rounded) {
		c = add_chunk(a, rounded);
		start = 0;
	}
	if (!c) {
		a->failed = true;
		return NULL;
	}
	p = c->data + start;
	if (start < c->dirty)
		memset(p, 0, rounded < c->dirty - start ? rounded : c->dirty - start);
	c->used = start + rounded;
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		a->failed = true;
		return NULL;
	}
	return arena_alloc(a, total);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy;
	size_t len = strnlen(s, n);

	copy = arena_alloc(a, len + 1);
	if (copy)
		memcpy(copy, s, len);
	return copy;
}

/* NULL is what an allocation before this one got. */
char *arena_strdup(struct arena *a, const char *s)
{
	if (!s)
		a->failed = true;
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (!text) {
		a->failed = true;
		return NULL;
	}
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		give_chunk(a->chunks);
		a->chunks = next;
	}
	a->failed = false;
}
