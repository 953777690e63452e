/*
 * size.h - sizes, durations and numbers as people and other runtimes write them.
 */
#pragma once
#include <stdint.h>

/* "512", "64M", "64mb", "1.5 GiB": bytes, each unit 1024 times the one before; "-1": no limit.
 * 0 or -EINVAL. */
int size_parse(const char *text, int64_t *ret);
/* Decimal, with a sign. 0 or -EINVAL. */
int integer_parse(const char *text, int64_t *ret);
/* "5s", "100ms", "1m30s", "1.5h": milliseconds, as Go's durations; at least one. 0 or -EINVAL. */
int duration_parse(const char *text, int64_t *ret_ms);
