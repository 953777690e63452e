/*
 * ns_driver.c - runs only the namespace and mount part of a bundle, then a program.
 *
 *   ns_driver [--plan] [--explain] [--no-pivot] [--terminal] [--join PID FLAGS]
 *             [--overlay MOUNT_DIR LAYER,LAYER... [--readonly]] BUNDLE PROGRAM [ARG...]
 *
 * For tests of this folder by itself: no cgroup, no network, no capabilities
 * dropped. The program's exit status is the driver's; 99 is a failed setup.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/json.h"
#include "ns/builders.h"

struct op_exec_args {
	char *const *argv;
};

static int act_exec(struct run *r, const void *args, struct err *e)
{
	const struct op_exec_args *a = args;
	static char path[] = "PATH=/bin:/sbin:/usr/bin:/usr/sbin";
	char *const env[] = { path, NULL };

	(void)r;
	(void)e;
	execve(a->argv[0], a->argv, env);
	return -errno;
}

static const struct op op_exec = { .name = "execve", .man = "execve(2)", .act = act_exec };

struct options {
	bool plan, explain, no_pivot, terminal, readonly;
	const char *mount_dir, *layers;
	unsigned int kernel; /* 0: this one */
	int join_pid;
	unsigned int join_flags;
	const char *bundle;
	char **argv;
};

static bool parse_arguments(int argc, char **argv, struct options *o)
{
	int i = 1;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--plan") == 0) {
			o->plan = true;
		} else if (strcmp(argv[i], "--explain") == 0) {
			o->explain = true;
		} else if (strcmp(argv[i], "--no-pivot") == 0) {
			o->no_pivot = true;
		} else if (strcmp(argv[i], "--terminal") == 0) {
			o->terminal = true;
		} else if (strcmp(argv[i], "--readonly") == 0) {
			o->readonly = true;
		} else if (strcmp(argv[i], "--overlay") == 0 && i + 2 < argc) {
			o->mount_dir = argv[++i];
			o->layers = argv[++i];
		} else if (strcmp(argv[i], "--kernel-minor-of-6") == 0 && i + 1 < argc) {
			o->kernel = HOST_KERNEL(6u, (unsigned int)strtoul(argv[++i], NULL, 10));
		} else if (strcmp(argv[i], "--join") == 0 && i + 2 < argc) {
			o->join_pid = (int)strtol(argv[++i], NULL, 10);
			o->join_flags = (unsigned int)strtoul(argv[++i], NULL, 0);
		} else {
			return false;
		}
	}
	if (i + 2 > argc)
		return false;
	o->bundle = argv[i];
	o->argv = argv + i + 1;
	return true;
}

static void print_step(void *user, const struct plan *p, struct run_report report)
{
	char text[2000];
	struct buf b = BUF_ON(text);

	(void)user;
	buf_reset(&b);
	plan_show_step(&b, p, report.step);
	fprintf(stderr, "%3d %s %-28s %s = %d\n", report.step,
		p->steps[report.step].side == SIDE_HOST ? "host " : "guest", p->steps[report.step].why,
		text, report.result);
}

/* LAYER,LAYER... are paths in one folder. */
static void add_overlay(struct plan *p, const struct ns_spec *s, const struct host *h,
			const struct options *o, struct ns_rootfs_options *rootfs)
{
	static const char *layers[NS_LAYERS_MAX];
	struct ns_overlay overlay = { .layers = layers, .mount_dir = o->mount_dir, .slot_below = -1,
				      .idmap = ns_has_userns(s), .readonly = o->readonly,
				      .upper_bytes = 16 << 20, .upper_inodes = 1000 };
	char *list = arena_strdup(p->arena, o->layers), *save = NULL, *slash;

	for (char *one = strtok_r(list, ",", &save); one && overlay.count < NS_LAYERS_MAX;
	     one = strtok_r(NULL, ",", &save)) {
		slash = strrchr(one, '/');
		*slash = '\0';
		overlay.dir = one;
		layers[overlay.count++] = slash + 1;
	}
	ns_host_root(s, &overlay.root_uid, &overlay.root_gid);
	ns_plan_overlay(p, &overlay, h, rootfs);
	ns_plan_overlay_give(p, h);
	ns_plan_overlay_close(p, &overlay, h);
}

