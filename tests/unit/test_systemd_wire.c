/* What kist and kist-systemd say to each other, cut and changed at each byte; and the bus itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/fd.h"
#include "cgroup/systemd_bus.h"
#include "cgroup/systemd_wire.h"

#define HEAD sizeof(uint32_t)

static const union systemd_value texts[] = { { .text = "a" }, { .text = "" } };
static const union systemd_value most = { .number = UINT64_MAX };
static const union systemd_value least = { .integer = INT64_MIN };
static const union systemd_value half = { .real = 0.5 };
static const struct systemd_property properties[] = {
	{ .name = "Documentation", .type = 's', .array = true, .count = 2, .values = texts },
	{ .name = "PIDs", .type = 'u', .array = true, .count = 0 },
	{ .name = "TasksMax", .type = 't', .count = 1, .values = &most },
	{ .name = "X", .type = 'x', .count = 1, .values = &least },
	{ .name = "D", .type = 'd', .count = 1, .values = &half },
};
static const struct systemd_request request = { .verb = SYSTEMD_START,
						.user = true,
						.pid = 4194304,
						.unit = "kist-web.scope",
						.properties = properties,
						.count = 5 };

static void a_request(void **state)
{
	struct arena arena = ARENA_INIT;
	struct systemd_request q;
	void *data;
	size_t size;

	(void)state;
	assert_int_equal(systemd_request_pack(&request, &data, &size), 0);
	assert_int_equal(systemd_request_unpack((char *)data + HEAD, size - HEAD, &arena, &q), 0);
	assert_int_equal(q.verb, SYSTEMD_START);
	assert_true(q.user);
	assert_int_equal(q.pid, 4194304);
	assert_string_equal(q.unit, "kist-web.scope");
	assert_string_equal(q.name, "");
	assert_int_equal(q.count, 5);
	assert_string_equal(q.properties[0].name, "Documentation");
	assert_true(q.properties[0].array && q.properties[0].count == 2);
	assert_string_equal(q.properties[0].values[0].text, "a");
	assert_string_equal(q.properties[0].values[1].text, "");
	assert_true(q.properties[1].type == 'u' && q.properties[1].count == 0);
	assert_true(q.properties[2].values[0].number == UINT64_MAX && !q.properties[2].array);
	assert_true(q.properties[3].values[0].integer == INT64_MIN);
	assert_true(q.properties[4].values[0].real == 0.5 && q.properties[4].type == 'd');
	arena_free(&arena);
	free(data);
}

static void a_reply(void **state)
{
	struct systemd_reply reply = { .err = ERR_INIT, .text = "252" }, got;
	char line[400];
	void *data;
	size_t size;

	(void)state;
	assert_int_equal(systemd_reply_pack(&reply, &data, &size), 0);
	assert_int_equal(systemd_reply_unpack((char *)data + HEAD, size - HEAD, &got), 0);
	assert_int_equal(got.result, 0);
	assert_string_equal(got.text, "252");
	free(data);

	reply = (struct systemd_reply){ .result = -EEXIST, .err = ERR_INIT };
	err_say(&reply.err, EEXIST, "systemd has a unit %s already", "x");
	err_fix(&reply.err, "another name");
	reply.err.exit_code = 7;
	assert_int_equal(systemd_reply_pack(&reply, &data, &size), 0);
	assert_int_equal(systemd_reply_unpack((char *)data + HEAD, size - HEAD, &got), 0);
	assert_int_equal(got.result, -EEXIST);
	err_format(&got.err, line, sizeof line);
	assert_string_equal(line, "systemd has a unit x already");
	assert_string_equal(got.err.fix, "another name");
	assert_int_equal(got.err.exit_code, 0); /* what kist ends with is not the helper's to say */
	free(data);
}

