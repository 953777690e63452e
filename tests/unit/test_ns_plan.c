/*
 * Golden plans: the steps for a configuration, as text, without root.
 *
 * NS_GOLDEN=write rewrites tests/unit/data/ns-*.plan; read the difference before committing it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "ns/builders.h"
#include "ns/ops.h"

#define DATA "tests/unit/data/"

static char text[200000];

static void render(const struct plan *p)
{
	struct buf out = BUF_ON(text);

	buf_reset(&out);
	for (int i = 0; i < p->count; i++) {
		const struct step *s = &p->steps[i];

		buf_addf(&out, "%s%s %s: ", s->side == SIDE_HOST ? "host" : "guest",
			 s->alternative ? " alternative" : "", s->why);
		plan_show_step(&out, p, i);
		for (int j = 0; j < s->on_errno_count; j++) {
			const struct on_errno *on = &s->on_errno[j];
			char name[16];

			buf_addf(&out, " [%s %s %d]", err_name(on->error, name),
				 on->action == ON_DONE ? "done" : on->action == ON_SKIP ? "skip" : "alt",
				 on->action == ON_DONE ? 0 : on->to - i);
		}
		buf_add_char(&out, '\n');
		/* A shell line, where there is one, must not fail to be made. */
		if (s->op->by_hand) {
			char hand[1000];
			struct buf b = BUF_ON(hand);

			buf_reset(&b);
			s->op->by_hand(&b, p, s->args);
			assert_false(buf_truncated(&b));
		}
	}
	assert_false(buf_truncated(&out));
}

static void compare(const char *file)
{
	_cleanup_free_ char *wanted = NULL;
	struct err e = ERR_INIT;
	size_t size;

	if (getenv("NS_GOLDEN")) {
		_cleanup_stream_ FILE *f = fopen(file, "we");

		assert_non_null(f);
		fputs(text, f);
		return;
	}
	assert_int_equal(file_read_whole(AT_FDCWD, file, sizeof text, &wanted, &size, &e), 0);
	for (char *a = wanted, *b = text; *a || *b;) {
		size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

		if (la != lb || memcmp(a, b, la) != 0)
			fail_msg("%s:\nwanted: %.*s\ngot:    %.*s", file, (int)la, a, (int)lb, b);
		a += la + (a[la] == '\n');
		b += lb + (b[lb] == '\n');
	}
}

static void build(const char *config_file, bool overlay, unsigned int kernel, bool terminal,
		  const char *golden)
{
	static const char *const layers[] = { "b/diff", "a/diff" };
	struct ns_overlay o = { .layers = layers, .count = 2, .mount_dir = "/run/kist/x/m",
				.dir = "/store", .slot_below = -1, .upper_bytes = 1 << 20 };
	struct host h = { .root = true, .selinux = true, .cgroup_mount = "/sys/fs/cgroup",
			  .kernel = kernel };
	struct ns_rootfs_options options = { .slot_root = -1, .terminal = terminal };
	_cleanup_json_ json_t *config = NULL;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct ns_spec s;
	struct plan p;

	assert_int_equal(json_read_file(AT_FDCWD, config_file, &config, &e), 0);
	if (ns_parse(config, "/bundle", &a, &s, &e) < 0)
		fail_msg("%s: %s", e.where, e.context[0]);
	assert_int_equal(ns_check(&s, &h, &e), 0);
	plan_init(&p, &a);
	if (!overlay)
		ns_plan_host_root(&p, &s, &h, &options);
	ns_plan_birth(&p, &s, &h, plan_new_slot(&p, "cgroup"));
	ns_plan_settle(&p, &s, &h, NULL);
	if (overlay) {
		o.idmap = ns_has_userns(&s);
		ns_host_root(&s, &o.root_uid, &o.root_gid);
		ns_plan_overlay(&p, &o, &h, &options);
		ns_plan_overlay_give(&p, &h);
		ns_plan_overlay_close(&p, &o, &h);
	}
	ns_plan_mounts(&p, &s, &h, &options);
	if (terminal)
		ns_plan_console(&p, &s, plan_new_slot(&p, "master"), 24, 80, 0);
	ns_plan_restrict(&p, &s, &h, &options);
	ns_plan_pivot(&p, &s, &h, &options);
	assert_int_equal(plan_check(&p, &e), 0);
	/* The cgroup, network and process parts need slots too. */
	assert_in_range(p.slot_count, 0, 34);
	render(&p);
	compare(golden);
	arena_free(&a);
}

