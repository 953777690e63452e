/*
 * test_job_stream.c - supervisor/job_stream.c: what can't be read or written is not passed over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/job_stream.h"

static struct job_stream stream;
static struct job_output count;
static struct job job;
static int pipefd[2];

static int check(struct err *e)
{
	const struct job_stdio s = { .stream = { NULL, &stream } };

	*e = (struct err)ERR_INIT;
	return job_stdio_check(&s, &job, e);
}

static void begin(int from, int to, uint64_t limit)
{
	memset(&count, 0, sizeof count);
	memset(&stream, 0, sizeof stream);
	stream.from = from;
	stream.to = to;
	stream.owns_to = stream.to_file = true;
	stream.limit = limit;
	stream.count = &count;
}

static void passes_what_it_may(void **state)
{
	struct err e;
	char text[8];

	(void)state;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	begin(pipefd[0], memfd_create("to", MFD_CLOEXEC), 3);
	assert_int_equal(write(pipefd[1], "hello", 5), 5);
	job_stream_move(&stream, POLLIN);
	assert_int_equal(pread(stream.to, text, sizeof text, 0), 3);
	assert_true(stream.over);
	assert_int_equal(count.bytes, 5);
	assert_int_equal(count.kept, 3);
	close(pipefd[1]);
	assert_false(job_stream_is_done(&stream));
	job_stream_move(&stream, POLLHUP);
	assert_true(job_stream_is_done(&stream));
	assert_int_equal(check(&e), 0);
	/* At its end nothing can be lost any more. */
	job_stream_lose(&stream, EIO);
	assert_int_equal(check(&e), 0);
}

static void a_read_that_fails_is_no_end(void **state)
{
	struct err e;
	char line[400];

	(void)state;
	begin(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), memfd_create("to", MFD_CLOEXEC), 0);
	job_stream_move(&stream, POLLIN);
	assert_true(job_stream_is_done(&stream));
	assert_int_equal(check(&e), -EISDIR);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "stdout: cannot read what the job said"));
}

static void a_write_that_fails_is_told(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	begin(pipefd[0], open("/dev/full", O_WRONLY | O_CLOEXEC), 0);
	assert_int_equal(write(pipefd[1], "hello", 5), 5);
	job_stream_move(&stream, POLLIN);
	assert_int_equal(check(&e), -ENOSPC);
	assert_int_equal(count.kept, 0);
	close(pipefd[1]);
}

static void what_is_given_up_is_lost(void **state)
{
	struct err e;

	(void)state;
	job_stream_lose(NULL, EIO);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	begin(pipefd[0], memfd_create("to", MFD_CLOEXEC), 0);
	job_stream_lose(&stream, ENOMEM);
	assert_int_equal(check(&e), -ENOMEM);
	fd_close(&stream.from);
	fd_close(&stream.to);
	close(pipefd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_what_it_may),
		cmocka_unit_test(a_read_that_fails_is_no_end),
		cmocka_unit_test(a_write_that_fails_is_told),
		cmocka_unit_test(what_is_given_up_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
