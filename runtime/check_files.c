/*
 * check_files.c - the root, what is mounted into it, and the program, as far as they can be seen
 * before anything is mounted.
 *
 * The root is hostile: every path of it is opened in-root, and nothing but regular files is read.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/check_internal.h"

#define INTERPRETERS_MAX 5  /* a script's script; the kernel's own limit, BINPRM_DEPTH */
#define HEADERS_MAX	 64 /* of an ELF file */

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || !path[len]);
}

/* --- the root ----------------------------------------------------------------- */

void check_root(struct check *c)
{
	const char *path = c->spec.ns.rootfs;
	struct stat st;

	if (c->no_root)
		return;
	/* As the plan opens it: the last component may be no symlink. */
	c->root = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->root >= 0)
		return;
	if (errno == ENOTDIR && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		check_say(c, CHECK_ERROR, "/root/path", "name the folder it leads to",
			  "%s is a symlink", path);
	else
		check_say(c, CHECK_ERROR, "/root/path", "", "%s: %s", path, strerrordesc_np(errno));
}

/* --- what a path of the container leads to -------------------------------------- */

/* The last of the first `count` mounts that covers it; NULL: the root itself. */
static const struct ns_mount *covering(const struct check *c, const char *path, size_t count)
{
	while (count-- > 0) {
		const struct ns_mount *m = &c->spec.ns.mounts[count];

		if (!m->flags.remount && is_below(path, m->destination))
			return m;
	}
	return NULL;
}

/* An O_PATH fd of it, with the first `count` mounts in place; -ENODATA: cannot be known yet. */
static int open_inside(const struct check *c, const char *path, size_t count)
{
	const struct ns_mount *m = covering(c, path, count);
	_cleanup_fd_ int source = -EBADF;
	const char *rest;

	if (!m)
		return c->root < 0 ? -ENODATA : path_open_in_root(c->root, path, O_PATH, 0);
	if (!m->flags.bind)
		return -ENODATA;
	source = open(m->source, O_PATH | O_CLOEXEC);
	if (source < 0)
		return -ENODATA; /* told where its mount is checked */
	rest = path + strlen(m->destination);
	return *rest ? path_open_in_root(source, rest, O_PATH, 0) : fd_take(&source);
}

/* A mount of the configuration's own may hold what the root lacks, by way of a symlink. */
static enum check_level how_sure(const struct check *c)
{
	static const char *const usual[] = { "/dev", "/proc", "/sys", "/run", "/tmp", "/etc" };

	for (size_t i = 0; i < c->spec.ns.mount_count; i++) {
		bool plain = false;

		for (size_t k = 0; k < sizeof usual / sizeof *usual; k++)
			plain = plain || is_below(c->spec.ns.mounts[i].destination, usual[k]);
		if (!plain)
			return CHECK_WARNING;
	}
	return CHECK_ERROR;
}

/* --- mounts --------------------------------------------------------------------- */

static void check_fs_type(struct check *c, const struct ns_mount *m, const char *where)
{
	char text[8192], line[80];
	size_t len = strcspn(m->type, ".");
	ssize_t n = file_read_at(AT_FDCWD, "/proc/filesystems", text, sizeof text);

	if (n < 0 || strcmp(m->type, "cgroup") == 0 || m->flags.remount)
		return;
	snprintf(line, sizeof line, "\t%.*s", len > 60 ? 60 : (int)len, m->type);
	for (const char *at = text; (at = strstr(at, line)); at++)
		if (!at[strlen(line)] || at[strlen(line)] == '\n')
			return;
	check_say(c, CHECK_WARNING, where, "load its module, if there is one",
		  "this kernel has no file system \"%s\" now", m->type);
}

static void check_target(struct check *c, size_t number, bool folder)
{
	const struct ns_mount *m = &c->spec.ns.mounts[number];
	_cleanup_fd_ int fd = open_inside(c, m->destination, number);
	char where[64];
	struct statvfs fs;
	struct stat st;

	snprintf(where, sizeof where, "%s/destination", m->why);
	if (fd == -ENOENT) { /* is made */
		if (!covering(c, m->destination, number) && fstatvfs(c->root, &fs) == 0 &&
		    fs.f_flag & ST_RDONLY)
			check_say(c, CHECK_ERROR, where, "make it in the root beforehand",
				  "%s is not there, and the root is on a read-only file system",
				  m->destination);
		return;
	}
	if (fd == -ENODATA || (fd >= 0 && fstat(fd, &st) < 0))
		return;
	if (fd < 0)
		check_say(c, CHECK_ERROR, where, "", "%s: %s", m->destination,
			  strerrordesc_np(-fd));
	else if (folder && !S_ISDIR(st.st_mode))
		check_say(c, CHECK_ERROR, where, "",
			  "%s is no folder, but what is mounted there is", m->destination);
	else if (!folder && S_ISDIR(st.st_mode))
		check_say(c, CHECK_ERROR, where, "",
			  "%s is a folder, but what is mounted there is not", m->destination);
}

