/*
 * test_mounts.c - one mount of the config as steps: each word where it takes effect, on each kind
 * of host.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/magic.h>
#include <sys/mount.h>

#include "base/json.h"
#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

static const struct host root = { .root = true, .cgroup_mount = "/cg" };
static const struct host bare = { .root = true };
static const struct host user = { .uid = 1000 };
static const struct host jailed = { .userns_root = true,
				    .own_mounts = true,
				    .cgroup_mount = "/cg" };

#define PLAIN "\"linux\": {\"namespaces\": [{\"type\": \"mount\"}]}, "
#define USERNS                                                                                     \
	"\"linux\": {\"namespaces\": [{\"type\": \"user\"}, {\"type\": \"mount\"}],"               \
	"\"uidMappings\": [{\"containerID\": 0, \"hostID\": 1000, \"size\": 1}],"                  \
	"\"gidMappings\": [{\"containerID\": 0, \"hostID\": 1000, \"size\": 1}]}, "
#define JOINED                                                                                     \
	"\"linux\": {\"namespaces\": [{\"type\": \"user\", \"path\": \"/proc/7/ns/user\"},"        \
	"{\"type\": \"network\", \"path\": \"/proc/7/ns/net\"}, {\"type\": \"mount\"}]}, "
#define JOINED_USER                                                                                \
	"\"linux\": {\"namespaces\": [{\"type\": \"user\", \"path\": \"/proc/7/ns/user\"},"        \
	"{\"type\": \"mount\"}]}, "
#define CGROUPNS "\"linux\": {\"namespaces\": [{\"type\": \"cgroup\"}, {\"type\": \"mount\"}]}, "
#define LABEL                                                                                      \
	"\"linux\": {\"mountLabel\": \"a:b:c0,c1\", \"namespaces\": [{\"type\": \"mount\"}]}, "
#define IDS                                                                                        \
	"\"uidMappings\": [{\"containerID\": 0, \"hostID\": 5, \"size\": 9}], "                    \
	"\"gidMappings\": [{\"containerID\": 0, \"hostID\": 5, \"size\": 9}], "

static char text[40000], x300[301];

/* All steps of all its mounts, each with its side and its shell line; or what is wrong with it. */
static const char *plan_of(const char *more, const struct host *h, const char *mount)
{
	_cleanup_json_ json_t *config = NULL;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct buf out = BUF_ON(text);
	struct ns_spec s;
	struct plan p;
	char document[4000];

	snprintf(document, sizeof document,
		 "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"r\"}, %s\"mounts\": [%s]}",
		 *more ? more : PLAIN, mount);
	buf_reset(&out);
	if (json_parse_strict(document, strlen(document), "config.json", &config, &e) < 0 ||
	    ns_parse(config, "/bundle", &a, &s, &e) < 0) {
		err_format(&e, text, sizeof text);
		arena_free(&a);
		return text;
	}
	plan_init(&p, &a);
	for (size_t i = 0; i < s.mount_count; i++)
		ns_plan_one_mount(&p, &s, h, ns_slot(&p, NS_SLOT_ROOT), &s.mounts[i]);
	for (int i = 0; i < p.count; i++) {
		buf_add(&out, p.steps[i].side == SIDE_HOST ? "host " : "guest ");
		plan_show_step(&out, &p, i);
		buf_add_char(&out, '\n');
		if (p.steps[i].op->by_hand) {
			buf_add(&out, "\t");
			p.steps[i].op->by_hand(&out, &p, p.steps[i].args);
			buf_add_char(&out, '\n');
		}
	}
	assert_false(buf_truncated(&out));
	arena_free(&a);
	return text;
}

#define M(rest) "{\"destination\": " rest "}"
#define BIND(d, s, o)                                                                              \
	M("\"" d "\", \"type\": \"bind\", \"source\": \"" s "\", \"options\": [\"rbind\"" o "]")
#define FS(d, t, o) M("\"" d "\", \"type\": \"" t "\", \"source\": \"src\", \"options\": [" o "]")

