/* test_container_log.c - supervisor/container_log.c: records, files that are cut, disks that are
 * full. */
#include "image_test.h"
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include "supervisor/container_log.h"

static char path[128];
static int dir;
static struct container_log log_;

static int set_up(void **state)
{
	(void)state;
	strcpy(path, "/tmp/kist-log.XXXXXX");
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int tear_down(void **state)
{
	char command[160];

	(void)state;
	close(dir);
	snprintf(command, sizeof(command), "rm -r %s", path);
	return system(command);
}

static void begin(enum container_log_format format, uint64_t max_size, int max_files)
{
	const struct container_log_options o = { format, max_size, max_files };
	struct err e = ERR_INIT;

	assert_int_equal(container_log_open(&log_, dir, "x.log", &o, &e), 0);
}

static char *contents(const char *name, size_t *ret_size)
{
	static char text[1 << 20];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	*ret_size = (size_t)n;
	return text;
}

/* What the records of a file say, joined; each is read by jansson. */
static char *joined(const char *name, const char *stream)
{
	static char all[1 << 20];
	size_t size, used = 0;
	char *text = contents(name, &size), *line, *rest;

	all[0] = '\0';
	assert_non_null(text);
	assert_true(size == 0 || text[size - 1] == '\n');
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_error_t error;
		json_t *record = json_loads(line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
		json_t *log = json_object_get(record, "log");
		const char *time = json_string_value(json_object_get(record, "time"));

		if (!record)
			fail_msg("%s: %s", error.text, line);
		assert_int_equal(json_object_size(record), 3);
		assert_int_equal(strlen(time), strlen("2026-11-26T01:02:03.123456789Z"));
		if (strcmp(json_string_value(json_object_get(record, "stream")), stream) == 0) {
			memcpy(all + used, json_string_value(log), json_string_length(log));
			used += json_string_length(log);
			all[used] = '\0';
		}
		json_decref(record);
	}
	return all;
}

static size_t records(const char *name)
{
	size_t size, n = 0, i;
	const char *text = contents(name, &size);

	for (i = 0; text && i < size; i++)
		n += text[i] == '\n';
	return n;
}

static void put(enum container_log_stream stream, const char *text)
{
	container_log_put(&log_, stream, text, strlen(text));
}

static void a_line_is_a_record(void **state)
{
	(void)state;
	begin(CONTAINER_LOG_JSON, 0, 1);
	put(CONTAINER_LOG_STDOUT, "one\ntw");
	assert_int_equal(records("x.log"), 1);
	put(CONTAINER_LOG_STDERR, "other\n");
	put(CONTAINER_LOG_STDOUT, "o\n\nno newline");
	assert_int_equal(records("x.log"), 4);
	container_log_close(&log_);
	assert_int_equal(records("x.log"), 5);
	assert_string_equal(joined("x.log", "stdout"), "one\ntwo\n\nno newline");
	assert_string_equal(joined("x.log", "stderr"), "other\n");
	assert_int_equal(log_.received, 25);
	assert_int_equal(log_.dropped, 0);
}

/* As docker: 16 KiB a record, the last has the newline; no character is cut in two. */
static void a_long_line_is_several(void **state)
{
	static char text[40001];
	size_t i;

	(void)state;
	for (i = 0; i + 3 <= 40000; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	text[i] = '\n';
	begin(CONTAINER_LOG_JSON, 0, 1);
	for (i = 0; i < strlen(text); i += 7000)
		container_log_put(&log_, CONTAINER_LOG_STDOUT, text + i,
				  strlen(text) - i < 7000 ? strlen(text) - i : 7000);
	assert_int_equal(records("x.log"), 3);
	assert_string_equal(joined("x.log", "stdout"), text);
	container_log_close(&log_);
}

/* Eight bytes are looked at together: none of them hides among its neighbours. */
static void each_character_at_each_place(void **state)
{
	static char text[128 * 20 * 32];
	size_t used = 0;

	(void)state;
	for (int c = 1; c < 128; c++)
		for (int at = 0; at < 20; at++) {
			memset(text + used, c % 2 ? 'z' : ' ', 20);
			text[used + (size_t)at] = (char)c;
			text[used + 20] = '\n';
			used += 21;
		}
	begin(CONTAINER_LOG_JSON, 0, 1);
	for (size_t i = 0; i < used; i += 4096)
		container_log_put(&log_, CONTAINER_LOG_STDOUT, text + i,
				  used - i < 4096 ? used - i : 4096);
	container_log_close(&log_);
	assert_string_equal(joined("x.log", "stdout"), text);
}

static void hostile_bytes_stay_one_record(void **state)
{
	static const char bytes[] =
		"\"}\n\x1b[2J\\\r\t\x7f\0\x01\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80"
		"\xc3\xa4\xf0\x9f\x98\x80\xe2\x82";
	char *all;

	(void)state;
	begin(CONTAINER_LOG_JSON, 0, 1);
	container_log_put(&log_, CONTAINER_LOG_STDOUT, bytes, sizeof(bytes) - 1);
	container_log_close(&log_);
	assert_int_equal(records("x.log"), 2);
	all = joined("x.log", "stdout");
	assert_memory_equal(all, "\"}\n\x1b[2J\\\r\t\x7f\0\x01", 13);
	assert_string_equal(all + 13, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
				      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
				      "\xc3\xa4\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd");
}

static void worst_line_fits(void **state)
{
	static char text[3 * CONTAINER_LOG_LINE];

	(void)state;
	memset(text, 1, sizeof(text));
	begin(CONTAINER_LOG_JSON, 0, 1);
	container_log_put(&log_, CONTAINER_LOG_STDERR, text, sizeof(text));
	container_log_close(&log_);
	assert_int_equal(records("x.log"), 3);
	assert_int_equal(strlen(joined("x.log", "stderr")), sizeof(text));
}

static void files_are_cut_between_records(void **state)
{
	char name[32], line[64];
	size_t size, total = 0;
	int i;

	(void)state;
	begin(CONTAINER_LOG_JSON, 4096, 3);
	for (i = 0; i < 300; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		put(CONTAINER_LOG_STDOUT, line);
	}
	container_log_close(&log_);
	assert_non_null(strstr(joined("x.log", "stdout"), "line 299\n"));
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), i ? "x.log.%d" : "x.log", i);
		assert_non_null(contents(name, &size));
		assert_in_range(size, 1, 4096);
		total += records(name);
	}
	assert_null(contents("x.log.3", &size));
	/* The oldest are gone, nothing between is. */
	snprintf(line, sizeof(line), "line %d\n", (int)(300 - total));
	assert_int_equal(strncmp(joined("x.log.2", "stdout"), line, strlen(line)), 0);
	assert_true(log_.rotations > 3);
}

