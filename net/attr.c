/*
 * attr.c - building netlink messages.
 */
#include "net/attr.h"

void *nl_room(struct nlmsghdr *m, size_t size)
{
	size_t at = NL_ALIGN(m->nlmsg_len), aligned = NL_ALIGN(size);
	void *room = (char *)m + at;

	if (size > NL_MESSAGE_BYTES || at + aligned > NL_MESSAGE_BYTES) {
		m->nlmsg_len = NL_MESSAGE_BYTES + 1;
		return NULL;
	}
	memset(room, 0, aligned);
	m->nlmsg_len = (uint32_t)(at + aligned);
	return room;
}

void nl_put(struct nlmsghdr *m, uint16_t type, size_t size, const void *data)
{
	struct nlattr *a = size > NL_MESSAGE_BYTES ? nl_room(m, size)
						   : nl_room(m, NLA_HDRLEN + size);

	if (!a)
		return;
	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + size);
	memcpy(nl_attr_payload(a), data, size);
}

struct nlattr *nl_nest_begin(struct nlmsghdr *m, uint16_t type)
{
	struct nlattr *a = nl_room(m, NLA_HDRLEN);

	if (a)
		a->nla_type = NLA_F_NESTED | type;
	return a;
}

void nl_nest_end(struct nlmsghdr *m, struct nlattr *nest)
{
	if (nest && m->nlmsg_len <= NL_MESSAGE_BYTES)
		nest->nla_len = (uint16_t)((char *)m + m->nlmsg_len - (char *)nest);
}
