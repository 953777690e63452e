/*
 * image-pull.c - `kist image pull`: words in, progress and a result out.
 *
 * On a terminal each layer has a line that is redrawn; else a line is printed
 * when a layer is there. Both go to the standard error: the standard output has
 * the result alone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/image-cli.h"
#include "image/credentials.h"
#include "image/load.h"
#include "image/reference.h"

#define BAR_WIDTH	 24
#define LINE_WIDTH	 76 /* a longer line would wrap, and not be drawn over */
#define REDRAW_SECONDS	 0.1
#define RATE_SECONDS_MIN 0.5

struct progress {
	const struct image_cli *o;
	bool terminal;
	unsigned rows, columns;
	size_t drawn; /* lines on the screen that are ours */
	double began, last;
	bool said[MANIFEST_LAYERS_MAX]; /* this layer is done, and that was printed */
	uint64_t fetched, resumed;	/* bytes */
	size_t there;			/* layers that needed nothing */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void draw_bar(const struct load_layer_state *s, double seconds)
{
	char have[24], size[24], rate[24], bar[BAR_WIDTH + 1];
	size_t full = s->done	    ? BAR_WIDTH
		      : s->size > 0 ? (size_t)((double)s->have / s->size * BAR_WIDTH)
				    : 0;

	if (full > BAR_WIDTH)
		full = BAR_WIDTH;
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '=', full);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r\x1b[K%.12s [%s] ", s->blob.hex, bar);
	if (s->there)
		fputs("already here", stderr);
	else if (s->done)
		fprintf(stderr, "%s  done", image_cli_size(s->size, size));
	else if (s->have == 0)
		fputs("waiting", stderr);
	else if (seconds < RATE_SECONDS_MIN || s->have <= s->resumed)
		fprintf(stderr, "%s / %s", image_cli_size(s->have, have),
			image_cli_size(s->size, size));
	else
		fprintf(stderr, "%s / %s  %s/s", image_cli_size(s->have, have),
			image_cli_size(s->size, size),
			image_cli_size((s->have - s->resumed) / seconds, rate));
	fputc('\n', stderr);
}

/* Where the lines have no room there is one for all layers. */
static void draw_sum(const struct load_layer_state *layers, size_t count)
{
	char have[24], size[24];
	uint64_t sum = 0, all = 0;
	size_t i, done = 0;

	for (i = 0; i < count; i++) {
		sum += layers[i].done ? layers[i].size : layers[i].have;
		all += layers[i].size;
		done += layers[i].done;
	}
	fprintf(stderr, "\r\x1b[K%zu of %zu layers  %s / %s\n", done, count,
		image_cli_size(sum, have), image_cli_size(all, size));
}

static void draw(struct progress *p, const struct load_layer_state *layers, size_t count)
{
	bool all = true;
	size_t i;

	for (i = 0; i < count; i++)
		all = all && layers[i].done;
	if (now() - p->last < REDRAW_SECONDS && !all)
		return;
	p->last = now();
	if (p->drawn)
		fprintf(stderr, "\x1b[%zuA", p->drawn);
	if (count + 2 > p->rows || p->columns < LINE_WIDTH) {
		draw_sum(layers, count);
		p->drawn = 1;
	} else {
		for (i = 0; i < count; i++)
			draw_bar(&layers[i], p->last - p->began);
		p->drawn = count;
	}
	fflush(stderr);
}

static void say_layer(const struct load_layer_state *s, size_t i, size_t count)
{
	char size[24], had[24];

	if (s->there)
		fprintf(stderr, "layer %zu/%zu %.12s: already here\n", i + 1, count, s->blob.hex);
	else if (s->resumed)
		fprintf(stderr, "layer %zu/%zu %.12s: %s, of which %s were here\n", i + 1, count,
			s->blob.hex, image_cli_size(s->size, size),
			image_cli_size(s->resumed, had));
	else
		fprintf(stderr, "layer %zu/%zu %.12s: %s\n", i + 1, count, s->blob.hex,
			image_cli_size(s->size, size));
}

static void progress(void *user, const struct load_layer_state *layers, size_t count)
{
	struct progress *p = user;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!layers[i].done || p->said[i])
			continue;
		p->said[i] = true;
		p->there += layers[i].there;
		if (!layers[i].there) {
			p->fetched += layers[i].size - layers[i].resumed;
			p->resumed += layers[i].resumed;
		}
		if (!p->terminal && !p->o->quiet && !p->o->json)
			say_layer(&layers[i], i, count);
	}
	if (p->terminal)
		draw(p, layers, count);
}

