/*
 * intent.c - the state folder's steps, the intent record, and replaying it.
 *
 * ONE record, written before the first lasting host step, lists every undo, so
 * that `kist delete --force` cleans up after a kill -9 at any moment.
 */
#include "runtime/container.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "runtime/record.h"
#include "runtime/undo.h"

/* --- taking back ------------------------------------------------------------ */

static int undo_state_folder(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
			     struct err *e)
{
	static const char *const usual[] = { "state.json", "config.json", "intent.json" };
	char path[CONTAINER_ID_MAX + 16];

	(void)args;
	/* The state root is nobody's but the caller's: no name in it is a trap. */
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
		snprintf(path, sizeof path, "%s/%s", at->id, usual[i]);
		unlinkat(at->state_root, path, 0);
	}
	if (unlinkat(at->state_root, at->id, AT_REMOVEDIR) == 0)
		return 0;
	/* It was made by create. */
	snprintf(path, sizeof path, "%s/start.sock", at->id);
	if (unlinkat(at->state_root, path, 0) == 0 &&
	    unlinkat(at->state_root, at->id, AT_REMOVEDIR) == 0)
		return 0;
	return path_remove_tree(at->state_root, at->id, e);
}

const struct undo_kind undo_kind_state_folder = { .name = "remove_state_folder", .act = undo_state_folder,
						    .last = true };

/* One entry: {"undo": "rmdir_cgroup", "args": ["/sys/fs/cgroup/x", null, null]}. */
static int replay_entry(const json_t *entry, const struct undo_at *at, bool failed,
			bool *ret_damaged, struct err *e)
{
	const char *name = json_string_value(json_object_get(entry, "undo"));
	const char *args[PLAN_UNDO_ARGS] = { NULL };
	const json_t *list = json_object_get(entry, "args");
	const struct undo_kind *kind = name ? undo_find_kind(name) : NULL;

	*ret_damaged |= !kind;
	if (!kind)
		return err_say(e, EINVAL, "intent.json has an unknown undo \"%s\"",
			       name ? name : "");
	if (failed && kind->last)
		return 0;
	for (size_t i = 0; i < PLAN_UNDO_ARGS; i++)
		args[i] = json_string_value(json_array_get(list, i));
	return kind->act(at, args, e);
}

