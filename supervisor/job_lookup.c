/*
 * job_lookup.c - what a job is told about names beside its network: --dns, --dns-search, --dns-option,
 * --add-host.
 */
#include "supervisor/job_names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME_TEXT_MAX 254
#define NAME_CHARS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static bool is_address(const char *text)
{
	struct in6_addr scratch;

	return inet_pton(AF_INET, text, &scratch) == 1 || inet_pton(AF_INET6, text, &scratch) == 1;
}

static bool is_name(const char *text)
{
	return *text && strlen(text) < NAME_TEXT_MAX && strspn(text, NAME_CHARS) == strlen(text);
}

static bool is_option(const char *text)
{
	return *text && strspn(text, NAME_CHARS ":") == strlen(text);
}

/* NAME:ADDRESS; an IPv6 address with brackets or without. Changes the text; false: it is none. */
static bool split_host(char *text, const char **ret_name, const char **ret_address)
{
	char *address = strchr(text, ':');
	size_t length;

	if (!address)
		return false;
	*address++ = '\0';
	length = strlen(address);
	if (length > 2 && address[0] == '[' && address[length - 1] == ']') {
		address[length - 1] = '\0';
		address++;
	}
	*ret_name = text;
	*ret_address = address;
	return is_name(text) && is_address(address);
}

static bool is_host(const char *text)
{
	const char *name, *address;
	char copy[512];

	return snprintf(copy, sizeof copy, "%s", text) < (int)sizeof copy &&
	       split_host(copy, &name, &address);
}

/* Each word, as `fits` would have it. */
static int check_words(const char *where, const char *text, bool (*fits)(const char *), const char *what,
		       struct err *e)
{
	char word[512];

	if (strspn(text, " ") == strlen(text))
		return err_say(e, EINVAL, "%s: is empty", where);
	while (*(text += strspn(text, " "))) {
		size_t length = strcspn(text, " ");

		snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 0, text);
		if (!fits(word))
			return err_say(e, EINVAL, "%s: \"%.*s\" is no %s", where,
				       length > 64 ? 64 : (int)length, text, what);
		text += length;
	}
	return 0;
}

int job_parse_lookup(const char *where, const char *key, const char *text, struct job *job, struct err *e)
{
	int r;

	if (strcmp(key, "dns") == 0) {
		r = check_words(where, text, is_address, "address of a server", e);
		job->dns = text;
	} else if (strcmp(key, "dns_search") == 0) {
		r = check_words(where, text, is_name, "domain; \".\" is for none", e);
		job->dns_search = text;
	} else if (strcmp(key, "dns_option") == 0) {
		r = check_words(where, text, is_option, "option of resolv.conf(5)", e);
		job->dns_option = text;
	} else {
		r = check_words(where, text, is_host, "NAME:ADDRESS", e);
		job->add_host = text;
	}
	return r;
}

int job_lookup_check(const struct job *job, const struct net_spec *net, struct err *e)
{
	const char *first = job->dns ? "--dns" : job->dns_search ? "--dns-search"
			    : job->dns_option ? "--dns-option" : job->add_host ? "--add-host" : NULL;

	if (!first)
		return 0;
	if (net->mode != NET_BRIDGE && net->mode != NET_USER && net->mode != NET_HOST) {
		err_say(e, EINVAL, "%s: the job has no network of its own", first);
		return err_fix(e, "add --net bridge, or leave it out");
	}
	return 0;
}

int job_lookup_servers(const struct job *job, struct net_spec *net, struct err *e)
{
	char word[INET6_ADDRSTRLEN];
	int r = 0;

	if (!job->dns || !job_is_served(net))
		return 0;
	for (const char *at = job->dns; r == 0 && *(at += strspn(at, " ")); at += strcspn(at, " ")) {
		snprintf(word, sizeof word, "%.*s", (int)strcspn(at, " "), at);
		r = net_parse_server(word, net, e);
	}
	return r < 0 ? err_wrap(e, "--dns") : 0;
}

/* A file of the job's words, read as the host's is. */
void job_lookup_apply(const struct job *job, struct resolv *r)
{
	char text[RESOLV_TEXT_MAX];
	struct buf b = BUF_ON(text);
	struct resolv own;

	buf_reset(&b);
	for (const char *at = job->dns ? job->dns : ""; *(at += strspn(at, " ")); at += strcspn(at, " "))
		buf_addf(&b, "nameserver %.*s\n", (int)strcspn(at, " "), at);
	if (job->dns_search && strcmp(job->dns_search, ".") != 0)
		buf_addf(&b, "search %s\n", job->dns_search);
	if (job->dns_option)
		buf_addf(&b, "options %s\n", job->dns_option);
	resolv_parse(text, &own);
	if (job->dns) {
		memcpy(r->server, own.server, sizeof r->server);
		r->count = own.count;
	}
	if (job->dns_search)
		memcpy(r->search, own.search, sizeof r->search);
	if (job->dns_option)
		memcpy(r->options, own.options, sizeof r->options);
}

const char *job_lookup_hosts(const struct job *job, struct arena *a)
{
	const char *all = "", *name, *address;
	char *copy = arena_strdup(a, job->add_host ? job->add_host : ""), *word;

	while (copy && all && (word = strsep(&copy, " ")))
		if (*word && split_host(word, &name, &address))
			all = arena_printf(a, "%s%s\t%s\n", all, address, name);
	return all ? all : "";
}
