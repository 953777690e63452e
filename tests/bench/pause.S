/*
 * pause.S - a program that waits for a signal that kills it: the container that is there.
 *
 * Build:  cc -static -nostdlib -o pause pause.S
 */
#include <asm/unistd.h>

	.globl _start
_start:
#if defined(__x86_64__)
	mov	$__NR_pause, %eax
	syscall
#elif defined(__aarch64__)
	mov	x0, #0
	mov	x1, #0
	mov	x2, #0
	mov	x3, #0
	mov	x8, #__NR_ppoll
	svc	#0
#else
#error "pause for this machine is missing"
#endif
	b_again = _start
#if defined(__x86_64__)
	jmp	b_again
#else
	b	b_again
#endif

	.section .note.GNU-stack, "", %progbits
