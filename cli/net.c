/*
 * net.c - kist net VERB: networks, and who is on them.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "cli/net_json.h"
#include "cli/net_stats.h"
#include "net/address.h"
#include "net/direct.h"
#include "net/lease.h"
#include "runtime/hot_net.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static int fail(const char *what, struct err *e)
{
	err_wrap(e, "net %s", what);
	return cli_fail(e, 1);
}

static int need_root(struct err *e)
{
	struct host h;
	int r = host_probe_rights(&h, e);

	if (r == 0 && !h.root)
		r = err_say(e, EPERM, "networks of the host need root");
	return r;
}

/* --- create --------------------------------------------------------------------------- */

struct create_request {
	struct option_texts subnets, gateways, labels;
	const char *driver, *parent;
	bool ipv6, no_ipv4, internal, isolated, direct;
	int64_t mtu;
};

static int set_subnets(const struct create_request *q, struct network *n, struct err *e)
{
	for (size_t i = 0; i < q->subnets.count; i++) {
		const char *text = q->subnets.item[i];

		if (!n->prefix && cidr_parse(text, &n->subnet, &n->prefix) == 0 && n->prefix)
			continue;
		if (!n->prefix6 && cidr6_parse(text, &n->subnet6, &n->prefix6) == 0 && n->prefix6)
			continue;
		err_say(e, EINVAL, "--subnet: \"%.64s\" is no subnet, or the second of its family", text);
		return err_fix(e, "10.80.0.0/20, or fd00:80::/64");
	}
	for (size_t i = 0; i < q->gateways.count; i++) {
		const char *text = q->gateways.item[i];

		if (!n->gateway && address_parse(text, &n->gateway) == 0 && n->gateway)
			continue;
		if (in6_is_zero(&n->gateway6) && address6_parse(text, &n->gateway6) == 0 &&
		    !in6_is_zero(&n->gateway6))
			continue;
		return err_say(e, EINVAL, "--gateway: \"%.64s\" is no address, or the second of its "
			       "family", text);
	}
	if ((n->gateway && !n->prefix) || (!in6_is_zero(&n->gateway6) && !n->prefix6)) {
		err_say(e, EINVAL, "--gateway: which subnet is it of?");
		return err_fix(e, "add --subnet");
	}
	return 0;
}

static int set_driver(const struct create_request *q, struct network *n, struct err *e)
{
	if (q->driver && strcmp(q->driver, "macvlan") == 0)
		n->driver = NETWORK_MACVLAN;
	else if (q->driver && strcmp(q->driver, "bridge") != 0) {
		err_say(e, ENOTSUP, "--driver: there is no driver \"%.40s\"", q->driver);
		return err_fix(e, "one of: bridge, macvlan");
	}
	if (n->driver == NETWORK_BRIDGE)
		return q->parent ? err_say(e, EINVAL, "--parent is for --driver macvlan") : 0;
	if (!q->parent || !*q->parent || strlen(q->parent) >= IFNAMSIZ || strchr(q->parent, '/')) {
		err_say(e, EINVAL, "--driver macvlan: of which interface of the host?");
		return err_fix(e, "add --parent INTERFACE");
	}
	if (q->isolated)
		return err_say(e, EINVAL, "--isolated: a macvlan has no ports that could be");
	if (q->direct)
		return err_say(e, EINVAL, "--direct: a macvlan has no bridge to go past");
	if (!q->subnets.count) {
		err_say(e, EINVAL, "--driver macvlan: the network is the parent's, kist chooses no subnet");
		return err_fix(e, "add --subnet, and --gateway if there is one");
	}
	snprintf(n->interface, sizeof n->interface, "%s", q->parent);
	return 0;
}

static int set_labels(const struct create_request *q, struct network *n, struct err *e)
{
	for (size_t i = 0; i < q->labels.count; i++) {
		const char *text = q->labels.item[i], *equals = strchr(text, '=');
		_cleanup_free_ char *key = strndup(text, equals ? (size_t)(equals - text) : strlen(text));
		int r = key ? network_add_label(n, key, equals ? equals + 1 : "", e)
			    : err_set(e, ENOMEM, "a label");

		if (r < 0)
			return r;
	}
	return 0;
}

