/* ns/parse*.c, mount_options.c, maps.c: what is accepted, and where errors point. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "ns/builders.h"
#include "ns/spec.h"

#define NS_ALL "\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"pid\"}, {\"type\": \"ipc\"}, " \
	       "{\"type\": \"uts\"}, {\"type\": \"network\"}]"

static int parse(const char *text, struct arena *a, struct ns_spec *s, struct err *e)
{
	_cleanup_json_ json_t *config = NULL;

	err_clear(e);
	assert_int_equal(json_parse_strict(text, strlen(text), "test", &config, e), 0);
	return ns_parse(config, "/bundle", a, s, e);
}

/* A config with `linux` and `top` members; root and all namespaces come by themselves. */
static const char *config(const char *linux_members, const char *top_members)
{
	static char text[8192];

	snprintf(text, sizeof text, "{\"root\": {\"path\": \"r\"}, \"linux\": {%s}%s%s}", linux_members,
		 *top_members ? ", " : "", top_members);
	return text;
}

static void test_refusals(void **state)
{
	static const struct {
		const char *linux_members, *top, *where, *says;
	} bad[] = {
		{ "\"namespaces\": []", "", "/linux/namespaces", "mount namespace is required" },
		{ "\"namespaces\": 3", "", "/linux/namespaces", "array" },
		{ "\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"mount\"}]", "",
		  "/linux/namespaces/1/type", "second" },
		{ "\"namespaces\": [{\"type\": \"mnt\"}]", "", "/linux/namespaces/0/type",
		  "no namespace type" },
		{ "\"namespaces\": [{\"type\": \"mount\", \"path\": \"/x\"}]", "", "/linux/namespaces/0/path",
		  "somebody else" },
		{ "\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"pid\", \"path\": \"x\"}]", "",
		  "/linux/namespaces/1/path", "absolute" },
		{ "\"namespaces\": [{}]", "", "/linux/namespaces/0/type", "required" },
		{ NS_ALL ", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 1, \"size\": 1}]", "",
		  "/linux/uidMappings", "user namespace" },
		{ "\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"user\"}]", "",
		  "/linux/uidMappings", "containerID 0" },
		{ "\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"user\"}], \"uidMappings\": "
		  "[{\"containerID\": 0, \"hostID\": 0, \"size\": 9}]", "", "/linux/gidMappings",
		  "containerID 0" },
		{ NS_ALL ", \"timeOffsets\": {\"monotonic\": {\"secs\": 1}}", "", "/linux/timeOffsets",
		  "time namespace" },
		{ NS_ALL ", \"timeOffsets\": {\"realtime\": {\"secs\": 1}}", "",
		  "/linux/timeOffsets/realtime", "monotonic" },
		{ NS_ALL ", \"maskedPaths\": [\"proc\"]", "", "/linux/maskedPaths/0", "absolute" },
		{ NS_ALL ", \"readonlyPaths\": [\"/a\", \"/b/..\"]", "", "/linux/readonlyPaths/1", "root" },
		{ NS_ALL ", \"rootfsPropagation\": \"public\"", "", "/linux/rootfsPropagation", "public" },
		{ NS_ALL ", \"devices\": [{\"path\": \"/dev/x\", \"type\": \"q\"}]", "",
		  "/linux/devices/0/type", "device type" },
		{ NS_ALL ", \"devices\": [{\"path\": \"/dev/x\", \"type\": \"c\", \"major\": 1}]", "",
		  "/linux/devices/0/minor", "required" },
		{ NS_ALL ", \"devices\": [{\"path\": \"dev/x\", \"type\": \"p\"}]", "", "/linux/devices/0/path",
		  "absolute" },
		{ NS_ALL ", \"devices\": [{\"path\": \"/x\", \"type\": \"p\"}, {\"path\": \"/./x\", "
		  "\"type\": \"p\"}]", "", "/linux/devices/1/path", "second" },
		{ NS_ALL ", \"devices\": [{\"path\": \"/proc/x\", \"type\": \"p\"}]", "",
		  "/linux/devices/0/path", "/proc" },
		{ NS_ALL ", \"sysctl\": {\"kernel.core_pattern\": \"x\"}", "",
		  "/linux/sysctl/kernel.core_pattern", "host" },
		{ NS_ALL ", \"sysctl\": {\"net.ipv4.ip_forward\": 1}", "",
		  "/linux/sysctl/net.ipv4.ip_forward", "string" },
		{ NS_ALL ", \"sysctl\": {\"net.ipv4.ip_forward\": \"1\\n\"}", "",
		  "/linux/sysctl/net.ipv4.ip_forward", "control" },
		{ "\"namespaces\": [{\"type\": \"mount\"}], \"sysctl\": {\"kernel.shmmax\": \"1\"}", "",
		  "/linux/sysctl/kernel.shmmax", "ipc" },
		{ NS_ALL, "\"hostname\": \"a\\nb\"", "/hostname", "control" },
		{ NS_ALL, "\"hostname\": "
		  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "/hostname",
		  "64" },
		{ "\"namespaces\": [{\"type\": \"mount\"}]", "\"domainname\": \"x\"", "/domainname", "uts" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/\", \"type\": \"tmpfs\"}]", "/mounts/0/destination",
		  "root" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\"}]", "/mounts/0/type", "type" },
		{ NS_ALL, "\"mounts\": [{\"type\": \"tmpfs\"}]", "/mounts/0/destination", "required" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"type\": \"bind\"}]", "/mounts/0/source",
		  "source" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"size=1\"]}]", "/mounts/0/options/1", "size" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"type\": \"tmpfs\", \"options\": "
		  "[\"tmpcopyup\", \"silent\"]}]", "/mounts/0/options/0", "silent" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"type\": \"proc\", \"options\": "
		  "[\"tmpcopyup\"]}]", "/mounts/0/options/0", "new tmpfs" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"type\": \"tmpfs\", \"options\": "
		  "[\"remount\", \"tmpcopyup\"]}]", "/mounts/0/options/1", "new tmpfs" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"tmpcopyup\"]}]", "/mounts/0/options/1", "tmpcopyup" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"iversion\"]}]", "/mounts/0/options/1", "iversion" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"options\": [\"remount\", "
		  "\"iversion\"]}]", "/mounts/0/options/1", "iversion" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"lazytime\"]}]", "/mounts/0/options/1", "lazytime" },
		{ NS_ALL ", \"mountLabel\": \"a b\"", "", "/linux/mountLabel", "spaces" },
		{ NS_ALL ", \"mountLabel\": 3", "", "/linux/mountLabel", "string" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"type\": \"tmpfs\", \"options\": "
		  "[\"ro,nosuid\"]}]", "/mounts/0/options/0", "commas" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"type\": \"tmpfs\", \"options\": "
		  "[\"ro\", \"\"]}]", "/mounts/0/options/1", "empty" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"idmap\"]}]", "/mounts/0/options", "idmap" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"type\": \"tmpfs\", \"options\": "
		  "[\"ro\", \"copy-symlink\"]}]", "/mounts/0/options/1", "new bind mount" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/sys/\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"dest-nofollow\"]}]", "/mounts/0/options/1", "not for /sys" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"type\": \"tmpfs\", \"options\": "
		  "[\"idmap=uids=0-0-1;gids=0-0-1\"]}]", "/mounts/0/options", "bind mounts only" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"idmap\", \"ridmap=uids=0-0-1\"]}]", "/mounts/0/options/2",
		  "needs uids= and gids=" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/x\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"idmap=uids=0-0-1;gids=0-0-1\"], \"uidMappings\": [{\"containerID\": 0, "
		  "\"hostID\": 1, \"size\": 1}], \"gidMappings\": [{\"containerID\": 0, \"hostID\": 1, "
		  "\"size\": 1}]}]", "/mounts/0/options/1", "give maps too" },
#define COW(options, rest)                                                                         \
	"\"mounts\": [{\"destination\": \"/x\", \"type\": \"kist-cow\", \"options\": [" options "]" rest "}]"
#define COW_MAPS                                                                                   \
	", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 1, \"size\": 1}], \"gidMappings\": "        \
	"[{\"containerID\": 0, \"hostID\": 1, \"size\": 1}]"
#define COW_OF ", \"source\": \"/s\""
		{ NS_ALL, COW("\"size=1m\", \"lowerdir=/\"", COW_OF COW_MAPS), "/mounts/0/options",
		  "none of size=" },
		{ NS_ALL, COW("\"size=1m\", \"uid\"", COW_OF COW_MAPS), "/mounts/0/options",
		  "none of size=" },
		{ NS_ALL, COW("\"size=1m\", \"uid=-1\"", COW_OF COW_MAPS), "/mounts/0/options",
		  "no id" },
		{ NS_ALL, COW("\"size=1m\", \"gid=x\"", COW_OF COW_MAPS), "/mounts/0/options",
		  "no id" },
		{ NS_ALL, COW("\"uid=0\"", COW_OF COW_MAPS), "/mounts/0/options", "size= is missing" },
		{ NS_ALL, COW("\"size=1m\"", ", \"source\": \"s\"" COW_MAPS), "/mounts/0/source",
		  "absolute" },
		{ NS_ALL, COW("\"size=1m\"", COW_OF), "/mounts/0/uidMappings", "missing" },
		{ NS_ALL, COW("\"size=1m\", \"ridmap\"", COW_OF COW_MAPS), "/mounts/0/uidMappings",
		  "is not for kist-cow" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/a/../proc//\", \"type\": \"tmpfs\"}]",
		  "/mounts/0/type", "proc" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/proc/self/attr\", \"source\": \"/s\", "
		  "\"options\": [\"bind\"]}]", "/mounts/0/destination", "below /proc" },
		{ NS_ALL, "\"mounts\": [{\"destination\": \"/proc/uptime\", \"source\": \"/s\", \"options\": "
		  "[\"bind\", \"copy-symlink\"]}]", "/mounts/0/options/1", "not for /proc/uptime" },
		{ NS_ALL ", \"gidMappings\": [{\"containerID\": 0, \"hostID\": 1, \"size\": 1}]", "",
		  "/linux/gidMappings", "needs a new user namespace" },
		{ "\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"user\", \"path\": \"/u\"}], "
		  "\"uidMappings\": [{\"containerID\": 0, \"hostID\": 1, \"size\": 1}]", "",
		  "/linux/uidMappings", "has its own maps" },
		{ "\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"user\", \"path\": \"\"}], "
		  "\"uidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": 9}], "
		  "\"gidMappings\": [{\"containerID\": 1, \"hostID\": 0, \"size\": 9}]", "",
		  "/linux/gidMappings", "containerID 0" },
		{ NS_ALL ", \"mountLabel\": \"a\\tb\"", "", "/linux/mountLabel", "control" },
		{ NS_ALL ", \"mountLabel\": \"a\\\"b\"", "", "/linux/mountLabel", "quotes" },
		{ NS_ALL, "\"annotations\": {\"run.oci.mount_context_type\": \"x\"}",
		  "/annotations/run.oci.mount_context_type", "rootcontext" },
		{ NS_ALL ", \"sysctl\": {\"kernel.hostname\": \"x\"}", "",
		  "/linux/sysctl/kernel.hostname", "use /hostname" },
		{ NS_ALL ", \"sysctl\": {\"kernel/hostname\": \"x\"}", "",
		  "/linux/sysctl/kernel~1hostname", "use /hostname" },
		{ NS_ALL ", \"sysctl\": {\"\": \"x\"}", "", "/linux/sysctl/", "host" },
		{ "\"namespaces\": [{\"type\": \"mount\"}], \"sysctl\": {\"net.core.somaxconn\": \"1\"}", "",
		  "/linux/sysctl/net.core.somaxconn", "network namespace" },
		{ "\"namespaces\": [{\"type\": \"mount\"}], \"sysctl\": {\"kernel.domainname\": \"x\"}", "",
		  "/linux/sysctl/kernel.domainname", "uts namespace" },
		{ NS_ALL ", \"devices\": [{\"path\": \"/sys/x\", \"type\": \"p\"}]", "",
		  "/linux/devices/0/path", "/sys" },
		{ NS_ALL, "\"root\": {}", NULL, NULL },
	};
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct ns_spec s = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0] && bad[i].where; i++) {
		char text[1500];

		assert_int_equal(parse(config(bad[i].linux_members, bad[i].top), &a, &s, &e), -EINVAL);
		err_format(&e, text, sizeof text);
		if (strcmp(e.where, bad[i].where) != 0 || !strstr(text, bad[i].says))
			fail_msg("case %zu: \"%s\" at %s", i, text, e.where);
		assert_null(s.rootfs); /* untouched */
	}
	arena_free(&a);
}

