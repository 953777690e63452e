/*
 * options.h - one table a command: it parses, and it prints the usage.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum option_kind {
	OPTION_FLAG,    /* bool *; also --name=true|false */
	OPTION_TEXT,    /* const char ** */
	OPTION_TEXTS,   /* struct option_texts *; may be given often */
	OPTION_NUMBER,  /* int64_t *, decimal digits only, >= 0 */
	OPTION_REFUSED, /* known, not there: `help` says why; giving it is an error */
};

#define OPTION_TEXTS_MAX 1024
struct option_texts {
	const char *item[OPTION_TEXTS_MAX];
	size_t count;
};

struct option {
	const char *name; /* without dashes */
	char letter;      /* or 0 */
	enum option_kind kind;
	void *target;
	const char *value; /* what the usage calls the value: "DIR" */
	const char *help;
};

struct command {
	const char *name;
	const char *usage; /* after the name: "[options] ID" */
	const char *help;
	int min, max;      /* positional arguments; max -1: any number */
	bool hidden;
	int (*run)(int argc, char **argv);
};

/* Parses options up to the first positional argument or "--". Returns its index, or -EINVAL with
 * one clear line. -h and --help set *ret_help. */
int options_parse(const struct option *table, size_t count, int argc, char **argv, bool *ret_help,
		  struct err *e);
void options_print(const struct option *table, size_t count);