static int create(const struct create_request *q, const char *name, struct network *n, struct err *e)
{
	int r = need_root(e);

	if (r == 0)
		r = network_check_name(name, e);
	if (r < 0)
		return r;
	snprintf(n->name, sizeof n->name, "%s", name);
	n->internal = q->internal;
	n->isolated = q->isolated;
	n->direct = q->direct;
	if (q->direct && q->isolated)
		return err_say(e, EINVAL, "--direct, --isolated: there is nobody to deliver to");
	if (q->mtu > NETWORK_MTU_MAX)
		return err_say(e, EINVAL, "--mtu: at most %d", NETWORK_MTU_MAX);
	n->mtu = (int)q->mtu;
	r = set_driver(q, n, e);
	if (r == 0)
		r = set_subnets(q, n, e);
	if (r == 0)
		r = set_labels(q, n, e);
	if (r == 0 && n->direct && direct_probe(e) < 0)
		r = err_wrap(e, "--direct");
	/* A macvlan's subnets are those that were named. */
	return r < 0 ? r : network_create(n, q->ipv6, q->no_ipv4 || (n->prefix6 && !n->prefix &&
						       n->driver == NETWORK_MACVLAN), e);
}

static int net_create(int argc, char **argv)
{
	static const struct command self = { "net create", "[options] NAME", "define a network", 1, 1,
					     false, NULL };
	struct create_request q = { 0 };
	const struct option table[] = {
		{ "subnet", 0, OPTION_TEXTS, &q.subnets, "CIDR",
		  "its addresses, one of each family (default: kist finds some)" },
		{ "gateway", 0, OPTION_TEXTS, &q.gateways, "ADDRESS",
		  "the host's in it (default: the first)" },
		{ "ipv6", 0, OPTION_FLAG, &q.ipv6, NULL, "IPv6 too" },
		{ "no-ipv4", 0, OPTION_FLAG, &q.no_ipv4, NULL, "IPv6 alone, with --ipv6" },
		{ "internal", 0, OPTION_FLAG, &q.internal, NULL, "no way out, none in" },
		{ "isolated", 0, OPTION_FLAG, &q.isolated, NULL,
		  "its containers do not reach one another" },
		{ "direct", 0, OPTION_FLAG, &q.direct, NULL,
		  "what they send one another goes past the bridge, and others' rules for it" },
		{ "mtu", 0, OPTION_NUMBER, &q.mtu, "N", "of its interfaces (default: the kernel's)" },
		{ "label", 0, OPTION_TEXTS, &q.labels, "KEY=VALUE", "kept with it" },
		{ "driver", 'd', OPTION_TEXT, &q.driver, "DRIVER", "bridge (default) or macvlan" },
		{ "parent", 0, OPTION_TEXT, &q.parent, "INTERFACE", "of a macvlan, on the host" },
	};
	struct network *n = calloc(1, sizeof *n);
	struct err e = ERR_INIT;
	int status, first = cli_parse(&self, table, COUNT(table), argc, argv, &status), r;

	if (first < 0 || !n) {
		free(n);
		return first < 0 ? status : 1;
	}
	r = create(&q, argv[first], n, &e);
	if (r == 0)
		puts(n->id);
	network_free(n);
	free(n);
	return r < 0 ? fail("create", &e) : cli_flush();
}

/* --- ls, inspect ------------------------------------------------------------------------ */

static void print_line(const struct network *n)
{
	char v4[CIDR_TEXT] = "-", v6[CIDR_TEXT] = "";

	if (n->prefix)
		cidr_format(n->subnet, n->prefix, v4);
	if (n->prefix6)
		cidr6_format(&n->subnet6, n->prefix6, v6);
	printf("%-20s %-14.12s %-9s %-*s%s%s\n", n->name, n->id,
	       n->driver == NETWORK_MACVLAN ? "macvlan" : "bridge", *v6 ? 18 : 0, v4, *v6 ? " " : "", v6);
}

static int net_ls(int argc, char **argv)
{
	static const struct command self = { "net ls", "[options]", "list networks", 0, 0, false, NULL };
	bool json = false, quiet = false;
	const struct option table[] = {
		{ "json", 0, OPTION_FLAG, &json, NULL, "all that inspect says, as JSON" },
		{ "quiet", 'q', OPTION_FLAG, &quiet, NULL, "names alone" },
	};
	struct network *list;
	struct err e = ERR_INIT;
	size_t count;
	int status;

	if (cli_parse(&self, table, COUNT(table), argc, argv, &status) < 0)
		return status;
	if (network_list(&list, &count, &e) < 0)
		return fail("ls", &e);
	if (json && net_print_json(list, count, &e) < 0) {
		network_list_free(list, count);
		return fail("ls", &e);
	}
	if (!json && !quiet)
		puts("NAME                 ID             DRIVER    SUBNET");
	for (size_t i = 0; !json && i < count; i++)
		quiet ? (void)puts(list[i].name) : print_line(&list[i]);
	network_list_free(list, count);
	return cli_flush();
}

