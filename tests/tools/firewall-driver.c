/*
 * firewall-driver.c - kist's nftables from records made by hand, and packets of every kind through
 * them; all in network namespaces of the test's.
 *
 *   replace FILE, attach FILE ID, detach FILE ID, drop FILE NETWORK, whole FILE, remove, check FILE
 * ID FILE has lines of two kinds: network NAME INTERFACE SUBNET/PREFIX|- SUBNET6/PREFIX|-
 * [internal] [isolated] endpoint ID NETWORK HOST_INTERFACE MAC ADDRESS|- ADDRESS6|- [PUBLISHED
 * PORT...] whole: exit status 1 when the tables are not as they should be many FILE FIRST COUNT
 * attaches COUNT more like the last endpoint, with addresses that follow serve PORT... answers TCP
 * and UDP, both families, with the client's address; prints its pid ask tcp|udp ADDRESS PORT
 * [SOURCE [PORT]]   prints the answer spoof KIND FROM IF TO IF MAC ADDRESS ADDRESS6 VICTIM_MAC
 * VICTIM_ADDRESS VICTIM_ADDRESS6 from the network namespace of process FROM a frame of that kind,
 * then an honest one; whether the first was heard in the namespace of process TO raw FROM IF
 * TARGET_MAC SOURCE TARGET PORT   a UDP packet, as it is asked for
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/firewall.h"
#include "net/publish.h"
#include "tests/tools/frames.inc"

#define PATIENCE_MS 15000 /* for an answer; or of the environment */
#define STEP_MS	    100
#define RESEND_MS   2000

static struct network networks[16];
static struct endpoint *endpoints;
static size_t network_count, endpoint_count;

static int fail(const struct err *e)
{
	char line[1024];

	err_format(e, line, sizeof line);
	fprintf(stderr, "firewall-driver: %s\n", line);
	if (e->fix[0])
		fprintf(stderr, "fix: %s\n", e->fix);
	return 1;
}

static void usage(const char *what)
{
	fprintf(stderr, "firewall-driver: %s?\n", what);
	exit(2);
}

/* --- records ---- */

static void parse_subnet(char *text, void *address, int family, int *prefix)
{
	char *slash = strchr(text, '/');

	if (strcmp(text, "-") == 0)
		return;
	if (!slash)
		usage(text);
	*slash = '\0';
	*prefix = (int)strtol(slash + 1, NULL, 10);
	if (inet_pton(family, text, address) != 1)
		usage(text);
}

static void read_network(char *words)
{
	struct network *n = &networks[network_count++];
	char *word[4];

	for (int i = 0; i < 4; i++)
		word[i] = strtok(i ? NULL : words, " ");
	snprintf(n->name, sizeof n->name, "%s", word[0]);
	snprintf(n->interface, sizeof n->interface, "%.15s", word[1]);
	parse_subnet(word[2], &n->subnet, AF_INET, &n->prefix);
	n->subnet = ntohl(n->subnet);
	parse_subnet(word[3], &n->subnet6, AF_INET6, &n->prefix6);
	while ((words = strtok(NULL, " "))) {
		n->internal |= strcmp(words, "internal") == 0;
		n->isolated |= strcmp(words, "isolated") == 0;
	}
}

static void read_endpoint(char *words)
{
	struct endpoint *ep = &endpoints[endpoint_count++];
	struct err e = ERR_INIT;
	char *word[6];

	for (int i = 0; i < 6; i++)
		word[i] = strtok(i ? NULL : words, " ");
	snprintf(ep->id, sizeof ep->id, "%s", word[0]);
	snprintf(ep->owner, sizeof ep->owner, "%s", word[0]);
	snprintf(ep->network, sizeof ep->network, "%s", word[1]);
	snprintf(ep->host_if, sizeof ep->host_if, "%.15s", word[2]);
	read_mac(word[3], ep->mac);
	if (inet_pton(AF_INET, word[4], &ep->address) == 1)
		ep->address = ntohl(ep->address);
	inet_pton(AF_INET6, word[5], &ep->address6);
	while ((words = strtok(NULL, " ")))
		if (publish_parse(words, &ep->ports[ep->port_count++], &e) < 0)
			exit(fail(&e));
}

