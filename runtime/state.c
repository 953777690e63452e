/*
 * state.c - the state root, the state record, and what status a container has.
 *
 * Must not change the world beyond the state root.
 */
#include "runtime/container.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "runtime/record.h"

#define LOCK_WAIT_MS 10000

const char *container_status_name(enum container_status status)
{
	static const char *const names[] = { "creating", "created", "running", "paused",
					     "stopped" };

	return names[status];
}

void container_close(struct container *c)
{
	fd_close(&c->dir);
	fd_close(&c->pidfd);
	json_decref(c->state);
	c->state = NULL;
}

int state_root_default(bool nested, char *text, size_t size, struct err *e)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR"), *user = getenv("USER");
	bool has_dir = runtime_dir && runtime_dir[0] == '/';
	int n;

	if (geteuid() == 0 && !(nested && has_dir && !(user && strcmp(user, "root") == 0)))
		n = snprintf(text, size, "/run/kist");
	else if (has_dir)
		n = snprintf(text, size, "%s/kist", runtime_dir);
	else
		n = snprintf(text, size, "/tmp/kist-%u", (unsigned int)geteuid());
	if (n < 0 || (size_t)n >= size)
		return err_set(e, ENAMETOOLONG, "XDG_RUNTIME_DIR");
	return 0;
}

/* mkdir -p, each made folder 0700: other users must not look into containers' state. */
static int make_folders(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof part)
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* In a folder like /tmp somebody else may have been there first. */
static int check_own(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "the state root %s", path);
	if (st.st_uid == geteuid() && !(st.st_mode & 077))
		return 0;
	err_say(e, EPERM, "the state root %s belongs to uid %u and has mode %04o", path, st.st_uid,
		st.st_mode & 07777);
	return err_fix(e, "set XDG_RUNTIME_DIR, or choose another with --root; it must be the caller's "
		       "own, with mode 0700");
}

int state_root_open(const char *path, bool make, bool shared, struct err *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (shared ? O_NOFOLLOW : 0);
	struct stat st;
	int fd = open(path, flags), r; /* nearly always there */

	if (fd < 0 && make && (errno == ENOENT || errno == EACCES)) {
		r = make_folders(path);
		if (r < 0) {
			err_set(e, -r, "cannot make the state root %s", path);
			return err_fix(e, "choose a writable folder with --root");
		}
		fd = open(path, flags);
	}
	if (fd < 0)
		return err_set(e, errno, "cannot open the state root %s", path);
	if (shared && check_own(fd, path, e) < 0) {
		close(fd);
		return -EPERM;
	}
	/* A folder others can write to would let them forge a state record. */
	if (fstat(fd, &st) == 0 && st.st_uid != 0 && st.st_uid != geteuid()) {
		close(fd);
		return err_say(e, EPERM, "the state root %s belongs to uid %u", path, st.st_uid);
	}
	return fd;
}

int container_check_id(const char *id, struct err *e)
{
	if (path_is_id(id, CONTAINER_ID_MAX))
		return 0;
	err_say(e, EINVAL, "invalid container ID format: \"%.40s%s\"", id,
		strlen(id) > 40 ? "..." : "");
	return err_fix(e, "use letters, digits, '_', '.', '+', '-'; at most %d, not starting with "
		       "'.', '+' or '-'", CONTAINER_ID_MAX);
}

int process_start_time(pid_t pid, unsigned long long *ret_ticks, bool *ret_zombie)
{
	char path[32], text[1024], state;
	unsigned long long ticks;
	const char *after;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	n = file_read_record_at(AT_FDCWD, path, text, sizeof text);
	if (n < 0)
		return (int)n;
	/* The command name may hold spaces and brackets: the last ')' ends it. */
	after = strrchr(text, ')');
	if (!after || sscanf(after + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
			     "%*d %*d %*d %*d %*d %llu", &state, &ticks) != 2)
		return -EPROTO;
	*ret_ticks = ticks;
	*ret_zombie = state == 'Z' || state == 'X';
	return 0;
}

/* Is the recorded process still that process? 1, and pid and pidfd are filled; 0; or -errno: not to
 * know is not "stopped". */
static int is_alive(struct container *c, struct err *e)
{
	json_int_t pid = json_integer_value(json_object_get(c->state, "pid"));
	json_int_t recorded = json_integer_value(json_object_get(c->state, "startTime"));
	unsigned long long ticks;
	bool zombie;
	int error, r;

	if (pid <= 0 || pid > INT_MAX)
		return 0;
	/* The pidfd first, the check after: then the pid can't be reused in between. */
	c->pidfd = pidfd_open((pid_t)pid, 0);
	error = c->pidfd < 0 ? errno : 0;
	r = process_start_time((pid_t)pid, &ticks, &zombie);
	if (r == -ENOENT || r == -ESRCH || error == ESRCH ||
	    (r == 0 && (zombie || ticks != (unsigned long long)recorded))) {
		fd_close(&c->pidfd);
		return 0;
	}
	if (r < 0)
		return err_set(e, -r, "cannot read /proc/%d/stat", (int)pid);
	if (error)
		return err_set(e, error, "pidfd_open(%d)", (int)pid);
	c->pid = (pid_t)pid;
	return 1;
}

