/*
 * systemd_sdbus.c - the few calls of org.freedesktop.systemd1.Manager that kist makes.
 *
 * The declarations are ours, of libsystemd's stable ABI (sd-bus(3)), so that
 * building kist needs no header of it either.
 */
#include "cgroup/systemd_sdbus.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIBRARY	  "libsystemd.so.0"
#define SERVICE	  "org.freedesktop.systemd1"
#define OBJECT	  "/org/freedesktop/systemd1"
#define MANAGER	  "org.freedesktop.systemd1.Manager"
#define UNIT	  "org.freedesktop.systemd1.Unit"
#define CALL_USEC (SYSTEMD_JOB_SECONDS * 1000000ULL)

typedef struct sd_bus sd_bus;
typedef struct sd_bus_slot sd_bus_slot;
typedef struct sd_bus_message sd_bus_message;
typedef struct sd_bus_error {
	const char *name;
	const char *message;
	int need_free;
} sd_bus_error;
typedef int (*sd_bus_handler)(sd_bus_message *m, void *user, sd_bus_error *ret);

/* clang-format off */
/* Every function that is used, with its type. */
#define SD_BUS_FUNCTIONS(F) \
	F(int, open_system, (sd_bus **ret)) \
	F(int, open_user, (sd_bus **ret)) \
	F(sd_bus *, flush_close_unref, (sd_bus *bus)) \
	F(int, get_unique_name, (sd_bus *bus, const char **ret)) \
	F(int, call_method, (sd_bus *bus, const char *service, const char *path, \
			     const char *interface, const char *member, sd_bus_error *ret_error, \
			     sd_bus_message **ret, const char *types, ...)) \
	F(int, get_property_string, (sd_bus *bus, const char *service, const char *path, \
				     const char *interface, const char *member, \
				     sd_bus_error *ret_error, char **ret)) \
	F(int, match_signal, (sd_bus *bus, sd_bus_slot **ret, const char *sender, \
			      const char *path, const char *interface, const char *member, \
			      sd_bus_handler handler, void *user)) \
	F(sd_bus_slot *, slot_unref, (sd_bus_slot *slot)) \
	F(int, process, (sd_bus *bus, sd_bus_message **ret)) \
	F(int, wait, (sd_bus *bus, uint64_t usec)) \
	F(int, call, (sd_bus *bus, sd_bus_message *m, uint64_t usec, sd_bus_error *ret_error, \
		      sd_bus_message **ret)) \
	F(int, message_new_method_call, (sd_bus *bus, sd_bus_message **ret, const char *service, \
					 const char *path, const char *interface, \
					 const char *member)) \
	F(int, message_append, (sd_bus_message *m, const char *types, ...)) \
	F(int, message_append_basic, (sd_bus_message *m, char type, const void *value)) \
	F(int, message_open_container, (sd_bus_message *m, char type, const char *contents)) \
	F(int, message_close_container, (sd_bus_message *m)) \
	F(int, message_read, (sd_bus_message *m, const char *types, ...)) \
	F(sd_bus_message *, message_unref, (sd_bus_message *m)) \
	F(void, error_free, (sd_bus_error *error))

static struct {
#define FIELD(type, name, args) type (*name) args;
	SD_BUS_FUNCTIONS(FIELD)
#undef FIELD
	bool loaded;
} sd;
/* clang-format on */

static int load(struct err *e)
{
#define NAME(type, name, args) { (void **)&sd.name, "sd_bus_" #name },
	static const struct {
		void **to;
		const char *name;
	} wanted[] = { SD_BUS_FUNCTIONS(NAME) };
#undef NAME
	void *library;

	if (sd.loaded)
		return 0;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		err_say(e, ENOENT, "the systemd cgroup driver needs %s, which is not there",
			LIBRARY);
		return err_fix(e, "apt-get install libsystemd0, or leave out --systemd-cgroup");
	}
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		*wanted[i].to = dlsym(library, wanted[i].name);
		if (!*wanted[i].to)
			return err_say(e, ENOSYS, "%s has no %s", LIBRARY, wanted[i].name);
	}
	sd.loaded = true;
	return 0;
}

/* ---- errors ---- */

static const char *bus_name(const struct sdbus *b)
{
	return b->user ? "the user's systemd" : "systemd";
}

static int unreachable(const struct sdbus *b, int error, struct err *e)
{
	err_set(e, error, "cannot reach %s over D-Bus", bus_name(b));
	return b->user ? err_fix(e, "set XDG_RUNTIME_DIR=/run/user/UID of a user who is logged in "
				    "(or: loginctl enable-linger), or leave out --systemd-cgroup")
		       : err_fix(e, "the driver needs systemd as init and a running dbus; leave "
				    "out --systemd-cgroup to have kist make the cgroup");
}

