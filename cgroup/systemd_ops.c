/*
 * systemd_ops.c - the unit as steps of a plan: started with the guest's pid, and stopped again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/engine.h"
#include "base/fd.h"
#include "cgroup/cgroup_ops.h"
#include "cgroup/systemd_bus.h"

#define MOVE_WAIT_MS 10000 /* for the guest, or the folder, to be where systemd said it is */
#define PAUSE_MS     10

struct op_start_unit_args {
	const struct systemd_unit *unit;
	const char *cgroup; /* below the mount: where the guest must be afterwards */
	const char *mount;
	const struct systemd_property *properties; /* without PIDs */
	size_t count;
};

/* ---- act ---- */

static int read_cgroup_of(pid_t pid, char *text, size_t size)
{
	char path[32], *line;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	n = file_read_at(AT_FDCWD, path, text, size);
	if (n < 0)
		return (int)n;
	line = strstr(text, "0::");
	if (!line || (line != text && line[-1] != '\n'))
		return -ENOENT;
	memmove(text, line + 3, strcspn(line + 3, "\n"));
	text[strcspn(line + 3, "\n")] = '\0';
	return 0;
}

/* The limits go to a/cgroup by its name: the guest must really be there. */
static int check_moved(const struct op_start_unit_args *a, pid_t pid, struct err *e)
{
	char text[CGROUP_PATH_MAX + 512] = "";

	for (int waited = 0; waited <= MOVE_WAIT_MS; waited += PAUSE_MS) {
		int r = read_cgroup_of(pid, text, sizeof text);

		if (r < 0)
			return err_set(e, -r, "/proc/%d/cgroup", (int)pid);
		if (!strcmp(text, a->cgroup))
			return 0;
		poll(NULL, 0, PAUSE_MS);
	}
	err_say(e, EBUSY, "systemd put the container into %.200s, not %.200s", text, a->cgroup);
	return err_fix(e, "the slice is nested otherwise: see systemctl status %.60s",
		       a->unit->name);
}

/* A slice takes no pids: what lives in it is moved in. */
static int move_into_slice(const struct op_start_unit_args *a, pid_t pid, struct err *e)
{
	char path[CGROUP_PATH_MAX + 512], text[16];
	int r;

	snprintf(path, sizeof path, "%s%s/cgroup.procs", a->mount, a->cgroup);
	snprintf(text, sizeof text, "%d", (int)pid);
	r = file_write_at(AT_FDCWD, path, text);
	return r < 0 ? err_set(e, -r, "write %s", path) : 0;
}

/* A unit of that name that is dead but not forgotten is in nobody's way. */
static bool is_dead_unit(struct systemd_bus *b, const char *unit)
{
	_cleanup_free_ char *state = NULL;
	int r = systemd_bus_unit(b, unit, "ActiveState", &state, NULL);

	return r == -ENOENT || (r == 0 && (!strcmp(state, "failed") || !strcmp(state, "inactive")));
}

static int act_start_unit(struct run *r, const void *args, struct err *e)
{
	const struct op_start_unit_args *a = args;
	_cleanup_bus_ struct systemd_bus b = SYSTEMD_BUS_INIT;
	_cleanup_free_ struct systemd_property *list = calloc(a->count + 1, sizeof *list);
	pid_t pid = run_slot(r, SLOT_GUEST_PID);
	union systemd_value pid_value = { .number = (uint64_t)pid };
	size_t count = a->count;
	int result;

	if (!list)
		return -ENOMEM;
	if (pid <= 0)
		return -ESRCH;
	memcpy(list, a->properties, count * sizeof *list);
	if (!a->unit->is_slice) {
		list[count] = (struct systemd_property){
			.name = "PIDs", .type = 'u', .array = true, .count = 1, .values = &pid_value
		};
		count++;
	}
	result = systemd_bus_open(a->unit->manager.user, &b, e);
	if (result == 0)
		result = systemd_bus_same_pids(&b, e);
	if (result == 0)
		result = systemd_bus_start(&b, a->unit->name, list, count, e);
	if (result == -EEXIST && is_dead_unit(&b, a->unit->name)) {
		err_clear(e);
		systemd_bus_reset_failed(&b, a->unit->name);
		result = systemd_bus_start(&b, a->unit->name, list, count, e);
	}
	if (result == 0 && a->unit->is_slice)
		result = move_into_slice(a, pid, e);
	return result < 0 ? result : check_moved(a, pid, e);
}

/* ---- show ---- */

