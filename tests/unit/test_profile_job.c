/*
 * test_profile_job.c - the job profile: every refused call stays refused, whatever the registers
 * hold, whatever the ABI; and real programs live under it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "runtime/profile_job.h"
#include "runtime/seccomp.h"
#include "tests/lib/bpf_vm.h"

#define ALLOWED	      SECCOMP_RET_ALLOW
#define FAILS(errno_) (SECCOMP_RET_ERRNO | (errno_))
#define X32_BIT	      0x40000000
#define HIGH	      0x100000000ULL

static struct arena arena;
static struct seccomp_filter filter;

static int compile(void **state)
{
	struct json_at at = { "/linux/seccomp" };
	struct err e = ERR_INIT;
	const char *text = profile_job_json();
	json_t *j = NULL;
	int r;

	(void)state;
#if !defined(__x86_64__)
	return 0;
#endif
	r = json_parse_strict(text, strlen(text), "job profile", &j, &e);
	if (r == 0)
		r = seccomp_parse(j, &at, &arena, &filter, &e);
	json_decref(j);
	if (r < 0) {
		char line[1000];

		err_format(&e, line, sizeof line);
		fprintf(stderr, "%s\n", line);
	}
	return r;
}

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static uint32_t sim6(uint32_t arch, int nr, uint64_t a0, uint64_t a1)
{
	struct seccomp_data d = { .nr = nr, .arch = arch, .args = { a0, a1 } };

	return bpf_vm_run(filter.code, filter.count, &d, NULL);
}

static uint32_t sim(int nr, uint64_t a0, uint64_t a1)
{
	return sim6(AUDIT_ARCH_X86_64, nr, a0, a1);
}

/* By name, from a list of its own: the profile's table must not vouch for itself. */
static void refuses_the_dangerous(void **state)
{
	static const char *const names[] = {
		"mount",
		"umount2",
		"pivot_root",
		"chroot",
		"open_tree",
		"move_mount",
		"fsopen",
		"fsconfig",
		"fsmount",
		"fspick",
		"mount_setattr",
		"bpf",
		"keyctl",
		"add_key",
		"request_key",
		"unshare",
		"setns",
		"ptrace",
		"process_vm_readv",
		"process_vm_writev",
		"pidfd_getfd",
		"perf_event_open",
		"userfaultfd",
		"io_uring_setup",
		"io_uring_enter",
		"io_uring_register",
		"kexec_load",
		"kexec_file_load",
		"init_module",
		"finit_module",
		"delete_module",
		"open_by_handle_at",
		"name_to_handle_at",
		"fanotify_init",
		"memfd_secret",
		"quotactl",
		"quotactl_fd",
		"swapon",
		"swapoff",
		"reboot",
		"acct",
		"settimeofday",
		"clock_settime",
		"clock_adjtime",
		"adjtimex",
		"iopl",
		"ioperm",
		"syslog",
		"sethostname",
		"setdomainname",
		"modify_ldt",
		"kcmp",
		"vhangup",
		"uselib",
		"move_pages",
		"migrate_pages",
		"mbind",
		"set_mempolicy",
		"lookup_dcookie",
	};
	static const uint64_t values[] = { 0, 1, 2, HIGH, 0xffffffff, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);

		assert_true(nr >= 0);
		for (size_t v = 0; v < 36; v++) {
			uint32_t got = sim(nr, values[v / 6], values[v % 6]);

			if (got != FAILS(EPERM))
				fail_msg("%s: %#x", names[i], got);
		}
	}
	assert_int_equal(sim(SYS_clone3, 0, 0), FAILS(ENOSYS));
	/* statmount, listmount, open_tree_attr */
	assert_int_equal(sim(457, 0, 0), FAILS(EPERM));
	assert_int_equal(sim(458, 0, 0), FAILS(EPERM));
	assert_int_equal(sim(467, 0, 0), FAILS(EPERM));
}

/* A call of tomorrow's kernel must look like one of yesterday's. */
static void unknown_calls_do_not_exist(void **state)
{
	(void)state;
	for (int nr = 470; nr < 1024; nr++)
		assert_int_equal(sim(nr, 0, 0), FAILS(ENOSYS));
	assert_int_equal(sim(SYS_vserver, 0, 0), FAILS(ENOSYS));
	/* What a tracer puts in place of a call it skips: not an ABI, so not killed. */
	assert_int_equal(sim(-1, 0, 0), FAILS(ENOSYS));
}

