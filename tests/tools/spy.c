/*
 * spy.c - an attacker inside a container: tries to look into every other process it sees.
 *
 *   spy IN OUT   each line on IN (a fifo) is an order to look around once; what was
 *                learnt is written to OUT (a fifo, opened each time), then a "."
 *
 * A line "PID WHAT VALUE" for everything that must not be possible while kist is about to become
 * a process of the container. Processes that run a program of the image are nobody's secret.
 *
 * Build:  cc -O2 -static -o spy spy.c
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void link_of(FILE *out, int pid, const char *name)
{
	char path[300], value[4096];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	n = readlink(path, value, sizeof value - 1);
	if (n < 0)
		return;
	value[n] = '\0';
	fprintf(out, "%d %s %s\n", pid, name, value);
}

static void contents_of(FILE *out, int pid, const char *name)
{
	char path[64], text[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	/* Of environ and maps the permission is looked at again when they are read. */
	if (strcmp(name, "mem") == 0 || read(fd, text, sizeof text) > 0)
		fprintf(out, "%d %s readable\n", pid, name);
	close(fd);
}

static void folder_of(FILE *out, int pid, const char *name)
{
	char path[64];
	DIR *dir;
	struct dirent *e;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		char entry[300];

		if (e->d_name[0] == '.')
			continue;
		snprintf(entry, sizeof entry, "%s/%s", name, e->d_name);
		link_of(out, pid, entry);
	}
	if (dir)
		closedir(dir);
}

static void take_fds(FILE *out, int pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int fd = 0; pidfd >= 0 && fd < 32; fd++) {
		int taken = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

		if (taken < 0)
			continue;
		fprintf(out, "%d pidfd_getfd %d\n", pid, fd);
		close(taken);
	}
	if (pidfd >= 0)
		close(pidfd);
}

static void look_at(FILE *out, int pid)
{
	static const char *const links[] = { "exe", "cwd", "root", "ns/mnt" };
	static const char *const files[] = { "environ", "maps", "mem", "auxv" };
	char path[64], exe[256], byte;
	struct iovec here = { &byte, 1 }, there = { (void *)0x400000, 1 };
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof exe);
	if (n > 5 && strncmp(exe, "/bin/", 5) == 0)
		return;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		link_of(out, pid, links[i]);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		contents_of(out, pid, files[i]);
	folder_of(out, pid, "fd");
	folder_of(out, pid, "map_files");
	take_fds(out, pid);
	if (process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT)
		fprintf(out, "%d process_vm_readv permitted\n", pid);
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
		fprintf(out, "%d ptrace permitted\n", pid);
		ptrace(PTRACE_DETACH, pid, 0, 0);
	}
}

int main(int argc, char **argv)
{
	char order[64];
	int in;

	if (argc != 3 || (in = open(argv[1], O_RDWR)) < 0)
		return 1;
	while (read(in, order, sizeof order) > 0) {
		FILE *out = fopen(argv[2], "w");
		DIR *proc = opendir("/proc");
		struct dirent *e;
		int seen = 0;

		if (!out || !proc)
			return 1;
		while ((e = readdir(proc))) {
			int pid = atoi(e->d_name);

			if (pid > 1 && pid != getpid()) {
				seen++;
				look_at(out, pid);
			}
		}
		closedir(proc);
		fprintf(out, "saw %d\n.\n", seen);
		fclose(out);
	}
	return 0;
}
