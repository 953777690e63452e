/*
 * job_stdio.c - what a job has as standard input, output and error.
 *
 * A file of the host is never the job's own fd: by /proc/self/fd it could be
 * opened anew, for writing or at another place. It gets one end of a pipe, and
 * kist moves what goes through.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/job_stream.h"

#define FILE_MODE 0600

static const char *const names[] = { "stdin", "stdout", "stderr" };

/* No symlink anywhere in the path: a former job may have left one where it could write. */
static int open_plain(const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

	return fd < 0 ? -errno : (int)fd;
}

static int refuse(int index, const char *path, const char *why, const char *fix, struct err *e)
{
	err_say(e, EINVAL, "%s: %.200s %s", names[index], path, why);
	return err_fix(e, "%s", fix);
}

/* A regular file that has this name alone, or /dev/null and its like. */
static int open_file(int index, const char *path, int *ret, struct err *e)
{
	bool writes = index > 0;
	_cleanup_fd_ int fd = open_plain(path, writes ? O_WRONLY | O_CREAT : O_RDONLY, FILE_MODE);
	struct stat st;

	if (fd == -ELOOP)
		return refuse(index, path, "has a symbolic link in its path, and none is followed",
			      "give the path without it: realpath(1)", e);
	if (fd < 0)
		return err_set(e, -fd, "%s: cannot open %.200s", names[index], path);
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "%s: %.200s", names[index], path);
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return refuse(index, path, "is no regular file", "give a file, or /dev/null", e);
	if (writes && S_ISREG(st.st_mode) && st.st_nlink != 1)
		return refuse(index, path, "has other names, which would be written to as well",
			      "remove it first", e);
	if (writes && S_ISREG(st.st_mode) && ftruncate(fd, 0) < 0)
		return err_set(e, errno, "%s: cannot empty %.200s", names[index], path);
	fcntl(fd, F_SETFL, 0);
	*ret = fd_take(&fd);
	return 0;
}

/* The job's end of a new pipe is in s->fd[index], the other in *ret. */
static int make_pipe(struct job_stdio *s, int index, uint32_t uid, uint32_t gid, int *ret,
		     struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, errno, "%s: cannot make a pipe", names[index]);
	s->fd[index] = ends[index > 0];
	*ret = ends[index == 0];
	s->given = true;
	fcntl(*ret, F_SETFL, O_NONBLOCK);
	/* So that the job may open it by name: /dev/stdout. Without root it is its own already. */
	if (fchown(s->fd[index], uid, gid) < 0 && errno != EPERM)
		return err_set(e, errno, "%s: cannot give the pipe to the job", names[index]);
	return 0;
}

static struct job_stream *new_stream(struct arena *a, struct err *e)
{
	struct job_stream *s = arena_alloc(a, sizeof *s);

	if (!s)
		err_set(e, ENOMEM, "the job's streams");
	else
		s->from = s->to = -EBADF;
	return s;
}

static int open_input(struct job_stdio *s, const struct job *job, uint32_t uid, uint32_t gid,
		      struct arena *a, struct err *e)
{
	struct job_stream *in = new_stream(a, e);
	int n = 0;

	if (!in)
		return -ENOMEM;
	s->stream[0] = in;
	if (job->stdio[0])
		n = open_file(0, job->stdio[0], &in->from, e);
	else if ((in->from = fcntl(0, F_DUPFD_CLOEXEC, 3)) < 0)
		n = err_set(e, errno, "stdin");
	if (n == 0)
		n = make_pipe(s, 0, uid, gid, &in->to, e);
	in->owns_to = true;
	return n;
}

static int open_output(struct job_stdio *s, const struct job *job, int index, uint32_t uid,
		       uint32_t gid, struct arena *a, struct job_output *count, struct err *e)
{
	struct job_stream *out = new_stream(a, e);
	int n = 0;

	if (!out)
		return -ENOMEM;
	s->stream[index] = out;
	out->to = index;
	if (job->stdio[index] || job->alone) {
		n = open_file(index, job->stdio[index] ? job->stdio[index] : "/dev/null", &out->to, e);
		out->owns_to = out->to_file = n == 0;
	}
	if (n == 0)
		n = make_pipe(s, index, uid, gid, &out->from, e);
	out->limit = job->output;
	out->count = count;
	count->counted = true;
	return n;
}

/* Of each stream that gets no other. */
static int open_nobodys(struct job_stdio *s, struct err *e)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_set(e, errno, "/dev/null");
	s->nobodys = s->fd[0] = s->fd[1] = s->fd[2] = fd;
	s->given = true;
	return 0;
}

/* An open folder leads out of any root. */
static int refuse_folders(const struct job_stdio *s, struct err *e)
{
	struct stat st;

	for (int i = 0; i < 3; i++) {
		if (s->fd[i] != i || fstat(i, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		err_say(e, EISDIR, "%s: is a folder of the host", names[i]);
		return err_fix(e, "give the job a file, a pipe or /dev/null; --input DIR:PATH shows it a folder");
	}
	return 0;
}

int job_stdio_check(const struct job_stdio *s, const struct job *job, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		const struct job_stream *one = s->stream[i];
		bool file = job->stdio[i] && (i == 0 || (one && !one->unread));

		/* A terminal in whose background kist is answers EIO: that is the end of it. */
		if (one && one->lost && (i || file))
			return err_set(e, one->lost, "%s: cannot %s %.200s", names[i],
				       one->unread ? "read" : "write",
				       file ? job->stdio[i] : "what the job said");
	}
	return 0;
}

int job_stdio_open(struct job_stdio *s, const struct job *job, uint32_t uid, uint32_t gid,
		   struct arena *a, struct job_output output[2], struct err *e)
{
	/* A detached job's go to its monitor, whole. */
	bool through = job->output || job->detach;
	/* A terminal is never the job's: whoever has its fd reads what is typed there. */
	bool caller = !job->alone && !job->detach;
	int n = job->alone ? open_nobodys(s, e) : 0;

	if (n == 0 && (job->stdio[0] || (caller && isatty(0))))
		n = open_input(s, job, uid, gid, a, e);
	if (n == 0 && (through || job->stdio[1] || (caller && isatty(1))))
		n = open_output(s, job, 1, uid, gid, a, &output[0], e);
	if (n == 0 && job->merge_stderr) {
		s->fd[2] = s->fd[1];
		s->given = true;
	} else if (n == 0 && (through || job->stdio[2] || (caller && isatty(2)))) {
		n = open_output(s, job, 2, uid, gid, a, &output[1], e);
	}
	return n < 0 ? n : refuse_folders(s, e);
}

void job_stdio_given(struct job_stdio *s)
{
	if (s->fd[2] == s->fd[1])
		s->fd[2] = 2;
	for (int i = 0; i < 3; i++)
		if (s->fd[i] > 2 && s->fd[i] != s->nobodys)
			fd_close(&s->fd[i]);
		else
			s->fd[i] = i;
	fd_close(&s->nobodys);
}

void job_stdio_close(struct job_stdio *s)
{
	job_stdio_given(s);
	for (int i = 0; i < 3; i++) {
		if (!s->stream[i])
			continue;
		fd_close(&s->stream[i]->from);
		if (s->stream[i]->owns_to)
			fd_close(&s->stream[i]->to);
	}
}
