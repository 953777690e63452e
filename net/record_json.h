/*
 * record_json.h - what a network's definition and an endpoint's record have in common when they are
 * read: both are JSON that kist wrote, and a disk may lie.
 */
#pragma once
#include <stddef.h>
#include "base/json.h"

/* -EINVAL: the value of that key is not as kist writes it. */
int record_bad(const struct json_at *parent, const char *key, struct err *e);
/* A string that must be there, and fit. */
int record_get_text(const json_t *o, const char *key, char *to, size_t size, struct err *e);
