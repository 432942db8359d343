/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One perf software event on every CPU, whatever runs there, with a BPF program on its
 * overflow.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct bpf_program;
struct perf_events;

struct perf_spec {
	uint64_t config; /* PERF_COUNT_SW_* */
	uint64_t period; /* events a sample */
};

/* Open and start. */
int perf_events_open(struct perf_events **out, const struct perf_spec *spec,
		     struct bpf_program *program, struct err *err);
/* Events counted so far on all CPUs, exact whatever the period. */
int64_t perf_events_count(const struct perf_events *events);
void perf_events_set_period(struct perf_events *events, uint64_t period);
/* CPUs come and go: one event on each that is there now. Call now and then. */
void perf_events_follow_cpus(struct perf_events *events);
void perf_events_close(struct perf_events *events);
