/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Profiles made of a model: what is in them, that they add up to the whole whatever fractions
 * there are, and that no name of a key breaks one.
 */
#include "report_model.h"

#include <zlib.h>

#include "report/profile.h"
#include "report/profile.pb-c.h"

#define UNPACKED_MAX (8 << 20)

static void take_bytes(struct model *m, enum redmem_event event, const char *command,
		       struct bytes key, double bytes)
{
	take(m, (struct record){ .kind = RECORD_PROFILE,
				 .profile = { .event = event,
					      .thread = "",
					      .command = command,
					      .inner = "",
					      .key = key,
					      .symbol = "",
					      .samples = 1,
					      .events = bytes,
					      .scale = NAN,
					      .seconds = NAN } });
}

static struct report_profile *profile_of(const struct model *m)
{
	struct report_profile *p = report_profile_new();

	report_profile_take(p, m);
	report_profile_finish(p, m, "cache-1");
	return p;
}

static int64_t sum_of_kind(const struct report_profile *p, enum profile_kind kind)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->samples_count; i++)
		sum += p->samples[i].values[kind];
	return sum;
}

/* Through gzip and protocol buffers, and back. */
static Pprof__Profile *unpack(const struct report_profile *p, enum profile_kind shown)
{
	unsigned char *data = malloc(UNPACKED_MAX);
	z_stream z = { 0 };
	struct buf out = { 0 };
	Pprof__Profile *profile;

	report_pprof(&out, p, shown);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (unsigned char *)out.data;
	z.avail_in = (unsigned int)out.len;
	z.next_out = data;
	z.avail_out = UNPACKED_MAX;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	profile = pprof__profile__unpack(NULL, z.total_out, data);
	assert_non_null(profile);
	free(data);
	buf_free(&out);
	return profile;
}

/* The name of the frame at @depth of a sample, the leaf being 0. */
static const char *frame_of(const Pprof__Profile *profile, size_t sample, size_t depth)
{
	uint64_t id = profile->sample[sample]->location_id[depth];

	for (size_t i = 0; i < profile->n_location; i++) {
		if (profile->location[i]->id != id)
			continue;
		id = profile->location[i]->line[0]->function_id;
		for (size_t f = 0; f < profile->n_function; f++)
			if (profile->function[f]->id == id)
				return profile->string_table[profile->function[f]->name];
	}
	fail();
	return NULL;
}

static const char *label_of(const Pprof__Profile *profile, size_t sample, const char *key)
{
	const Pprof__Sample *row = profile->sample[sample];

	for (size_t i = 0; i < row->n_label; i++)
		if (!strcmp(profile->string_table[row->label[i]->key], key))
			return profile->string_table[row->label[i]->str];
	return "";
}

static struct model *model_flow(void)
{
	struct model *m = model_new();

	take_session(m);
	take_sensor(m, "flow", true, "");
	return m;
}

static void test_pprof(void **state)
{
	struct model *m = model_flow();
	struct report_profile *p;
	Pprof__Profile *profile;

	(void)state;
	take_bytes(m, EVENT_ALLOC, "set", key_of("user:17"), 700000);
	take_bytes(m, EVENT_FREE, "set", key_of("user:18"), 300000);
	model_finish(m);
	p = profile_of(m);
	profile = unpack(p, PROFILE_GROWTH);
	assert_int_equal(profile->n_sample_type, 3);
	assert_string_equal(profile->string_table[profile->sample_type[2]->type], "growth");
	assert_string_equal(profile->string_table[profile->default_sample_type], "growth");
	assert_int_equal(profile->period, 65536);
	assert_int_equal(profile->time_nanos, 1767225600000000000);
	assert_string_equal(profile->string_table[profile->mapping[0]->filename],
			    "/usr/bin/redis-server");
	assert_string_equal(profile->string_table[profile->mapping[0]->build_id], "c0ffee17");
	assert_int_equal(profile->n_sample, 1);
	assert_int_equal(profile->sample[0]->value[2], 400000);
	assert_int_equal(profile->sample[0]->n_location_id, 2);
	assert_string_equal(frame_of(profile, 0, 0), "user:*");
	assert_string_equal(frame_of(profile, 0, 1), "set");
	assert_string_equal(label_of(profile, 0, "command"), "set");
	assert_string_equal(label_of(profile, 0, "prefix"), "user:*");
	assert_string_equal(label_of(profile, 0, "thread"), "main");
	assert_string_equal(label_of(profile, 0, "server"), "cache-1");
	pprof__profile__free_unpacked(profile, NULL);
	report_profile_free(p);
	model_free(m);
}