static void size_is_about_what_was_meant(void **state)
{
	int allowed = 0;

	(void)state;
	for (int nr = 0; nr < 512; nr++)
		allowed += sim(nr, 0, 0) == ALLOWED;
	if (allowed < 230 || allowed > 330)
		fail_msg("%d calls allowed", allowed);
	assert_true(filter.count < 2048);
	assert_int_equal(filter.skipped_count, 0);
}

static void other_abis_are_killed(void **state)
{
	(void)state;
	for (int nr = 0; nr < 512; nr++) {
		assert_int_equal(sim6(AUDIT_ARCH_I386, nr, 0, 0), SECCOMP_RET_KILL_PROCESS);
		assert_int_equal(sim6(AUDIT_ARCH_AARCH64, nr, 0, 0), SECCOMP_RET_KILL_PROCESS);
		assert_int_equal(sim(nr | X32_BIT, 0, 0), SECCOMP_RET_KILL_PROCESS);
	}
}

static void clone_makes_no_namespaces(void **state)
{
	static const uint64_t flags[] = { CLONE_NEWNS,	CLONE_NEWCGROUP, CLONE_NEWUTS,
					  CLONE_NEWIPC, CLONE_NEWUSER,	 CLONE_NEWPID,
					  CLONE_NEWNET };
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
				CLONE_CHILD_CLEARTID;

	(void)state;
	assert_int_equal(sim(SYS_clone, thread, 0), ALLOWED);
	assert_int_equal(sim(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0), ALLOWED);
	assert_int_equal(sim(SYS_clone, CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD, 0),
			 ALLOWED);
	/* Every subset of the seven, also with other flags and with a dirty upper half. */
	for (unsigned int set = 1; set < 128; set++) {
		uint64_t f = SIGCHLD;

		for (int i = 0; i < 7; i++)
			f |= set & (1u << i) ? flags[i] : 0;
		assert_int_equal(sim(SYS_clone, f, 0), FAILS(EPERM));
		assert_int_equal(sim(SYS_clone, f | CLONE_VM, 0), FAILS(EPERM));
		assert_int_equal(sim(SYS_clone, f | HIGH, 0), FAILS(EPERM));
	}
}

static void ioctl_does_not_type_into_terminals(void **state)
{
	(void)state;
	for (uint64_t high = 0; high < 4; high++) {
		for (uint64_t cmd = 0; cmd < 0x10000; cmd++) {
			bool bad = cmd == 0x5412 || cmd == 0x541c;
			uint32_t got = sim(SYS_ioctl, 0, high << 32 | cmd);

			if (got != (bad ? FAILS(EPERM) : ALLOWED))
				fail_msg("ioctl %#lx: %#x", (long)(high << 32 | cmd), got);
		}
		for (int bit = 16; bit < 32; bit++) {
			assert_int_equal(sim(SYS_ioctl, 0, high << 32 | 1u << bit | 0x5412),
					 ALLOWED);
			assert_int_equal(sim(SYS_ioctl, 0, high << 32 | 1u << bit | 0x541c),
					 ALLOWED);
		}
	}
}

static void personality_stays(void **state)
{
	(void)state;
	assert_int_equal(sim(SYS_personality, 0, 0), ALLOWED);
	assert_int_equal(sim(SYS_personality, 0xffffffff, 0), ALLOWED);
	/* The kernel takes 32 bits: these are the same two. */
	assert_int_equal(sim(SYS_personality, HIGH, 0), ALLOWED);
	assert_int_equal(sim(SYS_personality, UINT64_MAX, 0), ALLOWED);
	for (uint64_t p = 1; p < 0x20000; p++) {
		assert_int_equal(sim(SYS_personality, p, 0), FAILS(EPERM));
		assert_int_equal(sim(SYS_personality, ~p, 0), FAILS(EPERM));
		assert_int_equal(sim(SYS_personality, (p << 15) | 1, 0), FAILS(EPERM));
	}
}