/* Killed between making the record's file and writing it: nothing was made yet. */
static bool is_unwritten(int dir)
{
	struct stat st;

	return fstatat(dir, "intent.json", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 0 &&
	       faccessat(dir, "state.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

static int replay(int dir, const struct undo_at *at, bool *ret_damaged, struct err *e)
{
	_cleanup_json_ json_t *intent = NULL;
	struct err first = ERR_INIT;
	const json_t *undo;
	int r;

	r = record_read(dir, "intent.json", &intent, e);
	if (r == -ENOENT || (r == -EINVAL && is_unwritten(dir))) {
		err_clear(e);
		return 0; /* killed before the record: nothing but the folder was made */
	}
	undo = json_object_get(intent, "undo");
	*ret_damaged = r == -EINVAL || (r == 0 && !json_is_array(undo));
	if (r < 0)
		return err_wrap(e, "the intent record of %s is damaged", at->id);
	for (size_t i = json_array_size(undo); i-- > 0;) {
		struct err one = ERR_INIT;

		if (replay_entry(json_array_get(undo, i), at, first.error, ret_damaged, &one) < 0 &&
		    !first.error)
			first = one;
	}
	if (!first.error)
		return 0;
	*e = first;
	return -first.error;
}

/* The intent record is damaged. What the state record says is believed even where that is damaged
 * too: the undo looks at the cgroup's mark. */
static void salvage(int dir, const struct undo_at *at)
{
	_cleanup_json_ json_t *state = NULL;
	struct err ignored = ERR_INIT;
	const char *cgroup = NULL;

	if (json_read_file(dir, "state.json", &state, &ignored) == 0)
		cgroup = json_string_value(json_object_get(state, "cgroup"));
	log_msg(LOG_WARN, "the records of container %s are damaged: %s", at->id,
		cgroup ? "what it has of the network may be left"
		       : "what it has of cgroups and of the network may be left");
	undo_by_name(at, cgroup, &ignored);
}

int container_take_back(int root, const char *id, struct err *e)
{
	_cleanup_fd_ int dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct undo_at at = { .id = id, .state_root = root };
	bool damaged = false;
	int r;

	if (dir < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot open the state of %s", id);
	r = replay(dir, &at, &damaged, e);
	if (r < 0 && !damaged)
		return r;
	if (damaged)
		salvage(dir, &at);
	return path_remove_tree(root, id, e);
}

/* --- the steps -------------------------------------------------------------- */

struct folder_args {
	int root;
	const char *id;
};

/* Not flock(2)'s lock, which whoever changes the container has for a moment: this one is the maker's,
 * as long as it has this descriptor. */
static struct flock attended(short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };
}

static int attend(int dir)
{
	struct flock lock = attended(F_RDLCK);

	return fcntl(dir, F_OFD_SETLK, &lock);
}

bool container_is_attended(int dir)
{
	struct flock lock = attended(F_WRLCK);

	/* Not to know is no reason to take it for left. */
	return fcntl(dir, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static int act_mkdir_state(struct run *r, const void *args, struct err *e)
{
	const struct folder_args *a = args;
	int fd;

	if (mkdirat(a->root, a->id, 0700) < 0) {
		if (errno == EEXIST)
			return err_say(e, EEXIST, "container with given ID already exists");
		return -errno;
	}
	fd = openat(a->root, a->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whoever removes the folder locks it first; a new one is uncontended. */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || attend(fd) < 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		unlinkat(a->root, a->id, AT_REMOVEDIR);
		return -error;
	}
	run_set_fd(r, SLOT_STATE_DIR, fd);
	return 0;
}

static void show_mkdir_state(struct buf *out, const struct plan *p, const void *args)
{
	const struct folder_args *a = args;

	(void)p;
	buf_add(out, "mkdirat(<state root>, ");
	buf_add_quoted(out, a->id);
	buf_add(out, ", 0700)");
}

static const struct op op_mkdir_state = { .name = "mkdirat", .man = "mkdirat(2)",
					  .act = act_mkdir_state, .show = show_mkdir_state };

/* What the kernel writes whole, or not at all, whoever is killed meanwhile: one page. */
#define WRITTEN_AT_ONCE 4096

struct intent_args {
	const char *name;
	const char *text; /* filled by container_plan_seal */
	bool torn_is_fine; /* nobody looks at it as long as there is no intent record */
};

static int act_write_record(struct run *r, const void *args, struct err *e)
{
	const struct intent_args *a = args;
	int dir = run_slot(r, SLOT_STATE_DIR);
	size_t size = strlen(a->text);

	/* The folder is new. */
	if (size > WRITTEN_AT_ONCE && !a->torn_is_fine)
		return file_replace_at(dir, a->name, a->text, size, 0600, false, e);
	return file_create_at(dir, a->name, a->text, size, e);
}

static void show_write_record(struct buf *out, const struct plan *p, const void *args)
{
	const struct intent_args *a = args;

	(void)p;
	buf_addf(out, "write_record(<state folder>/%s, %zu bytes)", a->name,
		 a->text ? strlen(a->text) : 0);
}

static const struct op op_write_record = { .name = "write_record", .man = "rename(2)",
					   .compound = true, .act = act_write_record,
					   .show = show_write_record };

struct intent_args *container_plan_begin(struct plan *p, const char *id, int root_fd,
					 const char *config_text)
{
	int step;

	plan_scope(p, "", NULL);
	step = plan_add(p, SIDE_HOST, op_mkdir_state, folder_args, .root = root_fd,
			.id = arena_strdup(p->arena, id));
	plan_undo(p, step, &undo_kind_state_folder, NULL, NULL, NULL);
	plan_add(p, SIDE_HOST, op_write_record, intent_args, .name = "config.json",
		 .text = config_text, .torn_is_fine = true);
	step = plan_add(p, SIDE_HOST, op_write_record, intent_args, .name = "intent.json");
	/* The plan is not running yet: its builder may still fill in what it made. */
	return p->count > step ? (struct intent_args *)(uintptr_t)p->steps[step].args : NULL;
}

int container_plan_seal(struct plan *p, struct intent_args *intent, const char *id, struct err *e)
{
	_cleanup_json_ json_t *record = NULL;
	_cleanup_free_ char *text = NULL;
	json_t *undo = json_array();
	int r = plan_check(p, e);

	record = json_pack("{s:i, s:s, s:o}", "version", 1, "id", id, "undo", undo);
	for (int i = 0; r == 0 && i < p->count; i++) {
		const struct step *s = &p->steps[i];

		if (s->undo &&
		    json_array_append_new(undo, json_pack("{s:s, s:[s?, s?, s?]}", "undo",
							  s->undo->name, "args", s->undo_args[0],
							  s->undo_args[1], s->undo_args[2])) < 0)
			r = err_set(e, ENOMEM, "the intent record");
	}
	text = record ? record_seal(record) : NULL;
	if (r == 0 && (!text || !intent))
		r = err_set(e, ENOMEM, "the intent record");
	if (r == 0) {
		intent->text = arena_strdup(p->arena, text);
		r = plan_check(p, e);
	}
	return r;
}

/* --- waiting for start ------------------------------------------------------ */

struct slot_args {
	int slot;
};

static int act_listen(struct run *r, const void *args, struct err *e)
{
	const struct slot_args *a = args;
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)e;
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/start.sock",
		 run_slot(r, SLOT_STATE_DIR));
	if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(sock, 16) < 0)
		return -errno;
	run_set_fd(r, a->slot, fd_take(&sock));
	return 0;
}

static void show_listen(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "listen_start(<state folder>/start.sock)");
}

static const struct op op_listen = { .name = "listen_start", .man = "unix(7)", .compound = true,
				     .act = act_listen, .show = show_listen };

/* Loops: `kist state` connects too, only to see whether anybody listens, and sends nothing. */
static int act_wait_start(struct run *r, const void *args, struct err *e)
{
	const struct slot_args *a = args;

	(void)e;
	for (;;) {
		struct start_order order;
		int fd = -EBADF;
		int sock = accept4(run_slot(r, a->slot), NULL, NULL, SOCK_CLOEXEC);

		if (sock < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (sock < 0)
			return -errno;
		if (socket_recv_fd(sock, &order, sizeof order, &fd) == sizeof order &&
		    order.magic == START_MAGIC) {
			fd_close(&fd);
			run_set_sync(r, sock);
			/* Listens on until its fds are closed: it is "created" while hooks run. */
			return 0;
		}
		fd_close(&fd);
		close(sock);
	}
}

static void show_wait_start(struct buf *out, const struct plan *p, const void *args)
{
	const struct slot_args *a = args;

	buf_add(out, "wait_start(");
	plan_show_slot(out, p, a->slot);
	buf_add_char(out, ')');
}

static const struct op op_wait_start = { .name = "wait_start", .man = "accept4(2)",
					 .compound = true, .act = act_wait_start,
					 .show = show_wait_start };

void container_plan_listen(struct plan *p, int *ret_slot)
{
	plan_scope(p, "", NULL);
	*ret_slot = plan_new_slot(p, "start socket");
	plan_add(p, SIDE_HOST, op_listen, slot_args, .slot = *ret_slot);
}

void container_plan_wait_start(struct plan *p, int slot)
{
	plan_scope(p, "", NULL);
	plan_add(p, SIDE_GUEST, op_wait_start, slot_args, .slot = slot);
}
