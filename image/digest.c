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

static const struct {
	const char *name;
	size_t len;
} algorithms[] = { { "sha256", DIGEST_HEX_LEN }, { "sha512", DIGEST_HEX_MAX } };

const char *digest_algorithm(const struct digest *d)
{
	return algorithms[d->hex[DIGEST_HEX_LEN] != '\0'].name;
}

bool digest_from_hex(const char *algorithm, const char *hex, struct digest *ret)
{
	size_t i;

	for (i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		if (strcmp(algorithm, algorithms[i].name) != 0)
			continue;
		if (strspn(hex, "0123456789abcdef") != algorithms[i].len ||
		    hex[algorithms[i].len] != '\0')
			return false;
		memcpy(ret->hex, hex, algorithms[i].len + 1);
		return true;
	}
	return false;
}

int digest_parse(const char *text, struct digest *ret, struct err *e)
{
	const char *colon = strchr(text, ':');
	char algorithm[8];

	if (colon == NULL)
		return err_say(e, EINVAL, "digest \"%.100s\" has no algorithm (want sha256:HEX)",
			       text);
	if (strncmp(text, "sha256:", 7) != 0 && strncmp(text, "sha512:", 7) != 0)
		return err_say(e, EINVAL,
			       "digest algorithm \"%.*s\" is not supported (sha256 and sha512 are)",
			       (int)(colon - text > 32 ? 32 : colon - text), text);
	snprintf(algorithm, sizeof(algorithm), "%.6s", text);
	if (!digest_from_hex(algorithm, colon + 1, ret))
		return err_say(e, EINVAL,
			       "digest \"%.100s\" is not %s: and %d lower-case hex digits", text,
			       algorithm, text[3] == '2' ? DIGEST_HEX_LEN : DIGEST_HEX_MAX);
	return 0;
}

struct digest_text digest_text(const struct digest *d)
{
	struct digest_text t;

	snprintf(t.text, sizeof(t.text), "%s:%s", digest_algorithm(d), d->hex);
	return t;
}