/* What a call came to. Frees the error. */
static int refused(const struct sdbus *b, int r, sd_bus_error *error, const char *what,
		   const char *unit, struct err *e)
{
	if (error->message)
		err_say(e, -r, "%s refuses to %s %s: %s", bus_name(b), what, unit, error->message);
	else
		err_set(e, -r, "%s: %s %s", bus_name(b), what, unit);
	sd.error_free(error);
	return r;
}

static bool is_error(const sd_bus_error *error, const char *name)
{
	return error->name && !strcmp(error->name, name);
}

/* ---- connection ---- */

int sdbus_open(bool user, struct sdbus *ret, struct err *e)
{
	struct sdbus b = { .user = user };
	sd_bus_error error = { 0 };
	char *version = NULL;
	int r = load(e);

	if (r < 0)
		return r;
	r = user ? sd.open_user(&b.bus) : sd.open_system(&b.bus);
	if (r < 0)
		return unreachable(&b, -r, e);
	r = sd.get_property_string(b.bus, SERVICE, OBJECT, MANAGER, "Version", &error, &version);
	free(version);
	sd.error_free(&error);
	if (r < 0) {
		sdbus_close(&b);
		return unreachable(&b, -r, e);
	}
	*ret = b;
	return 0;
}

void sdbus_close(struct sdbus *b)
{
	if (b->bus)
		sd.flush_close_unref(b->bus);
	b->bus = NULL;
}

int sdbus_manager(struct sdbus *b, const char *property, char **ret, struct err *e)
{
	sd_bus_error error = { 0 };
	int r = sd.get_property_string(b->bus, SERVICE, OBJECT, MANAGER, property, &error, ret);

	return r < 0 ? refused(b, r, &error, "tell", property, e) : 0;
}

int sdbus_same_pids(struct sdbus *b, struct err *e)
{
	static const char bus[] = "org.freedesktop.DBus";
	sd_bus_error error = { 0 };
	sd_bus_message *reply = NULL;
	const char *name;
	uint32_t pid = 0;
	int r = sd.get_unique_name(b->bus, &name);

	if (r >= 0)
		r = sd.call_method(b->bus, bus, "/org/freedesktop/DBus", bus,
				   "GetConnectionUnixProcessID", &error, &reply, "s", name);
	if (r >= 0)
		r = sd.message_read(reply, "u", &pid);
	sd.message_unref(reply);
	if (r < 0)
		return refused(b, r, &error, "tell the pid of", "this process", e);
	if (pid == (uint32_t)getpid())
		return 0;
	err_say(e, EOPNOTSUPP,
		"%s knows this process as %u, not %d: kist runs in a pid namespace of "
		"its own",
		bus_name(b), pid, (int)getpid());
	return err_fix(e, "run kist in the host's pid namespace, or leave out --systemd-cgroup");
}

/* ---- units ---- */

static int unit_path(struct sdbus *b, const char *unit, char **ret, struct err *e)
{
	sd_bus_error error = { 0 };
	sd_bus_message *reply = NULL;
	const char *path;
	int r = sd.call_method(b->bus, SERVICE, OBJECT, MANAGER, "GetUnit", &error, &reply, "s",
			       unit);

	if (r >= 0)
		r = sd.message_read(reply, "o", &path);
	if (r >= 0)
		*ret = strdup(path);
	sd.message_unref(reply);
	if (is_error(&error, "org.freedesktop.systemd1.NoSuchUnit")) {
		sd.error_free(&error);
		return -ENOENT;
	}
	if (r < 0)
		return refused(b, r, &error, "find", unit, e);
	return *ret ? 0 : err_set(e, ENOMEM, "%s", unit);
}

int sdbus_unit(struct sdbus *b, const char *unit, const char *property, char **ret,
		     struct err *e)
{
	sd_bus_error error = { 0 };
	char *path = NULL;
	int r = unit_path(b, unit, &path, e);

	if (r < 0)
		return r;
	r = sd.get_property_string(b->bus, SERVICE, path, UNIT, property, &error, ret);
	free(path);
	/* it went between the two questions */
	if (is_error(&error, "org.freedesktop.DBus.Error.UnknownObject") ||
	    is_error(&error, "org.freedesktop.systemd1.NoSuchUnit")) {
		sd.error_free(&error);
		return -ENOENT;
	}
	return r < 0 ? refused(b, r, &error, "tell of", unit, e) : 0;
}

