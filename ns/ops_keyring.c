/*
 * ops_keyring.c - the session keyring of the container (keyrings(7)).
 *
 * Named by the container's id, so that what exec starts finds the one its
 * container has. The kernel looks for a name in the whole user namespace and
 * joins what lets itself be found: a name that was there before the container
 * is somebody's trap, and its owner would read the container's keys.
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/engine.h"
#include "ns/builders.h"
#include "ns/ops.h"

/* Bits of keyctl_setperm(3), which only libkeyutils's headers have. */
#define POSSESSOR_ALL 0x3f000000
#define USER_VIEW     0x00010000
#define USER_READ     0x00020000
#define USER_SEARCH   0x00080000
#define ANY_SEARCH    0x00080808 /* what can be found by its name */

#define NAME_MAX_BYTES 1100 /* "_ses." and the longest id */

static long keyctl(int operation, long a, long b, long c)
{
	return syscall(SYS_keyctl, operation, a, b, c, 0);
}

/* "keyring;UID;GID;PERMISSIONS;NAME". */
static int read_permissions(long keyring, unsigned long *ret)
{
	char text[NAME_MAX_BYTES + 64];
	long n = keyctl(KEYCTL_DESCRIBE, keyring, (long)text, sizeof text);
	const char *p = text;

	if (n < 0)
		return -errno;
	if ((size_t)n > sizeof text)
		return -ENAMETOOLONG;
	for (int i = 0; i < 3 && p; i++) {
		p = strchr(p, ';');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return -EPROTO;
	*ret = strtoul(p, NULL, 16);
	return 0;
}

/* The plan takes ENOSYS and EPERM for "no keyctl here", which this can't mean any more. */
static int half_way(int error, const char *what, struct err *e)
{
	return err_say(e, error == ENOSYS || error == EPERM ? EACCES : error, "keyctl(%s): %s",
		       what, strerrordesc_np(error));
}

/* No keyctl for us is none for the container only when it answers so to everything. */
static int join_failed(int error, struct err *e)
{
	if ((error == ENOSYS || error == EPERM) &&
	    keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0) >= 0)
		return half_way(error, "KEYCTL_JOIN_SESSION_KEYRING", e);
	return -error;
}

static int act_session_keyring(struct run *r, const void *args, struct err *e)
{
	const struct op_session_keyring_args *a = args;
	long keyring = keyctl(KEYCTL_JOIN_SESSION_KEYRING, (long)a->name, 0, 0);
	unsigned long permissions;
	int n;

	(void)r;
	if (keyring < 0)
		return join_failed(errno, e);
	if (!a->name || a->join)
		return 0;
	/* 0: it is the caller's own session keyring. */
	n = keyring ? read_permissions(keyring, &permissions) : 0;
	if (n < 0)
		return half_way(-n, "KEYCTL_DESCRIBE", e);
	/* A new one is for its possessors: that this can be found means that it was there before.
	 */
	if (!keyring || (permissions & ANY_SEARCH))
		return keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0) < 0
			       ? half_way(errno, "KEYCTL_JOIN_SESSION_KEYRING, NULL", e) : 0;
	permissions = POSSESSOR_ALL | USER_VIEW | USER_READ | USER_SEARCH;
	return keyctl(KEYCTL_SETPERM, keyring, (long)permissions, 0) < 0
		       ? half_way(errno, "KEYCTL_SETPERM", e) : 0;
}

bool ns_has_keyrings(void)
{
	return keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0) >= 0 ||
	       (errno != ENOSYS && errno != EPERM);
}

static void show_session_keyring(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_session_keyring_args *a = args;

	(void)p;
	buf_add(out, "keyctl(KEYCTL_JOIN_SESSION_KEYRING, ");
	if (a->name)
		buf_add_quoted(out, a->name);
	else
		buf_add(out, "NULL");
	buf_add_char(out, ')');
	if (a->name && !a->join)
		buf_add(out, ", keyctl(KEYCTL_SETPERM, possessor all, user view read search)");
}

static void by_hand_session_keyring(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_session_keyring_args *a = args;

	(void)p;
	buf_add(out, "keyctl session ");
	if (a->name)
		buf_add_shell(out, a->name);
	else
		buf_add_char(out, '-');
	buf_add(out, " ...");
}

const struct op op_session_keyring = {
	.name = "keyctl",
	.man = "keyctl(2)",
	.compound = true,
	.act = act_session_keyring,
	.show = show_session_keyring,
	.by_hand = by_hand_session_keyring,
};
