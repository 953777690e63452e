/*
 * features.c - what this runtime can do, as features.md of the specification wants it said.
 */
#include "runtime/features.h"

#include "cgroup/cgroup.h"
#include "ns/spec.h"
#include "runtime/annotations.h"
#include "runtime/caps.h"
#include "runtime/hooks.h"
#include "runtime/linux_process.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_abi.h"
#include "runtime/spec.h"

static json_t *list(const char *(*name)(size_t))
{
	json_t *array = json_array();

	for (size_t i = 0; name(i); i++)
		json_array_append_new(array, json_string(name(i)));
	return array;
}

static const char *hook_name(size_t i)
{
	return i < HOOK_KINDS ? hook_kind_names[i] : NULL;
}

static const char *namespace_name(size_t i)
{
	return i < NS_KINDS ? ns_kind_info[i].json : NULL;
}

static const char *capability_name(size_t i)
{
	return caps_name((int)i);
}

static json_t *seccomp_archs(void)
{
	json_t *array = json_array();

	for (size_t i = 0; seccomp_abi_name(i); i++)
		json_array_append_new(array, json_sprintf("SCMP_ARCH_%s", seccomp_abi_name(i)));
	return array;
}

static json_t *seccomp_features(void)
{
	json_t *works = json_array();

	for (size_t i = 0; seccomp_flag_name(i); i++)
		if (seccomp_flag_works(i))
			json_array_append_new(works, json_string(seccomp_flag_name(i)));
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "enabled", 1, "actions",
			 list(seccomp_action_name), "operators", list(seccomp_operator_name),
			 "archs", seccomp_archs(), "knownFlags", list(seccomp_flag_name),
			 "supportedFlags", works);
}

static json_t *enabled(bool is)
{
	return json_pack("{s:b}", "enabled", is);
}

static json_t *linux_features(void)
{
	json_t *cgroup = json_pack("{s:b, s:b, s:b, s:b, s:b}", "v1", 0, "v2", 1, "systemd", 1,
				   "systemdUser", 1, "rdma", 1);
	json_t *o = json_pack("{s:o, s:o, s:o, s:o}", "namespaces", list(namespace_name),
			      "capabilities", list(capability_name), "cgroup", cgroup, "seccomp",
			      seccomp_features());

	json_object_set_new(o, "apparmor", enabled(true));
	json_object_set_new(o, "selinux", enabled(true));
	json_object_set_new(
		o, "intelRdt",
		json_pack("{s:b, s:b, s:b}", "enabled", 0, "schemata", 0, "monitoring", 0));
	json_object_set_new(o, "memoryPolicy",
			    json_pack("{s:o, s:o}", "modes", list(memory_policy_mode_name), "flags",
				      list(memory_policy_flag_name)));
	json_object_set_new(o, "mountExtensions", json_pack("{s:o}", "idmap", enabled(true)));
	json_object_set_new(o, "netDevices", enabled(true));
	return o;
}

static json_t *own_annotations(void)
{
	return json_pack("{s:s}", "org.kist.version", KIST_VERSION);
}

json_t *features_json(void)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "ociVersionMin",
			 SPEC_OCI_VERSION_MIN, "ociVersionMax", SPEC_OCI_VERSION, "hooks",
			 list(hook_name), "mountOptions", list(ns_mount_option_name), "linux",
			 linux_features(), "annotations", own_annotations(),
			 "potentiallyUnsafeConfigAnnotations", list(annotation_unsafe_name));
}
