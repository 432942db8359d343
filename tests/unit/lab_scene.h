/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Labs that never were: samples drawn from noise of known kinds, with differences that are known.
 * What a busy machine does is in it: a drift that both sides share, slow moments that meet
 * whoever runs then, tails heavier than a normal's, neighbours that hang together, and that each
 * life of a server has a layout of its own.
 */
#pragma once

#include <math.h>
#include <stdint.h>

#include "lab/result.h"

struct lab_noise {
	double life; /* of a server's life, as shares */
	double slice; /* of each slice */
	double alike; /* of that what goes on to the next slice: 0 to 1 */
	double drift; /* a slice, of both sides */
	double slow_share; /* of slices in which something slow begins, */
	double slow; /* by up to so much */
	bool heavy; /* tails of Student's t with 3 degrees of freedom */
};

/* A quiet machine, and a busy one with all of it. */
static const struct lab_noise lab_quiet = { .life = 0.003, .slice = 0.005 };
static const struct lab_noise lab_busy = {
	.life = 0.005,
	.slice = 0.01,
	.alike = 0.5,
	.drift = 0.01,
	.slow_share = 0.05,
	.slow = 0.3,
	.heavy = true,
};

static uint64_t lab_dice;

/* SplitMix64, as a share of 1. */
static inline double lab_draw(void)
{
	uint64_t z = lab_dice += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static inline double lab_normal(void)
{
	return sqrt(-2 * log(1 - lab_draw())) * cos(2 * M_PI * lab_draw());
}

/* Of variance 1, or of about that with heavy tails. */
static inline double lab_error(const struct lab_noise *noise)
{
	double square = 0, value = lab_normal();

	if (!noise->heavy)
		return value;
	for (int i = 0; i < 3; i++) {
		double part = lab_normal();

		square += part * part;
	}
	return value / sqrt(square / 3) / sqrt(3);
}

struct lab_plan {
	int restarts, pairs; /* of each phase; a restart */
	uint64_t seed;
};

/* What goes on from slice to slice. */
struct lab_weather {
	double drift, neighbour;
	int slow; /* slices left */
};

static inline double lab_slice(struct lab_weather *w, const struct lab_noise *noise)
{
	double value;

	w->drift += lab_normal() * noise->drift;
	w->neighbour = w->neighbour * noise->alike +
		       lab_normal() * noise->slice * sqrt(1 - noise->alike * noise->alike);
	if (w->slow)
		w->slow--;
	else if (lab_draw() < noise->slow_share)
		w->slow = 1 + (int)(lab_draw() * 3);
	value = w->drift + w->neighbour + lab_error(noise) * noise->slice;
	return w->slow ? value - noise->slow * lab_draw() : value;
}

/*
 * Add samples of @id to @result: of both phases, B @factor times A in the second. @mean is that of
 * A. What is one number a run has the noise of a life alone.
 */
static inline void lab_add(struct lab_result *result, enum lab_metric_id id,
			   const struct lab_plan *plan, const struct lab_noise *noise, double mean,
			   double factor)
{
	bool runs = lab_metrics[id].often == LAB_EACH_RUN;
	struct lab_weather weather = { 0 };
	int pairs = runs ? 1 : plan->pairs;

	lab_dice = plan->seed * 1000003 + (uint64_t)id;
	for (int restart = 0; restart < 2 * plan->restarts; restart++) {
		double life[LAB_SIDES] = { lab_error(noise) * noise->life,
					   lab_error(noise) * noise->life };
		bool aa = restart < plan->restarts;

		for (int slice = 0; slice < 2 * pairs; slice++) {
			struct lab_sample sample;

			lab_sample_clear(&sample);
			sample.per_run = runs;
			sample.aa = aa;
			sample.restart = restart;
			sample.pair = runs ? restart : restart * pairs + slice / 2;
			/* which comes first is chance; of the second it is the other */
			sample.side = slice % 2 ? 1 - result->samples[result->count - 1].side :
						  lab_draw() < 0.5;
			sample.seconds = runs ? NAN : 2;
			sample.value[id] = mean * exp((runs ? 0 : lab_slice(&weather, noise)) +
						      life[sample.side]);
			if (!aa && sample.side == LAB_B)
				sample.value[id] *= factor;
			lab_result_add(result, &sample);
		}
	}
}

static inline struct lab_result *lab_empty(uint64_t seed)
{
	struct lab_about about = { .seed = seed };

	return lab_result_new(&about);
}
