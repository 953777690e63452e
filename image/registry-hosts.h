/*
 * registry-hosts.h - which hosts are asked for a registry, and how.
 *
 * Owns the choice of endpoints: the registry itself, mirrors, their
 * authorities and client certificates. From a folder certs.d with one folder
 * per registry (HOST or HOST:PORT): containerd's hosts.toml, and docker's
 * *.crt (authorities), NAME.cert and NAME.key (ours).
 */
#pragma once
#include <stdbool.h>
#include "base/arena.h"
#include <jansson.h>
#include "image/http.h"

#define HOSTS_MIRRORS_MAX 16

struct registry_host {
	const char *base;   /* "https://host:port/v2" */
	const char *name;   /* "host:port": whose credentials it gets */
	bool is_mirror;	    /* is asked with ?ns=REGISTRY */
	bool is_usual;	    /* nobody named another URL for the registry */
	bool may_be_plain;  /* loopback: plain http when it speaks no TLS */
	bool pull, resolve; /* what it may be asked for */
	struct http_tls tls;
	const char **headers; /* "Name: value", NULL-terminated, or NULL */
	unsigned connect_seconds;
};
struct registry_hosts {
	struct registry_host *list; /* mirrors first, the registry itself last */
	size_t count;
};

struct registry_hosts_options {
	const char *certs_dir; /* NULL: the usual ones */
	bool plain_http;
};

/* registry: a reference's domain ("docker.io"). Everything is in the arena. */
int registry_hosts_find(const char *registry, const struct registry_hosts_options *o,
			struct arena *a, struct registry_hosts *ret, struct err *e);
/* A parsed hosts.toml (toml.h). Files it names are opened only by a later use. Pure. */
int registry_hosts_parse(json_t *document, const char *registry, struct arena *a,
			 struct registry_hosts *ret, struct err *e);
