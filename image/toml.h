/*
 * toml.h - as much of TOML as a hosts.toml is made of, into jansson's values.
 *
 * Comments, tables, dotted and quoted keys, strings on one line, integers,
 * booleans, arrays. Refused with the line: what is not among these (dates,
 * floats, inline tables, arrays of tables, strings over lines), and any key
 * that is given twice. The order of keys is kept. Pure.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include "base/err.h"

#define TOML_DEPTH_MAX 8
#define TOML_BYTES_MAX (256u << 10)

/* New reference: an object. */
int toml_parse(const char *text, size_t size, json_t **ret, struct err *e);