/* What is a byte, or one, more than is allowed. */
static void test_too_long(void **state)
{
	static const struct {
		const char *before; /* so many bytes */
		int bytes;
		const char *after, *where;
	} bad[] = {
		{ "\"mountLabel\": \"", NS_LABEL_MAX, "\"}, \"root\": {\"path\": \"r\"}", "/linux/mountLabel" },
		{ "\"maskedPaths\": [\"/", PATH_MAX - 2, "\"]}, \"root\": {\"path\": \"r\"}",
		  "/linux/maskedPaths/0" },
		{ "\"sysctl\": {\"kernel.shmmax\": \"", 4095, "\"}}, \"root\": {\"path\": \"r\"}",
		  "/linux/sysctl/kernel.shmmax" },
		{ "\"rootfsPropagation\": \"\"}, \"root\": {\"path\": \"", PATH_MAX - 9, "\"}", "/root/path" },
	};
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct ns_spec s = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		for (int more = 0; more < 2; more++) {
			char text[8192];

			snprintf(text, sizeof text, "{\"linux\": {" NS_ALL ", %s%0*d%s}", bad[i].before,
				 bad[i].bytes + more, 0, bad[i].after);
			assert_int_equal(parse(text, &a, &s, &e), more ? -EINVAL : 0);
			if (more)
				assert_string_equal(e.where, bad[i].where);
		}
	}
	arena_free(&a);
}

