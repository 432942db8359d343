/* SPDX-License-Identifier: BSD-2-Clause */
/* The checklists: what ticks a box; what makes room; what ids mean; how bad a verdict is. */
#include "scene.h"

#include "diagnose/checklist.h"
#include "diagnose/explain.h"
#include "diagnose/rules.h"
#include "diagnose/shortage.h"

static struct model *healthy(struct scene *s)
{
	scene_init(s);
	return scene_model(s);
}

static const struct checklist_item *item_of(const struct checklist_page *page, const char *id)
{
	for (size_t i = 0; i < page->count; i++)
		if (!strcmp(page->items[i].id, id))
			return &page->items[i];
	fail_msg("no item %s", id);
	return NULL;
}

/* A finding as a rule would leave it. */
static struct finding a_finding(const char *id, enum severity severity)
{
	struct finding f = { .id = id, .severity = severity };

	finding_title(&f, "about %s", id);
	return f;
}

/* The tick of @item in the list when nothing but @id is found. */
static enum tick tick_with(enum checklist which, const char *item, const char *id,
			   enum severity severity)
{
	struct finding finding = a_finding(id, severity);
	struct findings f = { &finding, 1 };
	struct scene s;
	struct model *m = healthy(&s);
	struct checklist_page *page = checklist_page_new(which, m, &f);
	enum tick tick = item_of(page, item)->tick;

	checklist_page_free(page);
	model_free(m);
	finding_clear(&finding);
	return tick;
}

static void lists_have_the_guides_items(void **state)
{
	static const size_t items[CHECKLISTS] = {
		[CHECKLIST_DAILY] = 4, [CHECKLIST_WEEKLY] = 4, [CHECKLIST_MONTHLY] = 6
	};
	struct scene s;
	struct model *m = healthy(&s);
	struct findings *f = diagnose(m);

	(void)state;
	for (enum checklist which = CHECKLIST_DAILY; which < CHECKLISTS; which++) {
		struct checklist_page *page = checklist_page_new(which, m, f);

		assert_int_equal(page->count, items[which]);
		assert_int_equal(page->total[TICK_FINE] + page->total[TICK_ATTENTION] +
					 page->total[TICK_UNKNOWN],
				 page->count);
		for (size_t i = 0; i < page->count; i++)
			assert_true(page->items[i].figures.title && *page->items[i].figures.title);
		checklist_page_free(page);
	}
	findings_free(f);
	model_free(m);
}

static void a_healthy_server_is_fine_where_it_told(void **state)
{
	struct scene s;
	struct model *m = healthy(&s);
	struct findings *f = diagnose(m);
	struct checklist_page *daily = checklist_page_new(CHECKLIST_DAILY, m, f);
	struct checklist_page *weekly = checklist_page_new(CHECKLIST_WEEKLY, m, f);

	(void)state;
	assert_int_equal(daily->total[TICK_ATTENTION], 0);
	assert_int_equal(item_of(daily, "used_memory")->tick, TICK_FINE);
	assert_int_equal(item_of(weekly, "bigkeys")->tick, TICK_UNKNOWN); /* nobody passed */
	assert_non_null(strstr(item_of(weekly, "bigkeys")->figures.title, "--keys"));
	checklist_page_free(daily);
	checklist_page_free(weekly);
	findings_free(f);
	model_free(m);
}

static void a_warning_ticks_its_own_box(void **state)
{
	(void)state;
	assert_int_equal(
		tick_with(CHECKLIST_DAILY, "evicted_keys", "evict.active", SEVERITY_WARNING),
		TICK_ATTENTION);
	assert_int_equal(
		tick_with(CHECKLIST_DAILY, "memory_doctor", "evict.active", SEVERITY_WARNING),
		TICK_ATTENTION);
	assert_int_equal(
		tick_with(CHECKLIST_DAILY, "used_memory", "evict.active", SEVERITY_WARNING),
		TICK_FINE);
	/* An id is no beginning of others: "key.no_ttl" is not "key.". */
	assert_int_equal(tick_with(CHECKLIST_WEEKLY, "bigkeys", "key.big", SEVERITY_WARNING),
			 TICK_ATTENTION);
	assert_int_equal(tick_with(CHECKLIST_WEEKLY, "bigkeys", "key.no_ttl", SEVERITY_WARNING),
			 TICK_UNKNOWN);
	assert_int_equal(tick_with(CHECKLIST_WEEKLY, "no_ttl", "key.no_ttl", SEVERITY_CRITICAL),
			 TICK_ATTENTION);
}

static void a_note_ticks_none(void **state)
{
	(void)state;
	assert_int_equal(tick_with(CHECKLIST_DAILY, "evicted_keys", "evict.active", SEVERITY_INFO),
			 TICK_FINE);
}

static void what_is_not_told_is_not_known(void **state)
{
	struct scene s;
	struct findings f = { 0 };
	struct checklist_page *page;
	struct model *m;

	(void)state;
	scene_init(&s);
	s.connected = false;
	s.target.connect_reason = "no password";
	m = scene_model(&s);
	page = checklist_page_new(CHECKLIST_DAILY, m, &f);
	assert_int_equal(item_of(page, "used_memory")->tick, TICK_UNKNOWN);
	assert_int_equal(item_of(page, "evicted_keys")->tick, TICK_UNKNOWN);
	assert_non_null(strstr(item_of(page, "evicted_keys")->figures.title, "no password"));
	checklist_page_free(page);
	model_free(m);
}

