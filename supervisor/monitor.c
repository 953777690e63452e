/*
 * monitor.c - the two threads of a monitor.
 */
#include "supervisor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/reap.h"
#include "base/utc.h"

#define BLOCK	     131072 /* of a pipe at once: as cat(1) */
#define CPU_TICK_MS  10	    /* cpu time is not looked at more often */
#define DROP_TICK_MS 100
#define NEVER	     INT64_MAX
#define MS	     1000000LL

struct copier {
	struct monitor *m;
	pthread_t thread;
	int stop, told; /* eventfds: to the thread; from it */
	int busy;	/* timerfd: runs while there is output to write */
	int null;
	atomic_ulong progress;
	atomic_bool ended, over; /* all output is read; a stream's limit was passed */
	_Atomic uint64_t received[2], stalled;
	char block[BLOCK];
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void tell(int event)
{
	uint64_t one = 1;

	while (write(event, &one, sizeof one) < 0 && errno == EINTR)
		;
}

static void take(int event)
{
	uint64_t n;

	while (read(event, &n, sizeof n) < 0 && errno == EINTR)
		;
}

/* --- the thread that copies ------------------------------------------------------------ */

static void set_busy(const struct copier *c, bool busy)
{
	struct timespec tick = { MONITOR_STALL_MS / 1000, MONITOR_STALL_MS % 1000 * MS };
	struct itimerspec t = { 0 };

	if (busy)
		t.it_value = t.it_interval = tick;
	timerfd_settime(c->busy, 0, &t, NULL);
}

/* What of n more bytes of a stream is kept. */
static size_t within(struct copier *c, int stream, size_t n)
{
	uint64_t seen = atomic_fetch_add(&c->received[stream], n);
	uint64_t most = c->m->limits.output_bytes[stream];

	if (seen + n <= most)
		return n;
	if (!atomic_exchange(&c->over, true))
		tell(c->told);
	return seen < most ? (size_t)(most - seen) : 0;
}

/* Bytes, 0 at the end, -EAGAIN. */
static ssize_t copy_block(struct copier *c, int stream)
{
	ssize_t n;

	do
		n = read(c->m->output[stream], c->block, sizeof c->block);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n < 0) {
		/* Pipes don't; but should one, it is not the end of what was said. */
		c->m->log->last_error = errno;
		return 0;
	}
	if (n > 0)
		container_log_put(c->m->log, (enum container_log_stream)stream, c->block,
				  within(c, stream, (size_t)n));
	atomic_fetch_add(&c->progress, 1);
	return n;
}

static void *copy(void *user)
{
	struct copier *c = user;
	struct pollfd fds[3] = { { .fd = c->m->output[0], .events = POLLIN },
				 { .fd = c->m->output[1], .events = POLLIN },
				 { .fd = c->stop, .events = POLLIN } };
	bool busy = false;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 3, busy ? 0 : -1) == 0) {
			set_busy(c, busy = false);
			continue;
		}
		if (fds[2].revents)
			break;
		if (!busy)
			set_busy(c, busy = true);
		for (int i = 0; i < 2; i++)
			if (fds[i].fd >= 0 && fds[i].revents && copy_block(c, i) == 0)
				fds[i].fd = -1;
	}
	container_log_close(c->m->log);
	set_busy(c, false);
	atomic_store(&c->ended, true);
	tell(c->told);
	return NULL;
}

/* The thread hangs in a write: what comes meanwhile is dropped here. */
static void drop(struct copier *c)
{
	for (int i = 0; i < 2; i++) {
		int pipe = c->m->output[i];
		ssize_t n;

		while (pipe >= 0 &&
		       (n = splice(pipe, NULL, c->null, NULL, BLOCK, SPLICE_F_NONBLOCK)) > 0) {
			within(c, i, (size_t)n);
			atomic_fetch_add(&c->stalled, (uint64_t)n);
		}
	}
}

static int copier_start(struct copier *c, struct monitor *m, struct err *e)
{
	int r;

	c->m = m;
	atomic_store(&c->ended, false);
	atomic_store(&c->over, false);
	atomic_store(&c->stalled, 0);
	for (int i = 0; i < 2; i++)
		atomic_store(&c->received[i], 0);
	c->stop = eventfd(0, EFD_CLOEXEC);
	c->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->busy = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	c->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (c->stop < 0 || c->told < 0 || c->busy < 0 || c->null < 0)
		return err_set(e, errno, "the monitor's files");
	for (int i = 0; i < 2; i++)
		if (m->output[i] >= 0 && fcntl(m->output[i], F_SETFL, O_RDONLY | O_NONBLOCK) < 0)
			return err_set(e, errno, "the container's output");
	r = pthread_create(&c->thread, NULL, copy, c);
	return r ? err_set(e, r, "a thread for the container's output") : 0;
}

/* --- the one that waits -------------------------------------------------------------------- */

