/*
 * lease.c - which container has which address: a small crash-safe store.
 */
#include "net/lease.h"

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
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "net/link.h"

#define BOOT_CHARS 8
#define OPEN_TRIES 1000 /* lost races against a last user who removes the folder */
#define INDEX_NAME 24   /* "of-" and 16 hex digits */
#define INDEX_MARK "of-"

const char *lease_root = "/run/kist/.net";

uint64_t lease_hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

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

void lease_store_close(struct lease_store *s)
{
	fd_close(&s->lock);
	fd_close(&s->dir);
	fd_close(&s->root);
}

int lease_store_remove(struct lease_store *s, struct err *e)
{
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

static int record_get(int dir, const char *name, char *text, size_t size)
{
	ssize_t n = readlinkat(dir, name, text, size);

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((size_t)n == size)
		return -E2BIG;
	text[n] = '\0';
	return 1;
}

static int record_set(int dir, const char *name, const char *text)
{
	if (symlinkat(text, dir, name) == 0)
		return 0;
	return -errno;
}

static int record_remove(int dir, const char *name)
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

static int open_network(const struct lease_store *s, const char *network, bool make)
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
	_cleanup_fd_ int dir = open_network(s, network, false);
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
	_cleanup_fd_ int dir = open_network(s, network, true);
	char text[32], address[IPV4_TEXT];
	int r = dir;

	snprintf(text, sizeof text, "%s/%d", ipv4_format(subnet, address), prefix);
	if (r >= 0)
		r = record_set(dir, "subnet", text);
	return r < 0 ? err_set(e, -r, "%s/%s/%s: cannot note the subnet", lease_root, s->key,
			       network)
		     : 0;
}

/* --- leases ------------------------------------------------------------------- */

static char *index_name(const char *owner, char name[INDEX_NAME])
{
	snprintf(name, INDEX_NAME, INDEX_MARK "%016llx", (unsigned long long)lease_hash(owner));
	return name;
}

static bool is_owned(int dir, const char *address, const char *owner)
{
	char text[LEASE_OWNER_MAX];

	return record_get(dir, address, text, sizeof text) == 1 && strcmp(text, owner) == 0;
}

/* The owner's address by the index: 1, or 0 when the index doesn't know. */
static int find_by_index(int dir, const char *owner, char address[IPV4_TEXT])
{
	char name[INDEX_NAME];

	return record_get(dir, index_name(owner, name), address, IPV4_TEXT) == 1 &&
	       is_owned(dir, address, owner);
}

typedef int (*on_lease)(int dir, const char *address, void *user);

/* Calls `each` for every address of the folder until it answers other than 0. */
static int each_lease(int dir, on_lease each, void *user)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	struct in_addr address;

	if (!stream) {
		r = -errno;
		fd_close(&copy);
		return r;
	}
	while (errno = 0, r == 0 && (entry = readdir(stream)))
		if (inet_pton(AF_INET, entry->d_name, &address) == 1)
			r = each(dir, entry->d_name, user);
	if (r == 0 && errno)
		r = -errno;
	closedir(stream);
	return r;
}

struct search {
	const char *owner;
	char address[IPV4_TEXT];
};

static int match_owner(int dir, const char *address, void *user)
{
	struct search *s = user;

	if (!is_owned(dir, address, s->owner))
		return 0;
	snprintf(s->address, sizeof s->address, "%s", address);
	return 1;
}

static int drop_if_owned(int dir, const char *address, void *user)
{
	return is_owned(dir, address, user) ? record_remove(dir, address) : 0;
}

static int is_lease(int dir, const char *address, void *user)
{
	(void)dir;
	(void)address;
	(void)user;
	return 1;
}

int lease_find(const struct lease_store *s, const char *network, const char *owner, uint32_t *ret)
{
	_cleanup_fd_ int dir = open_network(s, network, false);
	struct search search = { .owner = owner };
	struct in_addr address;
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = find_by_index(dir, owner, search.address);
	if (r == 0)
		r = each_lease(dir, match_owner, &search);
	if (r <= 0)
		return r;
	if (inet_pton(AF_INET, search.address, &address) != 1)
		return -EBADMSG;
	*ret = ntohl(address.s_addr);
	return 1;
}

