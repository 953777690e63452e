/*
 * unpack.c - drives libarchive over a layer (archive_read(3), libarchive-formats(5)).
 *
 * libarchive only parses: its disk writer, its filters and its other formats
 * stay off. Its warnings are of no interest (the one it gives is that a name
 * is not in the locale's charset; the raw bytes are what we want, and no
 * setlocale(3) is called): whatever is malformed, tar-guard.c has refused.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/hash.h"
#include "image/pump.h"
#include "image/tar-guard.h"
#include "image/unpack.h"

struct unpack {
	const struct unpack_job *job;
	struct decompressor *in;
	struct pump *pump; /* or NULL: `in` is read by this thread */
	uint64_t bytes_in; /* compressed ones so far */
	struct tar_guard guard;
	struct hash hash;
	uint64_t plain;	  /* plain bytes so far */
	uint64_t written; /* bytes of files */
	uint64_t entries;
	struct apply apply;
	struct err *e;
	bool failed; /* *e was filled inside libarchive's callback */
};

static int over_budget(struct unpack *u, const char *what, uint64_t limit, const char *flag)
{
	err_say(u->e, EFBIG, "the image has more than %llu %s", (unsigned long long)limit, what);
	return err_fix(u->e, "if you trust it, allow more with %s", flag);
}

static int spend_bytes(struct unpack *u, uint64_t n)
{
	struct unpack_budget *b = u->job->budget;

	if (n > b->bytes_max || __atomic_add_fetch(&b->bytes, n, __ATOMIC_RELAXED) > b->bytes_max)
		return over_budget(u, "unpacked bytes", b->bytes_max, "--max-size");
	return 0;
}

static int spend_entry(struct unpack *u)
{
	struct unpack_budget *b = u->job->budget;

	u->entries++;
	if (__atomic_add_fetch(&b->entries, 1, __ATOMIC_RELAXED) > b->entries_max)
		return over_budget(u, "entries", b->entries_max, "--max-entries");
	return 0;
}

/* Plain bytes: counted, looked at. */
static int take_plain(struct unpack *u, const void *data, size_t size)
{
	u->plain += size;
	if (u->plain > u->job->budget->bytes_max)
		return over_budget(u, "unpacked bytes", u->job->budget->bytes_max, "--max-size");
	if (u->plain > UNPACK_RATIO_FROM && u->plain / UNPACK_RATIO_MAX > u->bytes_in)
		return err_say(u->e, EFBIG, "it unpacks to more than %u times its size: a bomb",
			       UNPACK_RATIO_MAX);
	return tar_guard_feed(&u->guard, data, size, u->e);
}

static ssize_t next_block(struct unpack *u, const void **ret)
{
	ssize_t n;

	if (u->pump)
		return pump_read(u->pump, ret, &u->bytes_in, u->e);
	n = decompress_read(u->in, ret, u->e);
	u->bytes_in = decompress_bytes_in(u->in);
	if (n > 0)
		hash_add(&u->hash, *ret, n);
	return n;
}

static la_ssize_t read_callback(struct archive *archive, void *user, const void **ret)
{
	struct unpack *u = user;
	ssize_t n = next_block(u, ret);

	if (n >= 0 && (n == 0 ? tar_guard_end(&u->guard, u->e) : take_plain(u, *ret, n)) == 0)
		return n;
	u->failed = true;
	archive_set_error(archive, EBADMSG, "input");
	return -1;
}

/* libarchive stops at the end of the archive; the blob's padding still counts for the digests. */
static int drain(struct unpack *u)
{
	const void *data;
	ssize_t n;
	int error;

	while ((n = next_block(u, &data)) > 0) {
		error = take_plain(u, data, n);
		if (error)
			return error;
	}
	return n < 0 ? (int)n : tar_guard_end(&u->guard, u->e);
}

static int archive_failed(struct unpack *u, struct archive *a)
{
	if (u->failed)
		return -u->e->error;
	return err_say(u->e, EBADMSG, "tar: %s",
		       archive_error_string(a) ? archive_error_string(a) : "damaged archive");
}

static int copy_content(struct unpack *u, struct archive *a, int fd, uint64_t *ret_size)
{
	const void *data;
	size_t size;
	la_int64_t offset;
	uint64_t end = 0;
	int r, error;
	ssize_t n;

	while ((r = archive_read_data_block(a, &data, &size, &offset)) == ARCHIVE_OK) {
		error = offset < 0 ? err_say(u->e, EBADMSG, "tar: a negative offset")
				   : spend_bytes(u, size);
		if (error)
			return error;
		for (; size > 0; size -= n, offset += n, data = (const char *)data + n) {
			n = pwrite(fd, data, size, offset);
			if (n < 0 && errno == EINTR)
				n = 0;
			else if (n <= 0)
				return err_set(u->e, n < 0 ? errno : EIO, "cannot write");
			u->written += n;
		}
		if ((uint64_t)offset > end)
			end = offset;
	}
	if (r != ARCHIVE_EOF)
		return archive_failed(u, a);
	*ret_size = end;
	return 0;
}

static int read_xattrs(struct unpack *u, struct archive_entry *ae, struct layer_xattr **ret,
		       size_t *ret_count)
{
	size_t count = archive_entry_xattr_reset(ae), i = 0;
	struct layer_xattr *x;

	*ret = NULL;
	*ret_count = 0;
	if (count == 0)
		return 0;
	if (count > APPLY_XATTRS_MAX)
		return err_say(u->e, E2BIG, "more than %d xattrs", APPLY_XATTRS_MAX);
	x = calloc(count, sizeof(*x));
	if (x == NULL)
		return err_set(u->e, ENOMEM, "no memory for xattrs");
	*ret = x;
	while (i < count &&
	       archive_entry_xattr_next(ae, &x[i].name, &x[i].value, &x[i].size) == ARCHIVE_OK) {
		int error = spend_bytes(u, x[i].size);

		if (error)
			return error;
		i++;
	}
	*ret_count = i;
	return 0;
}

