/*
 * cgroup_weight.c - cpu.shares (cgroup v1) as cpu.weight (cgroup v2).
 *
 * The conversion container runtimes agreed on in 2025: with L = log2(shares),
 * weight = ceil(10^(L*L/612 + 125*L/612 - 7/34)), which maps the ends of both
 * ranges (2, 262144 to 1, 10000) and both defaults (1024 to 100) on each
 * other. Done without libm: kist links no library for one logarithm.
 */
#include "cgroup/cgroup.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MIN 1
#define WEIGHT_MAX 10000
#define LN_10	   2.302585092994045684

/* One binary digit per squaring; 40 of them are plenty for a result of five decimal digits. */
static double log2_of(uint64_t n)
{
	int whole = 63 - __builtin_clzll(n);
	double rest = (double)n / (double)(1ull << whole), digit = 0.5, log = whole;

	for (int i = 0; i < 40; i++, digit /= 2) {
		rest *= rest;
		if (rest >= 2) {
			rest /= 2;
			log += digit;
		}
	}
	return log;
}

/* Taylor series of e^x; |x| < 10 here, so 60 terms are exact to a double's digits. */
static double exp10_of(double x)
{
	double term = 1, sum = 1;

	x *= LN_10;
	for (int i = 1; i < 60; i++) {
		term *= x / i;
		sum += term;
	}
	return sum;
}

unsigned cgroup_weight_of_shares(uint64_t shares)
{
	double log, weight;
	unsigned floor;

	if (shares <= SHARES_MIN)
		return WEIGHT_MIN;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	log = log2_of(shares);
	/* 1024 gives 100 exactly, and only rounding errors could make it 101. No other value is
	 * that near to a whole number. */
	weight = exp10_of((log * log + 125 * log) / 612 - 7.0 / 34) - 1e-7;
	floor = (unsigned)weight;
	return weight > floor ? floor + 1 : floor;
}
