/*
 * reference.h - what people call an image, as docker writes it.
 *
 * Owns the grammar `[domain[:port]/]path[:tag][@digest]` and the defaults:
 * "busybox" is docker.io/library/busybox:latest. Pure: no syscalls, no
 * allocation.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "image/digest.h"

#define REFERENCE_NAME_MAX 255 /* domain and path, as distribution has it */
#define REFERENCE_TAG_MAX  128
#define REFERENCE_TEXT_MAX (REFERENCE_NAME_MAX + 1 + REFERENCE_TAG_MAX + 1)

struct reference {
	char name[REFERENCE_NAME_MAX + 1]; /* canonical: docker.io/library/busybox */
	char tag[REFERENCE_TAG_MAX + 1];   /* "latest" when neither tag nor digest was given */
	bool has_digest;
	bool has_domain; /* the registry was said, not assumed */
	struct digest digest;
};
/* "name:tag", the key of the store's index. Without a tag ("name@digest" was given): "name". */
struct reference_text {
	char text[REFERENCE_TEXT_MAX];
};

/* 0, or -EINVAL with the reason. */
int reference_parse(const char *text, struct reference *ret, struct err *e);
struct reference_text reference_canonical(const struct reference *r);
/* As people write it: "busybox:latest" for docker.io/library/busybox:latest. */
struct reference_text reference_familiar(const char *canonical);
/* [A-Za-z0-9_][A-Za-z0-9_.-]{0,127} */
bool reference_is_tag(const char *tag);
