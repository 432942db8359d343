/* SPDX-License-Identifier: BSD-2-Clause */
/* Every kind of record goes into a pack and comes back as it was; what is damaged is refused, and
 * what another version wrote is read as far as it is known. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "record/codec.h"
#include "record/pack.h"
#include "any_record.h"
#include "model_records.h"

struct taken {
	size_t count;
	void (*each)(size_t i, const struct record *record);
	struct record last; /* strings of the pack */
};

static void take(void *ctx, const struct record *record)
{
	struct taken *taken = ctx;

	taken->last = *record;
	if (taken->each)
		taken->each(taken->count, record);
	taken->count++;
}

static int replay(const struct buf *pack, struct taken *taken)
{
	struct err err = { 0 };

	return pack_replay(pack->data, pack->len, &(struct record_sink){ take, taken }, &err);
}

static struct buf pack_of(const struct record *records, size_t count)
{
	struct packer *packer = packer_new();
	struct buf out = { 0 };

	for (size_t i = 0; i < count; i++)
		assert_int_equal(pack_record(&out, packer, &records[i]), 0);
	pack_end(&out, packer);
	packer_free(packer);
	return out;
}

/* --- there and back ---------------------------------------------------------------- */

#define ALL (RECORD_KINDS * ANY_ROUNDS)

/* The kinds alternate, and each comes with all its values twice. */
static struct record any(size_t i)
{
	struct record record;

	any_record(&record, (enum record_kind)(i % RECORD_KINDS), i / RECORD_KINDS % ANY_ROUNDS);
	return record;
}

static void assert_any(size_t i, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	struct record in = any(i);

	assert_int_equal(record->kind, in.kind);
	for (size_t j = 0; j < schema->count; j++)
		assert_same_field(&in, record, &schema->fields[j]);
}

static struct buf pack_of_all(void)
{
	struct record *records = xcalloc(2 * ALL, sizeof(*records));
	struct buf pack;

	for (size_t i = 0; i < 2 * ALL; i++)
		records[i] = any(i);
	pack = pack_of(records, 2 * ALL);
	free(records);
	return pack;
}

static void test_round_trip(void **state)
{
	struct buf pack = pack_of_all();
	struct taken taken = { .each = assert_any };

	(void)state;
	assert_int_equal(replay(&pack, &taken), 0);
	assert_int_equal(taken.count, 2 * ALL);
	buf_free(&pack);
}

static const double doubles[] = {
	0,
	-0.0,
	1,
	-1,
	1e-9,
	10.000000001,
	1234567.123456789,
	1e18,
	INFINITY,
	-INFINITY,
	NAN,
	9007199254740993,
	-9007199254740991,
	0x1p-1074,
	0.5,
	0x1.8p100,
	1e300,
	1234567890123,
	0, /* far below the one before, and shorter as it is */
};

#define DOUBLES (sizeof(doubles) / sizeof(doubles[0]))

static void assert_double(size_t i, const struct record *record)
{
	double in = doubles[i % DOUBLES], out = record->child.fork_seconds;

	assert_true(isnan(in) ? isnan(out) : in == out && !signbit(in) == !signbit(out));
	assert_true(record->child.rss_bytes == (i % 2 ? INT64_MAX : INT64_MIN + 1));
}

static void test_numbers(void **state)
{
	struct record records[3 * DOUBLES];
	struct taken taken = { .each = assert_double };
	struct buf pack;

	(void)state;
	for (size_t i = 0; i < 3 * DOUBLES; i++) {
		records[i] = record_new(RECORD_CHILD);
		records[i].child.fork_seconds = doubles[i % DOUBLES];
		records[i].child.rss_bytes = i % 2 ? INT64_MAX : INT64_MIN + 1;
	}
	pack = pack_of(records, 3 * DOUBLES);
	assert_int_equal(replay(&pack, &taken), 0);
	assert_int_equal(taken.count, 3 * DOUBLES);
	buf_free(&pack);
}

