/*
 * unpack-driver.c - hostile layers by the thousand, unpacked beside a victim that must stay as it
 * is.
 *
 * usage: unpack-driver links DIR STRIDE [PART]  every kind of link, every path through it, every
 * entry unpack-driver entries DIR COUNT        so many entries, made while they are read
 *        unpack-driver corpus DIR STRIDE        writes the layers of `links` as files there
 *
 * DIR is an empty folder of the caller's. `links` unpacks each STRIDEth combination (from PART on)
 * as root does, as a user does, and without openat2(2), and after each looks at the victim (every
 * attribute, ctime and inode with it), at what lies beside the layer's folder, and for marks of
 * overlayfs that the image brought. A layer may be refused or contained, but nothing else. The
 * first difference ends it with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/hash.h"
#include "image/unpack.h"

#define LAYER_MAX (64u << 10)

static char work[PATH_MAX], victim[600];
static unsigned char layer[LAYER_MAX];
static size_t layer_size;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "unpack-driver: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- writing tar ---- */

struct entry {
	char type;
	const char *path, *link, *data;
	unsigned mode, uid, major, minor;
	const char *xattr, *value; /* one, in a pax header before it */
};

static void add_block(const void *data, size_t size)
{
	size_t padded = (size + 511) / 512 * 512;

	if (layer_size + padded > LAYER_MAX) {
		errno = E2BIG;
		die("a layer");
	}
	memset(layer + layer_size, 0, padded);
	memcpy(layer + layer_size, data, size);
	layer_size += padded;
}

