/*
 * image-ids.c - `--ids` of kist image: whose files an unpacked image's become.
 */
#include <errno.h>
#include <string.h>
#include "cli/image-cli.h"
#include "image/store-layout.h"

int image_cli_enter_after(const struct image_cli *o, bool create, void (*before)(void *user),
			  void *user, struct err *e)
{
	static const char *const names[] = { "auto", "single", "mapped" };
	enum store_ids want = STORE_IDS_AUTO;

	while (o->ids && want <= STORE_IDS_MAPPED && strcmp(o->ids, names[want]) != 0)
		want++;
	if (want > STORE_IDS_MAPPED)
		return err_say(e, EINVAL, "--ids is auto, single or mapped, not %.60s", o->ids);
	return store_enter(o->store, want, create, before, user, e);
}

int image_cli_enter(const struct image_cli *o, bool create, struct err *e)
{
	return image_cli_enter_after(o, create, NULL, NULL, e);
}