/* What is the same, or alike, takes next to nothing. */
static void test_small(void **state)
{
	struct record record = record_new(RECORD_PROFILE);
	struct packer *packer = packer_new();
	struct buf out = { 0 };
	size_t before;
	char *line;

	(void)state;
	record.profile.command = "set";
	record.profile.key = (struct bytes){ "user:1000:name", 14 };
	record.profile.seconds = 0.010001234;
	pack_record(&out, packer, &record);
	before = out.len;
	record.profile.seconds = 0.010002345;
	pack_record(&out, packer, &record);
	line = record_encode(&record);
	assert_true(out.len - before < 10);
	assert_true(out.len - before < strlen(line) / 20);
	free(line);
	buf_free(&out);
	packer_free(packer);
}

/* Two packs may stand in one buffer, and neither knows of the other. */
static void test_two(void **state)
{
	struct record record = record_new(RECORD_CONFIG);
	struct packer *packer = packer_new();
	struct taken taken = { 0 };
	struct buf out = { 0 };
	struct err err;
	size_t first;

	(void)state;
	record.config.name = "maxmemory";
	record.config.value = "1";
	pack_record(&out, packer, &record);
	pack_end(&out, packer);
	first = out.len;
	pack_record(&out, packer, &record);
	pack_end(&out, packer);
	packer_free(packer);
	assert_int_equal(out.len, 2 * first);
	assert_int_equal(pack_replay(out.data + first, out.len - first,
				     &(struct record_sink){ take, &taken }, &err),
			 0);
	assert_string_equal(taken.last.config.name, "maxmemory");
	assert_int_equal(replay(&out, &taken), -EBADMSG); /* one pack is all of the data */
	buf_free(&out);
}

static void test_too_long(void **state)
{
	size_t len = PACK_BYTES_MAX / 2;
	char *text = malloc(len + 1);
	struct record record = record_new(RECORD_INFO);
	struct packer *packer = packer_new();
	struct taken taken = { 0 };
	struct buf out = { 0 };

	(void)state;
	memset(text, 'x', len);
	text[len] = '\0';
	record.info.text = text;
	assert_int_equal(pack_record(&out, packer, &record), 0);
	len = out.len;
	assert_int_equal(pack_record(&out, packer, &record), -EFBIG);
	assert_int_equal(out.len, len);
	pack_end(&out, packer);
	assert_int_equal(replay(&out, &taken), 0);
	assert_int_equal(taken.count, 1);
	packer_free(packer);
	buf_free(&out);
	free(text);
}

/* --- damage ---------------------------------------------------------------------------- */

/* In memory of its own size: a sanitizer sees what is read behind it. */
static int replay_copy(const struct buf *pack, size_t len, size_t change, char with,
		       struct taken *taken)
{
	struct buf copy = { .data = malloc(len), .len = len };
	int ret;

	memcpy(copy.data, pack->data, len);
	if (change < len)
		copy.data[change] ^= with;
	ret = replay(&copy, taken);
	free(copy.data);
	return ret;
}

static void test_cut(void **state)
{
	struct buf pack = pack_of_all();

	(void)state;
	for (size_t len = 0; len < pack.len; len += 1 + len / 97) {
		struct taken taken = { .each = assert_any }; /* what is before is right */

		assert_int_equal(replay_copy(&pack, len, SIZE_MAX, 0, &taken), -EBADMSG);
	}
	buf_free(&pack);
}

/* Strings are used as whoever takes them would. */
static void use(size_t i, const struct record *record)
{
	char *line = record_encode(record);

	(void)i;
	free(line);
}

static void test_changed(void **state)
{
	static const char with[] = { 1, 0x7f, (char)0x80, (char)0xff };
	struct buf pack = pack_of_all();

	(void)state;
	for (size_t i = 0; i < pack.len; i += 1 + i / 199) {
		struct taken taken = { .each = i % 7 ? NULL : use };

		replay_copy(&pack, pack.len, i, with[i % sizeof(with)], &taken);
		assert_true(taken.count < pack.len);
	}
	buf_free(&pack);
}

