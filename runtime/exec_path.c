/*
 * exec_path.c - finds the executable and HOME inside the container, and execs.
 *
 * Runs in the guest as the container's user, so that a path leads nowhere the
 * container itself could not go. Must not use NSS, locales or anything else
 * that loads code: the root is the container's by now.
 */
#include "runtime/process_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/path.h"

#define PASSWD_BYTES_LIMIT (4u << 20)
#define PASSWD_LINE_MAX	   1024

/* What a shell ends with: 127 for a command that is not there, 126 for one that can't run. */
#define EXIT_NOT_FOUND	    127
#define EXIT_NOT_EXECUTABLE 126

/* --- finding the executable ------------------------------------------------- */

/* 0 when execve(2) of `path` has a chance, or -errno: a regular file, executable by us now. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES; /* what execve(2) says of a directory or a device */
	/* Effective ids and capabilities, and the mount's noexec. */
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int search_path(const char *name, const char *search, char path[PATH_MAX])
{
	int result = -ENOENT;

	for (const char *end; search; search = *end ? end + 1 : NULL) {
		int n, r;

		end = strchrnul(search, ':');
		/* An empty element is the current directory: environ(7). */
		n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - search), search,
			     end == search ? "./" : "/", name);
		if (n < 0 || n >= PATH_MAX)
			continue;
		r = check_executable(path);
		if (r == 0)
			return 0;
		if (r == -EACCES)
			result =
				r; /* execvp(3) goes on, and reports it when nothing better comes */
	}
	return result;
}

/* runc's words: dockerd, containerd and podman tell 126 from 127 by them. */
static int not_found(const char *name, bool searched, int error, struct err *e)
{
	char quoted[2 * ERR_TEXT_MAX];
	struct buf b = BUF_ON(quoted);

	buf_reset(&b);
	buf_add_quoted(&b, name);
	if (error == EACCES)
		err_say(e, error, "exec: %.200s: permission denied", quoted);
	else if (searched && error == ENOENT)
		err_say(e, error, "exec: %.200s: executable file not found in $PATH", quoted);
	else if (error == ENOENT)
		err_say(e, error, "exec: %.200s: no such file or directory", quoted);
	else
		err_set(e, error, "exec: %.200s", quoted);
	if (e)
		e->exit_code =
			error == ENOENT || error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	return -error;
}

int exec_find(const char *name, const char *search, char path[PATH_MAX], struct err *e)
{
	bool searched = strchr(name, '/') == NULL;
	int r;

	if (searched) {
		r = search_path(name, search, path);
	} else {
		if (strlen(name) >= PATH_MAX)
			return not_found(name, false, ENAMETOOLONG, e);
		memcpy(path, name, strlen(name) + 1);
		r = check_executable(path);
	}
	return r < 0 ? not_found(name, searched, -r, e) : 0;
}

static int act_find_executable(struct run *run, const void *args, struct err *e)
{
	const struct op_find_executable_args *a = args;

	(void)run;
	return exec_find(a->name, a->path, a->found->path, e);
}

static void show_find_executable(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_find_executable_args *a = args;

	(void)p;
	buf_add(out, "find_executable(");
	buf_add_quoted(out, a->name);
	if (!strchr(a->name, '/')) {
		buf_add(out, ", PATH=");
		buf_add_quoted(out, a->path);
	}
	buf_add_char(out, ')');
}

static void by_hand_find_executable(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_find_executable_args *a = args;

	(void)p;
	if (!strchr(a->name, '/')) {
		buf_add(out, "PATH=");
		buf_add_shell(out, a->path);
		buf_add_char(out, ' ');
	}
	buf_add(out, "command -v ");
	buf_add_shell(out, a->name);
}

const struct op op_find_executable = {
	.name = "find_executable",
	.man = "execvp(3)",
	.compound = true,
	.act = act_find_executable,
	.show = show_find_executable,
	.by_hand = by_hand_find_executable,
};

/* --- HOME ------------------------------------------------------------------- */

/* Decimal digits only, all of the field: "0x3e8", "+1" and " 1" are nobody's id. */
static bool field_is_id(const char *s, size_t n, uint32_t id)
{
	uint64_t value = 0;

	if (n == 0 || n > 10)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(s[i] - '0');
	}
	return value == id;
}

/* passwd(5): name:password:UID:GID:GECOS:directory:shell */
static bool line_home(const char *line, size_t n, uint32_t uid, char *home, size_t size)
{
	const char *field[7], *end = line + n;
	size_t count = 0;

	field[count++] = line;
	for (const char *c = line; c < end && count < 7; c++)
		if (*c == ':')
			field[count++] = c + 1;
	if (count < 7 || !field_is_id(field[2], (size_t)(field[3] - 1 - field[2]), uid))
		return false;
	n = (size_t)(field[6] - 1 - field[5]);
	if (n == 0 || n >= size || field[5][0] != '/')
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)field[5][i] < 0x20)
			return false;
	memcpy(home, field[5], n);
	home[n] = '\0';
	return true;
}