static void test_default(void **state)
{
	(void)state;
	build(DATA "ns-default.json", false, 0, false, DATA "ns-default.plan");
}

static void test_everything(void **state)
{
	(void)state;
	build(DATA "ns-everything.json", false, 0, true, DATA "ns-everything.plan");
}

/* Half a size is none. */
static void test_console_size(void **state)
{
	struct arena a = ARENA_INIT;
	struct plan p;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		int sizes = 0;

		plan_init(&p, &a);
		ns_plan_console(&p, NULL, plan_new_slot(&p, "master"), i & 1 ? 24 : 0, i & 2 ? 80 : 0, 0);
		for (int k = 0; k < p.count; k++)
			sizes += p.steps[k].op == &op_set_winsize;
		assert_int_equal(sizes, i == 3);
	}
	arena_free(&a);
}

static void test_overlay(void **state)
{
	(void)state;
	build(DATA "ns-everything.json", true, HOST_KERNEL(6, 1), false, DATA "ns-overlay.plan");
	build(DATA "ns-everything.json", true, HOST_KERNEL(6, 15), false,
	      DATA "ns-overlay-detached.plan");
}

static void test_join(void **state)
{
	const struct host h = { .root = true };
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct plan p;
	int target;

	(void)state;
	plan_init(&p, &a);
	target = plan_new_slot(&p, "target");
	ns_plan_join(&p, &h, target, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER,
		     plan_new_slot(&p, "cgroup"), NULL);
	ns_plan_join_settle(&p, &h, target, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER, NULL);
	ns_plan_console(&p, NULL, plan_new_slot(&p, "master"), 0, 0, 1000);
	assert_int_equal(plan_check(&p, &e), 0);
	render(&p);
	compare(DATA "ns-join.plan");
	arena_free(&a);
}

/* Hooks that enter the mount namespace must see the root where the bundle has it; without pivot_root
 * nothing is put on top of "/", where they would be. */
static void test_in_place(void **state)
{
	const struct host h = { .root = true, .cgroup_mount = "/sys/fs/cgroup" };
	_cleanup_json_ json_t *config = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(json_read_file(AT_FDCWD, DATA "ns-default.json", &config, &e), 0);
	for (int i = 0; i < 4; i++) {
		struct ns_rootfs_options options = { .slot_root = -1, .in_place = i & 1, .no_pivot = i & 2 };
		struct arena a = ARENA_INIT;
		struct ns_spec s;
		struct plan p;

		assert_int_equal(ns_parse(config, "/bundle", &a, &s, &e), 0);
		plan_init(&p, &a);
		ns_plan_mounts(&p, &s, &h, &options);
		render(&p);
		assert_int_equal(!strstr(text, "AT_FDCWD, \"/bundle/rootfs\", MOVE_MOUNT"), i != 1);
		arena_free(&a);
	}
}

/* A root that was made detached is attached when "/" can't be pivoted to it. And a /dev that is to
 * be read-only becomes that after its nodes are made, if it is a filesystem of its own. */
static void test_last_steps(void **state)
{
	static const struct {
		const char *mount;
		bool no_pivot, attached, read_only;
	} rows[] = {
		{ "", false, false, false },
		{ "", true, true, false },
		{ "{\"destination\": \"/dev\", \"type\": \"tmpfs\"}", false, false, false },
		{ "{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"options\": [\"ro\"]}", false, false,
		  true },
		{ "{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"options\": [\"rro\"]}", false, false,
		  true },
		{ "{\"destination\": \"/dev\", \"source\": \"/x\", \"options\": [\"bind\"]}", false, false,
		  false },
	};
	const struct host h = { .root = true };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ns_rootfs_options options = { .no_pivot = rows[i].no_pivot };
		_cleanup_json_ json_t *config = NULL;
		struct arena a = ARENA_INIT;
		struct err e = ERR_INIT;
		char document[400];
		struct ns_spec s;
		struct plan p;

		snprintf(document, sizeof document,
			 "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"r\"}, \"mounts\": [%s], "
			 "\"linux\": {\"namespaces\": [{\"type\": \"mount\"}]}}", rows[i].mount);
		assert_int_equal(json_parse_strict(document, strlen(document), "x", &config, &e), 0);
		assert_int_equal(ns_parse(config, "/bundle", &a, &s, &e), 0);
		plan_init(&p, &a);
		options.slot_root = plan_new_slot(&p, "image");
		ns_plan_mounts(&p, &s, &h, &options);
		render(&p);
		assert_int_equal(!!strstr(text, "move_mount(<image>"), rows[i].attached);
		assert_int_equal(!!strstr(text, "mount_setattr(<dev>, \"\", AT_EMPTY_PATH, {attr_set="
						"MOUNT_ATTR_RDONLY"), rows[i].read_only);
		arena_free(&a);
	}
}

