/*
 * job_collect.h - files that a job left, copied out.
 *
 * Everything in the job is dead by then, and everything it left is hostile. A
 * pattern is matched name by name, from an fd of the job's root: no link of it
 * is followed, nothing but regular files with one name is read, and what is
 * made on the host is new.
 */
#pragma once
#include "supervisor/job.h"

/* The folder for them, which must be there: no symlink in its path. fd or -errno. */
int job_collect_open(const char *folder, struct err *e);
/* `from`: where patterns begin; `to`: job_collect_open(). What was there already is kept, and an
 * error. "*", "?", "[a-z]" in a name; "**" is any number of folders. */
int job_collect(int from, int to, const struct job *job, struct job_collected *ret, struct err *e);
