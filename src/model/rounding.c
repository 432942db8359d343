/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rounding: memory nobody asked for, because a request is rounded up to its size class.
 * Bursts tell what part of each class that is; MALLOC-STATS, how much of each is live.
 * Classes no burst met are taken for the mean of those that were.
 */
#include "model/private.h"

static const struct alloc_class *class_seen(const struct model *m, int64_t size_bytes)
{
	for (size_t i = 0; i < m->alloc.classes_count; i++)
		if (m->alloc.classes[i].size_bytes == size_bytes && m->alloc.classes[i].calls_total)
			return &m->alloc.classes[i];
	return NULL;
}

int64_t rounding_bytes(const struct model *m)
{
	double wasted = 0, met = 0, all = 0;

	for (size_t i = 0; m->malloc_stats && i < m->malloc_stats->classes_count; i++) {
		const struct size_class *class = &m->malloc_stats->classes[i];
		const struct alloc_class *seen = class_seen(m, class->size_bytes);
		double live = (double)class->allocated_bytes;

		if (live <= 0)
			continue;
		all += live;
		if (!seen)
			continue;
		met += live;
		wasted += live * (1 - (double)seen->requested_bytes / ((double)seen->calls_total *
								       (double)class->size_bytes));
	}
	return met > 0 ? (int64_t)(wasted / met * all) : RECORD_UNKNOWN;
}