struct watch {
	struct monitor *m;
	struct copier *copier;
	struct monitor_end *end;
	int signals;
	int64_t wall_at, cpu_at, kill_at, drop_at; /* CLOCK_MONOTONIC, ns; NEVER */
	int64_t started;
	unsigned long progress;
	bool exited, ending;
};

static void kill_all(const struct watch *w)
{
	if (w->m->cgroup < 0 || file_write_at(w->m->cgroup, "cgroup.kill", "1") < 0)
		pidfd_send_signal(w->m->pidfd, SIGKILL, NULL, 0);
}

/* The first reason counts. */
static void end_it(struct watch *w, enum monitor_reason reason)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);

	if (w->ending || w->exited)
		return;
	w->ending = true;
	w->end->reason = reason;
	w->wall_at = w->cpu_at = NEVER;
	if (w->m->limits.grace_ms <= 0) {
		kill_all(w);
		return;
	}
	pidfd_send_signal(w->m->pidfd, SIGTERM, NULL, 0);
	w->kill_at = now + w->m->limits.grace_ms * MS;
}

/* cpu.stat's usage_usec; -1: it can't be told. */
static int64_t cpu_us(int cgroup)
{
	char text[2048];
	const char *at;

	if (file_read_at(cgroup, "cpu.stat", text, sizeof text) < 0)
		return -1;
	at = strstr(text, "usage_usec ");
	return at ? strtoll(at + strlen("usage_usec "), NULL, 10) : -1;
}

/* The rest can't be used up sooner than by all processors at once. */
static void look_at_cpu(struct watch *w, int64_t now)
{
	int64_t used = cpu_us(w->m->cgroup), left = w->m->limits.cpu_ms * 1000 - used, wait_ms;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (used >= 0 && left <= 0) {
		end_it(w, MONITOR_CPU);
		return;
	}
	wait_ms = left / 1000 / (processors > 0 ? processors : 1);
	w->cpu_at = now + (wait_ms < CPU_TICK_MS ? CPU_TICK_MS : wait_ms) * MS;
}

static void take_signal(struct watch *w)
{
	struct signalfd_siginfo s;

	if (read(w->signals, &s, sizeof s) != sizeof s)
		return;
	/* Once more, while it has its grace: no more patience. */
	if (w->ending)
		kill_all(w);
	else
		w->end->cancelled_by = (int)s.ssi_signo;
	end_it(w, MONITOR_CANCELLED);
}

static int64_t earliest(const struct watch *w)
{
	const int64_t times[] = { w->wall_at, w->cpu_at, w->kill_at, w->drop_at };
	int64_t at = NEVER;

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		at = times[i] < at ? times[i] : at;
	return at;
}

static void at_times(struct watch *w, int64_t now)
{
	if (now >= w->wall_at)
		end_it(w, MONITOR_WALL);
	if (now >= w->cpu_at)
		look_at_cpu(w, now);
	if (now >= w->kill_at) {
		w->kill_at = NEVER;
		kill_all(w);
	}
	if (now >= w->drop_at) {
		if (atomic_load(&w->copier->progress) == w->progress) {
			drop(w->copier);
			w->drop_at = now + DROP_TICK_MS * MS;
		} else {
			w->drop_at = NEVER;
		}
	}
}

static void look_for_stall(struct watch *w)
{
	unsigned long progress = atomic_load(&w->copier->progress);

	take(w->copier->busy);
	if (progress == w->progress && w->drop_at == NEVER)
		w->drop_at = 0;
	w->progress = progress;
}

static int reap(struct watch *w, struct err *e)
{
	siginfo_t info;
	int n = reap_first(w->m->pidfd, &info);

	if (n < 0)
		return err_set(e, -n, "cannot wait for the container");
	w->exited = true;
	w->end->code = info.si_code == CLD_EXITED ? info.si_status : -1;
	w->end->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	w->end->ended_ns = clock_ns(CLOCK_REALTIME);
	w->end->wall_us = (clock_ns(CLOCK_MONOTONIC) - w->started) / 1000;
	return 0;
}

/* One turn; 1: it is over. */
static int turn(struct watch *w, struct err *e)
{
	struct pollfd fds[4] = { { .fd = w->exited ? -1 : w->m->pidfd, .events = POLLIN },
				 { .fd = w->signals, .events = POLLIN },
				 { .fd = w->copier->told, .events = POLLIN },
				 { .fd = w->copier->busy, .events = POLLIN } };
	int64_t at = earliest(w), now = clock_ns(CLOCK_MONOTONIC), left = at > now ? at - now : 0;
	struct timespec t = { left / (1000 * MS), left % (1000 * MS) };
	int n = ppoll(fds, 4, at == NEVER ? NULL : &t, NULL);

	if (n < 0)
		return errno == EINTR ? 0 : err_set(e, errno, "ppoll");
	if (fds[0].revents) {
		n = reap(w, e);
		if (n < 0)
			return n;
		/* With the first process others may live on, where there is no pid namespace. */
		kill_all(w);
		w->wall_at = w->cpu_at = NEVER;
		w->kill_at = NEVER;
		return 1;
	}
	if (fds[1].revents)
		take_signal(w);
	if (fds[2].revents) {
		take(w->copier->told);
		if (atomic_load(&w->copier->over) && w->m->limits.output_ends)
			end_it(w, MONITOR_OUTPUT);
	}
	if (fds[3].revents)
		look_for_stall(w);
	at_times(w, clock_ns(CLOCK_MONOTONIC));
	return 0;
}

