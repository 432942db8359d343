/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks: windows over them give the reports that windows over the stream give.
 *
 *	test_chunk [RECORDING...]	the same of these recordings
 */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "diagnose/diagnose.h"
#include "model/chunk.h"
#include "model/chunk_rows.h"
#include "model/window.h"
#include "record/codec.h"
#include "record/recording.h"
#include "report/report.h"
#include "fake_stream.h"
#include "model_records.h"

/* --- reports ------------------------------------------------------------------------ */

struct reports {
	json_t *doctor[64], *alloc[64];
	double starts[64];
	size_t count;
};

static json_t *parsed(struct buf *document)
{
	json_t *json = json_loadb(document->data, document->len, 0, NULL);

	assert_non_null(json);
	buf_free(document);
	return json;
}

static void take_window(void *ctx, struct model *m, double start)
{
	struct reports *r = ctx;
	struct findings *f = diagnose(m);
	struct buf doctor = { 0 }, alloc = { 0 };

	assert_true(r->count < 64);
	report_doctor_json(&doctor, m, f);
	report_alloc_json(&alloc, m);
	r->doctor[r->count] = parsed(&doctor);
	r->alloc[r->count] = parsed(&alloc);
	r->starts[r->count++] = start;
	findings_free(f);
	model_free(m);
}

static void reports_free(struct reports *r)
{
	for (size_t i = 0; i < r->count; i++) {
		json_decref(r->doctor[i]);
		json_decref(r->alloc[i]);
	}
}

static bool
	many_keys; /* as a recording has them: with few samples, and so with equal times, each */

/* What chunk.h says is left out: when in the window bytes were moved. */
static bool is_left_out(const char *path)
{
	if (many_keys && !strcmp(path, ".doctor.hot_keys"))
		return true;
	return !strcmp(path, ".alloc.timeline") || !strcmp(path, ".alloc.peak") ||
	       !strcmp(path, ".doctor.alloc.peak");
}

static void assert_like(const json_t *a, const json_t *b, const char *path);

static void assert_like_members(const json_t *a, const json_t *b, const char *path)
{
	const char *name;
	json_t *value;
	char sub[512];

	json_object_foreach((json_t *)a, name, value) {
		snprintf(sub, sizeof(sub), "%s.%s", path, name);
		if (is_left_out(sub))
			continue;
		if (!json_object_get(b, name))
			fail_msg("%s: only in the stream's", sub);
		assert_like(value, json_object_get(b, name), sub);
	}
	json_object_foreach((json_t *)b, name, value)
		if (!json_object_get(a, name))
			fail_msg("%s.%s: only in the chunks'", path, name);
}

/* The row of @b that goes with the @i'th of @a: of names with times that are equal, or nearly so,
 * the order may differ. */
static const json_t *row_of(const json_t *a, const json_t *b, size_t i, const char *path)
{
	const char *name = strstr(path, "prefixes") ? "prefix" :
			   strstr(path, "commands") ? "command" :
			   strstr(path, "hot_keys") ? "key" :
						      NULL;
	const json_t *value = name ? json_object_get(json_array_get(a, i), name) : NULL;

	for (size_t j = 0; value && j < json_array_size(b); j++)
		if (json_equal((json_t *)value, json_object_get(json_array_get(b, j), name)))
			return json_array_get(b, j);
	return json_array_get(b, i);
}

static void assert_like(const json_t *a, const json_t *b, const char *path)
{
	char sub[512];

	if (json_is_number(a) && json_is_number(b)) {
		double x = json_number_value(a), y = json_number_value(b);
		/* Sums to 17 bits, and what is made of them: of differences less is known. */
		double part = strstr(path, "net_") ? 2e-3 : 1e-4;

		if (fabs(x - y) > part * fmax(fabs(x), fabs(y)) + 1e-9)
			fail_msg("%s: %.9g of the stream, %.9g of chunks", path, x, y);
		return;
	}
	if (json_typeof(a) != json_typeof(b))
		fail_msg("%s: another type", path);
	if (json_is_object(a)) {
		assert_like_members(a, b, path);
	} else if (json_is_array(a)) {
		if (json_array_size(a) != json_array_size(b))
			fail_msg("%s: %zu and %zu rows", path, json_array_size(a),
				 json_array_size(b));
		for (size_t i = 0; i < json_array_size(a); i++) {
			snprintf(sub, sizeof(sub), "%s[%zu]", path, i);
			assert_like(json_array_get(a, i), row_of(a, b, i, path), sub);
		}
	} else if (!json_equal((json_t *)a, (json_t *)b)) {
		fail_msg("%s: \"%s\" of the stream, \"%s\" of chunks", path,
			 json_is_string(a) ? json_string_value(a) : "?",
			 json_is_string(b) ? json_string_value(b) : "?");
	}
}

