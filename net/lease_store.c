/*
 * lease_store.c - the folder of leases of a boot and network namespace, its lock, its records.
 */
#include "net/lease_record.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "net/link.h"

#define BOOT_CHARS 8
#define OPEN_TRIES 1000 /* lost races against a last user who removes the folder */

const char *lease_root = "/run/kist/.net";

/* --- the folder of a namespace ----------------------------------------------- */

/* The namespace's cookie is never used again during a boot, unlike its inode (socket(7)). */
static int namespace_key(char key[48], struct err *e)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char boot[64];
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;
	ssize_t n = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof boot);

	if (n < BOOT_CHARS)
		return err_set(e, n < 0 ? (int)-n : EIO, "/proc/sys/kernel/random/boot_id");
	if (sock < 0 || getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
		return err_set(e, errno, "cannot tell the network namespace (SO_NETNS_COOKIE)");
	snprintf(key, 48, "%.*s-%llu", BOOT_CHARS, boot, (unsigned long long)cookie);
	return 0;
}

static int make_folder(const char *path, struct err *e)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_set(e, errno, "mkdir %s", path);
	return 0;
}

static int open_root(bool make, struct err *e)
{
	char parent[256];
	const char *slash = strrchr(lease_root, '/');
	int fd;

	if (make && slash > lease_root) {
		snprintf(parent, sizeof parent, "%.*s", (int)(slash - lease_root), lease_root);
		if (make_folder(parent, e) < 0 || make_folder(lease_root, e) < 0)
			return -e->error;
	}
	fd = open(lease_root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_set(e, errno, "open %s", lease_root);
	return fd;
}

/* Folders of earlier boots: /run may be on a disk. */
static void remove_old_boots(int root, const char *key)
{
	int copy = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;

	if (!dir) {
		fd_close(&copy);
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, key, BOOT_CHARS + 1) == 0)
			continue;
		(void)path_remove_tree(root, entry->d_name, NULL);
	}
	closedir(dir);
}

/* A kill -9 between the removals of lease_store_remove() leaves empty folders: they go here. */
static int absent(const struct lease_store *s, bool make)
{
	if (make)
		return -EAGAIN;
	(void)unlinkat(s->root, s->key, AT_REMOVEDIR);
	(void)rmdir(lease_root);
	return -ENOENT;
}

/* The folder may be removed by its last user between our mkdir, open and flock: the locked file
 * must still be the one that has the name. -EAGAIN: it is not. */