/* --- what makes room ---------------------------------------------------------------------- */

static const struct step *step_of(const struct shortage *s, const char *finding)
{
	for (size_t i = 0; i < s->steps_count; i++)
		if (s->steps[i].finding && !strcmp(s->steps[i].finding, finding))
			return &s->steps[i];
	return NULL;
}

static void steps_come_by_risk_then_by_room(void **state)
{
	struct finding found[] = { a_finding("keys.big_string", SEVERITY_WARNING),
				   a_finding("client.one", SEVERITY_WARNING),
				   a_finding("clients.buffers", SEVERITY_WARNING) };
	struct findings f = { found, 3 };
	struct scene s;
	struct shortage *shortage;
	struct model *m;

	(void)state;
	scene_init(&s);
	s.dirty = 100 * MIB;
	s.rss_allocator += 100 * MIB;
	finding_action(&found[0], 900 * MIB, "redis-cli UNLINK a", "Delete it.");
	finding_action(&found[1], 20 * MIB, "", "End it.");
	finding_action(&found[2], 50 * MIB, "", "Limit them.");
	finding_action(&found[2], RECORD_UNKNOWN, "", "Or look at them.");
	m = scene_model(&s);
	shortage = shortage_new(m, &f);
	assert_true(shortage->steps_count >= 4);
	assert_int_equal(shortage->steps[0].risk, RISK_PAUSE);
	assert_non_null(strstr(shortage->steps[0].command, "MEMORY PURGE"));
	for (size_t i = 1; i < shortage->steps_count; i++) {
		const struct step *a = &shortage->steps[i - 1], *b = &shortage->steps[i];

		assert_true(a->risk < b->risk ||
			    (a->risk == b->risk && a->room_bytes >= b->room_bytes));
	}
	assert_int_equal(step_of(shortage, "keys.big_string")->risk, RISK_DATA);
	assert_int_equal(step_of(shortage, "client.one")->risk, RISK_CLIENTS);
	assert_true(step_of(shortage, "clients.buffers") < step_of(shortage, "client.one"));
	shortage_free(shortage);
	model_free(m);
	for (int i = 0; i < 3; i++)
		finding_clear(&found[i]);
}

static void limits_are_told_the_nearest_first(void **state)
{
	struct scene s;
	struct findings f = { 0 };
	struct shortage *shortage;
	struct buf text = { 0 };
	struct model *m;

	(void)state;
	m = healthy(&s);
	shortage = shortage_new(m, &f);
	assert_true(shortage->limits_count > 0);
	for (size_t i = 1; i < shortage->limits_count; i++)
		assert_true(shortage->limits[i - 1].room <= shortage->limits[i].room);
	/* It does not grow: no time is told. */
	assert_true(isnan(shortage->bytes_per_second) && isnan(shortage->seconds[0]));
	shortage_verdict(&text, shortage);
	assert_non_null(strstr(buf_str(&text), "left below"));
	assert_null(strstr(buf_str(&text), "met in"));
	buf_free(&text);
	shortage_free(shortage);
	model_free(m);
}

/* --- --fail-on ---------------------------------------------------------------------------- */

static void a_verdict_reaches_its_own_severity_and_those_below(void **state)
{
	struct finding warning = a_finding("evict.active", SEVERITY_WARNING);
	struct findings one = { &warning, 1 }, none = { 0 };
	struct scene s;
	struct model *m = healthy(&s);

	(void)state;
	assert_true(diagnose_reaches(m, &one, SEVERITY_WARNING));
	assert_false(diagnose_reaches(m, &one, SEVERITY_CRITICAL));
	warning.severity = SEVERITY_CRITICAL;
	assert_true(diagnose_reaches(m, &one, SEVERITY_WARNING));
	assert_true(diagnose_reaches(m, &one, SEVERITY_CRITICAL));
	assert_false(diagnose_reaches(m, &none, SEVERITY_WARNING));
	assert_false(diagnose_unknown(m));
	finding_clear(&warning);
	model_free(m);
	m = model_new();
	model_finish(m);
	assert_true(diagnose_unknown(m));
	model_free(m);
}

/* --- what ids mean ------------------------------------------------------------------------ */

static void each_rule_is_explained_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < rules_count; i++)
		if (!explain(rules[i].id))
			fail_msg("%s has no row in diagnose/explain.c", rules[i].id);
	assert_int_equal(explanations_count, rules_count);
	for (size_t i = 0; i < explanations_count; i++)
		assert_true(strlen(explanations[i].meaning) > 20);
	assert_null(explain("no.such"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_have_the_guides_items),
		cmocka_unit_test(a_healthy_server_is_fine_where_it_told),
		cmocka_unit_test(a_warning_ticks_its_own_box),
		cmocka_unit_test(a_note_ticks_none),
		cmocka_unit_test(what_is_not_told_is_not_known),
		cmocka_unit_test(steps_come_by_risk_then_by_room),
		cmocka_unit_test(limits_are_told_the_nearest_first),
		cmocka_unit_test(a_verdict_reaches_its_own_severity_and_those_below),
		cmocka_unit_test(each_rule_is_explained_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
