/*
 * user.c - a user network: pasta or slirp4netns, found, started, waited for, ended.
 */
#include "net/user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/engine.h"
#include "base/fd.h"
#include "base/interrupt.h"

#define ARGS_MAX     (2 * ENDPOINT_PORTS_MAX + 32)
#define READY_FD     3 /* slirp4netns has words of its own on stdout */
#define READY_MS     30000
#define KILL_MS	     10000
#define WORDS_MAX    4096
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Stand for what only the run knows. */
static const char its_pid[] = "$PID";
static const char its_userns[] = "/proc/$PID/ns/user";
static const char its_netns[] = "/proc/$PID/ns/net";

/* --- which program ------------------------------------------------------------------------- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Absolute folders only: where kist stands is no place to look for programs. */
static const char *find_in_path(const char *name, struct arena *a)
{
	const char *folders = getenv("PATH");
	char path[PATH_MAX];
	size_t length;

	for (const char *at = folders ? folders : DEFAULT_PATH; *at;
	     at += length + (at[length] == ':')) {
		length = strcspn(at, ":");
		if (*at == '/' &&
		    snprintf(path, sizeof path, "%.*s/%s", (int)length, at, name) <
			    (int)sizeof path &&
		    is_program(path))
			return arena_strdup(a, path);
	}
	return NULL;
}

int net_user_find(struct net_spec *s, struct arena *a, struct err *e)
{
	(void)e;
	s->user_program = find_in_path("pasta", a);
	s->user_is_pasta = s->user_program != NULL;
	if (!s->user_program)
		s->user_program = find_in_path("slirp4netns", a);
	return 0;
}

int net_user_check(const struct net_spec *s, const struct host *h, struct err *e)
{
	if (!host_unprivileged(h)) {
		err_say(e, EINVAL, "the user network is for callers who are not root");
		return err_fix(e, h->root ? "use --net bridge" : "use --net none");
	}
	if (s->rate.down || s->rate.up) {
		err_say(e, EINVAL, "the rate of a user network can't be limited");
		return err_fix(e, "leave the rate out");
	}
	if (!s->user_program) {
		err_say(e, ENOENT,
			"the user network needs pasta or slirp4netns, and neither is in PATH");
		return err_fix(e, "install the package passt or slirp4netns, or use --net none");
	}
	if (s->port_count && !s->user_is_pasta) {
		err_say(e, EINVAL,
			"ports of a user network are published by pasta, which is not in PATH");
		return err_fix(e, "install the package passt, or publish none");
	}
	return 0;
}

/* --- its command line ------------------------------------------------------------------------ */

struct op_user_net_args {
	bool pasta;
	const char *const *argv;
};

struct args {
	struct arena *arena;
	const char **text;
	int count;
};

static void add(struct args *a, const char *text)
{
	if (a->text && text && a->count < ARGS_MAX - 1)
		a->text[a->count++] = text;
}

static const char *range(struct arena *a, unsigned first, unsigned count)
{
	return count > 1 ? arena_printf(a, "%u-%u", first, first + count - 1)
			 : arena_printf(a, "%u", first);
}

/* [ADDRESS/]HOST[-HOST]:PORT[-PORT] */
static const char *pasta_port(struct arena *a, const struct published_port *p)
{
	char address[INET6_ADDRSTRLEN + 1] = "";
	const struct in_addr in = { htonl(p->address) };
	const char *host = range(a, p->host, p->count), *port = range(a, p->port, p->count);

	if (p->family)
		inet_ntop(p->family, p->family == AF_INET ? (const void *)&in : &p->address6,
			  address, sizeof address);
	return host && port
		       ? arena_printf(a, "%s%s%s:%s", address, p->family ? "/" : "", host, port)
		       : NULL;
}

static void pasta_ports(struct args *a, const struct net_spec *s, uint8_t protocol,
			const char *option)
{
	bool any = false;

	for (int i = 0; i < s->port_count; i++) {
		if (s->ports[i].protocol != protocol)
			continue;
		add(a, option);
		add(a, pasta_port(a->arena, &s->ports[i]));
		any = true;
	}
	/* Unless told so it would publish all that the container listens on. */
	if (!any) {
		add(a, option);
		add(a, "none");
	}
}

static void pasta_args(struct args *a, const struct net_spec *s)
{
	static const char *const fixed[] = {
		"--foreground",
		"--quiet",
		"--config-net",
		"--ns-ifname",
		"eth0",
		"--address",
		NET_USER_ADDRESS,
		"--netmask",
		NET_USER_PREFIX,
		"--gateway",
		NET_USER_GATEWAY,
		"--dns-forward",
		NET_USER_DNS,
		/* Neither the gateway's address nor ports of the container's lead to the host's
		   loopback. */
		"--no-map-gw",
		"--tcp-ns",
		"none",
		"--udp-ns",
		"none",
	};

	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		add(a, fixed[i]);
	pasta_ports(a, s, IPPROTO_TCP, "--tcp-ports");
	pasta_ports(a, s, IPPROTO_UDP, "--udp-ports");
	/* Written once all is set up. */
	add(a, "--pid");
	add(a, "/proc/self/fd/1");
	add(a, "--userns");
	add(a, its_userns);
	add(a, "--netns");
	add(a, its_netns);
}

