/* Published ports: their grammar, which clash, and ports of the host that are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/publish.h"

static struct published_port parse(const char *text)
{
	struct err e = ERR_INIT;
	struct published_port p = { 0 };

	if (publish_parse(text, &p, &e) < 0)
		fail_msg("%s: %s", text, e.context[0]);
	return p;
}

static void test_forms(void **state)
{
	static const struct {
		const char *text, *back;
	} forms[] = {
		{ "8080:80", "8080:80/tcp" },
		{ "8080:80/tcp", "8080:80/tcp" },
		{ "1:65535/udp", "1:65535/udp" },
		{ "8000-8010:9000-9010/udp", "8000-8010:9000-9010/udp" },
		{ "80-80:81-81", "80:81/tcp" },
		{ "127.0.0.1:8080-8081:80-81/udp", "127.0.0.1:8080-8081:80-81/udp" },
		{ "0.0.0.0:53:53/udp", "0.0.0.0:53:53/udp" },
		{ "[::]:53:53", "[::]:53:53/tcp" },
		{ "[2001:db8:0::7]:53:54", "[2001:db8::7]:53:54/tcp" },
		{ "1-65535:1-65535", "1-65535:1-65535/tcp" },
	};
	char text[PUBLISH_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct published_port p = parse(forms[i].text);

		assert_string_equal(publish_format(&p, text), forms[i].back);
	}
	assert_int_equal(parse("8080:80").family, 0);
	assert_int_equal(parse("0.0.0.0:8080:80").family, AF_INET);
	assert_int_equal(parse("127.0.0.2:8080:80").address, 0x7f000002);
	assert_int_equal(parse("1-65535:1-65535").count, 65535);
}

static void test_longest_fits(void **state)
{
	const char *longest =
		"[2001:1111:2222:3333:4444:5555:6666:7777]:10000-65535:10000-65535/udp";
	struct published_port p = parse(longest);
	char text[PUBLISH_TEXT];

	(void)state;
	assert_string_equal(publish_format(&p, text), longest);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"80",
		":80",
		"80:",
		":",
		"8080:80/",
		"8080:80/sctp",
		"8080:80/TCP",
		"0:80",
		"80:0",
		"65536:80",
		"080000:80",
		"8080:80x",
		"+80:80",
		" 80:80",
		"80 :80",
		"80-:80-81",
		"-80:80",
		"81-80:81-80",
		"80-82:80-81",
		"80:80-81",
		"80-81:80",
		"1-2-3:1-2-3",
		"localhost:80:80",
		"127.1:80:80",
		"1.2.3.4.5:80:80",
		"224.0.0.1:80:80",
		"255.255.255.255:80:80",
		"::1:80:80",
		"[::1:80:80",
		"::1]:80:80",
		"[]:80:80",
		"[:]:80:80",
		"[::1]:80:80",
		"[::ffff:1.2.3.4]:80:80",
		"[ff02::1]:80:80",
		"[fe80::1]:80:80",
		"[fe80::1%eth0]:80:80",
		"[127.0.0.1]:80:80",
		"127.0.0.1::80",
		"127.0.0.1:80",
		"a;drop:80:80",
		"[::]80:80",
		":80:80",
		"8080:80/tcp/udp",
		"99999999999999999999:80",
		"1.2.3.4:99999999999999999999999999999999999999999999999999999999:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct published_port p = { .host = 7 };
		struct err e = ERR_INIT;

		if (publish_parse(wrong[i], &p, &e) != -EINVAL)
			fail_msg("\"%s\" was taken", wrong[i]);
		assert_int_equal(p.host, 7);
		assert_non_null(strstr(e.context[0], "published port \""));
		assert_non_null(strstr(e.fix, "8080:80"));
	}
}

static bool overlap(const char *a, const char *b)
{
	struct published_port x = parse(a), y = parse(b);

	assert_int_equal(publish_overlaps(&x, &y), publish_overlaps(&y, &x));
	return publish_overlaps(&x, &y);
}

static void test_overlaps(void **state)
{
	(void)state;
	assert_true(overlap("80:80", "80:81"));
	assert_false(overlap("80:80", "81:80"));
	assert_false(overlap("80:80", "80:80/udp"));
	assert_true(overlap("80-90:80-90", "90:1"));
	assert_false(overlap("80-90:80-90", "91:1"));
	assert_true(overlap("80:80", "127.0.0.1:80:80"));
	assert_true(overlap("0.0.0.0:80:80", "127.0.0.1:80:80"));
	assert_false(overlap("127.0.0.2:80:80", "127.0.0.1:80:80"));
	assert_false(overlap("[::]:80:80", "127.0.0.1:80:80"));
	assert_true(overlap("[::]:80:80", "[2001:db8::1]:80:80"));
	assert_false(overlap("[2001:db8::2]:80:80", "[2001:db8::1]:80:80"));
	assert_true(overlap("80:80", "[2001:db8::1]:80:80"));
}

/* --- with the host's own ports ---- */