/* A record whose texts have no end, or that counts more than it holds. */
static void a_bad_record(void **state)
{
	struct systemd_reply reply = { .result = -EIO, .err = ERR_INIT }, got = { .result = 77 };
	struct err good;

	(void)state;
	err_set(&reply.err, EIO, "what");
	good = reply.err;
	for (int i = 0; i < 6; i++) {
		void *data;
		size_t size;

		reply.err = good;
		if (i == 0)
			memset(reply.err.where, 'x', sizeof reply.err.where);
		if (i == 1)
			memset(reply.err.fix, 'x', sizeof reply.err.fix);
		if (i == 2)
			memset(reply.err.context[0], 'x', sizeof reply.err.context[0]);
		if (i == 3)
			reply.err.contexts = ERR_CONTEXTS_MAX + 1;
		if (i == 4)
			reply.err.contexts = -1;
		if (i == 5)
			reply.err.error = -1;
		assert_int_equal(systemd_reply_pack(&reply, &data, &size), 0);
		assert_int_equal(systemd_reply_unpack((char *)data + HEAD, size - HEAD, &got),
				 -EPROTO);
		assert_int_equal(got.result, 77);
		free(data);
	}
}

static long pages(void)
{
	char text[128];

	assert_true(file_read_at(AT_FDCWD, "/proc/self/statm", text, sizeof text) > 0);
	return strtol(text, NULL, 10);
}

/* An array is no longer than what is left of the message. */
static void a_number_too_large(void **state)
{
	const struct systemd_property p = { .name = "P", .type = 'u', .array = true };
	const struct systemd_request one = { .unit = "u", .properties = &p, .count = 1 };
	const uint32_t many = 1u << 24;
	struct arena arena = ARENA_INIT;
	struct systemd_request q;
	long before = pages();
	void *data;
	size_t size;

	(void)state;
	assert_int_equal(systemd_request_pack(&one, &data, &size), 0);
	memcpy((char *)data + size - sizeof many, &many, sizeof many);
	assert_int_equal(systemd_request_unpack((char *)data + HEAD, size - HEAD, &arena, &q),
			 -EPROTO);
	assert_true(pages() - before < 4096);
	arena_free(&arena);
	free(data);
}

/* Each shorter one is none; each longer one neither; with any byte changed it is read as something
 * whole or not at all (ASan looks on). */
static void cut_and_changed(void **state)
{
	struct systemd_reply reply = { .result = -EIO, .err = ERR_INIT, .text = "x" }, r;
	static const unsigned char bytes[] = { 0, 1, 0x7f, 0x80, 0xff };
	struct systemd_request q;
	unsigned char *data[2];
	size_t size[2];

	(void)state;
	err_set(&reply.err, EIO, "what");
	assert_int_equal(systemd_request_pack(&request, (void **)&data[0], &size[0]), 0);
	assert_int_equal(systemd_reply_pack(&reply, (void **)&data[1], &size[1]), 0);
	for (int k = 0; k < 2; k++)
		for (size_t n = 0; n <= size[k] - HEAD; n++) {
			unsigned char *copy = malloc(n + 1);
			struct arena arena = ARENA_INIT;
			bool whole = n == size[k] - HEAD;
			int got;

			memcpy(copy, data[k] + HEAD, n);
			copy[n] = 0;
			got = k ? systemd_reply_unpack(copy, n, &r)
				: systemd_request_unpack(copy, n, &arena, &q);
			assert_int_equal(got, whole ? 0 : -EPROTO);
			if (whole) /* a byte more */
				assert_int_equal(
					k ? systemd_reply_unpack(copy, n + 1, &r)
					  : systemd_request_unpack(copy, n + 1, &arena, &q),
					-EPROTO);
			for (size_t b = 0; n > 0 && b < sizeof bytes; b++) {
				memcpy(copy, data[k] + HEAD, n);
				copy[n - 1] = bytes[b];
				if (k)
					systemd_reply_unpack(copy, n, &r);
				else
					systemd_request_unpack(copy, n, &arena, &q);
			}
			arena_free(&arena);
			free(copy);
		}
	data[0][HEAD] = data[1][HEAD] = SYSTEMD_WIRE_VERSION + 1;
	assert_int_equal(systemd_reply_unpack(data[1] + HEAD, size[1] - HEAD, &r),
			 -EPROTONOSUPPORT);
	assert_int_equal(systemd_request_unpack(data[0] + HEAD, size[0] - HEAD, NULL, &q),
			 -EPROTONOSUPPORT);
	free(data[0]);
	free(data[1]);
}

