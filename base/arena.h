/*
 * arena.h - memory that is freed all at once.
 *
 * Everything a spec or a plan points to lives in one arena. Running out of
 * memory is sticky: the call returns NULL and arena_failed() stays true, so
 * that builders check once, at the end. Not for use in the guest.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
	bool failed;
};

#define ARENA_INIT { 0 }

/* Zeroed, aligned for any type; NULL when out of memory (sticky). */
void *arena_alloc(struct arena *a, size_t size);
/* count * size with overflow check. */
void *arena_array(struct arena *a, size_t count, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a);
/* So much of the heap is about to be used: all at once, not by a fault for each of its pages. */
void arena_warm_heap(size_t bytes);
static inline bool arena_failed(const struct arena *a)
{
	return a->failed;
}
