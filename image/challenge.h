/*
 * challenge.h - what a registry wants to see: the WWW-Authenticate header.
 *
 * Owns its grammar (RFC 9110 11.6.1, RFC 6750, distribution's token
 * specification). Pure text.
 */
#pragma once
#include "base/err.h"

enum challenge_kind { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge {
	enum challenge_kind kind;
	char realm[2048], service[512], scope[1024]; /* "" when not said */
};

/* Of several challenges Bearer is taken before Basic; neither: -ENOTSUP. Malformed: -EINVAL. */
int challenge_parse(const char *header, struct challenge *ret, struct err *e);
