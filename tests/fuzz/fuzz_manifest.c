/* fuzz_manifest.c - any bytes as index, manifest and config; and the config as a bundle's. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "image/bundle.h"
#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the image says, the configuration keeps its shape. */
static void check_bundle(json_t *document)
{
	static const char base[] = "{\"process\":{\"env\":[\"PATH=/bin\",\"TERM=xterm\"]},\"root\":{"
				   "\"path\":\"rootfs\"},\"mounts\":[],\"linux\":{}}";
	const struct bundle_user user = { .uid = 1, .home = "/h" };
	json_t *spec = NULL, *value;
	const char *key;
	size_t left_out;

	assert(json_parse_strict(base, strlen(base), "base", &spec, NULL) == 0);
	if (bundle_convert(spec, document, &user, NULL, false, &left_out, NULL) == 0) {
		const json_t *process = json_object_get(spec, "process");
		char *text = json_dumps(spec, 0);

		assert(text && json_array_size(json_object_get(process, "args")) > 0);
		assert(json_string_value(json_object_get(process, "cwd"))[0] == '/');
		assert(strcmp(json_string_value(json_object_get(json_object_get(spec, "root"), "path")),
			      "rootfs") == 0);
		free(text);
		json_object_foreach(json_object_get(spec, "annotations"), key, value)
			assert(!bundle_is_order(key));
	}
	json_decref(spec);
}

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
		check_bundle(document);
	}
	err_format(&e, line, sizeof(line));
	json_decref(document);
	arena_free(&a);
	return 0;
}
