/*
 * main-kist-image.c - the program `kist-image`; `kist image VERB` execs it.
 *
 * Only words in and words out: what the verbs do is in image/.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/arena.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/image-cli.h"
#include "image/load.h"
#include "image/reference.h"
#include "image/store-gc.h"
#include "image/store.h"
#include "image/usage.h"

#define EXIT_USAGE 2

struct verb {
	const char *name, *usage, *help;
	int args_min, args_max; /* -1: any */
	int (*run)(const struct image_cli *o, struct err *e); /* 0, an exit status, or -errno */
};

static void loaded(void *user, const char *reference, const struct digest *manifest, size_t layers,
		   size_t unpacked)
{
	const struct image_cli *o = user;

	if (o->quiet)
		printf("%s\n", digest_text(manifest).text);
	else
		printf("loaded %s  %s  %zu layer%s (%zu unpacked)\n",
		       reference_familiar(reference).text, digest_text(manifest).text, layers,
		       layers == 1 ? "" : "s", unpacked);
}

static void note(void *user, const char *text)
{
	const struct image_cli *o = user;

	if (!o->quiet)
		log_msg(LOG_WARN, "%s", text);
}

static int run_load(const struct image_cli *o, struct err *e)
{
	struct load_options load = {
		.store = o->store,
		.source = o->args[0],
		.tag = o->tag,
		.bytes_max = o->bytes_max,
		.entries_max = o->entries_max,
		.loaded = loaded,
		.note = note,
		.user = (void *)(uintptr_t)o,
	};

	return image_load(&load, e);
}

struct row {
	const char *reference, *created;
	struct digest digest;
	uint64_t size, shared, own; /* compressed; on the disk, with what is unpacked */
	size_t layers;
};

static int fill_row(const struct store *s, const struct index_entry *entry, struct arena *a,
		    struct row *row, struct err *e)
{
	struct image_manifest manifest;
	struct image_config config;
	size_t i;
	int error = store_read_manifest(s, &entry->descriptor, a, &manifest, e);

	if (!error)
		error = store_read_config(s, &manifest.config, a, &config, e);
	if (error)
		return err_wrap(e, "image %.200s", entry->ref_name ? entry->ref_name : "(unnamed)");
	row->reference = entry->ref_name ? entry->ref_name : "";
	row->digest = entry->descriptor.digest;
	row->created = config.created;
	row->layers = manifest.layer_count;
	row->size = entry->descriptor.size + manifest.config.size;
	for (i = 0; i < manifest.layer_count; i++)
		row->size += manifest.layers[i].size;
	return 0;
}

const char *image_cli_size(uint64_t n, char text[24])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double x = n;
	int unit = 0;

	for (; x >= 999.5 && unit < 6; unit++)
		x /= 1000;
	snprintf(text, 24, x < 9.95 && unit ? "%.1f %s" : "%.0f %s", x, units[unit]);
	return text;
}

static void print_table(const struct row *rows, size_t count)
{
	int width = (int)strlen("REFERENCE");
	char size[24], disk[24], own[24];
	size_t i;

	for (i = 0; i < count; i++) {
		int len = strlen(reference_familiar(rows[i].reference).text);

		width = len > width ? len : width;
	}
	printf("%-*s  %-12s  %8s  %8s  %8s  %6s  %s\n", width, "REFERENCE", "DIGEST", "SIZE", "DISK",
	       "OWN", "LAYERS", "CREATED");
	for (i = 0; i < count; i++)
		printf("%-*s  %.12s  %8s  %8s  %8s  %6zu  %.19s\n", width,
		       reference_familiar(rows[i].reference).text, rows[i].digest.hex,
		       image_cli_size(rows[i].size, size),
		       image_cli_size(rows[i].shared + rows[i].own, disk),
		       image_cli_size(rows[i].own, own), rows[i].layers,
		       rows[i].created[0] ? rows[i].created : "-");
}

