/*
 * doctor.h - what kist needs, or could use, of this host: each thing is tried, not looked up.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/host.h"

enum doctor_state { DOCTOR_OK, DOCTOR_WANTED, DOCTOR_NEEDED };

struct doctor_finding {
	const char *name;
	const char *tried;
	enum doctor_state state; /* it works; it does not, and kist does without; or can't */
	const char *means;	 /* for who runs kist here */
	char fix[224];		 /* a command; "" when there is nothing to do */
};
#define DOCTOR_MAX 32

/* Children are forked for what can't be taken back. Returns how many there are. */
size_t doctor_look(const struct host *h, struct doctor_finding ret[DOCTOR_MAX]);
