/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's own mappings as they were read last. One reading is a run of
 * rows, one for each class; children's rows may stand between them.
 */
#include <string.h>

#include "model/private.h"

#define CLASSES_MAX 16 /* record.h names 7 */
#define BYTES_MAX   ((int64_t)1 << 56) /* damaged beyond it, and a sum could overflow */

struct reading {
	const struct record_mapping *row[CLASSES_MAX];
	size_t count;
};

static bool has_class(const struct reading *reading, const char *class_name)
{
	for (size_t i = 0; i < reading->count; i++)
		if (!strcmp(reading->row[i]->class_name, class_name))
			return true;
	return false;
}

/* From the last row back to where another phase or a class seen again tells that
 * an earlier reading begins. */
static struct reading last_reading(const struct model *m)
{
	struct reading reading = { .count = 0 };

	for (size_t i = m->mappings_count; i-- > 0 && reading.count < CLASSES_MAX;) {
		const struct record_mapping *row = &m->mappings[i].mapping;

		if (row->pid != m->target.pid)
			continue;
		if (reading.count && (strcmp(row->phase, reading.row[0]->phase) ||
				      has_class(&reading, row->class_name)))
			break;
		reading.row[reading.count++] = row;
	}
	return reading;
}

static void add(int64_t *sum, int64_t bytes)
{
	if (*sum == RECORD_UNKNOWN || bytes < 0 || bytes > BYTES_MAX)
		*sum = RECORD_UNKNOWN;
	else
		*sum += bytes;
}

const char *mapping_phase(const struct model *m)
{
	struct reading reading = last_reading(m);

	return reading.count ? reading.row[0]->phase : NULL;
}

bool mapping_sum(const struct model *m, const char *class_name, struct mapping_sum *out)
{
	struct reading reading = last_reading(m);
	bool found = false;

	*out = (struct mapping_sum){ 0 };
	for (size_t i = 0; i < reading.count; i++) {
		if (class_name && strcmp(reading.row[i]->class_name, class_name))
			continue;
		add(&out->rss_bytes, reading.row[i]->rss_bytes);
		add(&out->swap_bytes, reading.row[i]->swap_bytes);
		add(&out->anon_huge_bytes, reading.row[i]->anon_huge_bytes);
		found = true;
	}
	return found;
}

int64_t model_mapping_rss(const struct model *m, const char *class_name)
{
	struct mapping_sum sum;

	return mapping_sum(m, class_name, &sum) ? sum.rss_bytes : RECORD_UNKNOWN;
}
