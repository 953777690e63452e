/*
 * profile_text.c - rules of a seccomp profile as OCI JSON.
 */
#include "runtime/profile_text.h"

static void begin(struct buf *b, int action)
{
	if (action == PROFILE_ALLOW)
		buf_add(b, ",\n{\"action\": \"SCMP_ACT_ALLOW\", ");
	else
		buf_addf(b, ",\n{\"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": %d, ", action);
	buf_add(b, "\"names\": [");
}

void profile_add_list(struct buf *b, int action, const char *const *names, size_t count)
{
	begin(b, action);
	for (size_t i = 0; i < count; i++)
		buf_addf(b, "%s\"%s\"", i ? ", " : "", names[i]);
	buf_add(b, "]}");
}

/* (argument & mask) == value */
void profile_add_masked(struct buf *b, const char *name, int action, int index, uint64_t mask,
			uint64_t value)
{
	begin(b, action);
	buf_addf(b,
		 "\"%s\"], \"args\": [{\"index\": %d, \"op\": \"SCMP_CMP_MASKED_EQ\", "
		 "\"value\": %llu, \"valueTwo\": %llu}]}",
		 name, index, (unsigned long long)mask, (unsigned long long)value);
}

void profile_add_compare(struct buf *b, const char *name, int action, const char *op,
			 uint64_t value)
{
	begin(b, action);
	buf_addf(b, "\"%s\"], \"args\": [{\"index\": 0, \"op\": \"%s\", \"value\": %llu}]}", name,
		 op, (unsigned long long)value);
}

void profile_add_pair(struct buf *b, const char *name, int action, int index, uint64_t value,
		      const char *op)
{
	begin(b, action);
	buf_addf(b,
		 "\"%s\"], \"args\": [{\"index\": %d, \"op\": \"SCMP_CMP_EQ\", \"value\": %llu}, "
		 "{\"index\": %d, \"op\": \"%s\", \"value\": 0}]}",
		 name, index, (unsigned long long)value, index + 1, op);
}
