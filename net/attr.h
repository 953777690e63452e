/*
 * attr.h - netlink messages and their attributes in memory (netlink(7), "Attributes").
 *
 * Building is bounded by NL_MESSAGE_BYTES: what does not fit is left out, and the message's
 * length says so until nl_end() refuses it. Reading takes what the kernel sent: an attribute
 * longer than what it is in ends the walk.
 */
#pragma once
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NL_MESSAGE_BYTES 1024 /* no message of ours is longer */
#define NL_ALIGN(n)      (((n) + 3u) & ~3u)

/* --- messages ---- */

static inline void *nl_payload(const struct nlmsghdr *m)
{
	return (char *)(uintptr_t)m + NLMSG_HDRLEN;
}
static inline size_t nl_payload_len(const struct nlmsghdr *m)
{
	return m->nlmsg_len - NLMSG_HDRLEN;
}
/* Whether a whole message begins at m, of which `left` bytes are there. */
static inline bool nl_ok(const struct nlmsghdr *m, int left)
{
	return left >= (int)sizeof *m && m->nlmsg_len >= sizeof *m && m->nlmsg_len <= (unsigned)left;
}
static inline struct nlmsghdr *nl_next(const struct nlmsghdr *m, int *left)
{
	*left -= (int)NL_ALIGN(m->nlmsg_len);
	return (struct nlmsghdr *)((char *)(uintptr_t)m + NL_ALIGN(m->nlmsg_len));
}
/* Room for `size` more bytes, zeroed; NULL: there is none, and the message is too long for good. */
void *nl_room(struct nlmsghdr *m, size_t size);
/* The family's own header, after nl_begin(). There is always room for one. */
static inline void *nl_extra_header(struct nlmsghdr *m, size_t size)
{
	return nl_room(m, size);
}

/* --- attributes: building ---- */

void nl_put(struct nlmsghdr *m, uint16_t type, size_t size, const void *data);
static inline void nl_put_u32(struct nlmsghdr *m, uint16_t type, uint32_t value)
{
	nl_put(m, type, sizeof value, &value);
}
/* With its NUL; nl_put_text() without. */
static inline void nl_put_string(struct nlmsghdr *m, uint16_t type, const char *text)
{
	nl_put(m, type, strlen(text) + 1, text);
}
static inline void nl_put_text(struct nlmsghdr *m, uint16_t type, const char *text)
{
	nl_put(m, type, strlen(text), text);
}
struct nlattr *nl_nest_begin(struct nlmsghdr *m, uint16_t type);
void nl_nest_end(struct nlmsghdr *m, struct nlattr *nest);

/* --- attributes: reading ---- */

static inline uint16_t nl_attr_type(const struct nlattr *a)
{
	return a->nla_type & NLA_TYPE_MASK;
}
static inline void *nl_attr_payload(const struct nlattr *a)
{
	return (char *)(uintptr_t)a + NLA_HDRLEN;
}
static inline size_t nl_attr_len(const struct nlattr *a)
{
	return a->nla_len - (size_t)NLA_HDRLEN;
}
static inline uint32_t nl_attr_u32(const struct nlattr *a)
{
	uint32_t value;

	memcpy(&value, nl_attr_payload(a), sizeof value);
	return value;
}
static inline const char *nl_attr_string(const struct nlattr *a)
{
	return nl_attr_payload(a);
}
static inline bool nl_attr_is_u32(const struct nlattr *a)
{
	return nl_attr_len(a) == sizeof(uint32_t);
}
static inline bool nl_attr_is_string(const struct nlattr *a)
{
	return nl_attr_len(a) > 0 && nl_attr_string(a)[nl_attr_len(a) - 1] == '\0';
}
static inline bool nl_attr_ok(const struct nlattr *a, const char *end)
{
	ptrdiff_t left = end - (const char *)a;

	return left >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= left;
}
static inline const struct nlattr *nl_attr_next(const struct nlattr *a)
{
	return (const struct nlattr *)((const char *)a + NL_ALIGN(a->nla_len));
}
/* Those of a message after its family's header of `offset` bytes; those in an attribute. */
#define nl_for_each(attr, m, offset)                                                              \
	for ((attr) = (const struct nlattr *)((const char *)nl_payload(m) + NL_ALIGN(offset));     \
	     nl_attr_ok((attr), (const char *)(m) + (m)->nlmsg_len); (attr) = nl_attr_next(attr))
#define nl_for_each_in(attr, nest)                                                                \
	for ((attr) = nl_attr_payload(nest);                                                       \
	     nl_attr_ok((attr), (const char *)(nest) + (nest)->nla_len); (attr) = nl_attr_next(attr))
