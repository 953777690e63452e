/*
 * caps.c - capabilities(7): names, the five sets of config.json, and their primitives.
 */
#include "runtime/caps.h"

#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* clang-format off */
static const char *const cap_names[] = {
	"CAP_CHOWN",	      "CAP_DAC_OVERRIDE",     "CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",	      "CAP_FSETID",	      "CAP_KILL",
	"CAP_SETGID",	      "CAP_SETUID",	      "CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",      "CAP_NET_RAW",	      "CAP_IPC_LOCK",
	"CAP_IPC_OWNER",      "CAP_SYS_MODULE",	      "CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",     "CAP_SYS_PTRACE",	      "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",      "CAP_SYS_BOOT",	      "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",   "CAP_SYS_TIME",	      "CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",	      "CAP_LEASE",	      "CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",  "CAP_SETFCAP",	      "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",      "CAP_SYSLOG",	      "CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",  "CAP_AUDIT_READ",	      "CAP_PERFMON",
	"CAP_BPF",	      "CAP_CHECKPOINT_RESTORE",
};
/* clang-format on */

#define CAP_COUNT ((int)(sizeof cap_names / sizeof cap_names[0]))
#define CAPS_ALL  (CAPS_BIT(CAP_COUNT) - 1)
_Static_assert(CAP_COUNT == CAP_CHECKPOINT_RESTORE + 1, "one name per capability");

const char *caps_name(int cap)
{
	return cap >= 0 && cap < CAP_COUNT ? cap_names[cap] : NULL;
}

int caps_number(const char *name)
{
	for (int cap = 0; cap < CAP_COUNT; cap++)
		if (strcmp(cap_names[cap], name) == 0)
			return cap;
	return -ENOENT;
}

void caps_show_set(struct buf *out, uint64_t set)
{
	const char *separator = "";

	if (set == 0 || set == CAPS_ALL) {
		buf_add(out, set ? "all" : "0");
		return;
	}
	for (int cap = 0; cap < 64; cap++) {
		if (!(set & CAPS_BIT(cap)))
			continue;
		buf_add(out, separator);
		if (cap < CAP_COUNT)
			buf_add(out, cap_names[cap]);
		else
			buf_addf(out, "%d", cap);
		separator = "|";
	}
}

/* setpriv(1) style: "-all,+chown,+kill"; capsh and setpriv know the names without "cap_". */
static void show_setpriv_list(struct buf *out, uint64_t set)
{
	if (set == CAPS_ALL) {
		buf_add(out, "+all");
		return;
	}
	buf_add(out, "-all");
	for (int cap = 0; cap < CAP_COUNT; cap++) {
		if (!(set & CAPS_BIT(cap)))
			continue;
		buf_add(out, ",+");
		for (const char *c = cap_names[cap] + strlen("CAP_"); *c; c++)
			buf_add_char(out, (char)tolower((unsigned char)*c));
	}
}

/* --- parsing ---------------------------------------------------------------- */

static void remember_unknown(struct caps_unknown *u, const char *name)
{
	for (size_t i = 0; i < u->count; i++)
		if (strcmp(u->names[i], name) == 0)
			return;
	u->names[u->count++] = name;
}

static int parse_set(const json_t *caps, const struct json_at *at, const char *key, struct arena *a,
		     uint64_t *ret, struct caps_unknown *unknown, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	char **names;
	size_t count;
	int r = json_get_strings(caps, at, key, a, &names, &count, e);

	if (r <= 0)
		return r;
	if (count > CAPS_NAMES_MAX)
		return json_bad(e, &here, "has %zu entries, more than the limit of %d", count,
				CAPS_NAMES_MAX);
	for (size_t i = 0; i < count; i++) {
		int cap = caps_number(names[i]);

		if (cap < 0)
			remember_unknown(unknown, names[i]);
		else
			*ret |= CAPS_BIT(cap);
	}
	return 0;
}

/* Refuses what capset(2) or PR_CAP_AMBIENT_RAISE would answer with EPERM, but says which and why.
 */
static int check_subset(const struct json_at *at, const char *key, uint64_t set, uint64_t of,
			const char *of_name, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	char text[200];
	struct buf b = BUF_ON(text);

	if (!(set & ~of))
		return 0;
	buf_reset(&b);
	caps_show_set(&b, set & ~of);
	json_bad(e, &here, "%s missing from %s", text, of_name);
	return err_fix(e, "add it to %s as well, or drop it here", of_name);
}

int caps_parse(const json_t *caps, const struct json_at *at, struct arena *a, struct caps_spec *ret,
	       struct caps_unknown *ret_unknown, struct err *e)
{
	struct caps_spec c = { 0 };
	struct caps_unknown unknown = { 0 };
	struct {
		const char *key;
		uint64_t *set;
	} sets[] = {
		{ "bounding", &c.bounding },	   { "effective", &c.effective },
		{ "inheritable", &c.inheritable }, { "permitted", &c.permitted },
		{ "ambient", &c.ambient },
	};
	int r;

	unknown.names = arena_array(a, 5 * CAPS_NAMES_MAX, sizeof *unknown.names);
	if (!unknown.names)
		return err_set(e, ENOMEM, "%s", at->text);
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
		r = parse_set(caps, at, sets[i].key, a, sets[i].set, &unknown, e);
		if (r < 0)
			return r;
	}
	r = check_subset(at, "effective", c.effective, c.permitted, "the permitted set", e);
	if (r == 0)
		r = check_subset(at, "inheritable", c.inheritable, c.bounding, "the bounding set",
				 e);
	if (r < 0)
		return r;
	/* `runc spec` itself writes ambient sets that are not inheritable; the kernel raises none of
	 * those (capabilities(7)). Tolerated: the process has less than was asked for, never more. */
	c.ambient_dropped = c.ambient & ~(c.permitted & c.inheritable);
	c.ambient &= ~c.ambient_dropped;
	*ret = c;
	*ret_unknown = unknown;
	return 0;
}

