/* A lease store of a test's own: lease_root is below /tmp, and goes with the test. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "net/lease.h"

static inline int make_lease_root(void **state)
{
	static char root[64];
	char *top = malloc(sizeof root);

	snprintf(top, sizeof root, "/tmp/kist-leases-XXXXXX");
	*state = top;
	if (!mkdtemp(top))
		return -1;
	snprintf(root, sizeof root, "%s/net", top);
	lease_root = root;
	return 0;
}

static inline int remove_lease_root(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
	free(*state);
	return system(command);
}
