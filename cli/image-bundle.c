/*
 * image-bundle.c - `kist image bundle`: an image as what `kist run` and runc start.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "base/json.h"
#include "base/log.h"
#include "cli/image-cli.h"
#include "image/bundle.h"
#include "runtime/spec.h"

static void note(void *user, const char *text)
{
	const struct image_cli *o = user;

	if (!o->quiet)
		log_msg(LOG_WARN, "%s", text);
}

int image_cli_bundle(const struct image_cli *o, struct err *e)
{
	_cleanup_json_ json_t *base = spec_default(o->rootless || geteuid() != 0);
	struct bundle_options bundle = {
		.store = o->store,
		.reference = o->args[0],
		.dir = o->args[1],
		.base = base,
		.args = (const char *const *)&o->args[2],
		.run_as = o->run_as,
		.terminal = o->tty,
		.overlay = o->overlay,
		.note = note,
		.user = (void *)(uintptr_t)o,
	};
	int error;

	if (base == NULL)
		return err_set(e, ENOMEM, "no memory for a configuration");
	error = image_cli_enter(o, false, e);
	return error ? error : image_bundle(&bundle, e);
}