/* The old format has no type for folders, only a slash at the end. */
static mode_t mode_of(struct archive_entry *ae, const char *path)
{
	mode_t mode = archive_entry_mode(ae);
	size_t len = strlen(path);

	if (S_ISREG(mode) && len > 0 && path[len - 1] == '/' && archive_entry_size(ae) == 0)
		mode = (mode & ~S_IFMT) | S_IFDIR;
	return mode;
}

static int one_file(struct unpack *u, struct archive *a, struct archive_entry *ae,
		    const struct layer_entry *entry, int fd)
{
	uint64_t written = 0, size, told = archive_entry_size(ae) > 0 ? archive_entry_size(ae) : 0;
	int error = copy_content(u, a, fd, &written);

	if (error)
		return error;
	size = written;
	if (told > size) { /* a sparse file may end in a hole, which costs as if it were data */
		error = spend_bytes(u, told - size);
		size = told;
	}
	return error ? error : apply_file_done(&u->apply, entry, written, size, u->e);
}

static int one_entry(struct unpack *u, struct archive *a, struct archive_entry *ae)
{
	_cleanup_free_ struct layer_xattr *xattrs = NULL;
	struct layer_entry entry = { 0 };
	int error = spend_entry(u), fd;

	if (error)
		return error;
	entry.path = archive_entry_pathname(ae);
	if (entry.path == NULL)
		return err_say(u->e, EBADMSG, "tar: an entry without a name");
	entry.hardlink = archive_entry_hardlink(ae);
	entry.symlink = archive_entry_symlink(ae);
	entry.mode = mode_of(ae, entry.path);
	entry.uid = archive_entry_uid(ae);
	entry.gid = archive_entry_gid(ae);
	entry.mtime.tv_sec = archive_entry_mtime(ae);
	entry.mtime.tv_nsec = archive_entry_mtime_nsec(ae);
	entry.rdev = archive_entry_rdev(ae);
	error = read_xattrs(u, ae, &xattrs, &entry.xattr_count);
	entry.xattrs = xattrs;
	if (!error)
		error = apply_entry(&u->apply, &entry, &fd, u->e);
	if (!error && fd >= 0)
		error = one_file(u, a, ae, &entry, fd);
	if (error && !u->failed)
		err_wrap(u->e, "entry \"%.200s\"", entry.path);
	return error;
}

static int walk(struct unpack *u, struct archive *a)
{
	struct archive_entry *ae;
	int r, error;

	while ((r = archive_read_next_header(a, &ae)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		error = one_entry(u, a, ae);
		if (error)
			return error;
	}
	if (r != ARCHIVE_EOF)
		return archive_failed(u, a);
	error = drain(u);
	if (error)
		return error;
	if (u->guard.entries != u->entries)
		return err_say(u->e, EBADMSG, "tar: ambiguous (%llu entries or %llu?)",
			       (unsigned long long)u->guard.entries,
			       (unsigned long long)u->entries);
	return 0;
}

static int check_diffid(struct unpack *u)
{
	struct digest got;

	hash_end(&u->hash, &got);
	if (!digest_equal(&got, &u->job->diffid))
		return err_say(u->e, EBADMSG,
			       "the unpacked layer is %.19s..., the config's diff_id is "
			       "%.19s...",
			       digest_text(&got).text, digest_text(&u->job->diffid).text);
	return 0;
}

/* With one CPU, or little to do, a second thread is only trouble. */
static int start_pump(struct unpack *u)
{
	int error;

	if (u->job->expect.size < PUMP_FROM || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return 0;
	error = pump_start(u->in, &u->hash, &u->pump, u->e);
	return error == -EAGAIN ? 0 : error;
}

static int run(struct unpack *u)
{
	struct archive *a = archive_read_new();
	int error = hash_begin_as(&u->hash, &u->job->diffid, u->e);

	if (a == NULL)
		error = err_set(u->e, ENOMEM, "cannot start libarchive");
	if (!error)
		error = start_pump(u);
	if (!error && (archive_read_support_format_tar(a) != ARCHIVE_OK ||
		       archive_read_support_format_empty(a) != ARCHIVE_OK ||
		       archive_read_open(a, u, NULL, read_callback, NULL) != ARCHIVE_OK))
		error = archive_failed(u, a);
	if (!error)
		error = walk(u, a);
	archive_read_free(a);
	pump_stop(&u->pump);
	if (!error)
		error = check_diffid(u);
	return error ? error : apply_end(&u->apply, u->e);
}

int unpack_layer(const struct unpack_job *job, struct unpack_result *ret, struct err *e)
{
	struct unpack u = { .job = job, .e = e };
	/* Threads share their umask: this one's becomes its own, and modes are then exact. */
	bool own = unshare(CLONE_FS) == 0;
	mode_t mask = own ? umask(0) : 0;
	int error = decompress_new(job->blob_fd, &job->expect, job->copy_fd, &u.in, e);

	apply_begin(&u.apply, job->root, job->as);
	u.apply.umask_is_zero = own;
	if (!error)
		decompress_read_from(u.in, job->from);
	if (!error)
		error = run(&u);
	decompress_free(&u.in);
	tar_guard_free(&u.guard);
	hash_free(&u.hash);
	if (own)
		umask(mask);
	if (error) {
		apply_free(&u.apply);
		return error;
	}
	ret->entries = u.entries;
	ret->bytes = u.written;
	ret->apply = u.apply;
	return 0;
}
