/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The users' guide's checklists (14.2, "Checklist d'analyse mémoire"), ticked from what a watch
 * knows: each item has its figures, and the worst finding that belongs to it. Pure.
 */
#pragma once

#include "diagnose/finding.h"
#include "model/model.h"

enum checklist { CHECKLIST_NONE, CHECKLIST_DAILY, CHECKLIST_WEEKLY, CHECKLIST_MONTHLY, CHECKLISTS };
const char *checklist_name(enum checklist which); /* "daily" */

enum tick { TICK_UNKNOWN, TICK_FINE, TICK_ATTENTION, TICKS };
const char *tick_name(enum tick tick); /* "unknown", "fine", "attention" */

struct checklist_item {
	const char *id, *title; /* static */
	enum tick tick;
	/* Its title has the figures in words, or why they are not known; its evidence has them as
	 * numbers. No more of it is used. */
	struct finding figures;
	const struct finding *finding; /* the worst that belongs here; NULL = none */
};

struct checklist_page {
	enum checklist which;
	struct checklist_item *items; /* in the guide's order */
	size_t count;
	size_t total[TICKS];
};

/* Tick the items of @which. @f must outlive the page. */
struct checklist_page *checklist_page_new(enum checklist which, const struct model *m,
					  const struct findings *f);
void checklist_page_free(struct checklist_page *page);