static void assert_same_reports(const struct reports *a, const struct reports *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_true(fabs(a->starts[i] - b->starts[i]) < 1e-9);
		assert_like(a->doctor[i], b->doctor[i], ".doctor");
		assert_like(a->alloc[i], b->alloc[i], ".alloc");
	}
}

/* --- chunks --------------------------------------------------------------------------- */

struct chunks {
	struct chunk rows[64];
	size_t count;
};

static void take_chunk(void *ctx, const struct chunk *chunk)
{
	struct chunks *chunks = ctx;
	struct chunk *own = &chunks->rows[chunks->count++];
	struct err err;

	assert_true(chunks->count < 64);
	assert_int_equal(chunk_open(own, xmemdup(chunk->data, chunk->len), chunk->len, &err), 0);
	assert_true(own->start_seconds == chunk->start_seconds);
	assert_true(own->end_seconds == chunk->end_seconds);
	assert_true(own->wall_start_ns == chunk->wall_start_ns);
	assert_int_equal(own->first, chunk->first);
}

static void chunks_free(struct chunks *chunks)
{
	for (size_t i = 0; i < chunks->count; i++)
		free((void *)chunks->rows[i].data);
}

/* The reports of windows over @count chunks from @first on. */
static void report_chunks(const struct chunks *chunks, size_t first, size_t count, double seconds,
			  struct reports *out)
{
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);
	struct err err;

	assert_int_equal(chunk_replay_state(&chunks->rows[first], &sink, &err), 0);
	windows_open(windows, seconds, take_window, out);
	for (size_t i = first; i < first + count; i++)
		assert_int_equal(chunk_replay(&chunks->rows[i], true, &sink, &err), 0);
	windows_end(windows);
	windows_free(windows);
}

/* --- a stream, to windows and to chunks ------------------------------------------------- */

struct both {
	struct windows *windows;
	struct chunker *chunker;
	struct record_sink to_windows, to_chunker;
	struct reports stream;
	struct chunks chunks;
};

static void take_both(void *ctx, const struct record *record)
{
	struct both *both = ctx;

	record_emit(&both->to_windows, record);
	record_emit(&both->to_chunker, record);
}

static struct record_sink begin(struct both *both, double window, double piece)
{
	*both = (struct both){ .windows = windows_new() };
	both->chunker = chunker_new(piece, take_chunk, &both->chunks);
	both->to_windows = windows_sink(both->windows);
	both->to_chunker = chunker_sink(both->chunker);
	windows_open(both->windows, window, take_window, &both->stream);
	return (struct record_sink){ take_both, both };
}

static void stop(struct both *both)
{
	windows_end(both->windows);
	windows_free(both->windows);
	chunker_end(both->chunker);
	chunker_free(both->chunker);
}

static void both_free(struct both *both)
{
	reports_free(&both->stream);
	chunks_free(&both->chunks);
}

/* Does the stream that @emit makes give the same reports both ways? */
static void check(void (*emit)(const struct record_sink *sink, const void *of), const void *of,
		  double window, double piece)
{
	struct reports reports = { .count = 0 };
	struct record_sink sink;
	struct both both;

	sink = begin(&both, window, piece);
	emit(&sink, of);
	stop(&both);
	assert_true(both.chunks.count > 0 && both.chunks.rows[0].first);
	report_chunks(&both.chunks, 0, both.chunks.count, window, &reports);
	assert_same_reports(&both.stream, &reports);
	reports_free(&reports);
	both_free(&both);
}

static void emit_fake(const struct record_sink *sink, const void *of)
{
	fake_stream_emit(sink, *(const int *)of);
}