static void read_records(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[4096];

	endpoints = calloc(64, sizeof *endpoints);
	if (!file || !endpoints)
		usage(path);
	while (fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "network ", 8) == 0)
			read_network(line + 8);
		else if (strncmp(line, "endpoint ", 9) == 0)
			read_endpoint(line + 9);
	}
	fclose(file);
}

static struct endpoint *endpoint_named(const char *id)
{
	for (size_t i = 0; i < endpoint_count; i++)
		if (strcmp(endpoints[i].id, id) == 0)
			return &endpoints[i];
	usage(id);
	return NULL;
}

static struct network *network_named(const char *name)
{
	for (size_t i = 0; i < network_count; i++)
		if (strcmp(networks[i].name, name) == 0)
			return &networks[i];
	usage(name);
	return NULL;
}

static int attach_many(unsigned first, unsigned count)
{
	struct endpoint ep = endpoints[endpoint_count - 1];
	const struct network *n = network_named(ep.network);
	struct err e = ERR_INIT;

	for (unsigned i = first; i < first + count; i++) {
		snprintf(ep.host_if, sizeof ep.host_if, "kv%012x", i);
		snprintf(ep.id, sizeof ep.id, "c%u", i);
		ep.address = n->subnet + 16 + i;
		if (firewall_attach(n, &ep, &e) < 0)
			return fail(&e);
	}
	return 0;
}

static int change(char **argv)
{
	const char *verb = argv[0], *id = argv[2];
	struct err e = ERR_INIT;
	int r;

	if (strcmp(verb, "replace") == 0)
		r = firewall_replace(networks, network_count, endpoints, endpoint_count, &e);
	else if (strcmp(verb, "whole") == 0)
		r = firewall_is_whole(networks, network_count, endpoints, endpoint_count, &e);
	else if (!id)
		return 2;
	else if (strcmp(verb, "attach") == 0)
		r = firewall_attach(network_named(endpoint_named(id)->network), endpoint_named(id),
				    &e);
	else if (strcmp(verb, "detach") == 0)
		r = firewall_detach(network_named(endpoint_named(id)->network), endpoint_named(id),
				    &e);
	else if (strcmp(verb, "check") == 0)
		r = publish_check(network_named(endpoint_named(id)->network), endpoint_named(id),
				  endpoints, endpoint_count, &e);
	else if (strcmp(verb, "drop") == 0)
		r = firewall_drop_network(network_named(id), &e);
	else if (strcmp(verb, "many") == 0 && argv[3])
		r = attach_many((unsigned)atoi(id), (unsigned)atoi(argv[3]));
	else
		return 2;
	if (r == -ENOENT && !e.error)
		return 3;
	if (strcmp(verb, "whole") == 0 && r >= 0)
		return r ? 0 : 1;
	return r < 0 ? fail(&e) : r;
}

/* --- a server and a client ---- */

static const char *text_of(const struct sockaddr_in6 *a, char text[INET6_ADDRSTRLEN])
{
	inet_ntop(AF_INET6, &a->sin6_addr, text, INET6_ADDRSTRLEN);
	return strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
}

static void answer(const struct pollfd *fds, int count)
{
	for (int i = 0; i < count; i++) {
		struct sockaddr_in6 from;
		socklen_t size = sizeof from;
		char text[INET6_ADDRSTRLEN];
		const char *say;

		if (!(fds[i].revents & POLLIN))
			continue;
		if (i % 2) {
			if (recvfrom(fds[i].fd, text, 1, 0, (struct sockaddr *)&from, &size) < 0)
				continue;
			say = text_of(&from, text);
			(void)sendto(fds[i].fd, say, strlen(say), 0, (struct sockaddr *)&from,
				     size);
		} else {
			int fd = accept(fds[i].fd, (struct sockaddr *)&from, &size);

			if (fd < 0)
				continue;
			say = text_of(&from, text);
			if (write(fd, say, strlen(say)) < 0)
				perror("write");
			close(fd);
		}
	}
}

