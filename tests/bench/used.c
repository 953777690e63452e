/*
 * used.c - which instructions of a program a command uses, it and all it starts.
 *
 * usage: used OUT COMMAND...
 *
 * Steps through the command (ptrace(2)) and writes a line to OUT for each address of its program
 * that was executed: the offset in memory, and its place in the order of first use. What is started
 * with execve is left alone. Slow: some 20,000 instructions a second. For link-order.sh.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHERS_MAX 64

static unsigned long base, end;
static unsigned *first; /* of each byte of the program: when it was executed first, from 1 */
static unsigned count;
static pid_t others[OTHERS_MAX]; /* that run another program by now */
static int other_count;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* The program alone is mapped from a file: it is static. */
static void find_program(pid_t pid)
{
	char path[64], line[4096];
	unsigned long from, to;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		if (!strchr(line, '/') || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		base = base ? base : from;
		end = to;
	}
	first = base ? calloc(end - base, sizeof *first) : NULL;
	if (!first)
		fail(path);
	fclose(f);
}

static bool is_other(pid_t pid)
{
	for (int i = 0; i < other_count; i++)
		if (others[i] == pid)
			return true;
	return false;
}

static void note_place(pid_t pid)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, 0, &r) < 0 || r.rip < base || r.rip >= end)
		return;
	if (!first[r.rip - base])
		first[r.rip - base] = ++count;
}

static void follow(pid_t main_pid)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int number = WSTOPSIG(status);

		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == main_pid)
				return;
			continue;
		}
		if (status >> 16 == PTRACE_EVENT_EXEC && other_count < OTHERS_MAX)
			others[other_count++] = pid;
		if (!is_other(pid))
			note_place(pid);
		number = number == SIGTRAP || number == SIGSTOP ? 0 : number;
		ptrace(is_other(pid) ? PTRACE_CONT : PTRACE_SINGLESTEP, pid, 0, (long)number);
	}
}

int main(int argc, char **argv)
{
	FILE *out;
	pid_t pid;

	if (argc < 3) {
		fputs("usage: used OUT COMMAND...\n", stderr);
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		fail(argv[2]);
	find_program(pid);
	ptrace(PTRACE_SETOPTIONS, pid, 0,
	       PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
		       PTRACE_O_EXITKILL);
	ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
	follow(pid);
	out = fopen(argv[1], "we");
	if (!out)
		fail(argv[1]);
	for (unsigned long i = 0; i < end - base; i++)
		if (first[i])
			fprintf(out, "%lx %u\n", i, first[i]);
	return fclose(out) == 0 ? 0 : 1;
}
