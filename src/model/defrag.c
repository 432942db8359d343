/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What active defragmentation would give back, by size class.
 *
 * It moves what lies in slabs of small classes, and only out of slabs used less
 * than 1.125 times the mean of those that have a hole (jemalloc as patched by
 * Redis: jemalloc_internal_inlines_c.h, iget_defrag_hint()). One pass therefore
 * leaves the slabs above that line and packs the objects of the rest; with frees at
 * random the use of slabs is binomial. Passes go on while fragmentation is past the
 * thresholds it starts at (src/defrag.c, computeDefragCycles()).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "model/private.h"

/* Defaults of src/config.c, for servers that do not tell theirs. */
#define IGNORE_BYTES  ((int64_t)100 << 20)
#define LOWER_PERCENT 10
#define MOVE_BELOW    1.125 /* of the mean */
#define PASSES_MAX    16

/* One class under way: the slabs that have a hole, and the objects in them. */
struct packing {
	double slabs, objects, regions; /* regions of a slab */
	double freed; /* slabs given up so far */
};

static struct packing packing_of(const struct size_class *class)
{
	int64_t nonfull = class->nonfull_slabs;
	struct packing p = { .regions = (double)class->regions_per_slab };

	if (nonfull == RECORD_UNKNOWN || nonfull > class->slabs)
		nonfull = class->slabs;
	p.slabs = (double)nonfull;
	p.objects = (double)class->regions_total -
		    ((double)class->slabs - (double)nonfull) * (double)class->regions_per_slab;
	return p;
}

static void pass(struct packing *p)
{
	double mean = p->objects / p->slabs, use = mean / p->regions;
	double deviation = sqrt(p->regions * use * (1 - use)), distance, above, left;

	if (!(p->objects > 0) || !(use < 1) || !(deviation > 0))
		return;
	distance = mean * (MOVE_BELOW - 1) / deviation;
	above = p->slabs * 0.5 * erfc(distance / M_SQRT2);
	/* Objects in them: the mean of a normal distribution's upper end. */
	left = above * mean + p->slabs * deviation * exp(-distance * distance / 2) / sqrt(2 * M_PI);
	left = fmin(left, p->objects);
	p->freed += fmax(p->slabs - above - (p->objects - left) / p->regions, 0);
	p->slabs = above;
	p->objects = left;
}

static int64_t config_or(const struct model *m, const char *name, int64_t fallback)
{
	int64_t value = info_int(m->config, name);

	return value == RECORD_UNKNOWN ? fallback : value;
}

static bool past_thresholds(const struct defrag_forecast *f, double bytes, double allocated)
{
	return bytes >= (double)f->ignore_bytes && allocated > 0 &&
	       bytes / allocated * 100 >= (double)f->lower_percent;
}

/* Passes over all classes until what is left is no longer worth it to the server. */
static void forecast(struct model *m)
{
	struct defrag_forecast *f = &m->defrag;
	struct packing *packing = xcalloc(m->classes_count, sizeof(*packing));
	double allocated = (double)m->malloc_stats->allocated_bytes, holes = 0, gained = 0;

	for (size_t i = 0; i < m->classes_count; i++)
		if (m->classes[i].size.small && m->classes[i].size.holes_bytes > 0) {
			packing[i] = packing_of(&m->classes[i].size);
			holes += (double)m->classes[i].size.holes_bytes;
		}
	f->percent = allocated > 0 ? holes / allocated * 100 : NAN;
	f->starts = past_thresholds(f, holes, allocated);
	for (int n = 0; n < PASSES_MAX && (!n || past_thresholds(f, holes - gained, allocated));
	     n++) {
		gained = 0;
		for (size_t i = 0; i < m->classes_count; i++) {
			if (packing[i].slabs >= 2)
				pass(&packing[i]);
			m->classes[i].defrag_bytes =
				sum_whole(packing[i].freed * (double)m->classes[i].size.slab_bytes);
			gained += (double)m->classes[i].defrag_bytes;
		}
	}
	f->gain_bytes = sum_whole(gained);
	free(packing);
}

void defrag_finish(struct model *m)
{
	const struct malloc_stats *stats = m->malloc_stats;

	m->defrag = (struct defrag_forecast){
		.gain_bytes = RECORD_UNKNOWN,
		.percent = NAN,
		.ignore_bytes = config_or(m, "active-defrag-ignore-bytes", IGNORE_BYTES),
		.lower_percent = config_or(m, "active-defrag-threshold-lower", LOWER_PERCENT),
	};
	if (!stats || !stats->classes_count)
		return;
	m->classes = xcalloc(stats->classes_count, sizeof(*m->classes));
	m->classes_count = stats->classes_count;
	for (size_t i = 0; i < stats->classes_count; i++)
		m->classes[i].size = stats->classes[i];
	m->have_defrag = true;
	forecast(m);
}
