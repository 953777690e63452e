/*
 * memlock.c - lets crun be measured where root may not raise RLIMIT_MEMLOCK.
 *
 * crun wants it unlimited before it loads its device filter, which Linux 5.11 and later charge to
 * the memory cgroup instead, and gives up when it may not. Preloaded, this says that it may. It
 * costs crun the loading of one small library.
 *
 * Build:  cc -shared -fPIC -o memlock.so memlock.c
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	if (resource == RLIMIT_MEMLOCK)
		return 0;
	return (int)syscall(SYS_prlimit64, 0, resource, limit, 0);
}
