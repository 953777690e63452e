/*
 * check_internal.h - what the files of check share.
 */
#pragma once
#include "runtime/check.h"

/* What was taken out of the configuration to see the rest of it. */
#define CHECK_MENDED_MAX 200
struct mended {
	json_t *config; /* what is left; NULL: all of it is as in the file */
	/* Pointers into the file; removed are elements of arrays, whose followers moved up. */
	char *place[CHECK_MENDED_MAX];
	bool removed[CHECK_MENDED_MAX];
	size_t count;
};

struct check {
	json_t *problems;
	const struct host *h;
	struct arena arena;
	struct container_spec spec; /* of the configuration, without what is wrong in it */
	bool assumed;		    /* its namespaces or maps are not the configuration's own */
	bool no_root;		    /* nor is its root */
	check_settle *settle;
	int root; /* O_PATH of the root, or -EBADF */
	struct mended mended;
};

enum check_level { CHECK_ERROR, CHECK_WARNING };
void check_say(struct check *c, enum check_level level, const char *where, const char *fix,
	       const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The record as a problem at `where`, or at its own place when that is NULL. */
void check_err(struct check *c, enum check_level level, const char *where, const struct err *e);

/* A pointer into what is left, as one into the file. */
struct json_at check_in_file(const struct mended *m, const char *pointer);
/* True when what is said of that place of the file only follows from what was taken out. */
bool check_follows(const struct mended *m, const char *where, const char *says);
void check_mended_free(struct mended *m);

/* check_spec.c: every problem the parsers have; true: c->spec is filled. */
bool check_spec(struct check *c, const char *bundle, const char *file);
/* check_files.c: the root, the mounts, the program. */
void check_root(struct check *c);
void check_mounts(struct check *c);
void check_program(struct check *c);
/* 0, or a positive errno: a program of that absolute path may be run in the container. */
int check_inside(const struct check *c, const char *path);
/* check_host.c: namespaces, cgroup, devices, kernel. */
void check_host(struct check *c);
