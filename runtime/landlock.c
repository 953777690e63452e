/*
 * landlock.c - landlock(7): what the container's processes may do with its files, by annotation.
 */
#include "runtime/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"

/* Newer than Debian 12's headers. */
#define ACCESS_TRUNCATE	 (1ULL << 14)
#define ACCESS_IOCTL_DEV (1ULL << 15)

#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define SCOPE_SIGNAL		   (1ULL << 1)

/* struct landlock_ruleset_attr, as far as ABI 6 has it. */
struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

#define ACCESS_READ                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* What a rule on something that is no folder may hold. */
#define ACCESS_FILE                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                               \
	 LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)

/* All rights that the kernel of this ABI knows: what is not handled is not restricted. */
static uint64_t all_access(int abi)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all |= ACCESS_TRUNCATE;
	if (abi >= 5)
		all |= ACCESS_IOCTL_DEV;
	return all;
}

/* --- parsing ------------------------------------------------------------------ */

static int parse_list(const json_t *annotations, const struct json_at *at, const char *key,
		      bool write, struct arena *a, struct landlock_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	const char *text = "";
	int r = json_get_string(annotations, at, key, &text, e);

	if (r <= 0)
		return r;
	for (const char *p = text;; p++) {
		size_t len = strcspn(p, ":");

		if (p[0] != '/')
			return json_bad(e, &here, "must be absolute paths with : between them");
		if (s->count == LANDLOCK_PATHS_MAX)
			return json_bad(e, &here, "more than %d paths", LANDLOCK_PATHS_MAX);
		s->paths[s->count].path = arena_strndup(a, p, len);
		s->paths[s->count++].write = write;
		p += len;
		if (!*p)
			return 0;
	}
}

static int parse_scope(const json_t *annotations, const struct json_at *at, uint64_t *ret, struct err *e)
{
	static const struct {
		const char *name;
		uint64_t bit;
	} known[] = { { "abstract-unix-socket", SCOPE_ABSTRACT_UNIX_SOCKET }, { "signal", SCOPE_SIGNAL } };
	struct json_at here = json_at_key(at, LANDLOCK_SCOPE);
	const char *text = "";
	int r = json_get_string(annotations, at, LANDLOCK_SCOPE, &text, e);
	size_t len, i;

	if (r <= 0)
		return r;
	for (;; text += len + 1) {
		len = strcspn(text, ",");
		for (i = 0; i < 2; i++)
			if (strlen(known[i].name) == len && strncmp(text, known[i].name, len) == 0)
				break;
		if (i == 2)
			return json_bad(e, &here, "must be abstract-unix-socket or signal, or both with , between");
		*ret |= known[i].bit;
		if (!text[len])
			return 0;
	}
}

int landlock_parse(const json_t *config, struct arena *a, struct landlock_spec *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");
	struct landlock_spec s = { 0 };
	json_t *annotations = NULL;
	int r = json_get_object(config, &root, "annotations", &annotations, e);

	if (r <= 0 || (!json_object_get(annotations, LANDLOCK_READ_ONLY) &&
		       !json_object_get(annotations, LANDLOCK_READ_WRITE) &&
		       !json_object_get(annotations, LANDLOCK_SCOPE)))
		return r < 0 ? r : 0;
	s.paths = arena_array(a, LANDLOCK_PATHS_MAX, sizeof *s.paths);
	if (!s.paths)
		return err_set(e, ENOMEM, "%s", at.text);
	r = parse_list(annotations, &at, LANDLOCK_READ_ONLY, false, a, &s, e);
	if (r >= 0)
		r = parse_list(annotations, &at, LANDLOCK_READ_WRITE, true, a, &s, e);
	if (r >= 0)
		r = parse_scope(annotations, &at, &s.scoped, e);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

int landlock_check(const struct landlock_spec *s, const struct host *h, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");

	if (s->scoped && h->landlock_abi < LANDLOCK_ABI_SCOPE) {
		at = json_at_key(&at, LANDLOCK_SCOPE);
		json_bad(e, &at, "this kernel's Landlock has no scopes, or is off");
		return err_fix(e, "drop the annotation, or boot Linux 6.12 or newer with landlock in lsm=");
	}
	if (!s->count || h->landlock_abi > 0)
		return 0;
	at = json_at_key(&at, s->paths[0].write ? LANDLOCK_READ_WRITE : LANDLOCK_READ_ONLY);
	json_bad(e, &at, "this kernel has no Landlock, or it is off");
	return err_fix(e, "drop the annotation, or boot with landlock in lsm=");
}

/* --- the ops ------------------------------------------------------------------- */

struct ruleset_args {
	uint64_t handled, scoped;
	int slot;
};
struct rule_args {
	int slot;
	const char *path;
	uint64_t allowed;
};

static int act_create_ruleset(struct run *r, const void *args, struct err *e)
{
	const struct ruleset_args *a = args;
	struct ruleset_attr attr = { .handled_access_fs = a->handled, .scoped = a->scoped };
	/* The first field alone is all that every kernel knows. */
	long fd = syscall(SYS_landlock_create_ruleset, &attr,
			  a->scoped ? sizeof attr : sizeof attr.handled_access_fs, 0);

	(void)e;
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->slot, (int)fd);
	return 0;
}

