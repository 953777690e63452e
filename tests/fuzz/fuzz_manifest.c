/* fuzz_manifest.c - any bytes as index, manifest and config. */
#include <assert.h>
#include <stdint.h>
#include "base/json.h"
#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct image_index index;
	struct image_manifest manifest;
	struct image_config config;
	struct platform here = platform_here();
	json_t *document = NULL;
	char line[1024];
	size_t i;

	if (json_parse_strict((const char *)data, size, "fuzz", &document, &e) == 0) {
		bool is_index = manifest_parse_index(document, &a, &index, &e) == 0;

		for (i = 0; is_index && i < index.count; i++)
			platform_rank(&index.entries[i].platform, &here);
		/* CVE-2021-41190: no document may be both */
		assert(!(manifest_parse(document, &a, &manifest, &e) == 0 && is_index));
		manifest_parse_config(document, &a, &config, &e);
	}
	err_format(&e, line, sizeof(line));
	json_decref(document);
	arena_free(&a);
	return 0;
}
