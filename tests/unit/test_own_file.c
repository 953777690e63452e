/*
 * test_own_file.c - runtime/own_file.c: a process that lets go of the file it was started from.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/sanitized.h"
#include "runtime/protect.h"

/* What is written before and after must stay as it is, in each kind of segment. */
static int written = 1;
static int zero[5000];
static const char *const relocated[] = { "one", "two" };
static struct stat own;

enum { OK, LEFT_NOT, STILL_WRITABLE, LINK, CHANGED, WRITABLE, ARGUMENTS, FORKED };

/* Each place of /proc/self/map_files (and exe) that leads to `file`, or how many can be written. */
static int mapped(const struct stat *file, bool writable)
{
	DIR *dir = opendir("/proc/self/map_files");
	struct dirent *entry;
	struct stat st;
	int count = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || st.st_dev != file->st_dev ||
		    st.st_ino != file->st_ino)
			continue;
		/* Not open(2): while somebody runs it, that says ETXTBSY. */
		count += !writable || faccessat(dirfd(dir), entry->d_name, W_OK, 0) == 0 ||
			 errno != EROFS;
	}
	closedir(dir);
	return count;
}

/* The variables that share a page with those of the file. */
static unsigned int sum_of_bss(void)
{
	extern const char __bss_start[];
	const char *end = (const char *)(((uintptr_t)__bss_start + 4095) & ~(uintptr_t)4095);
	unsigned int sum = 0;

	for (const char *p = __bss_start; p < end; p++)
		sum = sum * 31 + (unsigned char)*p;
	return sum;
}

static bool is_writable(const void *address)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long first, end;
	char line[8192], how[5];
	bool found = false;

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx %4s", &first, &end, how) == 3 &&
		    (unsigned long)address >= first && (unsigned long)address < end)
			found = how[1] == 'w';
	if (f)
		fclose(f);
	return found;
}

static int leave(int exe)
{
	/* One behind the other, as execve(2) puts them. */
	char words[] = "a name\0and more", *second = words + sizeof "a name",
	     *argv[] = { words, second, NULL };
	char path[4096], *more;
	unsigned int sum;
	int status;
	ssize_t n;

	written = 2;
	memset(zero, 1, sizeof zero / 2);
	sum = sum_of_bss();
	if (protect_leave_file(exe, argv) < 0)
		return LEFT_NOT;
	if (mapped(&own, true) != 0)
		return STILL_WRITABLE;
	n = readlink("/proc/self/exe", path, sizeof path - 1);
	if (n < 0 || strncmp(path, "/memfd:other", strlen("/memfd:other")) != 0)
		return LINK;
	if (written != 2 || zero[0] != 0x01010101 || zero[4999] != 0 ||
	    sum != sum_of_bss() || strcmp(relocated[1], "two") != 0)
		return CHANGED;
	if (is_writable(&relocated[0]) || is_writable((const void *)(uintptr_t)leave))
		return WRITABLE;
	n = file_read_at(AT_FDCWD, "/proc/self/cmdline", path, sizeof path);
	if (n != sizeof words || strcmp(path + (second - words), second) != 0)
		return ARGUMENTS;
	/* The heap, by brk and by mmap, and another process: all as before. */
	more = malloc(100000);
	memset(more, 1, 100000);
	free(more);
	more = malloc(10 << 20);
	memset(more, 1, 10 << 20);
	free(more);
	if (fork() == 0)
		_exit(written == 2 && mapped(&own, true) == 0 ? 0 : 1);
	return wait(&status) > 0 && status == 0 ? OK : FORKED;
}

static int in_a_child(int exe)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(leave(exe));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void lets_go(void **state)
{
	_cleanup_fd_ int exe = memfd_create("other", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(stat("/proc/self/exe", &own), 0);
	assert_true(mapped(&own, false) > 1);
	if (geteuid() != 0 || SANITIZED)
		skip();
	assert_int_equal(in_a_child(exe), OK);
}

/* The segments are replaced by then, and the process goes on. */
static void says_when_it_may_not(void **state)
{
	_cleanup_fd_ int exe = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(in_a_child(exe), LEFT_NOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_go),
		cmocka_unit_test(says_when_it_may_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