/* crun's idmap=. */
static void test_maps_as_text(void **state)
{
	static const struct ns_id_map lines[] = { { 0, 1000, 10 }, { 10, 5000, 10 } };
	static const struct ns_id_maps container = { lines, 2 }, none = { 0 };
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "needs" },
		{ "uids=0-0-1", "needs" },
		{ "uids=;gids=0-0-1", "no range" },
		{ "uids=0-0-1;gids=0-0-1;uids=1-1-1", "once" },
		{ "uids=0-0-1;gids=0-0-1;x=1", "must be" },
		{ "uids=0-0-1 ;gids=0-0-1", "no range" },
		{ "uids=0-0;gids=0-0-1", "no range" },
		{ "uids=0-0-0;gids=0-0-1", "no range" },
		{ "uids=-1-0-1;gids=0-0-1", "no range" },
		{ "uids=0-0-4294967296;gids=0-0-1", "no range" },
		{ "uids=0-0-99999999999;gids=0-0-1", "no range" },
		{ "uids=0-0-1#;gids=0-0-1", "no range" },
		{ "uids=##", "no range" },
		{ "uids=0-4294967294-2;gids=0-0-1", "beyond" },
		{ "uids=4294967295-0-1;gids=0-0-1", "beyond" },
		{ "uids=0-0-2#1-9-1;gids=0-0-1", "overlaps" },
		{ "uids=0-0-2#9-1-1;gids=0-0-1", "overlaps" },
		{ "uids=@0-9-2;gids=0-0-1", "not within" },
		{ "uids=@0-20-1;gids=0-0-1", "not within" },
		{ "uids=@0-0-4294967295;gids=0-0-1", "not within" },
		{ "uids=0-0-1;gids=@0-0-1", "not within" }, /* no maps of groups */
	};
	struct ns_id_maps uid = { 0 }, gid = { 0 };
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	char text[1000], many[8000];
	struct buf b = BUF_ON(many);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err_clear(&e);
		assert_int_equal(ns_maps_parse_text(bad[i].text, &container, &none, "/o", &a, &uid,
						    &gid, &e), -EINVAL);
		err_format(&e, text, sizeof text);
		if (strcmp(e.where, "/o") != 0 || !strstr(text, bad[i].says))
			fail_msg("%s: \"%s\" at %s", bad[i].text, text, e.where);
		assert_int_equal(uid.count + gid.count, 0);
	}
	assert_int_equal(ns_maps_parse_text("gids=7-8-9;uids=0-70-1#@100-5-3#@200-11-9", &container, &none,
					    "/o", &a, &uid, &gid, &e), 0);
	assert_int_equal(uid.count, 3);
	assert_int_equal(gid.count, 1);
	assert_int_equal(uid.line[1].container, 100);
	assert_int_equal(uid.line[1].host, 1005);
	assert_int_equal(uid.line[1].size, 3);
	assert_int_equal(uid.line[2].host, 5001);
	for (int i = 0; i <= NS_MAP_LINES_MAX; i++)
		buf_addf(&b, "%s%d-%d-1", i ? "#" : "gids=0-0-1;uids=", i, i);
	assert_false(buf_truncated(&b));
	assert_int_equal(ns_maps_parse_text(many, &container, &none, "/o", &a, &uid, &gid, &e),
			 -EINVAL);
	arena_free(&a);
}

