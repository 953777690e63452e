/*
 * ops_console.c - primitives of a pseudo terminal, ioctl_tty(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/engine.h"
#include "ns/ops.h"

static int act_unlock_pty(struct run *r, const void *args, struct err *e)
{
	const struct op_pty_args *a = args;
	int unlock = 0;

	(void)e;
	return ioctl(run_slot(r, a->master_slot), TIOCSPTLCK, &unlock) < 0 ? -errno : 0;
}

static void show_unlock_pty(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_pty_args *a = args;

	buf_add(out, "ioctl(");
	plan_show_slot(out, p, a->master_slot);
	buf_add(out, ", TIOCSPTLCK, 0)");
}

const struct op op_unlock_pty = { .name = "ioctl", .man = "ioctl_tty(2)", .act = act_unlock_pty,
				  .show = show_unlock_pty };

static int act_open_pty_peer(struct run *r, const void *args, struct err *e)
{
	const struct op_pty_args *a = args;
	int fd = ioctl(run_slot(r, a->master_slot), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	(void)e;
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->slave_slot, fd);
	return 0;
}

static void show_open_pty_peer(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_pty_args *a = args;

	buf_add(out, "ioctl(");
	plan_show_slot(out, p, a->master_slot);
	buf_add(out, ", TIOCGPTPEER, O_RDWR|O_NOCTTY|O_CLOEXEC) = ");
	plan_show_slot(out, p, a->slave_slot);
}

const struct op op_open_pty_peer = { .name = "ioctl", .man = "ioctl_tty(2)",
				     .act = act_open_pty_peer, .show = show_open_pty_peer };

static int act_set_winsize(struct run *r, const void *args, struct err *e)
{
	const struct op_winsize_args *a = args;
	struct winsize size = { .ws_row = (unsigned short)a->rows, .ws_col = (unsigned short)a->cols };

	(void)e;
	return ioctl(run_slot(r, a->slot), TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

static void show_set_winsize(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_winsize_args *a = args;

	buf_add(out, "ioctl(");
	plan_show_slot(out, p, a->slot);
	buf_addf(out, ", TIOCSWINSZ, {rows=%u, cols=%u})", a->rows, a->cols);
}

static void by_hand_set_winsize(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_winsize_args *a = args;

	(void)p;
	buf_addf(out, "stty rows %u cols %u", a->rows, a->cols);
}

const struct op op_set_winsize = { .name = "ioctl", .man = "ioctl_tty(2)", .act = act_set_winsize,
				   .show = show_set_winsize, .by_hand = by_hand_set_winsize };

static int act_set_ctty(struct run *r, const void *args, struct err *e)
{
	const struct op_pty_args *a = args;

	(void)e;
	return ioctl(run_slot(r, a->slave_slot), TIOCSCTTY, 0) < 0 ? -errno : 0;
}

static void show_set_ctty(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_pty_args *a = args;

	buf_add(out, "ioctl(");
	plan_show_slot(out, p, a->slave_slot);
	buf_add(out, ", TIOCSCTTY, 0)");
}

const struct op op_set_ctty = { .name = "ioctl", .man = "ioctl_tty(2)", .act = act_set_ctty,
				.show = show_set_ctty };

/* The caller's own terminal turns \n into \r\n; done here too, what goes into a file or a pipe would
 * have the \r. */
static int act_keep_newlines(struct run *r, const void *args, struct err *e)
{
	const struct op_pty_args *a = args;
	struct termios t;

	(void)e;
	if (tcgetattr(run_slot(r, a->master_slot), &t) < 0)
		return -errno;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	return tcsetattr(run_slot(r, a->master_slot), TCSANOW, &t) < 0 ? -errno : 0;
}

static void show_keep_newlines(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_pty_args *a = args;

	buf_add(out, "tcsetattr(");
	plan_show_slot(out, p, a->master_slot);
	buf_add(out, ", TCSANOW, {c_oflag &= ~ONLCR})");
}

static void by_hand_keep_newlines(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "stty -onlcr");
}

const struct op op_keep_newlines = { .name = "tcsetattr", .man = "termios(3)",
				     .act = act_keep_newlines, .show = show_keep_newlines,
				     .by_hand = by_hand_keep_newlines };

static int act_dup2(struct run *r, const void *args, struct err *e)
{
	const struct op_dup_args *a = args;

	(void)e;
	/* Without O_CLOEXEC: these three are the payload's. */
	return dup2(run_slot(r, a->slot), a->to) < 0 ? -errno : 0;
}

static void show_dup2(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_dup_args *a = args;

	buf_add(out, "dup2(");
	plan_show_slot(out, p, a->slot);
	buf_addf(out, ", %d)", a->to);
}

const struct op op_dup2 = { .name = "dup2", .man = "dup(2)", .act = act_dup2, .show = show_dup2 };
