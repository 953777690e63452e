/*
 * platform.c - which entry of an index suits this machine (image-index.md, "platform").
 */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "image/manifest.h"

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
	return here;
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
