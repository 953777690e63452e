/*
 * criu.c - the program criu: finding it, its arguments, running it, and what it says of a failure.
 *
 * criu reads configuration files of the caller's home unless told not to, and would do what they
 * say with root's rights: each command line has --no-default-config.
 */
#include "runtime/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "runtime/process_ops.h"

#define LOG_TAIL (256 << 10)

/* --- arguments -------------------------------------------------------------- */

void criu_args_begin(struct criu_args *c, struct arena *a, const char *program, const char *verb)
{
	*c = (struct criu_args){ .arena = a };
	c->word = arena_array(a, CRIU_ARGS_MAX + 1, sizeof *c->word);
	criu_args_add(c, program);
	criu_args_add(c, verb);
	criu_args_add(c, "--no-default-config");
}

void criu_args_add(struct criu_args *c, const char *word)
{
	if (!c->word || c->count == CRIU_ARGS_MAX)
		c->overflow = true;
	else
		c->word[c->count++] = word;
}

void criu_args_addf(struct criu_args *c, const char *option, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	criu_args_add(c, option);
	criu_args_add(c, text ? arena_strdup(c->arena, text) : NULL);
}

int criu_args_check(const struct criu_args *c, struct err *e)
{
	if (arena_failed(c->arena))
		return err_set(e, ENOMEM, "criu's arguments");
	return c->overflow ? err_say(e, E2BIG, "the container has too many mounts for criu") : 0;
}

/* --- finding it ------------------------------------------------------------- */

int criu_find(struct arena *a, const char **ret, struct err *e)
{
	const char *path = getenv("PATH");
	char *all = arena_printf(a, "%s:/usr/local/sbin:/usr/sbin:/sbin", path ? path : ""), *save;

	for (char *dir = all ? strtok_r(all, ":", &save) : NULL; dir;
	     dir = strtok_r(NULL, ":", &save)) {
		char *file = arena_printf(a, "%s/criu", dir);

		/* Relative folders of PATH are whoever's. */
		if (dir[0] == '/' && file && access(file, X_OK) == 0) {
			*ret = file;
			return 0;
		}
	}
	err_say(e, ENOENT, "the program criu, which saves and loads processes, is not installed");
	return err_fix(e, "install it: apt install criu");
}

/* --- what went wrong -------------------------------------------------------- */

/* Errors that are said whatever the reason is, or that criu gets over. */
static bool is_reason(const char *line, size_t len)
{
	static const char *const noise[] = {
		"FAILED",    "exited, status",	      "iptables",
		"ip6tables", "Unable to load plugin", "Unable to create tun"
	};

	for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
		if (memmem(line, len, noise[i], strlen(noise[i])))
			return false;
	return memmem(line, len, "Error (", 7) != NULL;
}

bool criu_log_reason(const char *log, char *text, size_t size)
{
	struct buf b = { .text = text, .size = size };
	size_t len = 0;
	const char *line, *colon;

	/* The first: those after it are how far it was carried. */
	for (line = log; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		if (is_reason(line, len))
			break;
	}
	if (!*line)
		return false;
	/* "(00.12)      1: Error (criu/files-reg.c:1831): Can't ..." */
	colon = memmem(line, len, "): ", 3);
	if (colon) {
		len -= (size_t)(colon + 3 - line);
		line = colon + 3;
	}
	buf_reset(&b);
	for (size_t i = 0; i < len && b.len + 1 < size; i++)
		buf_add_char(&b, line[i]);
	return true;
}

static void read_tail(int fd, char *text)
{
	struct stat st;
	off_t from;
	ssize_t n;

	*text = '\0';
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	from = st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0;
	n = pread(fd, text, LOG_TAIL, from);
	text[n > 0 ? n : 0] = '\0';
}

static int explain(const struct criu_run *r, int said, int status, struct err *e)
{
	_cleanup_fd_ int log = openat(r->work, r->log, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *text = malloc(LOG_TAIL + 1);
	char reason[200];

	if (!text)
		return err_set(e, ENOMEM, "criu's log");
	read_tail(log, text);
	if (!criu_log_reason(text, reason, sizeof reason)) {
		read_tail(said, text);
		text[strcspn(text, "\n")] = '\0';
		if (!criu_log_reason(text, reason, sizeof reason))
			snprintf(reason, sizeof reason, "%.190s",
				 text[0] ? text : "it says nothing");
	}
	if (WIFSIGNALED(status))
		err_say(e, EIO, "criu was ended by signal %d: %s", WTERMSIG(status), reason);
	else
		err_say(e, EIO, "criu: %s", reason);
	return err_fix(e, "all that it said is in %s, in the work folder", r->log);
}

/* --- running it ------------------------------------------------------------- */

static _Noreturn void become(const struct criu_run *r, int said, pid_t parent)
{
	/* criu starts ip, nft, tar: those of the system, and nothing of the caller's. */
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *env[] = { path, NULL };
	int null, error;

	if (r->dies_with_us) {
		/* Nobody would take back what it makes. */
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			_exit(1);
	}
	/* Out of the way of those that criu finds by number. */
	said = fcntl(said, F_DUPFD_CLOEXEC, CRIU_FDS_ABOVE);
	null = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, CRIU_FDS_ABOVE);
	umask(077);
	error = r->prepare ? r->prepare(r->user) : 0;
	if (error == 0)
		error = process_reset_signals(0);
	if (error < 0) {
		errno = -error;
		goto failed;
	}
	if (syscall(SYS_close_range, (unsigned int)CRIU_FDS_ABOVE, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		goto failed;
	for (int i = 0; i < 3; i++) {
		if (r->keep_stdio && dup2(i, CRIU_STDIO + i) < 0)
			goto failed;
		if (dup2(i == 2 ? said : null, i) < 0)
			goto failed;
	}
	execve(r->argv[0], (char *const *)(uintptr_t)r->argv, env);
failed:
	dprintf(said, "Error (kist): before criu begins: %s\n", strerrordesc_np(errno));
	_exit(127);
}

int criu_run(const struct criu_run *r, struct err *e)
{
	_cleanup_fd_ int said = memfd_create("criu", MFD_CLOEXEC);
	pid_t self = getpid(), pid, got;
	int status;

	if (said < 0)
		return err_set(e, errno, "memfd_create");
	pid = fork();
	if (pid == 0)
		become(r, said, self);
	if (pid < 0)
		return err_set(e, errno, "fork");
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_set(e, errno, "waiting for criu");
	return status == 0 ? 0 : explain(r, said, status, e);
}