int exec_read_home(int fd, uint32_t uid, char *home, size_t size)
{
	char text[4 * PASSWD_LINE_MAX];
	size_t have = 0, total = 0;
	bool skipping = false; /* inside of a line that is too long to be a real one */

	while (total < PASSWD_BYTES_LIMIT) {
		ssize_t n = read(fd, text + have, sizeof text - have);
		char *start = text, *newline;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
		total += (size_t)n;
		while ((newline = memchr(start, '\n', have))) {
			size_t len = (size_t)(newline - start);

			if (!skipping && line_home(start, len, uid, home, size))
				return 0;
			skipping = false;
			have -= len + 1;
			start = newline + 1;
		}
		if (n == 0)
			return !skipping && line_home(start, have, uid, home, size) ? 0 : -ENOENT;
		if (have == sizeof text) {
			skipping = true;
			have = 0;
		}
		memmove(text, start, have);
	}
	return -ENOENT;
}

/*
 * As runc does, and consumers rely on it: without HOME in the environment it
 * is the user's of the container's /etc/passwd, or "/". The file is the
 * image's: only a regular file is read, no magic link followed, sizes bounded.
 */
static int act_find_home(struct run *run, const void *args, struct err *e)
{
	const struct op_find_home_args *a = args;
	struct process_found *found = a->found;
	_cleanup_fd_ int fd =
		path_open_in_own_root("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	char home[PATH_MAX] = "/";
	struct stat st;

	(void)run;
	(void)e;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		exec_read_home(fd, a->uid, home, sizeof home);
	snprintf(found->home, sizeof found->home, "HOME=%s", home);
	found->env[found->home_index] = found->home;
	return 0;
}

static void show_find_home(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "find_home(\"/etc/passwd\", uid=%u)",
		 ((const struct op_find_home_args *)args)->uid);
}

static void by_hand_find_home(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "export HOME=$(getent passwd %u | cut -d: -f6)",
		 ((const struct op_find_home_args *)args)->uid);
}

const struct op op_find_home = {
	.name = "find_home",
	.man = "passwd(5)",
	.compound = true,
	.act = act_find_home,
	.show = show_find_home,
	.by_hand = by_hand_find_home,
};

/* --- execve ----------------------------------------------------------------- */

/*
 * By path and not by the fd of what was checked: with execveat(fd, "",
 * AT_EMPTY_PATH) a script's interpreter is handed /dev/fd/N, which CLOEXEC has
 * closed, and the process is called "N" in /proc/PID/comm before Linux 6.14.
 * Nothing is lost: path and process have the container's rights only, and who
 * can swap the file could as well have exec'ed the other one.
 */
static int act_execve(struct run *run, const void *args, struct err *e)
{
	const struct op_execve_args *a = args;
	int error;

	(void)run;
	execve(a->found->path, a->argv, a->found->env);
	error = errno;
	switch (error) {
	case ENOENT:
		/* It was there a moment ago: what is missing is what it names. */
		err_say(e, error, "exec %.200s: no such file or directory", a->found->path);
		err_fix(e, "its interpreter (the #! line) or dynamic loader is not in the image");
		break;
	case EACCES:
		err_say(e, error, "exec %.200s: permission denied", a->found->path);
		break;
	case ENOEXEC:
		err_say(e, error, "exec %.200s: exec format error", a->found->path);
		err_fix(e, "it is for another architecture, or a script without a #! line");
		break;
	default:
		err_set(e, error, "exec %.200s", a->found->path);
	}
	if (e)
		e->exit_code = error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	return -error;
}

static void show_execve(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_execve_args *a = args;

	(void)p;
	buf_add(out, "execve(<executable>, [");
	for (size_t i = 0; a->argv[i]; i++) {
		if (i)
			buf_add(out, ", ");
		buf_add_quoted(out, a->argv[i]);
	}
	buf_addf(out, "], [%zu variables])", a->env_count);
}

static void by_hand_execve(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_execve_args *a = args;

	(void)p;
	buf_add(out, "exec env -i");
	for (size_t i = 0; i < a->env_count; i++) {
		buf_add_char(out, ' ');
		if ((int)i == a->found->home_index)
			buf_add(out, "HOME=\"$HOME\"");
		else
			buf_add_shell(out, a->found->env[i]);
	}
	for (size_t i = 0; a->argv[i]; i++) {
		buf_add_char(out, ' ');
		buf_add_shell(out, a->argv[i]);
	}
}

const struct op op_execve = {
	.name = "execve",
	.man = "execve(2)",
	.act = act_execve,
	.show = show_execve,
	.by_hand = by_hand_execve,
};
