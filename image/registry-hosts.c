/*
 * registry-hosts.c - certs.d: reading hosts.toml and certificates.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/registry-hosts.h"
#include "image/store-layout.h"
#include "image/toml.h"

#define CONNECT_SECONDS 30
#define PEM_BYTES_MAX	(1u << 20)

/* "docker.io" is a name; who answers for it is another host. */
static const char *host_of(const char *registry)
{
	return strcmp(registry, "docker.io") == 0 ? "registry-1.docker.io" : registry;
}

static void without_port(const char *name, char *to, size_t size)
{
	const char *colon = strrchr(name, ':'), *bracket = strrchr(name, ']');

	snprintf(to, size, "%.*s",
		 (int)(colon && colon > bracket ? (size_t)(colon - name) : strlen(name)), name);
}

/* Where nobody says otherwise. */
static void set_usual(const char *registry, bool plain, struct arena *a, struct registry_host *h)
{
	char host[300];

	without_port(registry, host, sizeof(host));
	h->base = arena_printf(a, "%s://%s/v2", plain ? "http" : "https", host_of(registry));
	h->may_be_plain = !plain && http_host_is_loopback(host);
}

/* Appends a PEM file to what there is. */
static int add_authority(int dirfd, const char *path, struct arena *a, struct http_tls *tls,
			 struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int error = file_read_whole(dirfd, path, PEM_BYTES_MAX, &text, &size, e);

	if (error)
		return err_wrap(e, "an authority's certificate");
	tls->ca_pem = arena_printf(a, "%s%s\n", tls->ca_pem ? tls->ca_pem : "", text);
	return 0;
}

/* The string itself, or an array's member i; NULL at the end. */
static const char *text_at(const json_t *value, size_t i)
{
	if (json_is_string(value))
		return i == 0 ? json_string_value(value) : NULL;
	return json_string_value(json_array_get(value, i));
}

static bool all_texts(const json_t *value)
{
	size_t i;

	if (json_is_string(value))
		return true;
	if (!json_is_array(value))
		return false;
	for (i = 0; i < json_array_size(value); i++)
		if (!json_is_string(json_array_get(value, i)))
			return false;
	return true;
}

static int parse_capabilities(const json_t *v, const struct json_at *at, struct registry_host *h,
			      struct err *e)
{
	const char *text;
	size_t i;

	if (!json_is_array(v) || !all_texts(v))
		return json_bad(e, at, "must be an array of strings");
	h->pull = h->resolve = false;
	for (i = 0; (text = text_at(v, i)) != NULL; i++) {
		if (strcmp(text, "pull") == 0)
			h->pull = true;
		else if (strcmp(text, "resolve") == 0)
			h->resolve = true;
		else if (strcmp(text, "push") != 0 && strcmp(text, "referrers") != 0)
			return json_bad(
				e, at, "\"%.40s\" is none of pull, resolve, push, referrers", text);
	}
	return 0;
}

/* "a.pem" | ["a.pem"] | [["a.cert", "a.key"]]; one pair is taken, more are refused. */
static int parse_client(const json_t *v, const struct json_at *at, struct arena *a,
			struct registry_host *h, struct err *e)
{
	const json_t *pair = v;

	if (json_is_array(v) && json_array_size(v) == 1)
		pair = json_array_get(v, 0);
	if (json_is_string(pair)) {
		h->tls.cert = arena_strdup(a, json_string_value(pair));
		return 0;
	}
	if (json_array_size(pair) != 2 || !all_texts(pair))
		return json_bad(e, at, "must be one file, or one pair [certificate, key]");
	h->tls.cert = arena_strdup(a, text_at(pair, 0));
	h->tls.key = arena_strdup(a, text_at(pair, 1));
	return 0;
}

/* "3s", "500ms", or a number of seconds */
static int parse_timeout(const json_t *v, const struct json_at *at, struct registry_host *h,
			 struct err *e)
{
	const char *text = json_string_value(v);
	char *end = NULL;
	unsigned long n = json_is_integer(v) ? (unsigned long)json_integer_value(v) : 0;

	if (text && text[0] >= '0' && text[0] <= '9') {
		n = strtoul(text, &end, 10);
		if (strcmp(end, "ms") == 0)
			n = (n + 999) / 1000;
		else if (strcmp(end, "m") == 0)
			n *= 60;
		else if (strcmp(end, "s") != 0)
			n = 0;
	}
	if (n == 0 || n > 3600)
		return json_bad(e, at, "must be a duration such as \"3s\"");
	h->connect_seconds = n;
	return 0;
}

static int parse_headers(json_t *v, const struct json_at *at, struct arena *a,
			 struct registry_host *h, struct err *e)
{
	const char **lines = arena_array(a, 64, sizeof(*lines)), *key, *text;
	size_t count = 0, i;
	json_t *value;