/* A thousand thirds: each is rounded, and the sum is the whole's. */
static void test_fractions(void **state)
{
	struct model *m = model_flow();
	struct report_profile *p;
	char key[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		for (int j = 0, n = i; j < 6; j++, n /= 8)
			key[j] = (char)('p' + n % 8); /* letters do not fold */
		key[6] = 0;
		take_bytes(m, EVENT_ALLOC, "set", key_of(key), 1000.0 / 3);
		take_bytes(m, EVENT_FREE, "del", key_of(key), 2000.0 / 3);
	}
	model_finish(m);
	p = profile_of(m);
	assert_true(p->samples_count == 2000 + 1); /* and what is within the error */
	assert_int_equal(p->totals[PROFILE_ALLOC_SPACE], llround(m->alloc.alloc_bytes));
	for (enum profile_kind kind = 0; kind <= PROFILE_GROWTH; kind++)
		assert_int_equal(sum_of_kind(p, kind), p->totals[kind]);
	for (size_t i = 0; i < p->samples_count; i++) {
		int64_t bytes = p->samples[i].values[PROFILE_ALLOC_SPACE];

		assert_true(!bytes || (bytes >= 333 && bytes <= 334));
	}
	report_profile_free(p);
	model_free(m);
}

/* Each of them would end a frame, a line or a string of one of the forms. */
static void test_names(void **state)
{
	static const struct bytes names[] = {
		{ "a\0b", 3 },
		{ "\xff\xfe", 2 },
		{ "one;two", 7 },
		{ "li\nne", 5 },
		{ "\"q\\", 3 },
		{ "\xe2\x80\xae"
		  "bidi",
		  7 },
		{ "caf\xc3\xa9", 5 },
		{ "<script>", 8 },
	};
	struct model *m = model_flow();
	struct buf folded = { 0 }, speedscope = { 0 };
	size_t lines = 0, count = sizeof(names) / sizeof(names[0]);
	struct report_profile *p;
	Pprof__Profile *profile;
	json_t *root;

	(void)state;
	for (size_t i = 0; i < count; i++)
		take_bytes(m, EVENT_ALLOC, "set", names[i], 100);
	model_finish(m);
	p = profile_of(m);
	profile = unpack(p, PROFILE_ALLOC_SPACE);
	for (size_t i = 0; i < profile->n_string_table; i++)
		assert_true(
			utf8_is_plain(profile->string_table[i], strlen(profile->string_table[i])));
	pprof__profile__free_unpacked(profile, NULL);
	report_profile_folded(&folded, p, PROFILE_ALLOC_SPACE);
	for (const char *at = folded.data; *at; at++) {
		lines += *at == '\n';
		assert_true(*at == '\n' || *at & 0x80 || (*at >= ' ' && *at < 0x7f));
	}
	assert_int_equal(lines + 1, p->samples_count); /* and what is within the error */
	assert_non_null(strstr(folded.data, "set;one\\x3btwo 100\n"));
	report_speedscope(&speedscope, p, PROFILE_ALLOC_SPACE);
	root = json_loadb(speedscope.data, speedscope.len, 0, NULL);
	assert_non_null(root);
	json_decref(root);
	buf_free(&folded);
	buf_free(&speedscope);
	report_profile_free(p);
	model_free(m);
}

/* A name as long as the server allows is cut between two characters. */
static void test_long_name(void **state)
{
	struct report_profile *p = report_profile_new();
	struct model *m = model_empty();
	struct buf command = { 0 };
	struct stall stall = { .duration_seconds = 1, .inner = "", .db = RECORD_UNKNOWN };
	bool found = false;

	(void)state;
	buf_putc(&command, 'x');
	for (int i = 0; i < 40000; i++)
		buf_puts(&command, "\xc3\xa9");
	stall.command = buf_str(&command);
	stall.seconds[CAUSE_FORK] = 1;
	report_profile_take_stall(p, m, &stall);
	report_profile_finish(p, m, "s");
	for (size_t i = 0; i < p->names_count; i++) {
		assert_true(p->names[i].len <= 259);
		assert_true(utf8_is_plain(p->names[i].data, p->names[i].len));
		found |= p->names[i].len > 250;
	}
	assert_true(found);
	buf_free(&command);
	report_profile_free(p);
	model_free(m);
}

