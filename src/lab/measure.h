/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is measured of a server: work and CPU time of slices, what its kernel and it count
 * meanwhile, what it says of its memory at the end, and what a watch of redmem's saw. Values are
 * those of the table (metric.h); what is not known stays NAN.
 */
#pragma once

#include "lab/instance.h"
#include "lab/metric.h"
#include "model/model.h"

/* Turns of full speed of one side, added up. */
struct lab_turns {
	uint64_t replies, refused;
	int64_t wall_ns, cpu_ns; /* CPU time of the server */
	int64_t load_ns; /* CPU time of the load */
	int64_t minor_faults, major_faults;
};

/* One turn at full speed, for @seconds. */
int lab_measure_turn(const struct lab_instance *one, double seconds, struct lab_turns *turns,
		     struct err *err);
/* Operations a second of the server's CPU time; 0 where nothing was done. */
double lab_turns_work(const struct lab_turns *turns);
void lab_measure_turns(double value[LAB_METRICS], const struct lab_turns *turns);
void lab_measure_latency(double value[LAB_METRICS], const struct lab_load_counts *counts);
/* Of a finished model of a watch, in which so many operations were done. */
void lab_measure_watch(double value[LAB_METRICS], const struct model *m, double operations);

/* Right after the fill; at the end; after it was idle; and what came of saves. */
void lab_measure_filled(double value[LAB_METRICS], const struct info *info, int64_t empty_bytes);
void lab_measure_end(double value[LAB_METRICS], const struct lab_instance *one,
		     const struct info *info);
/* Keys evicted an operation, since @before. */
void lab_measure_evicted(double value[LAB_METRICS], const struct info *before,
			 const struct info *after);
void lab_measure_idle(double value[LAB_METRICS], const struct info *info);
void lab_measure_save(double value[LAB_METRICS], const struct info *info);
