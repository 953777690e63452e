/*
 * owner-xattr.h - the owner of a file, where only root could give it that owner.
 *
 * What umoci and runrootless call user.rootlesscontainers: a protobuf message
 * of two numbers (github.com/rootless-containers/proto). Pure text.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWNER_XATTR	"user.rootlesscontainers"
#define OWNER_XATTR_MAX 12

/* Returns the size. */
size_t owner_xattr_encode(uint32_t uid, uint32_t gid, unsigned char to[OWNER_XATTR_MAX]);
/* A number that is missing is 0. False: it is no such message. */
bool owner_xattr_decode(const void *data, size_t size, uint32_t *ret_uid, uint32_t *ret_gid);
