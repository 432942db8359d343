/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that `redmem doctor` can have instead of its report, for people and for programs. */
#pragma once

#include "diagnose/checklist.h"
#include "report/report.h"

/* The users' guide's checklist, each box with its figures. */
void report_checklist_text(struct buf *out, enum checklist which, const struct model *m,
			   const struct findings *f, const struct report_style *style);
/* {"schema":"redmem.checklist/1",...} */
void report_checklist_json(struct buf *out, enum checklist which, const struct model *m,
			   const struct findings *f);

/* How near the limits are, and what to free first. */
void report_oom_text(struct buf *out, const struct model *m, const struct findings *f,
		     const struct report_style *style);
/* {"schema":"redmem.oom/1",...} */
void report_oom_json(struct buf *out, const struct model *m, const struct findings *f);
