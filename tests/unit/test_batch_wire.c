/*
 * test_batch_wire.c - supervisor/batch_wire.c: notes arrive whole, in order, or not at all.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#include "supervisor/batch_wire.h"

static int pair[2];
static struct outbox out;
static struct inbox in;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	err = (struct err)ERR_INIT;
	out = (struct outbox){ 0 };
	in = (struct inbox){ 0 };
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
	(void)state;
	free(out.data);
	free(in.data);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void put(uint64_t line, const char *text)
{
	const struct batch_note note = { NOTE_JOB, 7, line, strlen(text), true };

	assert_int_equal(outbox_put_note(&out, note, text, &err), 0);
}

static void assert_note(uint64_t line, const char *text)
{
	struct batch_note note;
	const char *got;

	assert_true(inbox_next(&in, &note, &got));
	assert_int_equal(note.kind, NOTE_JOB);
	assert_int_equal(note.value, 7);
	assert_int_equal(note.line, line);
	assert_int_equal(note.size, strlen(text));
	assert_memory_equal(got, text, note.size);
}

static void assert_none(void)
{
	struct batch_note note;
	const char *got;

	assert_false(inbox_next(&in, &note, &got));
}

static void test_whole_or_not_at_all(void **state)
{
	(void)state;
	assert_none();
	put(1, "one");
	put(2, "");
	put(3, "three");
	for (size_t i = 0; i < out.size; i++) {
		assert_int_equal(write(pair[0], out.data + i, 1), 1);
		assert_int_equal(inbox_read(&in, pair[1], &err), 1);
		if (i + 1 == sizeof(struct batch_note) + 3)
			assert_note(1, "one");
		else if (i + 1 == 2 * sizeof(struct batch_note) + 3)
			assert_note(2, "");
		else if (i + 1 < out.size)
			assert_none();
	}
	assert_note(3, "three");
	assert_none();
}

static void test_more_than_fits(void **state)
{
	enum { LARGE = 3 << 20 };
	char *text = malloc(LARGE + 1);

	(void)state;
	memset(text, 'x', LARGE);
	text[LARGE] = '\0';
	put(1, text);
	put(2, "behind it");
	/* It never waits, and goes on where it was. */
	while (out.sent < out.size) {
		assert_int_equal(outbox_send_note(&out, pair[0]), 0);
		assert_int_equal(inbox_read(&in, pair[1], &err), 1);
	}
	while (in.size < 2 * sizeof(struct batch_note) + LARGE + strlen("behind it"))
		assert_int_equal(inbox_read(&in, pair[1], &err), 1);
	assert_note(1, text);
	assert_note(2, "behind it");
	assert_none();
	free(text);
}

static void test_nobody_there(void **state)
{
	(void)state;
	shutdown(pair[1], SHUT_RDWR);
	put(1, "one");
	assert_int_equal(outbox_send_note(&out, pair[0]), -EPIPE);
	assert_int_equal(inbox_read(&in, pair[0], &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_or_not_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_more_than_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
