/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `redmem lab` measures of each side: one table, from which come the names in stored results,
 * the statistics, and every report. A new metric is a new row; names are part of the stored
 * format and of the JSON, so rows may be added and moved, a name stays.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "redmem/tables.h"

/* What a value is counted in. Values are in the unit itself: seconds, bytes, shares of 1. */
enum lab_unit {
	LAB_RATE, /* operations a second */
	LAB_SECONDS,
	LAB_BYTES,
	LAB_NUMBER, /* events an operation */
	LAB_RATIO, /* RSS to used memory */
	LAB_SHARE, /* of the time: 0.01 is 1 % */
};

enum lab_better { LAB_LESS_IS_BETTER, LAB_MORE_IS_BETTER };

/* How often there is a value: each slice of a pair, or once in the life of a server (a run). */
enum lab_often { LAB_EACH_SLICE, LAB_EACH_RUN };

/* One row a line. */
/* clang-format off */

/*
 * X(ID, name, title, unit, which is better, how often, coarseness, smallest difference)
 *
 * Coarseness: how many times the wanted precision its interval may be wide, for tails are rougher
 * than means. Smallest difference: in the unit, that matters where a side has zeros and there is
 * no ratio; then it takes the place of LAB_PRECISION (1 %), and is as many times as coarse.
 */
#define LAB_METRIC_ROWS(X) \
	X(OPS_PER_CPU, "ops_per_cpu_second", "operations a CPU second of the server", \
	  RATE, MORE, SLICE, 1, 1) \
	X(OPS, "ops_per_second", "operations a second", RATE, MORE, SLICE, 1, 1) \
	X(LATENCY_P50, "latency_p50_seconds", "latency, p50", SECONDS, LESS, SLICE, 2, 1e-6) \
	X(LATENCY_P90, "latency_p90_seconds", "latency, p90", SECONDS, LESS, SLICE, 3, 1e-6) \
	X(LATENCY_P99, "latency_p99_seconds", "latency, p99", SECONDS, LESS, SLICE, 5, 1e-5) \
	X(LATENCY_P999, "latency_p999_seconds", "latency, p99.9", SECONDS, LESS, SLICE, 10, 1e-5) \
	X(CPU_PER_OP, "cpu_seconds_per_op", "CPU time an operation", \
	  SECONDS, LESS, SLICE, 1, 1e-8) \
	X(ALLOCATOR_PER_OP, "allocator_seconds_per_op", "allocator time an operation", \
	  SECONDS, LESS, RUN, 5, 1e-8) \
	X(ALLOC_CALL_P50, "allocation_p50_seconds", "allocator call, p50", \
	  SECONDS, LESS, RUN, 5, 1e-8) \
	X(ALLOC_CALL_P99, "allocation_p99_seconds", "allocator call, p99", \
	  SECONDS, LESS, RUN, 10, 1e-7) \
	X(ALLOC_BYTES_PER_OP, "allocated_bytes_per_op", "bytes allocated an operation", \
	  BYTES, LESS, RUN, 2, 1) \
	X(MINOR_FAULTS_PER_OP, "minor_faults_per_op", "first touches of memory an operation", \
	  NUMBER, LESS, SLICE, 5, 1e-3) \
	X(MAJOR_FAULTS_PER_OP, "major_faults_per_op", "major faults an operation", \
	  NUMBER, LESS, SLICE, 5, 1e-4) \
	X(COW_FAULTS_PER_OP, "cow_faults_per_op", "copies on write an operation", \
	  NUMBER, LESS, RUN, 5, 1e-3) \
	X(EVICTIONS_PER_OP, "evictions_per_op", "keys evicted an operation", \
	  NUMBER, LESS, RUN, 5, 1e-3) \
	X(BYTES_PER_KEY, "bytes_per_key", "bytes a key", BYTES, LESS, RUN, 1, 1) \
	X(USED, "used_bytes", "used memory at the end", BYTES, LESS, RUN, 1, 65536) \
	X(RSS, "rss_bytes", "resident memory at the end", BYTES, LESS, RUN, 2, 65536) \
	X(FRAGMENTATION_END, "fragmentation_end", "fragmentation at the end", \
	  RATIO, LESS, RUN, 2, 0.01) \
	X(FRAGMENTATION_IDLE, "fragmentation_idle", "fragmentation after idle time", \
	  RATIO, LESS, RUN, 2, 0.01) \
	X(SIZE_CLASS_WASTE, "size_class_waste_bytes", "holes in the size classes", \
	  BYTES, LESS, RUN, 5, 65536) \
	X(FORK_SECONDS, "fork_seconds", "fork for a save", SECONDS, LESS, RUN, 5, 1e-4) \
	X(SAVE_COPIED, "save_copied_bytes", "bytes copied during a save", \
	  BYTES, LESS, RUN, 5, 65536)

/* Time the event loop was held for, by cause (REDMEM_CAUSES): a metric each, "stall_CAUSE". */
#define LAB_STALL_COARSENESS 10
#define LAB_STALL_DIFFERENCE 1e-3

/* clang-format on */

#define LAB_METRIC_ENUM(id, ...)		LAB_##id,
#define LAB_STALL_ENUM(id, name, words, advice) LAB_STALL_##id,
enum lab_metric_id { LAB_METRIC_ROWS(LAB_METRIC_ENUM) REDMEM_CAUSES(LAB_STALL_ENUM) LAB_METRICS };
#undef LAB_METRIC_ENUM
#undef LAB_STALL_ENUM

/* The metric of a stall's cause: seconds stalled a second that was watched. */
#define LAB_STALL_BY(cause) ((enum lab_metric_id)(LAB_METRICS - CAUSES + (cause)))

struct lab_metric {
	const char *name; /* in files and JSON */
	const char *title; /* for people */
	enum lab_unit unit;
	enum lab_better better;
	enum lab_often often;
	double coarseness;
	double least; /* smallest difference that matters, in the unit */
};

extern const struct lab_metric lab_metrics[LAB_METRICS];

/* A value for people, with its unit: "12.3 us", "41,200/s", "1.08", "0.4 %"; NAN gives "-". */
void lab_metric_value(struct buf *out, enum lab_metric_id id, double value);
