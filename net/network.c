/*
 * network.c - the networks that were defined: names, subnets, one file each.
 */
#include "net/network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "net/address.h"
#include "net/bridge.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/netlink.h"

#define SUFFIX	      ".json"
#define FILE_NAME_MAX (NETWORK_NAME_MAX + 16)

const char *network_root(void)
{
	const char *root = getenv("KIST_NETWORKS");

	return root && root[0] == '/' ? root : "/var/lib/kist/net";
}

bool network_is_default(const struct network *n)
{
	return strcmp(n->name, NET_NETWORK) == 0;
}

static bool is_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length < NETWORK_NAME_MAX && strchr("_.-", name[0]) == NULL &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       length;
}

int network_check_name(const char *name, struct err *e)
{
	/* Modes of --net, and what else lies beside a network's folder in the lease store. */
	static const char *const taken[] = { NET_NETWORK, "none", "host", "container",
					     "default",	  "user", "lock", "ip_forward", "ip6_forward" };

	if (!is_name(name)) {
		err_say(e, EINVAL, "\"%.80s\" is no name for a network", name);
		return err_fix(
			e, "1 to %d letters, digits, '_', '.', '-', the first a letter or digit",
			NETWORK_NAME_MAX - 1);
	}
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (strcmp(name, taken[i]) == 0)
			return err_say(e, EINVAL,
				       "a network can't be called \"%s\": kist uses that "
				       "name itself",
				       name);
	return 0;
}

int network_add_label(struct network *n, const char *key, const char *value, struct err *e)
{
	struct network_label *l = &n->labels[n->label_count];

	if (n->label_count == NETWORK_LABELS_MAX)
		return err_say(e, EINVAL, "more than %d labels", NETWORK_LABELS_MAX);
	if (!*key || strlen(key) > NETWORK_LABEL_KEY_MAX)
		return err_say(e, EINVAL, "a label's key has 1 to %d bytes", NETWORK_LABEL_KEY_MAX);
	if (strlen(value) > NETWORK_LABEL_VALUE_MAX)
		return err_say(e, EINVAL, "label %.80s: its value has more than %d bytes", key,
			       NETWORK_LABEL_VALUE_MAX);
	for (int i = 0; i < n->label_count; i++)
		if (strcmp(n->labels[i].key, key) == 0)
			return err_say(e, EINVAL, "label %.80s is there twice", key);
	*l = (struct network_label){ strdup(key), strdup(value) };
	n->label_count++;
	return l->key && l->value ? 0 : err_set(e, ENOMEM, "a label");
}

void network_free(struct network *n)
{
	for (int i = 0; i < n->label_count; i++) {
		free(n->labels[i].key);
		free(n->labels[i].value);
	}
	n->label_count = 0;
}

void network_list_free(struct network *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		network_free(&list[i]);
	free(list);
}

/* --- the default one ------------------------------------------------------------ */

int network_default(struct network *ret, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r;

	memset(ret, 0, sizeof *ret);
	snprintf(ret->name, sizeof ret->name, "%s", NET_NETWORK);
	snprintf(ret->interface, sizeof ret->interface, "%s", NET_BRIDGE_NAME);
	for (int i = 0; i < 4; i++) {
		char seed[16];

		snprintf(seed, sizeof seed, NET_NETWORK "%d", i);
		snprintf(ret->id + i * 16, 17, "%016llx", (unsigned long long)lease_hash(seed));
	}
	r = lease_store_peek(&s, e);
	if (r == 0)
		r = lease_subnet_get(&s, NET_NETWORK, &ret->subnet, &ret->prefix);
	if (r < 0 && r != -ENOENT)
		return err_set(e, -r, "the default network's subnet");
	if (r == 1)
		ret->gateway = net_gateway(ret->subnet, ret->prefix);
	return 0;
}

/* --- files ------------------------------------------------------------------------- */

static char *file_name(const char *name, char text[FILE_NAME_MAX])
{
	snprintf(text, FILE_NAME_MAX, "%s" SUFFIX, name);
	return text;
}

