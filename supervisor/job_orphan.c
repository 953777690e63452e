/*
 * job_orphan.c - jobs whose kist was killed: their processes died with it; what was made for them
 * is found by their configuration, which says who made them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "runtime/container.h"
#include "runtime/idrange.h"
#include "supervisor/job_detach.h"

#define FOLDER	  (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define YOUNG_SEC 60 /* what has no record yet may be on its way to one */

const char *job_maker_text(struct arena *a)
{
	unsigned long long ticks = 0;
	bool zombie;

	if (process_start_time(getpid(), &ticks, &zombie) < 0)
		return NULL;
	return arena_printf(a, "%d %llu", (int)getpid(), ticks);
}

int job_process_open(pid_t pid, unsigned long long ticks)
{
	unsigned long long now = 0;
	int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
	bool zombie;

	/* Its pid may be another's by now: then it began at another time. */
	if (fd >= 0 && process_start_time(pid, &now, &zombie) == 0 && !zombie && now == ticks)
		return fd;
	if (fd >= 0)
		close(fd);
	return -EBADF;
}

static bool is_young(int dir, const char *name)
{
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &now);
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       now.tv_sec - st.st_mtim.tv_sec < YOUNG_SEC;
}

/* Whether the folder is one of a job that nobody stays with any more. */
static bool is_orphan(int root, const char *id)
{
	_cleanup_fd_ int dir = openat(root, id, FOLDER);
	_cleanup_json_ json_t *config = NULL;
	struct err ignored = ERR_INIT;
	unsigned long long ticks = 0;
	const char *maker;
	int pid = 0, fd;

	if (dir < 0)
		return false;
	if (json_read_file(dir, "config.json", &config, &ignored) < 0)
		/* Killed before its record was written: there is nothing but the folder. */
		return faccessat(dir, "intent.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		       !is_young(root, id);
	maker = json_string_value(
		json_object_get(json_object_get(config, "annotations"), JOB_MAKER));
	if (!maker || sscanf(maker, "%d %llu", &pid, &ticks) != 2)
		return false;
	fd = job_process_open(pid, ticks);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

/* Ranges of ids that were leased for jobs which never came to have a folder. */
static void drop_leases(int root)
{
	_cleanup_fd_ int fd = openat(root, ".ids", FOLDER);
	DIR *dir = fd < 0 ? NULL : fdopendir(dup(fd));
	struct err ignored = ERR_INIT;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char id[CONTAINER_ID_MAX + 1];
		ssize_t n = readlinkat(fd, entry->d_name, id, sizeof id - 1);

		id[n > 0 ? n : 0] = '\0';
		if (n > 0 && container_check_id(id, NULL) == 0 &&
		    faccessat(root, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT &&
		    !is_young(fd, entry->d_name))
			idrange_release(root, id, &ignored);
	}
	if (dir)
		closedir(dir);
}

int job_orphans_remove(int root, void (*removed)(const char *id), struct err *e)
{
	_cleanup_fd_ int fd = openat(root, ".", FOLDER);
	DIR *dir = fd < 0 ? NULL : fdopendir(dup(fd));
	const struct dirent *entry;
	int result = 0;

	while (dir && (entry = readdir(dir))) {
		struct err one = ERR_INIT;
		int r;

		if (entry->d_name[0] == '.' || container_check_id(entry->d_name, NULL) < 0 ||
		    !is_orphan(root, entry->d_name))
			continue;
		r = runtime_delete(root, entry->d_name, true, &one);
		if (r == 0)
			removed(entry->d_name);
		else if (r != -ENOENT && r != -EBUSY && result == 0)
			result = r, *e = one;
	}
	if (dir)
		closedir(dir);
	drop_leases(root);
	return result;
}
