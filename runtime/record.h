/*
 * record.h - the records of a state folder (intent.json, state.json): JSON that knows whether it is
 * still what was written.
 *
 * The last member is a sum over all that stands before it. What a record says is acted on as
 * root (a process is killed, a cgroup removed), and one byte that is not what it was may be another
 * process's number. Any one changed byte is found; it is no guard against an attacker, who would
 * need to be root to write here.
 */
#pragma once
#include "base/json.h"

/* The text to write; the caller frees it. NULL: no memory. */
char *record_seal(const json_t *object);
/* Reads dirfd/name. -EINVAL: it is damaged. A record without a sum is an older kist's, and is taken. New
 * reference. */
int record_read(int dirfd, const char *name, json_t **ret, struct err *e);
