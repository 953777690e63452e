/*
 * dns-driver.c - names without a runtime, for the tests: any process in a network namespace of its
 * own stands for a container.
 *
 *   dns-driver [-d STORE] VERB ...
 *     attach NETWORK OWNER PID ADDRESS NAME[,NAME...] [internal] [record] [dns=ADDRESS]
 *                                 writes the endpoint's record and attaches it (record: only that)
 *     detach NETWORK OWNER [record]   and the other way round
 *     reconcile, status NETWORK   as kist does
 *     query, raw, upstream, forge, flood, slow: see dns-peer.inc
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/dns.h"
#include "net/dns_packet.h"
#include "net/link.h"
#include "tests/tools/dns-peer.inc"

static struct endpoint ep;
static struct network network;

static int fail(const struct err *e)
{
	char line[1024];

	err_format(e, line, sizeof line);
	fprintf(stderr, "dns-driver: %s\n", line);
	if (e->fix[0])
		fprintf(stderr, "fix: %s\n", e->fix);
	return 1;
}

static bool has(int argc, char **argv, const char *word)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}

static int attach(int argc, char **argv)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	_cleanup_fd_ int netns = -EBADF;
	struct err e = ERR_INIT;
	char path[64], *name, *names = argv[4];
	int r;

	snprintf(ep.network, sizeof ep.network, "%s", argv[0]);
	snprintf(ep.owner, sizeof ep.owner, "%s", argv[1]);
	snprintf(ep.id, sizeof ep.id, "%s", argv[1]);
	ep.pid = (pid_t)strtol(argv[2], NULL, 10);
	ep.start_time = endpoint_start_time(ep.pid);
	if (strchr(argv[3], ':'))
		inet_pton(AF_INET6, argv[3], &ep.address6);
	else
		ep.address = ntohl(inet_addr(argv[3]));
	while ((name = strsep(&names, ",")))
		snprintf(ep.names[ep.name_count++], ENDPOINT_NAME_MAX, "%s", name);
	snprintf(ep.host_if, sizeof ep.host_if, "kv0");
	snprintf(ep.interface, sizeof ep.interface, "eth0");
	ep.mac[0] = 2;
	for (int i = 5; i < argc; i++)
		if (strncmp(argv[i], "dns=", 4) == 0) {
			ep.servers[ep.server_count] = (struct in6_addr){ .s6_addr = { [10] = 0xff, 0xff } };
			inet_pton(AF_INET, argv[i] + 4, &ep.servers[ep.server_count++].s6_addr[12]);
		}
	ep.internal = has(argc - 5, argv + 5, "internal");
	snprintf(network.name, sizeof network.name, "%s", argv[0]);
	snprintf(path, sizeof path, "/proc/%s/ns/net", argv[2]);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	r = lease_store_open(&s, true, &e);
	if (r == 0)
		r = endpoint_put(&s, &ep, &e);
	if (r == 0 && !has(argc - 5, argv + 5, "record"))
		r = dns_attach(&network, &ep, netns, &e);
	return r < 0 ? fail(&e) : 0;
}

static int detach(int argc, char **argv)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct err e = ERR_INIT;
	int r = lease_store_open(&s, false, &e);

	snprintf(network.name, sizeof network.name, "%s", argv[0]);
	snprintf(ep.owner, sizeof ep.owner, "%s", argv[1]);
	if (r == 0)
		r = endpoint_remove(&s, argv[0], argv[1], &e);
	if (r == 0 && !has(argc - 2, argv + 2, "record"))
		r = dns_detach(&network, &ep, &e);
	return r < 0 ? fail(&e) : 0;
}

static int reconcile(void)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct err e = ERR_INIT;
	struct endpoint *list;
	struct network *networks;
	size_t count;
	int r = lease_store_open(&s, false, &e);

	if (r == 0)
		r = endpoint_list(&s, NULL, &list, &count, &e);
	if (r < 0)
		return fail(&e);
	networks = calloc(count, sizeof *networks);
	for (size_t i = 0; i < count; i++) {
		snprintf(networks[i].name, sizeof networks[i].name, "%s", list[i].network);
		for (size_t j = 0; j < i; j++)
			if (strcmp(networks[j].name, networks[i].name) == 0)
				networks[i].name[0] = '\0';
	}
	r = dns_reconcile(networks, count, list, count, &e);
	free(networks);
	free(list);
	return r < 0 ? fail(&e) : 0;
}

static int status(const char *name)
{
	struct dns_status st;
	struct err e = ERR_INIT;
	int r = dns_status(name, &st, &e);

	if (r < 0)
		return fail(&e);
	if (r == 0)
		return 1;
	printf("%u %u %llu %llu %llu\n", st.pid, st.users, st.questions, st.forwarded, st.refused);
	return 0;
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+d:")) != -1) {
		if (option != 'd')
			return 2;
		lease_root = optarg;
	}
	argc -= optind;
	argv += optind;
	if (argc >= 6 && strcmp(argv[0], "attach") == 0)
		return attach(argc - 1, argv + 1);
	if (argc >= 3 && strcmp(argv[0], "detach") == 0)
		return detach(argc - 1, argv + 1);
	if (argc == 1 && strcmp(argv[0], "reconcile") == 0)
		return reconcile();
	if (argc == 2 && strcmp(argv[0], "status") == 0)
		return status(argv[1]);
	return argc >= 1 ? peer(argc, argv) : 2;
}