	if (lines == NULL)
		return err_set(e, ENOMEM, "no memory for headers");
	json_object_foreach(v, key, value)
	{
		struct json_at here = json_at_key(at, key);

		if (!all_texts(value))
			return json_bad(e, &here, "must be a string or an array of strings");
		if (key[0] == '\0' || strpbrk(key, ": \t\r\n"))
			return json_bad(e, &here, "is no header's name");
		for (i = 0; (text = text_at(value, i)) != NULL; i++) {
			if (count == 63)
				return json_bad(e, at, "has more than 63 headers");
			if (strpbrk(text, "\r\n"))
				return json_bad(e, &here, "is more than one line");
			lines[count++] = arena_printf(a, "%s: %s", key, text);
		}
	}
	h->headers = lines;
	return 0;
}

static int parse_authorities(const json_t *v, const struct json_at *at, struct arena *a,
			     struct registry_host *h, struct err *e)
{
	const char *text;
	size_t i;
	int error = all_texts(v) ? 0 : json_bad(e, at, "must be a file or an array of files");

	for (i = 0; !error && (text = text_at(v, i)) != NULL; i++)
		error = add_authority(AT_FDCWD, text, a, &h->tls, e);
	return error;
}

/* scheme://host[:port][/path] -> base and name; a path needs override_path, as containerd has it.
 */
static int set_url(const char *url, bool override, const struct json_at *at, struct arena *a,
		   struct registry_host *h, struct err *e)
{
	const char *scheme = strstr(url, "://") ? "" : "https://", *host, *path;
	char bare[300];
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		len--;
	url = arena_printf(a, "%s%.*s", scheme, (int)len, url);
	if (url == NULL)
		return err_set(e, ENOMEM, "no memory for a URL");
	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return json_bad(e, at, "\"%.100s\" is no http or https URL", url);
	host = strstr(url, "://") + 3;
	path = strchrnul(host, '/');
	if (path == host || strpbrk(url, "@?#% \t\r\n\\"))
		return json_bad(e, at, "\"%.100s\" is no usable URL", url);
	h->name = arena_strndup(a, host, path - host);
	h->base = override ? url : arena_printf(a, "%s/v2", url);
	if (h->name == NULL || h->base == NULL)
		return err_set(e, ENOMEM, "no memory for a URL");
	without_port(h->name, bare, sizeof(bare));
	h->may_be_plain = false;
	return 0;
}

static int parse_host(const char *url, json_t *o, const struct json_at *at, struct arena *a,
		      struct registry_host *h, struct err *e)
{
	json_t *value;
	const char *key;
	bool override = false;
	int error = 0;

	h->pull = h->resolve = true;
	h->connect_seconds = CONNECT_SECONDS;
	json_object_foreach(o, key, value)
	{
		struct json_at here = json_at_key(at, key);

		if (strcmp(key, "capabilities") == 0) {
			error = parse_capabilities(value, &here, h, e);
		} else if (strcmp(key, "ca") == 0) {
			error = parse_authorities(value, &here, a, h, e);
		} else if (strcmp(key, "client") == 0) {
			error = parse_client(value, &here, a, h, e);
		} else if (strcmp(key, "dial_timeout") == 0) {
			error = parse_timeout(value, &here, h, e);
		} else if (strcmp(key, "header") == 0 && json_is_object(value)) {
			error = parse_headers(value, &here, a, h, e);
		} else if (strcmp(key, "skip_verify") == 0 && json_is_boolean(value)) {
			h->tls.skip_verify = json_is_true(value);
		} else if (strcmp(key, "override_path") == 0 && json_is_boolean(value)) {
			override = json_is_true(value);
		} else if (strcmp(key, "server") != 0 && strcmp(key, "host") != 0) {
			error = json_bad(e, &here, "is not supported here, or of the wrong type");
		}
		if (error)
			return error;
	}
	return set_url(url, override, at, a, h, e);
}

int registry_hosts_parse(json_t *document, const char *registry, struct arena *a,
			 struct registry_hosts *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, hosts_at = json_at_key(&root, "host");
	struct registry_hosts hosts = { 0 };
	json_t *mirrors = NULL, *value;
	const char *url, *server = NULL;
	int got = json_get_object(document, &root, "host", &mirrors, e);

	if (got >= 0)
		got = json_get_string(document, &root, "server", &server, e);
	if (got < 0)
		return got;
	if (json_object_size(mirrors) > HOSTS_MIRRORS_MAX)
		return json_bad(e, &hosts_at, "has more than %d hosts", HOSTS_MIRRORS_MAX);
	hosts.list = arena_array(a, HOSTS_MIRRORS_MAX + 1, sizeof(*hosts.list));
	if (hosts.list == NULL)
		return err_set(e, ENOMEM, "no memory for hosts");
	json_object_foreach(mirrors, url, value)
	{
		struct json_at at = json_at_key(&hosts_at, url);

		if (!json_is_object(value))
			return json_bad(e, &at, "must be a table");
		if (json_object_get(value, "server") || json_object_get(value, "host"))
			return json_bad(e, &at, "holds a server or hosts of its own");
		got = parse_host(url, value, &at, a, &hosts.list[hosts.count], e);
		if (got < 0)
			return got;
		hosts.list[hosts.count++].is_mirror = true;
	}
	hosts.list[hosts.count].is_usual = server == NULL;
	if (server == NULL)
		server = arena_printf(a, "https://%s", host_of(registry));
	got = parse_host(server, document, &root, a, &hosts.list[hosts.count], e);
	if (got < 0)
		return got;
	/* The registry by another URL is still the registry: its credentials go there. */
	hosts.list[hosts.count++].name = arena_strdup(a, registry);
	*ret = hosts;
	return arena_failed(a) ? err_set(e, ENOMEM, "no memory for hosts") : 0;
}

