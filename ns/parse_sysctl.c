/*
 * parse_sysctl.c - /linux/sysctl: which keys a container may set at all.
 *
 * Only keys the kernel keeps per namespace, and only with a namespace of the
 * container's own: any other key would change the host. The list is exact, and
 * a key is compared after it became a path, so that "net/../kernel/core_pattern"
 * or "kernel.shm_rmid_forced+kernel.core_pattern" match nothing
 * (CVE-2022-0811, CVE-2024-9341).
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "ns/internal.h"

static const struct {
	const char *path;
	unsigned int needs;
} exact[] = {
	{ "kernel/auto_msgmni", CLONE_NEWIPC },     { "kernel/msgmax", CLONE_NEWIPC },
	{ "kernel/msgmnb", CLONE_NEWIPC },          { "kernel/msgmni", CLONE_NEWIPC },
	{ "kernel/msg_next_id", CLONE_NEWIPC },     { "kernel/sem", CLONE_NEWIPC },
	{ "kernel/sem_next_id", CLONE_NEWIPC },     { "kernel/shmall", CLONE_NEWIPC },
	{ "kernel/shmmax", CLONE_NEWIPC },          { "kernel/shmmni", CLONE_NEWIPC },
	{ "kernel/shm_next_id", CLONE_NEWIPC },     { "kernel/shm_rmid_forced", CLONE_NEWIPC },
	{ "kernel/domainname", CLONE_NEWUTS },
};

/* Turns a key into a path as sysctl(8) does: the first separator seen is the separator, so that
 * "net/ipv4/conf/eth0.5/forwarding" can name an interface with a dot. */
static bool key_path(const char *key, char *path, size_t size)
{
	const char *first = strpbrk(key, "./");
	bool dots = first && *first == '.';
	size_t len = strlen(key), part = 0;

	if (len == 0 || len >= size)
		return false;
	for (size_t i = 0; i <= len; i++) {
		char c = key[i];

		if (dots && (c == '.' || c == '/'))
			c = c == '.' ? '/' : '.';
		path[i] = c;
		if (c != '/' && c != '\0') {
			if (!isalnum((unsigned char)c) && !strchr("_-.:@", c))
				return false;
			part++;
			continue;
		}
		if (part == 0 || (part <= 2 && strspn(path + i - part, ".") == part))
			return false;
		part = 0;
	}
	return true;
}

bool ns_sysctl_find(const char *key, char *path, size_t size, unsigned int *ret_needs)
{
	if (!key_path(key, path, size))
		return false;
	if (strncmp(path, "net/", 4) == 0) {
		*ret_needs = CLONE_NEWNET;
		return true;
	}
	if (strncmp(path, "fs/mqueue/", 10) == 0) {
		*ret_needs = CLONE_NEWIPC;
		return true;
	}
	for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
		if (strcmp(exact[i].path, path) == 0) {
			*ret_needs = exact[i].needs;
			return true;
		}
	}
	return false;
}

static int parse_sysctl(const char *key, const json_t *value, const struct json_at *at,
			struct arena *a, const struct ns_spec *s, struct ns_sysctl *ret,
			struct err *e)
{
	const char *text = json_string_value(value);
	char path[256];

	if (!text)
		return json_bad(e, at, "must be a string");
	if (strcmp(key, "kernel.hostname") == 0 || strcmp(key, "kernel/hostname") == 0)
		return json_bad(e, at, "use /hostname");
	if (!ns_sysctl_find(key, path, sizeof path, &ret->needs))
		return json_bad(e, at, "is not a key that the kernel keeps per container (net.*, "
				"fs.mqueue.*, kernel.{shm*,msg*,sem}): it would change the host");
	if (!((s->new_namespaces | s->join_namespaces) & ret->needs))
		return json_bad(e, at, "needs the container's own %s namespace: it would change the host",
				ret->needs == CLONE_NEWNET ? "network" :
				ret->needs == CLONE_NEWIPC ? "ipc" : "uts");
	if (strlen(text) > 4095)
		return json_bad(e, at, "the value is longer than 4095 bytes");
	for (const char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c) && *c != '\t')
			return json_bad(e, at, "the value must not hold control characters");
	ret->why = arena_strdup(a, at->text);
	ret->path = arena_strdup(a, path);
	ret->value = arena_strdup(a, text);
	return 0;
}

int ns_parse_sysctls(const json_t *linux_object, const struct json_at *at, struct arena *a,
		     struct ns_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "sysctl");
	struct ns_sysctl *all;
	json_t *o = NULL, *value;
	const char *key;
	size_t i = 0;
	int r = json_get_object(linux_object, at, "sysctl", &o, e);

	if (r <= 0)
		return r;
	if (json_object_size(o) > NS_SYSCTLS_MAX)
		return json_bad(e, &here, "has more than %d keys", NS_SYSCTLS_MAX);
	all = arena_array(a, json_object_size(o) + 1, sizeof *all);
	if (!all)
		return err_set(e, ENOMEM, "cannot read sysctls");
	json_object_foreach(o, key, value) {
		struct json_at item = json_at_key(&here, key);

		r = parse_sysctl(key, value, &item, a, s, &all[i++], e);
		if (r < 0)
			return r;
	}
	s->sysctls = all;
	s->sysctl_count = i;
	return 0;
}