static void test_accepted(void **state)
{
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct ns_spec s;

	(void)state;
	assert_int_equal(parse(config(NS_ALL ", \"devices\": [{\"path\": \"/dev/null\", \"type\": \"u\", "
		"\"major\": 1, \"minor\": 3, \"fileMode\": 384}], \"sysctl\": "
		"{\"net/ipv4/conf/eth0.5/forwarding\": \"1\\t2\"}, \"readonlyPaths\": [\"/a//b/./c/..\", \"/.a/ab\"], \"rootfsPropagation\": \"\", "
		"\"mountLabel\": \"\"",
		"\"hostname\": \"\", \"annotations\": {\"run.oci.mount_context_type\": \"\"}, \"mounts\": [{\"destination\": \"rel/x\", \"source\": \"src\", "
		"\"options\": [\"rbind\", \"ro\", \"noatime\", \"atime\", \"rslave\", \"rro\"]}, "
		"{\"destination\": \"/proc/cpuinfo\", \"source\": \"/s\", \"options\": [\"bind\"]}]"),
		&a, &s, &e), 0);
	assert_string_equal(s.rootfs, "/bundle/r");
	assert_int_equal(s.new_namespaces,
			 CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET);
	assert_null(s.hostname);
	assert_int_equal(s.device_count, 6); /* replaced, not added */
	assert_int_equal(s.devices[0].mode, 0600);
	assert_int_equal(s.devices[0].type, S_IFCHR);
	assert_string_equal(s.sysctls[0].path, "net/ipv4/conf/eth0.5/forwarding");
	assert_string_equal(s.readonly_paths[0], "/a/b");
	assert_string_equal(s.readonly_paths[1], "/.a/ab");
	assert_string_equal(s.mount_label_option, "context");
	assert_string_equal(s.mounts[0].destination, "/rel/x");
	assert_string_equal(s.mounts[0].source, "/bundle/src");
	assert_true(s.mounts[0].flags.bind && s.mounts[0].flags.recursive);
	assert_int_equal(s.mounts[0].flags.attr_set, MOUNT_ATTR_RDONLY);
	assert_int_equal(s.mounts[0].flags.attr_clr, MOUNT_ATTR__ATIME);
	assert_int_equal(s.mounts[0].flags.rattr_set, MOUNT_ATTR_RDONLY);
	assert_int_equal(s.mounts[0].flags.propagation[0], MS_SLAVE | MS_REC);
	arena_free(&a);
}

