/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Children that still save when the watch ends: how far they are, and what they
 * will hold when they are done. Pages become private at the rate the server
 * writes, so memory grows with time, and time is what is left of the keys.
 */
#include <math.h>
#include <string.h>

#include "model/private.h"

/* Below it the rate is a guess. */
#define DONE_MIN 0.05

/* current_save_keys_*: of the save (or rewrite) under way (Redis 7.0, server.c). */
static double done_ratio(const struct model *m)
{
	int64_t done = model_info_end(m, "current_save_keys_processed");
	int64_t total = model_info_end(m, "current_save_keys_total");

	return done < 0 || total <= 0 ? NAN : fmin((double)done / (double)total, 1);
}

void children_finish(struct model *m)
{
	double done = done_ratio(m);
	int64_t rss = model_mapping_rss(m, "allocator");

	for (size_t i = 0; i < m->children_count; i++) {
		struct child_row *row = &m->children[i];

		row->done_ratio = NAN;
		row->projected_bytes = RECORD_UNKNOWN;
		if (!isnan(row->child.t_end_seconds))
			continue;
		row->done_ratio = done;
		if (!(done >= DONE_MIN) || row->child.private_bytes < 0)
			continue;
		row->projected_bytes = (int64_t)((double)row->child.private_bytes / done);
		/* No more can be copied than there is. */
		if (rss > 0 && row->projected_bytes > rss)
			row->projected_bytes =
				rss > row->child.private_bytes ? rss : row->child.private_bytes;
	}
}

/* The place of an amount in a falling list of @count, COW_ROWS when it has none. */
static size_t place_of(double amount, const double *amounts, size_t count)
{
	size_t at = count;

	while (at > 0 && amounts[at - 1] < amount)
		at--;
	return amount > 0 ? at : COW_ROWS;
}

static void insert(const void **rows, double *amounts, size_t *count, const void *row,
		   double amount)
{
	size_t at = place_of(amount, amounts, *count);

	if (at >= COW_ROWS)
		return;
	if (*count < COW_ROWS)
		(*count)++;
	memmove(&rows[at + 1], &rows[at], (*count - at - 1) * sizeof(*rows));
	memmove(&amounts[at + 1], &amounts[at], (*count - at - 1) * sizeof(*amounts));
	rows[at] = row;
	amounts[at] = amount;
}

void model_cow(const struct model *m, struct cow_rows *out)
{
	double commands[COW_ROWS], prefixes[COW_ROWS];

	*out = (struct cow_rows){ .commands_count = 0 };
	for (size_t i = 0; i < m->commands_count; i++)
		insert((const void **)out->commands, commands, &out->commands_count,
		       &m->commands[i], m->commands[i].charge.cow_faults);
	for (size_t i = 0; i < m->prefixes_count; i++)
		insert((const void **)out->prefixes, prefixes, &out->prefixes_count,
		       &m->prefixes[i], m->prefixes[i].charge.cow_faults);
}
