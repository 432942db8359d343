/* SPDX-License-Identifier: BSD-2-Clause */
/* The history read again: reports of then, what happened, and a start that goes on from it. */
#include <errno.h>

#include "history_folder.h"
#include "report/changes.h"
#include "report/report.h"

/* --- reading again ----------------------------------------------------------------- */

/* The documents of `redmem doctor` that windows of the stream itself give. */
struct told {
	struct buf documents[16];
	size_t count;
};

static void document(struct buf *out, const struct model *m)
{
	struct findings *f = diagnose(m);

	report_doctor_json(out, m, f);
	findings_free(f);
}

static struct told *told_to;

static void remember(struct past_keeper *k, const struct history_window *window)
{
	(void)k;
	assert_true(told_to->count < 16);
	document(&told_to->documents[told_to->count++], window->m);
}

static void a_report_of_then_is_that_of_then(void **state)
{
	struct history *history = open_writer(0);
	struct history_span span;
	struct told told = {};
	struct past_stream s;
	struct past_keeper k;

	(void)state;
	told_to = &told;
	past_keeper_begin(&k, history, "cache1", &s, WALL_NS, 3);
	k.look = remember;
	while (s.t < 62)
		past_second(&s);
	chunker_free(k.chunker);
	windows_free(k.windows);
	history_close(history);
	history = open_reader();
	assert_int_equal(told.count, 6);
	for (size_t i = 0; i < told.count; i++) {
		int64_t from = WALL_MS + (int64_t)i * 10000;
		struct model *m = model_of(history, from + 3000, from + 4000, &span);
		struct buf again = {};

		document(&again, m);
		assert_string_equal(buf_str(&again), buf_str(&told.documents[i]));
		assert_int_equal(span.windows, 1);
		assert_int_equal(span.start_ms, from);
		/* What was looked at then, too. */
		assert_int_equal(m->clients_count, i > 0);
		assert_int_equal(m->keys_count, i > 0);
		model_free(m);
		buf_free(&again);
		buf_free(&told.documents[i]);
	}
	history_close(history);
}

static void several_windows_are_one_model(void **state)
{
	struct history *history = open_writer(0);
	struct history_span span;
	struct model *m, *part;
	int64_t sum = 0, get = 0;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 60);
	m = model_of(history, WALL_MS, WALL_MS + 60000, &span);
	assert_int_equal(span.windows, 6);
	assert_float_equal(m->duration_seconds, 60, 0.01);
	for (int i = 0; i < 6; i++) {
		part = model_of(history, WALL_MS + i * 10000 + 1, WALL_MS + i * 10000 + 2, NULL);
		sum += allocated_by_all(part);
		get += allocated_by(part, "get");
		model_free(part);
	}
	assert_true(llabs(allocated_by_all(m) - sum) <= 200);
	assert_true(llabs(allocated_by(m, "get") - get) <= 20);
	assert_true(m->ledger.count > 3);
	model_free(m);
	history_close(history);
}

static void a_time_without_windows_says_so(void **state)
{
	struct history *history = open_writer(0);
	struct model *m;
	struct err err = {};

	(void)state;
	append_busy(history, "cache1", WALL_NS, 20);
	assert_int_equal(
		history_model(history, "cache1", WALL_MS - 90000, WALL_MS - 80000, &m, NULL, &err),
		-ENOENT);
	assert_non_null(strstr(err.text, "nearest begins at "));
	assert_int_equal(
		history_model(history, "cache1", WALL_MS + 90000, WALL_MS + 99000, &m, NULL, &err),
		-ENOENT);
	assert_non_null(strstr(err.text, "nearest ends at "));
	assert_int_equal(history_model(history, "other", WALL_MS, WALL_MS + 1, &m, NULL, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "'other'"));
	history_close(history);
}

/* A restart begins another session: its numbers begin anew. */
static void a_model_is_of_one_session(void **state)
{
	struct history *history = open_writer(0);
	struct history_span span;
	struct model *m;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 20);
	append_busy(history, "cache1", WALL_NS + 25 * 1000000000LL, 40);
	m = model_of(history, WALL_MS, WALL_MS + 70000, &span);
	assert_true(span.more_sessions);
	assert_int_equal(span.start_ms, WALL_MS + 25000);
	assert_float_equal(m->duration_seconds, 40, 0.01);
	model_free(m);
	m = model_of(history, WALL_MS, WALL_MS + 20000, &span);
	assert_false(span.more_sessions);
	assert_float_equal(m->duration_seconds, 20, 0.01);
	model_free(m);
	history_close(history);
}

struct events {
	char kinds[32][16];
	size_t count;
};

static void take_event(void *ctx, const struct history_event *event)
{
	struct events *events = ctx;

	assert_string_equal(event->server, "cache1");
	assert_true(events->count < 32);
	snprintf(events->kinds[events->count++], 16, "%s", event->kind);
}

