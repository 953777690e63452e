/*
 * criu.h - the program criu: finding it, its arguments, running it, and what it says of a failure.
 */
#pragma once
#include <stdbool.h>
#include "base/arena.h"
#include "base/err.h"

#define CRIU_ARGS_MAX 8192

/* A command line, grown in the arena; more than CRIU_ARGS_MAX words are told by criu_args_check().
 */
struct criu_args {
	struct arena *arena;
	const char **word; /* NULL-terminated */
	size_t count;
	bool overflow;
};
void criu_args_begin(struct criu_args *c, struct arena *a, const char *program, const char *verb);
void criu_args_add(struct criu_args *c, const char *word);
/* --NAME and, unless NULL, its value as the next word. */
void criu_args_addf(struct criu_args *c, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int criu_args_check(const struct criu_args *c, struct err *e);

/* The absolute path of criu, in PATH and then where Debian has it. -ENOENT with how to get it. */
int criu_find(struct arena *a, const char **ret, struct err *e);

struct criu_run {
	const char *const *argv;
	int work;	 /* folder it logs to */
	const char *log; /* name of the log, there */
	/* In the child, before criu begins; NULL: nothing. No allocation, no stdio. -errno. */
	int (*prepare)(void *user);
	void *user;
	/* Not in a dump: killed in the middle it would leave code of its own in those it saves. */
	bool dies_with_us;
	bool keep_stdio; /* leaves the caller's 0, 1, 2 at CRIU_STDIO and up */
};
#define CRIU_STDIO     20 /* where criu finds the caller's stdin, stdout, stderr */
#define CRIU_NET       23 /* where prepare() may leave a network namespace */
#define CRIU_FDS_ABOVE 32 /* all from here on are closed */

/* Runs it to its end. When it fails the record holds what its log says. */
int criu_run(const struct criu_run *r, struct err *e);

/* The line of a log that says why: without time and source file. False: there is none. Pure. */
bool criu_log_reason(const char *log, char *text, size_t size);
