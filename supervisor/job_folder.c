/*
 * job_folder.c - the folders of detached jobs, and which of them still run.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "runtime/container.h"
#include "supervisor/job_detach.h"

#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int open_jobs(int root, bool make)
{
	int fd;

	if (make && mkdirat(root, JOBS_FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(root, JOBS_FOLDER, FOLDER);
	return fd < 0 ? -errno : fd;
}

static int lock(int fd, int how)
{
	int r;

	do
		r = flock(fd, how);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* New, and locked before anybody could take it for one that is left. */
static int make_locked(int jobs, const char *id, int *ret)
{
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;
	int r;

	if (mkdirat(jobs, id, 0700) < 0)
		return -errno;
	fd = openat(jobs, id, FOLDER);
	r = fd < 0 ? -errno : lock(fd, LOCK_EX);
	if (r == 0 && fstat(fd, &st) == 0 && st.st_nlink == 0)
		r = -ENOENT; /* somebody did */
	if (r == 0)
		*ret = fd_take(&fd);
	return r;
}

/* The last job's end may remove the folder of all at any moment. */
static int make_folder(int root, const char *id, int *ret)
{
	int r = -ENOENT;

	for (int tries = 0; r == -ENOENT && tries < 100; tries++) {
		_cleanup_fd_ int jobs = open_jobs(root, true);

		r = jobs < 0 ? jobs : make_locked(jobs, id, ret);
	}
	return r;
}

int job_folder_open(int root, const char *id, bool make, struct err *e)
{
	_cleanup_fd_ int jobs = -EBADF;
	int fd = -1, r = 0;

	if (make) {
		r = make_folder(root, id, &fd);
		if (r == 0)
			return fd;
	} else {
		jobs = open_jobs(root, false);
	}
	if (!make && jobs < 0 && jobs != -ENOENT)
		return err_set(e, -jobs, "the folder " JOBS_FOLDER);
	if (r < 0) {
		if (r != -EEXIST)
			return err_set(e, -r, "the job's folder");
		err_say(e, EEXIST, "there is a detached job %s already", id);
		return err_fix(e, "take another id, or remove what is over: kist job gc %s", id);
	}
	if (jobs >= 0)
		fd = openat(jobs, id, FOLDER);
	if (fd < 0 && (jobs < 0 || errno == ENOENT))
		return err_say(e, ENOENT, "there is no detached job %s", id);
	return fd < 0 ? err_set(e, errno, "the job's folder") : fd;
}

int job_folder_remove(int root, const char *id, struct err *e)
{
	_cleanup_fd_ int jobs = open_jobs(root, false);
	int r;

	if (jobs < 0)
		return jobs == -ENOENT ? 0 : err_set(e, -jobs, "the folder " JOBS_FOLDER);
	r = path_remove_tree(jobs, id, e);
	if (r == 0)
		(void)unlinkat(root, JOBS_FOLDER, AT_REMOVEDIR); /* the last one's */
	return r;
}

static int read_json(int dir, const char *name, json_t **ret, struct err *e)
{
	int r = json_read_file(dir, name, ret, e);

	if (r != -ENOENT)
		return r;
	err_clear(e);
	*ret = NULL;
	return 0;
}

/* Its pid may be another's by now: then it began at another time. */
static int open_monitor(const json_t *begun)
{
	pid_t pid = (pid_t)json_integer_value(json_object_get(begun, "pid"));
	unsigned long long ticks = 0;
	int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
	bool zombie;

	if (fd >= 0 && process_start_time(pid, &ticks, &zombie) == 0 && !zombie &&
	    ticks == (unsigned long long)json_integer_value(json_object_get(begun, "startTime")))
		return fd;
	if (fd >= 0)
		close(fd);
	return -EBADF;
}

int job_folder_read(int dir, struct job_folder *ret, struct err *e)
{
	int r;

	*ret = (struct job_folder){ .state = JOB_IS_LOST, .pidfd = -EBADF };
	r = read_json(dir, JOB_BEGUN, &ret->begun, e);
	if (r == 0)
		ret->pidfd = open_monitor(ret->begun);
	/* After the pid: who ends meanwhile has written it before. */
	if (r == 0)
		r = read_json(dir, JOB_RESULT, &ret->result, e);
	if (r < 0)
		return r;
	if (ret->result) {
		ret->state = JOB_IS_OVER;
		fd_close(&ret->pidfd);
	} else if (ret->pidfd >= 0) {
		ret->state = JOB_IS_RUNNING;
	} else if (!ret->begun && lock(dir, LOCK_SH | LOCK_NB) == -EWOULDBLOCK) {
		ret->state = JOB_IS_STARTING;
	} else if (!ret->begun) {
		lock(dir, LOCK_UN);
	}
	return 0;
}

void job_folder_free(struct job_folder *f)
{
	fd_close(&f->pidfd);
	json_decref(f->begun);
	json_decref(f->result);
	f->begun = f->result = NULL;
}
