/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenes with stalls, and what the verdict on them has to be as a whole. */
#pragma once

#include "blame_records.h"
#include "scene.h"

#include "diagnose/harm_left.h"

static inline size_t warnings_of(const struct diagnosis *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->f->count; i++)
		n += d->f->items[i].severity > SEVERITY_INFO;
	return n;
}

/* The server has counted what the stalls are said to be spent on. */
static inline void keys_went(struct scene *s, enum redmem_cause cause)
{
	if (cause == CAUSE_EXPIRY)
		scene_info(s, "expired_keys:9\r\n");
	if (cause == CAUSE_EVICTION)
		scene_info(s, "evicted_keys:9\r\n");
}

/* Add @count stalls of @seconds each. */
static inline void add_stalls(struct scene *s, enum redmem_cause cause, const char *command,
			      int count, double seconds)
{
	keys_went(s, cause);
	for (int i = 0; i < count; i++) {
		struct record_stall *stall = scene_stall(s, command, "", seconds);

		stall->wait_file = stall->preemptor = "";
		record_blame(stall, cause, seconds);
	}
}

static inline void expect_only(struct scene *s, const char *id, enum severity severity)
{
	struct harm_left left[HARM_LEFT_MAX];
	struct diagnosis d = scene_diagnose(s);
	const struct finding *f = diagnosis_find(&d, id);

	if (!f || f->severity != severity || warnings_of(&d) != 1)
		for (size_t i = 0; i < d.f->count; i++)
			print_error("%s: %s\n", d.f->items[i].id, d.f->items[i].title);
	assert_non_null(f);
	assert_int_equal(f->severity, severity);
	assert_int_equal(warnings_of(&d), 1);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_true(f->evidence_count > 0 && f->actions_count > 0);
	assert_true(f->cause && *f->cause);
	assert_int_equal(harm_left(d.m, d.f, left), 0);
	diagnosis_free(&d);
}

static inline void expect_peace(struct scene *s)
{
	struct diagnosis d = scene_diagnose(s);

	for (size_t i = 0; i < d.f->count; i++)
		if (d.f->items[i].severity > SEVERITY_INFO)
			fail_msg("%s: %s", d.f->items[i].id, d.f->items[i].title);
	assert_true(diagnose_healthy(d.m, d.f));
	diagnosis_free(&d);
}
