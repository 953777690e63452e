/*
 * job_inputs.c - what of the host a job is shown: whose it is, and what is shown to none.
 *
 * A job's /proc and /sys are its own, or it has none; kist's folders hold what is other containers'
 * (their variables, their files). A folder around one of these shows it as well.
 */
#include "supervisor/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

struct place {
	const char *what;
	char path[PATH_MAX];
};

/* As the kernel says it: without a link in it. */
static int path_of(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	return 0;
}

static bool is_within(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strcmp(folder, "/") == 0 ||
	       (strncmp(path, folder, n) == 0 && (path[n] == '/' || !path[n]));
}

/* By name and number, not by statfs(2): one that does not answer that would hold kist up. */
static bool is_kernels(const char *path, dev_t dev)
{
	struct stat proc;

	return is_within(path, "/proc") || is_within(path, "/sys") ||
	       (stat("/proc", &proc) == 0 && proc.st_dev == dev);
}

static int refuse(const char *where, const char *path, const char *holds, struct err *e)
{
	err_say(e, EPERM, "%s: %.200s %s", where, path, holds);
	err_fix(e, "name the files and folders alone that the job needs");
	e->exit_code = 125;
	return -EPERM;
}

static int look(const char *where, const char *source, const struct place closed[2], uint32_t *uid,
		uint32_t *gid, struct err *e)
{
	_cleanup_fd_ int fd = open(source, O_PATH | O_CLOEXEC);
	char path[PATH_MAX], holds[128];
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "%s: %.200s", where, source);
	*uid = st.st_uid;
	*gid = st.st_gid;
	r = path_of(fd, path);
	if (r < 0)
		return err_set(e, -r, "%s: %.200s", where, source);
	if (is_kernels(path, st.st_dev))
		return refuse(where, source, "is the kernel's, and tells of the host", e);
	if (strcmp(path, "/") == 0)
		return refuse(where, source, "is all of the host, with /proc and /sys", e);
	for (int i = 0; i < 2; i++) {
		snprintf(holds, sizeof holds, "%s kist's %s",
			 is_within(path, closed[i].path) ? "is in" : "holds", closed[i].what);
		if (closed[i].path[0] &&
		    (is_within(path, closed[i].path) || is_within(closed[i].path, path)))
			return refuse(where, source, holds, e);
	}
	return 0;
}

static void find_store(const char *store, char path[PATH_MAX])
{
	char usual[PATH_MAX];
	_cleanup_fd_ int fd = -EBADF;

	if (!store && store_default_path(usual, sizeof usual) == 0)
		store = usual;
	fd = store ? open(store, O_PATH | O_CLOEXEC) : -EBADF;
	if (fd < 0 || path_of(fd, path) < 0)
		path[0] = '\0';
}

int job_look_at_inputs(struct job *job, int root, const char *store, struct err *e)
{
	struct place closed[2] = { { .what = "state folder" }, { .what = "image store" } };
	int r = 0;

	if (!job->workspace_from && !job->input_count)
		return 0;
	if (path_of(root, closed[0].path) < 0)
		closed[0].path[0] = '\0';
	find_store(store, closed[1].path);
	if (job->workspace_from)
		r = look("workspace-from", job->workspace_from, closed, &job->from_uid,
			 &job->from_gid, e);
	for (size_t i = 0; r == 0 && i < job->input_count; i++)
		r = look("input", job->input[i].source, closed, &job->input[i].uid,
			 &job->input[i].gid, e);
	return r;
}
