/*
 * credentials.h - who we are to a registry: docker's and containers' files, and their helpers.
 *
 * The files, the first that knows the registry wins: the one given; else
 * $REGISTRY_AUTH_FILE; else ${XDG_RUNTIME_DIR}/containers/auth.json,
 * ~/.config/containers/auth.json, ${DOCKER_CONFIG:-~/.docker}/config.json.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

#define CREDENTIAL_MAX 16384

struct credential {
	char user[1024], secret[CREDENTIAL_MAX];
	bool is_token; /* secret is an identity token (oauth2 refresh token) */
};

/* repository: "registry[:port]/path", or a registry alone. 1 found, 0 nobody knows it (anonymous),
 * -errno. */
int credentials_find(const char *file, const char *repository, struct credential *ret,
		     struct err *e);
/* Into the file of login: the one given, else $REGISTRY_AUTH_FILE, else docker's; or, when that
 * file names one, into its helper. ret_where (size bytes): where it went. */
int credentials_store(const char *file, const char *registry, const struct credential *c,
		      char *ret_where, size_t size, struct err *e);
/* 1 removed, 0 there was nothing. */
int credentials_erase(const char *file, const char *registry, struct err *e);
/* Overwrites it. */
void credential_forget(struct credential *c);

/* Base64 (RFC 4648) of user:secret into text; false: no room. */
bool credential_to_base64(const struct credential *c, char *text, size_t size);
/* The reverse; false: malformed. */
bool credential_from_base64(const char *text, struct credential *ret);

/* docker-credential-NAME VERB, found in a fixed PATH, with a clean environment and a deadline.
 * input goes to its stdin; at most size - 1 bytes of its output are kept. 0, -ENOENT: it knows
 * no such credential; -errno. */
int credential_helper(const char *name, const char *verb, const char *input, char *output,
		      size_t size, struct err *e);
