/*
 * egress_parse.c - the list of where a container may send to, from text.
 */
#include "cgroup/egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define RULE_BYTES_MAX 80 /* [IPv6/128]:65535-65535/tcp, and room */

static int bad(struct err *e, const char *rule, const char *what)
{
	err_say(e, EINVAL, "\"%.64s\" %s", rule, what);
	return err_fix(e,
		       "write ADDRESS[/BITS][:PORT[-PORT]][/tcp|/udp], an IPv6 one in [], several "
		       "with commas between; or none");
}

/* Digits alone, up to `max`; where it ends, or NULL. */
static const char *number(const char *text, unsigned max, unsigned *ret)
{
	unsigned value = 0;

	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++) {
		value = value * 10 + (unsigned)(*text - '0');
		if (value > max)
			return NULL;
	}
	*ret = value;
	return text;
}

/* The last "/tcp" or "/udp" is taken off. */
static void take_protocol(char *text, struct egress_rule *rule)
{
	char *slash = strrchr(text, '/');

	if (slash && !strcmp(slash, "/tcp"))
		rule->protocol = IPPROTO_TCP;
	else if (slash && !strcmp(slash, "/udp"))
		rule->protocol = IPPROTO_UDP;
	else
		return;
	*slash = '\0';
}

static int parse_ports(const char *text, const char *whole, struct egress_rule *rule, struct err *e)
{
	unsigned first, last;
	const char *end = number(text, 65535, &first);

	last = first;
	if (end && *end == '-')
		end = number(end + 1, 65535, &last);
	if (!end || *end || !first)
		return bad(e, whole, "has no port from 1 to 65535 after its address");
	if (last < first)
		return bad(e, whole, "has a range of ports that ends before it begins");
	rule->first = (uint16_t)first;
	rule->last = (uint16_t)last;
	return 0;
}

/* Bits below the prefix must be 0: "10.0.0.1/8" is a mistake in one of its two parts. */
static bool has_bits_below(const struct egress_rule *rule, int words)
{
	for (int i = 0; i < words; i++) {
		int bits = rule->prefix - 32 * i;
		uint32_t mask = bits >= 32 ? ~0u : bits <= 0 ? 0 : ~0u << (32 - bits);

		if (rule->address[i] & ~mask)
			return true;
	}
	return false;
}

static int parse_network(char *text, const char *whole, struct egress_rule *rule, struct err *e)
{
	char *slash = strchr(text, '/');
	int words = rule->family == AF_INET ? 1 : 4;
	unsigned prefix = 32u * (unsigned)words;
	const char *end = "";

	if (slash) {
		*slash = '\0';
		end = number(slash + 1, prefix, &prefix);
	}
	if (!end || *end)
		return bad(e, whole, "has no prefix length after its slash");
	if (inet_pton(rule->family, text, rule->address) != 1)
		return bad(e, whole, "is no address, and names are not looked up");
	for (int i = 0; i < words; i++)
		rule->address[i] = ntohl(rule->address[i]);
	rule->prefix = (uint8_t)prefix;
	if (has_bits_below(rule, words))
		return bad(e, whole, "has bits below its prefix length");
	/* ::ffff:a.b.c.d goes out as IPv4, whose rules decide. */
	if (words == 4 && !rule->address[0] && !rule->address[1] && rule->address[2] == 0xffff)
		return bad(e, whole, "is an IPv4 address: write it as one");
	return 0;
}

/* The address of "[ADDRESS]..." or "ADDRESS..." and what follows it: ":PORTS" or "". */
static int split(char *text, const char *whole, struct egress_rule *rule, char **ret_address,
		 char **ret_rest, struct err *e)
{
	char *end;

	*ret_address = text;
	if (text[0] != '[') {
		*ret_rest = text + strcspn(text, ":");
		return strchr(text, ':') == strrchr(text, ':')
			       ? 0
			       : bad(e, whole, "is an IPv6 address without []");
	}
	end = strchr(text, ']');
	if (!end || (end[1] && end[1] != ':'))
		return bad(e, whole, "has no ] after its address");
	*end = '\0';
	*ret_address = text + 1;
	*ret_rest = end + 1;
	rule->family = AF_INET6;
	return 0;
}

static int parse_rule(const char *whole, struct egress_rule *ret, struct err *e)
{
	struct egress_rule rule = { .family = AF_INET, .first = 0, .last = 65535 };
	char text[RULE_BYTES_MAX], *address = text, *rest = text;
	bool ports;
	int r;

	if (strlen(whole) >= sizeof text)
		return bad(e, whole, "is too long");
	memcpy(text, whole, strlen(whole) + 1);
	take_protocol(text, &rule);
	r = split(text, whole, &rule, &address, &rest, e);
	if (r < 0)
		return r;
	ports = *rest == ':';
	*rest = '\0';
	r = parse_network(address, whole, &rule, e);
	if (r == 0 && ports)
		r = parse_ports(rest + 1, whole, &rule, e);
	if (r == 0)
		*ret = rule;
	return r;
}

int egress_parse(const char *text, struct arena *a, struct egress *ret, struct err *e)
{
	struct egress_rule *rules;
	size_t count = 1;

	if (!strcmp(text, "none")) {
		*ret = (struct egress){ .asked = true };
		return 0;
	}
	for (const char *at = text; *at; at++)
		count += *at == ',';
	if (count > EGRESS_RULES_MAX)
		return err_say(e, EINVAL, "has more than %d entries", EGRESS_RULES_MAX);
	rules = arena_array(a, count, sizeof(*rules));
	if (!rules)
		return err_set(e, ENOMEM, "egress rules");
	for (size_t i = 0; i < count; i++) {
		size_t length = strcspn(text, ",");
		const char *rule = arena_strndup(a, text, length);
		int r = rule ? parse_rule(rule, &rules[i], e) : err_set(e, ENOMEM, "egress rules");

		if (r < 0)
			return r;
		text += length + (text[length] == ',');
	}
	*ret = (struct egress){ .asked = true, .rules = rules, .count = count };
	return 0;
}
