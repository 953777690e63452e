/* fuzz_reference.c - any text as reference, digest and store query. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "image/reference.h"
#include "image/store-layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct reference r, again;
	struct store_query q;
	struct digest d;
	struct err e = ERR_INIT;

	memcpy(text, data, size);
	text[size] = '\0';
	if (reference_parse(text, &r, &e) == 0 && r.tag[0]) {
		/* the canonical form, and the familiar one, mean the same again */
		struct reference_text canonical = reference_canonical(&r);
		struct reference_text familiar = reference_familiar(canonical.text);

		assert(reference_parse(canonical.text, &again, &e) == 0);
		assert(strcmp(reference_canonical(&again).text, canonical.text) == 0);
		assert(reference_parse(familiar.text, &again, &e) == 0);
		assert(strcmp(reference_canonical(&again).text, canonical.text) == 0);
	}
	if (digest_parse(text, &d, &e) == 0)
		assert(strcmp(digest_text(&d).text, text) == 0);
	store_query_parse(text, &q, &e);
	free(text);
	return 0;
}