static void show_value(struct buf *out, char type, const union systemd_value *v, bool shell)
{
	switch (type) {
	case 's':
		if (shell)
			buf_add_shell(out, v->text);
		else
			buf_add_quoted(out, v->text);
		break;
	case 'b':
		buf_add(out, v->number ? "true" : "false");
		break;
	case 'n':
	case 'i':
	case 'x':
		buf_addf(out, "%lld", (long long)v->integer);
		break;
	case 'd':
		buf_addf(out, "%g", v->real);
		break;
	default:
		if (!shell && type == 't' && v->number == UINT64_MAX)
			buf_add(out, "infinity");
		else
			buf_addf(out, "%llu", (unsigned long long)v->number);
	}
}

static void show_start_unit(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_start_unit_args *a = args;

	buf_add(out, "StartTransientUnit(");
	buf_add_quoted(out, a->unit->name);
	buf_add(out, ", \"fail\", {");
	for (size_t i = 0; i < a->count; i++) {
		const struct systemd_property *q = &a->properties[i];

		buf_addf(out, "%s%s=", i ? ", " : "", q->name);
		if (q->array)
			buf_add_char(out, '[');
		for (size_t k = 0; k < q->count; k++) {
			buf_add(out, k ? " " : "");
			show_value(out, q->type, &q->values[k], false);
		}
		if (q->array)
			buf_add_char(out, ']');
	}
	if (!a->unit->is_slice) {
		buf_addf(out, "%sPIDs=[", a->count ? ", " : "");
		plan_show_slot(out, p, SLOT_GUEST_PID);
		buf_add_char(out, ']');
	}
	buf_add(out, "}), JobRemoved");
	if (a->unit->is_slice)
		buf_add(out, ", write(cgroup.procs)");
}

static void by_hand_start_unit(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_start_unit_args *a = args;

	(void)p;
	buf_addf(out,
		 "busctl %scall org.freedesktop.systemd1 /org/freedesktop/systemd1 "
		 "org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' ",
		 a->unit->manager.user ? "--user " : "");
	buf_add_shell(out, a->unit->name);
	buf_addf(out, " fail %zu", a->count + !a->unit->is_slice);
	for (size_t i = 0; i < a->count; i++) {
		const struct systemd_property *q = &a->properties[i];

		buf_addf(out, " %s %s%c", q->name, q->array ? "a" : "", q->type);
		if (q->array)
			buf_addf(out, " %zu", q->count);
		for (size_t k = 0; k < q->count; k++) {
			buf_add_char(out, ' ');
			show_value(out, q->type, &q->values[k], true);
		}
	}
	buf_add(out, a->unit->is_slice ? " 0" : " PIDs au 1 $PID 0");
}

static const struct op op_start_unit = { .name = "StartTransientUnit",
					 .man = "org.freedesktop.systemd1(5)",
					 .compound = true,
					 .act = act_start_unit,
					 .show = show_start_unit,
					 .by_hand = by_hand_start_unit };

/* ---- one more process ---- */

/* "user:kist-web.scope" */
static const char *unit_of_text(const char *text, bool *ret_user)
{
	*ret_user = cgroup_systemd_is_user(text);
	return strchr(text, ':') ? strchr(text, ':') + 1 : text;
}

bool cgroup_systemd_is_user(const char *unit_text)
{
	return !strncmp(unit_text, "user:", 5);
}

struct op_join_unit_args {
	const char *unit_text;
	const char *below;
};

static int act_join_unit(struct run *r, const void *args, struct err *e)
{
	const struct op_join_unit_args *a = args;
	_cleanup_bus_ struct systemd_bus b = SYSTEMD_BUS_INIT;
	bool user;
	const char *unit = unit_of_text(a->unit_text, &user);
	int result = systemd_bus_open(user, &b, e);

	if (result == 0)
		result = systemd_bus_same_pids(&b, e);
	if (result == 0)
		result = systemd_bus_attach(&b, unit, a->below, run_slot(r, SLOT_GUEST_PID), e);
	return result;
}

static void show_join_unit(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_join_unit_args *a = args;
	bool user;

	buf_add(out, "AttachProcessesToUnit(");
	buf_add_quoted(out, unit_of_text(a->unit_text, &user));
	buf_add(out, ", ");
	buf_add_quoted(out, a->below);
	buf_add(out, ", [");
	plan_show_slot(out, p, SLOT_GUEST_PID);
	buf_add(out, "])");
}

static void by_hand_join_unit(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_join_unit_args *a = args;
	bool user;
	const char *unit = unit_of_text(a->unit_text, &user);

	(void)p;
	buf_addf(out,
		 "busctl %scall org.freedesktop.systemd1 /org/freedesktop/systemd1 "
		 "org.freedesktop.systemd1.Manager AttachProcessesToUnit ssau ",
		 user ? "--user " : "");
	buf_add_shell(out, unit);
	buf_add_char(out, ' ');
	buf_add_shell(out, a->below);
	buf_add(out, " 1 $PID");
}

