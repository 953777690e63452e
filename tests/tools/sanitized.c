/*
 * sanitized.c - linked into everything that `make asan` builds: a sanitizer's report reaches
 * tests/asan.sh whatever became of stderr.
 *
 * A container's process writes its report when the host's files are out of reach (pivot_root), its
 * descriptors closed (close_range) and its writes perhaps refused (seccomp). So the file is mapped
 * shared when the program begins, and a report is copied into memory: "used" bytes, then text.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LOG_SIZE (1 << 20) /* of KIST_SANITIZER_LOG, which tests/asan.sh made of zeros */

struct log {
	_Atomic uint64_t used;
	char text[LOG_SIZE - sizeof(uint64_t)];
};

static struct log *reports;
static char who[400];
static bool said;

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__lsan_default_suppressions(void);
int __lsan_is_turned_off(void);
void __sanitizer_on_print(const char *text);

const char *__asan_default_options(void)
{
	return "exitcode=99:allocator_may_return_null=1:detect_stack_use_after_return=1";
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:halt_on_error=1";
}

/* libseccomp, which only tests link, as a witness (tests/lib/seccomp_witness.c), leaves rules behind when
 * filters were merged and released. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libseccomp.so\n";
}

static void add(const char *text, size_t len)
{
	uint64_t at = atomic_fetch_add(&reports->used, len);

	if (at < sizeof reports->text && len < sizeof reports->text - at)
		memcpy(reports->text + at, text, len);
}

/* All that a runtime prints comes by here, in pieces. */
void __sanitizer_on_print(const char *text)
{
	if (!reports)
		return;
	if (!said)
		add(who, strlen(who));
	said = true;
	add(text, strlen(text));
}

/* Asked when a program ends. LSan stops it with ptrace, which the kernel grants to one tracer only,
 * and not for a process that is not dumpable, as kist is when it has entered a container. */
int __lsan_is_turned_off(void)
{
	char status[2048], *tracer;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, status, sizeof status - 1);

	if (fd >= 0)
		close(fd);
	status[n > 0 ? n : 0] = '\0';
	tracer = strstr(status, "TracerPid:\t");
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return !tracer || tracer[11] != '0';
}

/* The words of the command line and the test it is run by. */
static void remember_who(void)
{
	const char *test = getenv("BATS_TEST_NAME");
	size_t len = (size_t)snprintf(who, sizeof who, "\n*** %.120s: ", test ? test : "-");
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, who + len, sizeof who - len - 2);

	if (fd >= 0)
		close(fd);
	for (size_t i = len; n > 0 && i < len + (size_t)n; i++)
		if (!who[i] || who[i] == '\n')
			who[i] = ' ';
	strcat(who, "\n");
}

__attribute__((constructor)) static void begin(void)
{
	int fd = open(KIST_SANITIZER_LOG, O_RDWR | O_CLOEXEC);
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return;
	remember_who();
	reports = at;
}