static void make_header(unsigned char h[512], const struct entry *e, size_t size)
{
	unsigned sum = 0;
	int i;

	memset(h, 0, 512);
	snprintf((char *)h, 100, "%s", e->path);
	snprintf((char *)h + 100, 8, "%07o", e->mode);
	snprintf((char *)h + 108, 8, "%07o", e->uid);
	snprintf((char *)h + 116, 8, "%07o", e->uid);
	snprintf((char *)h + 124, 12, "%011o", (unsigned)size);
	snprintf((char *)h + 136, 12, "%011o", 1500000000u);
	h[156] = (unsigned char)e->type;
	if (e->link)
		snprintf((char *)h + 157, 100, "%s", e->link);
	memcpy(h + 257, "ustar\00000", 8);
	snprintf((char *)h + 329, 8, "%07o", e->major);
	snprintf((char *)h + 337, 8, "%07o", e->minor);
	memset(h + 148, ' ', 8);
	for (i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	h[155] = ' ';
}

static void add_xattr(const struct entry *e)
{
	const struct entry pax = { .type = 'x', .path = "PaxHeaders/x", .mode = 0644 };
	unsigned char h[512];
	char text[512];
	int n = 0, last;

	do { /* the length counts itself */
		last = n;
		n = snprintf(text, sizeof text, "%d SCHILY.xattr.%s=%s\n", last, e->xattr,
			     e->value);
	} while (n != last);
	make_header(h, &pax, (size_t)n);
	add_block(h, 512);
	add_block(text, (size_t)n);
}

static void add(const struct entry *e)
{
	size_t size = e->data ? strlen(e->data) : 0;
	unsigned char h[512];

	if (e->xattr)
		add_xattr(e);
	make_header(h, e, size);
	add_block(h, 512);
	if (size)
		add_block(e->data, size);
}

static void finish_layer(void)
{
	static const char end[1024];

	add_block(end, sizeof end);
}

/* --- combinations: what "L" is, the path of the entry, the entry ---- */

/* '@' is the victim's path. */
static const struct setting {
	const char *name;
	struct thing {
		char type;
		const char *path, *link;
	} made[3];
} settings[] = {
	{ "nothing", { { 0, NULL, NULL } } },
	{ "absolute", { { '2', "L", "@" } } },
	{ "relative", { { '2', "L", "../victim" } } },
	{ "from the top", { { '2', "L", "../../../../../../..@" } } },
	{ "a chain", { { '2', "M", "@" }, { '2', "L", "M" } } },
	{ "a hard link to a symlink", { { '2', "M", "@" }, { '1', "L", "M" } } },
	{ "a hard link out", { { '1', "L", "@/canary" } } },
	{ "a hard link by ..", { { '1', "L", "../victim/canary" } } },
	{ "to a file", { { '2', "L", "@/canary" } } },
	{ "a hard link to a symlink to a file", { { '2', "M", "@/canary" }, { '1', "L", "M" } } },
	{ "a folder replaced", { { '5', "L/", NULL }, { '0', "L/a", NULL }, { '2', "L", "@" } } },
	{ "cwd", { { '2', "L", "/proc/self/cwd" } } },
	{ "root of proc", { { '2', "L", "/proc/self/root@" } } },
	{ "dot", { { '2', "L", "." } } },
	{ "inside", { { '5', "@", NULL }, { '2', "L", "@" } } },
	{ "a loop", { { '2', "L", "L" } } },
	{ "a whiteout before", { { '0', ".wh.L", NULL }, { '2', "L", "@" } } },
	{ "a file", { { '0', "L", NULL } } },
	{ "a fifo", { { '6', "L", NULL } } },
	{ "through a folder", { { '5', "d/", NULL }, { '2', "d/L", "@" }, { '2', "L", "d/L" } } },
	{ "twice", { { '2', "L", "nowhere" }, { '2', "L", "@" } } },
};
enum { SETTINGS = sizeof settings / sizeof settings[0], WHITEOUT_BEFORE = 16 };

static const char *const paths[] = {
	"L",
	"L/",
	"L/x",
	"L/canary",
	"L/dir",
	"L/dir/x",
	"./L//canary",
	"/L/canary",
	"L/../L/canary",
	"L/..",
	"../victim/canary",
	"@/canary",
	"@",
	"L/.wh.canary",
	"L/.wh..wh..opq",
	".wh.L",
	"L/link",
	"L/.wh..",
	"L/link/x",
};
enum { PATHS = sizeof paths / sizeof paths[0] };

static const struct entry entries[] = {
	{ .type = '0', .mode = 0666, .data = "overwritten" },
	{ .type = '0', .mode = 06777, .uid = 7, .data = "setuid" },
	{ .type = '7', .mode = 0600, .data = "contiguous" },
	{ .type = '5', .mode = 0777, .uid = 5 },
	{ .type = '5', .mode = 01777, .xattr = "trusted.overlay.opaque", .value = "y" },
	{ .type = '0', .mode = 0644, .xattr = "user.overlay.redirect", .value = "/etc" },
	{ .type = '0', .mode = 0755, .xattr = "user.note", .value = "noted" },
	{ .type = '2', .mode = 0777, .uid = 9, .link = "canary" },
	{ .type = '2', .mode = 0777, .uid = 6, .link = "@/canary" },
	{ .type = '1', .mode = 0777, .uid = 3, .link = "L/canary" },
	{ .type = '1', .mode = 0777, .link = "L" },
	{ .type = '1', .mode = 0777, .link = "@/canary" },
	{ .type = '3', .mode = 0666, .major = 1, .minor = 1 },
	{ .type = '3', .mode = 0666 },
	{ .type = '4', .mode = 0660, .major = 8 },
	{ .type = '6', .mode = 0666, .uid = 4 },
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };
enum { COMBINATIONS = SETTINGS * PATHS * ENTRIES };

static const char *with_victim(const char *text, char *to, size_t size)
{
	const char *at = text ? strchr(text, '@') : NULL;

	if (at == NULL)
		return text;
	snprintf(to, size, "%.*s%s%s", (int)(at - text), text, victim, at + 1);
	return to;
}

static void add_here(struct entry e)
{
	char path[700], link[700];

	e.path = with_victim(e.path, path, sizeof path);
	e.link = with_victim(e.link, link, sizeof link);
	add(&e);
}

static void make_layer(int n)
{
	struct entry e = entries[n % ENTRIES];
	int i;

	layer_size = 0;
	for (i = 0; i < 3 && settings[n / ENTRIES / PATHS].made[i].type; i++) {
		const struct thing *t = &settings[n / ENTRIES / PATHS].made[i];

		add_here((struct entry){
			.type = t->type, .path = t->path, .link = t->link, .mode = 0755 });
	}
	e.path = paths[n / ENTRIES % PATHS];
	add_here(e);
	/* and through what is there now */
	add(&(struct entry){ .type = '0', .path = "L", .mode = 0600, .data = "again" });
	finish_layer();
}

static void name_layer(char *text, size_t size, int n)
{
	snprintf(text, size, "%d: L is %s, then %s of type %c (%d)", n,
		 settings[n / ENTRIES / PATHS].name, paths[n / ENTRIES % PATHS],
		 entries[n % ENTRIES].type, n % ENTRIES);
}

/* --- the victim ---- */

static const char *const parts[] = { "", "/canary", "/link", "/dir", "/dir/x" };
enum { PARTS = sizeof parts / sizeof parts[0] };
struct look {
	struct stat st[PARTS];
	char content[64], xattrs[PARTS][256];
	ssize_t xattr_size[PARTS];
	int count;
};

static int counted;
static int count_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)path, (void)st, (void)flag, (void)ftw;
	counted++;
	return 0;
}