/* Copies what the container writes to its terminal. */
static void copy_terminal(int master)
{
	char text[512];
	ssize_t n;

	while ((n = read(master, text, sizeof text)) > 0)
		if (write(1, text, (size_t)n) != n)
			break;
}

static int fail(struct err *e)
{
	char text[1500];

	err_format(e, text, sizeof text);
	fprintf(stderr, "ns_driver: %s\n", text);
	if (e->fix[0])
		fprintf(stderr, "fix: %s\n", e->fix);
	return 99;
}

static int compile(struct plan *p, const struct options *o, int pidfd_slot, int *ret_master,
		   struct err *e)
{
	struct ns_rootfs_options rootfs = { .slot_root = -1, .no_pivot = o->no_pivot,
					    .terminal = o->terminal };
	static struct host h; /* the plan's steps point into it */
	_cleanup_json_ json_t *config = NULL;
	char path[4096];
	struct ns_spec s;
	int r;

	r = host_probe(&h, e);
	if (o->kernel)
		h.kernel = o->kernel;
	if (r < 0)
		return r;
	*ret_master = plan_new_slot(p, "pty master");
	if (o->join_pid) {
		ns_plan_join(p, &h, pidfd_slot, o->join_flags, -1, NULL);
		ns_plan_join_settle(p, &h, pidfd_slot, o->join_flags, NULL);
		if (o->terminal)
			ns_plan_console(p, NULL, *ret_master, 24, 80, 0);
	} else {
		snprintf(path, sizeof path, "%s/config.json", o->bundle);
		r = json_read_file(AT_FDCWD, path, &config, e);
		if (r >= 0)
			r = ns_parse(config, o->bundle, p->arena, &s, e);
		if (r >= 0)
			r = ns_check(&s, &h, e);
		if (r < 0)
			return r;
		if (!o->mount_dir)
			ns_plan_host_root(p, &s, &h, &rootfs);
		ns_plan_birth(p, &s, &h, -1);
		ns_plan_settle(p, &s, &h, NULL);
		if (o->mount_dir)
			add_overlay(p, &s, &h, o, &rootfs);
		ns_plan_mounts(p, &s, &h, &rootfs);
		if (o->terminal)
			ns_plan_console(p, &s, *ret_master, 24, 80, 0);
		ns_plan_restrict(p, &s, &h, &rootfs);
		ns_plan_pivot(p, &s, &h, &rootfs);
	}
	plan_add(p, SIDE_GUEST, op_exec, op_exec_args, o->argv);
	return plan_check(p, e);
}

int main(int argc, char **argv)
{
	static struct arena arena;
	struct err e = ERR_INIT;
	struct options o = { 0 };
	struct plan p;
	struct run r;
	int master, status = 0, pidfd_slot;

	if (!parse_arguments(argc, argv, &o)) {
		fprintf(stderr, "usage: ns_driver [options] BUNDLE PROGRAM [ARG...]\n");
		return 98;
	}
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	plan_init(&p, &arena);
	pidfd_slot = plan_new_slot(&p, "target pidfd");
	if (compile(&p, &o, pidfd_slot, &master, &e) < 0)
		return fail(&e);
	for (int i = 0; o.plan && i < p.count; i++)
		print_step(NULL, &p, (struct run_report){ i, 0 });
	if (o.plan)
		return 0;
	run_init(&r, &p);
	r.report = o.explain ? print_step : NULL;
	r.report_steps = o.explain;
	if (o.join_pid)
		run_set_fd(&r, pidfd_slot, (int)syscall(SYS_pidfd_open, o.join_pid, 0));
	if (run_walk(&r, &e) < 0)
		return fail(&e);
	if (o.terminal)
		copy_terminal(run_slot(&r, master));
	while (waitpid(run_slot(&r, SLOT_GUEST_PID), &status, 0) < 0 && errno == EINTR)
		;
	run_close(&r);
	arena_free(&arena);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
