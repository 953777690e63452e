/*
 * labels.c - AppArmor and SELinux: the label that execve(2) gives to the process.
 *
 * Only a task itself may write its attr files (proc_pid_attr(5)), and the /proc
 * the guest sees by then is the container's, who could have put anything there
 * (CVE-2019-16884, CVE-2025-52881). So the host, which checked its own procfs,
 * sends its fd of the guest's folder there.
 */
#include "runtime/labels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define LABEL_MAX 4000 /* the kernel takes one page */

static int parse_one(const json_t *process, const struct json_at *at, const char *key,
		     struct arena *a, const char **ret, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	const char *text = "";
	int r = json_get_string(process, at, key, &text, e);

	if (r < 0)
		return r;
	if (strlen(text) > LABEL_MAX)
		return json_bad(e, &here, "is longer than %d bytes", LABEL_MAX);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return json_bad(e, &here, "has a control character");
	if (!text[0])
		return 0;
	*ret = arena_strdup(a, text);
	return *ret ? 0 : err_set(e, ENOMEM, "%s", here.text);
}

int labels_parse(const json_t *process, const struct json_at *at, struct arena *a,
		 struct labels_spec *ret, struct err *e)
{
	struct labels_spec s = { 0 };
	int r = parse_one(process, at, "apparmorProfile", a, &s.apparmor, e);

	if (r == 0)
		r = parse_one(process, at, "selinuxLabel", a, &s.selinux, e);
	if (r == 0)
		*ret = s;
	return r;
}

int labels_check(const struct labels_spec *s, const struct json_at *at, const struct host *h,
		 struct err *e)
{
	struct json_at here;

	/* "unconfined" is what a process is without AppArmor. */
	if (s->apparmor && !h->apparmor && strcmp(s->apparmor, "unconfined") != 0) {
		here = json_at_key(at, "apparmorProfile");
		json_bad(e, &here, "AppArmor is not enabled on this host");
		return err_fix(e, "drop the profile, or boot with apparmor=1 security=apparmor");
	}
	if (s->selinux && !h->selinux) {
		here = json_at_key(at, "selinuxLabel");
		json_bad(e, &here, "SELinux is not enabled on this host");
		return err_fix(e, "drop the label, or boot with selinux=1 security=selinux");
	}
	return 0;
}

static int open_attr(int proc, bool apparmor)
{
	/* The first is AppArmor's own, since 5.8; the other belongs to whichever module is first.
	 */
	int fd = apparmor ? openat(proc, "attr/apparmor/exec", O_WRONLY | O_CLOEXEC) : -1;

	if (fd < 0 && (!apparmor || errno == ENOENT))
		fd = openat(proc, "attr/exec", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int act_exec_label(struct run *run, const void *args, struct err *e)
{
	const struct op_exec_label_args *a = args;
	bool apparmor = strcmp(a->lsm, "apparmor") == 0;
	char text[LABEL_MAX + 8];
	int fd = open_attr(run_slot(run, SLOT_GUEST_PROC), apparmor), error, n;
	ssize_t written;

	if (fd < 0)
		return err_set(e, -fd, "cannot open the process's attr/exec");
	n = snprintf(text, sizeof text, "%s%s", apparmor ? "exec " : "", a->label);
	written = write(fd, text, (size_t)n);
	error = errno;
	close(fd);
	if (written == n)
		return 0;
	/* No AppArmor here: the process is unconfined already. */
	if (written < 0 && error == EINVAL && apparmor && strcmp(a->label, "unconfined") == 0)
		return 0;
	if (written >= 0)
		error = EIO;
	err_set(e, error, "cannot apply the %s \"%.200s\"",
		apparmor ? "AppArmor profile" : "SELinux label", a->label);
	if (apparmor && error == ENOENT)
		err_fix(e, "load the profile: apparmor_parser FILE");
	return -error;
}

static void show_exec_label(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_exec_label_args *a = args;
	bool apparmor = strcmp(a->lsm, "apparmor") == 0;

	buf_add(out, "write(openat(");
	plan_show_slot(out, p, SLOT_GUEST_PROC);
	buf_addf(out, ", \"attr/%sexec\"), ", apparmor ? "apparmor/" : "");
	buf_addf(out, "\"%s", apparmor ? "exec " : "");
	buf_add_clean(out, a->label);
	buf_add(out, "\")");
}

static void by_hand_exec_label(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_exec_label_args *a = args;

	(void)p;
	buf_add(out, strcmp(a->lsm, "apparmor") == 0 ? "aa-exec -p " : "runcon ");
	buf_add_shell(out, a->label);
	buf_add(out, " ...");
}

const struct op op_exec_label = {
	.name = "exec_label",
	.man = "proc_pid_attr(5)",
	.compound = true,
	.act = act_exec_label,
	.show = show_exec_label,
	.by_hand = by_hand_exec_label,
};

void labels_plan(struct plan *p, const struct labels_spec *s)
{
	if (!s->apparmor && !s->selinux)
		return;
	plan_scope(p, "/process", NULL);
	plan_add(p, SIDE_HOST, op_send_fd, op_send_fd_args, SLOT_GUEST_PROC);
	if (s->selinux) {
		plan_scope(p, "/process/selinuxLabel", s->selinux);
		plan_add(p, SIDE_GUEST, op_exec_label, op_exec_label_args, "selinux", s->selinux);
	}
	if (s->apparmor) {
		plan_scope(p, "/process/apparmorProfile", s->apparmor);
		plan_add(p, SIDE_GUEST, op_exec_label, op_exec_label_args, "apparmor", s->apparmor);
	}
	plan_scope(p, "/process", NULL);
	plan_add(p, SIDE_GUEST, op_close, op_close_args, SLOT_GUEST_PROC);
}
