/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a series meets a limit: memory over minutes or days, of which saw-teeth (expiry, buffers),
 * steps (batches), and waves (the day) are no trend, and may hide or feign one. Pure.
 */
#pragma once

#include <stddef.h>

struct trend_point {
	double t_seconds; /* rising */
	double bytes;
};

struct trend {
	double seconds; /* from the last point on; 0 = it is met, INFINITY = not in sight */
	double low_seconds, high_seconds; /* by how wrong those of the past would have been */
	double bytes_per_second; /* grown by, without what comes and goes */
	double period_seconds; /* of what comes and goes; NAN = nothing regular is seen */
	double confidence; /* 0 to 1; 0.5 = it would have been wrong by half */
};

/* Fewer points say nothing. */
#define TREND_POINTS_MIN 12

/*
 * Forecast by each of a few ways (a line through the last part of the series, a curve, what was
 * before coming again and growing), and believe that one which would have been right before. Points
 * whose bytes are NAN are left out. Farther than @horizon seconds, or than 24 times what the points
 * span, is not in sight.
 */
struct trend trend_of(const struct trend_point *points, size_t count, double limit_bytes,
		      double horizon_seconds);