/* --- ops -------------------------------------------------------------------- */

/* Stops a setuid or file-capability binary in the image from getting back what was dropped. */
static int act_drop_bounding_set(struct run *run, const void *args, struct err *e)
{
	const struct op_drop_bounding_set_args *a = args;

	(void)run;
	for (int cap = 0; cap < 64; cap++) {
		int error;

		if ((a->keep & CAPS_BIT(cap)) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		error = errno;
		if (error == EINVAL && cap > 0)
			return 0; /* past the last capability this kernel knows, never the first */
		/* Without the right to drop any: that is fine for one that isn't there. */
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0)
			return err_set(e, error, "prctl(PR_CAPBSET_DROP, %s)",
				       caps_name(cap) ? caps_name(cap)
						      : "capability without a name");
	}
	return 0;
}

static void show_drop_bounding_set(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_drop_bounding_set_args *a = args;

	(void)p;
	buf_add(out, "prctl(PR_CAPBSET_DROP, each but ");
	caps_show_set(out, a->keep);
	buf_add_char(out, ')');
}

static void by_hand_drop_bounding_set(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_drop_bounding_set_args *a = args;

	(void)p;
	buf_add(out, "setpriv --bounding-set=");
	show_setpriv_list(out, a->keep);
	buf_add(out, " ...");
}

const struct op op_drop_bounding_set = {
	.name = "drop_bounding_set",
	.man = "prctl(2)",
	.compound = true,
	.act = act_drop_bounding_set,
	.show = show_drop_bounding_set,
	.by_hand = by_hand_drop_bounding_set,
};

/* Engines show the message alone, without the fix: it names what is missing. */
static int capset_failed(int error, uint64_t wanted, struct err *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	char text[200];
	struct buf b = BUF_ON(text);
	uint64_t missing;

	if (error != EPERM || syscall(SYS_capget, &header, data) < 0)
		return err_set(e, error, "capset");
	missing = wanted & ~(data[0].permitted | (uint64_t)data[1].permitted << 32);
	if (!missing)
		return err_set(e, error, "capset");
	buf_reset(&b);
	caps_show_set(&b, missing);
	err_set(e, error, "capset: kist itself lacks %s", text);
	err_fix(e, "start it with more rights, or ask for less (docker: --privileged asks for all)");
	return -error;
}

static int act_capset(struct run *run, const void *args, struct err *e)
{
	const struct op_capset_args *a = args;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)a->effective, (uint32_t)a->permitted, (uint32_t)a->inheritable },
		{ (uint32_t)(a->effective >> 32), (uint32_t)(a->permitted >> 32),
		  (uint32_t)(a->inheritable >> 32) },
	};

	(void)run;
	return syscall(SYS_capset, &header, data) == 0 ? 0 : capset_failed(errno, a->permitted, e);
}

static void show_capset(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_capset_args *a = args;

	(void)p;
	buf_add(out, "capset(effective=");
	caps_show_set(out, a->effective);
	buf_add(out, ", permitted=");
	caps_show_set(out, a->permitted);
	buf_add(out, ", inheritable=");
	caps_show_set(out, a->inheritable);
	buf_add_char(out, ')');
}

static void add_capsh_clause(struct buf *out, uint64_t set, const char *flag)
{
	const char *separator = " ";

	if (!set)
		return;
	for (int cap = 0; cap < CAP_COUNT; cap++) {
		if (!(set & CAPS_BIT(cap)))
			continue;
		buf_add(out, separator);
		for (const char *c = cap_names[cap]; *c; c++)
			buf_add_char(out, (char)tolower((unsigned char)*c));
		separator = ",";
	}
	buf_add(out, flag);
}

static void by_hand_capset(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_capset_args *a = args;

	(void)p;
	buf_add(out, "capsh --caps='=");
	add_capsh_clause(out, a->effective, "+e");
	add_capsh_clause(out, a->permitted, "+p");
	add_capsh_clause(out, a->inheritable, "+i");
	buf_add(out, "' -- ...");
}

const struct op op_capset = {
	.name = "capset",
	.man = "capset(2)",
	.act = act_capset,
	.show = show_capset,
	.by_hand = by_hand_capset,
};

static int act_set_ambient(struct run *run, const void *args, struct err *e)
{
	const struct op_set_ambient_args *a = args;

	(void)run;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	for (int cap = 0; cap < 64; cap++) {
		if (!(a->set & CAPS_BIT(cap)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0) {
			int error = errno;

			return err_set(e, error, "prctl(PR_CAP_AMBIENT_RAISE, %s)", caps_name(cap));
		}
	}
	return 0;
}

static void show_set_ambient(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_set_ambient_args *a = args;

	(void)p;
	if (!a->set) {
		buf_add(out, "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)");
		return;
	}
	buf_add(out, "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, each of ");
	caps_show_set(out, a->set);
	buf_add_char(out, ')');
}

static void by_hand_set_ambient(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_set_ambient_args *a = args;

	(void)p;
	buf_add(out, "setpriv --ambient-caps=");
	show_setpriv_list(out, a->set);
	buf_add(out, " ...");
}

const struct op op_set_ambient = {
	.name = "set_ambient",
	.man = "prctl(2)",
	.compound = true,
	.act = act_set_ambient,
	.show = show_set_ambient,
	.by_hand = by_hand_set_ambient,
};