static const struct {
	const char *more;
	const struct host *h;
	const char *mount;
	const char *has, *has_not; /* NULL: nothing to look for */
} rows[] = {
	/* Where a bind is made. */
	{ "", &root, BIND("/x", "/s", ""), "guest open_tree(AT_FDCWD, \"/s\"", "host" },
	{ USERNS, &root, BIND("/x", "/s", ""), "host open_tree(AT_FDCWD, \"/s\"", NULL },
	{ "", &root, M("\"/x\", \"source\": \"/s\", " IDS "\"options\": [\"bind\"]"),
	  "host open_tree(AT_FDCWD, \"/s\"", NULL },
	{ USERNS, &user, BIND("/x", "/s", ""), "guest open_tree(AT_FDCWD, \"/s\"", "host" },
	/* What of the host's /sys is delegated to the caller stays out of reach. */
	{ USERNS, &user, BIND("/x", "/sys", ", \"ro\""),
	  "AT_RECURSIVE, {attr_set=MOUNT_ATTR_RDONLY", NULL },
	{ USERNS, &user, BIND("/sys", "/other", ", \"ro\""),
	  "AT_RECURSIVE, {attr_set=MOUNT_ATTR_RDONLY", NULL },
	{ USERNS, &user, BIND("/x", "/other", ", \"ro\""), "{attr_set=MOUNT_ATTR_RDONLY",
	  "AT_RECURSIVE, {attr_set" },
	{ USERNS, &user, BIND("/x", "/sys", ""), "AT_RECURSIVE", "attr_set" },
	{ USERNS, &user, M("\"/x\", \"source\": \"/sys\", \"options\": [\"bind\", \"ro\"]"),
	  "{attr_set=MOUNT_ATTR_RDONLY", "AT_RECURSIVE, {attr_set" },
	{ "", &root, BIND("/x", "/sys", ", \"ro\""), "{attr_set=MOUNT_ATTR_RDONLY",
	  "AT_RECURSIVE, {attr_set" },
	/* A label of the config's, unless the mount has its own, or can have none. */
	{ LABEL, &root, FS("/x", "tmpfs", ""), "\"context\", \"a:b:c0,c1\"", NULL },
	{ LABEL, &root, FS("/x", "tmpfs", "\"context=own\""), "\"context\", \"own\"", "a:b" },
	{ LABEL, &root, FS("/x", "tmpfs", "\"context=\\\"o,n\\\"\""), "\"context\", \"o,n\"",
	  "a:b" },
	{ LABEL, &root, FS("/x", "tmpfs", "\"context=\\\"\""), "\"context\", \"\\\"\"", "a:b" },
	{ LABEL, &root, FS("/x", "tmpfs", "\"context=\\\"half\""), "\"context\", \"\\\"half\"",
	  "a:b" },
	{ LABEL, &root, FS("/x", "tmpfs", "\"context=half\\\"\""), "\"context\", \"half\\\"\"",
	  "a:b" },
	{ LABEL, &root, FS("/x", "mqueue", ""), "fsmount", "a:b" },
	{ LABEL, &root, FS("/x", "overlay", "\"lowerdir=/l\", \"volatile\""),
	  "\"lowerdir=/l,volatile,context=\\\"a:b:c0,c1\\\"\"", NULL },
	{ LABEL, &root, FS("/x", "overlay", ""), "\"context=\\\"a:b:c0,c1\\\"\"", NULL },
	{ "", &root, FS("/x", "overlay", "\"defcontext=l,m\", \"other\", \"fscontext=n\", \"rootcontext=o\""),
	  "\"defcontext=\\\"l,m\\\",other,fscontext=\\\"n\\\",rootcontext=\\\"o\\\"\"", NULL },
	{ "", &root, FS("/x", "overlay", ""), "mount(\"src\", \".\", \"overlay\", 0, \"\")", "-o" },
	{ "", &root, FS("/x", "overlay", "\"a\""), "mount -t overlay -o a src .", NULL },
	/* A tmpfs has the owner of what it covers, unless it was given one. */
	{ "", &root, FS("/x", "tmpfs", "\"tmpcopyup\""), "copy_up(<target>, <tree>)", NULL },
	{ "", &root, FS("/x", "tmpfs", "\"tmpcopyup\", \"uid=5\""), "<tree>, but its owner)", NULL },
	{ "", &root, FS("/x", "tmpfs", "\"tmpcopyup\", \"gid=5\""), "<tree>, but its owner)", NULL },
	{ "", &root, FS("/x", "tmpfs", "\"tmpcopyup\", \"mode=700\""), "<tree>, but its mode)", NULL },
	{ "", &root, FS("/x", "tmpfs", "\"mode=755\", \"size=1k\""),
	  "mount -t tmpfs -o mode=755,size=1k src $ROOT/x", "copy_up" },
	{ "", &root, FS("/x", "ext4", "\"errors=panic\", \"noload\", \"sync\", \"ro\""),
	  "\"noload\")", NULL },
	/* What only mount(2) can carry. */
	{ "", &root, FS("/x", "ext4", "\"iversion\", \"ro\", \"sync\", \"noatime\""),
	  "MS_RDONLY|MS_SYNCHRONOUS|MS_NOATIME|MS_I_VERSION", "fsopen" },
	{ "", &root, FS("/x", "sysfs", "\"silent\""), "MS_SILENT", "fsopen" },
	{ "", &root, FS("/x", "sysfs", ""), "fsopen(\"sysfs\"", NULL },
	{ "", &root, FS("/x", "overlay", "\"rslave\""), "MS_SLAVE", NULL },
	/* cgroup2: its own, the host's as a bind, or a new one where the host has none. */
	{ CGROUPNS, &root, FS("/x", "cgroup", "\"ro\""), "fsopen(\"cgroup2\"", NULL },
	{ "", &bare, FS("/x", "cgroup", "\"ro\""), "fsopen(\"cgroup2\"", NULL },
	{ "", &root, FS("/x", "cgroup2", ""), "open_tree(AT_FDCWD, \"/cg\"", "RDONLY" },
	{ USERNS, &bare, FS("/x", "cgroup", "\"rw\""), "open_tree(AT_FDCWD, \"/sys/fs/cgroup\"",
	  NULL },
	{ USERNS, &bare, FS("/x", "cgroup", "\"rw\""), "attr_set=MOUNT_ATTR_RDONLY", NULL },
	{ "", &user, FS("/x", "cgroup", ""), "attr_set=MOUNT_ATTR_RDONLY", NULL },
	/* sysfs is the network namespace's. */
	{ JOINED, &root, FS("/x", "sysfs", ""), "fsopen(\"sysfs\"", NULL },
	{ JOINED_USER, &root, FS("/x", "sysfs", ""), "host open_tree(AT_FDCWD, \"/sys\"",
	  "fsopen" },
	{ "", &user, FS("/x", "sysfs", "\"noatime\""), "guest open_tree(AT_FDCWD, \"/sys\"",
	  "NOATIME" },
	{ "", &jailed, FS("/x", "sysfs", "\"noatime\""),
	  "attr_set=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOATIME, attr_clr=MOUNT_ATTR__ATIME", NULL },
	{ "", &jailed, FS("/x", "sysfs", ""), "attr_set=MOUNT_ATTR_RDONLY", "attr_clr" },
	/* A remount of the mount alone, or of its filesystem. */
	{ "", &root, FS("/x", "tmpfs", "\"remount\", \"ro\""), "\"ro\")", NULL },
	{ "", &root, FS("/x", "tmpfs", "\"remount\", \"rw\""), "\"rw\")", NULL },
	{ "", &root, FS("/x", "tmpfs", "\"remount\", \"size=1k\""), "fspick(", "setattr" },
	{ "", &root, FS("/x", "tmpfs", "\"remount\", \"bind\", \"rnosuid\""),
	  "AT_RECURSIVE, {attr_set=MOUNT_ATTR_NOSUID", "fspick" },
	{ "", &root, M("\"/x\", \"options\": [\"remount\", \"size=1k\"]"),
	  "FSCONFIG_CMD_RECONFIGURE", NULL },
	{ "", &root, M("\"/\", \"options\": [\"remount\", \"ro\"]"), "FSCONFIG_CMD_RECONFIGURE",
	  NULL },
	/* No source is the type's name. */
	{ "", &root, M("\"/x\", \"type\": \"tmpfs\""), "\"source\", \"tmpfs\"", NULL },
	{ "", &root, M("\"/x\", \"type\": \"tmpfs\", \"source\": \"\""), "\"source\", \"tmpfs\"",
	  NULL },
	/* Words that say the same twice, or take each other back. */
	{ "", &root, FS("/x", "ext4", "\"dirsync\", \"dirsync\", \"sync\", \"async\""),
	  "\"async\")", "\"sync\")" },
	{ "", &root, FS("/x", "tmpfs", "\"silent\", \"loud\""), "fsopen(", "guest mount(" },
	{ USERNS, &root, BIND("/x", "/s", ", \"ridmap\", \"ridmap=uids=0-5-1;gids=0-5-1\""),
	  "AT_EMPTY_PATH|AT_RECURSIVE, {attr_set=MOUNT_ATTR_IDMAP", NULL },
	/* Only there a procfs may be what is mounted on. */
	{ "", &root, M("\"/proc\", \"type\": \"proc\""), "make_target(<root>, \"/proc\"", "not on procfs" },
	{ "", &root, BIND("/proc/stat", "/s", ""), "make_target(<root>, \"/proc/stat\"", "not on procfs" },
	{ "", &root, BIND("/process", "/s", ""), "not on procfs", NULL },
	/* None of it. */
	{ "", &root, "", "", "(" },
	/* Refused, where it stands. */
	{ "", &root, FS("/x", "tmpfs", "\"slave\", \"slave\", \"slave\", \"slave\", \"slave\""),
	  "/mounts/0/options/4: too many propagation options", NULL },
	{ "", &root, M("\"/\", \"type\": \"tmpfs\""), "/mounts/0/destination: a mount at /", NULL },
	{ "", &root, FS("/x", "tmpfs", "\"iversionx=1\", \"remount\", \"iversion\""),
	  "/mounts/0/options/2: iversion is for a new", NULL },
	{ "", &root, FS("/x", "cgroup", "\"iversion\""), "/mounts/0/options/0: iversion is for",
	  NULL },
	{ "", &root, BIND("/x", "/s", ", \"x=1\""), "/mounts/0/options/1: \"x\" is no option",
	  NULL },
	{ "", &root, FS("/x", "tmpfs", "\"copy-symlink\""), "copy-symlink is for a new bind",
	  NULL },
	{ "", &root, FS("/x", "tmpfs", "\"src-nofollow\", \"bind\", \"remount\""),
	  "/mounts/0/options/0: src-nofollow is for a new bind", NULL },
};

