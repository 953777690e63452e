/*
 * http-url.c - URLs, taken apart by libcurl's own parser: were it ours, the host we judge and the
 * host that is asked could differ.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "image/curl-lib.h"
#include "image/http.h"

static bool get_part(CURLU *u, CURLUPart what, unsigned flags, char *to, size_t size)
{
	char *text = NULL;
	int n = -1;

	if (curl.curl_url_get(u, what, &text, flags) == CURLUE_OK)
		n = snprintf(to, size, "%s", text);
	curl.curl_free(text);
	return n >= 0 && (size_t)n < size;
}

int http_origin_of(const char *url, struct http_origin *ret, struct err *e)
{
	CURLU *u = curl.curl_url();
	struct http_origin o;
	char port[16];
	bool fine = u && curl.curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		    get_part(u, CURLUPART_SCHEME, 0, o.scheme, sizeof(o.scheme)) &&
		    get_part(u, CURLUPART_HOST, 0, o.host, sizeof(o.host)) &&
		    get_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port));

	curl.curl_url_cleanup(u);
	if (!fine)
		return err_say(e, EINVAL, "\"%.100s\" is no usable URL", url);
	o.port = strtoul(port, NULL, 10);
	*ret = o;
	return 0;
}

bool http_origin_equal(const struct http_origin *a, const struct http_origin *b)
{
	return a->port == b->port && strcasecmp(a->scheme, b->scheme) == 0 &&
	       strcasecmp(a->host, b->host) == 0;
}

bool http_host_is_loopback(const char *host)
{
	unsigned a, b, c, d;
	int n = 0;

	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return sscanf(host, "%3u.%3u.%3u.%3u%n", &a, &b, &c, &d, &n) == 4 && host[n] == '\0' &&
	       a == 127;
}

int http_resolve(const char *base, const char *location, char ret[HTTP_URL_MAX], struct err *e)
{
	CURLU *u = curl.curl_url();
	char scheme[16] = "";
	bool fine = u && curl.curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
		    curl.curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE) == CURLUE_OK &&
		    get_part(u, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)) &&
		    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
		    get_part(u, CURLUPART_URL, 0, ret, HTTP_URL_MAX);

	curl.curl_url_cleanup(u);
	return fine ? 0
		    : err_say(e, EPROTO, "it points to \"%.100s\", which is no http URL", location);
}

bool http_escape(char *to, size_t size, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~";
	size_t at = strlen(to);

	for (; *text; text++) {
		bool bare = strchr(plain, *text) != NULL;

		if (at + (bare ? 1 : 3) >= size)
			return false;
		if (bare)
			to[at++] = *text;
		else
			at += snprintf(to + at, 4, "%%%02X", (unsigned char)*text);
		to[at] = '\0';
	}
	return true;
}