static void test_windows(void **state)
{
	static const int seconds = 35;

	(void)state;
	check(emit_fake, &seconds, 10, 10);
	check(emit_fake, &seconds, 2, 2);
	check(emit_fake, &seconds, 20, 10);
	check(emit_fake, &seconds, 30, 2);
}

static void test_whole(void **state)
{
	static const int seconds = 9;

	(void)state;
	check(emit_fake, &seconds, INFINITY, 10);
}

/* A window begun in the middle of a session, from one chunk alone. */
static void test_begin_anywhere(void **state)
{
	struct record_sink sink;
	struct both both;

	(void)state;
	sink = begin(&both, 10, 10);
	fake_stream_emit(&sink, 45);
	stop(&both);
	assert_true(both.chunks.count >= 4);
	for (size_t i = 0; i < 4; i++) {
		struct reports one = { .count = 0 }, same = { .count = 1 };

		report_chunks(&both.chunks, i, 1, 10, &one);
		assert_true(one.count >= 1);
		same.doctor[0] = both.stream.doctor[i];
		same.alloc[0] = both.stream.alloc[i];
		same.starts[0] = both.stream.starts[i];
		while (one.count > 1) { /* the one that its last mark begins */
			json_decref(one.doctor[--one.count]);
			json_decref(one.alloc[one.count]);
		}
		assert_same_reports(&same, &one);
		reports_free(&one);
	}
	both_free(&both);
}

/* Three pieces become one, also in the middle of a session. */
static void test_merge(void **state)
{
	struct chunks merged = { .count = 0 };
	struct reports three = { .count = 0 }, one = { .count = 0 };
	struct record_sink sink;
	struct chunker *chunker;
	struct both both;
	struct err err;

	(void)state;
	sink = begin(&both, INFINITY, 2);
	fake_stream_emit(&sink, 13);
	stop(&both);
	chunker = chunker_new(6, take_chunk, &merged);
	sink = chunker_sink(chunker);
	assert_int_equal(chunk_replay_state(&both.chunks.rows[2], &sink, &err), 0);
	chunker_begin(chunker);
	for (size_t i = 2; i < 5; i++)
		assert_int_equal(chunk_replay(&both.chunks.rows[i], true, &sink, &err), 0);
	assert_int_equal(merged.count, 1);
	assert_true(merged.rows[0].start_seconds == both.chunks.rows[2].start_seconds);
	assert_true(merged.rows[0].end_seconds == both.chunks.rows[4].end_seconds);
	assert_true(merged.rows[0].wall_start_ns == both.chunks.rows[2].wall_start_ns);
	assert_false(merged.rows[0].first);
	report_chunks(&both.chunks, 2, 3, 6, &three);
	report_chunks(&merged, 0, 1, 6, &one);
	assert_true(one.count >= 1 && three.count >= 1);
	assert_like(three.doctor[0], one.doctor[0], ".doctor");
	assert_like(three.alloc[0], one.alloc[0], ".alloc");
	reports_free(&three);
	reports_free(&one);
	chunker_free(chunker);
	chunks_free(&merged);
	both_free(&both);
}

/* The watch asks the server where a chunk ends. */
static void test_end_at(void **state)
{
	struct chunks chunks = { .count = 0 };
	struct chunker *chunker = chunker_new(10, take_chunk, &chunks);
	struct record_sink sink = chunker_sink(chunker);
	struct fake_stream s = { .sink = &sink, .seed = 3 };

	(void)state;
	assert_false(chunker_end_at(chunker, 9.5));
	assert_true(chunker_end_at(chunker, 9.8));
	for (int i = 0; i < 10; i++)
		fake_stream_second(&s, i);
	assert_int_equal(chunks.count, 0); /* until all of it has come */
	assert_false(chunker_end_at(chunker, 11));
	assert_true(chunker_end_at(chunker, 20));
	fake_stream_second(&s, 10);
	assert_int_equal(chunks.count, 1);
	chunker_free(chunker);
	chunks_free(&chunks);
}

/* --- recordings ----------------------------------------------------------------------- */

struct marking {
	struct record_sink next;
	double mark;
};

