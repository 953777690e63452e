/*
 * labels.h - AppArmor and SELinux: the label that execve(2) gives to the process.
 */
#pragma once
#include "base/host.h"
#include "base/json.h"
#include "base/plan.h"

struct labels_spec {
	const char *apparmor; /* name of a loaded profile; NULL: none asked for */
	const char *selinux;  /* context; NULL: none asked for */
};

/* /process/apparmorProfile and selinuxLabel; empty ones ask for nothing. */
int labels_parse(const json_t *process, const struct json_at *at, struct arena *a,
		 struct labels_spec *ret, struct err *e);
/* What this host cannot give, at `at`: its security module is not there. */
int labels_check(const struct labels_spec *s, const struct json_at *at, const struct host *h,
		 struct err *e);

/* HOST, then GUEST: written to the guest's own attr files, in the procfs that the host trusts. */
void labels_plan(struct plan *p, const struct labels_spec *s);

struct op_exec_label_args {
	const char *lsm; /* "apparmor" or "selinux" */
	const char *label;
};
extern const struct op op_exec_label;
