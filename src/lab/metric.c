/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of metrics; see metric.h. */
#include "lab/metric.h"

#include <math.h>

#include "base/sum.h"

#define METRIC_ROW(id, name, title, unit, better, often, coarseness, least)                       \
	[LAB_##id] = { name,	   title, LAB_##unit, LAB_##better##_IS_BETTER, LAB_EACH_##often, \
		       coarseness, least },
#define STALL_ROW(id, name, words, advice)                                                 \
	[LAB_STALL_##id] = { "stall_" name,	  "stalled: " words, LAB_SHARE,            \
			     LAB_LESS_IS_BETTER,  LAB_EACH_RUN,	     LAB_STALL_COARSENESS, \
			     LAB_STALL_DIFFERENCE },

const struct lab_metric lab_metrics[LAB_METRICS] = { LAB_METRIC_ROWS(METRIC_ROW)
							     REDMEM_CAUSES(STALL_ROW) };

/* Four digits: "41,203", "412", "41.2", "0.0412". */
static void put_number(struct buf *out, double value)
{
	if (fabs(value) >= 1000)
		fmt_count(out, sum_whole(round(value)));
	else
		buf_printf(out, "%.3g", value);
}

/* Three digits, of which fmt_seconds() would show two: sides are near each other. */
static void put_seconds(struct buf *out, double seconds)
{
	static const struct {
		double of;
		const char *name;
	} units[] = { { 1, "s" }, { 1e-3, "ms" }, { 1e-6, "us" }, { 1e-9, "ns" } };
	size_t i = 0;

	while (i < 3 && seconds < units[i].of)
		i++;
	if (seconds > 0)
		buf_printf(out, seconds < 1000 ? "%.3g %s" : "%.0f %s", seconds / units[i].of,
			   units[i].name);
	else
		buf_puts(out, "0 s");
}

void lab_metric_value(struct buf *out, enum lab_metric_id id, double value)
{
	if (!isfinite(value)) {
		buf_putc(out, '-');
		return;
	}
	if (value < 0) {
		buf_putc(out, '-');
		value = -value;
	}
	switch (lab_metrics[id].unit) {
	case LAB_SECONDS:
		put_seconds(out, value);
		break;
	case LAB_BYTES:
		if (value < 1024)
			buf_printf(out, "%.1f B", value);
		else
			fmt_bytes(out, sum_whole(value));
		break;
	case LAB_SHARE:
		buf_printf(out, value > 0 ? "%.3f %%" : "0 %%", value * 100);
		break;
	case LAB_RATE:
		put_number(out, value);
		buf_puts(out, "/s");
		break;
	case LAB_RATIO:
		buf_printf(out, "%.3f", value);
		break;
	default:
		put_number(out, value);
	}
}