/* Older recordings have no marks: after each tick there would have been one. */
static void mark_ticks(void *ctx, const struct record *record)
{
	struct marking *marking = ctx;
	struct record mark = record_new(RECORD_MARK);

	record_emit(&marking->next, record);
	if (record->kind != RECORD_TICK || !(record->tick.t_seconds > marking->mark))
		return;
	mark.mark.t_seconds = record->tick.t_seconds;
	mark.mark.drained_seconds = marking->mark;
	marking->mark = record->tick.t_seconds;
	record_emit(&marking->next, &mark);
}

static void emit_lines(const struct record_sink *sink, const void *of)
{
	struct marking marking = { *sink, 0 };
	struct record_sink marks = { mark_ticks, &marking };
	const char *path = of;
	char *line = NULL;
	size_t size = 0, calls = 0;
	ssize_t len;
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	while ((len = getline(&line, &size, file)) > 0) {
		struct record_decoded *keep;
		struct record record;
		struct err err;

		if (record_decode(line, (size_t)len, &record, &keep, &err))
			continue; /* the head, the end and what is not known */
		if (record.kind != RECORD_CALL || ++calls <= CHUNK_CALLS)
			record_emit(&marks, &record);
		record_decoded_free(keep);
	}
	free(line);
	fclose(file);
}

static void test_golden(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob("tests/golden/*.jsonl", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 6);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		print_message("# %s\n", files.gl_pathv[i]);
		check(emit_lines, files.gl_pathv[i], INFINITY, 10);
		check(emit_lines, files.gl_pathv[i], 10, 10);
		check(emit_lines, files.gl_pathv[i], 2, 2);
	}
	globfree(&files);
}

static char **recordings;

static void emit_recording(const struct record_sink *sink, const void *of)
{
	struct err err;

	if (recording_replay(of, sink, &err))
		fail_msg("%s", err.text);
}

static void test_recordings(void **state)
{
	(void)state;
	for (char **path = recordings; *path; path++) {
		many_keys = true;
		check(emit_recording, *path, 10, 10);
		check(emit_recording, *path, 2, 2);
	}
}

/* --- what is bounded ------------------------------------------------------------------- */

static void emit_mark(const struct record_sink *sink, double t, double drained)
{
	struct record mark = record_new(RECORD_MARK);

	mark.mark.t_seconds = t;
	mark.mark.drained_seconds = drained;
	record_emit(sink, &mark);
}

struct sums {
	size_t rows, folded, keys, calls, stalls;
	double seconds, alloc, squares;
	int64_t samples, calls_total;
	double longest;
};

static void sum(void *ctx, const struct record *record)
{
	const struct record_profile *p = &record->profile;
	struct sums *sums = ctx;

	if (record->kind == RECORD_CALL) {
		sums->calls++;
		sums->calls_total += record->call.calls > 0 ? record->call.calls : 1;
	}
	if (record->kind == RECORD_STALL) {
		sums->stalls++;
		sums->longest = fmax(sums->longest, record->stall.duration_seconds);
	}
	if (record->kind != RECORD_PROFILE)
		return;
	sums->rows++;
	sums->folded += p->folded;
	sums->keys += p->key.len && !p->folded;
	sums->samples += p->samples;
	if (p->event == EVENT_CPU)
		sums->seconds += p->seconds;
	if (p->event != EVENT_ALLOC)
		return;
	sums->alloc += p->events * (isnan(p->scale) ? 1 : p->scale);
	if (p->samples > 0)
		sums->squares += pow(p->events * (isnan(p->scale) ? 1 : p->scale), 2) /
				 (double)p->samples * (p->uneven > 1 ? p->uneven : 1);
}

struct counted {
	struct sums *sums;
	struct record_sink next;
};

static void sum_both(void *ctx, const struct record *record)
{
	struct counted *to = ctx;

	sum(to->sums, record);
	record_emit(&to->next, record);
}