/* The kernel takes the lower half of a register for the limit's number. */
static void core_limit_stays(void **state)
{
	struct seccomp_data d = { .nr = __NR_prlimit64, .arch = AUDIT_ARCH_X86_64 };

	(void)state;
	for (uint64_t limit = 0; limit < 18; limit++) {
		bool core = limit == 4, known = limit < 16;

		assert_int_equal(sim(__NR_setrlimit, limit, 1),
				 core ? FAILS(EPERM) : known ? ALLOWED : FAILS(ENOSYS));
		assert_int_equal(sim(__NR_setrlimit, HIGH | limit, 1), core ? FAILS(EPERM) : FAILS(ENOSYS));
		assert_true(!core || sim(__NR_setrlimit, 1ULL << 63 | limit, 1) != ALLOWED);
		for (uint64_t high = 0; high <= 1; high++)
			for (uint64_t new = 0; new <= 2; new++) {
				d.args[1] = high << 32 | limit;
				d.args[2] = new == 2 ? HIGH : new;
				assert_int_equal(bpf_vm_run(filter.code, filter.count, &d, NULL),
						 high || !known ? FAILS(ENOSYS)
						 : core && new ? FAILS(EPERM) : ALLOWED);
			}
		d.args[1] = 1ULL << 63 | limit;
		assert_true(!core || bpf_vm_run(filter.code, filter.count, &d, NULL) != ALLOWED);
	}
}

static void sockets_of_three_families(void **state)
{
	(void)state;
	for (uint64_t family = 0; family < 64; family++) {
		bool good = family == AF_UNIX || family == AF_INET || family == AF_INET6;

		assert_int_equal(sim(SYS_socket, family, 0), good ? ALLOWED : FAILS(EAFNOSUPPORT));
		/* Never allowed with a dirty upper half: the kernel would see the lower one. */
		assert_int_equal(sim(SYS_socket, HIGH | family, 0), FAILS(EAFNOSUPPORT));
		assert_int_equal(sim(SYS_socketpair, family, 0),
				 family == AF_UNIX ? ALLOWED : FAILS(EAFNOSUPPORT));
	}
	assert_int_equal(sim(SYS_socket, UINT64_MAX, 0), FAILS(EAFNOSUPPORT));
}

/* --- in the kernel ---------------------------------------------------------- */

