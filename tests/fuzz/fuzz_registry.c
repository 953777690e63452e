/* fuzz_registry.c - any text as WWW-Authenticate or Link header, hosts.toml, base64 credential,
 * platform, an artifact's title, a change of an import.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "image/artifact.h"
#include "image/challenge.h"
#include "image/credentials.h"
#include "image/layout-make.h"
#include "image/manifest.h"
#include "image/registry-hosts.h"
#include "image/registry-list.h"
#include "image/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_challenge(const char *text)
{
	struct challenge c;
	const char *s;

	if (challenge_parse(text, &c, NULL))
		return;
	assert(c.kind != CHALLENGE_NONE);
	for (s = c.realm; *s; s++)
		assert((unsigned char)*s >= ' ');
	for (s = c.service; *s; s++)
		assert((unsigned char)*s >= ' ');
}

static void check_hosts(const char *text, size_t size, struct arena *a)
{
	struct registry_hosts h;
	json_t *document = NULL;
	size_t i, n;

	if (toml_parse(text, size, &document, NULL))
		return;
	if (registry_hosts_parse(document, "docker.io", a, &h, NULL) == 0) {
		assert(h.count > 0 && h.count <= HOSTS_MIRRORS_MAX + 1);
		for (i = 0; i < h.count; i++) {
			assert(strncmp(h.list[i].base, "http", 4) == 0);
			assert(!strpbrk(h.list[i].base, " \r\n@?#"));
			for (n = 0; h.list[i].headers && h.list[i].headers[n]; n++)
				assert(!strpbrk(h.list[i].headers[n], "\r\n"));
		}
	}
	json_decref(document);
}

static void check_link(const char *text)
{
	char url[256];

	if (link_next(text, url, sizeof(url)))
		assert(url[0] && strlen(url) < sizeof(url) && !strchr(url, '>'));
	if (artifact_is_name(text))
		assert(text[0] != '.' && !strchr(text, '/') && strlen(text) <= 200);
}

static void check_change(const char *text)
{
	json_t *config = json_object();
	char *out;

	source_change(config, text, NULL);
	out = json_dumps(config, 0); /* what was taken can be written */
	assert(out);
	free(out);
	json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct credential c;
	struct platform p;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	check_challenge(text);
	check_link(text);
	check_change(text);
	check_hosts(text, size, &a);
	credential_from_base64(text, &c);
	platform_parse(text, &a, &p, NULL);
	arena_free(&a);
	free(text);
	return 0;
}
