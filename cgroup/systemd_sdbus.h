/*
 * systemd_sdbus.h - talking to systemd over sd-bus: the part of kist-systemd alone.
 *
 * libsystemd is loaded with dlopen(3) when the first connection is wanted, which
 * is why no function of this file may be called by kist itself: that is static.
 */
#pragma once
#include <sys/types.h>
#include "cgroup/systemd.h"

#define SYSTEMD_JOB_SECONDS 60 /* how long a unit may take to start or stop */

struct sd_bus;
struct sdbus {
	struct sd_bus *bus;
	bool user;
};

/* As the functions of systemd_bus.h, which say what each does. */
int sdbus_open(bool user, struct sdbus *ret, struct err *e);
void sdbus_close(struct sdbus *b);
int sdbus_manager(struct sdbus *b, const char *property, char **ret, struct err *e);
int sdbus_unit(struct sdbus *b, const char *unit, const char *property, char **ret, struct err *e);
int sdbus_start(struct sdbus *b, const char *unit, const struct systemd_property *properties,
		size_t count, struct err *e);
int sdbus_stop(struct sdbus *b, const char *unit, struct err *e);
void sdbus_reset_failed(struct sdbus *b, const char *unit);
int sdbus_set(struct sdbus *b, const char *unit, const struct systemd_property *properties,
	      size_t count, struct err *e);
int sdbus_attach(struct sdbus *b, const char *unit, const char *below, pid_t pid, struct err *e);
int sdbus_same_pids(struct sdbus *b, struct err *e);
