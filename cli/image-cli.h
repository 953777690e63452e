/*
 * image-cli.h - what the files of kist-image share.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define IMAGE_CLI_FILTERS_MAX 16

struct image_cli { /* a parsed command line */
	const char *store, *tag, *log, *platform, *authfile, *certs_dir, *user, *output, *run_as;
	bool json, quiet, log_json, plain_http, password_stdin;
	bool rootless, tty;
	bool all, dry_run, force, repair, quick; /* of prune, rm, fsck */
	const char *older_than, *filters[IMAGE_CLI_FILTERS_MAX];
	size_t filter_count;
	uint64_t bytes_max, entries_max, tries, timeout, chunk;
	char **args;
	int arg_count;
};

/* "12 MB" */
const char *image_cli_size(uint64_t n, char text[24]);
int image_cli_pull(const struct image_cli *o, struct err *e);
int image_cli_push(const struct image_cli *o, struct err *e);
int image_cli_tag(const struct image_cli *o, struct err *e);
int image_cli_inspect(const struct image_cli *o, struct err *e);
int image_cli_history(const struct image_cli *o, struct err *e);
int image_cli_save(const struct image_cli *o, struct err *e);
int image_cli_bundle(const struct image_cli *o, struct err *e);
int image_cli_login(const struct image_cli *o, struct err *e);
int image_cli_logout(const struct image_cli *o, struct err *e);

int image_cli_prune(const struct image_cli *o, struct err *e);
/* Returns 0, or an exit status: image/fsck.h has them. */
int image_cli_fsck(const struct image_cli *o, struct err *e);
int image_cli_df(const struct image_cli *o, struct err *e);

struct registry_options;
/* What the options say about registries. */
void image_cli_registry(const struct image_cli *o, struct registry_options *ret);
