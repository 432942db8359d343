/* SPDX-License-Identifier: BSD-2-Clause */
/* Key names by keyed hash: what stays, what goes, and that records carry nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/redact.h"
#include "model/prefix.h"
#include "record/schema.h"

static struct buf seen; /* the key of the record that came last */

static void take(void *ctx, const struct record *record)
{
	const struct bytes *key =
		record->kind == RECORD_STALL ? &record->stall.key : &record->slowlog.key;

	(void)ctx;
	buf_clear(&seen);
	buf_add(&seen, key->data, key->len);
}

static const struct record_sink sink = { take, NULL };

static char *redacted(const struct redact *r, const char *name)
{
	struct buf out = { 0 };

	redact_name(r, &out, name, strlen(name));
	return out.data ? out.data : xstrdup("");
}

static void what_varies_goes_and_the_first_word_stays(void **state)
{
	struct redact *r = redact_new();
	char *name = redacted(r, "session:90937:alice");
	struct buf folded = { 0 };

	(void)state;
	assert_int_equal(strncmp(name, "session:", 8), 0);
	assert_null(strstr(name, "90937"));
	assert_null(strstr(name, "alice"));
	assert_int_equal(strlen(name), strlen("session:") + 12 + 1 + 12);
	prefix_fold(&folded, name, strlen(name));
	assert_string_equal(buf_str(&folded), "session:*:*");
	buf_free(&folded);
	free(name);
	redact_free(r);
}

static void a_name_without_parts_is_a_hash(void **state)
{
	static const char *const names[] = { "alice", "user42:a", "jo@example.org:x", "\xff\x01" };
	struct redact *r = redact_new();

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *name = redacted(r, names[i]);

		assert_null(strstr(name, "alice"));
		assert_null(strstr(name, "user"));
		assert_null(strstr(name, "jo"));
		assert_null(strstr(name, "\xff"));
		free(name);
	}
	redact_free(r);
}

static void the_same_is_the_same_and_only_here(void **state)
{
	struct redact *r = redact_new(), *other = redact_new();
	char *a = redacted(r, "user:1"), *b = redacted(r, "user:1"), *c = redacted(r, "user:2");
	char *d = redacted(other, "user:1");

	(void)state;
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_string_not_equal(a, d);
	free(a);
	free(b);
	free(c);
	free(d);
	redact_free(r);
	redact_free(other);
}

static void records_go_on_with_hashes(void **state)
{
	struct redact *r = redact_new();
	struct record_sink in = redact_sink(r, &sink);
	struct record record;

	(void)state;
	record_clear(&record, RECORD_STALL);
	record.stall.key = (struct bytes){ "cart:zoe", 8 };
	record.stall.gone_key = (struct bytes){ "cart:joy", 8 };
	record_emit(&in, &record);
	assert_int_equal(strncmp(buf_str(&seen), "cart:", 5), 0);
	assert_null(strstr(buf_str(&seen), "zoe"));
	assert_string_equal(record.stall.key.data, "cart:zoe"); /* the caller's own */
	record_clear(&record, RECORD_SLOWLOG);
	record.slowlog.key = (struct bytes){ "cart:zoe", 8 };
	record_emit(&in, &record);
	assert_int_equal(strlen(buf_str(&seen)), strlen("cart:") + 12);
	record.slowlog.key = (struct bytes){ NULL, 0 };
	record_emit(&in, &record);
	assert_int_equal(seen.len, 0);
	redact_free(r);
	buf_free(&seen);
}

/* Every field that holds a key's name is one that is replaced. */
static void no_key_is_forgotten(void **state)
{
	(void)state;
	for (enum record_kind kind = 0; kind < RECORD_KINDS; kind++) {
		const struct record_schema *schema = record_schema(kind);

		for (size_t i = 0; i < schema->count; i++) {
			const char *name = schema->fields[i].name;

			if (schema->fields[i].type != FIELD_BYTES || strstr(name, "key"))
				continue;
			/* clients, and what names a part of a key that is asked for by name */
			if (strcmp(name, "client") != 0 && strcmp(name, "client_name") != 0 &&
			    strcmp(name, "address") != 0 && strcmp(name, "name") != 0)
				fail_msg("%s.%s: is it a key's name?", schema->name, name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_varies_goes_and_the_first_word_stays),
		cmocka_unit_test(a_name_without_parts_is_a_hash),
		cmocka_unit_test(the_same_is_the_same_and_only_here),
		cmocka_unit_test(records_go_on_with_hashes),
		cmocka_unit_test(no_key_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
