/*
 * killat-args.c - the command line of killat.
 */
#include "killat.h"
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct wishes want = { .who = WHO_MAIN, .signal = SIGKILL };

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("killat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(STATUS_BROKEN);
}

static _Noreturn void usage(void)
{
	fputs("usage: killat count  [--list] [OPTION]... -- COMMAND...\n"
	      "       killat kill   POINT [--who main|acting|all] [OPTION]... -- COMMAND...\n"
	      "       killat signal POINT SIGNAL [--who ...] [OPTION]... -- COMMAND...\n"
	      "       killat fail   POINT ERRNO [OPTION]... -- COMMAND...\n"
	      "       killat pause  POINT HOOK [OPTION]... -- COMMAND...\n"
	      "POINT is the number of a system call, from 1, over all processes, or NAME[:K], the\n"
	      "K-th call of that name, or NAME@TEXT[:K], the K-th with TEXT in its path. The call has\n"
	      "not happened yet; with --exit it has. ERRNO may be SHORT: read or write one byte. A\n"
	      "close that fails has closed, as with Linux.\n"
	      "  --who WHO            who is hit: main (the command, default), acting, all\n"
	      "  --detach-after-main  once the command has ended, let what it left run free\n"
	      "  --let-go PROGRAM     a process that becomes PROGRAM is not followed further\n"
	      "  --each               there, and at each later call (of that name)\n"
	      "  --free               don't serialise the processes\n"
	      "  --timeout SECONDS    then everything is killed, and the status is 124\n"
	      "  -o FILE              counts, --list and the point that was hit; else on stderr\n"
	      "A HOOK is run by sh while all stand still; it has KILLAT_PID, _MAIN, _ROLE, _INDEX\n"
	      "and _SYSCALL. Status: the command's (128+n when killed); 125 own failure.\n",
	      stderr);
	exit(STATUS_BROKEN);
}

static long parse_number(const char *text, const char *what)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || *end || end == text || value < 1)
		die("%s must be a positive number, not '%s'", what, text);
	return value;
}

static void parse_point(const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t size = strcspn(text, ":@");

	if (*text >= '0' && *text <= '9') {
		want.number = parse_number(text, "POINT");
		return;
	}
	if (size >= sizeof want.name)
		die("there is no system call '%s'", text);
	memcpy(want.name, text, size);
	if (seccomp_syscall_resolve_name(want.name) < 0)
		die("there is no system call '%s'", want.name);
	if (text[size] == '@')
		want.path = strndup(text + size + 1, strcspn(text + size + 1, ":"));
	want.number = colon ? parse_number(colon + 1, "POINT") : 1;
}

static int parse_errno(const char *text)
{
	if (strcmp(text, "SHORT") == 0)
		return FAIL_SHORT;
	for (int i = 1; i < 4096; i++) {
		const char *name = strerrorname_np(i);

		if (name && strcmp(name, text) == 0)
			return i;
	}
	return (int)parse_number(text, "ERRNO");
}

static int parse_signal(const char *text)
{
	for (int i = 1; i < 32; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcmp(name, strncmp(text, "SIG", 3) == 0 ? text + 3 : text) == 0)
			return i;
	}
	return (int)parse_number(text, "SIGNAL");
}

static enum who parse_who(const char *text)
{
	if (strcmp(text, "main") == 0)
		return WHO_MAIN;
	if (strcmp(text, "acting") == 0)
		return WHO_ACTING;
	if (strcmp(text, "all") == 0)
		return WHO_ALL;
	die("--who is main, acting or all, not '%s'", text);
}

/* One option; returns how many words it took. */
static int parse_option(const char *option, const char *value)
{
	if (strcmp(option, "--list") == 0)
		want.list = true;
	else if (strcmp(option, "--each") == 0)
		want.each = true;
	else if (strcmp(option, "--exit") == 0)
		want.at_exit = true;
	else if (strcmp(option, "--free") == 0)
		want.free_run = true;
	else if (strcmp(option, "--detach-after-main") == 0)
		want.detach_after_main = true;
	else if (!value || strcmp(value, "--") == 0)
		usage();
	else if (strcmp(option, "--who") == 0)
		return want.who = parse_who(value), 2;
	else if (strcmp(option, "--let-go") == 0)
		return want.let_go = value, 2;
	else if (strcmp(option, "--timeout") == 0)
		return want.timeout = (unsigned)parse_number(value, option), 2;
	else if (strcmp(option, "-o") == 0 && (want.out = fopen(value, "we")))
		return 2;
	else if (strcmp(option, "-o") == 0)
		die("%s: %s", value, strerror(errno));
	else
		usage();
	return 1;
}

void parse(int argc, char **argv)
{
	static const char *const modes[] = { "count", "kill", "fail", "signal", "pause" };
	int at = 2, mode = 0;

	while (argc > 1 && mode < 5 && strcmp(argv[1], modes[mode]) != 0)
		mode++;
	want.mode = (enum mode)mode;
	if (argc < 2 || mode == 5 || argc < (mode == COUNT ? 2 : mode == KILL ? 3 : 4))
		usage();
	if (mode != COUNT)
		parse_point(argv[at++]);
	if (mode == FAIL)
		want.fail_errno = parse_errno(argv[at++]);
	else if (mode == SIGNAL)
		want.signal = parse_signal(argv[at++]);
	else if (mode == PAUSE)
		want.hook = argv[at++];
	while (at < argc && strcmp(argv[at], "--") != 0)
		at += parse_option(argv[at], at + 1 < argc ? argv[at + 1] : NULL);
	if (at + 1 >= argc)
		usage();
	if (mode == FAIL && want.at_exit)
		die("fail replaces the call: --exit would be too late");
	want.command = argv + at + 1;
	if (!want.out && (mode == COUNT || want.list))
		want.out = stderr;
}
