/*
 * spec.h - config.json as a whole: each domain's slice, parsed.
 */
#pragma once
#include <jansson.h>
#include <limits.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/host.h"
#include "cgroup/cgroup.h"
#include "net/devices.h"
#include "ns/spec.h"
#include "runtime/hooks.h"
#include "runtime/linux_process.h"
#include "runtime/process.h"
#include "runtime/seccomp.h"

#define SPEC_OCI_VERSION     "1.3.0" /* the runtime-spec whose rules kist follows */
#define SPEC_OCI_VERSION_MIN "1.0.0"

struct container_spec {
	json_t *config;     /* owned */
	char *config_text;  /* owned; as it is stored at create */
	const char *bundle; /* absolute */
	struct ns_spec ns;
	struct cgroup_spec cgroup;
	struct process_spec process;
	struct hooks_spec hooks;
	struct linux_process_spec linux_process;
	struct net_devices net_devices;
	struct seccomp_filter seccomp;
	bool has_seccomp;
};

/* Only the text: DIR/config.json, or `file`. absolute: the bundle's path. New reference. */
int spec_read(const char *bundle, const char *file, char absolute[PATH_MAX], json_t **ret, struct err *e);
/* Reads DIR/config.json, or `file` (relative to here; NULL: none), and parses it, with one more mount
 * (NULL: none; takes over the reference). `id` names the default cgroup. */
int spec_load(const char *bundle, const char *file, json_t *mount, const char *id, struct arena *a,
	      struct container_spec *ret, struct err *e);
/* Parses a configuration made in memory; takes over the reference. bundle is absolute. */
int spec_parse(json_t *config, const char *bundle, const char *id, struct arena *a,
	       struct container_spec *ret, struct err *e);
/* The same for who parses many: a seccomp object that is the very one of `known` (NULL: none) is not
 * parsed and compiled again, nor made text of. */
struct spec_known {
	json_t *seccomp;
	const char *text; /* the same as text; NULL: made anew */
	struct seccomp_filter filter;
};
int spec_parse_knowing(json_t *config, const char *bundle, const char *id, struct arena *a,
		       const struct spec_known *known, struct container_spec *ret, struct err *e);
void spec_free(struct container_spec *s);
#define _cleanup_spec_ __attribute__((cleanup(spec_free)))
/* Who makes the cgroup: kist itself, or the systemd that is there (--systemd-cgroup). After the
 * spec was loaded, before it is checked. */
int spec_use_systemd(struct container_spec *s, const char *id, const struct host *h, struct arena *a,
		     struct err *e);
/* What depends on who asks: where the cgroup is, and whether there is one. `tolerant`: see
 * cgroup_settle(). Before spec_check(). */
int spec_settle(struct container_spec *s, const struct host *h, bool tolerant, struct arena *a,
		struct err *e);
/* What this host can't do of it, said before anything is made. */
int spec_check_groups(const struct container_spec *s, const struct host *h, struct err *e);
/* Labels or Landlock: wants host_probe_more(). */
bool spec_asks_security(const struct container_spec *s);
int spec_check(const struct container_spec *s, const struct host *h, struct err *e);
/* Tells what was tolerated: fields of cgroup v1, unknown capabilities. `usual`: runc's own
 * configurations and buildah's have it, so that nobody wants to read it at each start. */
void spec_warn(const struct container_spec *s,
	       void (*warn)(void *user, bool usual, const char *text), void *user);
/* The default configuration, as `kist spec` prints it. New reference. */
json_t *spec_default(bool rootless);
