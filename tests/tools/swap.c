/*
 * swap.c - puts two names in each other's place at once: what an attacker does between a check
 * and a use.
 *
 *   swap A B             once, renameat2(2) with RENAME_EXCHANGE
 *   swap SECONDS A B     over and over, until then; prints how often
 *   swap NUMBER/PERIOD+PHASE A B
 *                        once, if in a row that changes every PERIOD the state
 *                        differs between NUMBER - 1 and NUMBER: a hook of killat --each
 *
 * Build:  cc -O2 -static -o swap swap.c
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int exchange(const char *a, const char *b)
{
	if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0)
		return 0;
	fprintf(stderr, "swap: %s, %s: %s\n", a, b, strerror(errno));
	return 1;
}

static int race(double seconds, const char *a, const char *b)
{
	struct timespec start, now;
	unsigned long count = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 100; i++)
			if (exchange(a, b))
				return 1;
		count += 100;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 <
		 seconds);
	printf("%lu\n", count);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int number, period, phase;

	if (argc == 3)
		return exchange(argv[1], argv[2]);
	if (argc == 4 && sscanf(argv[1], "%u/%u+%u", &number, &period, &phase) == 3 && period)
		return (number + phase) % period ? 0 : exchange(argv[2], argv[3]);
	if (argc == 4 && atof(argv[1]) > 0)
		return race(atof(argv[1]), argv[2], argv[3]);
	fprintf(stderr, "usage: swap [SECONDS | NUMBER/PERIOD+PHASE] A B\n");
	return 2;
}
