/*
 * image-cli.h - what the files of kist-image share.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include "base/err.h"

#define IMAGE_CLI_USAGE	    2 /* the exit status of a wrong command line */
#define IMAGE_CLI_WORDS_MAX 64

struct image_cli_words { /* of an option that may be given often; NULL-terminated */
	const char *item[IMAGE_CLI_WORDS_MAX + 1];
	size_t count;
};

struct image_cli { /* a parsed command line */
	const char *store, *tag, *log, *platform, *authfile, *ids, *certs_dir, *user, *output, *run_as;
	const char *format, *message, *last, *artifact_type, *only;
	bool help, json, quiet, log_json, plain_http, password_stdin;
	bool rootless, overlay, tty, rootfs, remote, raw, config, artifact, digests;
	bool all, dry_run, force, repair, quick; /* of prune, rm, fsck */
	bool off;				 /* of share */
	const char *older_than;
	struct image_cli_words filters, changes;
	uint64_t bytes_max, entries_max, tries, timeout, chunk, limit;
	uint64_t used; /* which options were given */
	char **args;
	int arg_count;
};

/* Fills o. 0; or an exit status, and what is wrong was said. */
int image_cli_options(int argc, char **argv, struct image_cli *o);
/* An option that was given, and is not one of this verb's; else NULL. */
const char *image_cli_foreign(const struct image_cli *o, const char *verb);
int image_cli_bad_usage(const char *what, const char *value);

/* Into the namespace that the store's files are owned in, if they are: store-enter.c. First of all. */
int image_cli_enter(const struct image_cli *o, bool create, struct err *e);
int image_cli_enter_after(const struct image_cli *o, bool create, void (*before)(void *user), void *user,
			  struct err *e);
/* "12 MB" */
const char *image_cli_size(uint64_t n, char text[24]);
int image_cli_pull(const struct image_cli *o, struct err *e);
int image_cli_push(const struct image_cli *o, struct err *e);
int image_cli_tag(const struct image_cli *o, struct err *e);
int image_cli_inspect(const struct image_cli *o, struct err *e);
int image_cli_history(const struct image_cli *o, struct err *e);
int image_cli_ls(const struct image_cli *o, struct err *e);
int image_cli_tags(const struct image_cli *o, struct err *e);
int image_cli_referrers(const struct image_cli *o, struct err *e);
int image_cli_inspect_remote(const struct image_cli *o, struct err *e);
int image_cli_pull_artifact(const struct image_cli *o, struct err *e);
int image_cli_import(const struct image_cli *o, struct err *e);
int image_cli_export(const struct image_cli *o, struct err *e);
int image_cli_save(const struct image_cli *o, struct err *e);
int image_cli_bundle(const struct image_cli *o, struct err *e);
int image_cli_login(const struct image_cli *o, struct err *e);
int image_cli_logout(const struct image_cli *o, struct err *e);

int image_cli_prune(const struct image_cli *o, struct err *e);
/* Returns 0, or an exit status: image/fsck.h has them. */
int image_cli_fsck(const struct image_cli *o, struct err *e);
int image_cli_df(const struct image_cli *o, struct err *e);
int image_cli_share(const struct image_cli *o, struct err *e);

/* A line of --format: text, {{.Name}}, {{json .Name}}. out NULL: only looks whether it is
 * understood. */
int image_cli_template(const char *format, const json_t *object, FILE *out, struct err *e);
struct store;
struct index_entry;
struct arena;
/* Of ls: are all its filters known; and does an image fit them: 1 or 0, or -errno. */
int image_cli_check_filters(const struct image_cli *o, struct err *e);
int image_cli_fits(const struct image_cli *o, const struct store *s,
		   const struct index_entry *entry, struct arena *a, struct err *e);

struct registry_options;
/* What the options say about registries. */
void image_cli_registry(const struct image_cli *o, struct registry_options *ret);