static void test_options(void **state)
{
	static const char *const words[] = { "ro", "rw", "sync", "async", "lazytime", "nolazytime",
					     "nosuid", "suid", "strictatime", "relatime", "iversion",
					     "silent", "loud", "nosymfollow", "a=b=c", "flag",
					     "context=\"a:b:c1,c2\"" };
	struct arena a = ARENA_INIT;
	struct ns_mount_flags f;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(ns_mount_options_parse(words, sizeof words / sizeof words[0], "/x", &a, &f, &e), 0);
	/* The last word of each kind counts. */
	assert_int_equal(f.attr_set, MOUNT_ATTR_NOSYMFOLLOW);
	assert_int_equal(f.attr_clr, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR__ATIME);
	assert_int_equal(f.super_count, 2);
	assert_string_equal(f.super[0].key, "async");
	assert_string_equal(f.super[1].key, "nolazytime");
	assert_int_equal(f.classic, MS_I_VERSION);
	assert_int_equal(f.data_count, 3);
	assert_string_equal(f.data[2].value, "a:b:c1,c2");
	assert_string_equal(f.data[0].key, "a");
	assert_string_equal(f.data[0].value, "b=c");
	assert_null(f.data[1].value);
	arena_free(&a);
}

static void test_maps(void **state)
{
	static const struct {
		const char *text;
		const char *where; /* NULL: fine */
	} cases[] = {
		{ "[{\"containerID\": 0, \"hostID\": 4294967294, \"size\": 1}]", NULL },
		{ "[{\"containerID\": 0, \"hostID\": 4294967294, \"size\": 2}]", "/m/0/hostID" },
		{ "[{\"containerID\": 4294967295, \"hostID\": 1, \"size\": 1}]", "/m/0/containerID" },
		{ "[{\"containerID\": 4294967295, \"hostID\": 1, \"size\": 2}]", "/m/0/containerID" },
		{ "[{\"containerID\": 0, \"hostID\": 1, \"size\": 0}]", "/m/0/size" },
		{ "[{\"containerID\": -1, \"hostID\": 1, \"size\": 1}]", "/m/0/containerID" },
		{ "[{\"containerID\": 0, \"hostID\": 4294967296, \"size\": 1}]", "/m/0/hostID" },
		{ "[{\"containerID\": 0, \"hostID\": 1}]", "/m/0/size" },
		{ "[{\"containerID\": 0, \"hostID\": 1, \"size\": 10}, "
		  "{\"containerID\": 9, \"hostID\": 100, \"size\": 1}]", "/m/1/containerID" },
		{ "[{\"containerID\": 0, \"hostID\": 1, \"size\": 10}, "
		  "{\"containerID\": 10, \"hostID\": 10, \"size\": 1}]", "/m/1/hostID" },
		{ "[{\"containerID\": 10, \"hostID\": 11, \"size\": 5}, "
		  "{\"containerID\": 0, \"hostID\": 1, \"size\": 10}]", NULL },
		{ "[7]", "/m/0" },
	};
	struct arena a = ARENA_INIT;
	struct ns_id_maps maps = { 0 };
	struct err e = ERR_INIT;
	json_t *lines = json_array();
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_json_ json_t *v = json_loads(cases[i].text, 0, NULL);

		err_clear(&e);
		assert_int_equal(ns_maps_parse(v, "/m", &a, &maps, &e), cases[i].where ? -EINVAL : 0);
		if (cases[i].where)
			assert_string_equal(e.where, cases[i].where);
	}
	assert_true(ns_map_id(&maps, 14, &id) && id == 15);
	assert_true(ns_map_id(&maps, 9, &id) && id == 10);
	assert_false(ns_map_id(&maps, 15, &id));
	for (int i = 0; i <= NS_MAP_LINES_MAX; i++) {
		json_array_append_new(lines, json_pack("{s:i, s:i, s:i}", "containerID", i, "hostID", i,
						       "size", 1));
		err_clear(&e);
		if (i >= NS_MAP_LINES_MAX - 1)
			assert_int_equal(ns_maps_parse(lines, "/m", &a, &maps, &e),
					 i == NS_MAP_LINES_MAX ? -EINVAL : 0);
	}
	json_decref(lines);
	arena_free(&a);
}

