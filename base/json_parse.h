/*
 * json_parse.h - the reader behind json_parse_strict(); private to base/.
 */
#pragma once
#include "base/json.h"

/* Why a text was refused, and where in it. */
struct json_fault {
	const char *why; /* static */
	bool memory;	 /* there was none */
	bool deep;	 /* nested deeper than JSON_DEPTH_LIMIT */
	size_t offset, line, column;
	struct json_at where;
};
/* New reference, or NULL and *fault. */
json_t *json_build(const char *text, size_t size, struct json_fault *fault);
/* The value for an integer from 2^63 to 2^64 - 1. New reference, NULL without memory. */
json_t *json_big(uint64_t value);
