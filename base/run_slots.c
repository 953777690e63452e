/*
 * run_slots.c - what one side of a run holds: its slots, its end of the socket.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"

void run_init(struct run *r, const struct plan *p)
{
	*r = (struct run){ .plan = p, .side = SIDE_HOST, .sync = -EBADF, .sync_far = -EBADF,
			   .fault_step = -1, .last_report = -1, .until = -1 };
	for (int i = 0; i < PLAN_SLOTS_MAX; i++)
		r->slots[i] = -EBADF;
}

int run_slot(const struct run *r, int slot)
{
	return slot >= 0 && slot < PLAN_SLOTS_MAX ? r->slots[slot] : -EBADF;
}

/* What the guest is done with it need not close one by one: all of it is close-on-exec, and before
 * its execve it closes everything at once (op_close_fds). Not more than this, so that no setup runs
 * into a limit. */
#define GUEST_LEAVES_MAX 40

void run_set_fd(struct run *r, int slot, int fd)
{
	unsigned long long bit = 1ULL << slot;

	if ((r->slot_is_fd & bit) && r->slots[slot] >= 0 && r->slots[slot] != fd)
		run_leave_fd(r, r->slots[slot], fd >= 0);
	r->slots[slot] = fd;
	r->slot_is_fd |= bit;
}

void run_leave_fd(struct run *r, int fd, bool may_stay)
{
	if (may_stay && r->side == SIDE_GUEST && r->left < GUEST_LEAVES_MAX)
		r->left++;
	else
		close(fd);
}

void run_set_number(struct run *r, int slot, int value)
{
	r->slots[slot] = value;
	r->slot_is_fd &= ~(1ULL << slot);
}

/* Everything else that the host has open is another guest's. */
static void close_others(const struct run *r)
{
	int own[PLAN_SLOTS_MAX + 1], count = 0;
	unsigned int from = 3;

	own[count++] = r->sync;
	for (int i = 0; i < PLAN_SLOTS_MAX; i++) {
		int fd = r->slot_is_fd & (1ULL << i) ? r->slots[i] : -1, at = count;

		if (fd < 0)
			continue;
		for (; at > 0 && own[at - 1] > fd; at--)
			own[at] = own[at - 1];
		own[at] = fd;
		count++;
	}
	for (int i = 0; i < count; i++) {
		if ((unsigned int)own[i] > from)
			syscall(SYS_close_range, from, (unsigned int)own[i] - 1, 0);
		if ((unsigned int)own[i] >= from)
			from = (unsigned int)own[i] + 1;
	}
	syscall(SYS_close_range, from, ~0u, 0);
}

void run_become_guest(struct run *r)
{
	fd_close(&r->sync);
	r->sync = fd_take(&r->sync_far);
	r->side = SIDE_GUEST;
	r->born = true;
	/* Its lock is the host's: held here too, it would outlast the host for the guest's life. */
	run_set_fd(r, SLOT_STATE_DIR, -EBADF);
	if (r->patient)
		close_others(r);
}

void run_become_parent(struct run *r)
{
	fd_close(&r->sync_far);
	r->born = true;
}

void run_set_sync(struct run *r, int sock)
{
	fd_close(&r->sync);
	r->sync = sock;
}

void run_close(struct run *r)
{
	for (int i = 0; i < PLAN_SLOTS_MAX; i++)
		if (r->slot_is_fd & (1ULL << i))
			run_set_fd(r, i, -EBADF);
	fd_close(&r->sync);
	fd_close(&r->sync_far);
}
