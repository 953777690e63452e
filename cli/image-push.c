/*
 * image-push.c - `kist image push`.
 */
#include <stdio.h>
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/image-cli.h"
#include "image/push.h"

static void progress(void *user, const struct digest *blob, uint64_t size, const char *how)
{
	const struct image_cli *o = user;
	char text[24];

	if (!o->quiet && !o->json)
		fprintf(stderr, "%.12s: %s, %s\n", blob->hex, image_cli_size(size, text), how);
}

static void note(void *user, const char *text)
{
	const struct image_cli *o = user;

	if (!o->quiet)
		log_msg(LOG_WARN, "%s", text);
}

static void print_result(const struct image_cli *o, const struct push_result *r)
{
	_cleanup_json_ json_t *out = NULL;
	_cleanup_free_ char *text = NULL;

	if (o->json) {
		out = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "reference", r->reference,
				"digest", digest_text(&r->digest).text, "blobs",
				(json_int_t)r->blobs, "there", (json_int_t)r->there, "mounted",
				(json_int_t)r->mounted, "sent", (json_int_t)r->sent, "bytes",
				(json_int_t)r->bytes);
		text = out ? json_dumps(out, JSON_INDENT(1)) : NULL;
		puts(text ? text : "{}");
	} else if (o->quiet) {
		printf("%s\n", digest_text(&r->digest).text);
	} else {
		printf("pushed %s  %s  %zu blobs (%zu sent, %zu mounted, %zu already "
		       "there)\n",
		       reference_familiar(r->reference).text, digest_text(&r->digest).text, r->blobs, r->sent,
		       r->mounted, r->there);
	}
}

int image_cli_push(const struct image_cli *o, struct err *e)
{
	struct push_result result;
	struct push_options push = {
		.store = o->store,
		.source = o->args[0],
		.target = o->arg_count > 1 ? o->args[1] : NULL,
		.chunk = o->chunk,
		.progress = progress,
		.user = (void *)(uintptr_t)o,
	};
	int error;

	image_cli_registry(o, &push.registry);
	push.registry.note = note;
	push.registry.user = (void *)(uintptr_t)o;
	error = image_push(&push, &result, e);
	if (!error)
		print_result(o, &result);
	return error;
}
