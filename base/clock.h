/*
 * clock.h - deadlines by the clock that nobody sets.
 */
#pragma once
#include <limits.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* The earlier of two ends; one below 0 never comes. */
static inline int64_t clock_earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* As poll(2) takes it: the time that is left until `end` (by clock_now_ms()), at least 0; -1 for an
 * end below 0, which never comes. */
static inline int clock_left_ms(int64_t end)
{
	int64_t left = end < 0 ? -1 : end - clock_now_ms();

	if (end >= 0 && left < 0)
		left = 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
