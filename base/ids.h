/*
 * ids.h - user and group ids as text.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* An id written as digits only: "0x3e8", "+1" and " 1" are not ids. 0, or -EINVAL; also for
 * 4294967295, which is (uid_t)-1 and means "keep" to the kernel. */
int id_parse(const char *text, size_t len, uint32_t *ret);
