/*
 * test_batch_lines.c - cli/batch-lines.c, cli/batch-show.c: lines to jobs, processors to slots.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/batch.h"

static struct batch_request request;
static struct batch_lines lines;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	lines = (struct batch_lines){ .fd = -EBADF, .request = &request };
	err = (struct err)ERR_INIT;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	batch_lines_close(&lines);
	return 0;
}

#define JOB "{\"version\":1,\"folder\":\"/\",\"command\":[\"x\"]}"

/* A job more: its line, and whether that was refused. */
static void assert_job(bool over, size_t line, int error)
{
	struct batch_job *j = NULL;

	assert_int_equal(batch_lines_next(&lines, over, &j, &err), 1);
	assert_int_equal(j->line, line);
	if (!j->refused.error)
		batch_lines_read(&lines, j);
	assert_int_equal(j->refused.error, error);
	if (!error)
		assert_true(j->job.alone && j->job.id && strstr(j->job.id, "-"));
	batch_job_free(j);
}

static int next(bool over)
{
	struct batch_job *j = NULL;

	return batch_lines_next(&lines, over, &j, &err);
}

static void open_file(const char *text, size_t size)
{
	char path[] = "/tmp/kist-batch.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t)size);
	close(fd);
	assert_int_equal(batch_lines_open(&lines, path, &err), 0);
	unlink(path);
	assert_string_equal(lines.folder, "/tmp");
}

static void lines_of_a_file(void **state)
{
	static const char text[] = JOB "\n\n \t\r\n" JOB "\r\n{\n\0\n" JOB;

	(void)state;
	open_file(text, sizeof text - 1);
	assert_job(false, 1, 0);
	assert_job(false, 4, 0);
	assert_job(false, 5, EINVAL);
	assert_job(false, 6, EINVAL);
	/* All of a file is told of, also once nothing is begun any more. */
	assert_job(true, 7, 0);
	assert_int_equal(next(true), 0);
	assert_int_equal(next(false), 0);
}

static void an_empty_file(void **state)
{
	(void)state;
	open_file("\n\n", 2);
	assert_int_equal(next(false), 0);
}

/* From a pipe they come in pieces. */
static void lines_of_a_pipe(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	lines.fd = ends[0];
	snprintf(lines.prefix, sizeof lines.prefix, "b");
	assert_int_equal(next(false), -EAGAIN);
	assert_int_equal(write(ends[1], JOB, 10), 10);
	assert_int_equal(next(false), -EAGAIN);
	assert_int_equal(write(ends[1], JOB "\n" JOB "\n" JOB + 10, 3 * strlen(JOB) + 2 - 10),
			 3 * (ssize_t)strlen(JOB) + 2 - 10);
	assert_job(false, 1, 0);
	/* Only what was read is told of then, and nothing waited for. */
	assert_job(true, 2, 0);
	assert_int_equal(next(true), 0);
	close(ends[1]);
	assert_job(false, 3, 0);
	assert_int_equal(next(false), 0);
}

/* One that is too long is refused, whatever it says, and those behind it are read. */
static void a_line_without_end(void **state)
{
	size_t size = JSON_BYTES_LIMIT * 2 + 100;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', size);
	memcpy(text, JOB "\n", strlen(JOB) + 1);
	memcpy(text + size - strlen(JOB) - 1, "\n" JOB, strlen(JOB) + 1);
	open_file(text, size);
	assert_job(false, 1, 0);
	assert_job(false, 2, E2BIG);
	assert_job(false, 3, 0);
	assert_int_equal(next(false), 0);
	batch_lines_close(&lines);

	set_up(NULL);
	open_file(text + 100, size - 200);
	assert_job(false, 1, E2BIG);
	assert_int_equal(next(false), 0);
	free(text);
}

static void processors_are_parted(void **state)
{
	struct arena arena = ARENA_INIT;
	const char *const *of_slot = NULL;
	char first[16];
	cpu_set_t own;
	unsigned cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof own, &own), 0);
	while (!CPU_ISSET(cpu, &own))
		cpu++;
	snprintf(first, sizeof first, "%u", cpu);
	assert_int_equal(batch_part_cpus(first, 1, &arena, &of_slot, &err), 0);
	assert_string_equal(of_slot[0], first);
	assert_int_equal(batch_part_cpus(first, 2, &arena, &of_slot, &err), -EINVAL);
	assert_string_equal(err.fix, "at most as many at a time: --jobs 1");
	err_clear(&err);
	assert_int_equal(batch_part_cpus("65535", 1, &arena, &of_slot, &err), -EINVAL);
	assert_int_equal(batch_part_cpus("1-", 1, &arena, &of_slot, &err), -EINVAL);
	assert_int_equal(batch_part_cpus(NULL, (unsigned)CPU_COUNT(&own), &arena, &of_slot, &err),
			 0);
	assert_string_equal(of_slot[0], first);
	if (CPU_COUNT(&own) == 2) {
		assert_int_equal(batch_part_cpus(NULL, 1, &arena, &of_slot, &err), 0);
		assert_true(strchr(of_slot[0], ',') != NULL);
	}
	arena_free(&arena);
}

#define LINES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINES(lines_of_a_file),	   LINES(an_empty_file),	 LINES(lines_of_a_pipe),
		LINES(a_line_without_end), LINES(processors_are_parted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
