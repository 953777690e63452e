/*
 * user.c - the image's passwd(5) and group(5), without NSS.
 *
 * getpwnam(3) would load the host's (or worse, the image's) NSS modules. The
 * files are opened in-root and must be small regular files: an image may have
 * a symlink to /dev/zero there, a fifo, or a gigabyte (CVE-2024-9676).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "base/ids.h"
#include "base/path.h"
#include "image/user.h"

static bool read_id(const char *text, size_t len, uint32_t *ret)
{
	return id_parse(text, len, ret) == 0;
}

/* What cannot be a name, and must not pass for one: "+1", "-1", " 1", "0x3e8", "1e3". */
static bool looks_numeric(const char *text, size_t len)
{
	return len > 0 && (strchr("0123456789+- ", text[0]) != NULL);
}

/* etc/NAME as text; no such file: empty. */
static int read_file(int rootfd, const char *path, char **ret, struct err *e)
{
	_cleanup_free_ char *text = malloc(IMAGE_USER_FILE_MAX + 2);
	_cleanup_fd_ int dir = -EBADF, fd = -EBADF;
	struct stat st;
	ssize_t n = 0;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the image's /etc/%s", path);
	dir = path_open_in_root(rootfd, "etc", O_PATH | O_DIRECTORY, 0);
	if (dir >= 0)
		fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	else
		errno = -dir;
	if (fd < 0 && errno != ENOENT)
		return err_set(e, errno, "cannot open the image's /etc/%s", path);
	if (fd >= 0) {
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			return err_say(e, EINVAL, "the image's /etc/%s is not a file", path);
		n = fd_read_full(fd, text, IMAGE_USER_FILE_MAX + 1);
		if (n < 0)
			return err_set(e, -n, "cannot read the image's /etc/%s", path);
		if (n > (ssize_t)IMAGE_USER_FILE_MAX)
			return err_say(e, EFBIG, "the image's /etc/%s is over 1 MiB", path);
		if (memchr(text, '\0', n))
			return err_say(e, EINVAL, "the image's /etc/%s holds a NUL", path);
	}
	text[n] = '\0';
	*ret = text;
	text = NULL;
	return 0;
}

struct field {
	const char *text;
	size_t len;
};

/* The next line's fields (`want` at least); false at the end. Lines that are too long or lack fields
 * are passed over, as glibc does. */
static bool next_fields(const char **at, struct field *f, int want)
{
	while (**at) {
		const char *line = *at, *end = strchrnul(line, '\n'), *p = line;
		int i;

		*at = *end ? end + 1 : end;
		if ((size_t)(end - line) > IMAGE_USER_LINE_MAX || *line == '#')
			continue;
		for (i = 0; i < want && p <= end; i++) {
			f[i].text = p;
			f[i].len = 0;
			while (p + f[i].len < end && p[f[i].len] != ':')
				f[i].len++;
			p += f[i].len + 1;
		}
		if (i == want)
			return true;
	}
	return false;
}

static bool next_line(const char **at, struct field f[4])
{
	return next_fields(at, f, 4);
}

static bool field_is(const struct field *f, const char *text, size_t len)
{
	return f->len == len && memcmp(f->text, text, len) == 0;
}

struct account {
	uint32_t uid, gid;
	char name[IMAGE_USER_LINE_MAX]; /* "" when the number is in no line */
};

static int find_user(const char *passwd, const char *user, size_t len, struct account *ret,
		     struct err *e)
{
	uint32_t wanted = 0, uid, gid;
	bool numeric = read_id(user, len, &wanted);
	struct field f[4];

	if (!numeric && looks_numeric(user, len))
		return err_say(e, EINVAL,
			       "user \"%.*s\" is neither a name nor a number below "
			       "4294967295",
			       (int)(len > 64 ? 64 : len), user);
	ret->uid = wanted;
	ret->gid = 0;
	ret->name[0] = '\0';
	while (next_line(&passwd, f)) {
		if (!read_id(f[2].text, f[2].len, &uid) || !read_id(f[3].text, f[3].len, &gid))
			continue;
		if (numeric ? uid != wanted : !field_is(&f[0], user, len))
			continue;
		ret->uid = uid;
		ret->gid = gid;
		if (f[0].len < sizeof(ret->name)) {
			memcpy(ret->name, f[0].text, f[0].len);
			ret->name[f[0].len] = '\0';
		}
		return 0;
	}
	if (numeric)
		return 0;
	return err_say(e, ENOENT, "the image's /etc/passwd has no user \"%.*s\"",
		       (int)(len > 64 ? 64 : len), user);
}

