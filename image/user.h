/*
 * user.h - "user[:group]" as a process of this image understands it.
 *
 * Reads /etc/passwd and /etc/group of a rootfs whose owner is hostile.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define IMAGE_USER_FILE_MAX (1u << 20) /* bytes of passwd or group */
#define IMAGE_USER_LINE_MAX 4096u

/* user: "", "name", "uid", "name:group", "uid:gid" or any mix (image-spec config.md, "User").
 * Digits mean a number, exactly: no sign, space, hex or overflow; 4294967295 is nobody's id.
 * Without a group the user's own (0 when a bare number is not in passwd) and, as supplementary
 * groups, those that list the user's name; with a group none. *gid_count: room in gids; then how
 * many there are (-E2BIG when they don't fit). rootfd: the rootfs. */
int image_user_lookup(int rootfd, const char *user, uint32_t *ret_uid, uint32_t *ret_gid,
		      uint32_t *gids, size_t *gid_count, struct err *e);
/* The home of the first line of /etc/passwd that has this uid; "" when there is none, or it is no
 * absolute path. */
int image_user_home(int rootfd, uint32_t uid, char *home, size_t size, struct err *e);