static int print_json(const struct row *rows, size_t count, struct err *e)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_free_ char *text = NULL;
	size_t i;

	for (i = 0; i < count; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s}", "reference", rows[i].reference,
					"digest", digest_text(&rows[i].digest).text, "size",
					(json_int_t)rows[i].size, "shared", (json_int_t)rows[i].shared, "own",
					(json_int_t)rows[i].own, "layers",
					(json_int_t)rows[i].layers, "created", rows[i].created));
	text = json_dumps(list, JSON_INDENT(1));
	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the list");
	puts(text);
	return 0;
}

static int print_rows(const struct image_cli *o, const struct row *rows, size_t count, struct err *e)
{
	size_t i;

	if (o->json)
		return print_json(rows, count, e);
	if (!o->quiet)
		print_table(rows, count);
	for (i = 0; o->quiet && i < count; i++)
		printf("%s\n", digest_text(&rows[i].digest).text);
	return 0;
}

static int list(const struct image_cli *o, const struct store *s, struct arena *a, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF;
	struct image_index index;
	struct usage usage = { 0 };
	struct row *rows;
	size_t i;
	int error = store_lock(s, false, &lock, e);

	if (!error)
		error = store_read_index(s, a, &index, e);
	if (!error)
		error = usage_of_images(s, &index, a, &usage, e);
	if (error)
		return error;
	rows = arena_array(a, index.count + 1, sizeof(*rows));
	if (rows == NULL)
		return err_set(e, ENOMEM, "no memory for the list");
	for (i = 0; !error && i < index.count; i++) {
		error = fill_row(s, &index.entries[i], a, &rows[i], e);
		rows[i].shared = usage.images[i].shared;
		rows[i].own = usage.images[i].own;
	}
	return error ? error : print_rows(o, rows, index.count, e);
}

static int run_ls(const struct image_cli *o, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct arena a = ARENA_INIT;
	int error = store_open(&s, o->store, false, e);

	if (error == -ENOENT) { /* no store yet: an empty list */
		err_clear(e);
		return print_rows(o, NULL, 0, e);
	}
	if (!error)
		error = list(o, &s, &a, e);
	arena_free(&a);
	return error;
}

static int run_rm(const struct image_cli *o, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct store_removed removed = { 0 };
	int error = store_open(&s, o->store, false, e);

	if (error == -ENOENT) {
		err_clear(e);
		return err_say(e, ENOENT, "no such image: %.200s (see: kist image ls)", o->args[0]);
	}
	if (!error)
		error = store_remove(&s, (const char *const *)o->args, o->arg_count, o->force,
				     &removed, e);
	if (error)
		return error;
	if (!o->quiet)
		printf("removed %zu name%s, %zu blob%s, %zu layer%s\n", removed.references,
		       removed.references == 1 ? "" : "s", removed.blobs,
		       removed.blobs == 1 ? "" : "s", removed.layers,
		       removed.layers == 1 ? "" : "s");
	if (removed.layers_in_use)
		log_msg(LOG_WARN, "%zu layer%s in use: the next prune or rm after that frees what is left",
			removed.layers_in_use, removed.layers_in_use == 1 ? " is" : "s are");
	return 0;
}