static void test_sysctl_names(void **state)
{
	static const char *const bad[] = {
		"kernel.core_pattern", "net/../kernel/core_pattern", "net", "net.", ".net.x", "net..x",
		"kernel.shm_rmid_forced+kernel.core_pattern", "/net/x", "net/x/", "net/./x", "kernel.shm",
		"fs.mqueue", "fs.mqueuex.y", "net.a b", "net.a\nb", "", "user.max_user_namespaces",
		"kernel.shmmax.x", "vm.overcommit_memory",
	};
	unsigned int needs;
	char path[256], longer[300];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (ns_sysctl_find(bad[i], path, sizeof path, &needs))
			fail_msg("\"%s\" was taken for %s", bad[i], path);
	snprintf(longer, sizeof longer, "net.%0*d", (int)sizeof path - 5, 0);
	assert_true(ns_sysctl_find(longer, path, sizeof path, &needs));
	snprintf(longer, sizeof longer, "net.%0*d", (int)sizeof path - 4, 0);
	assert_false(ns_sysctl_find(longer, path, sizeof path, &needs));
	assert_true(ns_sysctl_find("net.ipv4.ip_forward", path, sizeof path, &needs));
	assert_string_equal(path, "net/ipv4/ip_forward");
	assert_int_equal(needs, CLONE_NEWNET);
	assert_true(ns_sysctl_find("kernel/shmmax", path, sizeof path, &needs));
	assert_int_equal(needs, CLONE_NEWIPC);
	/* sysctl(8): after a dot separator a slash stands for a dot. */
	assert_true(ns_sysctl_find("net.ipv4.conf.eth0/5.forwarding", path, sizeof path, &needs));
	assert_string_equal(path, "net/ipv4/conf/eth0.5/forwarding");
}