static void one_file_begins_anew(void **state)
{
	size_t size;
	int i;

	(void)state;
	begin(CONTAINER_LOG_JSON, 4096, 1);
	for (i = 0; i < 200; i++)
		put(CONTAINER_LOG_STDOUT, "text\n");
	container_log_close(&log_);
	assert_non_null(contents("x.log", &size));
	assert_in_range(size, 1, 4096);
	assert_null(contents("x.log.1", &size));
}

static void raw_is_the_bytes(void **state)
{
	size_t size;
	int i;

	(void)state;
	begin(CONTAINER_LOG_RAW, 5000, 3);
	for (i = 0; i < 12; i++) {
		char block[1000];

		memset(block, 'a' + i, sizeof(block));
		container_log_put(&log_, CONTAINER_LOG_STDOUT, block, sizeof(block));
	}
	put(CONTAINER_LOG_STDERR, "\xff\n");
	container_log_close(&log_);
	assert_int_equal(contents("x.log.2", &size)[0], 'a');
	assert_int_equal(size, 5000);
	assert_int_equal(contents("x.log.1", &size)[0], 'f');
	assert_int_equal(size, 5000);
	assert_string_equal(contents("x.log", &size) + 1999, "l\xff\n");
	assert_int_equal(size, 2002);
	assert_int_equal(log_.received, 12002);
}

static void none_counts(void **state)
{
	size_t size;

	(void)state;
	begin(CONTAINER_LOG_NONE, 0, 1);
	put(CONTAINER_LOG_STDOUT, "text\n");
	container_log_close(&log_);
	assert_int_equal(log_.received, 5);
	assert_null(contents("x.log", &size));
}

/* RLIMIT_FSIZE stands for a disk that is full: write(2) does a part, then fails. */
static void a_full_disk_drops_whole_records(void **state)
{
	struct rlimit old, small;
	int i;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 1000, old.rlim_max };
	begin(CONTAINER_LOG_JSON, 0, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (i = 0; i < 100; i++)
		put(CONTAINER_LOG_STDOUT, "0123456789\n");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(log_.last_error, EFBIG);
	assert_int_equal(log_.dropped + 11 * records("x.log"), 1100);
	assert_in_range(records("x.log"), 5, 15);
	put(CONTAINER_LOG_STDOUT, "room again\n");
	container_log_close(&log_);
	assert_non_null(strstr(joined("x.log", "stdout"), "9\nroom again\n"));
}

static void a_full_disk_does_not_stop_raw(void **state)
{
	struct rlimit old, small;
	int i;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 1000, old.rlim_max };
	begin(CONTAINER_LOG_RAW, 0, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (i = 0; i < 30; i++)
		put(CONTAINER_LOG_STDERR,
		    "0123456789012345678901234567890123456789012345678901234567890123"
		    "012345678901234567890123456789012345");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	container_log_close(&log_);
	assert_int_equal(log_.received, 3000);
	assert_int_equal(log_.dropped, 2000);
}

static void a_record_cut_by_a_crash_goes(void **state)
{
	int fd;

	(void)state;
	begin(CONTAINER_LOG_JSON, 0, 1);
	put(CONTAINER_LOG_STDOUT, "whole\n");
	container_log_close(&log_);
	fd = openat(dir, "x.log", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "{\"log\":\"ha", 10), 10);
	close(fd);
	begin(CONTAINER_LOG_JSON, 0, 1);
	put(CONTAINER_LOG_STDOUT, "next\n");
	container_log_close(&log_);
	assert_string_equal(joined("x.log", "stdout"), "whole\nnext\n");
}

static void no_symlink_is_followed(void **state)
{
	const struct container_log_options o = { CONTAINER_LOG_RAW, 0, 1 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", dir, "x.log"), 0);
	assert_int_equal(container_log_open(&log_, dir, "x.log", &o, &e), -ELOOP);
	assert_int_equal(container_log_open(&log_, dir, "../x", &o, &e), -EINVAL);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(container_log_open(&log_, dir, "fifo", &o, &e), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_is_a_record),
		TEST(a_long_line_is_several),
		TEST(each_character_at_each_place),
		TEST(hostile_bytes_stay_one_record),
		TEST(worst_line_fits),
		TEST(files_are_cut_between_records),
		TEST(one_file_begins_anew),
		TEST(raw_is_the_bytes),
		TEST(none_counts),
		TEST(a_full_disk_drops_whole_records),
		TEST(a_full_disk_does_not_stop_raw),
		TEST(a_record_cut_by_a_crash_goes),
		TEST(no_symlink_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