static const struct verb verbs[] = {
	{ "load", "[--quiet] [--tag NAME] [--max-size BYTES] [--max-entries N] FILE|DIR|-",
	  "put the images of an OCI layout (a folder, or a tar of one) into the store", 1, 1,
	  run_load },
	{ "pull", "[--quiet|--json] [--platform OS/ARCH] [--max-size BYTES] ... REFERENCE",
	  "get an image from a registry: [HOST[:PORT]/]NAME[:TAG][@DIGEST]", 1, 1, image_cli_pull },
	{ "push", "[--quiet|--json] [--chunk-size BYTES] ... REFERENCE [NAME[:TAG]]",
	  "send an image to a registry, under its own name or another", 1, 2, image_cli_push },
	{ "login", "[--username NAME] [--password-stdin] [REGISTRY]",
	  "try a password, read from the standard input, and keep it", 0, 1, image_cli_login },
	{ "logout", "[REGISTRY]", "forget a password", 0, 1, image_cli_logout },
	{ "ls", "[--json] [--quiet]", "list the images in the store", 0, 0, run_ls },
	{ "tag", "REFERENCE NAME", "give an image another name", 2, 2, image_cli_tag },
	{ "inspect", "REFERENCE", "print all that is known of an image, as JSON", 1, 1,
	  image_cli_inspect },
	{ "history", "[--json] REFERENCE", "print how an image was made", 1, 1, image_cli_history },
	{ "save", "[--output FILE] REFERENCE...",
	  "write images as an archive that load, docker and others read", 1, -1, image_cli_save },
	{ "bundle", "[--rootless] [--tty] [--user USER[:GROUP]] REFERENCE DIR [-- ARG...]",
	  "make a bundle that kist run, runc and others start", 2, -1, image_cli_bundle },
	{ "rm", "[--quiet] [--force] REFERENCE...",
	  "remove images that no container uses, and what no other image needs", 1, -1, run_rm },
	{ "prune", "[--all [--filter FILTER]...] [--dry-run] [--older-than TIME] [--json|--quiet]",
	  "free what no image needs; with --all also images that no container uses", 0, 0,
	  image_cli_prune },
	{ "fsck", "[--repair] [--quick] [--json|--quiet]",
	  "look at all of the store, byte by byte, for what is damaged; and mend it", 0, 0,
	  image_cli_fsck },
	{ "df", "[--json]", "print what takes how much, and what prune would free", 0, 0,
	  image_cli_df },
};

static int usage(FILE *to)
{
	size_t i;

	fprintf(to, "usage: kist image [--store DIR] VERB ...\n\n");
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(to, "  %s %s\n      %s\n", verbs[i].name, verbs[i].usage, verbs[i].help);
	fprintf(to,
		"\n--store DIR   the store (or KIST_STORE; /var/lib/kist for root,\n"
		"              ${XDG_DATA_HOME:-~/.local/share}/kist for a user)\n"
		"-q, --quiet   digests only (load, pull, push, ls), nothing (rm, prune, fsck, login, logout)\n"
		    "--log FILE, --log-format text|json   where and how errors go\n"
		    "-h, --help    this text\n"
		"limits of load and pull, for all layers of one image: --max-size %lluG (k, M, G, T),\n"
		"              --max-entries %llu\n"
		"of pull, push, login, logout:\n"
		"--authfile FILE   credentials, as docker and containers keep them\n"
		"--certs-dir DIR   HOST[:PORT]/ with hosts.toml, *.crt, *.cert and *.key\n"
		"--plain-http      without TLS, where the registry has none\n"
		"--tries N         of one request (%u)   --timeout SECONDS   of a stalled one (%u)\n",
		UNPACK_BYTES_MAX >> 30, UNPACK_ENTRIES_MAX, REGISTRY_TRIES_USUAL,
		REGISTRY_TIMEOUT_USUAL);
	return to == stdout ? 0 : EXIT_USAGE;
}

/* "32G": a number and maybe one of k M G T (powers of 1024). */
static bool read_size(const char *text, bool units, uint64_t *ret)
{
	static const char letters[] = "kMGT";
	const char *letter;
	uint64_t n = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return false;
	if (i == 0)
		return false;
	if (units && text[i] && (letter = strchr(letters, text[i])) != NULL) {
		if (__builtin_mul_overflow(n, 1ull << (10 * (letter - letters + 1)), &n))
			return false;
		i++;
	}
	*ret = n;
	return text[i] == '\0' && n > 0 && n <= INT64_MAX;
}

enum { OPT_STORE = 256, OPT_TAG, OPT_JSON, OPT_MAX_SIZE, OPT_MAX_ENTRIES, OPT_LOG, OPT_LOG_FORMAT, OPT_PLATFORM,
       OPT_AUTHFILE, OPT_CERTS_DIR, OPT_PLAIN_HTTP, OPT_PASSWORD_STDIN, OPT_TRIES, OPT_TIMEOUT,
       OPT_CHUNK_SIZE, OPT_DRY_RUN, OPT_FILTER, OPT_OLDER_THAN, OPT_REPAIR, OPT_QUICK,
       OPT_ROOTLESS, OPT_USER, OPT_END };