static const struct network lan = { .name = "lan", .prefix = 16 };
static struct endpoint web = {
	.owner = "web", .id = "web", .address = 0x0a570005, .port_count = 1
};

static int check(const char *text, const struct network *n, const struct endpoint *others,
		 size_t count, struct err *e)
{
	*e = (struct err)ERR_INIT;
	web.ports[0] = parse(text);
	return publish_check(n, &web, others, count, e);
}

/* A socket on a free port of 127.0.0.1; the port. */
static int occupy(int type, uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof a;
	int fd = socket(AF_INET, type, 0), on = 1;

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), errno);
	assert_return_code(bind(fd, (const struct sockaddr *)&a, sizeof a), errno);
	if (type == SOCK_STREAM)
		assert_return_code(listen(fd, 1), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&a, &size), errno);
	*port = ntohs(a.sin_port);
	return fd;
}

static void taken(int type, const char *protocol)
{
	struct err e;
	uint16_t port;
	int fd = occupy(type, &port);
	char text[64], named[64];

	snprintf(named, sizeof named, "127.0.0.1:%u:%u/%s", port, 80u, protocol);
	assert_int_equal(check(named, &lan, NULL, 0, &e), -EADDRINUSE);
	assert_non_null(strstr(e.context[0], named));
	assert_non_null(strstr(e.context[0], "a process of the host"));
	snprintf(text, sizeof text, "%u:80/%s", port, protocol);
	assert_int_equal(check(text, &lan, NULL, 0, &e), -EADDRINUSE);
	snprintf(text, sizeof text, "127.0.0.1:%u-%u:79-80/%s", port - 1u, port, protocol);
	if (check(text, &lan, NULL, 0, &e) != -EADDRINUSE)
		fail_msg("%s", text);
	/* Another address, and the other protocol, are free. */
	snprintf(text, sizeof text, "127.0.0.2:%u:80/%s", port, protocol);
	assert_int_equal(check(text, &lan, NULL, 0, &e), 0);
	close(fd);
	assert_int_equal(check(named, &lan, NULL, 0, &e), 0);
}

static void test_taken_by_a_process(void **state)
{
	(void)state;
	taken(SOCK_STREAM, "tcp");
	taken(SOCK_DGRAM, "udp");
}

static void test_taken_by_a_container(void **state)
{
	struct endpoint others[2] = { { .owner = "db", .id = "db", .port_count = 1 },
				      { .owner = "web", .id = "web", .port_count = 1 } };
	struct err e;

	(void)state;
	others[0].ports[0] = parse("127.0.0.1:47111:5432");
	others[1].ports[0] = parse("127.0.0.1:47112:5432");
	assert_int_equal(check("127.0.0.1:47111:80", &lan, others, 2, &e), -EADDRINUSE);
	assert_non_null(strstr(e.context[0], "container db has it"));
	assert_int_equal(check("127.0.0.1:47112:80", &lan, others, 2, &e), 0);
	web.port_count = 2;
	web.ports[1] = parse("127.0.0.1:47112:81");
	assert_int_equal(check("47112:80", &lan, others, 2, &e), -EADDRINUSE);
	assert_non_null(strstr(e.context[0], "another one of this container"));
	web.port_count = 1;
}

static void test_that_cannot_be(void **state)
{
	const struct network internal = { .name = "inner", .internal = true };
	const struct network macvlan = { .name = "phys", .driver = NETWORK_MACVLAN };
	struct err e;

	(void)state;
	assert_int_equal(check("192.0.2.77:47113:80", &lan, NULL, 0, &e), -EADDRNOTAVAIL);
	assert_non_null(strstr(e.context[0], "192.0.2.77"));
	assert_int_equal(check("47113:80", &internal, NULL, 0, &e), -EINVAL);
	assert_non_null(strstr(e.context[0], "inner is internal"));
	assert_int_equal(check("47113:80", &macvlan, NULL, 0, &e), -EINVAL);
	assert_int_equal(check("[::]:47113:80", &lan, NULL, 0, &e), -EINVAL);
	assert_non_null(strstr(e.context[0], "no IPv6 address"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_longest_fits),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_taken_by_a_process),
		cmocka_unit_test(test_taken_by_a_container),
		cmocka_unit_test(test_that_cannot_be),
	};

	return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