/* -ENOENT without a record: there is none yet. */
static int open_root(struct err *e)
{
	int fd = open(network_root(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_set(e, errno, "open %s", network_root());
	return fd;
}

static int make_root(struct err *e)
{
	char path[4096];
	int r;

	if (snprintf(path, sizeof path, "%s", network_root()) >= (int)sizeof path)
		return err_set(e, ENAMETOOLONG, "KIST_NETWORKS");
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_set(e, errno, "mkdir %s", path);
		*slash = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "mkdir %s", path);
	r = open_root(e);
	return r == -ENOENT ? err_set(e, ENOENT, "open %s", path) : r;
}

static int lock_root(int root, struct err *e)
{
	_cleanup_fd_ int fd =
		openat(root, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(e, errno, "open %s/.lock", network_root());
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "flock %s/.lock", network_root());
	return fd_take(&fd);
}

/* -ENOENT without a record. */
static int read_network(int root, const char *name, struct network *ret, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;
	char file[FILE_NAME_MAX];
	int r;

	if (faccessat(root, file_name(name, file), F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT)
		return -ENOENT;
	r = json_read_file(root, file, &o, e);
	if (r == 0)
		r = network_from_json(o, ret, e);
	if (r == 0 && strcmp(ret->name, name) != 0) {
		network_free(ret);
		r = err_say(e, EINVAL, "it is the definition of \"%s\"", ret->name);
	}
	return r < 0 ? err_wrap(e, "%s/%s", network_root(), file) : 0;
}

/* Under the lock, and the name is free: what a kill -9 left as .new is written over. */
static int write_network(int root, const struct network *n, struct err *e)
{
	_cleanup_json_ json_t *o = network_to_json(n);
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	_cleanup_fd_ int fd = -EBADF;
	char file[FILE_NAME_MAX];
	int r;

	if (!text || json_out_of_memory)
		return err_say(e, EINVAL, "network %s: a label is no UTF-8", n->name);
	fd = openat(root, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, errno, "%s/.new", network_root());
	r = fd_write_all(fd, text, strlen(text));
	if (r == 0 &&
	    (fsync(fd) < 0 || renameat(root, ".new", root, file_name(n->name, file)) < 0 ||
	     fsync(root) < 0))
		r = -errno;
	return r < 0 ? err_set(e, -r, "cannot write %s/%s" SUFFIX, network_root(), n->name) : 0;
}

int network_exists(const struct network *n)
{
	struct network *found;
	struct err e = ERR_INIT;
	_cleanup_fd_ int root = -EBADF;
	int r;

	if (network_is_default(n))
		return 1;
	root = open_root(&e);
	if (root < 0)
		return root == -ENOENT ? 0 : root;
	found = calloc(1, sizeof *found);
	if (!found)
		return -ENOMEM;
	r = read_network(root, n->name, found, &e);
	if (r == 0) {
		r = strcmp(found->id, n->id) == 0;
		network_free(found);
	} else if (r == -ENOENT) {
		r = 0;
	}
	free(found);
	return r;
}

int network_forget(const struct network *n, struct err *e)
{
	_cleanup_fd_ int root = open_root(e), lock = -EBADF;
	char file[FILE_NAME_MAX];
	int r;

	if (root < 0)
		return root == -ENOENT ? 0 : root;
	lock = lock_root(root, e);
	if (lock < 0)
		return lock;
	r = network_exists(n);
	if (r <= 0)
		return r < 0 ? err_set(e, -r, "network %s", n->name) : 0;
	if (unlinkat(root, file_name(n->name, file), 0) < 0 && errno != ENOENT)
		return err_set(e, errno, "%s/%s", network_root(), file);
	return fsync(root) < 0 ? err_set(e, errno, "fsync %s", network_root()) : 0;
}

/* --- lists ---------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct network *)a)->name, ((const struct network *)b)->name);
}

static int add_one(int root, const char *file, struct network **list, size_t *count, struct err *e)
{
	size_t length = strlen(file);
	char name[NETWORK_NAME_MAX];
	struct network *more;
	int r;

	if (length <= strlen(SUFFIX) || strcmp(file + length - strlen(SUFFIX), SUFFIX) != 0 ||
	    length - strlen(SUFFIX) >= sizeof name)
		return 0;
	snprintf(name, sizeof name, "%.*s", (int)(length - strlen(SUFFIX)), file);
	if (!is_name(name))
		return 0;
	more = realloc(*list, (*count + 1) * sizeof **list);
	if (!more)
		return err_set(e, ENOMEM, "the list of networks");
	*list = more;
	r = read_network(root, name, &more[*count], e);
	if (r == 0)
		++*count;
	return r == -ENOENT ? 0 : r;
}

static int add_all(struct network **list, size_t *count, struct err *e)
{
	int root = open_root(e), r = 0;
	const struct dirent *entry;
	DIR *dir;

	if (root < 0)
		return root == -ENOENT ? 0 : root;
	dir = fdopendir(root);
	if (!dir) {
		r = err_set(e, errno, "%s", network_root());
		close(root);
		return r;
	}
	while (errno = 0, r == 0 && (entry = readdir(dir)))
		r = add_one(root, entry->d_name, list, count, e);
	if (r == 0 && errno)
		r = err_set(e, errno, "%s", network_root());
	closedir(dir);
	return r;
}

int network_list(struct network **ret, size_t *ret_count, struct err *e)
{
	struct network *list = calloc(1, sizeof *list);
	size_t count = 1;
	int r;

	if (!list)
		return err_set(e, ENOMEM, "the list of networks");
	r = network_default(list, e);
	if (r == 0)
		r = add_all(&list, &count, e);
	if (r < 0) {
		network_list_free(list, count);
		return r;
	}
	qsort(list + 1, count - 1, sizeof *list, by_name);
	*ret = list;
	*ret_count = count;
	return 0;
}

/* Hands over one of a list, and frees the others. */
static void take_out(struct network *list, size_t count, size_t at, struct network *ret)
{
	*ret = list[at];
	list[at].label_count = 0;
	network_list_free(list, count);
}

static int find_by_id(const char *start, struct network *ret, struct err *e)
{
	struct network *list;
	size_t count, at = 0, found = 0;
	int r = network_list(&list, &count, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (strncmp(list[i].id, start, strlen(start)) == 0) {
			at = i;
			found++;
		}
	if (found == 1) {
		take_out(list, count, at, ret);
		return 0;
	}
	network_list_free(list, count);
	if (found)
		return err_say(e, EINVAL, "%zu networks have an id that begins with %s", found,
			       start);
	return -ENOENT;
}

int network_find(const char *wanted, struct network *ret, struct err *e)
{
	_cleanup_fd_ int root = -EBADF;
	int r = -ENOENT;

	if (strcmp(wanted, NET_NETWORK) == 0)
		return network_default(ret, e);
	if (is_name(wanted)) {
		root = open_root(e);
		r = root < 0 ? root : read_network(root, wanted, ret, e);
	}
	if (r == -ENOENT && *wanted && strspn(wanted, "0123456789abcdef") == strlen(wanted))
		r = find_by_id(wanted, ret, e);
	if (r != -ENOENT)
		return r;
	err_say(e, ENOENT, "there is no network \"%.80s\"", wanted);
	return err_fix(e, "one of: kist net ls; or make it: kist net create");
}

/* --- making one ------------------------------------------------------------------------ */

static bool overlaps(const struct network *n, uint32_t subnet, int prefix,
		     const struct in6_addr *subnet6, int prefix6)
{
	int wider = prefix < n->prefix ? prefix : n->prefix;
	int wider6 = prefix6 < n->prefix6 ? prefix6 : n->prefix6;

	return (wider && (subnet & ipv4_mask(wider)) == (n->subnet & ipv4_mask(wider))) ||
	       (wider6 && in6_same_subnet(subnet6, &n->subnet6, wider6));
}

/* A macvlan's subnet is its parent's, which other networks may share. */
static const struct network *find_overlap(const struct network *list, size_t count, uint32_t subnet,
					  int prefix, const struct in6_addr *subnet6, int prefix6)
{
	for (size_t i = 0; i < count; i++)
		if (overlaps(&list[i], subnet, prefix, subnet6, prefix6))
			return &list[i];
	return NULL;
}

int network_find_overlap(uint32_t subnet, int prefix, const struct in6_addr *subnet6, int prefix6,
			 char ret_name[NETWORK_NAME_MAX], struct err *e)
{
	const struct network *found;
	struct network *list;
	size_t count;
	int r = network_list(&list, &count, e);

	if (r < 0)
		return r;
	/* The first is the default one, which asks. */
	found = find_overlap(list + 1, count - 1, subnet, prefix, subnet6, prefix6);
	if (found)
		snprintf(ret_name, NETWORK_NAME_MAX, "%s", found->name);
	network_list_free(list, count);
	return found != NULL;
}

struct making {
	struct network *list;
	size_t count;
	int rtnl;
};

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define OWN_PREFIX     20 /* 4093 containers */

/* Where kist looks, in pieces of OWN_PREFIX; apart from what the default network may take. */
static const struct subnet pools[] = {
	{ IP(10, 80, 0, 0), 14 },  { IP(10, 84, 0, 0), 15 },	 { IP(172, 29, 0, 0), 16 },
	{ IP(172, 26, 0, 0), 16 }, { IP(192, 168, 224, 0), 20 },
};

static int choose_subnet(const struct making *m, struct network *n, struct err *e)
{
	char what[96];

	for (size_t i = 0; i < sizeof pools / sizeof *pools; i++)
		for (uint32_t at = 0; at < 1u << (OWN_PREFIX - pools[i].prefix); at++) {
			uint32_t subnet = pools[i].address + (at << (32 - OWN_PREFIX));
			int r;

			if (find_overlap(m->list, m->count, subnet, OWN_PREFIX, &in6addr_any, 0))
				continue;
			r = route_find_overlap(m->rtnl, subnet, OWN_PREFIX, 0, what, e);
			if (r < 0)
				return r;
			if (r > 0)
				continue;
			n->subnet = subnet;
			n->prefix = OWN_PREFIX;
			return 0;
		}
	err_say(e, EADDRINUSE,
		"all subnets kist may take overlap other networks or the host's routes");
	return err_fix(e, "say which: --subnet A.B.C.D/P");
}

static int refuse_overlap(const struct making *m, const struct network *n, bool six, struct err *e)
{
	const struct network *other =
		find_overlap(m->list, m->count, n->subnet, six ? 0 : n->prefix, &n->subnet6,
			     six ? n->prefix6 : 0);
	char what[96] = "", text[CIDR_TEXT];
	int r;

	if (six)
		cidr6_format(&n->subnet6, n->prefix6, text);
	else
		cidr_format(n->subnet, n->prefix, text);
	if (other)
		return err_say(e, EADDRINUSE, "%s overlaps network %s", text, other->name);
	if (n->driver == NETWORK_MACVLAN)
		return 0; /* it is the subnet of the parent's own neighbours */
	r = six ? route6_find_overlap(m->rtnl, &n->subnet6, n->prefix6, what, e)
		: route_find_overlap(m->rtnl, n->subnet, n->prefix, 0, what, e);
	if (r <= 0)
		return r;
	err_say(e, EADDRINUSE, "%s overlaps the host's %s", text, what);
	return err_fix(e, "choose another subnet, or none: kist finds one");
}

static int settle_ipv4(const struct making *m, struct network *n, struct err *e)
{
	int r = n->prefix ? subnet_check(n->subnet, n->prefix, e) : choose_subnet(m, n, e);

	if (r < 0)
		return r;
	if (!n->gateway)
		n->gateway = net_gateway(n->subnet, n->prefix);
	r = subnet_check_host(n->subnet, n->prefix, 0, n->gateway, e);
	return r < 0 ? err_wrap(e, "gateway") : refuse_overlap(m, n, false, e);
}

static int settle_ipv6(const struct making *m, struct network *n, struct err *e)
{
	int r;

	if (!n->prefix6) {
		/* RFC 4193: fd, 40 random bits, a subnet's 16. */
		n->subnet6 = (struct in6_addr){ .s6_addr = { 0xfd } };
		if (getrandom(n->subnet6.s6_addr + 1, 5, 0) != 5)
			return err_set(e, errno, "getrandom");
		n->prefix6 = 64;
	}
	r = subnet6_check(&n->subnet6, n->prefix6, e);
	if (r < 0)
		return r;
	if (in6_is_zero(&n->gateway6))
		n->gateway6 = in6_host(&n->subnet6, n->prefix6, 1);
	r = subnet6_check_host(&n->subnet6, n->prefix6, &in6addr_any, &n->gateway6, e);
	return r < 0 ? err_wrap(e, "gateway") : refuse_overlap(m, n, true, e);
}

static int settle_name(const struct making *m, struct network *n, struct err *e)
{
	uint8_t random[(NETWORK_ID_MAX - 1) / 2];
	struct timespec now;

	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->list[i].name, n->name) == 0)
			return err_say(e, EEXIST, "there is a network %s already", n->name);
	if (getrandom(random, sizeof random, 0) != sizeof random)
		return err_set(e, errno, "getrandom");
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(n->id + 2 * i, 3, "%02x", random[i]);
	clock_gettime(CLOCK_REALTIME, &now);
	n->created = now.tv_sec * 1000000000LL + now.tv_nsec;
	if (n->driver == NETWORK_BRIDGE)
		snprintf(n->interface, sizeof n->interface, NETWORK_BRIDGE_PREFIX "%.12s", n->id);
	return 0;
}

static int check_mtu(const struct network *n, bool ipv6, struct err *e)
{
	int least = ipv6 ? 1280 : NETWORK_MTU_MIN;

	if (n->mtu && (n->mtu < least || n->mtu > NETWORK_MTU_MAX))
		return err_say(e, EINVAL, "an MTU is %d to %d here, not %d", least, NETWORK_MTU_MAX,
			       n->mtu);
	return 0;
}

static int create_locked(int root, struct network *n, bool ipv6, bool no_ipv4, struct err *e)
{
	_cleanup_fd_ int rtnl = nl_open(NETLINK_ROUTE);
	struct making m = { .rtnl = rtnl };
	int r;

	if (rtnl < 0)
		return err_set(e, -rtnl, "socket(AF_NETLINK, NETLINK_ROUTE)");
	r = network_list(&m.list, &m.count, e);
	if (r < 0)
		return r;
	r = settle_name(&m, n, e);
	if (r == 0 && !no_ipv4)
		r = settle_ipv4(&m, n, e);
	if (r == 0 && ipv6)
		r = settle_ipv6(&m, n, e);
	network_list_free(m.list, m.count);
	return r < 0 ? r : write_network(root, n, e);
}

int network_create(struct network *n, bool ipv6, bool no_ipv4, struct err *e)
{
	_cleanup_fd_ int root = -EBADF, lock = -EBADF;
	int r = network_check_name(n->name, e);

	ipv6 = ipv6 || n->prefix6;
	if (r == 0 && no_ipv4 && !ipv6)
		r = err_say(e, EINVAL, "a network needs a subnet of one family at least");
	if (r == 0)
		r = check_mtu(n, ipv6, e);
	if (r < 0)
		return r;
	root = make_root(e);
	lock = root < 0 ? root : lock_root(root, e);
	return lock < 0 ? lock : create_locked(root, n, ipv6, no_ipv4, e);
}