void sdbus_reset_failed(struct sdbus *b, const char *unit)
{
	sd_bus_error error = { 0 };

	sd.call_method(b->bus, SERVICE, OBJECT, MANAGER, "ResetFailedUnit", &error, NULL, "s",
		       unit);
	sd.error_free(&error);
}

/* ---- jobs ---- */

struct job {
	char *path;
	char result[32]; /* "" while it runs */
};

static int on_job_removed(sd_bus_message *m, void *user, sd_bus_error *ret)
{
	const char *path, *unit, *result;
	struct job *job = user;
	uint32_t id;

	(void)ret;
	if (sd.message_read(m, "uoss", &id, &path, &unit, &result) >= 0 && job->path &&
	    !strcmp(path, job->path))
		snprintf(job->result, sizeof job->result, "%s", result);
	return 0;
}

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int wait_job(struct sdbus *b, const struct job *job, const char *what,
		    const char *unit, struct err *e)
{
	uint64_t end = now_usec() + CALL_USEC;

	while (!job->result[0]) {
		uint64_t now = now_usec();
		int r = sd.process(b->bus, NULL);

		if (r == 0 && now >= end) {
			err_say(e, ETIMEDOUT, "%s did not %s %s within %d seconds", bus_name(b),
				what, unit, SYSTEMD_JOB_SECONDS);
			return err_fix(e, "see what it waits for: systemctl list-jobs");
		}
		if (r == 0)
			r = sd.wait(b->bus, end - now);
		if (r < 0 && r != -EINTR)
			return err_set(e, -r, "%s: %s %s", bus_name(b), what, unit);
	}
	if (!strcmp(job->result, "done"))
		return 0;
	err_say(e, EIO, "%s could not %s %s: the job's result is \"%s\"", bus_name(b), what, unit,
		job->result);
	return err_fix(e, "see: journalctl --%sunit %s", b->user ? "user-" : "", unit);
}

/* Sends a call that answers with a job, and waits for that job's end. */
static int run_job(struct sdbus *b, sd_bus_message *m, const char *what, const char *unit,
		   sd_bus_error *error, struct err *e)
{
	sd_bus_message *reply = NULL;
	struct job job = { 0 };
	sd_bus_slot *slot = NULL;
	const char *path;
	int r;

	/* Signals are sent to those who subscribed; the match is there before the job is. */
	r = sd.call_method(b->bus, SERVICE, OBJECT, MANAGER, "Subscribe", error, NULL, NULL);
	if (is_error(error, "org.freedesktop.systemd1.AlreadySubscribed")) {
		sd.error_free(error);
		r = 0;
	}
	if (r >= 0)
		r = sd.match_signal(b->bus, &slot, SERVICE, OBJECT, MANAGER, "JobRemoved",
				    on_job_removed, &job);
	if (r >= 0)
		r = sd.call(b->bus, m, CALL_USEC, error, &reply);
	if (r >= 0)
		r = sd.message_read(reply, "o", &path);
	if (r >= 0) {
		job.path = strdup(path);
		r = job.path ? wait_job(b, &job, what, unit, e) : -ENOMEM;
	} else {
		err_set(e, -r, "%s: %s %s", bus_name(b), what, unit);
	}
	sd.message_unref(reply);
	sd.slot_unref(slot);
	free(job.path);
	return r;
}

static int append_value(sd_bus_message *m, char type, const union systemd_value *v)
{
	uint8_t y = (uint8_t)v->number;
	uint16_t q = (uint16_t)v->number;
	uint32_t u = (uint32_t)v->number;
	int b = v->number != 0;
	int16_t n = (int16_t)v->integer;
	int32_t i = (int32_t)v->integer;

	switch (type) {
	case 's':
		return sd.message_append_basic(m, type, v->text);
	case 'b':
		return sd.message_append_basic(m, type, &b);
	case 'y':
		return sd.message_append_basic(m, type, &y);
	case 'q':
		return sd.message_append_basic(m, type, &q);
	case 'u':
		return sd.message_append_basic(m, type, &u);
	case 'n':
		return sd.message_append_basic(m, type, &n);
	case 'i':
		return sd.message_append_basic(m, type, &i);
	default: /* t, x, d: eight bytes as they are */
		return sd.message_append_basic(m, type, v);
	}
}

