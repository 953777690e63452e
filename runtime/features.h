/*
 * features.h - what this runtime can do, as features.md of the specification wants it said.
 *
 * Every list is read from the table that the parser itself uses.
 */
#pragma once
#include <jansson.h>

/* New reference, or NULL when out of memory. */
json_t *features_json(void);