static const struct op op_join_unit = { .name = "AttachProcessesToUnit",
					.man = "org.freedesktop.systemd1(5)",
					.compound = true,
					.act = act_join_unit,
					.show = show_join_unit,
					.by_hand = by_hand_join_unit };

void cgroup_plan_systemd_join(struct plan *p, const char *unit_text, const char *below)
{
	plan_scope(p, "", "cgroup");
	plan_add(p, SIDE_HOST, op_join_unit, op_join_unit_args, .unit_text = unit_text,
		 .below = below ? below : "");
}

/* ---- undo ---- */

const char *cgroup_systemd_unit_text(const struct systemd_unit *unit, struct arena *a)
{
	return arena_printf(a, "%s:%s", unit->manager.user ? "user" : "system", unit->name);
}

static int kill_all(const char *folder, struct err *e)
{
	_cleanup_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "open %s", folder);
	r = cgroup_kill(fd, e);
	if (r >= 0)
		r = cgroup_wait_empty(fd, CGROUP_UNDO_WAIT_MS, e);
	return r == -ENOENT || r == -ENODEV ? 0 : r; /* systemd took the empty folder away */
}

static int wait_removed(const char *folder, struct err *e)
{
	for (int waited = 0; access(folder, F_OK) == 0; waited += PAUSE_MS) {
		if (waited >= MOVE_WAIT_MS)
			return err_say(e, EBUSY, "systemd stopped the unit, but %s is still there",
				       folder);
		poll(NULL, 0, PAUSE_MS);
	}
	return 0;
}

