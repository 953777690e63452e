/*
 * ops.c - primitives on the calling process itself that several domains use.
 */
#include "base/ops.h"

#include <errno.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- umask ------------------------------------------------------------------ */

static int act_umask(struct run *run, const void *args, struct err *e)
{
	const struct op_umask_args *a = args;

	(void)run;
	(void)e;
	umask(a->mask);
	return 0;
}

static void show_umask(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "umask(%04o)", ((const struct op_umask_args *)args)->mask);
}

static void by_hand_umask(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "umask %04o", ((const struct op_umask_args *)args)->mask);
}

const struct op op_umask = {
	.name = "umask",
	.man = "umask(2)",
	.act = act_umask,
	.show = show_umask,
	.by_hand = by_hand_umask,
};

/* --- ids: raw syscalls, since glibc's wrappers signal all threads ------------ */

static int set_id(long nr, const char *call, const char *key, uint32_t id, struct err *e)
{
	int error;

	if (syscall(nr, id, id, id) == 0)
		return 0;
	error = errno;
	err_set(e, error, "%s(%u)", call, id);
	if (error == EINVAL)
		err_fix(e, "%s %u has no mapping: extend /linux/%sMappings", key, id, key);
	return -error;
}

static int act_setresgid(struct run *run, const void *args, struct err *e)
{
	(void)run;
	return set_id(SYS_setresgid, "setresgid", "gid", ((const struct op_id_args *)args)->id,
		      e);
}

static void show_setresgid(struct buf *out, const struct plan *p, const void *args)
{
	uint32_t id = ((const struct op_id_args *)args)->id;

	(void)p;
	buf_addf(out, "setresgid(%u, %u, %u)", id, id, id);
}

static void by_hand_setresgid(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "setpriv --regid %u --keep-groups ...",
		 ((const struct op_id_args *)args)->id);
}

const struct op op_setresgid = {
	.name = "setresgid",
	.man = "setresgid(2)",
	.act = act_setresgid,
	.show = show_setresgid,
	.by_hand = by_hand_setresgid,
};

static int act_setresuid(struct run *run, const void *args, struct err *e)
{
	(void)run;
	return set_id(SYS_setresuid, "setresuid", "uid", ((const struct op_id_args *)args)->id,
		      e);
}

static void show_setresuid(struct buf *out, const struct plan *p, const void *args)
{
	uint32_t id = ((const struct op_id_args *)args)->id;

	(void)p;
	buf_addf(out, "setresuid(%u, %u, %u)", id, id, id);
}

static void by_hand_setresuid(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "setpriv --reuid %u ...", ((const struct op_id_args *)args)->id);
}

const struct op op_setresuid = {
	.name = "setresuid",
	.man = "setresuid(2)",
	.act = act_setresuid,
	.show = show_setresuid,
	.by_hand = by_hand_setresuid,
};

/* --- prctl ------------------------------------------------------------------ */

static const struct {
	int option;
	const char *name;
	const char *by_hand; /* NULL: a shell cannot */
} prctl_names[] = {
	{ PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG", "setpriv --pdeathsig keep|clear|SIGNAL ..." },
	{ PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS", NULL },
	{ PR_SET_DUMPABLE, "PR_SET_DUMPABLE", NULL },
	{ PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS", "setpriv --no-new-privs ..." },
	{ PR_SET_SECUREBITS, "PR_SET_SECUREBITS",
	  "setpriv --securebits=+noroot,+noroot_locked,+no_setuid_fixup,+no_setuid_fixup_locked "
	  "..." },
};
#define PRCTL_NAMES (sizeof prctl_names / sizeof prctl_names[0])

static int act_prctl(struct run *run, const void *args, struct err *e)
{
	const struct op_prctl_args *a = args;

	(void)run;
	(void)e;
	return prctl(a->option, a->value, 0, 0, 0) < 0 ? -errno : 0;
}

static void show_prctl(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_prctl_args *a = args;
	static const struct flag_name bits[] = {
		{ SECBIT_NOROOT, "SECBIT_NOROOT" },
		{ SECBIT_NOROOT_LOCKED, "SECBIT_NOROOT_LOCKED" },
		{ SECBIT_NO_SETUID_FIXUP, "SECBIT_NO_SETUID_FIXUP" },
		{ SECBIT_NO_SETUID_FIXUP_LOCKED, "SECBIT_NO_SETUID_FIXUP_LOCKED" },
		{ SECBIT_KEEP_CAPS_LOCKED, "SECBIT_KEEP_CAPS_LOCKED" },
		{ SECBIT_NO_CAP_AMBIENT_RAISE, "SECBIT_NO_CAP_AMBIENT_RAISE" },
		{ SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED, "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED" },
	};

	(void)p;
	buf_add(out, "prctl(");
	for (size_t i = 0; i < PRCTL_NAMES; i++)
		if (prctl_names[i].option == a->option)
			buf_add(out, prctl_names[i].name);
	buf_add(out, ", ");
	if (a->option == PR_SET_SECUREBITS)
		buf_add_flags(out, a->value, bits, sizeof bits / sizeof bits[0]);
	else if (a->option == PR_SET_PDEATHSIG && a->value == SIGKILL)
		buf_add(out, "SIGKILL");
	else
		buf_addf(out, "%lu", a->value);
	buf_add_char(out, ')');
}

static void by_hand_prctl(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_prctl_args *a = args;

	(void)p;
	for (size_t i = 0; i < PRCTL_NAMES; i++)
		if (prctl_names[i].option == a->option && prctl_names[i].by_hand)
			buf_add(out, prctl_names[i].by_hand);
}

const struct op op_prctl = {
	.name = "prctl",
	.man = "prctl(2)",
	.act = act_prctl,
	.show = show_prctl,
	.by_hand = by_hand_prctl,
};
