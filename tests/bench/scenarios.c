/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios of the lab against a server that is there, a line each: what was sent in a slice of
 * either loop and in the steps, and how long they took.
 *
 *	scenarios SOCKET CPU SHRINK SECONDS FILE...
 *
 * Fills and steps are SHRINK times smaller, slices take SECONDS. Settings are the caller's. Exits 1
 * with the line that says why.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hist.h"
#include "lab/load.h"
#include "lab/scenario.h"

#define FEW 100
#define LEAST_RATE \
	100 /* a program that takes its time to start has done nothing in a short slice */

struct bench {
	struct lab_load *load;
	struct lab_load_counts counts;
	uint64_t sent; /* in all */
	double seconds, rate;
	struct err err;
};

/* What is few, such as the groups of streams, stays. */
static uint64_t shrunk(uint64_t count, uint64_t shrink)
{
	return count / shrink > FEW ? count / shrink : count < FEW ? count : FEW;
}

static int slice(struct bench *b, enum lab_loop loop)
{
	const struct lab_order order = { .loop = loop, .rate = b->rate, .seconds = b->seconds };
	int ret = lab_load_slice(b->load, &order, &b->counts, &b->err);
	double took = (double)(b->counts.end_ns - b->counts.start_ns) / 1e9;
	const struct hist *latency = &b->counts.latency;

	if (ret)
		return ret;
	b->sent += b->counts.replies;
	if (loop == LAB_FULL)
		b->rate = (double)b->counts.replies / took;
	printf(" %s %" PRIu64 "/s own %.0f%% refused %" PRIu64, loop == LAB_FULL ? "full" : "open",
	       (uint64_t)((double)b->counts.replies / took), (double)b->counts.cpu_ns / 1e7 / took,
	       b->counts.refused);
	if (loop == LAB_OPEN)
		printf(" p50 %.0f us p99 %.0f us p99.9 %.0f us late %" PRIu64 " unsent %" PRIu64,
		       hist_quantile_between(latency, 0.5) / 1e3,
		       hist_quantile_between(latency, 0.99) / 1e3,
		       hist_quantile_between(latency, 0.999) / 1e3, b->counts.late,
		       b->counts.unsent);
	return b->counts.sent == b->counts.replies ? 0 : -1;
}

static int steps(struct bench *b, struct lab_scenario *s, uint64_t shrink)
{
	int ret = 0;

	for (size_t i = 0; i < s->steps_count && !ret; i++) {
		struct lab_step *step = &s->steps[i];

		step->op.count = shrunk(step->op.count, shrink);
		step->seconds /= (double)shrink;
		ret = lab_load_step(b->load, step, b->rate, &b->counts, &b->err);
		b->sent += b->counts.replies;
	}
	return ret;
}

static int bench(struct lab_scenario *s, const char *socket, int cpu, uint64_t shrink,
		 double seconds)
{
	const struct lab_load_options options = {
		.scenario = s, .socket = socket, .seed = 1, .cpu = cpu
	};
	struct bench b = { .seconds = seconds };
	int ret;

	for (size_t i = 0; i < s->fills_count; i++) {
		s->fills[i].count = shrunk(s->fills[i].count, shrink);
		b.sent += s->fills[i].count;
	}
	ret = lab_load_open(&b.load, &options, &b.err);
	if (!ret)
		ret = lab_load_fill(b.load, &b.err);
	if (!ret)
		ret = slice(&b, LAB_FULL);
	b.rate *= s->rate_share > 0 ? s->rate_share : 0.5;
	if (!(b.rate >= LEAST_RATE))
		b.rate = LEAST_RATE;
	if (!ret)
		ret = slice(&b, LAB_OPEN);
	if (!ret)
		ret = steps(&b, s, shrink);
	printf(" sent %" PRIu64 "%s%s\n", b.sent, ret ? " FAILED " : "", ret ? b.err.text : "");
	lab_load_close(b.load);
	return ret;
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc < 6) {
		fprintf(stderr, "usage: scenarios SOCKET CPU SHRINK SECONDS FILE...\n");
		return 2;
	}
	for (int i = 5; i < argc; i++) {
		struct lab_scenario *s;
		struct err err = { 0 };

		if (lab_scenario_read(&s, argv[i], &err)) {
			printf("%s FAILED %s\n", argv[i], err.text);
			bad = 1;
			continue;
		}
		printf("%s", s->name);
		bad |= bench(s, argv[1], atoi(argv[2]), strtoull(argv[3], NULL, 10),
			     atof(argv[4])) != 0;
		lab_scenario_free(s);
	}
	return bad;
}
