/*
 * annotations.c - the annotations of config.json that kist acts upon.
 */
#include "runtime/annotations.h"

#include <string.h>

#include "base/json.h"
#include "cgroup/systemd.h"
#include "runtime/hooks.h"

static const char *const unsafe[] = {
	ANNOTATION_KEEP_GROUPS,
	SYSTEMD_PROPERTY_PREFIX,
	HOOK_ANNOTATION_STDOUT,
	HOOK_ANNOTATION_STDERR,
	ANNOTATION_IMAGE,
	ANNOTATION_STORE,
	ANNOTATION_WRITABLE,
	ANNOTATION_NET,
	ANNOTATION_PUBLISH,
	ANNOTATION_RATE,
};

const char *annotation_unsafe_name(size_t i)
{
	return i < sizeof unsafe / sizeof *unsafe ? unsafe[i] : NULL;
}

int annotation_flag(const json_t *config, const char *name, bool *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");
	const char *text;
	json_t *all = NULL;
	int r = json_get_object(config, &root, "annotations", &all, e);

	*ret = false;
	if (r > 0)
		r = json_get_string(all, &at, name, &text, e);
	if (r <= 0)
		return r;
	if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0) {
		*ret = true;
		return 0;
	}
	if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
		return 0;
	at = json_at_key(&at, name);
	return json_bad(e, &at, "must be 1 or 0, not \"%.32s\"", text);
}

int annotations_refuse(const json_t *config, struct err *e)
{
	static const struct {
		const char *key, *fix;
	} refused[] = {
		{ "run.oci.delegate-cgroup", "a read-write cgroup mount gives the container its own "
					     "cgroup; leave the annotation out" },
		{ "run.oci.handler", "kist runs processes, no virtual machines and no wasm" },
		{ "run.oci.pidfd_receiver", "use --pidfd-socket" },
		{ "run.oci.seccomp.plugins", "an agent on linux.seccomp.listenerPath does the same" },
		{ "run.oci.seccomp.receiver", "use linux.seccomp.listenerPath" },
		{ "run.oci.seccomp_bpf_data", "use linux.seccomp" },
		{ "run.oci.seccomp_fail_unknown_syscall", "name only syscalls that libseccomp knows" },
		{ "run.oci.systemd.force_cgroup_v1", "there is no cgroup v1" },
		{ "run.oci.timens_offset", "use linux.timeOffsets" },
	};
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");
	const json_t *all = json_object_get(config, "annotations");

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		const char *text = json_string_value(json_object_get(all, refused[i].key));
		struct json_at here = json_at_key(&at, refused[i].key);

		if (!text || !*text)
			continue;
		json_bad(e, &here, "is not supported");
		return err_fix(e, "%s", refused[i].fix);
	}
	return 0;
}