static void each_word(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *got = plan_of(rows[i].more, rows[i].h, rows[i].mount);

		if (strstr(got, rows[i].has) && !(rows[i].has_not && strstr(got, rows[i].has_not)))
			continue;
		print_error("%s%s\nhas not \"%s\", or has \"%s\":\n%s\n", rows[i].more,
			    rows[i].mount, rows[i].has, rows[i].has_not ? rows[i].has_not : "", got);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* fsconfig(2) takes no string of more than 255 bytes. */
static void long_strings(void **state)
{
	static const char *const before[] = { "\"source\": \"", "\"options\": [\"",
					      "\"options\": [\"a=" };
	static const char *const after[] = { "\"", "\"]", "\"]" };
	char mount[500];

	(void)state;
	memset(x300, 'x', 300);
	for (size_t i = 0; i < 6; i++) {
		snprintf(mount, sizeof mount, "{\"destination\": \"/x\", \"type\": \"tmpfs\", %s%s%s}",
			 before[i / 2], i & 1 ? x300 + 45 : x300, after[i / 2]);
		assert_non_null(strstr(plan_of("", &root, mount),
				       i & 1 ? "guest fsopen(" : "guest mount("));
	}
}

/* Too much of what is not too much one by one. */
static void sizes(void **state)
{
	static char path[5000], value[3000];
	const char *two[] = { value, value }, *many[NS_OPTIONS_MAX + 1];
	struct ns_mount_flags f;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	json_t *config;
	struct ns_spec s;

	(void)state;
	memset(value, 'v', sizeof value - 1);
	assert_int_equal(ns_mount_options_parse(two, 1, "/o", &a, &f, &e), 0);
	assert_int_equal(ns_mount_options_parse(two, 2, "/o", &a, &f, &e), -EINVAL);
	assert_string_equal(e.where, "/o/1");
	for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
		many[i] = "ro";
	err_clear(&e);
	assert_int_equal(ns_mount_options_parse(many, NS_OPTIONS_MAX, "/o", &a, &f, &e), 0);
	assert_int_equal(ns_mount_options_parse(many, NS_OPTIONS_MAX + 1, "/o", &a, &f, &e), -EINVAL);
	assert_string_equal(e.where, "/o/200");
	memset(path, 'p', sizeof path - 1);
	path[4090] = '\0';
	config = json_pack("{s:s, s:{s:s}, s:{s:[{s:s}]}, s:[{s:s, s:s, s:s}]}", "ociVersion", "1.0.2", "root",
			   "path", "r", "linux", "namespaces", "type", "mount", "mounts", "destination", "/x", "type", "bind", "source",
			   path);
	err_clear(&e);
	assert_int_equal(ns_parse(config, "/bundle", &a, &s, &e), -EINVAL);
	assert_string_equal(e.where, "/mounts/0/source");
	for (int i = 0; i < NS_MOUNTS_MAX; i++)
		json_array_append_new(json_object_get(config, "mounts"), json_object());
	err_clear(&e);
	assert_int_equal(ns_parse(config, "/bundle", &a, &s, &e), -EINVAL);
	assert_string_equal(e.where, "/mounts");
	json_decref(config);
	arena_free(&a);
}

static int named_slot;

static const char *shown(const struct op *op, const void *args, bool by_hand)
{
	struct buf out = BUF_ON(text);
	struct arena a = ARENA_INIT;
	struct plan p;

	plan_init(&p, &a);
	named_slot = plan_new_slot(&p, "named");
	buf_reset(&out);
	(by_hand ? op->by_hand : op->show)(&out, &p, args);
	arena_free(&a);
	return text;
}
#define SHOW(op, type, ...)    shown(&(op), &(const struct type){ __VA_ARGS__ }, false)
#define BY_HAND(op, type, ...) shown(&(op), &(const struct type){ __VA_ARGS__ }, true)

static void what_is_shown(void **state)
{
	(void)state;
	assert_non_null(strstr(SHOW(op_open_tree, op_open_tree_args, -1, "/x", 0, 5),
			       "\"/x\", OPEN_TREE_CLOEXEC)"));
	assert_string_equal(SHOW(op_mount_setattr, op_mount_setattr_args, .slot = -1, .path = "/x",
				 .propagation = MS_SLAVE),
			    "mount_setattr(AT_FDCWD, \"/x\", 0, {propagation=MS_SLAVE})");
	assert_string_equal(SHOW(op_mount_setattr, op_mount_setattr_args, .slot = -1, .path = "/x",
				 .set = MOUNT_ATTR_RDONLY, .propagation = MS_SLAVE),
			    "mount_setattr(AT_FDCWD, \"/x\", 0, {attr_set=MOUNT_ATTR_RDONLY, "
			    "propagation=MS_SLAVE})");
	assert_string_equal(SHOW(op_mount_setattr, op_mount_setattr_args, .slot = -1, .path = "/x",
				 .clr = MOUNT_ATTR_RDONLY, .propagation = MS_SLAVE),
			    "mount_setattr(AT_FDCWD, \"/x\", 0, {attr_clr=MOUNT_ATTR_RDONLY, "
			    "propagation=MS_SLAVE})");
	for (int i = 0; i < 6; i++) {
		static const struct op_mount_setattr_args args[] = {
			{ .path = "/x", .recursive = true, .propagation = MS_PRIVATE },
			{ .path = "/x", .propagation = MS_SLAVE },
			{ .path = "/x", .propagation = MS_SHARED },
			{ .path = "/x", .propagation = MS_UNBINDABLE },
			{ .path = "/x", .set = MOUNT_ATTR_RDONLY },
			{ .path = "/x", .clr = MOUNT_ATTR_RDONLY },
		};
		static const char *const lines[] = {
			"mount --make-rprivate /x",    "mount --make-slave /x",
			"mount --make-shared /x",      "mount --make-unbindable /x",
			"mount -o remount,bind,ro /x", "mount -o remount,bind,defaults /x",
		};

		assert_string_equal(shown(&op_mount_setattr, &args[i], true), lines[i]);
	}
	assert_string_equal(BY_HAND(op_move_mount, op_move_mount_args, 5, 6, "", NULL, NULL), "");
	assert_string_equal(BY_HAND(op_move_mount, op_move_mount_args, 5, 6, "", NULL, "by me"),
			    "by me");
	assert_string_equal(SHOW(op_mount, op_mount_args, "s", "t", "y", MS_RDONLY, NULL),
			    "mount(\"s\", \"t\", \"y\", MS_RDONLY, \"\")");
	assert_string_equal(BY_HAND(op_mount, op_mount_args, "s", "t", "y", 0, NULL),
			    "mount -t y s t");
	assert_string_equal(SHOW(op_umount, op_umount_args, "/x", 0), "umount2(\"/x\", 0)");
	assert_string_equal(BY_HAND(op_umount, op_umount_args, "/x", 0), "umount /x");
	assert_string_equal(BY_HAND(op_umount, op_umount_args, "/x", MNT_DETACH), "umount -l /x");
	assert_string_equal(BY_HAND(op_symlinkat, op_symlinkat_args, "to", PLAN_SLOTS_MAX - 1, "name"), "ln -s to name");
	assert_string_equal(BY_HAND(op_symlinkat, op_symlinkat_args, "to", named_slot, "name"),
			    "ln -s to name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_word),
		cmocka_unit_test(long_strings),
		cmocka_unit_test(sizes),
		cmocka_unit_test(what_is_shown),
	};

	return cmocka_run_group_tests_name("mounts", tests, NULL, NULL);
}
