/*
 * check.h - what would keep a bundle from starting: all of it, not only the first thing.
 *
 * Starts nothing and changes nothing. What it cannot see from here (the content of a file system
 * that is yet to be mounted, what the kernel answers to a mount option) it says nothing about.
 */
#pragma once
#include <jansson.h>
#include "base/err.h"
#include "runtime/spec.h"

/* What the caller's options make of a configuration before it is checked (cli_settle()). */
typedef int check_settle(struct container_spec *s, const char *id, const struct host *h,
			 struct arena *a, struct err *e);

/* `file`: instead of the bundle's config.json, relative to here; or NULL. An array of {"level": "error"|"warning", "where", "what", "fix"}; "fix" may be "". New reference;
 * NULL: out of memory. */
json_t *check_bundle(const char *bundle, const char *file, const struct host *h, check_settle *settle);
/* True when one of them is an error. */
bool check_failed(const json_t *problems);
