/*
 * spent.c - what one command takes: wall time, processor time, memory.
 *
 * usage: spent [-p PID] OUT COMMAND [ARG...]
 *
 * Appends "WALL_MS CPU_MS MEMORY_KIB" to the file OUT: processor time is user and system of the
 * command and of all it waited for, memory the greatest of one process. With -p what the daemon PID
 * spends meanwhile counts too, and its greatest memory. Ends as the command did.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(125);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* utime, stime, cutime, cstime of proc(5)'s stat, in ms. */
static double daemon_cpu_ms(int pid)
{
	unsigned long long t[4] = { 0 };
	char path[64], text[1024] = "", *p;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof text, f))
		die(path);
	fclose(f);
	p = strrchr(text, ')');
	if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
			 &t[0], &t[1], &t[2], &t[3]) != 4)
		die("stat");
	return (double)(t[0] + t[1] + t[2] + t[3]) * 1e3 / (double)sysconf(_SC_CLK_TCK);
}

static long daemon_memory_kib(int pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static double ms_of(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

int main(int argc, char **argv)
{
	int daemon = 0, option, status;
	double begin, wall, cpu, before = 0;
	struct rusage used;
	long memory;
	FILE *out;
	pid_t pid;

	while ((option = getopt(argc, argv, "+p:")) != -1) {
		if (option != 'p')
			return 2;
		daemon = atoi(optarg);
	}
	if (argc - optind < 2)
		return 2;
	out = fopen(argv[optind], "ae");
	if (!out)
		die(argv[optind]);
	if (daemon)
		before = daemon_cpu_ms(daemon);
	begin = now_ms();
	pid = fork();
	if (pid == 0) {
		execvp(argv[optind + 1], argv + optind + 1);
		die(argv[optind + 1]);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
		die("fork");
	wall = now_ms() - begin;
	cpu = ms_of(used.ru_utime) + ms_of(used.ru_stime);
	memory = used.ru_maxrss;
	if (daemon) {
		long more = daemon_memory_kib(daemon);

		cpu += daemon_cpu_ms(daemon) - before;
		memory = more > memory ? more : memory;
	}
	fprintf(out, "%.1f %.1f %ld\n", wall, cpu, memory);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
