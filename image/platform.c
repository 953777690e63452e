/*
 * platform.c - which entry of an index suits this machine (image-index.md, "platform").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "image/manifest.h"

#ifdef __x86_64__
/* The levels of the x86-64 ABI, by what is new in each. */
static const char *x86_level(void)
{
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt"))
		return "v1";
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2") ||
	    !__builtin_cpu_supports("fma"))
		return "v2";
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
	    !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
		return "v3";
	return "v4";
}
#endif

struct platform platform_here(void)
{
	static const struct {
		const char *machine, *architecture, *variant;
	} machines[] = {
		{ "x86_64", "amd64", "" },
		{ "aarch64", "arm64", "v8" },
		{ "armv7l", "arm", "v7" },
		{ "armv6l", "arm", "v6" },
		{ "i686", "386", "" },
		{ "riscv64", "riscv64", "" },
		{ "ppc64le", "ppc64le", "" },
		{ "s390x", "s390x", "" },
		{ "loongarch64", "loong64", "" },
	};
	struct platform here = { "linux", "unknown", "" };
	struct utsname names;
	size_t i;

	uname(&names);
	for (i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (strcmp(names.machine, machines[i].machine) != 0)
			continue;
		here.architecture = machines[i].architecture;
		here.variant = machines[i].variant;
	}
#ifdef __x86_64__
	if (strcmp(here.architecture, "amd64") == 0)
		here.variant = x86_level();
#endif
	return here;
}

int platform_parse(const char *text, struct arena *a, struct platform *ret, struct err *e)
{
	static const char *const same[][3] = {
		{ "x86_64", "amd64", "" },   { "x86-64", "amd64", "" }, { "aarch64", "arm64", "" },
		{ "armhf", "arm", "v7" },    { "armel", "arm", "v6" },	{ "i386", "386", "" },
	};
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
	struct platform p = { "", "", "" };
	const char *slash = strchr(text, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	size_t i;

	if (slash) {
		p.os = arena_strndup(a, text, slash - text);
		p.architecture = arena_strndup(a, slash + 1,
					       second ? (size_t)(second - slash - 1) : strlen(slash + 1));
		p.variant = arena_strdup(a, second ? second + 1 : "");
	}
	if (arena_failed(a))
		return err_set(e, ENOMEM, "no memory for a platform");
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (strcmp(p.architecture, same[i][0]) == 0) {
			p.architecture = same[i][1];
			p.variant = p.variant[0] ? p.variant : same[i][2];
		}
	if (p.os[0] == '\0' || p.architecture[0] == '\0' || (second && p.variant[0] == '\0') ||
	    p.os[strspn(p.os, letters)] || p.architecture[strspn(p.architecture, letters)] ||
	    p.variant[strspn(p.variant, letters)])
		return err_say(e, EINVAL, "\"%.60s\" is no platform: it is written "
			       "OS/ARCHITECTURE[/VARIANT], as linux/arm64", text);
	*ret = p;
	return 0;
}

/* "v7" -> 7; what is not said is the family's base line. */
static int level(const struct platform *p)
{
	if (p->variant[0] == 'v' && p->variant[1] >= '1' && p->variant[1] <= '9' &&
	    p->variant[2] == '\0')
		return p->variant[1] - '0';
	if (p->variant[0] != '\0')
		return -1;
	if (strcmp(p->architecture, "amd64") == 0)
		return 1;
	if (strcmp(p->architecture, "arm64") == 0)
		return 8;
	return strcmp(p->architecture, "arm") == 0 ? 7 : 0;
}

int platform_rank(const struct platform *have, const struct platform *here)
{
	int wants, has;

	if (have->os[0] == '\0' && have->architecture[0] == '\0')
		return 1;
	if (strcmp(have->os, here->os) != 0 || strcmp(have->architecture, here->architecture) != 0)
		return 0;
	wants = level(have);
	has = level(here);
	/* A machine runs its own level and those below: arm v7 also v6; the nearest is best. */
	return wants < 0 || wants > has ? 0 : 2 + wants;
}
