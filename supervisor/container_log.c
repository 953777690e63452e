/*
 * container_log.c - lines become records, files are cut.
 */
#include "supervisor/container_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/utc.h"

#define RECORD_HEAD "{\"log\":\""

int container_log_parse_format(const char *text, enum container_log_format *ret, struct err *e)
{
	static const char *const names[] = { [CONTAINER_LOG_NONE] = "none",
					     [CONTAINER_LOG_RAW] = "raw",
					     [CONTAINER_LOG_JSON] = "json-file" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum container_log_format)i;
			return 0;
		}
	err_say(e, EINVAL, "there is no log format \"%s\"", text);
	return err_fix(e, "one of: json-file, raw, none");
}

/* --- the file -------------------------------------------------------------------- */

static int open_file(struct container_log *l)
{
	l->fd = openat(l->dir, l->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		       0640);
	return l->fd < 0 ? -errno : 0;
}

/* Where the last whole record ends: a kill -9 in write(2) may have left a part of one. */
static int cut_back(struct container_log *l)
{
	off_t end = lseek(l->fd, 0, SEEK_END), at = end;

	if (end < 0)
		return -errno;
	while (l->options.format == CONTAINER_LOG_JSON && at > 0) {
		size_t size = (size_t)at < sizeof l->out ? (size_t)at : sizeof l->out;
		ssize_t n = pread(l->fd, l->out, size, at - (off_t)size);
		const char *newline = n > 0 ? memrchr(l->out, '\n', (size_t)n) : NULL;

		if (n != (ssize_t)size)
			return n < 0 ? -errno : -EIO;
		at -= (off_t)size;
		if (newline) {
			at += newline + 1 - l->out;
			break;
		}
	}
	if (at != end && ftruncate(l->fd, at) < 0)
		return -errno;
	l->size = (uint64_t)at;
	return lseek(l->fd, at, SEEK_SET) < 0 ? -errno : 0;
}

int container_log_open(struct container_log *l, int dir, const char *name,
		       const struct container_log_options *options, struct err *e)
{
	struct stat st;
	int r;

	l->options = *options;
	l->dir = dir;
	l->fd = -EBADF;
	l->size = l->received = l->dropped = l->pending_received = 0;
	l->pending = l->line[0].used = l->line[1].used = 0;
	l->rotations = 0;
	l->last_error = 0;
	l->second = -1;
	if (options->format == CONTAINER_LOG_NONE)
		return 0;
	/* Room for ".99". */
	if (strlen(name) + 4 > sizeof l->name || strchr(name, '/'))
		return err_say(e, EINVAL, "the log's name \"%s\" is no file name", name);
	strcpy(l->name, name);
	r = open_file(l);
	if (r == 0 && (fstat(l->fd, &st) < 0 || !S_ISREG(st.st_mode)))
		r = -EINVAL;
	if (r == 0)
		r = cut_back(l);
	if (r < 0) {
		fd_close(&l->fd);
		return err_set(e, -r, "cannot open the log %s", name);
	}
	return 0;
}

/* NAME.2 becomes NAME.3, NAME.1 NAME.2, NAME NAME.1; the oldest goes. When that fails the present
 * file is begun anew: its bound holds in any case. */
static void rotate(struct container_log *l)
{
	char from[CONTAINER_LOG_NAME + 16], to[CONTAINER_LOG_NAME + 16];
	int i, last = l->options.max_files - 1, r = 0;

	for (i = last; i > 0 && r == 0; i--) {
		snprintf(to, sizeof to, "%s.%d", l->name, i);
		snprintf(from, sizeof from, i > 1 ? "%s.%d" : "%s", l->name, i - 1);
		if (renameat(l->dir, from, l->dir, to) < 0 && errno != ENOENT)
			r = -errno;
	}
	if (last > 0 && r == 0) {
		int old = l->fd;

		r = open_file(l);
		if (r == 0)
			close(old);
		else
			l->fd = old;
	}
	if (r < 0)
		l->last_error = -r;
	if (ftruncate(l->fd, 0) < 0 || lseek(l->fd, 0, SEEK_SET) < 0)
		l->last_error = errno;
	l->size = 0;
	l->rotations++;
}

