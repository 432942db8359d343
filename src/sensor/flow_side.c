/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What hits told of a thread, on the side of the bytes it allocates and on that of those it frees,
 * and what is to be told of it.
 */
#include "sensor/flow_internal.h"

#include <math.h>

#include "base/buf.h"

struct flow_thread *flow_thread_of(struct flow *flow, uint32_t tid)
{
	for (size_t i = 0; i < flow->count; i++)
		if (flow->threads[i].tid == tid)
			return &flow->threads[i];
	return NULL;
}

struct flow_thread *flow_thread_add(struct flow *flow, uint32_t tid)
{
	struct flow_thread *thread;

	flow->threads = xrealloc(flow->threads, (flow->count + 1) * sizeof(*flow->threads));
	thread = &flow->threads[flow->count++];
	*thread = (struct flow_thread){ .tid = tid, .scale = { { 1, 1 }, { 1, 1 } } };
	return thread;
}

void flow_side_meet(struct flow_side *side, double seen, double moved)
{
	if (seen <= 0)
		return;
	side->moved_lately = side->moved_lately / 2 + fmax(moved - side->moved, 0);
	side->seen_lately = side->seen_lately / 2 + seen;
	side->moved = fmax(moved, side->moved);
}

double flow_side_most(const struct flow_side *side)
{
	if (side->seen_lately <= 0)
		return INFINITY;
	return fmax(SCALE_MOST * side->moved_lately / side->seen_lately, 1);
}

double flow_side_scale(struct flow_side *side, double seen, double moved, bool partly, double most)
{
	double untold = moved - side->told, scale = 1;

	if (seen <= 0)
		return 1;
	if (untold > seen && (partly || side->owes))
		scale = untold / seen;
	side->owes = scale > most;
	scale = fmin(scale, most);
	side->told += seen * scale;
	return scale;
}
