/* resolv.conf: the host's read, a container's made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/resolv.h"

static char made[RESOLV_TEXT_MAX];

static const char *make(const char *text, bool served)
{
	struct buf b = BUF_ON(made);
	struct resolv r;

	buf_reset(&b);
	resolv_parse(text, &r);
	resolv_make(&r, served, &b);
	return made;
}

static void what_the_host_says(void **state)
{
	struct resolv r;

	(void)state;
	resolv_parse(
		"# nameserver 1.1.1.1\nnameserver 192.0.2.1 # one\n;x\n\tnameserver 192.0.2.9\n"
		"nameserver\nnameserver nonsense\nnameserver ::1\r\nnameserver fe80::1%lo\n"
		"domain old\nsearch  a.example\tb.example \noptions edns0 timeout:1\n"
		"options trust-ad\n",
		&r);
	assert_int_equal(r.count, 3);
	assert_int_equal(r.server[0].family, AF_INET);
	assert_int_equal(r.server[0].port, 53);
	assert_int_equal(r.server[1].family, AF_INET6);
	assert_int_equal(r.server[2].scope, 1);
	assert_string_equal(r.search, "a.example b.example");
	assert_string_equal(r.options, "edns0 timeout:1 trust-ad");
}

static void what_a_container_gets(void **state)
{
	const char *host =
		"nameserver 192.0.2.1\nnameserver fe80::1%lo\nsearch corp\noptions edns0\n";

	(void)state;
	assert_string_equal(make(host, true),
			    "nameserver 127.0.0.11\nsearch corp\noptions edns0 ndots:0\n");
	assert_string_equal(make(host, false),
			    "nameserver 192.0.2.1\nsearch corp\noptions edns0\n");
	assert_string_equal(make("", true), "nameserver 127.0.0.11\noptions ndots:0\n");
	assert_string_equal(make("options ndots:2\n", true),
			    "nameserver 127.0.0.11\noptions ndots:2\n");
	assert_string_equal(make("", false), "");
}

static void what_is_too_much_is_left_out(void **state)
{
	char text[8192] = "search ";
	struct resolv r;

	(void)state;
	for (int i = 0; i < 12; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "word%0100d ", i);
	strcat(text, "\noptions a\001b ok\n");
	for (int i = 0; i < 20; i++)
		strcat(text, "nameserver 192.0.2.1\n");
	resolv_parse(text, &r);
	assert_string_equal(r.search, ""); /* a line over what resolv.conf(5) has is none */
	assert_string_equal(r.options, "ok");
	assert_int_equal(r.count, DNS_UPSTREAM_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_host_says),
		cmocka_unit_test(what_a_container_gets),
		cmocka_unit_test(what_is_too_much_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
