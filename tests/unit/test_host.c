/* The host probe, against what other readers of the same host say. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/fd.h"
#include "base/host.h"

static struct host probe(void)
{
	struct err e = ERR_INIT;
	struct host h;

	memset(&h, 0x55, sizeof(h));
	assert_int_equal(host_probe(&h, &e), 0);
	return h;
}

static void who_we_are(void **state)
{
	struct host h = probe();

	(void)state;
	assert_int_equal(h.uid, geteuid());
	assert_int_equal(h.gid, getegid());
	if (geteuid() != 0)
		assert_false(h.root);
}

/* In a child that is not root any more. */
static void without_privilege(void **state)
{
	int status = 0;
	pid_t child;

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIP: needs root to give it up\n");
		skip();
	}
	assert_true(probe().root);
	child = fork();
	if (child == 0) {
		struct host h;

		_exit(setgid(4321) || setuid(1234) || host_probe(&h, NULL) < 0 || h.root ||
		      h.uid != 1234 || h.gid != 4321);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Root of a user namespace of its own is not root of the host. */
static void in_a_user_namespace(void **state)
{
	int status = 0;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		struct host h;
		uid_t uid = geteuid();
		char map[40];

		if (unshare(CLONE_NEWUSER) < 0)
			_exit(99);
		if (host_probe(&h, NULL) < 0 || h.root || h.userns_root || !host_in_user_namespace())
			_exit(1); /* not mapped yet: nobody */
		snprintf(map, sizeof map, "0 %u 1", uid);
		file_write_at(AT_FDCWD, "/proc/self/setgroups", "deny");
		if (file_write_at(AT_FDCWD, "/proc/self/uid_map", map) < 0)
			_exit(2);
		if (host_probe(&h, NULL) < 0 || h.root || !h.userns_root || !h.setgroups_denied)
			_exit(3);
		/* The mount namespace is still the host's. */
		if (h.own_mounts || host_may_mount(&h) || host_unprivileged(&h))
			_exit(4);
		if (unshare(CLONE_NEWNS) < 0 || host_probe(&h, NULL) < 0 || !h.own_mounts)
			_exit(5);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {
		print_message("SKIP: no user namespaces here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void the_cgroup2_mount(void **state)
{
	struct host h = probe();
	char text[512], word[32], names[96];
	struct statfs fs;
	int fd;

	(void)state;
	if (!h.cgroup_mount[0]) { /* then there must be none */
		assert_int_equal(system("grep -q ' - cgroup2 ' /proc/self/mountinfo"), 256);
		return;
	}
	assert_int_equal(statfs(h.cgroup_mount, &fs), 0);
	assert_int_equal(fs.f_type, CGROUP2_SUPER_MAGIC);
	fd = open(h.cgroup_mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(file_read_at(fd, "cgroup.controllers", text, sizeof(text)) >= 0);
	close(fd);
	host_controller_names(h.controllers, names);
	for (char *at = names; *at;) { /* each name it gives is a word of the file */
		size_t length = strcspn(at, ",");

		snprintf(word, sizeof(word), "%.*s", (int)length, at);
		assert_non_null(strstr(text, word));
		at += length + (at[length] == ',');
	}
	assert_int_equal(!!(h.controllers & HOST_MEMORY), strstr(text, "memory") != NULL);
	assert_int_equal(!!(h.controllers & HOST_PIDS), strstr(text, "pids") != NULL);
	if (!strcmp(h.cgroup_mount, "/sys/fs/cgroup/unified") && !(h.controllers & HOST_MEMORY))
		assert_true(h.cgroup_hybrid);
	if (h.controllers == 0xff)
		assert_false(h.cgroup_hybrid);
}

static void security(void **state)
{
	struct host h = probe();
	char text[512];

	(void)state;
	assert_true(file_read_at(AT_FDCWD, "/proc/sys/kernel/cap_last_cap", text, sizeof(text)) >
		    0);
	assert_int_equal(h.last_cap, atoi(text));
	if (file_read_at(AT_FDCWD, "/sys/kernel/security/lsm", text, sizeof(text)) <= 0)
		return;
	assert_int_equal(h.landlock_abi > 0, strstr(text, "landlock") != NULL);
	assert_int_equal(h.apparmor, strstr(text, "apparmor") != NULL);
}

/* What is ignored, and only that, is not among those that are surely taken. */
static void ignored_signals(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, was_pipe, was_rt;
	struct host before = probe(), h;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, &ignore, &was_pipe), 0);
	assert_int_equal(sigaction(SIGRTMAX, &ignore, &was_rt), 0);
	h = probe();
	assert_false(h.signals_taken >> (SIGPIPE - 1) & 1);
	assert_false(h.signals_taken >> (SIGRTMAX - 1) & 1);
	assert_true(h.signals_taken >> (SIGTERM - 1) & 1);
	sigaction(SIGPIPE, &was_pipe, NULL);
	sigaction(SIGRTMAX, &was_rt, NULL);
	assert_int_equal(probe().signals_taken, before.signals_taken);
}

static void names(void **state)
{
	char text[96];

	(void)state;
	assert_string_equal(host_controller_names(0, text), "");
	assert_string_equal(host_controller_names(HOST_PIDS | HOST_MEMORY, text), "memory,pids");
	assert_string_equal(host_controller_names(0xff, text),
			    "cpu,cpuset,memory,pids,io,hugetlb,rdma,misc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_we_are),	     cmocka_unit_test(without_privilege),
		cmocka_unit_test(in_a_user_namespace),
		cmocka_unit_test(the_cgroup2_mount), cmocka_unit_test(security),
		cmocka_unit_test(ignored_signals), cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