static int serve(int argc, char **argv)
{
	struct pollfd fds[32];
	int count = 0, on = 1, null;
	pid_t pid;

	for (int i = 1; i < argc && count < 30; i++)
		for (int udp = 0; udp < 2; udp++) {
			struct sockaddr_in6 here = { .sin6_family = AF_INET6,
						     .sin6_port = htons((uint16_t)atoi(argv[i])) };
			int fd = socket(AF_INET6, udp ? SOCK_DGRAM : SOCK_STREAM, 0);

			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
			if (bind(fd, (const struct sockaddr *)&here, sizeof here) < 0 ||
			    (!udp && listen(fd, 16) < 0)) {
				perror("serve");
				return 1;
			}
			fds[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	pid = fork();
	if (pid == 0) {
		/* The test waits for EOF on every fd it gave us. */
		null = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		setsid();
		for (int fd = 3; fd < 256; fd++) {
			bool ours = false;

			for (int i = 0; i < count; i++)
				ours |= fds[i].fd == fd;
			if (!ours)
				close(fd);
		}
		for (;;)
			if (poll(fds, (nfds_t)count, -1) > 0)
				answer(fds, count);
	}
	printf("%d\n", (int)pid);
	return pid < 0;
}

static socklen_t fill_address(const char *text, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof *ret);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(port));
		return sizeof *v4;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
		usage(text);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)atoi(port));
	return sizeof *v6;
}

static int ask(char **argv)
{
	struct sockaddr_storage to, from;
	socklen_t size = fill_address(argv[2], argv[3], &to);
	bool udp = strcmp(argv[1], "udp") == 0;
	int fd = socket(to.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	const char *env = getenv("PATIENCE_MS");
	int patience = env ? atoi(env) : PATIENCE_MS;
	char text[128];
	ssize_t n;

	if (argv[4] && bind(fd, (struct sockaddr *)&from,
			    fill_address(argv[4], argv[5] ? argv[5] : "0", &from)) < 0) {
		perror("bind");
		return 2;
	}
	if (connect(fd, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS) {
		perror("connect");
		return 1;
	}
	for (int ms = 0; poll(&wait, 1, ms ? STEP_MS : 0) <= 0; ms += STEP_MS) {
		if (ms >= patience) {
			fprintf(stderr, "nothing came\n");
			return 1;
		}
		if (udp && ms % RESEND_MS == 0 && send(fd, "?", 1, 0) < 0 && ms >= patience) {
			perror("send");
			return 1;
		}
	}
	n = read(fd, text, sizeof text - 1);
	if (n <= 0) {
		fprintf(stderr, "refused: %s\n", n < 0 ? strerror(errno) : "closed");
		return 1;
	}
	text[n] = '\0';
	puts(text);
	return 0;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	const char *verb;

	argc--;
	argv++;
	if (argc < 1)
		return 2;
	verb = argv[0];
	if (strcmp(verb, "remove") == 0)
		return firewall_remove(&e) < 0 ? fail(&e) : 0;
	if (strcmp(verb, "serve") == 0)
		return serve(argc, argv);
	if (strcmp(verb, "ask") == 0 && argc >= 4)
		return ask(argv);
	if (strcmp(verb, "spoof") == 0 && argc >= 12)
		return spoof(argc - 1, argv + 1);
	if (strcmp(verb, "raw") == 0 && argc == 7)
		return raw(argv + 1);
	if (argc < 2)
		return 2;
	read_records(argv[1]);
	return change(argv);
}