/* What shrank has a width, too, and is told apart. What may be chance is nobody's. */
static void test_growth(void **state)
{
	struct model *m = model_flow();
	struct buf out = { 0 };
	struct report_profile *p;

	(void)state;
	take_bytes(m, EVENT_ALLOC, "set", key_of("user:17"), 5000000);
	take_bytes(m, EVENT_ALLOC, "set", key_of("page:17"), 100000);
	take_bytes(m, EVENT_FREE, "set", key_of("page:17"), 60000);
	take_bytes(m, EVENT_FREE, "del", key_of("old:17"), 2000000);
	model_finish(m);
	p = profile_of(m);
	report_profile_folded(&out, p, PROFILE_GROWTH);
	assert_non_null(strstr(out.data, "(grown);set;user:* 5000000\n"));
	assert_non_null(strstr(out.data, "(shrunk);del;old:* 2000000\n"));
	assert_non_null(strstr(out.data, "(grown);(within the error) 40000\n"));
	assert_null(strstr(out.data, "page"));
	assert_int_equal(p->totals[PROFILE_GROWTH], 3040000);
	buf_free(&out);
	report_profile_free(p);
	model_free(m);
}

/* Stalls by cause, with the client that the server's slow log names. */
static void test_stalls(void **state)
{
	struct model *m = model_full(key_of("board:global"));
	struct report_profile *p = profile_of(m);
	Pprof__Profile *profile = unpack(p, PROFILE_STALL);
	int64_t allocator = 0;

	(void)state;
	assert_false(p->has[PROFILE_ALLOC_SPACE]); /* nobody followed them */
	assert_int_equal(p->totals[PROFILE_STALL], 2000000000);
	assert_int_equal(sum_of_kind(p, PROFILE_STALL), 2000000000);
	assert_int_equal(p->totals[PROFILE_CPU], 1600000000);
	assert_int_equal(sum_of_kind(p, PROFILE_CPU), 1600000000);
	for (size_t i = 0; i < profile->n_sample; i++)
		if (!strcmp(frame_of(profile, i, 0), "[allocator]")) {
			assert_string_equal(frame_of(profile, i, 1), "board:global");
			assert_string_equal(frame_of(profile, i, 2), "del");
			allocator += profile->sample[i]->value[1];
		}
	assert_int_equal(allocator, 1500000000);
	pprof__profile__free_unpacked(profile, NULL);
	report_profile_free(p);
	model_free(m);
}

/* Functions behind command and prefix, root first. */
static void test_functions(void **state)
{
	struct model *m = model_new();
	struct buf out = { 0 };
	struct report_profile *p;

	(void)state;
	take_session(m);
	take_sensor(m, "cpu", true, "");
	take(m, (struct record){ .kind = RECORD_PROFILE,
				 .profile = { .event = EVENT_CPU,
					      .thread = "",
					      .command = "get",
					      .inner = "",
					      .key = key_of("user:1"),
					      .symbol = "siphash;dictFind;getCommand",
					      .samples = 1,
					      .events = 1,
					      .seconds = 0.25 } });
	model_finish(m);
	p = profile_of(m);
	report_profile_folded(&out, p, PROFILE_CPU);
	assert_string_equal(out.data, "get;user:*;getCommand;dictFind;siphash 250000000\n");
	buf_free(&out);
	report_profile_free(p);
	model_free(m);
}

/* A watch for stalls may last for months: what grows is bounded, and adds up. */
static void test_stalls_bounded(void **state)
{
	struct report_profile *p = report_profile_new();
	struct model *m = model_empty();
	struct stall stall = {
		.duration_seconds = 0.001, .command = "get", .inner = "", .db = RECORD_UNKNOWN
	};
	char key[16];

	(void)state;
	stall.seconds[CAUSE_COMMAND] = 0.001;
	for (int i = 0; i < 40000; i++) {
		for (int j = 0, n = i; j < 8; j++, n /= 8)
			key[j] = (char)('p' + n % 8);
		stall.key = (struct bytes){ key, 8 };
		report_profile_take_stall(p, m, &stall);
	}
	report_profile_finish(p, m, "s");
	assert_true(p->samples_count < 16500);
	assert_int_equal(sum_of_kind(p, PROFILE_STALL), 40000000000);
	report_profile_free(p);
	model_free(m);
}

/* Of nothing that was measured there is no profile; and one without samples is one. */
static void test_nothing(void **state)
{
	struct model *m = model_empty();
	struct report_profile *p = profile_of(m);
	Pprof__Profile *profile = unpack(p, PROFILE_KINDS);

	(void)state;
	assert_int_equal(report_profile_first(p), PROFILE_KINDS);
	assert_int_equal(profile->n_sample, 0);
	assert_int_equal(profile->n_sample_type, 0);
	pprof__profile__free_unpacked(profile, NULL);
	report_profile_free(p);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pprof),	  cmocka_unit_test(test_fractions),
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_growth),	  cmocka_unit_test(test_stalls),
		cmocka_unit_test(test_functions), cmocka_unit_test(test_stalls_bounded),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("pprof", tests, NULL, NULL);
}
