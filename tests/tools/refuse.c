/*
 * refuse.c - runs a command under a kernel that lacks some system calls, or in a sandbox that
 * forbids them.
 *
 *   refuse ERRNO CALL[,CALL]... COMMAND...     refuse ENOSYS openat2,clone3 kist run x
 *
 * A seccomp filter of its own (raw BPF, seccomp(2)) answers ERRNO to those calls, for the command
 * and all it starts, the container too. It needs CAP_SYS_ADMIN, so that no_new_privs stays as it
 * was. CALL may be a number: 999 is nobody's, for a filter that changes nothing.
 *
 * Build:  cc -O2 -static -o refuse refuse.c -lseccomp
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS_MAX 64

static int errno_of(const char *name)
{
	for (int i = 1; i < 4096; i++) {
		const char *known = strerrorname_np(i);

		if (known && strcmp(known, name) == 0)
			return i;
	}
	fprintf(stderr, "refuse: there is no errno %s\n", name);
	exit(125);
}

static int number_of(const char *name)
{
	int nr = *name >= '0' && *name <= '9' ? atoi(name) : seccomp_syscall_resolve_name(name);

	if (nr >= 0)
		return nr;
	fprintf(stderr, "refuse: there is no system call %s\n", name);
	exit(125);
}

int main(int argc, char **argv)
{
	struct sock_filter code[2 * CALLS_MAX + 2];
	struct sock_fprog program = { .filter = code };
	unsigned short n = 0;
	int error;

	if (argc < 4) {
		fprintf(stderr, "usage: refuse ERRNO CALL[,CALL]... COMMAND...\n");
		return 125;
	}
	error = errno_of(argv[1]);
	/* One ABI: its numbers are what is refused; the others are not for tests. */
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (char *name = strtok(argv[2], ","); name && n < 2 * CALLS_MAX;
	     name = strtok(NULL, ",")) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (unsigned int)number_of(name), 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							 SECCOMP_RET_ERRNO | (unsigned int)error);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
		perror("refuse: seccomp");
		return 125;
	}
	execvp(argv[3], argv + 3);
	fprintf(stderr, "refuse: %s: %s\n", argv[3], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