static int read_toml(int dir, const char *registry, struct arena *a, struct registry_hosts *ret,
		     struct err *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *document = NULL;
	size_t size = 0;
	int error = file_read_whole(dir, "hosts.toml", TOML_BYTES_MAX, &text, &size, e);

	if (!error)
		error = toml_parse(text, size, &document, e);
	return error ? error : registry_hosts_parse(document, registry, a, ret, e);
}

static bool ends_in(const char *name, const char *tail)
{
	size_t n = strlen(name), t = strlen(tail);

	return n > t && strcmp(name + n - t, tail) == 0;
}

static int one_certificate(int dir, const char *folder, const char *name, struct arena *a,
			   struct registry_host *h, struct err *e)
{
	if (ends_in(name, ".crt"))
		return add_authority(dir, name, a, &h->tls, e);
	if (!ends_in(name, ".cert"))
		return 0;
	h->tls.cert = arena_printf(a, "%s/%s", folder, name);
	h->tls.key = arena_printf(a, "%s/%.*s.key", folder, (int)(strlen(name) - 5), name);
	if (h->tls.key && access(h->tls.key, R_OK) < 0)
		return err_set(e, errno, "the key of %s: %s", name, h->tls.key);
	return 0;
}

/* docker's files, which are of the registry itself. */
static int read_certificates(int dir, const char *folder, struct arena *a, struct registry_host *h,
			     struct err *e)
{
	DIR *list = store_open_folder(dir, ".");
	struct dirent *d;
	int error = 0;

	if (list == NULL)
		return err_set(e, errno, "cannot read it");
	while (!error && (d = readdir(list)) != NULL)
		error = one_certificate(dir, folder, d->d_name, a, h, e);
	closedir(list);
	return error;
}

static int use_folder(int dir, const char *folder, const char *registry, struct arena *a,
		      struct registry_hosts *hosts, struct err *e)
{
	int error = 0;

	if (faccessat(dir, "hosts.toml", F_OK, 0) == 0)
		error = read_toml(dir, registry, a, hosts, e);
	if (error)
		return err_wrap(e, "%s/hosts.toml", folder);
	error = read_certificates(dir, folder, a, &hosts->list[hosts->count - 1], e);
	return error ? err_wrap(e, "%s", folder) : 0;
}

int registry_hosts_find(const char *registry, const struct registry_hosts_options *o,
			struct arena *a, struct registry_hosts *ret, struct err *e)
{
	const char *home = getenv("HOME");
	const char *folders[] = { o->certs_dir, NULL, NULL, NULL, NULL };
	struct registry_hosts hosts = { arena_array(a, 1, sizeof(*hosts.list)), 1 };
	size_t i;
	int error = 0;

	if (hosts.list == NULL)
		return err_set(e, ENOMEM, "no memory for hosts");
	hosts.list[0] = (struct registry_host){
		.name = arena_strdup(a, registry),
		.is_usual = true,
		.pull = true,
		.resolve = true,
		.connect_seconds = CONNECT_SECONDS,
	};
	if (o->certs_dir == NULL) {
		folders[0] = home && home[0] == '/'
				     ? arena_printf(a, "%s/.config/containers/certs.d", home)
				     : NULL;
		folders[1] = "/etc/containerd/certs.d";
		folders[2] = "/etc/containers/certs.d";
		folders[3] = "/etc/docker/certs.d";
	}
	/* The first folder that knows the registry says all. */
	for (i = 0; i < 4; i++) {
		const char *path =
			folders[i] ? arena_printf(a, "%s/%s", folders[i], registry) : NULL;
		_cleanup_fd_ int dir =
			path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;

		if (dir < 0)
			continue;
		error = use_folder(dir, path, registry, a, &hosts, e);
		break;
	}
	if (error)
		return error;
	if (hosts.list[hosts.count - 1].is_usual)
		set_usual(registry, o->plain_http, a, &hosts.list[hosts.count - 1]);
	*ret = hosts;
	return arena_failed(a) ? err_set(e, ENOMEM, "no memory for hosts") : 0;
}
