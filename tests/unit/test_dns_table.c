/* Names of containers: found on their own network alone, by name, address and owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/dns_table.h"

static struct dns_table t;

static int empty(void **state)
{
	(void)state;
	dns_table_free(&t);
	return 0;
}

static void put(const char *network, const char *owner, uint32_t address, const char *name,
		const char *alias)
{
	struct endpoint ep = { .address = address, .name_count = alias ? 2 : 1 };
	char file[80];

	snprintf(ep.network, sizeof ep.network, "%s", network);
	snprintf(ep.owner, sizeof ep.owner, "%s", owner);
	snprintf(ep.names[0], sizeof ep.names[0], "%s", name);
	if (alias)
		snprintf(ep.names[1], sizeof ep.names[1], "%s", alias);
	snprintf(file, sizeof file, "ep-%s", owner);
	assert_int_equal(dns_table_put(&t, file, &ep), 0);
}

static unsigned count(const char *network, const char *name)
{
	int n = dns_table_network(&t, network, false);
	const struct dns_set *s =
		n < 0 ? NULL : dns_table_name(&t, (unsigned)n, name, strlen(name));

	return s ? s->count : 0;
}

static void found_on_its_network_alone(void **state)
{
	(void)state;
	put("a", "one", 0x0a000002, "Web", "www");
	put("b", "two", 0x0a000002, "db", NULL);
	assert_int_equal(count("a", "web"), 1);
	assert_int_equal(count("a", "www"), 1);
	assert_int_equal(count("b", "web"), 0);
	assert_int_equal(count("c", "web"), 0);
	assert_string_equal(dns_table_address(&t, 0, 0x0a000002)->hosts[0]->owner, "one");
	assert_string_equal(dns_table_address(&t, 1, 0x0a000002)->hosts[0]->name, "db.b");
	assert_null(dns_table_address(&t, 1, 0x0a000003));
	assert_int_equal(dns_table_owner(&t, "one")->count, 1);
	assert_null(dns_table_owner(&t, "web"));
}

static void a_record_replaces_itself(void **state)
{
	unsigned generation;

	(void)state;
	put("a", "one", 1, "web", "www");
	generation = t.generation;
	put("a", "one", 2, "web", "web"); /* a name twice is there once */
	assert_int_not_equal(t.generation, generation);
	assert_int_equal(count("a", "web"), 1);
	assert_int_equal(count("a", "www"), 0);
	assert_null(dns_table_address(&t, 0, 1));
	dns_table_remove(&t, "a", "ep-one");
	dns_table_remove(&t, "a", "ep-one");
	dns_table_remove(&t, "z", "ep-one");
	assert_int_equal(count("a", "web"), 0);
	assert_null(dns_table_owner(&t, "one"));
	assert_int_equal(t.set_count, 0);
}

static void replicas_share_a_name_and_a_network_goes_as_a_whole(void **state)
{
	char owner[16], name[16];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(owner, sizeof owner, "o%u", i);
		snprintf(name, sizeof name, "n%u", i);
		put(i % 2 ? "a" : "b", owner, 100 + i, name, "all");
	}
	assert_int_equal(count("a", "all"), 500);
	assert_int_equal(count("a", "n999"), 1);
	put("a", "o0", 7, "n0", NULL); /* a container on both */
	assert_int_equal(dns_table_owner(&t, "o0")->count, 2);
	dns_table_clear(&t, "b");
	assert_int_equal(count("b", "all"), 0);
	assert_int_equal(count("a", "all"), 500);
	assert_int_equal(dns_table_owner(&t, "o0")->count, 1);
	assert_int_equal(dns_table_network(&t, "b", false),
			 0 + (dns_table_network(&t, "a", false) == 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(found_on_its_network_alone, empty),
		cmocka_unit_test_teardown(a_record_replaces_itself, empty),
		cmocka_unit_test_teardown(replicas_share_a_name_and_a_network_goes_as_a_whole,
					  empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
