/*
 * job_gc.c - jobs whose kist was killed in the foreground, before it had taken them away.
 *
 * Their processes are dead (a job has its kist's death signal); cgroup, mounts, network, ids and
 * state folder may be there. That kist is gone is told by its lock on the state folder, never by a
 * pid.
 */
#include "supervisor/job_detach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "runtime/container.h"
#include "runtime/idrange.h"
#include "runtime/runtime.h"

#define NEW_SECONDS                                                                                \
	1 /* a folder without any record is left alone as long: somebody may just make it */

static bool exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_job(int dir)
{
	_cleanup_json_ json_t *config = NULL;
	struct err ignored = ERR_INIT;

	return json_read_file(dir, "config.json", &config, &ignored) == 0 &&
	       json_object_get(json_object_get(config, "annotations"), JOB_ANNOTATION);
}

static bool is_old(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && st.st_mtime + NEW_SECONDS < time(NULL);
}

/* 1: removed. 0: it is none, or somebody is with it. */
static int take_away(int root, const char *id, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_fd_ int dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	int r;

	if (dir < 0 || container_check_id(id, NULL) < 0 || container_is_attended(dir) ||
	    flock(dir, LOCK_EX | LOCK_NB) < 0)
		return 0;
	/* Killed before it made anything but this. */
	if (!exists(dir, "intent.json")) {
		if (!is_old(dir) || container_lock(root, id, dir, &ignored) < 0)
			return 0;
		r = path_remove_tree(root, id, e);
		return r < 0 ? r : 1;
	}
	/* Without a configuration it was just being deleted, whatever it was. */
	if (exists(dir, "config.json") && !is_job(dir))
		return 0;
	flock(dir, LOCK_UN);
	r = container_open(root, id, true, &c, e);
	/* Another one by now. */
	if (r == 0 && container_is_attended(c.dir))
		return 0;
	if (r == 0)
		r = runtime_destroy(&c, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? r : 1;
}

static bool is_detached(int jobs, const char *id)
{
	return jobs >= 0 && exists(jobs, id);
}

int job_gc_one(int root, const char *id, struct err *e)
{
	_cleanup_fd_ int jobs =
		openat(root, JOBS_FOLDER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = is_detached(jobs, id) ? 0 : take_away(root, id, e);

	if (r != 0)
		return r < 0 ? r : 0;
	return exists(root, id) ? -EAGAIN : 0;
}

int job_gc(int root, job_gc_said *said, void *user, struct err *e)
{
	_cleanup_fd_ int jobs =
		openat(root, JOBS_FOLDER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		err_set(e, errno, "the state root");
		if (fd >= 0)
			close(fd);
		return -e->error;
	}
	while ((entry = readdir(dir))) {
		struct err one = ERR_INIT;
		int r = entry->d_name[0] == '.' || is_detached(jobs, entry->d_name)
				? 0
				: take_away(root, entry->d_name, &one);

		if (r != 0)
			said(user, entry->d_name, r < 0 ? &one : NULL);
	}
	closedir(dir);
	(void)unlinkat(root, JOBS_FOLDER, AT_REMOVEDIR); /* when it is empty */
	return idrange_sweep(root, e);
}