/* Of a container of another state root, or of nobody's we know, by that name: left alone. */
static int is_ours(struct systemd_bus *b, const char *unit, const char *description, struct err *e)
{
	_cleanup_free_ char *found = NULL;
	int r = systemd_bus_unit(b, unit, "Description", &found, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return !strcmp(found, description);
}

/* args: unit text, description, folder. Processes are killed at once: StopUnit alone would wait for
 * them to take SIGTERM seriously. */
static int act_stop_unit(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
			 struct err *e)
{
	_cleanup_bus_ struct systemd_bus b = SYSTEMD_BUS_INIT;
	const char *unit, *folder = args[2];
	bool user;
	int r;

	(void)at;
	if (!args[0] || !args[1] || !folder)
		return err_say(e, EINVAL, "stop_unit: the record is incomplete");
	unit = unit_of_text(args[0], &user);
	r = systemd_bus_open(user, &b, e);
	if (r < 0) {
		/* A user's systemd takes all of its units with it when it ends. */
		if (access(folder, F_OK) == 0 || errno != ENOENT)
			return r;
		err_clear(e);
		return 0;
	}
	r = is_ours(&b, unit, args[1], e);
	if (r <= 0)
		return r;
	r = kill_all(folder, e);
	if (r >= 0)
		r = systemd_bus_stop(&b, unit, e);
	systemd_bus_reset_failed(&b, unit);
	return r < 0 ? r : wait_removed(folder, e);
}

static const struct undo_kind undo_stop_unit = { .name = "stop_unit", .act = act_stop_unit };

const struct undo_kind *const cgroup_systemd_undo_kinds[] = { &undo_stop_unit, NULL };

/* ---- builder ---- */

struct properties {
	struct arena *arena;
	struct systemd_property *items;
	size_t count, room;
};

static void add(struct properties *l, const char *name, char type, union systemd_value v)
{
	union systemd_value *value = arena_alloc(l->arena, sizeof *value);

	if (!value || l->count == l->room)
		return;
	*value = v;
	l->items[l->count++] = (struct systemd_property){
		.name = name, .type = type, .count = 1, .values = value
	};
}

/* An annotation has the last word. */
static void add_asked(struct properties *l, const struct systemd_property *asked)
{
	size_t i = 0;

	while (i < l->count && strcmp(l->items[i].name, asked->name))
		i++;
	if (i == l->room)
		return;
	l->items[i] = *asked;
	l->count += i == l->count;
}

static void add_text(struct properties *l, const char *name, const char *text)
{
	add(l, name, 's', (union systemd_value){ .text = text });
}

static void add_flag(struct properties *l, const char *name, bool value)
{
	add(l, name, 'b', (union systemd_value){ .number = value });
}

void cgroup_plan_systemd(struct plan *p, const struct cgroup_spec *s, const struct host *h,
			 const char *owner, int slot_cgroup)
{
	static const char *const accounting[] = { "CPUAccounting", "MemoryAccounting",
						  "IOAccounting", "TasksAccounting" };
	const struct systemd_unit *unit = s->unit;
	size_t limit_count;
	const struct systemd_property *limits =
		systemd_limits(s, unit->manager.version, p->arena, &limit_count);
	struct properties l = { .arena = p->arena, .room = 16 + limit_count + unit->asked_count };
	char *folder = arena_printf(p->arena, "%s%s", h->cgroup_mount, s->path);
	int step;

	l.items = arena_array(p->arena, l.room, sizeof *l.items);
	owner = owner ? arena_strdup(p->arena, owner) : NULL;
	if (!l.items || !limits || !folder || !owner)
		return;
	plan_scope(p, "/linux/cgroupsPath", unit->name);
	add_text(&l, "Description", owner);
	add_flag(&l, "DefaultDependencies", false); /* whoever made it says when it ends */
	if (unit->manager.version >= 236)
		add_text(&l, "CollectMode", "inactive-or-failed");
	if (!unit->is_slice) {
		add_text(&l, "Slice", unit->slice);
		add_flag(&l, "Delegate", true);
	}
	for (size_t i = 0; i < sizeof accounting / sizeof accounting[0]; i++)
		add_flag(&l, accounting[i], true);
	for (size_t i = 0; i < limit_count; i++)
		add_asked(&l, &limits[i]);
	for (size_t i = 0; i < unit->asked_count; i++)
		add_asked(&l, &unit->asked[i]);
	step = plan_add(p, SIDE_HOST, op_start_unit, op_start_unit_args, .unit = unit,
			.cgroup = s->path, .mount = arena_strdup(p->arena, h->cgroup_mount),
			.properties = l.items, .count = l.count);
	plan_undo(p, step, &undo_stop_unit, cgroup_systemd_unit_text(unit, p->arena), owner,
		  folder);
	plan_add(p, SIDE_HOST, op_cgroup_open, op_cgroup_open_args, .path = folder,
		 .slot = slot_cgroup);
	cgroup_plan_limits(p, s, h);
	cgroup_plan_delegate(p, s, h);
	if (!cgroup_devices_skipped(s, h))
		cgroup_plan_devices(p, s, slot_cgroup);
	cgroup_plan_egress(p, s, slot_cgroup);
}

/* ---- without a plan ---- */

int systemd_find(bool user, const struct host *h, struct arena *a, struct systemd_manager *ret,
		 struct err *e)
{
	_cleanup_bus_ struct systemd_bus b = SYSTEMD_BUS_INIT;
	_cleanup_free_ char *version = NULL, *cgroup = NULL;
	struct systemd_manager m = { .user = user };
	size_t length;
	int controllers, r = systemd_bus_open(user, &b, e);

	if (r == 0)
		r = systemd_bus_manager(&b, "Version", &version, e);
	if (r == 0)
		r = systemd_bus_manager(&b, "ControlGroup", &cgroup, e);
	if (r < 0)
		return r;
	m.version = (unsigned)strtoul(version + strcspn(version, "0123456789"), NULL, 10);
	length = strlen(cgroup);
	length -= length > 0 && cgroup[length - 1] == '/';
	m.cgroup = arena_strndup(a, cgroup, length);
	if (!m.cgroup || arena_failed(a))
		return err_set(e, ENOMEM, "systemd");
	/* A user's systemd has what the machine's has given it, which is seldom everything. */
	controllers = cgroup_read_controllers(
		AT_FDCWD, arena_printf(a, "%s%s/cgroup.controllers", h->cgroup_mount, m.cgroup));
	m.controllers = controllers < 0 ? h->controllers : (uint32_t)controllers;
	*ret = m;
	return 0;
}

int cgroup_systemd_update(const char *unit_text, const struct cgroup_spec *s, struct err *e)
{
	_cleanup_bus_ struct systemd_bus b = SYSTEMD_BUS_INIT;
	_cleanup_free_ char *version = NULL;
	const struct systemd_property *list;
	struct arena arena = ARENA_INIT;
	size_t count = 0;
	bool user;
	const char *unit = unit_of_text(unit_text, &user);
	int r = systemd_bus_open(user, &b, e);

	if (r == 0)
		r = systemd_bus_manager(&b, "Version", &version, e);
	if (r < 0)
		return r;
	list = systemd_limits(s,
			      (unsigned)strtoul(version + strcspn(version, "0123456789"), NULL, 10),
			      &arena, &count);
	if (!list)
		r = err_set(e, ENOMEM, "limits");
	else if (count > 0)
		r = systemd_bus_set(&b, unit, list, count, e);
	arena_free(&arena);
	return r;
}
