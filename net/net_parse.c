/*
 * net_parse.c - the words of --net and --publish, and of the annotations that say the same.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "net/net.h"
#include "net/publish.h"

#define WORD_MAX 4096

static int bad_option(const char *word, struct err *e)
{
	err_say(e, EINVAL, "a network's \"%.80s\" is not understood", word);
	return err_fix(e, "NAME[,ip=ADDRESS][,ip6=ADDRESS][,mac=MAC][,alias=NAME]...[,interface=NAME][,names=no|aside][,dns=ADDRESS]...");
}

static bool is_interface_name(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length < IFNAMSIZ && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
	       strcmp(text, "lo") != 0 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length;
}

int net_parse_server(const char *text, struct net_spec *s, struct err *e)
{
	struct in6_addr address = { .s6_addr = { [10] = 0xff, 0xff } };

	if (inet_pton(AF_INET, text, &address.s6_addr[12]) != 1 && inet_pton(AF_INET6, text, &address) != 1)
		return err_say(e, EINVAL, "\"%.64s\" is no address of a server for names", text);
	if (s->server_count == ENDPOINT_SERVERS_MAX)
		return err_say(e, EINVAL, "more than %d servers for names", ENDPOINT_SERVERS_MAX);
	s->servers[s->server_count++] = address;
	return 0;
}

static int set_option(struct net_spec *s, struct net_join *j, const char *key, const char *value,
		      const char *word, struct err *e)
{
	static const uint8_t none[6];

	if (strcmp(key, "ip") == 0 && !j->address && address_parse(value, &j->address) == 0 &&
	    j->address)
		return 0;
	if (strcmp(key, "ip6") == 0 && in6_is_zero(&j->address6) &&
	    inet_pton(AF_INET6, value, &j->address6) == 1 && !in6_is_zero(&j->address6))
		return 0;
	if (strcmp(key, "mac") == 0 && memcmp(j->mac, none, sizeof none) == 0 &&
	    mac_parse(value, j->mac) == 0)
		return 0;
	if (strcmp(key, "interface") == 0 && !j->interface && is_interface_name(value)) {
		j->interface = value;
		return 0;
	}
	if (strcmp(key, "names") == 0 && strcmp(value, "no") == 0) {
		j->no_names = true;
		return 0;
	}
	if (strcmp(key, "names") == 0 && strcmp(value, "aside") == 0) {
		s->names_aside = true;
		return 0;
	}
	if (strcmp(key, "dns") == 0)
		return net_parse_server(value, s, e);
	if (strcmp(key, "alias") == 0 && endpoint_is_dns_name(value)) {
		/* The container's own name is one more. */
		if (j->alias_count == ENDPOINT_NAMES_MAX - 1)
			return err_say(e, EINVAL, "more than %d aliases", ENDPOINT_NAMES_MAX - 1);
		j->aliases[j->alias_count++] = value;
		return 0;
	}
	return bad_option(word, e);
}

static int parse_join(char *text, struct net_spec *s, struct net_join *j, struct err *e)
{
	char *next = text, *word;
	int r = 0;

	j->name = strsep(&next, ",");
	if (!*j->name)
		return err_say(e, EINVAL, "a network without a name");
	while (r == 0 && (word = strsep(&next, ","))) {
		char key[16], *equals = strchr(word, '=');

		if (!equals || equals - word >= (int)sizeof key)
			return bad_option(word, e);
		snprintf(key, sizeof key, "%.*s", (int)(equals - word), word);
		r = set_option(s, j, key, equals + 1, word, e);
	}
	return r;
}

static int refuse_mix(struct err *e)
{
	err_say(e, EINVAL, "none, host, user and container:ID stand alone");
	return err_fix(e, "leave out the other networks");
}