/* Takes the first free address, beginning at the owner's own place. -ENOSPC: none. */
static int take_free(int dir, const char *owner, uint32_t subnet, int prefix,
		     char text[IPV4_TEXT], uint32_t *ret)
{
	uint32_t count = ~ipv4_mask(prefix) - 2; /* without subnet, gateway and broadcast */
	uint32_t at = (uint32_t)(lease_hash(owner) % count);

	for (uint32_t i = 0; i < count; i++, at = at + 1 == count ? 0 : at + 1) {
		uint32_t address = (subnet & ipv4_mask(prefix)) + 2 + at;
		int r = record_set(dir, ipv4_format(address, text), owner);

		if (r == -EEXIST)
			continue;
		if (r == 0)
			*ret = address;
		return r;
	}
	return -ENOSPC;
}

static int refuse(int error, const char *network, uint32_t subnet, int prefix, struct err *e)
{
	char text[IPV4_TEXT];

	if (error != -ENOSPC)
		return err_set(e, -error, "%s: cannot lease an address on network %s", lease_root,
			       network);
	err_say(e, ENOSPC, "network %s has no free address: all %u of %s/%d are leased", network,
		~ipv4_mask(prefix) - 2, ipv4_format(subnet, text), prefix);
	return err_fix(e, "delete containers that are on it");
}

int lease_take(const struct lease_store *s, const char *network, const char *owner, uint32_t subnet,
	       int prefix, uint32_t *ret, struct err *e)
{
	_cleanup_fd_ int dir = -EBADF;
	char text[IPV4_TEXT], name[INDEX_NAME];
	uint32_t address = 0;
	int r;

	if (prefix < LEASE_PREFIX_MIN || prefix > LEASE_PREFIX_MAX)
		return err_say(e, EINVAL, "network %s: prefix /%d is not in /%d../%d", network,
			       prefix, LEASE_PREFIX_MIN, LEASE_PREFIX_MAX);
	if (!*owner || strlen(owner) >= LEASE_OWNER_MAX)
		return err_say(e, EINVAL, "the owner of a lease needs a name of 1 to %d bytes",
			       LEASE_OWNER_MAX - 1);
	dir = open_network(s, network, true);
	if (dir < 0)
		return refuse(dir, network, subnet, prefix, e);
	if (find_by_index(dir, owner, text))
		return err_say(e, EEXIST, "%s has address %s on network %s already", owner, text,
			       network);
	r = take_free(dir, owner, subnet, prefix, text, &address);
	if (r < 0)
		return refuse(r, network, subnet, prefix, e);
	/* The index only saves a search: after a kill -9 here lease_drop() finds it without. */
	r = record_remove(dir, index_name(owner, name));
	if (r == 0)
		r = record_set(dir, name, text);
	if (r < 0) {
		(void)record_remove(dir, text);
		return refuse(r, network, subnet, prefix, e);
	}
	*ret = address;
	return 0;
}

int lease_drop(const struct lease_store *s, const char *network, const char *owner, struct err *e)
{
	_cleanup_fd_ int dir = open_network(s, network, false);
	char text[IPV4_TEXT], name[INDEX_NAME], scratch[LEASE_OWNER_MAX];
	int r;

	if (dir == -ENOENT)
		return 0;
	r = dir;
	if (r >= 0)
		r = find_by_index(dir, owner, text) ? record_remove(dir, text)
						    : each_lease(dir, drop_if_owned, (void *)owner);
	/* Last, so that a kill -9 before leaves a way to find the lease. An index that leads to
	 * another's address stays: two names with one hash. */
	if (r >= 0 && record_get(dir, index_name(owner, name), text, sizeof text) == 1 &&
	    record_get(dir, text, scratch, sizeof scratch) == 0)
		r = record_remove(dir, name);
	return r < 0 ? err_set(e, -r, "%s: cannot free the address of %s", lease_root, owner) : 0;
}

int lease_any(const struct lease_store *s, const char *network)
{
	_cleanup_fd_ int dir = open_network(s, network, false);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return each_lease(dir, is_lease, NULL);
}

int lease_network_remove(const struct lease_store *s, const char *network, struct err *e)
{
	int used = lease_any(s, network);

	if (used < 0)
		return err_set(e, -used, "%s/%s/%s", lease_root, s->key, network);
	if (used)
		return err_say(e, EBUSY, "network %s is in use", network);
	return path_remove_tree(s->dir, network, e);
}