static void slirp_args(struct args *a)
{
	static const char *const fixed[] = {
		"--configure",	    "--mtu=65520",	"--disable-host-loopback",
		"--enable-sandbox", "--enable-seccomp", "--ready-fd=3"
	};

	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		add(a, fixed[i]);
	add(a, its_pid);
	add(a, "eth0");
}

static void show_args(struct buf *out, const struct op_user_net_args *a, const char *between,
		      bool quoted)
{
	for (int i = 0; a->argv[i]; i++) {
		/* For kist alone. */
		if (!quoted && strcmp(a->argv[i], "--pid") == 0 && a->argv[i + 1])
			i++;
		else if (quoted || strncmp(a->argv[i], "--ready-fd", 10) != 0) {
			buf_add(out, i ? between : "");
			if (quoted)
				buf_add_quoted(out, a->argv[i]);
			else
				buf_add(out, a->argv[i]);
		}
	}
}

/* --- the process ------------------------------------------------------------------------------ */

static int read_record(int dir, pid_t *ret_pid, uint64_t *ret_start)
{
	_cleanup_fd_ int fd =
		openat(dir, NET_USER_RECORD, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	unsigned long long start;
	char text[64], end;
	struct stat st;
	ssize_t n;
	int pid;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	n = fd_read_full(fd, text, sizeof text - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	/* Cut off: whoever was to write it had not become the program yet, and never does. */
	if (sscanf(text, "%d %llu%c", &pid, &start, &end) != 3 || end != '\n' || pid <= 1)
		return 0;
	*ret_pid = pid;
	*ret_start = start;
	return 1;
}

/* Ends the one that the record names, if it is that one still. */
static int stop(int dir, struct err *e)
{
	_cleanup_fd_ int pidfd = -EBADF;
	uint64_t start = 0;
	struct pollfd p;
	pid_t pid = 0;
	int r = read_record(dir, &pid, &start);

	if (r <= 0)
		return r < 0 ? err_set(e, -r, "the record of the user network") : 0;
	/* The pidfd first: the number can't be another's by the time it is compared. */
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0 && errno != ESRCH)
		return err_set(e, errno, "pidfd_open(%d)", (int)pid);
	if (pidfd < 0 || endpoint_start_time(pid) != start)
		return 0;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_set(e, errno, "cannot end the user network's process %d", (int)pid);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	while ((r = poll(&p, 1, KILL_MS)) < 0 && errno == EINTR)
		;
	return r > 0 ? 0
		     : err_say(e, ETIMEDOUT, "the user network's process %d does not end",
			       (int)pid);
}

struct outside {
	int state, ready, words; /* of the child: its state folder, its ends */
	const char *argv[ARGS_MAX];
	bool pasta;
};

/* On record before it is anything: who deletes the container finds it. */
static bool put_on_record(int state)
{
	_cleanup_fd_ int fd =
		openat(state, NET_USER_RECORD, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char text[64];
	uint64_t start = endpoint_start_time(getpid());
	int n = snprintf(text, sizeof text, "%d %llu\n", (int)getpid(), (unsigned long long)start);

	return fd >= 0 && start && fd_write_all(fd, text, (size_t)n) == 0;
}

static void forget_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(const struct outside *o)
{
	static char path[] = "PATH=" DEFAULT_PATH;
	char *env[] = { path, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const char *what = "set up";

	setsid();
	forget_signals();
	if (null >= 0 && put_on_record(o->state) && chdir("/") == 0 &&
	    dup2(null, STDIN_FILENO) >= 0 && dup2(o->words, STDERR_FILENO) >= 0 &&
	    dup2(o->pasta ? o->ready : null, STDOUT_FILENO) >= 0 && dup2(o->ready, READY_FD) >= 0 &&
	    syscall(SYS_close_range, o->pasta ? READY_FD : READY_FD + 1, ~0U, 0) == 0) {
		what = o->argv[0];
		execve(o->argv[0], (char *const *)(uintptr_t)o->argv, env);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
	_exit(127);
}

/* Nobody's child: it outlives kist, and whoever waits for all children waits for none of these. */
static int launch(const struct outside *o)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (child == 0) {
		pid_t program = fork();

		if (program == 0)
			become(o);
		_exit(program < 0);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
}

/* A file that can't grow: whatever the container makes the program say, it costs no more. */
static int make_words(void)
{
	_cleanup_fd_ int fd = memfd_create("words", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, WORDS_MAX) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -errno;
	return fd_take(&fd);
}

/* On one line, without what it says of a syslog that is not there. */
static void tell_words(int fd, struct buf *out)
{
	char text[WORDS_MAX + 1], *line, *rest = text;
	ssize_t n = pread(fd, text, WORDS_MAX, 0);

	text[n > 0 ? n : 0] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (!*line || strncmp(line, "Failed to send ", 15) == 0 ||
		    strncmp(line, "WARNING: ", 9) == 0)
			continue;
		if (out->len)
			buf_add(out, "; ");
		buf_add_clean(out, line);
	}
	if (!out->len)
		buf_add(out, "it says nothing");
}

/* 1 ready, 0 it ended, -ETIMEDOUT, -EINTR. */
static int await_ready(int fd)
{
	int64_t end = clock_now_ms() + READY_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[32];

	for (;;) {
		int left = clock_left_ms(end), r;

		if (left == 0)
			return -ETIMEDOUT;
		r = poll(&p, 1, left < INTERRUPT_LOOK_MS ? left : INTERRUPT_LOOK_MS);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0)
			return read(fd, text, sizeof text) > 0;
		if (interrupt_take())
			return -EINTR;
	}
}

static int say_failure(const char *program, int r, int words, struct err *e)
{
	char text[400];
	struct buf said = BUF_ON(text);

	buf_reset(&said);
	if (r == -EINTR)
		return err_say(e, EINTR, "interrupted while the user network was set up");
	if (r == -ETIMEDOUT)
		return err_say(e, ETIMEDOUT, "%.200s is not ready after %d seconds", program,
			       READY_MS / 1000);
	if (r < 0)
		return err_set(e, -r, "cannot run %.200s", program);
	tell_words(words, &said);
	return err_say(e, ENETUNREACH, "%.200s gives no user network: %s", program, text);
}

static int act_user_net(struct run *r, const void *args, struct err *e)
{
	const struct op_user_net_args *a = args;
	_cleanup_fd_ int mine = -EBADF, its = -EBADF, words = make_words();
	struct outside o = { .state = run_slot(r, SLOT_STATE_DIR),
			     .words = words,
			     .pasta = a->pasta };
	char pid[16], userns[40], netns[40];
	int ends[2], result;

	if (words < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, words < 0 ? -words : errno, "memfd_create, pipe2");
	mine = ends[0];
	o.ready = its = ends[1];
	snprintf(pid, sizeof pid, "%d", run_slot(r, SLOT_GUEST_PID));
	snprintf(userns, sizeof userns, "/proc/%s/ns/user", pid);
	snprintf(netns, sizeof netns, "/proc/%s/ns/net", pid);
	for (int i = 0; a->argv[i] && i < ARGS_MAX - 1; i++)
		o.argv[i] = a->argv[i] == its_pid      ? pid
			    : a->argv[i] == its_userns ? userns
			    : a->argv[i] == its_netns  ? netns
						       : a->argv[i];
	result = launch(&o);
	fd_close(&its);
	if (result == 0)
		result = await_ready(mine);
	if (result == 1)
		return 0;
	say_failure(a->argv[0], result, words, e);
	stop(o.state, NULL);
	return -e->error;
}

static void show_user_net(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_user_net_args *a = args;

	(void)p;
	buf_add(out, "fork(), execve([");
	show_args(out, a, ", ", true);
	buf_add(out, "]), read(its word that it is ready)");
}

static void by_hand_user_net(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_user_net_args *a = args;

	(void)p;
	show_args(out, a, " ", false);
	buf_add(out, " &");
}

static const struct op op_user_net = { .name = "user_network",
				       .man = "pasta(1)",
				       .compound = true,
				       .act = act_user_net,
				       .show = show_user_net,
				       .by_hand = by_hand_user_net };

void net_plan_user(struct plan *p, const struct net_spec *s)
{
	struct args a = { .arena = p->arena,
			  .text = arena_array(p->arena, ARGS_MAX, sizeof *a.text) };
	int step;

	add(&a, s->user_program);
	if (s->user_is_pasta)
		pasta_args(&a, s);
	else
		slirp_args(&a);
	if (!a.text)
		return; /* the arena remembers */
	plan_scope(p, "/annotations/" NET_ANNOTATION, NULL);
	step = plan_add(p, SIDE_HOST, op_user_net, op_user_net_args, s->user_is_pasta, a.text);
	plan_undo(p, step, &net_undo_user, NULL, NULL, NULL);
}

static int undo_user(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
		     struct err *e)
{
	_cleanup_fd_ int dir =
		openat(at->state_root, at->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	(void)args;
	if (dir < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "the state folder of %s", at->id);
	return stop(dir, e);
}

const struct undo_kind net_undo_user = { .name = "end_user_network", .act = undo_user };