static void pulled(void *user, const char *reference, const struct digest *manifest, size_t layers,
		   size_t unpacked)
{
	struct progress *p = user;
	_cleanup_json_ json_t *o = NULL;
	_cleanup_free_ char *text = NULL;

	if (p->o->json) {
		o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f}", "reference", reference,
			      "digest", digest_text(manifest).text, "layers", (json_int_t)layers,
			      "unpacked", (json_int_t)unpacked, "fetched", (json_int_t)p->fetched,
			      "resumed", (json_int_t)p->resumed, "seconds", now() - p->began);
		text = o ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(3)) : NULL;
		puts(text ? text : "{}");
	} else if (p->o->quiet) {
		printf("%s\n", digest_text(manifest).text);
	} else {
		printf("pulled %s  %s  %zu layer%s (%zu unpacked)\n",
		       reference_familiar(reference).text, digest_text(manifest).text, layers,
		       layers == 1 ? "" : "s", unpacked);
	}
}

static void note(void *user, const char *text)
{
	struct progress *p = user;

	if (!p->o->quiet)
		log_msg(LOG_WARN, "%s", text);
	p->drawn = 0; /* it stands below the bars: they are drawn anew */
}

void image_cli_registry(const struct image_cli *o, struct registry_options *ret)
{
	*ret = (struct registry_options){
		.hosts = { .certs_dir = o->certs_dir, .plain_http = o->plain_http },
		.authfile = o->authfile,
		.tries = o->tries ? o->tries : REGISTRY_TRIES_USUAL,
		.idle_seconds = o->timeout ? o->timeout : REGISTRY_TIMEOUT_USUAL,
	};
	/* A peer that hangs up is an error of the transfer, not our death. */
	signal(SIGPIPE, SIG_IGN);
}

struct seeking {
	const struct image_cli *o;
	struct credential credential;
	struct registry_options *registry;
};

/* A helper asks a keyring, which serves the user, and not root of a user namespace. When it fails now it
 * is asked again when the registry wants a password. */
static void seek_credential(void *user)
{
	struct seeking *s = user;
	struct reference r;

	if (reference_parse(s->o->args[0], &r, NULL) == 0 &&
	    credentials_find(s->o->authfile, r.name, &s->credential, NULL) == 1)
		s->registry->found = &s->credential;
}

int image_cli_pull(const struct image_cli *o, struct err *e)
{
	struct progress p = { .o = o, .began = now(), .rows = 24, .columns = 80 };
	struct registry_options registry;
	struct seeking seeking = { .o = o, .registry = &registry };
	struct arena a = ARENA_INIT;
	struct platform platform;
	struct winsize size;
	struct load_options load = {
		.store = o->store,
		.source = o->args[0],
		.registry = &registry,
		.bytes_max = o->bytes_max,
		.entries_max = o->entries_max,
		.progress = progress,
		.loaded = pulled,
		.note = note,
		.user = &p,
	};
	int error = 0;

	if (o->artifact)
		return image_cli_pull_artifact(o, e);
	if (o->output)
		return err_say(e, EINVAL, "--output goes with --artifact: an image goes into the store");
	image_cli_registry(o, &registry);
	registry.note = note;
	registry.user = &p;
	p.terminal = !o->quiet && !o->json && isatty(STDERR_FILENO);
	if (p.terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) {
		p.rows = size.ws_row;
		p.columns = size.ws_col;
	}
	if (o->platform) {
		error = platform_parse(o->platform, &a, &platform, e);
		load.platform = &platform;
	}
	if (!error)
		error = image_cli_enter_after(o, true, seek_credential, &seeking, e);
	if (!error)
		error = image_load(&load, e);
	credential_forget(&seeking.credential);
	arena_free(&a);
	return error;
}