static int find_group(const char *groups, const char *group, uint32_t *ret, struct err *e)
{
	size_t len = strlen(group);
	struct field f[4];

	if (read_id(group, len, ret))
		return 0;
	if (looks_numeric(group, len) || len == 0)
		return err_say(e, EINVAL,
			       "group \"%.64s\" is neither a name nor a number below "
			       "4294967295",
			       group);
	while (next_line(&groups, f))
		if (field_is(&f[0], group, len) && read_id(f[2].text, f[2].len, ret))
			return 0;
	return err_say(e, ENOENT, "the image's /etc/group has no group \"%.64s\"", group);
}

static bool lists_member(const struct field *members, const char *name)
{
	size_t len = strlen(name), at = 0, n;

	while (len > 0 && at <= members->len) {
		const char *p = members->text + at;

		for (n = 0; at + n < members->len && p[n] != ','; n++)
			;
		if (n == len && memcmp(p, name, n) == 0)
			return true;
		at += n + 1;
	}
	return false;
}

static int member_groups(const char *groups, const char *name, uint32_t *gids, size_t room,
			 size_t *ret, struct err *e)
{
	struct field f[4];
	size_t count = 0, i;
	uint32_t gid;

	while (next_line(&groups, f)) {
		if (!lists_member(&f[3], name) || !read_id(f[2].text, f[2].len, &gid))
			continue;
		for (i = 0; i < count && gids[i] != gid; i++)
			;
		if (i < count)
			continue;
		if (count == room)
			return err_say(e, E2BIG, "user \"%.64s\" is in more than %zu groups", name,
				       room);
		gids[count++] = gid;
	}
	*ret = count;
	return 0;
}

int image_user_lookup(int rootfd, const char *user, uint32_t *ret_uid, uint32_t *ret_gid,
		      uint32_t *gids, size_t *gid_count, struct err *e)
{
	_cleanup_free_ char *passwd = NULL, *groups = NULL;
	const char *colon = strchr(user, ':');
	size_t len = colon ? (size_t)(colon - user) : strlen(user), count = 0;
	struct account account = { .name = "" };
	int error;

	if (len == 0 && colon == NULL) { /* nothing said: root */
		user = "0";
		len = 1;
	}
	if (len == 0 || len >= IMAGE_USER_LINE_MAX)
		return err_say(e, EINVAL, "user \"%.64s\" is malformed", user);
	/* "uid:gid" says all: what the image's files are does not matter */
	if (colon && read_id(user, len, &account.uid) &&
	    read_id(colon + 1, strlen(colon + 1), &account.gid)) {
		*ret_uid = account.uid;
		*ret_gid = account.gid;
		*gid_count = 0;
		return 0;
	}
	error = read_file(rootfd, "passwd", &passwd, e);
	if (!error)
		error = read_file(rootfd, "group", &groups, e);
	if (!error)
		error = find_user(passwd, user, len, &account, e);
	if (!error)
		error = colon ? find_group(groups, colon + 1, &account.gid, e)
			      : member_groups(groups, account.name, gids, *gid_count, &count, e);
	if (error)
		return error;
	*ret_uid = account.uid;
	*ret_gid = account.gid;
	*gid_count = count;
	return 0;
}

int image_user_home(int rootfd, uint32_t uid, char *home, size_t size, struct err *e)
{
	_cleanup_free_ char *passwd = NULL;
	const char *at;
	struct field f[6];
	uint32_t id;
	int error = read_file(rootfd, "passwd", &passwd, e);

	if (error)
		return error;
	home[0] = '\0';
	for (at = passwd; next_fields(&at, f, 6);) {
		if (!read_id(f[2].text, f[2].len, &id) || id != uid)
			continue;
		if (f[5].len > 0 && f[5].text[0] == '/' && f[5].len < size)
			snprintf(home, size, "%.*s", (int)f[5].len, f[5].text);
		break;
	}
	return 0;
}