static void what_happened_is_told_in_its_order(void **state)
{
	struct history *history = open_writer(0);
	struct events events = {};
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_stall(&s, "del", "big", 0.02)->t_seconds = 6;
	add_child(&s, 9, 1000);
	add_life(&s, "exit", "killed by signal 11", 9.5);
	keep_scene(history, "cache1", WALL_MS, &s);
	history_note(history, "cache1", WALL_MS + 20000, "restarted", "", NULL);
	history_note(history, "cache2", WALL_MS + 1000, "restarted", "", NULL);
	assert_int_equal(history_events(history, "cache1", WALL_MS + 1500, WALL_MS + 30000,
					take_event, &events, NULL),
			 0);
	for (size_t i = 0, n = 0; i < events.count; i++) {
		static const char *const kinds[] = { "fork", "stall", "death", "restarted" };

		if (!strcmp(events.kinds[i], "finding"))
			continue;
		assert_string_equal(events.kinds[i], kinds[n++]);
		assert_true(i + 1 < events.count || n == 4);
	}
	events.count = 0;
	history_events(history, "cache1", WALL_MS + 25000, WALL_MS + 30000, take_event, &events,
		       NULL);
	for (size_t i = 0; i < events.count; i++) /* only what goes on */
		assert_string_equal(events.kinds[i], "finding");
	history_close(history);
}

/* --- scheduled passes ------------------------------------------------------------- */

static void past_passed(struct past_stream *s, const char *what, struct bytes name, int64_t bytes)
{
	struct record r;

	record_clear(&r, RECORD_PASSED);
	r.passed.t_seconds = s->t;
	r.passed.what = what;
	r.passed.key = name;
	r.passed.type = strcmp(what, "key") ? "" : "zset";
	r.passed.db = strcmp(what, "key") ? RECORD_UNKNOWN : 0;
	r.passed.keys_total = 7;
	r.passed.bytes = bytes;
	r.passed.end = "complete";
	r.passed.seconds = 2;
	past_emit(s, &r);
}

#define NAME(text) ((struct bytes){ text, sizeof(text) - 1 })

static void past_pass(struct past_stream *s, int64_t bytes)
{
	past_passed(s, "all", NAME(""), 2 * bytes);
	past_passed(s, "prefix", NAME("user:*"), bytes);
	past_passed(s, "prefix", NAME("a\0\"b:*"), 77);
	past_passed(s, "key", NAME("board\n"), bytes / 2);
}

/* A report has what the newest pass before its end has found, and how that grew. */
static void passes_are_in_later_reports(void **state)
{
	struct history *history = open_writer(0);
	struct buf out = {};
	struct past_stream s;
	struct past_keeper k;
	struct report_changes changes;
	struct model *m, *older;

	(void)state;
	past_keeper_begin(&k, history, "cache1", &s, WALL_NS, 5);
	s.rows = 25;
	while (s.t < 62) {
		past_second(&s);
		if (s.t == 15)
			past_pass(&s, 1000000);
		if (s.t == 35)
			past_pass(&s, 1500000);
	}
	chunker_free(k.chunker);
	windows_free(k.windows);
	assert_int_equal(k.errors, 0);
	assert_int_equal(ask("SELECT count(*) FROM pass"), 2);
	assert_int_equal(ask("SELECT count(*) FROM passed"), 8);
	m = model_of(history, WALL_MS + 1000, WALL_MS + 9000, NULL);
	assert_int_equal(m->passed_count, 0);
	model_free(m);
	m = model_of(history, WALL_MS + 21000, WALL_MS + 29000, NULL);
	assert_int_equal(m->passed_count, 4);
	assert_int_equal(m->passed[0].before_bytes, RECORD_UNKNOWN);
	model_free(m);
	m = model_of(history, WALL_MS + 51000, WALL_MS + 59000, NULL);
	assert_int_equal(m->passed_count, 4);
	assert_int_equal(m->passed_wall_ns, WALL_NS + 35000000000);
	assert_int_equal(m->passed_before_ns, WALL_NS + 15000000000);
	assert_int_equal(m->passed[0].before_bytes, 2000000);
	assert_string_equal(m->passed[1].passed.what, "prefix");
	assert_int_equal(m->passed[1].before_bytes, 1000000);
	assert_int_equal(m->passed[2].before_bytes, 77);
	assert_int_equal(m->passed[2].passed.key.len, 6);
	assert_memory_equal(m->passed[2].passed.key.data, "a\0\"b:*", 6);
	older = model_of(history, WALL_MS + 21000, WALL_MS + 29000, NULL);
	changes = (struct report_changes){ .server = "cache1", .before = older, .after = m };
	report_changes_json(&out, &changes);
	assert_non_null(strstr(buf_str(&out), "\"what\":\"prefix\",\"name\":\"user:*\","
					      "\"change\":500000,\"before\":1000000"));
	model_free(older);
	buf_clear(&out);
	document(&out, m);
	assert_non_null(strstr(buf_str(&out), "\"prefix\":\"user:*\""));
	assert_non_null(strstr(buf_str(&out), "\"grown_bytes\":500000"));
	buf_free(&out);
	model_free(m);
	history_close(history);
}