/* --- other versions ---------------------------------------------------------------------- */

/* Put @to in the place of @from, which is as long, wherever that is. */
static void rename_in(struct buf *pack, const char *from, const char *to)
{
	size_t len = strlen(from), found = 0;

	assert_int_equal(len, strlen(to));
	for (size_t i = 0; i + len <= pack->len; i++) {
		if (memcmp(pack->data + i, from, len) != 0)
			continue;
		memcpy(pack->data + i, to, len);
		found++;
	}
	assert_true(found > 0);
}

static struct buf pack_of_three(void)
{
	struct record records[4] = { record_new(RECORD_TICK), record_new(RECORD_STALL),
				     record_new(RECORD_STALL), record_new(RECORD_STALL) };

	records[0].tick.rss_bytes = 12345;
	records[0].tick.swap_bytes = 77;
	for (int i = 1; i < 4; i++) {
		records[i].stall.duration_seconds = i;
		records[i].stall.command = "keys";
		records[i].stall.event_ns[EVENT_CPU] = 5;
		records[i].stall.event_ns[EVENT_FAULT_SWAP] = 6;
		records[i].stall.commands[0] = (struct record_share){ "get", 9 };
	}
	records[2].stall.wait_call = WAITS - 1;
	return pack_of(records, 4);
}

static void assert_stalls(size_t i, const struct record *record)
{
	assert_int_equal(record->kind, RECORD_STALL);
	assert_true(record->stall.duration_seconds == (double)(i + 1));
	assert_string_equal(record->stall.command, "keys");
	assert_string_equal(record->stall.commands[0].name, "get");
}

static void test_unknown_kind(void **state)
{
	struct taken taken = { .each = assert_stalls };
	struct buf pack = pack_of_three();

	(void)state;
	rename_in(&pack, "tick", "tock");
	assert_int_equal(replay(&pack, &taken), 0);
	assert_int_equal(taken.count, 3);
	buf_free(&pack);
}

static void assert_tick(size_t i, const struct record *record)
{
	if (i)
		return;
	assert_true(record->tick.rss_bytes == RECORD_UNKNOWN);
	assert_true(record->tick.swap_bytes == 77);
}

static void test_unknown_field(void **state)
{
	struct taken taken = { .each = assert_tick };
	struct buf pack = pack_of_three();

	(void)state;
	rename_in(&pack, "rss_bytes", "rss_pages");
	rename_in(&pack, "commands_total", "commands_other");
	assert_int_equal(replay(&pack, &taken), 0);
	assert_int_equal(taken.count, 4);
	buf_free(&pack);
}

/* Of a table: counts lose the row, and a record that is one is skipped, but not the next. */
static void test_unknown_row(void **state)
{
	struct taken taken = { 0 };
	struct buf pack = pack_of_three();

	(void)state;
	rename_in(&pack, event_table[EVENT_FAULT_SWAP].name, "fault_else");
	rename_in(&pack, wait_names.name(WAITS - 1), "SIGCONT");
	assert_int_equal(replay(&pack, &taken), 0);
	assert_int_equal(taken.count, 3);
	assert_true(taken.last.stall.duration_seconds == 3);
	assert_true(taken.last.stall.event_ns[EVENT_CPU] == 5);
	assert_true(taken.last.stall.event_ns[EVENT_FAULT_SWAP] == 0);
	buf_free(&pack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_small),	      cmocka_unit_test(test_two),
		cmocka_unit_test(test_too_long),      cmocka_unit_test(test_cut),
		cmocka_unit_test(test_changed),	      cmocka_unit_test(test_unknown_kind),
		cmocka_unit_test(test_unknown_field), cmocka_unit_test(test_unknown_row),
	};

	return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
