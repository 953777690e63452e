/*
 * net-driver.c - runs the network's plan alone, for the tests: any process in a network namespace
 * of its own stands for the guest.
 *
 *   net-driver [-d STORE] [-s SUBNET/PREFIX] [-r REALM] [-n NET] [-f STEP] [-k STEP] VERB ID [PID]
 *     plan ID         prints the steps and the lines to do them by hand
 *     attach ID PID   runs them; on an error takes them back, as the runtime does
 *     detach ID       takes all back, as `kist delete --force` does
 *     address ID      prints the leased address
 *     loopback        as the guest would: lo up, in the caller's namespace
 *     namespace [user], serve PORT, connect ADDRESS PORT [SOURCE]: see net-peer.inc
 *   -n joins a network as `kist job run --net` names it, instead of the default one.
 *   -f fails step STEP with EIO, -k ends the process by SIGKILL before step STEP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/net.h"
#include "tests/tools/net-peer.inc"

static int kill_before = -1;

static void on_report(void *user, const struct plan *p, struct run_report report)
{
	(void)user;
	(void)p;
	if (report.step + 1 == kill_before)
		raise(SIGKILL);
}

static int fail(const struct err *e)
{
	char line[1024];

	err_format(e, line, sizeof line);
	fprintf(stderr, "net-driver: %s\n", line);
	if (e->fix[0])
		fprintf(stderr, "fix: %s\n", e->fix);
	return 1;
}

static int print_plan(const struct plan *p)
{
	for (int i = 0; i < p->count; i++) {
		char text[2048];
		struct buf b = BUF_ON(text);

		buf_reset(&b);
		plan_show_step(&b, p, i);
		printf("%2d %s %s\n", i, p->steps[i].op->name, b.text);
		buf_reset(&b);
		if (p->steps[i].op->by_hand)
			p->steps[i].op->by_hand(&b, p, p->steps[i].args);
		if (b.len)
			printf("   $ %s\n", b.text);
	}
	return 0;
}

static int attach(const struct plan *p, const char *id, const char *pid, int fault)
{
	const struct undo_at at = { .id = id, .state_root = AT_FDCWD };
	struct err e = ERR_INIT, late = ERR_INIT;
	char path[64];
	struct run r;
	int result;

	run_init(&r, p);
	r.report = on_report;
	r.fault_step = fault;
	r.fault_error = EIO;
	if (kill_before == 0)
		raise(SIGKILL);
	snprintf(path, sizeof path, "/proc/%s", pid);
	run_set_fd(&r, SLOT_GUEST_PROC, open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	result = run_walk(&r, &e);
	if (result < 0 && plan_take_back(p, e.step, &at, &late) < 0)
		fail(&late);
	run_close(&r);
	return result < 0 ? fail(&e) : 0;
}

static int detach(const struct plan *p, const char *id)
{
	const struct undo_at at = { .id = id, .state_root = AT_FDCWD };
	struct err e = ERR_INIT;

	return plan_take_back(p, p->count, &at, &e) < 0 ? fail(&e) : 0;
}

static int print_address(const char *owner)
{
	char text[IPV4_TEXT];
	uint32_t address;
	int found = net_lease_lookup(owner, &address);

	if (found == 1)
		puts(ipv4_format(address, text));
	return found == 1 ? 0 : 1;
}

static int run_loopback(struct plan *p)
{
	struct err e = ERR_INIT;
	struct run r;

	net_plan_loopback(p);
	p->steps[0].side = SIDE_HOST;
	run_init(&r, p);
	return run_walk(&r, &e) < 0 ? fail(&e) : 0;
}

static void parse_subnet(char *text, struct net_spec *s)
{
	char *slash = strchr(text, '/');
	struct in_addr address;

	if (!slash)
		exit(2);
	*slash = '\0';
	if (inet_pton(AF_INET, text, &address) != 1)
		exit(2);
	s->subnet = ntohl(address.s_addr);
	s->prefix = (int)strtol(slash + 1, NULL, 10);
}

int main(int argc, char **argv)
{
	struct arena arena = ARENA_INIT;
	struct net_spec spec = { .mode = NET_BRIDGE };
	struct host host = { .root = true };
	struct err e = ERR_INIT;
	struct plan p;
	int option, fault = -1, status = 2;

	while ((option = getopt(argc, argv, "d:s:r:f:k:p:n:")) != -1) {
		if (option == 'd')
			lease_root = optarg;
		else if (option == 's')
			parse_subnet(optarg, &spec);
		else if (option == 'p' && net_parse_publish(optarg, &spec, &arena, &e) < 0)
			return fail(&e);
		else if (option == 'n' && (net_parse_word(optarg, &spec, &arena, &e) < 0 ||
					   net_find(&spec, &arena, &e) < 0))
			return fail(&e);
		else if (option == 'p' || option == 'n')
			continue;
		else if (option == 'r')
			spec.realm = optarg;
		else if (option == 'f')
			fault = (int)strtol(optarg, NULL, 10);
		else if (option == 'k')
			kill_before = (int)strtol(optarg, NULL, 10);
		else
			return 2;
	}
	argc -= optind;
	argv += optind;
	plan_init(&p, &arena);
	if (argc >= 1 && strcmp(argv[0], "namespace") == 0)
		return peer_namespace(argc == 2);
	if (argc == 2 && strcmp(argv[0], "serve") == 0)
		return peer_serve(argv[1]);
	if (argc >= 3 && strcmp(argv[0], "connect") == 0)
		return peer_connect(argv[1], argv[2], argc == 4 ? argv[3] : NULL);
	if (argc == 1 && strcmp(argv[0], "loopback") == 0) {
		status = run_loopback(&p);
		arena_free(&arena);
		return status;
	}
	if (argc < 2)
		return 2;
	if (net_check(&spec, &host, &e) < 0)
		return fail(&e);
	net_plan_attach(&p, &spec, &host, argv[1]);
	if (plan_check(&p, &e) < 0)
		return fail(&e);
	if (strcmp(argv[0], "plan") == 0)
		status = print_plan(&p);
	else if (strcmp(argv[0], "attach") == 0 && argc == 3)
		status = attach(&p, argv[1], argv[2], fault);
	else if (strcmp(argv[0], "detach") == 0)
		status = detach(&p, argv[1]);
	else if (strcmp(argv[0], "address") == 0)
		status = print_address(net_owner(&arena, argv[1], spec.realm));
	arena_free(&arena);
	return status;
}
