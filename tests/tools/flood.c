/*
 * flood.c - yes(1), as fast as a pipe takes it, and then an end.
 *
 *   flood BYTES STATUS FILE      before its end it waits until FILE is there
 *
 * Build:  cc -O2 -static -o flood flood.c
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char block[65536];
	unsigned long long left = argc > 2 ? strtoull(argv[1], NULL, 10) : 0;

	for (size_t i = 0; i < sizeof block; i += 2)
		memcpy(block + i, "y\n", 2);
	while (left) {
		/* Not to break a line in two: blocks are of an even size, and so is what is written. */
		ssize_t n = write(1, block, left < sizeof block ? (size_t)left : sizeof block);

		if (n <= 0)
			return 1;
		left -= (unsigned long long)n;
	}
	while (argc > 3 && access(argv[3], F_OK) < 0)
		usleep(10000);
	return argc > 2 ? atoi(argv[2]) : 2;
}
