/*
 * store-enter.c - into the user namespace whose ids a mapped store's files have.
 *
 * The caller's own id is root there, and what follows is the range that /etc/subuid and /etc/subgid
 * give it. newuidmap(1) and newgidmap(1), setuid programs of the host, decide whether it may; they
 * must be started outside, so two children wait for the process to be inside.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/host.h"
#include "image/store.h"
#include "image/store-layout.h"

#define HELPER_SECONDS 30

struct helper {
	const char *path, *file;
	pid_t pid;
	int said;
};

/* In the child; nothing of ours goes along. */
static void become_helper(const char *path, pid_t whom, const struct subid_range *r, int go,
			  int out)
{
	char pid[12], own[12], first[12], count[12], zero[] = "0", one[] = "1";
	char *args[] = { (char *)(uintptr_t)path, pid, zero, own, one, one, first, count, NULL };
	char *environment[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
				(char *)(uintptr_t) "LC_ALL=C", NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char byte;

	snprintf(pid, sizeof(pid), "%d", (int)whom);
	snprintf(own, sizeof(own), "%u", r->own);
	snprintf(first, sizeof(first), "%u", r->first);
	snprintf(count, sizeof(count), "%u", r->count);
	if (read(go, &byte, 1) != 1) /* it never got inside */
		_exit(1);
	alarm(HELPER_SECONDS); /* which outlives execve(2) */
	if (null >= 0 && dup2(null, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2)
		execve(path, args, environment);
	dprintf(out, "it cannot be run: %s\n", strerror(errno));
	_exit(127);
}

static int start_helper(struct helper *h, const struct subid_range *r, int go[2], struct err *e)
{
	pid_t self = getpid();
	int said[2];

	if (pipe2(said, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe");
	h->pid = fork();
	if (h->pid == 0) {
		close(go[1]);
		become_helper(h->path, self, r, go[0], said[1]);
	}
	close(said[1]);
	h->said = said[0];
	return h->pid < 0 ? err_set(e, errno, "fork") : 0;
}

static int end_helper(struct helper *h, struct err *e)
{
	char text[256] = "";
	ssize_t n = h->said >= 0 ? fd_read_full(h->said, text, sizeof(text) - 1) : 0;
	int status = 0;

	fd_close(&h->said);
	if (h->pid <= 0)
		return 0;
	while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	err_say(e, EPERM, "%s: %s", h->path, text[0] ? text : "it failed and did not say why");
	return err_fix(
		e,
		"the user needs these ids in %s as when the store was made; or use a new store "
		"with --ids single",
		h->file);
}

static int enter(const struct subids *ids, struct err *e)
{
	struct helper uid = { .path = HOST_NEWUIDMAP, .file = "/etc/subuid", .said = -EBADF };
	struct helper gid = { .path = HOST_NEWGIDMAP, .file = "/etc/subgid", .said = -EBADF };
	struct err second = ERR_INIT;
	int go[2], error;

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe");
	error = start_helper(&uid, &ids->uid, go, e);
	if (!error)
		error = start_helper(&gid, &ids->gid, go, e);
	if (!error && unshare(CLONE_NEWUSER) < 0) {
		error = err_set(e, errno, "cannot make a user namespace");
		err_fix(e, "kist doctor says why; or use a new store with --ids single");
	}
	if (!error && fd_write_all(go[1], "go", 2) < 0)
		error = err_set(e, errno, "pipe");
	close(go[0]);
	close(go[1]);
	error = end_helper(&uid, error ? &second : e) && !error ? -e->error : error;
	error = end_helper(&gid, error ? &second : e) && !error ? -e->error : error;
	if (!error && !subids_are_here(ids))
		error = err_say(e, EPERM, HOST_NEWUIDMAP " and " HOST_NEWGIDMAP
				" ended well, and the ids are not there");
	return error;
}

/* Not everywhere files can be others': on NFS, or a mount with ids of its own. path: of a store that
 * is to be made, and maybe its folders, too. */
static bool can_give(const char *path)
{
	char folder[STORE_PATH_MAX + 1], name[STORE_PATH_MAX + 32];
	_cleanup_fd_ int fd = -EBADF;
	char *slash;

	snprintf(folder, sizeof(folder), "%s/", path);
	while (fd < 0 && (slash = strrchr(folder, '/')) != NULL) {
		*slash = '\0';
		snprintf(name, sizeof(name), "%s/.kist-XXXXXX.tmp", folder);
		fd = mkostemps(name, 4, O_CLOEXEC);
		if (fd < 0 && errno != ENOENT)
			return false;
	}
	if (fd >= 0)
		unlink(name);
	return fd >= 0 && fchown(fd, 1, 1) == 0;
}

/* Where it can't be done a new store is better single than none. In a child: there is no way back. */
static bool can_enter(const struct subids *ids, const char *path)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) /* some hosts give the namespace, and no right in it */
		_exit(enter(ids, NULL) || !can_give(path) || setresgid(1, 1, 1) ||
		      setresuid(1, 1, 1));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Of a store that is to be made: 1 and its ids, 0 single. */
static int choose(const char *path, enum store_ids want, struct subids *ret, struct err *e)
{
	bool inside = host_in_user_namespace(), helpers;

	if (want == STORE_IDS_SINGLE || (inside && want == STORE_IDS_AUTO))
		return 0;
	helpers = access(HOST_NEWUIDMAP, X_OK) == 0 && access(HOST_NEWGIDMAP, X_OK) == 0;
	if (inside ? subids_of_namespace(ret) : helpers && subids_of_caller(ret))
		return want == STORE_IDS_MAPPED || can_enter(ret, path);
	if (want == STORE_IDS_AUTO)
		return 0;
	err_say(e, EPERM, "--ids mapped: the caller has no ids but its own");
	return err_fix(e,
		       "give it some in /etc/subuid and /etc/subgid (usermod --add-subuids "
		       "200000-265535 --add-subgids 200000-265535 USER), and install the package "
		       "uidmap");
}

static int check_wish(const struct store *s, enum store_ids want, struct err *e)
{
	if (want == STORE_IDS_AUTO || s->mapped == (want == STORE_IDS_MAPPED))
		return 0;
	err_say(e, EINVAL, "the store %s is %s: all its files belong to %s", s->path,
		s->mapped ? "mapped" : "single",
		s->mapped ? "who they should, by the user's ids" : "the user alone");
	return err_fix(e, "leave out --ids, or use another --store: one store is of one kind");
}

static int find_ids(const char *path, enum store_ids want, bool create, struct subids *ret,
		    struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct stat st;
	int got = store_look_at(&s, path, NULL);

	if (got < 0) /* whoever opens it says why */
		return 0;
	if (!store_caller_userxattr()) {
		if (want == STORE_IDS_AUTO)
			return 0;
		err_say(e, EINVAL,
			"--ids is for users: in root's store files belong to who they should");
		return err_fix(e, "leave it out");
	}
	if (got > 0) {
		got = check_wish(&s, want, e);
		*ret = s.ids;
		return got ? got
			   : s.userxattr && s.mapped && fstat(s.dir, &st) == 0 &&
				       st.st_uid == geteuid();
	}
	got = create ? choose(s.path, want, ret, e) : 0;
	if (got > 0)
		store_choose_ids(ret);
	return got;
}

int store_enter(const char *path, enum store_ids want, bool create, void (*before)(void *user),
		void *user, struct err *e)
{
	struct subids ids;
	int got = find_ids(path, want, create, &ids, e);

	if (got <= 0 || subids_are_here(&ids))
		return got < 0 ? got : 0;
	if (host_in_user_namespace())
		return 0; /* store_check_ids() refuses; what only reads blobs may go on */
	store_vouch_shared();
	if (before)
		before(user);
	got = enter(&ids, e);
	if (got)
		return err_wrap(e, "cannot enter the user namespace of the store's files");
	store_note_entered();
	return 0;
}

int image_enter(const struct image_info *image, struct err *e)
{
	struct store s = { .dir = -EBADF, .mapped = image->mapped, .ids = image->ids };
	int error;

	/* image_resolve() has compared what a namespace of the caller's has. */
	if (!image->mapped || (host_in_user_namespace() && !store_has_entered()))
		return 0;
	error = store_enter(image->store, STORE_IDS_AUTO, false, NULL, NULL, e);
	snprintf(s.path, sizeof(s.path), "%s", image->store);
	return error ? error : store_check_ids(&s, e);
}
