/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of keys that go, in memory made up as servers have it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "redis/knowledge.h"
#include "sensor/gone_key.h"

#define BASE 0x7f0000000000ULL
#define SIZE 4096

static const struct redmem_object_layout usual = { .pointer = 8,
						   .refcount_shift = 32,
						   .refcount_bits = 32 };

static unsigned char memory[SIZE];

static int read_memory(pid_t pid, uint64_t address, void *out, size_t len)
{
	(void)pid;
	if (address < BASE || address + len > BASE + SIZE)
		return -EFAULT;
	memcpy(out, memory + (address - BASE), len);
	return 0;
}

/* A string object at @at: of one byte of length, or with that in its type's byte. */
static uint64_t put_object(size_t at, const char *name, bool long_header)
{
	unsigned char *object = memory + at;
	size_t header = long_header ? 3 : 1, len = strlen(name);
	uint64_t text = BASE + at + 16 + header;

	memset(object, 0, 96);
	object[0] = 0x80;
	object[4] = 1;
	memcpy(object + 8, &text, sizeof(text));
	if (long_header) {
		object[16] = object[17] = (unsigned char)len;
		object[18] = 1;
	} else {
		object[16] = (unsigned char)(len << 3);
	}
	memcpy(object + 16 + header, name, len + 1);
	return BASE + at;
}

static void finds_names(void **state)
{
	struct gone_key key;
	uint64_t at;

	(void)state;
	at = put_object(128, "leaderboard:global", true);
	assert_true(gone_key_at(1, at, &usual, read_memory, &key));
	assert_int_equal(key.len, 18);
	assert_memory_equal(key.text, "leaderboard:global", 18);
	at = put_object(128, "session:42", false);
	assert_true(gone_key_at(1, at, &usual, read_memory, &key));
	assert_memory_equal(key.text, "session:42", 10);
}

/* A string object at @at whose text of up to 64 bytes lies apart. */
static uint64_t put_apart(size_t at, const char *name)
{
	size_t len = strlen(name);
	uint64_t text = BASE + at + 64 + 3;

	memset(memory + at, 0, 192);
	memory[at + 4] = 1;
	memcpy(memory + at + 8, &text, sizeof(text));
	memory[at + 64] = memory[at + 65] = (unsigned char)len;
	memory[at + 66] = 1;
	memcpy(memory + at + 67, name, len + 1);
	return BASE + at;
}

/* "session:" and a digest in hexadecimal is such a name. */
static void finds_long_names(void **state)
{
	static const char name[] = "session:356a192b7913b04c54574d18c28d46e6395428ab";
	uint64_t key = put_apart(512, name), value = put_object(128, "active", true);
	const __u64 with_value[] = { value, key }, without[] = { key };
	struct gone_keys keys = { 0 };
	struct gone_key found;

	(void)state;
	assert_true(gone_key_at(1, key, &usual, read_memory, &found));
	assert_int_equal(found.len, 48);
	assert_memory_equal(found.text, name, 48);
	gone_keys_look(&keys, 1, &usual, with_value, 2, read_memory); /* while the value is freed */
	gone_keys_look(&keys, 1, &usual, without, 1, read_memory);
	assert_int_equal(gone_keys_looks(&keys), 2);
	assert_memory_equal(gone_keys_top(&keys)->text, name, 48);

	memory[512 + 65] = 3; /* less room than length */
	assert_false(gone_key_at(1, key, &usual, read_memory, &found));
	key = put_apart(512, "a_value_most_likely"); /* as a name it would lie with its object */
	assert_false(gone_key_at(1, key, &usual, read_memory, &found));
	memory[512 + 8] = memory[512 + 13] = 0;
	assert_false(gone_key_at(1, key, &usual, read_memory, &found));
}

/* Valkey 9.1: with a time that is not set, or without room for one. */
static void finds_names_of_valkey_9(void **state)
{
	static const char name[] = "session:{356a192b7913b04c54574d18c28d46e6395428ab}:cart";
	struct redmem_object_layout layout = knowledge_object_layout(
		&(struct server_release){ .product = PRODUCT_VALKEY, .major = 9, .minor = 1 });
	struct gone_key found;

	(void)state;
	for (int expire = 0; expire < 2; expire++) {
		unsigned char *object = memory + 128, *text = object + 11 + 8 * expire;

		memset(object, 0xff, 128);
		object[0] = 0x80;
		memset(object + 4, 0, 4);
		object[4] = (unsigned char)(1 << 3 | 4 | expire); /* one reference */
		text[-3] = sizeof(name) - 1;
		text[-2] = 90;
		text[-1] = 1;
		memcpy(text, name, sizeof(name));
		assert_true(gone_key_at(1, BASE + 128, &layout, read_memory, &found));
		assert_int_equal(found.len, sizeof(name) - 1);
		assert_memory_equal(found.text, name, sizeof(name) - 1);
		object[4] ^= 2; /* a key before its value: an entry of the table */
		assert_false(gone_key_at(1, BASE + 128, &layout, read_memory, &found));
	}
}

static void takes_nothing_else(void **state)
{
	struct gone_key key;
	uint64_t at = put_object(128, "session:42", true);

	(void)state;
	assert_false(gone_key_at(1, at + 4, &usual, read_memory, &key)); /* no object's address */
	assert_false(gone_key_at(1, 8, &usual, read_memory, &key));
	assert_false(gone_key_at(1, BASE + SIZE - 8, &usual, read_memory, &key)); /* not readable */
	memory[128] = 0x83; /* a sorted set */
	assert_false(gone_key_at(1, at, &usual, read_memory, &key));
	memory[128] = 0x80;
	memory[128 + 16] = 11; /* no end where it should be */
	assert_false(gone_key_at(1, at, &usual, read_memory, &key));
	at = put_object(128, "DEL", true);
	memset(memory + 132, 0xff, 3); /* shared: one of the server's own constants */
	assert_false(gone_key_at(1, at, &usual, read_memory, &key));
	at = put_object(128, "UNLINK", true); /* or not shared */
	assert_false(gone_key_at(1, at, &usual, read_memory, &key));
	at = put_object(128, "two words", true);
	assert_false(gone_key_at(1, at, &usual, read_memory, &key));
	memset(memory, 0, sizeof(memory));
	assert_false(gone_key_at(1, BASE + 128, &usual, read_memory, &key));
}

static void the_most_found_is_told(void **state)
{
	struct gone_keys keys = { 0 };
	uint64_t big = put_object(128, "board", true), other = put_object(256, "session:1", true);
	const __u64 first[] = { 7, big, big, other }, second[] = { 1, other }, none[] = { 1, 2 };

	(void)state;
	assert_null(gone_keys_top(&keys));
	gone_keys_look(&keys, 1, &usual, none, 2, read_memory);
	assert_int_equal(gone_keys_looks(&keys), 0);
	gone_keys_look(&keys, 1, &usual, first, 4, read_memory);
	gone_keys_look(&keys, 1, &usual, second, 2, read_memory);
	gone_keys_look(&keys, 1, &usual, first, 4, read_memory);
	assert_int_equal(gone_keys_looks(&keys), 3);
	assert_int_equal(gone_keys_top(&keys)->looks, 2);
	assert_memory_equal(gone_keys_top(&keys)->text, "board", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_names),
		cmocka_unit_test(finds_long_names),
		cmocka_unit_test(finds_names_of_valkey_9),
		cmocka_unit_test(takes_nothing_else),
		cmocka_unit_test(the_most_found_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
