/*
 * check.h - what would keep a bundle from starting: all of it, not only the first thing.
 *
 * Starts nothing and changes nothing. What it cannot see from here (the content of a file system
 * that is yet to be mounted, what the kernel answers to a mount option) it says nothing about.
 */
#pragma once
#include <jansson.h>
#include "base/err.h"
#include "base/host.h"

/* An array of {"level": "error"|"warning", "where", "what", "fix"}; "fix" may be "". New reference;
 * NULL: out of memory. */
json_t *check_bundle(const char *bundle, const struct host *h, bool systemd);
/* True when one of them is an error. */
bool check_failed(const json_t *problems);