/* What is mounted right below a new /dev is made in it by its name, before anybody sees it: not where
 * something else may lie, nor where the place's own fd is wanted. */
static void test_below_new_dev(void **state)
{
#define TMPFS(at, options) "{\"destination\": \"" at "\", \"type\": \"tmpfs\"" options "}"
#define BIND(at, options)                                                                          \
	"{\"destination\": \"" at "\", \"source\": \"/x\", \"options\": [\"bind\"" options "]}"
#define LONG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	static const struct {
		const char *first, *second;
		bool in_it;
	} rows[] = {
		{ TMPFS("/dev", ""), TMPFS("/dev/shm", ""), true },
		{ TMPFS("/dev", ""), BIND("/dev/a", ""), true },
		{ TMPFS("/dev", ""), TMPFS("/dev/shm/x", ""), false },
		{ TMPFS("/dev", ""), TMPFS("/abc/x", ""), false },
		{ TMPFS("/dev", ""), BIND("/dev/a", ", \"copy-symlink\""), false },
		{ TMPFS("/dev", ""), BIND("/dev/a", ", \"dest-nofollow\""), false },
		{ TMPFS("/dev", ""),
		  TMPFS("/dev/shm", ", \"options\": [\"mpol=" LONG LONG LONG LONG "\"]"), false },
		{ TMPFS("/dev/shm", ""), TMPFS("/dev", ""), false },
		{ TMPFS("/other", ""), TMPFS("/dev/shm", ""), false },
		{ BIND("/dev", ""), TMPFS("/dev/shm", ""), false },
		{ "{\"destination\": \"/dev\", \"type\": \"ramfs\"}", TMPFS("/dev/shm", ""), false },
		{ TMPFS("/dev", ", \"options\": [\"tmpcopyup\"]"), TMPFS("/dev/shm", ""), false },
		{ TMPFS("/dev", ", \"options\": [\"mpol=" LONG LONG LONG LONG "\"]"),
		  TMPFS("/dev/shm", ""), false },
	};
	const struct host h = { .root = true };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ns_rootfs_options options = { .slot_root = -1 };
		_cleanup_json_ json_t *config = NULL;
		struct arena a = ARENA_INIT;
		struct err e = ERR_INIT;
		char document[2000];
		struct ns_spec s;
		struct plan p;

		snprintf(document, sizeof document,
			 "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"r\"}, \"mounts\": [%s, %s], "
			 "\"linux\": {\"namespaces\": [{\"type\": \"mount\"}]}}",
			 rows[i].first, rows[i].second);
		assert_int_equal(json_parse_strict(document, strlen(document), "x", &config, &e), 0);
		if (ns_parse(config, "/bundle", &a, &s, &e) < 0)
			fail_msg("%zu: %s: %s", i, e.where, e.context[0]);
		plan_init(&p, &a);
		ns_plan_mounts(&p, &s, &h, &options);
		render(&p);
		if (!strstr(text, ", in the new tmpfs)") == rows[i].in_it)
			fail_msg("%zu:\n%s", i, text);
		arena_free(&a);
	}
}

/* The root of a container with a user namespace is cloned by the host, whose folders it may not reach;
 * but not one that is made already, nor where the host may not mount. */
