/*
 * digest.c - the digest grammar. Pure text: no syscalls, no hashing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "image/digest.h"

bool digest_is_hex(const char *hex)
{
	return strspn(hex, "0123456789abcdef") == DIGEST_HEX_LEN && hex[DIGEST_HEX_LEN] == '\0';
}

int digest_parse(const char *text, struct digest *ret, struct err *e)
{
	const char *colon = strchr(text, ':');

	if (colon == NULL)
		return err_say(e, EINVAL, "digest \"%.100s\" has no algorithm (want sha256:HEX)",
			       text);
	if (strncmp(text, "sha256:", 7) != 0)
		return err_say(e, EINVAL,
			       "digest algorithm \"%.*s\" is not supported (only sha256)",
			       (int)(colon - text > 32 ? 32 : colon - text), text);
	if (!digest_is_hex(colon + 1))
		return err_say(e, EINVAL,
			       "digest \"%.100s\" is not sha256: and 64 lower-case hex digits",
			       text);
	memcpy(ret->hex, colon + 1, DIGEST_HEX_LEN + 1);
	return 0;
}

struct digest_text digest_text(const struct digest *d)
{
	struct digest_text t;

	snprintf(t.text, sizeof(t.text), "sha256:%s", d->hex);
	return t;
}