/* 1: it is a mode, and not a network. */
static int parse_mode(const char *text, struct net_spec *s, struct arena *a, struct err *e)
{
	static const char prefix[] = "container:";
	enum net_mode mode;

	if (strcmp(text, "none") == 0)
		mode = NET_NONE;
	else if (strcmp(text, "host") == 0)
		mode = NET_HOST;
	else if (strcmp(text, "user") == 0)
		mode = NET_USER;
	else if (strncmp(text, prefix, strlen(prefix)) == 0)
		mode = NET_CONTAINER;
	else
		return 0;
	if (s->join_count || s->mode != NET_NONE)
		return refuse_mix(e);
	s->mode = mode;
	if (mode != NET_CONTAINER)
		return 1;
	s->container = arena_strdup(a, text + strlen(prefix));
	return s->container && *s->container
		       ? 1
		       : err_say(e, EINVAL, "container: whose network?");
}

int net_parse_word(const char *text, struct net_spec *s, struct arena *a, struct err *e)
{
	int r = parse_mode(text, s, a, e);
	char *copy;

	if (r != 0)
		return r < 0 ? r : 0;
	if (s->mode == NET_HOST || s->mode == NET_CONTAINER || s->mode == NET_USER)
		return refuse_mix(e);
	if (strlen(text) > WORD_MAX)
		return err_say(e, EINVAL, "a network's words have more than %d bytes", WORD_MAX);
	if (s->join_count == NET_JOINS_MAX)
		return err_say(e, EINVAL, "more than %d networks", NET_JOINS_MAX);
	if (!s->joins)
		s->joins = arena_array(a, NET_JOINS_MAX, sizeof *s->joins);
	copy = arena_strdup(a, text);
	if (!s->joins || !copy)
		return err_set(e, ENOMEM, "a network");
	r = parse_join(copy, s, &s->joins[s->join_count], e);
	if (r < 0)
		return r;
	for (int i = 0; i < s->join_count; i++)
		if (s->joins[i].interface && s->joins[s->join_count].interface &&
		    strcmp(s->joins[i].interface, s->joins[s->join_count].interface) == 0)
			return err_say(e, EINVAL, "interface=%s is there twice", s->joins[i].interface);
	s->join_count++;
	s->mode = NET_BRIDGE;
	return 0;
}

int net_parse_publish(const char *text, struct net_spec *s, struct arena *a, struct err *e)
{
	struct published_port *ports = (struct published_port *)(uintptr_t)s->ports;
	int r;

	if (!ports)
		s->ports = ports = arena_array(a, ENDPOINT_PORTS_MAX, sizeof *ports);
	if (!ports)
		return err_set(e, ENOMEM, "published ports");
	if (s->port_count == ENDPOINT_PORTS_MAX)
		return err_say(e, EINVAL, "more than %d published ports or ranges",
			       ENDPOINT_PORTS_MAX);
	r = publish_parse(text, &ports[s->port_count], e);
	if (r == 0)
		s->port_count++;
	return r;
}

typedef int (*parse_word)(const char *, struct net_spec *, struct arena *, struct err *);

static int each_word(const char *text, const char *where, parse_word parse, struct net_spec *s,
		     struct arena *a, struct err *e)
{
	char *copy = arena_strdup(a, text), *word, *rest = NULL;
	int r = copy ? 0 : err_set(e, ENOMEM, "%s", where);

	for (word = copy ? strtok_r(copy, " \t\n", &rest) : NULL; word && r == 0;
	     word = strtok_r(NULL, " \t\n", &rest))
		r = parse(word, s, a, e);
	return r < 0 ? err_at(e, where) : 0;
}

int net_parse_annotations(const char *net, const char *publish, struct net_spec *s, struct arena *a,
			  struct err *e)
{
	int r = net ? each_word(net, "/annotations/" NET_ANNOTATION, net_parse_word, s, a, e) : 0;

	if (r == 0 && publish)
		r = each_word(publish, "/annotations/" PUBLISH_ANNOTATION, net_parse_publish, s, a, e);
	return r;
}
