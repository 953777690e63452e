/*
 * bpf_vm.h - checks and runs a classic BPF program over a struct seccomp_data, as the kernel does.
 *
 * Independent of the code under test: it knows the instructions of linux/filter.h that seccomp
 * accepts, and nothing of profiles.
 */
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#define BPF_VM_BAD 0xdeadbeefU /* the program is broken: no such instruction, or it runs off */

struct bpf_vm_trace {
	size_t steps;	 /* instructions it took */
	uint32_t loaded; /* words of the data it looked at, a bit each */
};

/* The SECCOMP_RET_* value. `trace` may be NULL. */
uint32_t bpf_vm_run(const struct sock_filter *code, size_t count, const struct seccomp_data *data,
		    struct bpf_vm_trace *trace);

/* What seccomp(2) would refuse, and jumps that are useless. NULL: nothing. */
const char *bpf_vm_check(const struct sock_filter *code, size_t count);

/* Instructions that no call gets to. */
size_t bpf_vm_unreached(const struct sock_filter *code, size_t count);
