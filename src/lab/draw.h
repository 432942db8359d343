/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chance that is the same for the same seed: what the load asks next, which key, how large.
 * No locks, no allocation; a few nanoseconds a number.
 */
#pragma once

#include <stdint.h>

/* xorshift64* (Marsaglia 2003, Vigna 2014). */
struct lab_random {
	uint64_t state;
};

/* Any @seed will do; seeds that are near each other give sequences that are not. */
void lab_random_seed(struct lab_random *random, uint64_t seed);
/* Below @limit, which is not 0. */
uint64_t lab_random_below(struct lab_random *random, uint64_t limit);
/* Above 0 and below 1. */
double lab_random_unit(struct lab_random *random);
/* So long until the next of events that come at random, @mean apart on average. */
double lab_random_wait(struct lab_random *random, double mean);

/*
 * Where number @i of 0..@n-1 comes when these are shuffled: each once, always the same, without
 * a table. @n at most LAB_SHUFFLE_MAX.
 */
#define LAB_SHUFFLE_MAX (1ull << 40)
uint64_t lab_shuffle(uint64_t i, uint64_t n);

/* Zipf's law: number k of 0..count-1 comes as often as (k + 1) ^ -exponent. */
struct lab_zipf {
	uint64_t count;
	double exponent, first, last, shortcut;
};

/* @count > 0, @exponent > 0. */
void lab_zipf_init(struct lab_zipf *zipf, uint64_t count, double exponent);
uint64_t lab_zipf_draw(const struct lab_zipf *zipf, struct lab_random *random);
