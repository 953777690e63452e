/*
 * json-driver.c - which documents kist's JSON parser takes, for a comparison with another's.
 *
 * On stdin documents, each behind a line with its size in bytes; on stdout a line each, "1" when it
 * was taken, "0" when not.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

int main(void)
{
	size_t size;

	while (scanf("%zu", &size) == 1 && getchar() == '\n') {
		char *text = malloc(size + 1);
		struct err e = ERR_INIT;
		json_t *root = NULL;

		if (!text || fread(text, 1, size, stdin) != size)
			return 1;
		puts(json_parse_strict(text, size, "document", &root, &e) == 0 ? "1" : "0");
		json_decref(root);
		free(text);
	}
	return 0;
}