/* Runs a shell line under the profile, without privileges to fall back on. */
static int run_line(const char *shell, const char *line, char *out, size_t size)
{
	int pipefd[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct op_seccomp_args args = { .filter = &filter };
		struct run run = { 0 };
		struct err e = ERR_INIT;

		dup2(pipefd[1], 1);
		dup2(pipefd[1], 2);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (op_seccomp.act(&run, &args, &e) < 0)
			_exit(120);
		execlp(shell, "sh", "-c", line, (char *)NULL);
		_exit(121);
	}
	close(pipefd[1]);
	n = fd_read_full(pipefd[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	close(pipefd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool is_there(const char *path)
{
	return access(path, X_OK) == 0;
}

static void programs_work(void **state)
{
	static const struct {
		const char *needs, *line;
	} cases[] = {
		{ "/bin/sh", "ls / | sort | head -1 >/dev/null; (exit 3); test $? = 3" },
		{ "/bin/bash", "bash -c 'x=$(echo a | tr a b); [ $x = b ] && wait && "
			       "exec 9</etc/passwd && read -u 9 y && ulimit -n >/dev/null'" },
		{ "/bin/busybox",
		  "busybox sh -c 'busybox ls / | busybox wc -l && busybox sleep 0'" },
		{ "/usr/bin/python3",
		  "/usr/bin/python3 -c 'import subprocess, threading, socket, tempfile, os, "
		  "select\n"
		  "t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
		  "assert subprocess.run([\"/bin/echo\", \"x\"], capture_output=True).stdout == "
		  "b\"x\\n\"\n"
		  "a, b = socket.socketpair(); a.send(b\"1\"); assert b.recv(1) == b\"1\"\n"
		  "s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen()\n"
		  "c = socket.create_connection(s.getsockname()); s.accept()\n"
		  "with tempfile.TemporaryFile() as f: f.write(b\"1\"); os.fsync(f.fileno())\n"
		  "select.epoll()\nos.getrandom(4)\nos.sched_getaffinity(0)'" },
		{ "/usr/bin/python3", "/usr/bin/python3 -c 'import multiprocessing as m\n"
				      "assert m.Pool(2).map(abs, [-1, -2]) == [1, 2]'" },
		{ "/usr/bin/gcc", "d=$(mktemp -d) && echo 'int main(void){return 7;}' >$d/a.c && "
				  "/usr/bin/gcc -O2 -pipe -o $d/a $d/a.c; $d/a; r=$?; rm -r $d; "
				  "test $r = 7" },
		{ "/usr/bin/git", "d=$(mktemp -d) && cd $d && git init -q . && git status -s; "
				  "r=$?; rm -r $d; exit $r" },
		{ "/usr/bin/tar", "tar cf - -C /etc passwd | tar tf - && date && id && sort "
				  "--parallel=2 /etc/passwd >/dev/null" },
		{ "/usr/bin/apt-cache", "apt-cache policy bash >/dev/null && dpkg -l bash "
					">/dev/null" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char out[8192];
		int status;

		if (!is_there(cases[i].needs))
			continue;
		status = run_line("/bin/sh", cases[i].line, out, sizeof out);
		if (status != 0)
			fail_msg("%s\n ended with %#x: %s", cases[i].line, status, out);
	}
}

/* The same calls, made for real. */
static void calls_are_refused_for_real(void **state)
{
	static const struct {
		long nr, args[3];
		int error;
	} cases[] = {
		{ SYS_mount, { 0, 0, 0 }, EPERM },
		{ SYS_unshare, { CLONE_NEWUSER }, EPERM },
		{ SYS_clone, { CLONE_NEWUSER | SIGCHLD }, EPERM },
		{ SYS_clone3, { 0, 0 }, ENOSYS },
		{ SYS_bpf, { 0, 0, 0 }, EPERM },
		{ SYS_keyctl, { 0, -3 }, EPERM },
		{ SYS_socket, { 38, 5 }, EAFNOSUPPORT },
		{ SYS_socket, { 16, 3 }, EAFNOSUPPORT },
		{ SYS_ioctl, { 0, 0x5412 }, EPERM },
		{ SYS_ioctl, { 0, 0x100005412 }, EPERM },
		{ SYS_personality, { 0x40000 }, EPERM },
		{ SYS_ptrace, { 0 }, EPERM },
		{ 600, { 0 }, ENOSYS },
	};
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct op_seccomp_args args = { .filter = &filter };
		struct run run = { 0 };
		struct err e = ERR_INIT;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (op_seccomp.act(&run, &args, &e) < 0)
			_exit(100);
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
			long r = syscall(cases[i].nr, cases[i].args[0], cases[i].args[1],
					 cases[i].args[2]);

			if (r != -1 || errno != cases[i].error)
				_exit((int)i + 1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#if defined(__x86_64__)
/* The process must die, of the filter or since the machine has no such ABI. */
static void another_abi_dies_for_real(void **state)
{
	(void)state;
	for (int x32 = 0; x32 < 2; x32++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			struct op_seccomp_args args = { .filter = &filter };
			struct run run = { 0 };
			struct err e = ERR_INIT;
			long result = 20; /* getpid */

			signal(SIGSEGV, SIG_DFL); /* cmocka has a handler */
			prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			if (op_seccomp.act(&run, &args, &e) < 0)
				_exit(100);
			if (x32)
				result = syscall(SYS_getpid | X32_BIT);
			else
				__asm__ volatile("int $0x80"
						 : "+a"(result)
						 :
						 : "memory", "r8", "r9", "r10", "r11");
			_exit(result > 0 ? 1 : 2);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		/* SIGSEGV where the machine has int 0x80 switched off altogether. */
		assert_true(WTERMSIG(status) == SIGSYS || (!x32 && WTERMSIG(status) == SIGSEGV));
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
		cmocka_unit_test(refuses_the_dangerous),
		cmocka_unit_test(unknown_calls_do_not_exist),
		cmocka_unit_test(size_is_about_what_was_meant),
		cmocka_unit_test(other_abis_are_killed),
		cmocka_unit_test(clone_makes_no_namespaces),
		cmocka_unit_test(ioctl_does_not_type_into_terminals),
		cmocka_unit_test(personality_stays),
		cmocka_unit_test(core_limit_stays),
		cmocka_unit_test(sockets_of_three_families),
		cmocka_unit_test(calls_are_refused_for_real),
		cmocka_unit_test(another_abi_dies_for_real),
		cmocka_unit_test(programs_work),
#endif
	};

	return cmocka_run_group_tests(tests, compile, clean);
}
