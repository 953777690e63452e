/*
 * own_file.c - running on without the file this program was started from.
 *
 * Whoever holds /proc/PID/exe of a process of ours holds kist's binary. Starting a copy instead
 * (protect.c) costs a whole start. So the process stays, and lets go of the file: what it may write
 * of its segments becomes anonymous memory; the rest is mapped again through a mount that is
 * read-only and in no mount namespace, so that nobody can make it writable; and an empty, sealed
 * memfd takes the file's place as /proc/self/exe. The kernel itself refuses that last step (EBUSY)
 * while anything is mapped through the mount that the program was started from.
 */
#include "runtime/protect.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sanitized.h"

/* The linker's: where the program lies in memory. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static uintptr_t page_down(uintptr_t address, size_t page)
{
	return address & ~(uintptr_t)(page - 1);
}

/* The program's file, to be read through a mount of its own, which leaves the namespace that was made
 * for it with the last fd of the tree. An fd, or -errno. */
static int open_read_only(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	_cleanup_fd_ int tree =
		open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	char path[32];
	int file;

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return -errno;
	file = open(path_of_fd(tree, path), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return file < 0 ? -errno : file;
}

static int map_again(const ElfW(Phdr) * p, char *at, size_t size, size_t page, int file)
{
	const int protection =
		(p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_X ? PROT_EXEC : 0);
	const off_t offset = (off_t)page_down(p->p_offset, page);

	return mmap(at, size, protection, MAP_PRIVATE | MAP_FIXED, file, offset) == MAP_FAILED
		       ? -errno
		       : 0;
}

/* Whole pages: the last one holds the first variables of .bss, too. From the copy to its use no
 * global may change: only system calls. */
static int copy_over(char *at, size_t size)
{
	char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (copy == MAP_FAILED)
		return -errno;
	memcpy(copy, at, size);
	return mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED ? -errno
											 : 0;
}

static int replace_segments(int file)
{
	const ElfW(Phdr) *p = (const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uintptr_t base = (uintptr_t)&__ehdr_start;
	uintptr_t relro = 0, relro_end = 0;

	for (size_t i = 0; i < __ehdr_start.e_phnum; i++) {
		const uintptr_t first = page_down(base + p[i].p_vaddr, page);
		const size_t size =
			page_down(base + p[i].p_vaddr + p[i].p_filesz + page - 1, page) - first;
		int r = 0;

		if (p[i].p_type == PT_GNU_RELRO) {
			relro = first;
			relro_end = page_down(base + p[i].p_vaddr + p[i].p_memsz, page);
		}
		if (p[i].p_type == PT_LOAD && p[i].p_filesz > 0)
			r = p[i].p_flags & PF_W ? copy_over((char *)first, size)
						: map_again(&p[i], (char *)first, size, page, file);
		if (r < 0)
			return r;
	}
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
	_cleanup_fd_ int file = -EBADF;
	int r;

	if (SANITIZED) /* what lies between globals may not be read then */
		return -EOPNOTSUPP;
	/* What /proc/PID/cmdline shows; of the environment nothing. */
	map.arg_start = map.arg_end = (uintptr_t)argv[0];
	for (int i = 0; argv[i]; i++)
		if ((uintptr_t)argv[i] >= map.arg_end)
			map.arg_end = (uintptr_t)argv[i] + strlen(argv[i]) + 1;
	map.env_start = map.env_end = map.arg_end;
	file = open_read_only();
	r = file < 0 ? file : replace_segments(file);
	if (r < 0)
		return r;
	return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) < 0 ? -errno : 0;
}