/* Keys without end, names that do not fold, more calls and stalls than anybody wants. */
static void emit_flood(const struct record_sink *sink)
{
	struct record row = record_new(RECORD_PROFILE), call = record_new(RECORD_CALL);
	struct record stall = record_new(RECORD_STALL);
	char key[64];

	for (int i = 0; i < 60000; i++) {
		bool hot = i % 10 == 0;

		if (i % 2)
			snprintf(key, sizeof(key), "user:%d:name", i);
		else
			snprintf(key, sizeof(key), "w%c%c%c%c:%d", 'g' + i % 7, 'g' + i / 7 % 11,
				 'g' + i / 77 % 13, 'g' + i / 1001 % 17, i);
		if (hot)
			snprintf(key, sizeof(key), "hot:%d", i % 3);
		row.profile.event = i % 3 ? EVENT_CPU : EVENT_ALLOC;
		row.profile.command = i % 5 ? "set" : "get";
		row.profile.key = (struct bytes){ key, strlen(key) };
		row.profile.samples = 1 + i % 4;
		row.profile.events = (double)(100 + i);
		row.profile.scale = i % 2 ? 1.25 : NAN;
		row.profile.seconds = i % 3 ? 0.001 : NAN;
		row.profile.t_seconds = 1 + i * 1e-4;
		record_emit(sink, &row);
		call.call.t_seconds = 1 + i * 1e-4;
		call.call.command = "set";
		record_emit(sink, &call);
		stall.stall.t_seconds = 1;
		stall.stall.duration_seconds = 0.001 * (i % 5000);
		record_emit(sink, &stall);
	}
}

static void test_bounds(void **state)
{
	struct sums in = { 0 }, out = { 0 };
	struct chunks chunks = { .count = 0 };
	struct chunker *chunker = chunker_new(10, take_chunk, &chunks);
	struct counted to = { &in, chunker_sink(chunker) };
	struct record_sink sink = { sum_both, &to };
	struct err err;

	(void)state;
	emit_flood(&sink);
	emit_mark(&sink, 10, 10);
	assert_int_equal(chunks.count, 1);
	assert_int_equal(
		chunk_replay(&chunks.rows[0], true, &(struct record_sink){ sum, &out }, &err), 0);
	assert_true(out.rows <= 2 * CHUNK_ROWS + 16);
	assert_true(out.keys >= 2 && out.keys <= CHUNK_KEYS);
	assert_true(fabs(out.seconds - in.seconds) < 1e-5 * in.seconds);
	assert_true(fabs(out.alloc - in.alloc) < 1e-5 * in.alloc);
	assert_true(fabs(out.squares - in.squares) < 4e-3 * in.squares);
	assert_true(out.samples == in.samples);
	assert_true(out.calls <= CHUNK_CALLS);
	assert_true(out.calls_total == in.calls_total);
	assert_int_equal(out.stalls, CHUNK_KIND);
	assert_true(out.longest == in.longest);
	assert_true(chunks.rows[0].len < 256u << 10);
	chunker_free(chunker);
	chunks_free(&chunks);
}

static void ignore(void *ctx, const struct record *record)
{
	(void)ctx;
	(void)record;
}

/* Whatever a pipe or a file gives for a chunk. */
static void test_damaged(void **state)
{
	struct record_sink sink = { ignore, NULL };
	struct both both;

	(void)state;
	sink = begin(&both, INFINITY, 10);
	fake_stream_emit(&sink, 25);
	stop(&both);
	sink = (struct record_sink){ ignore, NULL };
	for (size_t c = 0; c < 2; c++) {
		const struct chunk *whole = &both.chunks.rows[c];

		for (size_t i = 0; i < whole->len; i += 1 + i / 50) {
			struct chunk chunk;
			struct err err;
			char *cut = malloc(i), *changed = xmemdup(whole->data, whole->len);

			memcpy(cut, whole->data, i);
			if (!chunk_open(&chunk, cut, i, &err))
				assert_true(chunk_replay(&chunk, false, &sink, &err) != 0);
			changed[i] ^= (char)(1 << i % 8);
			if (!chunk_open(&chunk, changed, whole->len, &err))
				chunk_replay(&chunk, false, &sink, &err);
			free(cut);
			free(changed);
		}
	}
	both_free(&both);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),	       cmocka_unit_test(test_whole),
		cmocka_unit_test(test_begin_anywhere), cmocka_unit_test(test_merge),
		cmocka_unit_test(test_end_at),	       cmocka_unit_test(test_golden),
		cmocka_unit_test(test_recordings),     cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_damaged),
	};

	recordings = argv + (argc > 0);
	return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
