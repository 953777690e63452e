/*
 * pump.c - a ring of blocks between two threads (pthread_cond_wait(3)).
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "image/pump.h"

struct slot {
	ssize_t size; /* as decompress_read() answers */
	uint64_t in;
};

struct pump {
	struct decompressor *d;
	struct hash *plain;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	size_t made, taken; /* blocks so far */
	bool held;	    /* the reader looks at block `taken` */
	struct slot slots[PUMP_BLOCKS];
	struct err e; /* of the last one */
	unsigned char blocks[PUMP_BLOCKS][DECOMPRESS_BLOCK];
};

static bool wait_for_room(struct pump *p)
{
	bool go;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && p->made - p->taken == PUMP_BLOCKS)
		pthread_cond_wait(&p->changed, &p->lock);
	go = !p->stop;
	pthread_mutex_unlock(&p->lock);
	return go;
}

static void *make_blocks(void *user)
{
	struct pump *p = user;
	ssize_t n = 1;

	while (n > 0 && wait_for_room(p)) {
		struct slot *slot = &p->slots[p->made % PUMP_BLOCKS];
		unsigned char *block = p->blocks[p->made % PUMP_BLOCKS];
		const void *data;

		decompress_output(p->d, block);
		n = decompress_read(p->d, &data, &p->e);
		if (n > 0)
			hash_add(p->plain, data, n);
		if (n > 0 && data != block)
			memcpy(block, data, n);
		slot->size = n;
		slot->in = decompress_bytes_in(p->d);
		pthread_mutex_lock(&p->lock);
		p->made++;
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

int pump_start(struct decompressor *d, struct hash *plain, struct pump **ret, struct err *e)
{
	struct pump *p = malloc(sizeof(*p));

	if (p == NULL)
		return err_set(e, ENOMEM, "cannot read a blob");
	memset(p, 0, offsetof(struct pump, blocks));
	p->d = d;
	p->plain = plain;
	p->e = (struct err)ERR_INIT;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	if (pthread_create(&p->thread, NULL, make_blocks, p) != 0) {
		free(p);
		return -EAGAIN;
	}
	*ret = p;
	return 0;
}

ssize_t pump_read(struct pump *p, const void **ret, uint64_t *ret_in, struct err *e)
{
	struct slot *slot;

	pthread_mutex_lock(&p->lock);
	if (p->held) {
		p->taken++;
		p->held = false;
		pthread_cond_signal(&p->changed);
	}
	while (p->made == p->taken)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	slot = &p->slots[p->taken % PUMP_BLOCKS];
	*ret_in = slot->in;
	if (slot->size < 0)
		*e = p->e;
	if (slot->size <= 0) /* and so it stays */
		return slot->size;
	p->held = true;
	*ret = p->blocks[p->taken % PUMP_BLOCKS];
	return slot->size;
}

void pump_stop(struct pump **pump)
{
	struct pump *p = *pump;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	decompress_cancel(p->d);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
	*pump = NULL;
}
