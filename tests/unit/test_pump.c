/* test_pump.c - image/pump.c: all blocks in order, an error last, stopping at any moment. */
#include "image_test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "image/pump.h"

#define BLOCKS 20
#define SIZE   ((size_t)BLOCKS * DECOMPRESS_BLOCK + 12345)

/* A source that makes its bytes; at `fails` it fails, at `hangs` it waits until it is cancelled. */
struct source {
	uint64_t at, size, fails, hangs;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool cancelled, waiting;
};

static unsigned char byte_at(uint64_t at)
{
	return (unsigned char)(at * 2654435761u >> 11);
}

static ssize_t make(void *user, void *data, size_t size, struct err *e)
{
	struct source *s = user;
	size_t i, n = size < s->size - s->at ? size : (size_t)(s->size - s->at);

	if (s->fails && s->at >= s->fails)
		return err_say(e, EPROTO, "the source fails");
	if (s->hangs && s->at >= s->hangs) {
		pthread_mutex_lock(&s->lock);
		s->waiting = true;
		pthread_cond_broadcast(&s->changed);
		while (!s->cancelled)
			pthread_cond_wait(&s->changed, &s->lock);
		pthread_mutex_unlock(&s->lock);
		return err_say(e, ECANCELED, "cancelled");
	}
	for (i = 0; i < n; i++)
		((unsigned char *)data)[i] = byte_at(s->at + i);
	s->at += n;
	return (ssize_t)n;
}

static void cancel(void *user)
{
	struct source *s = user;

	pthread_mutex_lock(&s->lock);
	s->cancelled = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

struct fixture {
	struct source source;
	struct blob_reader from;
	struct decompressor *d;
	struct hash hash;
	struct pump *pump;
};

static void begin(struct fixture *f, uint64_t fails, uint64_t hangs)
{
	struct err e = ERR_INIT;

	*f = (struct fixture){ .source = { .size = SIZE, .fails = fails, .hangs = hangs } };
	pthread_mutex_init(&f->source.lock, NULL);
	pthread_cond_init(&f->source.changed, NULL);
	f->from = (struct blob_reader){ make, &f->source, cancel };
	assert_int_equal(decompress_new(-1, NULL, -1, &f->d, &e), 0);
	decompress_read_from(f->d, &f->from);
	assert_int_equal(hash_begin(&f->hash, &e), 0);
	assert_int_equal(pump_start(f->d, &f->hash, &f->pump, &e), 0);
}

static void end(struct fixture *f)
{
	pump_stop(&f->pump);
	assert_null(f->pump);
	pump_stop(&f->pump);
	decompress_free(&f->d);
	hash_free(&f->hash);
	pthread_mutex_destroy(&f->source.lock);
	pthread_cond_destroy(&f->source.changed);
}

static ssize_t read_all(struct fixture *f, uint64_t *ret_total, struct err *e)
{
	const unsigned char *data;
	uint64_t in = 0, before;
	ssize_t n;

	for (*ret_total = 0;; *ret_total += (uint64_t)n) {
		before = in;
		n = pump_read(f->pump, (const void **)&data, &in, e);
		if (n <= 0)
			return n;
		assert_true(in >= before && in >= *ret_total + (uint64_t)n && in <= SIZE);
		for (ssize_t i = 0; i < n; i += 4093)
			assert_int_equal(data[i], byte_at(*ret_total + (uint64_t)i));
	}
}

static void all_blocks_in_order(void **state)
{
	struct fixture f;
	struct err e = ERR_INIT;
	struct digest got, want;
	unsigned char *all = malloc(SIZE);
	const void *data;
	uint64_t total, in;

	(void)state;
	begin(&f, 0, 0);
	assert_int_equal(read_all(&f, &total, &e), 0);
	assert_int_equal(total, SIZE);
	assert_int_equal(pump_read(f.pump, &data, &in, &e), 0); /* and so it stays */
	for (size_t i = 0; i < SIZE; i++)
		all[i] = byte_at(i);
	pump_stop(&f.pump);
	hash_end(&f.hash, &got);
	assert_int_equal(hash_memory(all, SIZE, &want, &e), 0);
	assert_true(digest_equal(&got, &want));
	free(all);
	end(&f);
}

static void an_error_comes_after_what_was_good(void **state)
{
	struct fixture f;
	struct err e = ERR_INIT;
	uint64_t total;

	(void)state;
	begin(&f, (uint64_t)7 * DECOMPRESS_BLOCK, 0);
	assert_int_equal(read_all(&f, &total, &e), -EPROTO);
	assert_int_equal(total, (uint64_t)7 * DECOMPRESS_BLOCK);
	assert_int_equal(e.error, EPROTO);
	end(&f);
}

/* The reader goes away: while the ring is full, while the source waits, at once. */
static void stops_anywhere(void **state)
{
	struct fixture f;
	struct err e = ERR_INIT;
	const void *data;
	uint64_t in;
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		begin(&f, 0, 0);
		for (int n = 0; n < i; n++)
			assert_true(pump_read(f.pump, &data, &in, &e) > 0);
		end(&f);
	}
	begin(&f, 0, (uint64_t)3 * DECOMPRESS_BLOCK);
	assert_true(pump_read(f.pump, &data, &in, &e) > 0);
	pthread_mutex_lock(&f.source.lock);
	while (!f.source.waiting)
		pthread_cond_wait(&f.source.changed, &f.source.lock);
	pthread_mutex_unlock(&f.source.lock);
	end(&f);
	assert_true(f.source.cancelled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_blocks_in_order),
		cmocka_unit_test(an_error_comes_after_what_was_good),
		cmocka_unit_test(stops_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
