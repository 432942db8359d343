/* SPDX-License-Identifier: BSD-2-Clause */
#include "every_report.h"

#include <assert.h>

#include "diagnose/diagnose.h"
#include "report/profile.h"
#include "report/report.h"
#include "report/screen.h"
#include "report/screen_rows.h"

static void report_profiles(struct buf *out, const struct model *m)
{
	struct report_profile *p = report_profile_new();
	enum profile_kind first;

	report_profile_take(p, m);
	report_profile_finish(p, m, "\xff\0; x");
	first = report_profile_first(p);
	report_pprof(out, p, first);
	report_speedscope(out, p, first);
	if (first < PROFILE_KINDS)
		report_profile_folded(out, p, first);
	report_profile_free(p);
}

/* `redmem top`, in each tab, and of its row. */
static void show_all(struct model *m, struct findings *f, uint64_t seed)
{
	struct screen_server server = { .title = "", .state = "", .clients = m, .classes = m };
	struct screen_view view = { .rows = 40, .columns = 100, .now_ns = (int64_t)seed };
	struct screen_stall stall = { 0 };
	struct screen screen = { 0 };

	server.second = server.longer = (struct screen_window){ m, f, NULL, false, false };
	if (m->stalls_count)
		screen_stall_fill(&stall, m, &m->stalls[0].stall);
	server.stalls = &stall;
	server.stalls_count = m->stalls_count > 0;
	for (int tab = 0; tab < SCREEN_TABS; tab++) {
		view.tab = tab;
		view.place[tab].sort = seed % (screen_sorts(tab) + 1);
		for (int details = 0; details < 2; details++) {
			view.details = details;
			screen_make(&screen, &view, &server, 1);
		}
	}
	screen_stall_clear(&stall);
	screen_view_clear(&view);
	screen_free(&screen);
}

void every_report(struct model *m, uint64_t seed)
{
	static const struct report_style styles[] = { { .columns = 80 },
						      { .verbose = true, .columns = 100 } };
	struct findings *f = diagnose(m);
	struct buf out = { 0 };

	for (int i = 0; i < 2; i++) {
		report_doctor_text(&out, m, f, &styles[i]);
		report_memory_text(&out, m, f, &styles[i]);
		report_alloc_text(&out, m, &styles[i]);
		for (size_t s = 0; s < m->stalls_count; s++)
			report_stall_text(&out, m, &m->stalls[s].stall, &styles[i]);
		if (m->keyspace)
			report_keys_text(&out, m, f, &styles[i]);
	}
	report_doctor_json(&out, m, f);
	report_memory_json(&out, m, f);
	report_alloc_json(&out, m);
	for (size_t s = 0; s < m->stalls_count; s++) {
		report_stall_json(&out, m, &m->stalls[s].stall);
		report_stall_live(&out, &m->stalls[s].stall);
	}
	if (m->keyspace) {
		report_keys_json(&out, m, f);
		report_keys_folded(&out, m);
	}
	for (size_t k = 0; k < m->keys_count; k++)
		report_keys_csv_row(&out, &m->keys[k].key, (int64_t)seed);
	report_profiles(&out, m);
	assert(out.len > 0);
	show_all(m, f, seed);
	buf_free(&out);
	findings_free(f);
}
