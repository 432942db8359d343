/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dumps hurt in any way, for libFuzzer: each input is read twice, whole and in pieces, into
 * the memory model of some server. Both must say the same, an error says what is wrong, and
 * what the sanitizers watch over must hold. See tests/fuzz/rdb for how it is run.
 *
 * With EXHAUST=FILE the file, which has a checksum, is cut at every offset and each of its
 * bytes changed once instead: an error every time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "rdb/limits.h"
#include "rdb/memory.h"
#include "rdb/rdb.h"

/* What was told of an input. */
struct told {
	struct rdb_memory *memory;
	uint64_t sum; /* of all events */
	int64_t keys;
	int ret;
	struct err err;
};

static void fail(const char *why, const struct err *err)
{
	fprintf(stderr, "%s: %s\n", why, err->text);
	abort();
}

static void stir(struct told *told, const void *data, size_t len)
{
	const unsigned char *at = data;
	uint64_t word = 0;

	for (; len; at += len < 8 ? len : 8, len -= len < 8 ? len : 8) {
		memcpy(&word, at, len < 8 ? len : 8);
		told->sum = (told->sum ^ word) * 0x9e3779b97f4a7c15;
		told->sum ^= told->sum >> 32;
	}
}

static int take(void *ctx, const struct rdb_event *event, struct err *err)
{
	struct told *told = ctx;
	uint64_t words[] = { event->kind, event->role, event->number };
	const struct memory_key *key;
	int ret;

	stir(told, words, sizeof(words));
	if (event->text && event->text->data)
		stir(told, event->text->data, event->text->len);
	ret = rdb_memory_take(told->memory, event, err);
	if (ret || event->kind != RDB_KEY_END)
		return ret;
	key = rdb_memory_key(told->memory);
	stir(told, event->key->name.data, event->key->name.len);
	stir(told, &key->bytes, sizeof(key->bytes));
	stir(told, &key->usage_bytes, sizeof(key->usage_bytes));
	stir(told, key->encoding, strlen(key->encoding));
	told->keys++;
	return 0;
}

/* In pieces of at most @piece bytes; each from memory of its own, so that a sanitizer sees what
 * is read behind it. */
static struct told read_dump(const uint8_t *data, size_t len, size_t piece,
			     const struct server_release *release)
{
	const struct memory_place place = { *release, 8, packed_limits_default };
	struct told told = { .memory = rdb_memory_new(&place) };
	struct rdb *rdb = rdb_new(&(struct rdb_sink){ take, &told });
	struct memory_totals totals;

	while (!told.ret && len) {
		size_t size;
		void *room = rdb_room(rdb, &size);

		if (size > piece)
			size = piece;
		if (size > len)
			size = len;
		memcpy(room, data, size);
		data += size;
		len -= size;
		told.ret = rdb_take(rdb, size, &told.err);
	}
	if (!told.ret)
		told.ret = rdb_close(rdb, &told.err);
	rdb_memory_totals(told.memory, &totals);
	stir(&told, &totals, sizeof(totals));
	rdb_memory_free(told.memory);
	rdb_free(rdb);
	if (told.ret < 0 && !*told.err.text)
		fail("an error without a word", &told.err);
	return told;
}

static struct server_release release_of(size_t number)
{
	const struct server_structures *row;
	size_t count = 0;

	while (knowledge_structures_at(count))
		count++;
	row = knowledge_structures_at(number % count);
	return row->since;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct server_release release = release_of(len);
	struct told whole = read_dump(data, len, SIZE_MAX, &release);
	struct told pieces = read_dump(data, len, 1 + len % 97, &release);

	if (whole.ret != pieces.ret || whole.sum != pieces.sum)
		fail("in pieces it is another dump", &pieces.err);
	return 0;
}

/* --- everything once -------------------------------------------------------- */

static void read_file(const char *path, uint8_t **data, size_t *len)
{
	FILE *file = fopen(path, "re");
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 1) {
		perror(path);
		exit(1);
	}
	rewind(file);
	*len = (size_t)size;
	*data = malloc(*len);
	if (!*data || fread(*data, 1, *len, file) != *len) {
		perror(path);
		exit(1);
	}
	fclose(file);
}

static void exhaust(const char *path)
{
	struct server_release release = release_of(0);
	struct told told;
	uint8_t *data;
	size_t len;

	read_file(path, &data, &len);
	told = read_dump(data, len, SIZE_MAX, &release);
	if (told.ret != 1)
		fail("the file is no whole dump", &told.err);
	setlinebuf(stdout);
	printf("%s: %zu bytes, %lld keys\n", path, len, (long long)told.keys);
	for (size_t cut = 0; cut < len; cut++) {
		told = read_dump(data, cut, SIZE_MAX, &release);
		if (told.ret != -ENODATA)
			fail("cut, and not said", &told.err);
	}
	printf("cut at each of them: %zu errors\n", len);
	for (size_t at = 0; at < len; at++) {
		uint8_t was = data[at];

		data[at] ^= (uint8_t)(1 + at * 0x9e3779b1 % 255);
		told = read_dump(data, len, SIZE_MAX, &release);
		if (told.ret >= 0)
			fail("changed, and not said", &told.err);
		data[at] = was;
	}
	printf("each of them changed: %zu errors\n", len);
	free(data);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *path = getenv("EXHAUST");

	(void)argc;
	(void)argv;
	if (path) {
		exhaust(path);
		exit(0);
	}
	return 0;
}