static int append_property(sd_bus_message *m, const struct systemd_property *p)
{
	const char one[] = { p->type, '\0' }, many[] = { 'a', p->type, '\0' };
	int r;

	if ((r = sd.message_open_container(m, 'r', "sv")) < 0 ||
	    (r = sd.message_append_basic(m, 's', p->name)) < 0 ||
	    (r = sd.message_open_container(m, 'v', p->array ? many : one)) < 0)
		return r;
	if (p->array && (r = sd.message_open_container(m, 'a', one)) < 0)
		return r;
	for (size_t i = 0; i < p->count; i++)
		if ((r = append_value(m, p->type, &p->values[i])) < 0)
			return r;
	if (p->array && (r = sd.message_close_container(m)) < 0)
		return r;
	if ((r = sd.message_close_container(m)) < 0)
		return r;
	return sd.message_close_container(m);
}

static int append_properties(sd_bus_message *m, const struct systemd_property *list, size_t count)
{
	int r = sd.message_open_container(m, 'a', "(sv)");

	for (size_t i = 0; i < count && r >= 0; i++)
		r = append_property(m, &list[i]);
	return r < 0 ? r : sd.message_close_container(m);
}

int sdbus_start(struct sdbus *b, const char *unit,
		      const struct systemd_property *properties, size_t count, struct err *e)
{
	sd_bus_error error = { 0 };
	sd_bus_message *m = NULL;
	int r = sd.message_new_method_call(b->bus, &m, SERVICE, OBJECT, MANAGER,
					   "StartTransientUnit");

	if (r >= 0)
		r = sd.message_append(m, "ss", unit, "fail");
	if (r >= 0)
		r = append_properties(m, properties, count);
	if (r >= 0)
		r = sd.message_append(m, "a(sa(sv))", 0);
	r = r < 0 ? err_set(e, -r, "StartTransientUnit %s", unit)
		  : run_job(b, m, "start", unit, &error, e);
	sd.message_unref(m);
	if (is_error(&error, "org.freedesktop.systemd1.UnitExists")) {
		sd.error_free(&error);
		err_clear(e);
		err_say(e, EEXIST, "systemd has a unit %s already", unit);
		return err_fix(e,
			       "see: systemctl %sstatus %s; give this container another name in "
			       "linux.cgroupsPath",
			       b->user ? "--user " : "", unit);
	}
	if (error.name) {
		err_clear(e);
		return refused(b, r, &error, "start", unit, e);
	}
	return r < 0 ? r : 0;
}

int sdbus_stop(struct sdbus *b, const char *unit, struct err *e)
{
	sd_bus_error error = { 0 };
	sd_bus_message *m = NULL;
	int r = sd.message_new_method_call(b->bus, &m, SERVICE, OBJECT, MANAGER, "StopUnit");

	if (r >= 0)
		r = sd.message_append(m, "ss", unit, "replace");
	r = r < 0 ? err_set(e, -r, "StopUnit %s", unit) : run_job(b, m, "stop", unit, &error, e);
	sd.message_unref(m);
	if (is_error(&error, "org.freedesktop.systemd1.NoSuchUnit")) {
		sd.error_free(&error);
		err_clear(e);
		return 0;
	}
	if (error.name) {
		err_clear(e);
		return refused(b, r, &error, "stop", unit, e);
	}
	return r < 0 ? r : 0;
}

int sdbus_set(struct sdbus *b, const char *unit,
		    const struct systemd_property *properties, size_t count, struct err *e)
{
	sd_bus_error error = { 0 };
	sd_bus_message *m = NULL;
	char *version;
	int r = sd.message_new_method_call(b->bus, &m, SERVICE, OBJECT, MANAGER,
					   "SetUnitProperties");

	if (r >= 0)
		r = sd.message_append(m, "sb", unit, 1); /* runtime: gone with the next boot */
	if (r >= 0)
		r = append_properties(m, properties, count);
	if (r >= 0)
		r = sd.call(b->bus, m, CALL_USEC, &error, NULL);
	sd.message_unref(m);
	if (r < 0)
		return refused(b, r, &error, "change", unit, e);
	/* It answers first and writes the cgroup's files before it takes the next call: this one.
	 */
	if (sd.get_property_string(b->bus, SERVICE, OBJECT, MANAGER, "Version", &error, &version) >=
	    0)
		free(version);
	sd.error_free(&error);
	return 0;
}

int sdbus_attach(struct sdbus *b, const char *unit, const char *below, pid_t pid,
		       struct err *e)
{
	sd_bus_error error = { 0 };
	int r = sd.call_method(b->bus, SERVICE, OBJECT, MANAGER, "AttachProcessesToUnit", &error,
			       NULL, "ssau", unit, below, 1, (uint32_t)pid);

	return r < 0 ? refused(b, r, &error, "take a process into", unit, e) : 0;
}