static int is_frozen(const char *cgroup, struct err *e)
{
	char path[PATH_MAX], text[256];
	ssize_t n;

	if (!cgroup || snprintf(path, sizeof path, "%s/cgroup.events", cgroup) >= (int)sizeof path)
		return 0;
	n = file_read_record_at(AT_FDCWD, path, text, sizeof text);
	/* Gone: its process ended a moment ago. */
	if (n == -ENOENT || n == -ENODEV)
		return 0;
	return n < 0 ? err_set(e, (int)-n, "%s", path) : strstr(text, "frozen 1") != NULL;
}

/* The address of start.sock through the folder's fd: no length limit on the root's path. */
static void start_address(int dir, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/start.sock", dir);
}

static int connect_start(int dir)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	if (sock < 0)
		return -errno;
	start_address(dir, &address);
	if (connect(sock, (struct sockaddr *)&address, sizeof address) < 0)
		return -errno;
	return fd_take(&sock);
}

int container_connect_start(const struct container *c, struct err *e)
{
	int sock = connect_start(c->dir);

	if (sock < 0)
		return err_set(e, -sock, "the container does not answer on its start socket");
	return sock;
}

/* A created container still listens on its start socket; execve closed that of a running one.
 * Asking the socket needs no record that a killed `kist start` could have left wrong. */
static int is_waiting_for_start(int dir, struct err *e)
{
	_cleanup_fd_ int sock = connect_start(dir);

	/* ENOENT: killed before it was made, or the folder is being removed. */
	if (sock >= 0 || sock == -ECONNREFUSED || sock == -ENOENT)
		return sock >= 0;
	return err_set(e, -sock, "cannot ask the container's start socket");
}

/* What the record, which is there, and the kernel say. */
static int find_status(struct container *c, struct err *e)
{
	int r = is_alive(c, e);

	c->status = STATUS_STOPPED;
	if (r <= 0)
		return r;
	/* First: one that is created and frozen would never answer a start. */
	c->status = STATUS_PAUSED;
	r = is_frozen(c->cgroup, e);
	if (r != 0)
		return r < 0 ? r : 0;
	r = is_waiting_for_start(c->dir, e);
	c->status = r > 0 ? STATUS_CREATED : STATUS_RUNNING;
	return r < 0 ? r : 0;
}

static int lock_folder(int dir, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	for (int waited = 0; flock(dir, LOCK_EX | LOCK_NB) < 0; waited += 5) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(e, errno, "cannot lock the container's state");
		if (waited >= LOCK_WAIT_MS)
			return err_say(e, EBUSY, "another kist is at work on this container for "
				       "more than %d seconds", LOCK_WAIT_MS / 1000);
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* The folder may have been removed and made again while we waited for the lock. */
static int check_current(int root, const char *id, int dir, struct err *e)
{
	struct stat held, named = { 0 };

	if (fstat(dir, &held) < 0 ||
	    (fstatat(root, id, &named, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT))
		return err_set(e, errno, "cannot look at the container's state folder");
	if (held.st_ino != named.st_ino || held.st_dev != named.st_dev)
		return err_say(e, ENOENT, "container does not exist");
	return 0;
}

int container_lock(int root, const char *id, int dir, struct err *e)
{
	int r = lock_folder(dir, e);

	return r < 0 ? r : check_current(root, id, dir, e);
}

int container_open(int root, const char *id, bool lock, struct container *ret, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	int r;

	r = container_check_id(id, e);
	if (r < 0)
		return r;
	snprintf(c.id, sizeof c.id, "%s", id);
	c.root = root;
	c.dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c.dir < 0 && errno == ENOENT)
		return err_say(e, ENOENT, "container does not exist");
	if (c.dir < 0)
		return err_set(e, errno, "cannot open the container's state folder");
	if (lock) {
		r = container_lock(root, id, c.dir, e);
		if (r < 0)
			return r;
	}
	c.status = STATUS_CREATING;
	r = record_read(c.dir, "state.json", &c.state, e);
	if (r < 0 && r != -ENOENT) {
		err_fix(e, "remove it with: kist delete --force %s", id);
		return err_wrap(e, "the state of container %s is damaged", id);
	}
	if (r == -ENOENT) {
		err_clear(e); /* being created, or deleted this moment */
	} else {
		c.cgroup = json_string_value(json_object_get(c.state, "cgroup"));
		r = find_status(&c, e);
		if (r < 0)
			return err_wrap(e, "cannot tell the status of container %s", id);
	}
	*ret = c;
	c = (struct container)CONTAINER_INIT;
	return 0;
}

int container_prepare_state(int dir, json_t *state, struct err *e)
{
	_cleanup_free_ char *text = record_seal(state);

	if (!text)
		return err_set(e, ENOMEM, STATE_PREPARED);
	return file_create_at(dir, STATE_PREPARED, text, strlen(text), e);
}

int container_write_state(int dir, json_t *state, struct err *e)
{
	_cleanup_free_ char *text = record_seal(state);

	if (!text)
		return err_set(e, ENOMEM, "state.json");
	return file_replace_at(dir, "state.json", text, strlen(text), 0600, false, e);
}