static void look_at_victim(struct look *l)
{
	char path[700];
	int i, fd;

	memset(l, 0, sizeof *l);
	for (i = 0; i < PARTS; i++) {
		snprintf(path, sizeof path, "%s%s", victim, parts[i]);
		if (lstat(path, &l->st[i]) < 0)
			memset(&l->st[i], 0xff, sizeof l->st[i]);
		memset(&l->st[i].st_atim, 0, sizeof l->st[i].st_atim); /* we read it ourselves */
		l->xattr_size[i] = llistxattr(path, l->xattrs[i], sizeof l->xattrs[i]);
	}
	snprintf(path, sizeof path, "%s/canary", victim);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && read(fd, l->content, sizeof l->content) < 0)
		l->content[0] = '!';
	if (fd >= 0)
		close(fd);
	counted = 0;
	nftw(victim, count_one, 8, FTW_PHYS);
	l->count = counted;
}

static void make_victim(void)
{
	char path[700];
	int fd;

	snprintf(victim, sizeof victim, "%.500s/victim", work);
	if (mkdir(victim, 0751) < 0)
		die(victim);
	snprintf(path, sizeof path, "%s/canary", victim);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 || write(fd, "untouched", 9) != 9)
		die(path);
	close(fd);
	snprintf(path, sizeof path, "%s/link", victim);
	if (symlink("canary", path) < 0)
		die(path);
	snprintf(path, sizeof path, "%s/dir", victim);
	if (mkdir(path, 0700) < 0)
		die(path);
	snprintf(path, sizeof path, "%s/dir/x", victim);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	close(fd);
	if (chdir(victim) < 0)
		die(victim);
}

/* --- what became of a layer ---- */

static const char *mark; /* of overlayfs, by the image */
static bool may_hide;	 /* the layer has a whiteout: kist makes such a mark itself */

static int look_for_marks(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	char names[1024], value[8], *name;
	ssize_t n = llistxattr(path, names, sizeof names);

	(void)flag, (void)ftw;
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0 && st->st_mode & 0777)
		mark = "a whiteout with permissions";
	for (name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		if (!strstr(name, "overlay"))
			continue;
		if (!may_hide || !strstr(name, ".opaque") ||
		    lgetxattr(path, name, value, sizeof value) != 1 || value[0] != 'y')
			mark = "an overlay xattr";
	}
	return 0;
}

static void check(int n, const char *as, int error, const struct err *e, const struct look *before)
{
	char name[256], line[1024];
	struct look after;
	const char *wrong = NULL;
	static int strays;

	look_at_victim(&after);
	if (memcmp(&after, before, sizeof after) != 0)
		wrong = "THE VICTIM CHANGED";
	line[0] = '\0';
	if (error < 0)
		err_format(e, line, sizeof line);
	if (error > 0 || (error < 0 && line[0] == '\0'))
		wrong = "a failure without words";
	mark = NULL;
	may_hide = n / ENTRIES / PATHS == WHITEOUT_BEFORE ||
		   strstr(paths[n / ENTRIES % PATHS], ".wh.");
	nftw("../root", look_for_marks, 8, FTW_PHYS);
	if (mark)
		wrong = mark;
	counted = 0;
	nftw(work, count_one, 1, FTW_PHYS);
	strays = counted;
	counted = 0;
	nftw("../root", count_one, 8, FTW_PHYS);
	if (strays - counted != before->count + 1) /* work itself */
		wrong = "something lies beside the layer's folder";
	if (!wrong)
		return;
	name_layer(name, sizeof name, n);
	fprintf(stderr, "unpack-driver: %s (%s): %s\n", name, as, wrong);
	exit(1);
}

