/*
 * image-fsck.c - `kist image fsck`: what image/fsck.h finds, as lines or as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/image-cli.h"
#include "image/fsck.h"

struct report {
	const struct image_cli *cli;
	json_t *wrong, *leftovers;
};

/* What it found may be named by an image: it stays one line. */
static void print_line(const struct fsck_found *found)
{
	char line[2048];
	struct buf text = BUF_ON(line);

	buf_reset(&text);
	buf_add_clean(&text, found->what);
	buf_add(&text, ": ");
	buf_add_clean(&text, found->text);
	printf("%s %s%s%s\n", found->kind, line, found->done ? " -> " : "",
	       found->done ? found->done : "");
}

static void on_found(void *user, const struct fsck_found *found)
{
	struct report *r = user;
	json_t *o;

	if (!r->cli->json) {
		if (!r->cli->quiet)
			print_line(found);
		return;
	}
	o = json_pack("{s:s, s:s, s:s, s:s?}", "kind", found->kind, "what", found->what, "text",
		      found->text, "done", found->done);
	json_array_append_new(found->wrong ? r->wrong : r->leftovers, o);
}

static int print_json(const struct report *r, const struct fsck_result *f, struct err *e)
{
	_cleanup_json_ json_t *out =
		json_pack("{s:O, s:O, s:{s:I, s:I, s:I, s:I}, s:b}", "wrong", r->wrong, "leftovers",
			  r->leftovers, "checked", "images", (json_int_t)f->images, "blobs",
			  (json_int_t)f->blobs, "layers", (json_int_t)f->layers, "bytes",
			  (json_int_t)f->bytes, "clean", f->wrong == f->mended);
	_cleanup_free_ char *text = out ? json_dumps(out, JSON_INDENT(1)) : NULL;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the output");
	puts(text);
	return 0;
}

static void print_summary(const struct image_cli *o, const struct fsck_result *f)
{
	char size[24];

	printf("%llu image%s, %llu blobs, %llu layers, %s looked at: ",
	       (unsigned long long)f->images, f->images == 1 ? "" : "s",
	       (unsigned long long)f->blobs, (unsigned long long)f->layers,
	       image_cli_size(f->bytes, size));
	if (f->wrong == 0)
		puts("clean");
	else if (f->wrong == f->mended)
		printf("%llu wrong, all mended\n", (unsigned long long)f->wrong);
	else if (o->repair)
		printf("%llu wrong, %llu mended\n", (unsigned long long)f->wrong,
		       (unsigned long long)f->mended);
	else
		printf("%llu wrong; kist image fsck --repair mends what can be\n",
		       (unsigned long long)f->wrong);
}

int image_cli_fsck(const struct image_cli *o, struct err *e)
{
	_cleanup_json_ json_t *wrong = json_array(), *leftovers = json_array();
	struct report report = { o, wrong, leftovers };
	struct fsck_options options = { .store = o->store,
					.quick = o->quick,
					.repair = o->repair,
					.found = on_found,
					.user = &report };
	struct fsck_result result = { 0 };
	int error = image_cli_enter(o, false, e);

	if (!error)
		error = store_fsck(&options, &result, e);
	if (error == 0 && o->json)
		error = print_json(&report, &result, e);
	else if (error == 0 && !o->quiet)
		print_summary(o, &result);
	if (error) {
		err_wrap(e, "cannot check the store");
		log_err(e);
		return FSCK_FAILED;
	}
	if (result.wrong == 0)
		return FSCK_CLEAN;
	return result.wrong == result.mended ? FSCK_MENDED : FSCK_WRONG;
}