static ssize_t write_all(int fd, const char *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* All that waits, or nothing of it. */
static void flush(struct container_log *l)
{
	ssize_t r;

	if (l->pending == 0)
		return;
	r = write_all(l->fd, l->out, l->pending);
	if (r == 0) {
		l->size += l->pending;
	} else {
		l->last_error = (int)-r;
		l->dropped += l->pending_received;
		if (ftruncate(l->fd, (off_t)l->size) < 0 ||
		    lseek(l->fd, (off_t)l->size, SEEK_SET) < 0)
			l->last_error = errno;
	}
	l->pending = 0;
	l->pending_received = 0;
}

/* --- json-file ---------------------------------------------------------------------- */

/* Bytes of the character at `s` (RFC 3629), 0: none begins here; *ret_short when only the end of
 * the data keeps it from being one. */
static size_t utf8_char(const unsigned char *s, size_t size, bool *ret_short)
{
	static const unsigned char least[] = { 0, 0, 0x80, 0xa0, 0x90 };
	size_t len = s[0] < 0x80   ? 1
		     : s[0] < 0xc2 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
		     : s[0] < 0xf5 ? 4
				   : 0;
	size_t i;

	*ret_short = false;
	if (len < 2)
		return len;
	for (i = 1; i < len; i++) {
		if (i == size) {
			*ret_short = true;
			return 0;
		}
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, beyond U+10FFFF. */
	if ((s[0] == 0xe0 || s[0] == 0xf0) && s[1] < least[len])
		return 0;
	if ((s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

#define EACH(byte) (0x0101010101010101ULL * (byte))

/* Whether a byte of these eight is below n, for n up to 128, or above 127. */
static uint64_t any_below(uint64_t word, uint64_t n)
{
	return ((word - EACH(n)) | word) & EACH(0x80);
}

static uint64_t any_is(uint64_t word, unsigned char c)
{
	return any_below(word ^ EACH(c), 1);
}

/* How many bytes go as they are. Eight at a time: a container may say gigabytes. */
static size_t plain_run(const unsigned char *s, size_t size)
{
	size_t i = 0;

	for (uint64_t word; size - i >= sizeof word; i += sizeof word) {
		memcpy(&word, s + i, sizeof word);
		if (any_below(word, 0x20) || any_is(word, 0x7f) || any_is(word, '"') ||
		    any_is(word, '\\'))
			break;
	}
	while (i < size && s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\')
		i++;
	return i;
}

static char *put(char *to, const char *text, size_t size)
{
	memcpy(to, text, size);
	return to + size;
}

static char *put_escaped(char *to, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	const char *one = c == '\n'   ? "n"
			  : c == '\r' ? "r"
			  : c == '\t' ? "t"
			  : c == '"'  ? "\""
			  : c == '\\' ? "\\"
				      : NULL;

	*to++ = '\\';
	if (one) {
		*to++ = *one;
		return to;
	}
	to = put(to, "u00", 3);
	*to++ = hex[c >> 4];
	*to++ = hex[c & 15];
	return to;
}

static char *put_text(char *to, const unsigned char *s, size_t size)
{
	while (size > 0) {
		size_t n = plain_run(s, size);
		bool is_short;

		if (n == 0) {
			n = utf8_char(s, size, &is_short);
			if (n == 0) {
				to = put(to, "\xef\xbf\xbd", 3);
				n = 1;
			} else if (n == 1) {
				to = put_escaped(to, s[0]);
			} else {
				to = put(to, (const char *)s, n);
			}
		} else {
			to = put(to, (const char *)s, n);
		}
		s += n;
		size -= n;
	}
	return to;
}

/* Whose it is, and when it was read: one time for all that was read at once. */
static void make_tail(struct container_log *l, enum container_log_stream stream)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != l->second) {
		utc_format(now.tv_sec, l->time_text);
		l->second = now.tv_sec;
	}
	l->tail_length = (size_t)snprintf(l->tail, sizeof l->tail,
					  "\",\"stream\":\"%s\",\"time\":\"%s.%09ldZ\"}\n",
					  stream == CONTAINER_LOG_STDOUT ? "stdout" : "stderr",
					  l->time_text, now.tv_nsec);
}

/* After make_tail() of this stream. */
static void put_record(struct container_log *l, const char *text, size_t size)
{
	size_t most = 6 * size + CONTAINER_LOG_RECORD, length;
	char *record, *to;

	if (l->pending + most > sizeof l->out)
		flush(l);
	record = l->out + l->pending;
	to = put(record, RECORD_HEAD, strlen(RECORD_HEAD));
	to = put_text(to, (const unsigned char *)text, size);
	to = put(to, l->tail, l->tail_length);
	length = (size_t)(to - record);
	if (l->options.max_size && l->size + l->pending > 0 &&
	    l->size + l->pending + length > l->options.max_size) {
		flush(l);
		rotate(l);
		memmove(l->out, record, length);
	}
	l->pending += length;
	l->pending_received += size;
}

/* How much of a full line buffer goes now: not the first bytes of a character. */
static size_t whole_characters(const char *text, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t back;
	bool is_short;

	for (back = 1; back < 4 && back < size; back++)
		if (s[size - back] >= 0xc2) {
			utf8_char(s + size - back, back, &is_short);
			return is_short ? size - back : size;
		}
	return size;
}

static void put_line(struct container_log *l, enum container_log_stream stream, const char *data,
		     size_t size)
{
	struct container_log_line *line = &l->line[stream];

	while (size > 0) {
		const char *newline = memchr(data, '\n', size);
		size_t n = newline ? (size_t)(newline + 1 - data) : size, whole;

		if (line->used == 0 && newline && n <= CONTAINER_LOG_LINE) {
			put_record(l, data, n);
			data += n;
			size -= n;
			continue;
		}
		if (n > CONTAINER_LOG_LINE - line->used)
			n = CONTAINER_LOG_LINE - line->used;
		memcpy(line->text + line->used, data, n);
		line->used += n;
		data += n;
		size -= n;
		if (line->text[line->used - 1] == '\n') {
			put_record(l, line->text, line->used);
			line->used = 0;
		} else if (line->used == CONTAINER_LOG_LINE) {
			whole = whole_characters(line->text, line->used);
			put_record(l, line->text, whole);
			memmove(line->text, line->text + whole, line->used - whole);
			line->used -= whole;
		}
	}
}

/* --- raw ------------------------------------------------------------------------------ */

static uint64_t room(const struct container_log *l)
{
	return l->options.max_size ? l->options.max_size - l->size : UINT64_MAX;
}

static void put_raw(struct container_log *l, const char *data, size_t size)
{
	while (size > 0) {
		size_t n;
		ssize_t r;

		if (room(l) == 0)
			rotate(l);
		n = room(l) < size ? (size_t)room(l) : size;
		r = write(l->fd, data, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			l->last_error = r < 0 ? errno : EIO;
			l->dropped += size;
			return;
		}
		l->size += (uint64_t)r;
		data += r;
		size -= (size_t)r;
	}
}

/* --- both ------------------------------------------------------------------------------ */

void container_log_put(struct container_log *l, enum container_log_stream stream, const char *data,
		       size_t size)
{
	l->received += size;
	switch (l->options.format) {
	case CONTAINER_LOG_JSON:
		make_tail(l, stream);
		put_line(l, stream, data, size);
		flush(l);
		break;
	case CONTAINER_LOG_RAW:
		put_raw(l, data, size);
		break;
	case CONTAINER_LOG_NONE:
		break;
	}
}

void container_log_close(struct container_log *l)
{
	int i;

	for (i = 0; i < 2 && l->fd >= 0; i++) {
		make_tail(l, (enum container_log_stream)i);
		if (l->line[i].used)
			put_record(l, l->line[i].text, l->line[i].used);
		l->line[i].used = 0;
	}
	if (l->fd >= 0)
		flush(l);
	fd_close(&l->fd);
}