static void too_much(void **state)
{
	char *long_text = calloc(1, SYSTEMD_WIRE_MAX + 1);
	struct systemd_reply reply = { .err = ERR_INIT, .text = long_text };
	struct systemd_request q = { .unit = long_text };
	void *data;
	size_t size;

	(void)state;
	memset(long_text, 'x', SYSTEMD_WIRE_MAX);
	assert_int_equal(systemd_request_pack(&q, &data, &size), -E2BIG);
	assert_int_equal(systemd_reply_pack(&reply, &data, &size), -E2BIG);
	free(long_text);
}

/* ---- a bus whose helper is a child of this program ---- */

static struct systemd_bus helper_that(void (*does)(int fd))
{
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pair[0]);
		does(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	return (struct systemd_bus){ .fd = pair[0], .helper = pid };
}

static void send_slowly(int fd)
{
	struct systemd_reply reply = { .err = ERR_INIT, .text = "252 (slow)" };
	void *data, *question;
	size_t size, asked;

	if (systemd_wire_receive(fd, -1, &question, &asked) < 0 ||
	    systemd_reply_pack(&reply, &data, &size) < 0)
		_exit(1);
	for (size_t i = 0; i < size; i++)
		if (systemd_wire_send(fd, -1, (char *)data + i, 1) < 0)
			_exit(1);
	pause();
}

static void serve(int fd)
{
	systemd_serve(fd);
}

static void end(int fd)
{
	close(fd);
}

static void gone(const struct systemd_bus *b)
{
	assert_true(b->fd < 0 && b->helper == 0);
	assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void the_bus(void **state)
{
	struct systemd_bus b = helper_that(send_slowly);
	struct err e = ERR_INIT;
	char line[400], *text = NULL;

	(void)state;
	assert_int_equal(systemd_bus_manager(&b, "Version", &text, &e), 0);
	assert_string_equal(text, "252 (slow)");
	free(text);
	systemd_bus_close(&b);
	gone(&b);

	/* A real one, which has not been told to connect: each question has its answer. */
	b = helper_that(serve);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(systemd_bus_start(&b, "x.scope", properties, 5, &e), -ENOTCONN);
		err_format(&e, line, sizeof line);
		assert_string_equal(line, "not connected to systemd");
		assert_int_equal(systemd_bus_unit(&b, "x.scope", "ActiveState", &text, NULL),
				 -ENOTCONN);
	}
	systemd_bus_close(&b);
	gone(&b);

	/* One that is gone is reaped at once, and stays gone. No SIGPIPE. */
	b = helper_that(end);
	assert_int_equal(systemd_bus_stop(&b, "x.scope", &e), -EIO);
	gone(&b);
	assert_int_equal(systemd_bus_stop(&b, "x.scope", &e), -EIO);
	systemd_bus_reset_failed(&b, "x.scope");
	systemd_bus_close(&b);
	gone(&b);
}

/* Killed with what started it, though its socket is still held by another. */
static void dies_with_kist(void **state)
{
	int pair[2], report[2];
	pid_t pid, helper = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe(report), 0);
	pid = fork();
	if (pid == 0) {
		struct systemd_bus b;
		char *text;

		b.fd = pair[0];
		b.helper = fork();
		if (b.helper == 0) {
			close(report[0]);
			systemd_serve(pair[1]);
			_exit(0);
		}
		/* answered: it is past its prctl */
		systemd_bus_manager(&b, "Version", &text, NULL);
		if (write(report[1], &b.helper, sizeof b.helper) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	close(report[1]);
	assert_int_equal(read(report[0], &helper, sizeof helper), sizeof helper);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* Its copy of the pipe closes when it ends. */
	if (poll(&(struct pollfd){ .fd = report[0] }, 1, 20000) != 1) {
		kill(helper, SIGKILL);
		fail_msg("the helper outlived kist");
	}
	close(report[0]);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request),	   cmocka_unit_test(a_reply),
		cmocka_unit_test(a_bad_record),	   cmocka_unit_test(a_number_too_large),
		cmocka_unit_test(cut_and_changed), cmocka_unit_test(too_much),
		cmocka_unit_test(the_bus),	   cmocka_unit_test(dies_with_kist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