static int lock_folder(struct lease_store *s, bool make, struct err *e)
{
	struct stat locked, named;

	if (make && mkdirat(s->root, s->key, 0700) == 0)
		remove_old_boots(s->root, s->key);
	s->dir = openat(s->root, s->key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		return errno == ENOENT ? absent(s, make)
				       : err_set(e, errno, "open %s/%s", lease_root, s->key);
	s->lock = openat(s->dir, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC | (make ? O_CREAT : 0),
			 0600);
	if (s->lock < 0 && errno == ENOENT)
		return absent(s, make);
	if (s->lock < 0)
		return err_set(e, errno, "open %s/%s/lock", lease_root, s->key);
	while (flock(s->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "flock %s/%s/lock", lease_root, s->key);
	if (fstat(s->lock, &locked) < 0)
		return err_set(e, errno, "fstat %s/%s/lock", lease_root, s->key);
	if (fstatat(s->dir, "lock", &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    locked.st_ino != named.st_ino || locked.st_dev != named.st_dev)
		return -EAGAIN;
	return 0;
}

int lease_store_open(struct lease_store *s, bool make, struct err *e)
{
	int r = -EAGAIN;

	for (int i = 0; i < OPEN_TRIES && r == -EAGAIN; i++) {
		*s = (struct lease_store)LEASE_STORE_INIT;
		r = namespace_key(s->key, e);
		if (r < 0)
			return r;
		s->root = open_root(make, e);
		if (s->root == -ENOENT && make)
			continue;
		r = s->root < 0 ? s->root : lock_folder(s, make, e);
		if (r < 0)
			lease_store_close(s);
	}
	if (r == -EAGAIN)
		return err_set(e, EAGAIN, "%s: cannot get hold of its lock", lease_root);
	return r;
}

int lease_store_peek(struct lease_store *s, struct err *e)
{
	int r;

	*s = (struct lease_store)LEASE_STORE_INIT;
	s->root = open_root(false, e);
	if (s->root < 0)
		return s->root;
	r = namespace_key(s->key, e);
	if (r < 0)
		return r;
	s->dir = openat(s->root, s->key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		return errno == ENOENT ? -ENOENT : err_set(e, errno, "open %s/%s", lease_root, s->key);
	return 0;
}

void lease_store_close(struct lease_store *s)
{
	fd_close(&s->lock);
	fd_close(&s->dir);
	fd_close(&s->root);
}

int lease_store_remove(struct lease_store *s, struct err *e)
{
	/* Nobody is left: what a kill -9 left of the index says nothing. */
	(void)path_remove_tree(s->dir, LEASE_PORTS, NULL);
	/* The lock first: who waits for it sees that it lost its name, and starts over. */
	if (unlinkat(s->dir, "lock", 0) < 0 && errno != ENOENT)
		return err_set(e, errno, "unlink %s/%s/lock", lease_root, s->key);
	if (unlinkat(s->root, s->key, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
		return err_set(e, errno, "rmdir %s/%s", lease_root, s->key);
	lease_store_close(s);
	/* Other namespaces may have theirs in it. */
	(void)rmdir(lease_root);
	return 0;
}

/* --- records ------------------------------------------------------------------ */

int record_get(int dir, const char *name, char *text, size_t size)
{
	ssize_t n = readlinkat(dir, name, text, size);

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((size_t)n == size)
		return -E2BIG;
	text[n] = '\0';
	return 1;
}

int record_set(int dir, const char *name, const char *text)
{
	if (symlinkat(text, dir, name) == 0)
		return 0;
	return -errno;
}

int record_remove(int dir, const char *name)
{
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int lease_note_get(const struct lease_store *s, const char *name, char *text, size_t size)
{
	return record_get(s->dir, name, text, size);
}

int lease_note_set(const struct lease_store *s, const char *name, const char *text)
{
	return record_set(s->dir, name, text);
}

int lease_note_remove(const struct lease_store *s, const char *name)
{
	return record_remove(s->dir, name);
}

int lease_network_open(const struct lease_store *s, const char *network, bool make)
{
	int fd;

	if (make && mkdirat(s->dir, network, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(s->dir, network, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int lease_subnet_get(const struct lease_store *s, const char *network, uint32_t *ret_subnet,
		     int *ret_prefix)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, false);
	char text[64], *slash, *end;
	struct in_addr address;
	long prefix;
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = record_get(dir, "subnet", text, sizeof text);
	if (r <= 0)
		return r;
	slash = strchr(text, '/');
	if (!slash)
		return -EBADMSG;
	*slash = '\0';
	prefix = strtol(slash + 1, &end, 10);
	if (*end || prefix < LEASE_PREFIX_MIN || prefix > LEASE_PREFIX_MAX ||
	    inet_pton(AF_INET, text, &address) != 1)
		return -EBADMSG;
	*ret_subnet = ntohl(address.s_addr);
	*ret_prefix = (int)prefix;
	return 1;
}

int lease_subnet_set(const struct lease_store *s, const char *network, uint32_t subnet, int prefix,
		     struct err *e)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, true);
	char text[32], address[IPV4_TEXT];
	int r = dir;

	snprintf(text, sizeof text, "%s/%d", ipv4_format(subnet, address), prefix);
	if (r >= 0)
		r = record_set(dir, "subnet", text);
	return r < 0 ? err_set(e, -r, "%s/%s/%s: cannot note the subnet", lease_root, s->key,
			       network)
		     : 0;
}

struct entry { /* getdents64(2) */
	uint64_t inode, offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

#define FIRST_READ 512 /* who asks whether there is any lease finds one in here: the newest come first */

int lease_each_entry(int dir, lease_entry each, void *user)
{
	_cleanup_fd_ int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct entry) char bytes[8192];
	size_t room = FIRST_READ;
	int r = 0;

	if (copy < 0)
		return -errno;
	for (;;) {
		long size = syscall(SYS_getdents64, copy, bytes, room);
		const struct entry *entry;

		if (size <= 0)
			return size < 0 ? -errno : 0;
		for (long at = 0; at < size; at += entry->size) {
			entry = (const struct entry *)(bytes + at);
			if (entry->name[0] != '.')
				r = each(dir, entry->name, user);
			if (r != 0)
				return r;
		}
		room = sizeof bytes;
	}
}

struct each {
	lease_entry each;
	void *user;
};

static int filter_network(int dir, const char *name, void *user)
{
	const struct each *f = user;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return S_ISDIR(st.st_mode) ? f->each(dir, name, f->user) : 0;
}

int lease_each_network(const struct lease_store *s, lease_entry each, void *user)
{
	struct each f = { each, user };

	return lease_each_entry(s->dir, filter_network, &f);
}

int lease_network_note_get(const struct lease_store *s, const char *network, const char *name, char *text,
			   size_t size)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, false);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return record_get(dir, name, text, size);
}

int lease_network_note_set(const struct lease_store *s, const char *network, const char *name,
			   const char *text)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, true);

	int r = dir < 0 ? dir : record_remove(dir, name);

	return r < 0 ? r : record_set(dir, name, text);
}

int lease_interface_get(const struct lease_store *s, const char *network, char *name, size_t size)
{
	return lease_network_note_get(s, network, "interface", name, size);
}

int lease_interface_set(const struct lease_store *s, const char *network, const char *name)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, true);

	return dir < 0 ? dir : record_set(dir, "interface", name);
}
