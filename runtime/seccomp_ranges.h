/*
 * seccomp_ranges.h - a profile as a tree of switches: over the architecture, the number, the words
 * of an argument. Pure.
 *
 * Each switch covers all values of its word in sorted ranges, so that neighbours with one answer
 * are one range, whatever the number of calls. What depends on several arguments at once, or on
 * some bits of one, is a list of terms, of which the first that holds decides.
 *
 * An argument of a 32-bit ABI is 32 bits: what the registers of a 64-bit program hold above, when
 * it comes through int 0x80, the kernel shows to the filter and then cuts off. A value that is a
 * negative 32-bit number in 64 bits is that number there.
 */
#pragma once
#include "runtime/seccomp_profile.h"

struct seccomp_node;

struct seccomp_range {
	uint32_t first; /* the next one's begins where this ends */
	uint32_t action;
	struct seccomp_node *node; /* NULL: the action */
};

struct seccomp_term {
	const struct seccomp_condition *conditions; /* all must hold */
	unsigned int count;
	uint32_t action;
};

struct seccomp_node {
	/* A switch over a word of struct seccomp_data; its first range begins at 0. */
	uint32_t offset, mask;
	const struct seccomp_range *ranges;
	size_t range_count;
	/* Or terms, when there are any; else `otherwise`. */
	const struct seccomp_term *terms;
	size_t term_count;
	uint32_t otherwise;
	uint32_t arch;	 /* AUDIT_ARCH_*, which says where an argument's halves are */
	uint32_t placed; /* of seccomp_bpf.c */
};

/* A word of an argument. */
uint32_t seccomp_arg_offset(uint32_t arch, unsigned int arg, bool high);
bool seccomp_arch_is_wide(uint32_t arch);
/* The condition's value as that architecture compares it. */
uint64_t seccomp_arch_value(uint32_t arch, uint64_t value);

/* Everything lives in the arena. NULL: out of memory. */
struct seccomp_node *seccomp_ranges(const struct seccomp_profile *p, struct arena *a);

/* Terms about one argument alone as switches over its words; NULL: they are not of that kind. */
struct seccomp_node *seccomp_ranges_of_arg(const struct seccomp_node *terms, struct arena *a);
