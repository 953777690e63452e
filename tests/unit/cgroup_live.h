/*
 * cgroup_live.h - for tests on the real hierarchy: names of our own, children,
 * and what must be gone afterwards. Every cgroup made is named kist-test-PID-*.
 */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/engine.h"
#include "base/fd.h"
#include "cgroup/cgroup.h"

static struct host live_host;

/* Skips, saying why, where there is nothing real to test on. */
#define live_or_skip(bits)                                                                 \
	do {                                                                               \
		char live_names[96];                                                       \
		struct err live_e = ERR_INIT;                                              \
		assert_int_equal(host_probe(&live_host, &live_e), 0);                      \
		if (!live_host.root || !live_host.cgroup_mount[0]) {                       \
			print_message("SKIP %s: needs root and a cgroup v2 hierarchy\n",   \
				      __func__);                                           \
			skip();                                                            \
		}                                                                          \
		if ((bits) & ~live_host.controllers) {                                     \
			host_controller_names((bits) & ~live_host.controllers, live_names); \
			print_message("SKIP %s: no cgroup v2 controller %s here\n",        \
				      __func__, live_names);                               \
			skip();                                                            \
		}                                                                          \
	} while (0)

/* "/kist-test-PID-name", below the mount */
static inline const char *live_path(const char *name)
{
	static char text[4][256];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(text[turn], sizeof(text[turn]), "/kist-test-%d-%s", getpid(), name);
	return text[turn];
}

static inline const char *live_full(const char *path)
{
	static char text[4][512];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(text[turn], sizeof(text[turn]), "%s%s", live_host.cgroup_mount, path);
	return text[turn];
}

/* What a file of a cgroup holds. */
static inline const char *live_read(const char *path, const char *file)
{
	static char text[2][8192];
	static unsigned turn;
	char full[600];

	turn = (turn + 1) % 2;
	snprintf(full, sizeof(full), "%s/%s", live_full(path), file);
	if (file_read_at(AT_FDCWD, full, text[turn], sizeof(text[turn])) < 0)
		snprintf(text[turn], sizeof(text[turn]), "(errno %d)", errno);
	return text[turn];
}

static inline bool live_exists(const char *path)
{
	return access(live_full(path), F_OK) == 0;
}

/* A child born in the cgroup by clone3(CLONE_INTO_CGROUP) that waits for its end, and dies with
 * this program. `run` (may be NULL) runs in it; its value is the exit status. */
static inline pid_t live_child(int cgroup_fd, int (*run)(void))
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD,
				   .cgroup = (uint64_t)cgroup_fd };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (run)
		_exit(run());
	for (;;)
		pause();
}

static inline int live_wait(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Runs the steps of a plan that has only a host side. -errno and the record, as run_walk(). */
static inline int live_run(const struct plan *p, struct run *r, struct err *e)
{
	run_init(r, p);
	return run_walk(r, e);
}

/* Compiles and runs the making of a cgroup from the JSON of "linux". Slot 0 of the run that is
 * left open in *r is not used: the leaf is in *ret_slot. */
static inline int live_make(const char *json, const char *id, struct arena *a, struct plan *p,
			    struct run *r, int *ret_slot, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;
	struct json_at at = json_at_key(&JSON_AT_ROOT, "linux");
	struct cgroup_spec spec = { 0 };
	int result;

	result = json_parse_strict(json, strlen(json), "test", &o, e);
	if (result >= 0)
		result = cgroup_parse(o, &at, id, a, &spec, e);
	if (result >= 0)
		result = cgroup_check(&spec, &live_host, e);
	if (result < 0)
		return result;
	plan_init(p, a);
	*ret_slot = plan_new_slot(p, "cgroup");
	cgroup_plan_make(p, &spec, &live_host, id, *ret_slot);
	result = plan_check(p, e);
	return result < 0 ? result : live_run(p, r, e);
}

static inline void live_take_back(const struct plan *p, const char *id)
{
	struct undo_at at = { .id = id, .state_root = -EBADF };
	struct err e = ERR_INIT;
	char text[1024];

	if (plan_take_back(p, p->count, &at, &e) < 0) {
		err_format(&e, text, sizeof(text));
		fail_msg("undo: %s", text);
	}
}

/* The last test of a program: nothing of ours is left below the mount. */
static inline void live_nothing_left(void)
{
	char prefix[64];
	DIR *dir = opendir(live_host.cgroup_mount);
	struct dirent *entry;

	snprintf(prefix, sizeof(prefix), "kist-test-%d-", getpid());
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			fail_msg("%s is left", entry->d_name);
	closedir(dir);
}

#define assert_ok(call, e)                                                   \
	do {                                                                 \
		if ((call) < 0) {                                            \
			char ok_text[1200];                                  \
			err_format(&(e), ok_text, sizeof(ok_text));          \
			fail_msg("%s: %s", #call, ok_text);                  \
		}                                                            \
	} while (0)

static inline void assert_says(const struct err *e, const char *words)
{
	char text[1200];

	err_format(e, text, sizeof(text));
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}