static const struct option long_options[] = {
	{ "store", required_argument, NULL, OPT_STORE },
	{ "tag", required_argument, NULL, OPT_TAG },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "quiet", no_argument, NULL, 'q' },
	{ "max-size", required_argument, NULL, OPT_MAX_SIZE },
	{ "max-entries", required_argument, NULL, OPT_MAX_ENTRIES },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "log-format", required_argument, NULL, OPT_LOG_FORMAT },
	{ "platform", required_argument, NULL, OPT_PLATFORM },
	{ "authfile", required_argument, NULL, OPT_AUTHFILE },
	{ "certs-dir", required_argument, NULL, OPT_CERTS_DIR },
	{ "plain-http", no_argument, NULL, OPT_PLAIN_HTTP },
	{ "username", required_argument, NULL, 'u' },
	{ "password-stdin", no_argument, NULL, OPT_PASSWORD_STDIN },
	{ "tries", required_argument, NULL, OPT_TRIES },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "chunk-size", required_argument, NULL, OPT_CHUNK_SIZE },
	{ "rootless", no_argument, NULL, OPT_ROOTLESS },
	{ "tty", no_argument, NULL, 't' },
	{ "user", required_argument, NULL, OPT_USER },
	{ "output", required_argument, NULL, 'o' },
	{ "all", no_argument, NULL, 'a' },
	{ "force", no_argument, NULL, 'f' },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "filter", required_argument, NULL, OPT_FILTER },
	{ "older-than", required_argument, NULL, OPT_OLDER_THAN },
	{ "repair", no_argument, NULL, OPT_REPAIR },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* The verbs an option belongs to; NULL: all. */
static const char *verbs_of_option(int option)
{
	switch (option) {
	case OPT_TAG:
		return "load";
	case OPT_MAX_SIZE:
	case OPT_MAX_ENTRIES:
		return "load pull";
	case OPT_JSON:
		return "ls pull push history prune df fsck";
	case 'a':
	case OPT_DRY_RUN:
	case OPT_FILTER:
	case OPT_OLDER_THAN:
		return "prune";
	case 'f':
		return "rm";
	case OPT_REPAIR:
	case OPT_QUICK:
		return "fsck";
	case OPT_PLATFORM:
		return "pull";
	case 'o':
		return "save";
	case OPT_ROOTLESS:
	case OPT_USER:
	case 't':
		return "bundle";
	case OPT_CHUNK_SIZE:
		return "push";
	case 'u':
	case OPT_PASSWORD_STDIN:
		return "login";
	case OPT_AUTHFILE:
		return "pull push login logout";
	case OPT_CERTS_DIR:
	case OPT_PLAIN_HTTP:
	case OPT_TRIES:
	case OPT_TIMEOUT:
		return "pull push login";
	default:
		return NULL;
	}
}

static bool is_among(const char *word, const char *words)
{
	size_t len = strlen(word);
	const char *at = words;

	while ((at = strstr(at, word)) != NULL) {
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
		at += len;
	}
	return false;
}

static int bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "kist image: %s%s (see: kist image --help)\n", what, value);
	return EXIT_USAGE;
}

static int take_word(struct image_cli *o, int option)
{
	switch (option) {
	case OPT_PLATFORM:
		o->platform = optarg;
		return 0;
	case OPT_AUTHFILE:
		o->authfile = optarg;
		return 0;
	case OPT_CERTS_DIR:
		o->certs_dir = optarg;
		return 0;
	case OPT_PLAIN_HTTP:
		o->plain_http = true;
		return 0;
	case 'u':
		o->user = optarg;
		return 0;
	case 'o':
		o->output = optarg;
		return 0;
	case OPT_ROOTLESS:
		o->rootless = true;
		return 0;
	case 't':
		o->tty = true;
		return 0;
	case OPT_USER:
		o->run_as = optarg;
		return 0;
	case OPT_PASSWORD_STDIN:
		o->password_stdin = true;
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case 'f':
		o->force = true;
		return 0;
	case OPT_DRY_RUN:
		o->dry_run = true;
		return 0;
	case OPT_REPAIR:
		o->repair = true;
		return 0;
	case OPT_QUICK:
		o->quick = true;
		return 0;
	case OPT_OLDER_THAN:
		o->older_than = optarg;
		return 0;
	case OPT_FILTER:
		if (o->filter_count == IMAGE_CLI_FILTERS_MAX)
			return bad_usage("too many filters: ", optarg);
		o->filters[o->filter_count++] = optarg;
		return 0;
	default:
		return bad_usage("unknown option", "");
	}
}