/* kist wants these to be folders themselves: a link there would lead its own writes astray. */
static void check_plain(struct check *c, const struct ns_mount *m)
{
	static const char *const plain[] = { "/dev", "/proc", "/sys" };
	char where[64];
	struct stat st;

	snprintf(where, sizeof where, "%s/destination", m->why);
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (strcmp(m->destination, plain[i]) == 0 &&
		    fstatat(c->root, plain[i] + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISLNK(st.st_mode))
			check_say(c, CHECK_ERROR, where, "make it a folder",
				  "%s is a symlink in the root", plain[i]);
}

void check_mounts(struct check *c)
{
	for (size_t i = 0; i < c->spec.ns.mount_count; i++) {
		const struct ns_mount *m = &c->spec.ns.mounts[i];
		bool folder = true;
		char where[64];
		struct stat st;

		snprintf(where, sizeof where, "%s/%s", m->why, m->flags.bind ? "source" : "type");
		if (m->flags.remount)
			continue;
		if (!m->flags.bind) {
			check_fs_type(c, m, where);
		} else if (stat(m->source, &st) < 0) {
			check_say(c, CHECK_ERROR, where, "", "%s: %s", m->source,
				  strerrordesc_np(errno));
			continue;
		} else {
			folder = S_ISDIR(st.st_mode);
		}
		check_plain(c, m);
		check_target(c, i, folder);
	}
}

/* --- the program ------------------------------------------------------------------ */

static bool may_run(const struct check *c, const struct stat *st)
{
	const struct process_spec *s = &c->spec.process;

	if (s->uid == 0 ||
	    ns_has_userns(&c->spec.ns)) /* whose the file is there is another matter */
		return st->st_mode & 0111;
	if (st->st_uid == s->uid)
		return st->st_mode & 0100;
	for (size_t i = 0; i < s->gid_count; i++)
		if (s->gids[i] == st->st_gid)
			return st->st_mode & 0010;
	return st->st_mode & (st->st_gid == s->gid ? 0010 : 0001);
}

/* An O_PATH fd of a file that may be run, or -errno as execve(2) would say. */
static int open_program(const struct check *c, const char *path)
{
	_cleanup_fd_ int fd = open_inside(c, path, c->spec.ns.mount_count);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && may_run(c, &st) ? fd_take(&fd) : -EACCES;
}

int check_inside(const struct check *c, const char *path)
{
	_cleanup_fd_ int fd = open_program(c, path);

	return fd < 0 && fd != -ENODATA ? -fd : 0;
}

static const char *search_path(const struct process_spec *s)
{
	for (size_t i = 0; i < s->env_count; i++)
		if (strncmp(s->env[i], "PATH=", 5) == 0)
			return s->env[i] + 5;
	return _PATH_DEFPATH;
}

/* As exec_find() does, but from outside. `path` is what was found. */
static int find_program(const struct check *c, const char *name, char path[PATH_MAX])
{
	const char *search = search_path(&c->spec.process);
	int result = -ENOENT;

	if (strchr(name, '/')) {
		int n = snprintf(path, PATH_MAX, "%s%s%s",
				 name[0] == '/' ? "" : c->spec.process.cwd,
				 name[0] == '/' ? "" : "/", name);

		return n < PATH_MAX ? open_program(c, path) : -ENAMETOOLONG;
	}
	for (const char *end; search; search = *end ? end + 1 : NULL) {
		int n, fd;

		end = strchrnul(search, ':');
		n = snprintf(path, PATH_MAX, "%s%.*s/%s", *search == '/' ? "" : c->spec.process.cwd,
			     (int)(end - search), search, name);
		fd = n < PATH_MAX ? open_program(c, path) : -ENOENT;
		if (fd >= 0)
			return fd;
		if (fd == -ENODATA || (fd == -EACCES && result == -ENOENT))
			result = fd;
	}
	return result;
}

/* PT_INTERP of an ELF file of this machine's kind. 1: it is in `interpreter`; 0: none; a negative
 * errno: it cannot run here. */
static int read_elf(int fd, const unsigned char *head, char interpreter[PATH_MAX])
{
	Elf64_Ehdr file;
	Elf64_Phdr part;

	if (head[EI_CLASS] != ELFCLASS64) /* 32 bits: the kernel may well run it */
		return 0;
	memcpy(&file, head, sizeof file);
#if defined(__x86_64__)
	if (file.e_machine != EM_X86_64)
		return -ENOEXEC;
#elif defined(__aarch64__)
	if (file.e_machine != EM_AARCH64)
		return -ENOEXEC;
#endif
	if (file.e_phentsize != sizeof part)
		return -ENOEXEC;
	for (int i = 0; i < file.e_phnum && i < HEADERS_MAX; i++) {
		if (pread(fd, &part, sizeof part,
			  (off_t)(file.e_phoff + (size_t)i * sizeof part)) != sizeof part)
			return -ENOEXEC;
		if (part.p_type != PT_INTERP)
			continue;
		if (part.p_filesz < 2 || part.p_filesz >= PATH_MAX ||
		    pread(fd, interpreter, part.p_filesz, (off_t)part.p_offset) !=
			    (ssize_t)part.p_filesz)
			return -ENOEXEC;
		interpreter[part.p_filesz] = '\0';
		return 1;
	}
	return 0;
}

/* "#! /bin/sh -e" or an ELF file: what must be there besides. As read_elf(). */
static int read_interpreter(int program, char interpreter[PATH_MAX])
{
	unsigned char head[256] = { 0 };
	char link[32];
	_cleanup_fd_ int fd = open(path_of_fd(program, link), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, head, sizeof head - 1);
	const char *name = (const char *)head + 2;

	if (n < 4)
		return 0;
	if (memcmp(head, ELFMAG, SELFMAG) == 0)
		return n < (ssize_t)sizeof(Elf64_Ehdr) ? -ENOEXEC : read_elf(fd, head, interpreter);
	if (head[0] != '#' || head[1] != '!')
		return 0;
	name += strspn(name, " \t");
	snprintf(interpreter, PATH_MAX, "%.*s", (int)strcspn(name, " \t\n"), name);
	return 1;
}

/* What execve(2) would find out alone: create cannot. */
static void check_interpreters(struct check *c, int program, const char *path)
{
	_cleanup_fd_ int fd = fcntl(program, F_DUPFD_CLOEXEC, 3);
	char interpreter[PATH_MAX], of[PATH_MAX];

	snprintf(of, sizeof of, "%s", path);
	for (int depth = 0; depth < INTERPRETERS_MAX; depth++) {
		int next, r = read_interpreter(fd, interpreter);

		if (r == -ENOEXEC)
			check_say(c, CHECK_WARNING, "/process/args/0",
				  "use an image of this machine's architecture",
				  "%s is a program for another machine, or damaged", of);
		if (r <= 0)
			return;
		next = open_program(c, interpreter);
		if (next < 0 && next != -ENODATA)
			check_say(c, how_sure(c), "/process/args/0", "",
				  "%s needs the interpreter %s: %s", of, interpreter,
				  strerrordesc_np(-next));
		if (next < 0)
			return;
		close(fd);
		fd = next;
		snprintf(of, sizeof of, "%s", interpreter);
	}
}

static void check_cwd(struct check *c)
{
	const char *cwd = c->spec.process.cwd;
	_cleanup_fd_ int fd = open_inside(c, cwd, c->spec.ns.mount_count);
	struct stat st;

	/* One that is not there is made. */
	if (fd < 0 && fd != -ENOENT && fd != -ENODATA)
		check_say(c, CHECK_ERROR, "/process/cwd", "", "%s: %s", cwd, strerrordesc_np(-fd));
	else if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		check_say(c, CHECK_ERROR, "/process/cwd", "", "%s is no folder", cwd);
}

void check_program(struct check *c)
{
	const char *name = c->spec.process.args[0];
	_cleanup_fd_ int fd = -EBADF;
	char path[PATH_MAX];

	if (c->root < 0)
		return;
	check_cwd(c);
	if (strcmp(name, "/") == 0) /* stands in for one that is missing */
		return;
	fd = find_program(c, name, path);
	if (fd >= 0)
		check_interpreters(c, fd, path);
	else if (fd == -ENOENT && !strchr(name, '/'))
		check_say(c, how_sure(c), "/process/args/0", "see PATH in /process/env",
			  "exec: \"%s\": executable file not found in $PATH", name);
	else if (fd != -ENODATA)
		check_say(c, how_sure(c), "/process/args/0", "", "exec: \"%s\": %s", name,
			  strerrordesc_np(-fd));
}
