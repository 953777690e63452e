/*
 * info.c - this host as kist sees it: what host_probe() found, and the namespaces there are.
 */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "ns/spec.h"

static const char *caller(const struct host *h)
{
	return h->root ? "root" : h->userns_root ? "root of a user namespace" : "a user";
}

static json_t *namespaces(void)
{
	json_t *list = json_array();

	for (int kind = 0; kind < NS_KINDS; kind++) {
		char path[64];

		snprintf(path, sizeof path, "/proc/self/ns/%s", ns_kind_info[kind].proc);
		if (access(path, F_OK) == 0)
			json_array_append_new(list, json_string(ns_kind_info[kind].json));
	}
	return list;
}

static json_t *controllers(uint32_t bits)
{
	json_t *list = json_array();
	char text[96];

	for (uint32_t bit = 1; bit; bit <<= 1)
		if (bits & bit)
			json_array_append_new(list, json_string(host_controller_names(bit, text)));
	return list;
}

static json_t *info(const struct host *h)
{
	struct utsname uts = { 0 };

	uname(&uts);
	return json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:i, s:i},"
			 " s:{s:s, s:b, s:o, s:b, s:s}, s:o, s:{s:b, s:b, s:i, s:i}}",
			 "version", KIST_VERSION, "ociVersion", SPEC_OCI_VERSION, "kernel",
			 uts.release, "machine", uts.machine, "caller", "is", caller(h), "uid",
			 (int)h->uid, "gid", (int)h->gid, "cgroup", "mount", h->cgroup_mount,
			 "hybrid", h->cgroup_hybrid, "controllers", controllers(h->controllers),
			 "writable", h->cgroup_writable, "base",
			 h->cgroup_base[0] ? h->cgroup_base : "/", "namespaces", namespaces(),
			 "security", "apparmor", h->apparmor, "selinux", h->selinux, "landlockABI",
			 h->landlock_abi, "lastCapability", h->last_cap);
}

static void print_value(const json_t *value)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value))
		printf("%s", json_string_length(value) ? json_string_value(value) : "none");
	else if (json_is_integer(value))
		printf("%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		printf("%s", json_is_true(value) ? "yes" : "no");
	else if (json_array_size(value) == 0)
		printf("none");
	json_array_foreach(value, i, item) printf("%s%s", i ? " " : "", json_string_value(item));
}

static void print_text(json_t *object, const char *above)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (json_is_object(value)) {
			print_text(value, key);
			continue;
		}
		printf("%s%s%s: ", above ? above : "", above ? " " : "", key);
		print_value(value);
		putchar('\n');
	}
}

int command_info(int argc, char **argv)
{
	bool as_json = false;
	const struct option table[] = {
		{ "json", 0, OPTION_FLAG, &as_json, NULL, "as JSON" },
	};
	struct err e = ERR_INIT;
	struct host host;
	int status;
	json_t *object;

	if (cli_parse(cli_find("info"), table, 1, argc, argv, &status) < 0)
		return status;
	if (host_probe(&host, &e) < 0)
		return cli_fail(&e, 1);
	object = info(&host);
	if (!object) {
		err_set(&e, ENOMEM, "cannot print what is known of this host");
		return cli_fail(&e, 1);
	}
	if (as_json) {
		json_dumpf(object, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_text(object, NULL);
	}
	json_decref(object);
	if (fflush(stdout) != 0) {
		err_set(&e, errno, "cannot print what is known of this host");
		return cli_fail(&e, 1);
	}
	return 0;
}