/* --- a restart ------------------------------------------------------------------- */

static struct outlook *watching, *also; /* also: begun again, NULL while it is not */

static void heed(struct past_keeper *k, const struct history_window *w)
{
	(void)k;
	outlook_take(watching, w->m, (double)w->end_ms / 1e3);
	if (also)
		outlook_take(also, w->m, (double)w->end_ms / 1e3);
}

static void past_save(struct past_stream *s)
{
	struct record r;

	record_clear(&r, RECORD_CHILD);
	r.child.pid = 900;
	r.child.purpose = "rdb";
	r.child.t_start_seconds = s->t - 3;
	r.child.t_end_seconds = s->t - 1;
	r.child.fork_seconds = 0.004;
	r.child.private_bytes = 5000000;
	r.child.exit_code = 0;
	past_emit(s, &r);
}

static void assert_same_outlook(struct outlook *a, struct outlook *b)
{
	struct trend x = outlook_trend(a, LIMIT_MAXMEMORY), y = outlook_trend(b, LIMIT_MAXMEMORY);
	struct next_save save = outlook_save(a), again = outlook_save(b);
	struct bytes prefix, same;
	double rate, rate_again;

	assert_true(x.bytes_per_second > 0 && x.seconds > 0);
	assert_true(x.seconds == y.seconds && x.confidence == y.confidence &&
		    x.bytes_per_second == y.bytes_per_second);
	x = outlook_trend(a, LIMIT_HOST);
	y = outlook_trend(b, LIMIT_HOST);
	assert_true(x.seconds == y.seconds && !isnan(y.bytes_per_second));
	assert_true(outlook_behind(a, &prefix, &rate) && outlook_behind(b, &same, &rate_again));
	assert_true(bytes_same(prefix, same));
	assert_true(fabs(rate_again / rate - 1) < 1e-6);
	assert_true(isfinite(save.seconds) && isfinite(save.copied_bytes));
	assert_true(again.seconds == save.seconds);
	assert_true(fabs(again.copied_bytes / save.copied_bytes - 1) < 0.02);
	assert_true(again.fork_seconds == save.fork_seconds);
}

static void an_outlook_goes_on_after_a_restart(void **state)
{
	struct history *history = open_writer(0);
	struct past_keeper k;
	struct past_stream s;
	struct outlook *refilled = outlook_new();
	struct err err = {};

	(void)state;
	watching = outlook_new();
	also = NULL;
	past_keeper_begin(&k, history, "cache1", &s, WALL_NS, 11);
	s.rows = 25;
	k.look = heed;
	while (s.t < 302) {
		past_second(&s);
		s.used += 2000000;
		if (s.t == 295)
			past_save(&s);
	}
	assert_true(outlook_is_empty(refilled));
	assert_int_equal(history_outlook(history, "cache1", WALL_MS + 302000, refilled, &err), 0);
	assert_false(outlook_is_empty(refilled));
	history_close(history);
	k.history = NULL;
	assert_int_equal(k.errors, 0);
	assert_int_equal(k.appended, 30);
	also = refilled;
	while (s.t < 312)
		past_second(&s);
	chunker_free(k.chunker);
	windows_free(k.windows);
	assert_int_equal(k.appended, 31);
	assert_same_outlook(watching, refilled);
	outlook_free(watching);
	outlook_free(refilled);
}

/* A time of which nothing is kept is no error, and neither is a server. */
static void an_outlook_of_nothing_is_empty(void **state)
{
	struct history *history = open_writer(0);
	struct outlook *o = outlook_new();

	(void)state;
	append_busy(history, "cache1", WALL_NS, 20);
	assert_int_equal(history_outlook(history, "other", WALL_MS + 20000, o, NULL), 0);
	assert_int_equal(history_outlook(history, "cache1", WALL_MS - 1000, o, NULL), 0);
	assert_int_equal(history_outlook(history, "cache1", WALL_MS + 4 * DAY_MS, o, NULL), 0);
	assert_true(outlook_is_empty(o));
	outlook_free(o);
	history_close(history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_report_of_then_is_that_of_then),	  TEST(several_windows_are_one_model),
		TEST(a_time_without_windows_says_so),	  TEST(a_model_is_of_one_session),
		TEST(what_happened_is_told_in_its_order), TEST(passes_are_in_later_reports),
		TEST(an_outlook_goes_on_after_a_restart), TEST(an_outlook_of_nothing_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
