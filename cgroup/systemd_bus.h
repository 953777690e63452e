/*
 * systemd_bus.h - talking to systemd; private to cgroup/.
 *
 * By a program of its own, kist-systemd, which is started when a connection is
 * wanted and ends with it: it loads libsystemd, and kist, which is static, can't.
 * Whoever does not ask for --systemd-cgroup needs neither.
 */
#pragma once
#include <sys/types.h>
#include "cgroup/systemd.h"

struct systemd_bus {
	int fd;
	pid_t helper;
};
#define SYSTEMD_BUS_INIT                                                                           \
	{                                                                                          \
		.fd = -EBADF                                                                       \
	}
/* Connects and makes sure that the far end is systemd. Not to be held over a clone3. */
int systemd_bus_open(bool user, struct systemd_bus *ret, struct err *e);
void systemd_bus_close(struct systemd_bus *b);
#define _cleanup_bus_ __attribute__((cleanup(systemd_bus_close)))

/* A string property of the manager; free() *ret. */
int systemd_bus_manager(struct systemd_bus *b, const char *property, char **ret, struct err *e);
/* A string property of a loaded unit; -ENOENT when there is none of that name. free() *ret. */
int systemd_bus_unit(struct systemd_bus *b, const char *unit, const char *property, char **ret,
		     struct err *e);
/* Both wait for the job's end. Start: -EEXIST when there is such a unit. Stop: 0 when there is
 * none. */
int systemd_bus_start(struct systemd_bus *b, const char *unit,
		      const struct systemd_property *properties, size_t count, struct err *e);
int systemd_bus_stop(struct systemd_bus *b, const char *unit, struct err *e);
/* A unit that failed is kept until it is told to forget that; whether it did does not matter. */
void systemd_bus_reset_failed(struct systemd_bus *b, const char *unit);
int systemd_bus_set(struct systemd_bus *b, const char *unit,
		    const struct systemd_property *properties, size_t count, struct err *e);
int systemd_bus_attach(struct systemd_bus *b, const char *unit, const char *below, pid_t pid,
		       struct err *e);
/* Refuses when systemd sees this process under another number: a pid of ours is not one of its. */
int systemd_bus_same_pids(struct systemd_bus *b, struct err *e);

/* The helper's whole life: answers what comes over fd until its end. Of kist-systemd alone. */
int systemd_serve(int fd);