static int net_inspect(int argc, char **argv)
{
	static const struct command self = { "net inspect", "NETWORK...",
					     "print networks, and who is on them, as JSON", 1, -1, false,
					     NULL };
	struct network *list;
	struct err e = ERR_INIT;
	size_t count = 0;
	int status, first = cli_parse(&self, NULL, 0, argc, argv, &status), r = 0;

	if (first < 0)
		return status;
	list = calloc((size_t)(argc - first), sizeof *list);
	if (!list)
		r = err_set(&e, ENOMEM, "networks");
	for (int i = first; r == 0 && i < argc; i++) {
		r = network_find(argv[i], &list[count], &e);
		count += r == 0;
	}
	if (r == 0)
		r = net_print_json(list, count, &e);
	network_list_free(list, count);
	return r < 0 ? fail("inspect", &e) : cli_flush();
}

/* --- rm, prune -------------------------------------------------------------------------- */

static int remove_one(const char *name, struct err *e)
{
	struct network *n = calloc(1, sizeof *n);
	int r = n ? network_find(name, n, e) : err_set(e, ENOMEM, "%s", name);

	if (r == 0) {
		r = net_remove(n, e);
		network_free(n);
	}
	free(n);
	return r;
}

static int net_rm(int argc, char **argv)
{
	static const struct command self = { "net rm", "NETWORK...", "forget networks nobody is on", 1, -1,
					     false, NULL };
	int status, first = cli_parse(&self, NULL, 0, argc, argv, &status), failed = 0;

	if (first < 0)
		return status;
	for (int i = first; i < argc; i++) {
		struct err e = ERR_INIT;

		if (need_root(&e) < 0 || remove_one(argv[i], &e) < 0)
			failed = fail("rm", &e);
		else
			puts(argv[i]);
	}
	return failed ? failed : cli_flush();
}

static int net_prune(int argc, char **argv)
{
	static const struct command self = { "net prune", "", "forget all networks that nobody is on", 0, 0,
					     false, NULL };
	struct network *list;
	struct err e = ERR_INIT;
	size_t count;
	int status, r;

	if (cli_parse(&self, NULL, 0, argc, argv, &status) < 0)
		return status;
	r = need_root(&e);
	if (r == 0)
		r = network_list(&list, &count, &e);
	if (r < 0)
		return fail("prune", &e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (network_is_default(&list[i]))
			continue;
		r = net_remove(&list[i], &e);
		if (r == 0)
			puts(list[i].name);
		if (r == -EBUSY) {
			err_clear(&e);
			r = 0;
		}
	}
	network_list_free(list, count);
	return r < 0 ? fail("prune", &e) : cli_flush();
}

/* --- connect, disconnect ------------------------------------------------------------------ */

struct connect_request {
	const char *ip, *ip6, *mac, *interface;
	struct option_texts aliases;
	bool explain;
};

static int add_word(struct buf *b, const char *key, const char *value, struct err *e)
{
	if (!value)
		return 0;
	if (strchr(value, ','))
		return err_say(e, EINVAL, "--%s: \"%.64s\" has a comma in it", key, value);
	buf_addf(b, ",%s=%s", key, value);
	return 0;
}

static int connect_spec(const struct connect_request *q, const char *network, struct net_spec *s,
			struct arena *a, struct err *e)
{
	char text[4096];
	struct buf b = BUF_ON(text);
	int r = 0;

	buf_reset(&b);
	buf_add(&b, network);
	if (strchr(network, ','))
		r = err_say(e, EINVAL, "\"%.64s\" is no network", network);
	if (r == 0)
		r = add_word(&b, "ip", q->ip, e);
	if (r == 0)
		r = add_word(&b, "ip6", q->ip6, e);
	if (r == 0)
		r = add_word(&b, "mac", q->mac, e);
	if (r == 0)
		r = add_word(&b, "interface", q->interface, e);
	for (size_t i = 0; r == 0 && i < q->aliases.count; i++)
		r = add_word(&b, "alias", q->aliases.item[i], e);
	if (r == 0 && buf_truncated(&b))
		r = err_say(e, EINVAL, "too many aliases");
	if (r == 0)
		r = net_parse_word(text, s, a, e);
	return r == 0 && s->mode != NET_BRIDGE ? err_say(e, EINVAL, "\"%.64s\" is no network", network) : r;
}

static int connect_one(const struct connect_request *q, const char *network, const char *id,
		       struct err *e)
{
	struct runtime_hooks_in in = { .report = q->explain ? explain_report : NULL };
	_cleanup_fd_ int root = -EBADF;
	struct arena a = ARENA_INIT;
	struct net_spec s = { 0 };
	struct host h;
	int r = cli_fault(&in, e);