/* What was written before the end is still kept; what somebody outside holds open is not waited
 * for. Whether the thread is done. */
static bool last_output(struct watch *w)
{
	struct pollfd told = { .fd = w->copier->told, .events = POLLIN };
	int64_t until = clock_ns(CLOCK_MONOTONIC) + MONITOR_DRAIN_MS * MS, left;
	bool stopped = false;

	while (!atomic_load(&w->copier->ended)) {
		left = (until - clock_ns(CLOCK_MONOTONIC)) / MS;
		if (left <= 0 && stopped) {
			/* It hangs in a write, and goes with the process. */
			drop(w->copier);
			return false;
		}
		if (left <= 0) {
			tell(w->copier->stop);
			stopped = true;
			until += MONITOR_DRAIN_MS * MS;
			continue;
		}
		if (poll(&told, 1, (int)left) > 0)
			take(told.fd);
	}
	pthread_join(w->copier->thread, NULL);
	return true;
}

/* After last_output(): a thread that still hangs writes no more of what is counted. */
static void account(const struct copier *c, struct monitor_end *end)
{
	for (int i = 0; i < 2; i++) {
		end->received[i] = atomic_load(&c->received[i]);
		end->truncated[i] = end->received[i] > c->m->limits.output_bytes[i];
	}
	end->dropped = c->m->log->dropped + atomic_load(&c->stalled);
	end->rotations = c->m->log->rotations;
	end->log_error = c->m->log->last_error;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int monitor_run(struct monitor *m, struct monitor_end *ret, struct err *e)
{
	static struct copier copier;
	int64_t started = clock_ns(CLOCK_MONOTONIC);
	struct watch w = { .m = m,
			   .copier = &copier,
			   .end = ret,
			   .started = started,
			   .wall_at =
				   m->limits.wall_ms < 0 ? NEVER : started + m->limits.wall_ms * MS,
			   .cpu_at = m->limits.cpu_ms < 0 || m->cgroup < 0 ? NEVER : started,
			   .kill_at = NEVER,
			   .drop_at = NEVER };
	int r;

	*ret = (struct monitor_end){ .code = -1, .started_ns = clock_ns(CLOCK_REALTIME) };
	w.signals = open_signals();
	if (w.signals < 0)
		return err_set(e, errno, "signalfd");
	r = copier_start(&copier, m, e);
	if (r < 0)
		return r;
	do
		r = turn(&w, e);
	while (r == 0);
	if (r < 0)
		return r;
	if (last_output(&w)) {
		close(copier.stop);
		close(copier.told);
		close(copier.busy);
		close(copier.null);
	}
	account(&copier, ret);
	close(w.signals);
	return 0;
}

/* --- what it says -------------------------------------------------------------------------- */

const char *monitor_reason_text(enum monitor_reason reason)
{
	static const char *const texts[] = { [MONITOR_EXIT] = "exit",
					     [MONITOR_WALL] = "wall",
					     [MONITOR_CPU] = "cpu",
					     [MONITOR_OUTPUT] = "output",
					     [MONITOR_CANCELLED] = "cancelled" };

	return texts[reason];
}

static const char *time_text(int64_t ns, char text[UTC_TEXT_MAX])
{
	size_t length;

	utc_format(ns / (1000 * MS), text);
	length = strlen(text);
	snprintf(text + length, UTC_TEXT_MAX - length, ".%09lldZ", (long long)(ns % (1000 * MS)));
	return text;
}

int monitor_end_format(const struct monitor_end *end, char *text, size_t size)
{
	char started[UTC_TEXT_MAX], ended[UTC_TEXT_MAX];

	return snprintf(text, size,
			"{\"reason\":\"%s\",\"code\":%d,\"signal\":%d,\"cancelledBy\":%d,"
			"\"started\":\"%s\",\"finished\":\"%s\",\"wallUsec\":%lld,"
			"\"stdout\":{\"bytes\":%llu,\"truncated\":%s},"
			"\"stderr\":{\"bytes\":%llu,\"truncated\":%s},"
			"\"dropped\":%llu,\"rotations\":%u,\"logErrno\":%d}",
			monitor_reason_text(end->reason), end->code, end->signal, end->cancelled_by,
			time_text(end->started_ns, started), time_text(end->ended_ns, ended),
			(long long)end->wall_us, (unsigned long long)end->received[0],
			end->truncated[0] ? "true" : "false", (unsigned long long)end->received[1],
			end->truncated[1] ? "true" : "false", (unsigned long long)end->dropped,
			end->rotations, end->log_error);
}
