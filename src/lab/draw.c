/* SPDX-License-Identifier: BSD-2-Clause */
/* Chance by seed; see draw.h. */
#include "lab/draw.h"

#include <math.h>

/* The finalizer of splitmix64 (Steele, Lea and Flood 2014): each bit of the result hangs on each
 * of @x. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* --- numbers ------------------------------------------------------------------------------ */

void lab_random_seed(struct lab_random *random, uint64_t seed)
{
	random->state = mix(seed);
	if (!random->state) /* the one state that xorshift never leaves */
		random->state = 1;
}

static uint64_t next(struct lab_random *random)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return random->state * 0x2545f4914f6cdd1d;
}

uint64_t lab_random_below(struct lab_random *random, uint64_t limit)
{
	/* The upper half of a product (Lemire 2019): off by less than limit / 2^64. */
	return (uint64_t)(((unsigned __int128)next(random) * limit) >> 64);
}

double lab_random_unit(struct lab_random *random)
{
	return ((double)(next(random) >> 11) + 0.5) * 0x1p-53;
}

double lab_random_wait(struct lab_random *random, double mean)
{
	return -mean * log(lab_random_unit(random));
}

/* --- shuffling ---------------------------------------------------------------------------- */

/*
 * A Feistel network over the smallest even number of bits that holds @n, walked until the
 * number is below @n again: at most four rounds of it on average (Black and Rogaway 2002).
 */
uint64_t lab_shuffle(uint64_t i, uint64_t n)
{
	unsigned int bits = n > 1 ? 64 - (unsigned int)__builtin_clzll(n - 1) : 1;
	unsigned int half = (bits + 1) / 2;
	uint64_t mask = (1ull << half) - 1;

	do {
		uint64_t left = i >> half, right = i & mask;

		for (uint64_t round = 0; round < 4; round++) {
			uint64_t was = right;

			right = left ^ (mix(right ^ (round << 56)) & mask);
			left = was;
		}
		i = left << half | right;
	} while (i >= n);
	return i;
}

/* --- Zipf's law --------------------------------------------------------------------------- */

/*
 * Rejection-inversion (Hoermann and Derflinger 1996): the integral of x^-exponent is inverted,
 * and what lies between it and the steps is thrown away, which is little.
 */
static double density(const struct lab_zipf *zipf, double x)
{
	return exp(-zipf->exponent * log(x));
}

/* The integral of the density from 1 to @x. (e^t - 1) / t and its like stay exact near an
 * exponent of 1, where t is 0. */
static double integral(const struct lab_zipf *zipf, double x)
{
	double t = (1 - zipf->exponent) * log(x);

	return (fabs(t) > 1e-8 ? expm1(t) / t : 1 + t / 2) * log(x);
}

static double integral_inverse(const struct lab_zipf *zipf, double area)
{
	double t = fmax(area * (1 - zipf->exponent), -1);

	return exp((fabs(t) > 1e-8 ? log1p(t) / t : 1 - t / 2) * area);
}

void lab_zipf_init(struct lab_zipf *zipf, uint64_t count, double exponent)
{
	zipf->count = count;
	zipf->exponent = exponent;
	zipf->first = integral(zipf, 1.5) - 1;
	zipf->last = integral(zipf, (double)count + 0.5);
	zipf->shortcut = 2 - integral_inverse(zipf, integral(zipf, 2.5) - density(zipf, 2));
}

uint64_t lab_zipf_draw(const struct lab_zipf *zipf, struct lab_random *random)
{
	for (;;) {
		double area = zipf->last + lab_random_unit(random) * (zipf->first - zipf->last);
		double x = integral_inverse(zipf, area);
		double k = fmin(fmax(rint(x), 1), (double)zipf->count);

		if (k - x <= zipf->shortcut || area >= integral(zipf, k + 0.5) - density(zipf, k))
			return (uint64_t)k - 1;
	}
}
