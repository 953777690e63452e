/*
 * main-kist-image.c - the program `kist-image`; `kist image VERB` execs it.
 *
 * Only words in and words out: what the verbs do is in image/.
 */
#include <errno.h>
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
		.only = o->only,
		.bytes_max = o->bytes_max,
		.entries_max = o->entries_max,
		.loaded = loaded,
		.note = note,
		.user = (void *)(uintptr_t)o,
	};

	int error = image_cli_enter(o, true, e);

	return error ? error : image_load(&load, e);
}

static int run_rm(const struct image_cli *o, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct store_removed removed = { 0 };
	int error = image_cli_enter(o, false, e), i;

	if (!error)
		error = store_open(&s, o->store, false, e);
	if (error == -ENOENT) {
		err_clear(e);
		error = err_say(e, ENOENT, "no such image: %.200s (see: kist image ls)", o->args[0]);
	}
	if (!error)
		error = store_remove(&s, (const char *const *)o->args, o->arg_count, o->force,
				     &removed, e);
	for (i = 0; error && i < o->arg_count; i++)
		error = store_explain_shared(error, o->args[i], e);
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
	{ "load", "[--quiet] [--image REFERENCE] [--tag NAME] [--max-size BYTES] [--max-entries N] FILE|DIR|-",
	  "put the images of an OCI layout (a folder, or a tar of one) into the store", 1, 1,
	  run_load },
	{ "pull", "[--quiet|--json] [--platform OS/ARCH] [--artifact --output DIR] ... REFERENCE",
	  "get an image from a registry: [HOST[:PORT]/]NAME[:TAG][@DIGEST]", 1, 1, image_cli_pull },
	{ "tags", "[--json] [--last TAG] [--limit N] ... NAME", "list a repository's tags", 1, 1,
	  image_cli_tags },
	{ "referrers", "[--json] [--artifact-type TYPE] ... REFERENCE",
	  "list what a registry has about an image: signatures, bills of materials", 1, 1,
	  image_cli_referrers },
	{ "push", "[--quiet|--json] [--chunk-size BYTES] ... REFERENCE [NAME[:TAG]]",
	  "send an image to a registry, under its own name or another", 1, 2, image_cli_push },
	{ "login", "[--username NAME] [--password-stdin] [REGISTRY]",
	  "try a password, read from the standard input, and keep it", 0, 1, image_cli_login },
	{ "logout", "[REGISTRY]", "forget a password", 0, 1, image_cli_logout },
	{ "ls",
	  "[--json|--format TEMPLATE] [--filter FILTER]... [--quiet] [--digests] [NAME[:TAG]...]",
	  "list the images in the store", 0, -1, image_cli_ls },
	{ "tag", "REFERENCE NAME", "give an image another name", 2, 2, image_cli_tag },
	{ "inspect", "[--raw] [--config] [--format TEMPLATE] [--remote ...] REFERENCE",
	  "print all that is known of an image, or of one at a registry, as JSON", 1, 1,
	  image_cli_inspect },
	{ "history", "[--json] REFERENCE", "print how an image was made", 1, 1, image_cli_history },
	{ "save", "[--format oci-archive|docker-archive|oci] [--output FILE|DIR] REFERENCE...",
	  "write images as an archive that load, docker and others read", 1, -1, image_cli_save },
	{ "import",
	  "[--change INSTRUCTION]... [--message TEXT] [--platform OS/ARCH] FILE|- NAME[:TAG]",
	  "make an image of a root file system, a tar", 2, 2, image_cli_import },
	{ "export", "[--rootfs] [--output FILE] REFERENCE|DIR",
	  "write an image's root file system, or a folder that is one, as a tar", 1, 1,
	  image_cli_export },
	{ "bundle",
	  "[--overlay] [--rootless] [--tty] [--user USER[:GROUP]] REFERENCE DIR [-- ARG...]",
	  "make a bundle that kist run, runc and others start", 2, -1, image_cli_bundle },
	{ "rm", "[--quiet] [--force] REFERENCE...",
	  "remove images that no container uses, and what no other image needs", 1, -1, run_rm },
	{ "prune", "[--all [--filter FILTER]...] [--dry-run] [--older-than TIME] [--json|--quiet]",
	  "free what no image needs; with --all also images that no container uses", 0, 0,
	  image_cli_prune },
	{ "fsck", "[--repair] [--quick] [--json|--quiet]",
	  "look at all of the store, byte by byte, for what is damaged; and mend it", 0, 0,
	  image_cli_fsck },
	{ "share", "[--off]",
	  "let other users read the store's blobs, and so its images; --off: no more", 0, 0,
	  image_cli_share },
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
		"--ids auto|single|mapped   of a user's new store: whose files those of images become\n"
		"limits of load and pull, for all layers of one image: --max-size %lluG (k, M, G, T),\n"
		"              --max-entries %llu\n"
		"of all that talk to a registry:\n"
		"--authfile FILE   credentials, as docker and containers keep them\n"
		"--certs-dir DIR   HOST[:PORT]/ with hosts.toml, *.crt, *.cert and *.key\n"
		"--plain-http      without TLS, where the registry has none\n"
		"--tries N         of one request (%u)   --timeout SECONDS   of a stalled one (%u)\n",
		UNPACK_BYTES_MAX >> 30, UNPACK_ENTRIES_MAX, REGISTRY_TRIES_USUAL,
		REGISTRY_TIMEOUT_USUAL);
	return to == stdout ? 0 : IMAGE_CLI_USAGE;
}

/* 0 go on, else the exit status + 1. */
static int parse(int argc, char **argv, struct image_cli *o, const struct verb **ret)
{
	const char *name, *foreign;
	int code = image_cli_options(argc, argv, o);
	size_t i;

	if (o->help)
		return usage(stdout) + 1;
	if (code)
		return code + 1;
	if (o->arg_count < 1)
		return usage(stderr) + 1;
	name = o->args[0];
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(name, verbs[i].name) == 0)
			*ret = &verbs[i];
	if (*ret == NULL)
		return image_cli_bad_usage("no such verb: ", name) + 1;
	foreign = image_cli_foreign(o, name);
	if (foreign)
		return image_cli_bad_usage("that option is not for ", name) + 1;
	o->args++;
	o->arg_count--;
	if (o->arg_count < (*ret)->args_min ||
	    ((*ret)->args_max >= 0 && o->arg_count > (*ret)->args_max))
		return image_cli_bad_usage("wrong number of arguments for ", name) + 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct image_cli o = { .bytes_max = UNPACK_BYTES_MAX, .entries_max = UNPACK_ENTRIES_MAX };
	const struct verb *verb = NULL;
	struct err e = ERR_INIT;
	int code;

	if (argc < 1)
		return IMAGE_CLI_USAGE; /* CVE-2021-4034's class: argc may be 0 */
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
