/*
 * subids.h - the ids of a user without root: its own, which is root's there, and a range after it.
 *
 * The range is what /etc/subuid and /etc/subgid give, by newuidmap(1); or what the user namespace
 * that this process lives in has.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUBIDS_MAX 65535 /* of a range: ids 1 to 65535, as every image's */

struct subid_range { /* 0 -> own, 1.. -> first.. */
	uint32_t own, first, count;
};
struct subids {
	struct subid_range uid, gid;
};

/* The user's line of a file like /etc/subuid, which is changed. name: "" when it has none. */
bool subids_find(char *text, uint32_t uid, const char *name, struct subid_range *ret);
/* What the caller may have by newuidmap; false: its own alone. */
bool subids_of_caller(struct subids *ret);
/* What the caller's user namespace maps; false: not from 0 on, or nothing but 0. */
bool subids_of_namespace(struct subids *ret);
/* The same of the text of a uid_map. */
bool subids_of_map(const char *text, struct subid_range *ret);
/* Are these the ids that 0, 1... mean here: do all files of theirs have the same ones? */
bool subids_are_here(const struct subids *s);