	if (r == 0)
		r = connect_spec(q, network, &s, &a, e);
	if (r == 0)
		r = cli_open_root(false, &root, e);
	if (r == 0)
		r = host_probe_rights(&h, e);
	s.realm = hot_net_realm(cli.root_text);
	if (r == 0)
		r = runtime_net_connect(root, id, &s, &h, &in, e);
	arena_free(&a);
	return r;
}

static int net_connect(int argc, char **argv)
{
	static const struct command self = { "net connect", "[options] NETWORK ID",
					     "put a container that runs on a network", 2, 2, false, NULL };
	struct connect_request q = { 0 };
	const struct option table[] = {
		{ "ip", 0, OPTION_TEXT, &q.ip, "ADDRESS", "this IPv4 address" },
		{ "ip6", 0, OPTION_TEXT, &q.ip6, "ADDRESS", "this IPv6 address" },
		{ "mac", 0, OPTION_TEXT, &q.mac, "MAC", "this MAC address" },
		{ "alias", 0, OPTION_TEXTS, &q.aliases, "NAME", "one name more on this network" },
		{ "interface", 0, OPTION_TEXT, &q.interface, "NAME",
		  "called so inside (default: the next ethN)" },
		{ "explain", 0, OPTION_FLAG, &q.explain, NULL,
		  "print every kernel primitive to stderr as it runs" },
	};
	struct err e = ERR_INIT;
	int status, first = cli_parse(&self, table, COUNT(table), argc, argv, &status);

	if (first < 0)
		return status;
	return connect_one(&q, argv[first], argv[first + 1], &e) < 0 ? fail("connect", &e) : 0;
}

static int net_disconnect(int argc, char **argv)
{
	static const struct command self = { "net disconnect", "NETWORK ID",
					     "take a container that runs off a network", 2, 2, false, NULL };
	struct network *n = calloc(1, sizeof *n);
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	struct host h;
	int status, first = cli_parse(&self, NULL, 0, argc, argv, &status), r;

	if (first < 0 || !n) {
		free(n);
		return first < 0 ? status : 1;
	}
	r = network_find(argv[first], n, &e);
	if (r == 0)
		r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = host_probe_rights(&h, &e);
	if (r == 0)
		r = runtime_net_disconnect(root, argv[first + 1], hot_net_realm(cli.root_text), n->name,
					   &h, &e);
	network_free(n);
	free(n);
	return r < 0 ? fail("disconnect", &e) : 0;
}

/* --- gc, reconcile -------------------------------------------------------------------------- */

static int net_gc_command(int argc, char **argv)
{
	static const struct command self = { "net gc", "", "free what ended containers left", 0, 0, false,
					     NULL };
	struct err e = ERR_INIT;
	size_t count = 0;
	int status;

	if (cli_parse(&self, NULL, 0, argc, argv, &status) < 0)
		return status;
	if (need_root(&e) < 0 || net_gc(&count, &e) < 0)
		return fail("gc", &e);
	if (count)
		printf("%zu freed\n", count);
	return cli_flush();
}

static int net_reconcile_command(int argc, char **argv)
{
	static const struct command self = { "net reconcile", "[options]",
					     "make anew what was lost of bridges, rules and names", 0, 0,
					     false, NULL };
	bool watch = false;
	const struct option table[] = {
		{ "watch", 0, OPTION_FLAG, &watch, NULL, "stay, and do so whenever something is lost" },
	};
	struct err e = ERR_INIT;
	int status;

	if (cli_parse(&self, table, COUNT(table), argc, argv, &status) < 0)
		return status;
	return need_root(&e) < 0 || (watch ? net_watch(&e) : net_reconcile(&e)) < 0
		       ? fail("reconcile", &e) : 0;
}

static const struct {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "create", "define a network", net_create },
	{ "ls", "list networks", net_ls },
	{ "inspect", "print networks, and who is on them, as JSON", net_inspect },
	{ "rm", "forget networks nobody is on", net_rm },
	{ "connect", "put a container that runs on a network", net_connect },
	{ "disconnect", "take a container that runs off a network", net_disconnect },
	{ "prune", "forget all networks that nobody is on", net_prune },
	{ "stats", "what went through, of each container on a network", net_stats },
	{ "reconcile", "make anew what was lost of bridges, rules and names", net_reconcile_command },
	{ "gc", "free what ended containers left", net_gc_command },
};

int command_net(int argc, char **argv)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; argc > 1 && i < COUNT(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		puts("usage: kist net VERB ...\nnetworks, and who is on them\n\nverbs:");
		for (size_t i = 0; i < COUNT(verbs); i++)
			printf("  %-11s %s\n", verbs[i].name, verbs[i].help);
		return cli_flush();
	}
	err_say(&e, EINVAL, "net: the verb is missing or unknown");
	err_fix(&e, "kist net --help");
	return cli_fail(&e, 1);
}