static void test_check(void **state)
{
	struct host user = { .uid = 1000, .gid = 1000 }, root = { .root = true };
	struct ns_id_map own = { 0, 1000, 1 }, many = { 0, 1000, 2 };
	struct ns_spec s = { .new_namespaces = CLONE_NEWNS };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(ns_check(&s, &root, &e), 0);
	assert_int_equal(ns_check(&s, &user, &e), -EPERM);
	assert_string_equal(e.where, "/linux/namespaces");
	s.new_namespaces |= CLONE_NEWUSER;
	s.uid_maps = (struct ns_id_maps){ &own, 1 };
	s.gid_maps = (struct ns_id_maps){ &many, 1 };
	err_clear(&e);
	assert_int_equal(ns_check(&s, &user, &e), -EPERM);
	assert_string_equal(e.where, "/linux/gidMappings");
	assert_non_null(strstr(e.fix, "uidmap"));
	assert_false(ns_setgroups_denied(&s, &user)); /* newgidmap's to decide */
	user.idmap_helpers = true;
	assert_int_equal(ns_check(&s, &user, &e), 0);
	user.idmap_helpers = false;
	s.gid_maps = s.uid_maps;
	assert_int_equal(ns_check(&s, &user, &e), 0);
	s.mount_label = "system_u:object_r:container_file_t:s0:c1,c2";
	assert_int_equal(ns_check(&s, &root, &e), -EPERM);
	assert_string_equal(e.where, "/linux/mountLabel");
	root.selinux = true;
	assert_int_equal(ns_check(&s, &root, &e), 0);
	assert_true(ns_setgroups_denied(&s, &user));
	assert_false(ns_setgroups_denied(&s, &root));
}

