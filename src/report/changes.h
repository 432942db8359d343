/* SPDX-License-Identifier: BSD-2-Clause */
/* Two times of one server: what changed from one to the other; and what its death looked like. */
#pragma once

#include <jansson.h>

#include "history/history.h"
#include "report/report.h"

/* What went through the allocator in between, by one name. */
struct report_growth {
	char *name;
	int64_t alloc_bytes, free_bytes;
};

struct report_changes {
	const char *server; /* label */
	const struct model *before, *after; /* a minute or so at each end */
	struct report_growth *prefixes, *commands; /* the largest change first */
	size_t prefixes_count, commands_count;
	size_t top; /* rows of each list, but for -v */
};

void report_changes_text(struct buf *out, const struct report_changes *c,
			 const struct report_style *style);
/* {"schema":"redmem.changes/1",...} */
json_t *json_changes(const struct report_changes *c);
void report_changes_json(struct buf *out, const struct report_changes *c);

struct report_death {
	const struct history_death *death;
	const struct report_changes *changes; /* of the last minutes */
	const struct model *m; /* of all of them */
	const struct findings *f; /* of it */
};

void report_death_text(struct buf *out, const struct report_death *d,
		       const struct report_style *style);
/* {"schema":"redmem.death/1",...}: with the document of `redmem doctor` in "report". */
void report_death_json(struct buf *out, const struct report_death *d);