static void unpack_one(int n, const char *as, enum apply_as how, const struct look *before,
		       int *refused)
{
	struct unpack_budget budget = { .entries_max = 100, .bytes_max = 1 << 20 };
	struct unpack_job job = { .copy_fd = -EBADF, .budget = &budget, .as = how };
	struct unpack_result result;
	struct err e = ERR_INIT;
	int error;

	if (mkdir("../root", 0755) < 0)
		die("root");
	job.root = open("../root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	job.blob_fd = memfd_create("layer", MFD_CLOEXEC);
	if (job.root < 0 || fd_write_all(job.blob_fd, layer, layer_size) < 0)
		die("a layer");
	lseek(job.blob_fd, 0, SEEK_SET);
	job.expect.size = layer_size;
	if (hash_memory(layer, layer_size, &job.expect.digest, &e) < 0)
		die("sha256");
	job.diffid = job.expect.digest;
	error = unpack_layer(&job, &result, &e);
	if (error == 0)
		apply_free(&result.apply);
	*refused += error != 0;
	close(job.blob_fd);
	close(job.root);
	check(n, as, error, &e, before);
	err_clear(&e);
	if (path_remove_tree(AT_FDCWD, "../root", &e))
		die("cannot remove a layer");
}

static int links(int stride, int part)
{
	struct look before;
	int n, done = 0, refused = 0;

	make_victim();
	look_at_victim(&before);
	for (n = part; n < COMBINATIONS; n += stride, done++) {
		make_layer(n);
		unpack_one(n, "as root", APPLY_ROOT, &before, &refused);
		unpack_one(n, "as a user", APPLY_SINGLE, &before, &refused);
		unpack_one(n, "mapped", APPLY_MAPPED, &before, &refused);
		path_openat2_missing = true;
		unpack_one(n, "without openat2", APPLY_ROOT, &before, &refused);
		path_openat2_missing = false;
	}
	printf("%d layers, 4 times each: %d refused, %d contained\n", done, refused,
	       4 * done - refused);
	return done && refused && refused < 4 * done ? 0 : 1;
}

static int corpus(int stride)
{
	char path[1200];
	int n, fd;

	snprintf(victim, sizeof victim, "/victim");
	for (n = 0; n < COMBINATIONS; n += stride) {
		make_layer(n);
		snprintf(path, sizeof path, "%.500s/links-%d.tar", work, n);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0 || fd_write_all(fd, layer, layer_size) < 0)
			die(path);
		close(fd);
	}
	return 0;
}

/* --- many entries, made while they are read ---- */

struct stream {
	uint64_t count, at; /* entries */
	size_t used;	    /* of the present one's header */
	unsigned char block[512];
};

static ssize_t read_stream(void *user, void *data, size_t size, struct err *e)
{
	struct stream *s = user;
	size_t done = 0, n;

	(void)e;
	while (done < size && s->at < s->count + 2) { /* two zero blocks end it */
		if (s->used == 0) {
			char path[64];
			struct entry entry = { .type = '0', .path = path, .mode = 0644 };

			/* names come again, so that the disk stays small */
			snprintf(path, sizeof path, "d%u/f%u", (unsigned)(s->at / 100 % 10),
				 (unsigned)(s->at % 100));
			memset(s->block, 0, sizeof s->block);
			if (s->at < s->count)
				make_header(s->block, &entry, 0);
		}
		n = 512 - s->used < size - done ? 512 - s->used : size - done;
		memcpy((char *)data + done, s->block + s->used, n);
		done += n;
		s->used = (s->used + n) % 512;
		s->at += s->used == 0;
	}
	return (ssize_t)done;
}

static int many_entries(uint64_t count)
{
	static unsigned char block[1 << 20];
	struct unpack_budget budget = { .entries_max = UNPACK_ENTRIES_MAX,
					.bytes_max = UNPACK_BYTES_MAX };
	struct unpack_job job = {
		.copy_fd = -EBADF, .blob_fd = -EBADF, .budget = &budget, .as = APPLY_ROOT
	};
	struct stream s = { .count = count };
	struct blob_reader from = { read_stream, &s, NULL };
	struct unpack_result result = { 0 };
	struct hash hash = HASH_INIT;
	struct err e = ERR_INIT;
	struct rusage used;
	char line[1024];
	ssize_t n;
	int error;

	if (hash_begin(&hash, &e))
		die("sha256");
	while ((n = read_stream(&s, block, sizeof block, &e)) > 0) {
		hash_add(&hash, block, (size_t)n);
		job.expect.size += (uint64_t)n;
	}
	hash_end(&hash, &job.expect.digest);
	hash_free(&hash);
	job.diffid = job.expect.digest;
	s = (struct stream){ .count = count };
	job.from = &from;
	job.root = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = unpack_layer(&job, &result, &e);
	if (error == 0)
		apply_free(&result.apply);
	getrusage(RUSAGE_SELF, &used);
	if (error)
		err_format(&e, line, sizeof line);
	printf("%llu entries, %ld KiB: %s\n", (unsigned long long)result.entries, used.ru_maxrss,
	       error ? line : "unpacked");
	return error ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 4 || !realpath(argv[2], work) || strlen(work) > 500)
		return 2;
	umask(022);
	if (strcmp(argv[1], "links") == 0)
		return links(atoi(argv[3]), argc > 4 ? atoi(argv[4]) : 0);
	if (strcmp(argv[1], "corpus") == 0)
		return corpus(atoi(argv[3]));
	if (strcmp(argv[1], "entries") == 0)
		return many_entries(strtoull(argv[3], NULL, 10));
	return 2;
}
