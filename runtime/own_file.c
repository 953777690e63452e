/*
 * own_file.c - running on without the file this program was started from.
 *
 * Whoever holds /proc/PID/exe of a process of ours holds kist's binary. Starting a copy instead
 * (protect.c) costs a whole start. So the process stays, and lets go of the file: its segments are
 * replaced by copies in anonymous memory, and an empty, sealed memfd takes the file's place as
 * /proc/self/exe. The kernel itself refuses that last step (EBUSY) while anything of the file is
 * still mapped.
 */
#include "runtime/protect.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <linux/prctl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sanitized.h"

#define SEGMENTS_MAX 8

/* The linker's: where the program lies in memory. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct segment {
	char *at, *copy;
	size_t size;
};

static uintptr_t page_down(uintptr_t address, size_t page)
{
	return address & ~(uintptr_t)(page - 1);
}

static int copy_segment(const ElfW(Phdr) * p, uintptr_t base, size_t page, struct segment *ret)
{
	const int protection = (p->p_flags & PF_R ? PROT_READ : 0) |
			       (p->p_flags & PF_W ? PROT_WRITE : 0) |
			       (p->p_flags & PF_X ? PROT_EXEC : 0);
	const uintptr_t first = page_down(base + p->p_vaddr, page),
			end = page_down(base + p->p_vaddr + p->p_filesz + page - 1, page);

	ret->at = (char *)first;
	ret->size = end - first;
	ret->copy = mmap(NULL, ret->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ret->copy == MAP_FAILED)
		return -errno;
	memcpy(ret->copy, ret->at, ret->size);
	return mprotect(ret->copy, ret->size, protection) < 0 ? -errno : 0;
}

/* From the copy of the writable segment to its use no global may change: only system calls. */
static int replace_segments(void)
{
	const ElfW(Phdr) *p = (const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct segment segment[SEGMENTS_MAX];
	uintptr_t base = (uintptr_t)&__ehdr_start, relro = 0, relro_end = 0;
	size_t count = 0;
	int r;

	for (size_t i = 0; i < __ehdr_start.e_phnum; i++) {
		if (p[i].p_type == PT_GNU_RELRO) {
			relro = page_down(base + p[i].p_vaddr, page);
			relro_end = page_down(base + p[i].p_vaddr + p[i].p_memsz, page);
		}
		if (p[i].p_type != PT_LOAD || p[i].p_filesz == 0)
			continue;
		r = count == SEGMENTS_MAX ? -E2BIG
					  : copy_segment(&p[i], base, page, &segment[count]);
		if (r < 0)
			return r;
		count++;
	}
	for (size_t i = 0; i < count; i++)
		if (mremap(segment[i].copy, segment[i].size, segment[i].size,
			   MREMAP_MAYMOVE | MREMAP_FIXED, segment[i].at) == MAP_FAILED)
			return -errno;
	if (relro_end > relro && mprotect((void *)relro, relro_end - relro, PROT_READ) < 0)
		return -errno;
	return 0;
}

int protect_leave_file(int exe, char *const argv[])
{
	const uint64_t brk = (uint64_t)syscall(SYS_brk, 0), text = (uintptr_t)&__ehdr_start;
	struct prctl_mm_map map = { .start_code = text,
				    .end_code = text + 1,
				    .start_data = text,
				    .end_data = text,
				    .start_brk = brk,
				    .brk = brk,
				    .start_stack = (uintptr_t)&map,
				    .exe_fd = (uint32_t)exe };
	int r;

	if (SANITIZED) /* what lies between globals may not be read then */
		return -EOPNOTSUPP;
	/* What /proc/PID/cmdline shows; of the environment nothing. */
	map.arg_start = map.arg_end = (uintptr_t)argv[0];
	for (int i = 0; argv[i]; i++)
		if ((uintptr_t)argv[i] >= map.arg_end)
			map.arg_end = (uintptr_t)argv[i] + strlen(argv[i]) + 1;
	map.env_start = map.env_end = map.arg_end;
	r = replace_segments();
	if (r < 0)
		return r;
	return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) < 0 ? -errno : 0;
}