static void test_who_clones_the_root(void **state)
{
	static const struct {
		bool userns, may, made;
		const char *by;
	} rows[] = {
		{ true, true, false, "host" }, { true, false, false, "guest" },
		{ false, true, false, "guest" }, { false, false, false, "guest" },
		{ true, true, true, NULL }, { true, false, true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct host h = { .root = rows[i].may };
		struct ns_rootfs_options options = { .slot_root = -1 };
		_cleanup_json_ json_t *config = NULL;
		struct arena a = ARENA_INIT;
		struct err e = ERR_INIT;
		struct ns_spec s;
		struct plan p;

		assert_int_equal(json_read_file(AT_FDCWD, DATA "ns-default.json", &config, &e), 0);
		assert_int_equal(ns_parse(config, "/bundle", &a, &s, &e), 0);
		s.new_namespaces &= ~CLONE_NEWUSER;
		s.new_namespaces |= rows[i].userns ? CLONE_NEWUSER : 0;
		plan_init(&p, &a);
		if (rows[i].made)
			options.slot_root = plan_new_slot(&p, "image");
		ns_plan_host_root(&p, &s, &h, &options);
		ns_plan_mounts(&p, &s, &h, &options);
		render(&p);
		if (rows[i].by) {
			char wanted[64];

			snprintf(wanted, sizeof wanted, "%s /root/path: open_tree(", rows[i].by);
			if (!strstr(text, wanted))
				fail_msg("%zu:\n%s", i, text);
		} else {
			assert_null(strstr(text, "/root/path: open_tree("));
		}
		arena_free(&a);
	}
}

static void test_hot(void **state)
{
	_cleanup_json_ json_t *o = json_pack("{s:s, s:s, s:s, s:[s, s, s]}", "source", "src",
					     "destination", "/a//b/", "type", "bind", "options", "rbind",
					     "rro", "idmap");
	_cleanup_json_ json_t *fs = json_pack("{s:s, s:s}", "destination", "/x", "type", "tmpfs");
	_cleanup_json_ json_t *shared = json_pack("{s:s, s:s, s:[s, s]}", "source", "/s", "destination",
						  "/x", "options", "bind", "rshared");
	_cleanup_json_ json_t *again = json_pack("{s:s, s:[s, s]}", "destination", "/x", "options",
						 "bind", "remount");
	_cleanup_json_ json_t *slave = json_pack("{s:s, s:s, s:[s, s, s]}", "source", "/s", "destination",
						 "/y", "options", "bind", "private", "rslave");
	_cleanup_json_ json_t *device = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i}", "path",
						  "/dev//new/tun", "type", "c", "major", 10, "minor", 200,
						  "fileMode", 0660, "uid", 3);
	const struct ns_mount dev = { .destination = "/dev", .source = "/dev", .flags.bind = true };
	const struct ns_spec hostly = { .mounts = &dev, .mount_count = 1 };
	struct ns_hot hot = { .pid = 77 };
	struct ns_device d = { 0 };
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct ns_mount m;
	struct plan p, other;

	(void)state;
	plan_init(&p, &a);
	hot.slot_pidfd = plan_new_slot(&p, "container");
	assert_int_equal(ns_parse_hot(fs, "/cwd", true, &a, &m, &e), -EINVAL);
	assert_int_equal(ns_parse_hot(shared, "/cwd", true, &a, &m, &e), -EINVAL);
	assert_int_equal(ns_parse_hot(again, "/cwd", true, &a, &m, &e), -EINVAL);
	assert_int_equal(ns_parse_hot(o, "/cwd", false, &a, &m, &e), -EINVAL); /* idmap needs ids */
	assert_int_equal(ns_parse_hot(o, "/cwd", true, &a, &m, &e), 0);
	ns_plan_hot_add(&p, &hot, &m);
	ns_plan_hot_remove(&p, &hot, m.destination, false, 1234);
	assert_int_equal(ns_parse_hot(slave, "/cwd", true, &a, &m, &e), 0);
	plan_init(&other, &a);
	ns_plan_hot_add(&other, &hot, &m);
	assert_int_equal(plan_check(&other, &e), 0);
	/* A device: its node, taken off again; in a user namespace the host's, bound. */
	assert_int_equal(ns_parse_hot_device(device, &hostly, &a, &d, &e), -EINVAL);
	assert_int_equal(ns_parse_hot_device(device, &(struct ns_spec){ 0 }, &a, &d, &e), 0);
	/* Without a right to make it, it is the host's that is bound; but not into the host's /dev. */
	assert_true(ns_device_is_bound(&(struct ns_spec){ 0 }, &(struct host){ 0 }, &d));
	assert_false(ns_device_is_bound(&hostly, &(struct host){ 0 }, &d));
	ns_plan_hot_node(&p, &hot, &d);
	ns_plan_hot_unnode(&p, &hot, &d);
	hot.root_uid = hot.root_gid = 100000;
	ns_plan_hot_bound(&p, &hot, &d, "/dev/net/tun");
	assert_int_equal(plan_check(&p, &e), 0);
	render(&p);
	compare(DATA "ns-hot.plan");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default), cmocka_unit_test(test_everything),
		cmocka_unit_test(test_overlay), cmocka_unit_test(test_join),
		cmocka_unit_test(test_hot), cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_last_steps), cmocka_unit_test(test_below_new_dev),
		cmocka_unit_test(test_who_clones_the_root), cmocka_unit_test(test_console_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