static int take_option(struct image_cli *o, int option)
{
	switch (option) {
	case OPT_STORE:
		o->store = optarg;
		return 0;
	case OPT_TAG:
		o->tag = optarg;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case OPT_LOG:
		o->log = optarg;
		return 0;
	case OPT_LOG_FORMAT:
		o->log_json = strcmp(optarg, "json") == 0;
		return o->log_json || strcmp(optarg, "text") == 0
			       ? 0
			       : bad_usage("--log-format must be text or json, not ", optarg);
	case OPT_MAX_SIZE:
		return read_size(optarg, true, &o->bytes_max)
			       ? 0
			       : bad_usage("--max-size must be like 512M or 32G, not ", optarg);
	case OPT_MAX_ENTRIES:
		return read_size(optarg, false, &o->entries_max)
			       ? 0
			       : bad_usage("--max-entries must be a number, not ", optarg);
	case OPT_CHUNK_SIZE:
		return read_size(optarg, true, &o->chunk)
			       ? 0
			       : bad_usage("--chunk-size must be like 512k or 16M, not ", optarg);
	case OPT_TRIES:
		return read_size(optarg, false, &o->tries) && o->tries <= 100
			       ? 0
			       : bad_usage("--tries must be a number from 1 to 100, not ", optarg);
	case OPT_TIMEOUT:
		return read_size(optarg, false, &o->timeout) && o->timeout <= 3600
			       ? 0
			       : bad_usage("--timeout must be seconds, 1 to 3600, not ", optarg);
	default:
		return take_word(o, option);
	}
}

/* 0 go on, else the exit status + 1. */
static int parse(int argc, char **argv, struct image_cli *o, const struct verb **ret)
{
	bool used[OPT_END] = { false };
	const char *owners;
	int option, code;
	size_t i;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "qhaftu:o:", long_options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout) + 1;
		if (option == '?')
			return bad_usage("unknown or incomplete option ", argv[optind - 1]) + 1;
		code = take_option(o, option);
		if (code)
			return code + 1;
		used[option] = true;
	}
	if (optind >= argc)
		return usage(stderr) + 1;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[optind], verbs[i].name) == 0)
			*ret = &verbs[i];
	if (*ret == NULL)
		return bad_usage("no such verb: ", argv[optind]) + 1;
	for (option = 0; option < OPT_END; option++) {
		owners = used[option] ? verbs_of_option(option) : NULL;
		if (owners && !is_among((*ret)->name, owners))
			return bad_usage("that option is not for ", (*ret)->name) + 1;
	}
	o->args = argv + optind + 1;
	o->arg_count = argc - optind - 1;
	if (o->arg_count < (*ret)->args_min ||
	    ((*ret)->args_max >= 0 && o->arg_count > (*ret)->args_max))
		return bad_usage("wrong number of arguments for ", (*ret)->name) + 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct image_cli o = { .bytes_max = UNPACK_BYTES_MAX, .entries_max = UNPACK_ENTRIES_MAX };
	const struct verb *verb = NULL;
	struct err e = ERR_INIT;
	int code;

	if (argc < 1)
		return EXIT_USAGE; /* CVE-2021-4034's class: argc may be 0 */
	umask(022);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error (EFBIG), not a death */
	code = parse(argc, argv, &o, &verb);
	if (code)
		return code - 1;
	if (log_open("kist", o.log, o.log_json, LOG_INFO, &e)) {
		log_err(&e);
		return EXIT_FAILURE;
	}
	code = verb->run(&o, &e);
	if (code < 0) {
		log_err(&e);
		return EXIT_FAILURE;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		err_set(&e, errno ? errno : EIO, "cannot write the output");
		log_err(&e);
		return EXIT_FAILURE;
	}
	return code;
}