/* Root of a user namespace maps what it likes; rights over the host's namespaces it has not. */
static void test_check_rights(void **state)
{
	const struct host nested = { .userns_root = true }, user = { .uid = 1000, .gid = 1000 };
	struct host denied = nested;
	struct ns_id_map many = { 0, 5, 10 }, own = { 0, 1000, 1 };
	struct ns_mount mount = { .why = "/mounts/0", .flags.idmap = true };
	struct ns_spec s = { .new_namespaces = CLONE_NEWUSER, .uid_maps = { &many, 1 },
			     .gid_maps = { &many, 1 } };
	struct ns_spec joins = { .join_namespaces = CLONE_NEWNET };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(ns_check(&s, &nested, &e), 0);
	assert_int_equal(ns_check(&joins, &nested, &e), 0);
	denied.setgroups_denied = true;
	assert_true(ns_setgroups_denied(&s, &denied));
	assert_int_equal(ns_check(&joins, &user, &e), -EPERM);
	assert_non_null(strstr(e.context[0], "rootless container requires user namespaces"));
	joins.new_namespaces = CLONE_NEWUSER;
	joins.uid_maps = joins.gid_maps = (struct ns_id_maps){ &own, 1 };
	err_clear(&e);
	assert_int_equal(ns_check(&joins, &user, &e), -EPERM);
	assert_non_null(strstr(e.context[0], "together with the user namespace"));
	joins.new_namespaces = 0;
	joins.join_namespaces |= CLONE_NEWUSER;
	assert_int_equal(ns_check(&joins, &user, &e), 0);
	s.mounts = &mount;
	s.mount_count = 1;
	err_clear(&e);
	assert_int_equal(ns_check(&s, &nested, &e), -EPERM);
	assert_string_equal(e.where, "/mounts/0");
	s.mount_count = 0;
	s.time_offsets = "monotonic 1 0";
	err_clear(&e);
	assert_int_equal(ns_check(&s, &nested, &e), -EPERM);
	assert_string_equal(e.where, "/linux/timeOffsets");
}

static void setting(const char *dir, const char *name, const char *value)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	for (char *slash = strchr(path + strlen(dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", value);
	fclose(file);
}

/* Which setting forbids user namespaces, looked up in a /proc made by hand. */
static void test_obstacles(void **state)
{
	static const struct {
		const char *file, *harmless, *forbids, *fix;
	} cases[] = {
		{ "sys/kernel/unprivileged_userns_clone", "1", "0", "unprivileged_userns_clone=1" },
		{ "sys/user/max_user_namespaces", "100", "0", "user.max_user_namespaces=" },
		{ "sys/kernel/apparmor_restrict_unprivileged_userns", "0", "1", "AppArmor" },
	};
	char dir[] = "/tmp/kist-test-proc.XXXXXX", command[64];
	int proc;

	(void)state;
	assert_non_null(mkdtemp(dir));
	proc = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = ERR_INIT;

		setting(dir, cases[i].file, cases[i].harmless);
		err_set(&e, EPERM, "clone3");
		ns_userns_obstacle(proc, &e);
		assert_string_equal(e.fix, "");
		setting(dir, cases[i].file, cases[i].forbids);
		ns_userns_obstacle(proc, &e);
		if (!strstr(e.fix, cases[i].fix))
			fail_msg("%s: %s", cases[i].file, e.fix);
		setting(dir, cases[i].file, cases[i].harmless);
	}
	close(proc);
	snprintf(command, sizeof command, "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_maps_as_text),
		cmocka_unit_test(test_options),	 cmocka_unit_test(test_maps),
		cmocka_unit_test(test_sysctl_names), cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_rights), cmocka_unit_test(test_obstacles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