static void show_create_ruleset(struct buf *out, const struct plan *p, const void *args)
{
	const struct ruleset_args *a = args;

	plan_show_slot(out, p, a->slot);
	buf_addf(out, " = landlock_create_ruleset({handled_access_fs=%#llx",
		 (unsigned long long)a->handled);
	if (a->scoped)
		buf_addf(out, ", scoped=%#llx", (unsigned long long)a->scoped);
	buf_add(out, "})");
}

static const struct op op_create_ruleset = {
	.name = "landlock_create_ruleset",
	.man = "landlock_create_ruleset(2)",
	.act = act_create_ruleset,
	.show = show_create_ruleset,
};

static int act_add_rule(struct run *r, const void *args, struct err *e)
{
	const struct rule_args *a = args;
	_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int fd = root < 0 ? -errno : path_open_in_root(root, a->path, O_PATH, 0);
	struct landlock_path_beneath_attr attr = { .allowed_access = a->allowed, .parent_fd = fd };
	struct stat st;

	if (fd < 0)
		return err_set(e, -fd, "cannot open %s in the container", a->path);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= ACCESS_FILE;
	return syscall(SYS_landlock_add_rule, run_slot(r, a->slot), LANDLOCK_RULE_PATH_BENEATH,
		       &attr, 0) < 0
		       ? -errno
		       : 0;
}

static void show_add_rule(struct buf *out, const struct plan *p, const void *args)
{
	const struct rule_args *a = args;

	buf_add(out, "landlock_add_rule(");
	plan_show_slot(out, p, a->slot);
	buf_addf(out, ", {allowed_access=%#llx, parent_fd=", (unsigned long long)a->allowed);
	buf_add_quoted(out, a->path);
	buf_add(out, "})");
}

static const struct op op_add_rule = {
	.name = "landlock_add_rule",
	.man = "landlock_add_rule(2)",
	.compound = true,
	.act = act_add_rule,
	.show = show_add_rule,
};

static int act_restrict_self(struct run *r, const void *args, struct err *e)
{
	const struct ruleset_args *a = args;

	(void)e;
	if (syscall(SYS_landlock_restrict_self, run_slot(r, a->slot), 0) < 0)
		return -errno;
	run_set_fd(r, a->slot, -EBADF);
	return 0;
}

static void show_restrict_self(struct buf *out, const struct plan *p, const void *args)
{
	const struct ruleset_args *a = args;

	buf_add(out, "landlock_restrict_self(");
	plan_show_slot(out, p, a->slot);
	buf_add_char(out, ')');
}

static const struct op op_restrict_self = {
	.name = "landlock_restrict_self",
	.man = "landlock_restrict_self(2)",
	.act = act_restrict_self,
	.show = show_restrict_self,
};

void landlock_plan(struct plan *p, const struct landlock_spec *s, int abi)
{
	uint64_t all = s->count ? all_access(abi) : 0;
	int slot;

	if (!landlock_is_asked(s))
		return;
	slot = plan_new_slot(p, "ruleset");
	plan_scope(p, "/annotations", "landlock");
	plan_add(p, SIDE_GUEST, op_create_ruleset, ruleset_args, all, s->scoped, slot);
	for (size_t i = 0; i < s->count; i++) {
		plan_scope(p,
			   s->paths[i].write ? "/annotations/" LANDLOCK_READ_WRITE
					     : "/annotations/" LANDLOCK_READ_ONLY,
			   s->paths[i].path);
		plan_add(p, SIDE_GUEST, op_add_rule, rule_args, slot, s->paths[i].path,
			 s->paths[i].write ? all : ACCESS_READ);
	}
	plan_scope(p, "/annotations", "landlock");
	plan_add(p, SIDE_GUEST, op_restrict_self, ruleset_args, all, s->scoped, slot);
}
