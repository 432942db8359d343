/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of dumps (rdb/): every encoding by hand-made bytes, and what hostile bytes do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/escape.h"
#include "rdb/crc64.h"
#include "rdb/lzf.h"
#include "rdb/memory.h"
#include "rdb/packed.h"
#include "rdb/rdb.h"

/* --- a writer ------------------------------------------------------------- */

#define BYTES(out, text) buf_add(out, text, sizeof(text) - 1)

static void put_little(struct buf *out, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		buf_putc(out, (char)(value >> 8 * i));
}

static void put_blob(struct buf *out, const struct buf *blob)
{
	buf_putc(out, (char)0x80);
	for (int i = 3; i >= 0; i--)
		buf_putc(out, (char)(blob->len >> 8 * i));
	buf_add(out, blob->data, blob->len);
}

/* The end, with the checksum when @summed. */
static void put_end(struct buf *out, bool summed)
{
	struct crc64 *crc = xcalloc(1, sizeof(*crc));

	crc64_init(crc);
	buf_putc(out, (char)255);
	put_little(out, summed ? crc64_add(crc, 0, out->data, out->len) : 0, 8);
	free(crc);
}

/* Entries "a" and numbers, ended by NULL: listpack or ziplist of short ones. */
static void put_listpack(struct buf *out, const char *const *entries)
{
	struct buf body = {}, all = {};
	unsigned int count = 0;
	int64_t number;

	for (; *entries; entries++, count++) {
		size_t len = strlen(*entries), before = body.len;

		if (decimal_parse(*entries, len, &number)) {
			buf_putc(&body, (char)0xf4);
			put_little(&body, (uint64_t)number, 8);
		} else {
			buf_putc(&body, (char)(0x80 | len));
			buf_puts(&body, *entries);
		}
		buf_putc(&body, (char)(body.len - before));
	}
	put_little(&all, 6 + body.len + 1, 4);
	put_little(&all, count, 2);
	buf_add(&all, body.data, body.len);
	buf_putc(&all, (char)0xff);
	put_blob(out, &all);
	buf_free(&body);
	buf_free(&all);
}

static void put_ziplist(struct buf *out, const char *const *entries)
{
	struct buf body = {}, all = {};
	unsigned int count = 0;
	int64_t number;

	for (; *entries; entries++, count++) {
		size_t len = strlen(*entries);

		buf_putc(&body, 1);
		if (decimal_parse(*entries, len, &number)) {
			buf_putc(&body, (char)0xc0);
			put_little(&body, (uint64_t)number, 2);
		} else {
			buf_putc(&body, (char)len);
			buf_puts(&body, *entries);
		}
	}
	put_little(&all, 10 + body.len + 1, 4);
	put_little(&all, 10, 4);
	put_little(&all, count, 2);
	buf_add(&all, body.data, body.len);
	buf_putc(&all, (char)0xff);
	put_blob(out, &all);
	buf_free(&body);
	buf_free(&all);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* --- a reader: what it is told, as text ----------------------------------- */

struct reader {
	struct buf told;
	int events;
	int refuse_at; /* which event to refuse; 0 = none */
};

static enum packed_kind kind_of(enum rdb_part role)
{
	return role == PART_ZIPLIST ? PACKED_ZIPLIST :
	       role == PART_ZIPMAP  ? PACKED_ZIPMAP :
	       role == PART_INTSET  ? PACKED_INTSET :
				      PACKED_LISTPACK;
}

static void tell_packed(struct buf *out, enum rdb_part role, const struct rdb_text *text)
{
	struct packed_entry entry;
	struct packed packed;
	int ret = packed_open(&packed, kind_of(role), text->data, text->len);

	buf_puts(out, " [");
	for (int i = 0; !ret && (ret = packed_next(&packed, &entry)) > 0; i++, ret = 0) {
		buf_puts(out, i ? " " : "");
		if (entry.integer)
			buf_printf(out, "%lld", (long long)entry.value);
		else
			buf_add(out, entry.data, entry.len);
	}
	buf_puts(out, ret < 0 ? " broken]" : "]");
}

static void tell_text(struct buf *out, const struct rdb_event *event)
{
	const struct rdb_text *text = event->text;

	buf_printf(out, "%s%d:%zu", event->key ? " " : "\ntext ", event->role, text->len);
	if (text->data && ((event->role >= PART_ZIPLIST && event->role <= PART_STREAM_LISTPACK) ||
			   event->role == PART_TEMPLATE_LISTPACK)) {
		tell_packed(out, event->role, text);
	} else if (text->data) {
		buf_putc(out, '=');
		escape_redis(out, text->data, text->len < 40 ? text->len : 40);
	}
}

static int take(void *ctx, const struct rdb_event *event, struct err *err)
{
	struct reader *reader = ctx;
	struct buf *out = &reader->told;
	const struct rdb_key *key = event->key;

	if (++reader->events == reader->refuse_at)
		return err_set(err, -ECANCELED, "enough");
	switch (event->kind) {
	case RDB_BEGIN:
		buf_printf(out, "%s %llu", event->valkey ? "valkey" : "redis",
			   (unsigned long long)event->number);
		break;
	case RDB_AUX:
		buf_printf(out, "\naux %s=%.*s", event->name, (int)event->text->len,
			   event->text->data);
		break;
	case RDB_NUMBER:
		buf_printf(out, "%s%d#%llu", key ? " " : "\nnumber ", event->role,
			   (unsigned long long)event->number);
		break;
	case RDB_TEXT:
		tell_text(out, event);
		break;
	case RDB_KEY:
		buf_printf(out, "\n%s %.*s", rdb_type_name(key->type), (int)key->name.len,
			   key->name.data);
		if (key->expire_ms != RECORD_UNKNOWN)
			buf_printf(out, " ex=%lld", (long long)key->expire_ms);
		if (key->idle_seconds != RECORD_UNKNOWN)
			buf_printf(out, " idle=%lld", (long long)key->idle_seconds);
		if (key->freq != RECORD_UNKNOWN)
			buf_printf(out, " freq=%lld", (long long)key->freq);
		buf_puts(out, ":");
		break;
	case RDB_KEY_END:
		buf_printf(out, " (%lld)", (long long)key->stored);
		break;
	case RDB_END:
		buf_printf(out, "\nend %llu", (unsigned long long)event->number);
		break;
	}
	return 0;
}

/* Feed @len bytes in pieces of @piece; the result, and what was told, in @reader. */
static int read_all(struct reader *reader, const void *data, size_t len, size_t piece,
		    struct err *err, size_t *rest)
{
	struct rdb_sink sink = { take, reader };
	struct rdb *rdb = rdb_new(&sink);
	const char *at = data, *end = at + len;
	int ret = 0;

	while (!ret && at < end) {
		size_t room, n = (size_t)(end - at);
		void *to = rdb_room(rdb, &room);

		n = n < room ? n : room;
		n = n < piece ? n : piece;
		memcpy(to, at, n);
		at += n;
		ret = rdb_take(rdb, n, err);
	}
	if (!ret)
		ret = rdb_close(rdb, err);
	if (rest && ret == 1) {
		rdb_rest(rdb, rest);
		*rest += (size_t)(end - at);
	}
	rdb_free(rdb);
	return ret;
}

/* @body between a header of RDB 12 and the end comes to @told, in one piece and bytewise. */
static void expect(const struct buf *body, const char *told)
{
	struct buf all = {};

	BYTES(&all, "REDIS0012");
	buf_add(&all, body->data, body->len);
	put_end(&all, true);
	for (size_t piece = 1; piece <= all.len; piece += all.len - 1) {
		struct reader reader = {};
		struct err err = {};
		const char *line;

		if (read_all(&reader, all.data, all.len, piece, &err, NULL) != 1)
			fail_msg("%s", err.text);
		line = strchr(buf_str(&reader.told), '\n');
		assert_non_null(line);
		*strrchr(reader.told.data, '\n') = '\0';
		assert_string_equal(line + 1, told);
		buf_free(&reader.told);
	}
	buf_free(&all);
}

/* --- the parts ------------------------------------------------------------ */

/* Knuth's: the high bits are the good ones. */
static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005 + 1442695040888963407;
	return *seed >> 11;
}

static void test_crc64(void **state)
{
	struct crc64 *crc = xcalloc(1, sizeof(*crc));
	const char *text = "This is a test of the emergency broadcast system.";
	uint64_t whole, parts = 0;

	(void)state;
	crc64_init(crc);
	assert_true(crc64_add(crc, 0, "123456789", 9) == 0xe9c6d914c4b8d9caULL);
	whole = crc64_add(crc, 0, text, strlen(text));
	for (size_t i = 0; i < strlen(text); i++)
		parts = crc64_add(crc, parts, text + i, 1);
	assert_true(whole == parts);
	free(crc);
}

/* By multiplication and by tables: any length, from any address, and in any two pieces. */
static void test_crc64_both_ways(void **state)
{
	struct crc64 *fast = xcalloc(1, sizeof(*fast)), *plain = xcalloc(1, sizeof(*plain));
	uint64_t seed = 42;
	uint8_t data[4096];

	(void)state;
	crc64_init(fast);
	crc64_init(plain);
	plain->carryless = false;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(random_next(&seed) >> 40);
	for (int i = 0; i < 20000; i++) {
		size_t from = random_next(&seed) % 64;
		size_t len = random_next(&seed) % (i < 10000 ? 300 : sizeof(data) - 64);
		size_t split = random_next(&seed) % (len + 1);
		uint64_t before = random_next(&seed);
		uint64_t whole = crc64_add(plain, before, data + from, len);
		uint64_t first = crc64_add(fast, before, data + from, split);

		assert_true(crc64_add(fast, before, data + from, len) == whole);
		assert_true(crc64_add(fast, first, data + from + split, len - split) == whole);
	}
	free(fast);
	free(plain);
}

static void test_lzf(void **state)
{
	char out[64];

	(void)state;
	/* three as they are, then nine copied from three before */
	assert_int_equal(lzf_expand("\2abc\xe0\0\2", 7, out, 12), 0);
	assert_memory_equal(out, "abcabcabcabc", 12);
	/* a run of one byte */
	assert_int_equal(lzf_expand("\0a\x80\0", 4, out, 7), 0);
	assert_memory_equal(out, "aaaaaaa", 7);
	assert_int_equal(lzf_expand("\2abc\xe0\0\2", 7, out, 11), -EINVAL); /* too long */
	assert_int_equal(lzf_expand("\2abc\xe0\0\2", 7, out, 13), -EINVAL); /* too short */
	assert_int_equal(lzf_expand("\2abc\xe0\0\3", 7, out, 12), -EINVAL); /* before the start */
	assert_int_equal(lzf_expand("\2abc\xe0\0", 6, out, 12), -EINVAL);
	assert_int_equal(lzf_expand("\2abc\xe0", 5, out, 12), -EINVAL);
	assert_int_equal(lzf_expand("\5ab", 3, out, 6), -EINVAL);
}

static void test_decimal(void **state)
{
	static const struct {
		const char *text;
		bool number;
		int64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "-1", true, -1 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "00", false, 0 },
		{ "-0", false, 0 },
		{ "+1", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "1a", false, 0 },
		{ "01", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t value = 0;

		assert_int_equal(decimal_parse(rows[i].text, strlen(rows[i].text), &value),
				 rows[i].number);
		assert_true(value == rows[i].value);
		if (rows[i].number)
			assert_int_equal(decimal_len(value), strlen(rows[i].text));
	}
}

/* Entries of a listpack in each of its forms, and what listpack_entry_bytes() says of them. */
static void test_listpack(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int64_t value;
	} rows[] = {
		{ "\x7f", 1, 127 },
		{ "\xdf\xff", 2, -1 },
		{ "\xc1\x00", 2, 256 },
		{ "\xf1\x00\x80", 3, -32768 },
		{ "\xf2\xff\xff\x7f", 4, 8388607 },
		{ "\xf3\x00\x00\x00\x80", 5, INT32_MIN },
		{ "\xf4\xff\xff\xff\xff\xff\xff\xff\x7f", 9, INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct packed_entry entry;
		struct packed packed;
		struct buf all = {};

		put_little(&all, 6 + rows[i].len + 2, 4);
		put_little(&all, 1, 2);
		buf_add(&all, rows[i].bytes, rows[i].len);
		buf_putc(&all, (char)rows[i].len);
		buf_putc(&all, (char)0xff);
		assert_int_equal(packed_open(&packed, PACKED_LISTPACK, all.data, all.len), 0);
		assert_int_equal(packed_next(&packed, &entry), 1);
		assert_true(entry.integer && entry.value == rows[i].value);
		assert_int_equal(listpack_entry_bytes(&entry), rows[i].len + 1);
		assert_int_equal(packed_next(&packed, &entry), 0);
		buf_free(&all);
	}
}

static void test_ziplist(void **state)
{
	struct packed_entry entry;
	struct packed packed;
	struct buf all = {};
	static const char body[] = "\0\x02hi" /* text */
				   "\4\xfe\x9c" /* 8 bits: -100 */
				   "\3\xf0\x01\x00\x80" /* 24 */
				   "\5\xd0\x00\x00\x00\x80" /* 32 */
				   "\6\xe0\xff\xff\xff\xff\xff\xff\xff\x7f" /* 64 */
				   "\xfe\x0a\0\0\0\xfd" /* 12, behind a long one */
				   "\2\x40\x03"
				   "abc"; /* 14 bits of length */
	static const int64_t values[] = { 0, -100, -8388607, INT32_MIN, INT64_MAX, 12 };

	(void)state;
	put_little(&all, 10 + sizeof(body) - 1 + 1, 4);
	put_little(&all, 0, 4);
	put_little(&all, 7, 2);
	BYTES(&all, body);
	buf_putc(&all, (char)0xff);
	assert_int_equal(packed_open(&packed, PACKED_ZIPLIST, all.data, all.len), 0);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(packed_next(&packed, &entry), 1);
		assert_int_equal(entry.integer, i > 0 && i < 6);
		if (entry.integer)
			assert_true(entry.value == values[i]);
	}
	assert_memory_equal(entry.data, "abc", 3);
	assert_int_equal(packed_next(&packed, &entry), 0);
	buf_free(&all);
}

/* --- values --------------------------------------------------------------- */

static void test_strings(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\xfa\x03ver\x05"
		     "7.0.1"
		     "\xfe\x02"
		     "\xfb\x03\x01"
		     "\xfc\x10\x27\0\0\0\0\0\0"
		     "\x00\x01"
		     "a"
		     "\x02"
		     "hi"
		     "\xfd\x0a\0\0\0"
		     "\xf8\x05"
		     "\x00\x01"
		     "b"
		     "\xc0\xff"
		     "\xf9\x07"
		     "\x00\x01"
		     "c"
		     "\xc1\x00\x80"
		     "\x00\x01"
		     "d"
		     "\xc2\x00\x00\x00\x80"
		     "\x00\xc3\x07\x0c\x02"
		     "abc\xe0\0\2" /* a compressed name... */
		     "\xc3\x07\x0c\x02"
		     "abc\xe0\0\2"); /* ...and value, which nobody expands */
	expect(&body, "aux ver=7.0.1\nnumber 3#2\nnumber 4#3\nnumber 5#1\n"
		      "string a ex=10000: 14:2=hi (6)\n"
		      "string b ex=10000 idle=5: 14:2=-1 (5)\n"
		      "string c freq=7: 14:6=-32768 (6)\n"
		      "string d: 14:11=-2147483648 (8)\n"
		      "string abcabcabcabc: 14:12 (21)");
	buf_free(&body);
}

static void test_collections(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\x01\x01l\x02\x01x\xc0\x05"
		     "\x02\x01s\x01\x01m"
		     "\x03\x01z\x02\x01m\x03"
		     "1.5"
		     "\x01n\xfe"
		     "\x05\x01Z\x01\x01m\0\0\0\0\0\0\0\0"
		     "\x04\x01h\x01\x01"
		     "f"
		     "\x01v"
		     "\x16\x02r1\x01\x00\x01"
		     "f"
		     "\x01v" /* 22: release candidate of 7.4 */
		     "\x18\x02r2\x01\0\0\0\0\0\0\0\x01\x05\x01"
		     "f"
		     "\x01v");
	expect(&body, "list l: 15#2 16:1=x 16:1=5 (8)\n"
		      "set s: 15#1 16:1=m (6)\n"
		      "zset z: 15#2 16:1=m 16:1=n (13)\n"
		      "zset Z: 15#1 16:1=m 17#0 (14)\n"
		      "hash h: 15#1 18:1=f 19:1=v (8)\n"
		      "hash r1: 15#1 20#0 18:1=f 19:1=v (10)\n"
		      "hash r2: 21#1 15#1 20#5 18:1=f 19:1=v (18)");
	buf_free(&body);
}

static void test_packed(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\x09\x02zm\x09\x01\x01"
		     "f"
		     "\x02\x01"
		     "vw_"
		     "\xff"); /* one byte to spare */
	BYTES(&body, "\x0a\x02zl");
	put_ziplist(&body, LIST("a", "300"));
	BYTES(&body, "\x0b\x02is\x0c\x02\0\0\0\x02\0\0\0\x01\0\xff\xff");
	BYTES(&body, "\x0c\x02zz");
	put_ziplist(&body, LIST("m", "1"));
	BYTES(&body, "\x0d\x02hz");
	put_ziplist(&body, LIST("f", "v"));
	BYTES(&body, "\x0e\x02ql\x02");
	put_ziplist(&body, LIST("a"));
	put_ziplist(&body, LIST("b"));
	BYTES(&body, "\x10\x02hl");
	put_listpack(&body, LIST("f", "7"));
	BYTES(&body, "\x11\x02zp");
	put_listpack(&body, LIST("m", "2"));
	BYTES(&body, "\x12\x02q2\x02\x02");
	put_listpack(&body, LIST("a", "b"));
	BYTES(&body, "\x01\x03"
		     "big");
	BYTES(&body, "\x14\x02sl");
	put_listpack(&body, LIST("x"));
	BYTES(&body, "\x17\x02x1");
	put_listpack(&body, LIST("f", "v", "0"));
	BYTES(&body, "\x19\x02x2\0\0\0\0\0\0\0\0");
	put_listpack(&body, LIST("f", "v", "0"));
	expect(&body,
	       "hash zm: 27:9 [f vw] (14)\n"
	       "list zl: 26:18 [a 300] (27)\n"
	       "set is: 28:12 [1 -1] (17)\n"
	       "zset zz: 26:18 [m 1] (27)\n"
	       "hash hz: 26:17 [f v] (26)\n"
	       "list ql: 22#2 26:14 [a] 26:14 [b] (43)\n"
	       "hash hl: 29:20 [f 7] (29)\n"
	       "zset zp: 29:20 [m 2] (29)\n"
	       "list q2: 22#2 23#2 24:13=\\r\\x00\\x00\\x00\\x02\\x00\\x81a\\x02\\x81b\\x02\\xff"
	       " 23#1 24:3=big (29)\n"
	       "set sl: 29:10 [x] (19)\n"
	       "hash x1: 30:23 [f v 0] (32)\n"
	       "hash x2: 21#0 30:23 [f v 0] (40)");
	buf_free(&body);
}

static void put_stream(struct buf *body, int version)
{
	BYTES(body, "\x02st\x01\x10"
		    "0123456789abcdef");
	put_listpack(body, LIST("1", "0"));
	BYTES(body, "\x01\x05\x00"); /* length, last id */
	if (version > 1)
		BYTES(body, "\x05\x00\x00\x00\x01");
	BYTES(body, "\x01\x02gr\x05\x00");
	if (version > 1)
		BYTES(body, "\x01");
	BYTES(body, "\x01"
		    "0123456789abcdef"
		    "01234567"
		    "\x02"); /* one pending, twice delivered */
	BYTES(body, "\x01\x02"
		    "co"
		    "01234567");
	if (version > 2)
		BYTES(body, "01234567");
	BYTES(body, "\x01"
		    "0123456789abcdef");
	if (version > 4) /* one that was refused */
		BYTES(body, "\x01"
			    "0123456789abcdef");
	if (version > 3) /* a producer with one id, and one without */
		BYTES(body, "\x3c\x40\x64\x02\x02p1\x01\x03iid\x05\x00\x01q\x00\x05\x01");
}

/* What is told of one: its nodes and last id, what came with the second version, a group with its
 * last id, an entry that is pending, seen at, active at, that entry of the consumer. */
#define NODES	" 22#1 25:16=0123456789abcdef 31:27 [1 0] 32#1 41#5 42#0"
#define HEAD_2	" 43#0 44#0 45#1"
#define GROUP	" 33#1 34:2=gr 41#5 42#0"
#define ENTRY	" 47#3472611983179986487 48#4051376414998685030"
#define PENDING " 35#1" ENTRY " 49#3978425819141910832 50#2 36#1 37:2=co 51#3978425819141910832"
#define ACTIVE	" 52#3978425819141910832"
#define OWNED	" 38#1" ENTRY

static void test_streams(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\x0f");
	put_stream(&body, 1);
	BYTES(&body, "\x13");
	put_stream(&body, 2);
	BYTES(&body, "\x15");
	put_stream(&body, 3);
	expect(&body, "stream st:" NODES GROUP PENDING OWNED " (118)\n"
		      "stream st:" NODES HEAD_2 GROUP " 46#1" PENDING OWNED " (124)\n"
		      "stream st:" NODES HEAD_2 GROUP " 46#1" PENDING ACTIVE OWNED " (132)");
	buf_free(&body);
}

/* No server here writes these: they are Redis 8.6's and 8.8's. */
static void test_newest(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\xf3\x02" /* two classes of metadata: a string and a number, a string */
		     "spec\x05\x02hi\x02\x07\x00"
		     "SPEC\x05\x03you\x00"
		     "\x00\x01k\x01v");
	BYTES(&body, "\x1a");
	put_stream(&body, 4);
	BYTES(&body, "\x1b");
	put_stream(&body, 5);
	BYTES(&body, "\x1c\x01"
		     "a\x04\x01\x09" /* four elements; the next goes to place 9 */
		     "\x00\x00\x0c"
		     "a long story"
		     "\x01\x01"
		     "12345678"
		     "\x05\x02"
		     "12345678"
		     "\x08\x03\x02xy"
		     "\x1c\x01"
		     "b\x01\x00\x00\x03\x01z");
	expect(&body, "string k: 14:1=v (5)\n"
		      "stream st:" NODES HEAD_2 GROUP " 46#1" PENDING ACTIVE OWNED " (151)\n"
		      "stream st:" NODES HEAD_2 GROUP " 46#1" PENDING ACTIVE OWNED " (168)\n"
		      "array a: 15#4 (46)\n"
		      "array b: 15#1 (9)");
	buf_free(&body);
}

/* Nor these, of Redis 8.10: names that hashes share, and hashes of values only. */
static void test_templates(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\xf2\x01\x02\x01"
		     "a\x04name"
		     "\xf2\x00\x01\x01z"
		     "\x1e\x02h1");
	put_listpack(&body, LIST("1", "v", "300"));
	BYTES(&body, "\x20\x02h2\x01\xc0\x07\x05value"
		     "\x20\x02h3\x00\x01w");
	expect(&body, "number 53#1\nnumber 54#2\ntext 55:1=a\ntext 55:4=name\n"
		      "number 53#0\nnumber 54#1\ntext 55:1=z\n"
		      "hash h1: 56:30 [1 v 300] (39)\n"
		      "hash h2: 57#2 58:1=7 58:5=value (13)\n"
		      "hash h3: 57#1 58:1=w (7)");
	buf_free(&body);
}

static void test_modules_and_others(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\xf5\x03lib" /* functions */
		     "\xf7\x81\0\0\0\0\0\0\0\x09\x02\x01\x02\x05\x00" /* module aux: a number */
		     "\xf4\x05\x02\x01" /* slot info */
		     "\x07\x02mo\x07" /* id 7: string, number, float, double, signed, end */
		     "\x05\x02hi\x02\x40\x80\x03"
		     "1234"
		     "\x04"
		     "12345678"
		     "\x01\x00\x00"
		     "\x00\x01k\x00");
	expect(&body, "text 11:3=lib\nnumber 12#9\nnumber 6#5\nnumber 4#2\nnumber 5#1\n"
		      "module mo: 39#7 40:2=hi (29)\n"
		      "string k: 14:0= (4)");
	buf_free(&body);
}

static void test_valkey(void **state)
{
	struct reader reader = {};
	struct buf all = {};
	struct err err = {};

	(void)state;
	BYTES(&all, "VALKEY080"
		    "\xf3\x03job\x01\x00\x05" /* slots that come in */
		    "\x16\x01h\x01\x01"
		    "f"
		    "\x01v"
		    "\x07\0\0\0\0\0\0\0"); /* 22 is another type */
	put_end(&all, true);
	assert_int_equal(read_all(&reader, all.data, all.len, 3, &err, NULL), 1);
	assert_string_equal(buf_str(&reader.told),
			    "valkey 80\nhash h: 15#1 18:1=f 19:1=v 20#7 (16)\nend 1");
	buf_free(&reader.told);
	buf_free(&all);
}

/* --- what is wrong -------------------------------------------------------- */

static void refuse(const char *bytes, size_t len, const char *message)
{
	struct reader reader = {};
	struct err err = {};

	assert_true(read_all(&reader, bytes, len, len, &err, NULL) < 0);
	if (!strstr(err.text, message))
		fail_msg("'%s' does not say '%s'", err.text, message);
	buf_free(&reader.told);
}

#define REFUSE(bytes, message) refuse(bytes, sizeof(bytes) - 1, message)

static void test_refused(void **state)
{
	(void)state;
	REFUSE("RUBBISH!!", "this is no dump");
	REFUSE("REDIS00x1", "this is no dump");
	REFUSE("REDIS0016\x21\x01k", "offset 9: type 33 of Redis's RDB 16 is not known");
	REFUSE("REDIS0016\xf1", "opcode 241 of Redis's RDB 16 is not known");
	REFUSE("REDIS0015\x1d", "type 29 of Redis's RDB 15 is not known"); /* DUMP's alone */
	REFUSE("REDIS0015\xf2\x01\x00", "template 1 of 0 fields: that cannot be");
	REFUSE("REDIS0015\xf2\x80\x00\x20\x00\x00\x01", "template 2097152 of 1 fields");
	REFUSE("REDIS0015\xf2\x01\x01\x01z\x20\x01k\x00",
	       "a hash of template 0, which did not come before it");
	REFUSE("REDIS0015\x20\x01k\x01", "a hash of template 1, which did not come before it");
	REFUSE("VALKEY081\xf2", "opcode 242 of Valkey's RDB 81 is not known");
	REFUSE("REDIS0015\x1c\x01k\x01\x02", "no array says 2");
	REFUSE("REDIS0015\x1c\x01k\x01\x00\x00\x04", "no element of an array has the tag 4");
	REFUSE("VALKEY080\x18", "type 24 of Valkey's RDB 80 is not known");
	REFUSE("REDIS0011\x00\x01k\xc5", "no string has the form 5");
	REFUSE("REDIS0011\x00\x01k\x82", "0x82 begins no length");
	REFUSE("REDIS0011\x02\x01k\xc0", "a length is wanted");
	REFUSE("REDIS0011\x00\x01k\xc3\x01\x7f\xff", "impossible lengths");
	REFUSE("REDIS0011\x00\xc3\x01\x00\x01", "impossible lengths"); /* of nothing */
	REFUSE("REDIS0011\x07\x01k\x01\x09", "a module's value has no opcode 9");
	REFUSE("REDIS0011\xfe\x81\x7f\xff\xff\xff\xff\xff\xff\xff", "no server has a database");
	REFUSE("REDIS0011\x02\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
	       "in the value of key k (type 2) that begins at 9: the dump ends here");
	REFUSE("REDIS0011\x00\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xff", "a string of");
	REFUSE("REDIS0011\x00\x01k\x80\x03\xff\xff\xff", "the dump ends here");
	REFUSE("REDIS0011\xff\x01\0\0\0\0\0\0\0", "the checksum is wrong");
	REFUSE("hello", "this is no dump");
	REFUSE("REDIS00", "the dump ends here");
	REFUSE("", "the dump ends here");
}

/* A length is no reason to take memory: only what has come is. */
static void test_window_grows_with_what_comes(void **state)
{
	static const char head[] = "REDIS0011\x00\x01k\x80\x03\xff\xff\xff";
	struct reader reader = {};
	struct rdb_sink sink = { take, &reader };
	struct rdb *rdb = rdb_new(&sink);
	size_t size;

	(void)state;
	memcpy(rdb_room(rdb, &size), head, sizeof(head) - 1);
	assert_int_equal(rdb_take(rdb, sizeof(head) - 1, NULL), 0);
	rdb_room(rdb, &size);
	assert_true(size <= (size_t)1 << 20);
	rdb_free(rdb);
	buf_free(&reader.told);
}

/* Strings over 64 MiB are told of, and what follows them is read right. */
static void test_skips_what_is_too_long(void **state)
{
	static const char head[] = "REDIS0011\x00\x01k\x80\x04\x00\x00\x01";
	static const char tail[] = "\x00\x01n\x01v\xff\0\0\0\0\0\0\0\0";
	size_t left = RDB_HELD_MAX + 1, size, n;
	struct reader reader = {};
	struct rdb_sink sink = { take, &reader };
	struct rdb *rdb = rdb_new(&sink);

	(void)state;
	memcpy(rdb_room(rdb, &size), head, sizeof(head) - 1);
	assert_int_equal(rdb_take(rdb, sizeof(head) - 1, NULL), 0);
	for (; left; left -= n) {
		void *room = rdb_room(rdb, &size);

		assert_true(size <= (size_t)1 << 20);
		n = left < size ? left : size;
		memset(room, 'x', n);
		assert_int_equal(rdb_take(rdb, n, NULL), 0);
	}
	memcpy(rdb_room(rdb, &size), tail, sizeof(tail) - 1);
	assert_int_equal(rdb_take(rdb, sizeof(tail) - 1, NULL), 1);
	assert_string_equal(buf_str(&reader.told), "redis 11\nstring k: 14:67108865 (67108873)\n"
						   "string n: 14:1=v (5)\nend 0");
	rdb_free(rdb);
	buf_free(&reader.told);
}

static void test_sink_can_stop(void **state)
{
	static const char dump[] = "REDIS0011\xfe\x01\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0";

	(void)state;
	for (int i = 1; i <= 6; i++) {
		struct reader reader = { .refuse_at = i };
		struct err err = {};

		assert_int_equal(read_all(&reader, dump, sizeof(dump) - 1, 4, &err, NULL),
				 -ECANCELED);
		assert_int_equal(reader.events, i);
		assert_string_equal(err.text, "enough");
		buf_free(&reader.told);
	}
}

/* What stands behind the dump is handed on: an AOF with a preamble. */
static void test_rest(void **state)
{
	static const char dump[] = "REDIS0011\xff\0\0\0\0\0\0\0\0*1\r\n";
	struct reader reader = {};
	struct err err = {};
	size_t rest = 0;

	(void)state;
	assert_int_equal(read_all(&reader, dump, sizeof(dump) - 1, 100, &err, &rest), 1);
	assert_int_equal(rest, 4);
	buf_free(&reader.told);
}

/* --- all of it, hurt ------------------------------------------------------ */

/* Streams, metadata of a key, an array. */
static void put_latest(struct buf *all)
{
	BYTES(all, "\x15");
	put_stream(all, 3);
	BYTES(all, "\x1b");
	put_stream(all, 5);
	BYTES(all, "\xf3\x01spec\x02\x07\x00"
		   "\x1c\x01"
		   "a\x03\x01\x09\x00\x00\x02xy\x01\x01"
		   "12345678"
		   "\x08\x03\x00"
		   "\xf2\x01\x02\x01"
		   "f\x02g2\x20\x02ta\x01\xc0\x07\x03val"
		   "\x1e\x02tl");
	put_listpack(all, LIST("1", "v", "300"));
}

/* A dump with every layout that there is. */
static void put_everything(struct buf *all, bool summed)
{
	BYTES(all, "REDIS0012"
		   "\xfa\x09redis-ver\x05"
		   "8.0.6"
		   "\xf5\x03lib"
		   "\xf7\x09\x02\x01\x05\x01x\x00"
		   "\xfe\x00\xfb\x03\x01\xf4\x05\x02\x01"
		   "\xfc\x10\x27\0\0\0\0\0\0\xf9\x03"
		   "\x00\x01"
		   "a"
		   "\x02"
		   "hi"
		   "\x00\x01"
		   "c"
		   "\xc1\x00\x80"
		   "\x00\xc3\x07\x0c\x02"
		   "abc\xe0\0\2"
		   "\xc3\x07\x0c\x02"
		   "abc\xe0\0\2"
		   "\x01\x01l\x02\x01x\xc0\x05"
		   "\x03\x01z\x02\x01m\x03"
		   "1.5"
		   "\x01n\xfe"
		   "\x05\x01Z\x01\x01m\0\0\0\0\0\0\0\0"
		   "\x04\x01h\x01\x01"
		   "f"
		   "\x01v"
		   "\x18\x02r2\x01\0\0\0\0\0\0\0\x01\x05\x01"
		   "f"
		   "\x01v"
		   "\x09\x02zm\x09\x01\x01"
		   "f"
		   "\x02\x01"
		   "vw_"
		   "\xff"
		   "\x0b\x02is\x0c\x02\0\0\0\x02\0\0\0\x01\0\xff\xff"
		   "\x0e\x02ql\x01");
	put_ziplist(all, LIST("a", "300"));
	BYTES(all, "\x0d\x02hz");
	put_ziplist(all, LIST("f", "v"));
	BYTES(all, "\x12\x02q2\x02\x02");
	put_listpack(all, LIST("a", "b"));
	BYTES(all, "\x01\x03"
		   "big"
		   "\x19\x02x2\0\0\0\0\0\0\0\0");
	put_listpack(all, LIST("f", "v", "0"));
	put_latest(all);
	BYTES(all, "\x07\x02mo\x07\x05\x02hi\x02\x40\x80\x03"
		   "1234"
		   "\x04"
		   "12345678"
		   "\x00");
	put_end(all, summed);
}

/* However it comes in pieces, the same is told. */
static void test_pieces(void **state)
{
	struct reader whole = {};
	struct buf all = {};
	struct err err = {};

	(void)state;
	put_everything(&all, true);
	assert_int_equal(read_all(&whole, all.data, all.len, all.len, &err, NULL), 1);
	for (size_t piece = 1; piece < all.len; piece++) {
		struct reader reader = {};

		assert_int_equal(read_all(&reader, all.data, all.len, piece, &err, NULL), 1);
		assert_string_equal(buf_str(&reader.told), buf_str(&whole.told));
		buf_free(&reader.told);
	}
	buf_free(&whole.told);
	buf_free(&all);
}

static void test_cut_anywhere(void **state)
{
	struct buf all = {};

	(void)state;
	put_everything(&all, true);
	for (size_t len = 0; len < all.len; len++) {
		/* a copy of its own, so that a sanitizer sees what reads behind it */
		char *copy = xmemdup(all.data, len);
		struct reader reader = {};
		struct err err = {};

		assert_int_equal(read_all(&reader, copy, len, len + 1, &err, NULL), -ENODATA);
		assert_non_null(strstr(err.text, "the dump ends here"));
		free(copy);
		buf_free(&reader.told);
	}
	buf_free(&all);
}

/* Every byte, to each of a few others: an error, or what the dump ends with is no end. */
static void test_changed_anywhere(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x20, 0x80, 0xff };
	struct buf all = {};

	(void)state;
	put_everything(&all, true);
	for (size_t i = 0; i < all.len * sizeof(masks); i++) {
		struct reader reader = {};
		struct err err = {};
		size_t rest = 0;
		int ret;

		all.data[i / sizeof(masks)] ^= (char)masks[i % sizeof(masks)];
		ret = read_all(&reader, all.data, all.len, 1 << 20, &err, &rest);
		assert_true(ret < 0 ? *err.text != '\0' : rest > 0);
		all.data[i / sizeof(masks)] ^= (char)masks[i % sizeof(masks)];
		buf_free(&reader.told);
	}
	buf_free(&all);
}

/* Without a checksum to stop it: whatever is told, it ends, and nothing is read beyond. */
static void test_changed_without_checksum(void **state)
{
	struct buf all = {};
	uint32_t seed = 1;

	(void)state;
	put_everything(&all, false);
	for (int round = 0; round < 20000; round++) {
		char *copy = xmemdup(all.data, all.len);
		struct reader reader = {};
		struct err err = {};

		for (int i = 0; i <= round % 4; i++) {
			seed = seed * 1664525 + 1013904223;
			copy[9 + (seed >> 8) % (all.len - 9)] = (char)(seed >> 4);
		}
		if (read_all(&reader, copy, all.len, 1 << 20, &err, NULL) < 0)
			assert_true(*err.text != '\0');
		free(copy);
		buf_free(&reader.told);
	}
	buf_free(&all);
}

/* --- what it takes in memory -------------------------------------------------- */

struct weigher {
	struct rdb_memory *memory;
	struct memory_key last;
	int64_t keys;
};

static int weigh(void *ctx, const struct rdb_event *event, struct err *err)
{
	struct weigher *w = ctx;
	int ret = rdb_memory_take(w->memory, event, err);

	if (!ret && event->kind == RDB_KEY_END) {
		w->last = *rdb_memory_key(w->memory);
		w->keys++;
		if (event->key->type != RDB_MODULE && event->key->type != RDB_ARRAY)
			assert_true(w->last.bytes >= 0 && w->last.usage_bytes > 0);
	}
	return ret;
}

static struct rdb_memory *memory_at(const struct server_release *release, int quantum)
{
	const struct memory_place place = { *release, quantum, packed_limits_default };

	return rdb_memory_new(&place);
}

static struct rdb_memory *memory_of(const char *product, const char *version, int quantum)
{
	const struct server_release release = server_release_of(product, version);

	return memory_at(&release, quantum);
}

/* All of @data; 1 when it was read to its end. */
static int weigh_all(struct weigher *w, const void *data, size_t len, struct err *err)
{
	struct rdb_sink sink = { weigh, w };
	struct rdb *rdb = rdb_new(&sink);
	const char *at = data, *end = at + len;
	int ret = 0;

	while (!ret && at < end) {
		size_t room, n = (size_t)(end - at);
		void *to = rdb_room(rdb, &room);

		n = n < room ? n : room;
		memcpy(to, at, n);
		at += n;
		ret = rdb_take(rdb, n, err);
	}
	if (!ret)
		ret = rdb_close(rdb, err);
	rdb_free(rdb);
	return ret;
}

static void expect_bytes(const char *product, const char *version, int quantum, const char *value,
			 size_t len, const char *encoding, int64_t usage, int64_t bytes)
{
	struct weigher w = { .memory = memory_of(product, version, quantum) };
	struct buf all = {};
	struct err err = {};

	BYTES(&all, "REDIS0011");
	buf_add(&all, value, len);
	put_end(&all, false);
	if (weigh_all(&w, all.data, all.len, &err) != 1)
		fail_msg("%s", err.text);
	assert_string_equal(w.last.encoding, encoding);
	assert_int_equal(w.last.usage_bytes, usage);
	assert_int_equal(w.last.bytes, bytes);
	rdb_memory_free(w.memory);
	buf_free(&all);
}

#define EXPECT_BYTES(product, version, quantum, value, ...) \
	expect_bytes(product, version, quantum, value, sizeof(value) - 1, __VA_ARGS__)

static void test_memory_of_strings(void **state)
{
	(void)state;
	/* name 3 in 8, entry 24 in 24 or 32, object 16 */
	EXPECT_BYTES("redis", "7.0.15", 8, "\x00\x01k\xc2\x10\x27\0\0", "int", 48, 48);
	EXPECT_BYTES("redis", "7.0.15", 16, "\x00\x01k\xc2\x10\x27\0\0", "int", 48, 56);
	/* below 10,000 the object is shared, which MEMORY USAGE does not see */
	EXPECT_BYTES("redis", "7.0.15", 8, "\x00\x01k\xc0\x05", "int", 48, 32);
	EXPECT_BYTES("redis", "7.0.15", 8, "\x00\x01k\x02hi", "embstr", 56, 56);
	/* a time of expiry has an entry of its own */
	EXPECT_BYTES("redis", "7.0.15", 8, "\xfc\1\0\0\0\0\0\0\0\x00\x01k\x02hi", "embstr", 56, 80);
	/* name and value in the object; from 9.1 on where the pointer would be, and at least its
	 * 8 bytes: 8 + 8 + 1 + 3 + 8 with a time of expiry */
	EXPECT_BYTES("valkey", "8.1.1", 16, "\x00\x01k\x02hi", "embstr", 32, 32);
	EXPECT_BYTES("valkey", "9.1.2", 16, "\x00\x01k\x02hi", "embstr", 32, 32);
	EXPECT_BYTES("valkey", "9.1.2", 8, "\xfc\1\0\0\0\0\0\0\0\x00\x01k\x02hi", "embstr", 32, 32);
}

/* A string whose name and value are of these lengths on a Valkey, and what its object takes;
 * MEMORY USAGE does not count the name in the object of a raw one. */
static void expect_in_object(const char *version, size_t name, size_t text, bool expires,
			     const char *encoding, int64_t object)
{
	int64_t beside = encoding[0] != 'r' ? 0 : text < 7 ? 8 : 16;
	bool misses = beside && version[0] == '8';
	struct buf value = {};

	if (expires)
		BYTES(&value, "\xfc\1\0\0\0\0\0\0\0");
	BYTES(&value, "\0");
	for (size_t len = name;; len = text) {
		buf_putc(&value, 0x40);
		buf_putc(&value, (char)len);
		for (size_t i = 0; i < len; i++)
			BYTES(&value, "a");
		if (len == text)
			break;
	}
	expect_bytes("valkey", version, 16, value.data, value.len, encoding,
		     misses ? 16 + beside : object + beside, object + beside);
	buf_free(&value);
}

/* Up to where Valkey 8.1 puts the value into the object, as 8.1.1 does it: 16 + name + 3 + value
 * + 4 and 8 for a time of expiry are at most 64, although the head of a name of 32 bytes takes 2
 * more; and a time of expiry that has room in what was allocated without it moves nothing. */
static void test_memory_of_string_borders(void **state)
{
	(void)state;
	expect_in_object("8.1.1", 31, 10, false, "embstr", 64);
	expect_in_object("8.1.1", 31, 11, false, "raw", 64);
	expect_in_object("8.1.1", 32, 9, false, "embstr", 80);
	expect_in_object("8.1.1", 32, 10, false, "raw", 64);
	expect_in_object("8.1.1", 40, 1, false, "embstr", 80);
	expect_in_object("8.1.1", 41, 1, false, "raw", 64);
	expect_in_object("8.1.1", 32, 2, true, "raw", 64);
	expect_in_object("8.1.1", 32, 1, true, "embstr", 80);
	expect_in_object("8.1.1", 33, 1, true, "raw", 64);
	expect_in_object("8.1.1", 39, 2, true, "embstr", 80);
	expect_in_object("8.1.1", 38, 2, true, "embstr", 80);
	expect_in_object("8.1.1", 37, 2, true, "raw", 80);
	/* 9.1: 8 + 1 + name + 4 + value + 4 are at most 128; a value of 1 leaves room for 8 */
	expect_in_object("9.1.2", 100, 11, false, "embstr", 128);
	expect_in_object("9.1.2", 101, 11, false, "raw", 128);
	expect_in_object("9.1.2", 102, 1, true, "embstr", 160);
	expect_in_object("9.1.2", 103, 1, true, "raw", 160);
	expect_in_object("9.1.2", 107, 1, true, "raw", 160);
	expect_in_object("9.1.2", 108, 1, true, "embstr", 160);
	expect_in_object("9.1.2", 110, 1, true, "embstr", 160);
	expect_in_object("9.1.2", 111, 1, true, "raw", 160);
}

static void test_memory_of_collections(void **state)
{
	struct buf body = {};

	(void)state;
	/* one listpack of 11 bytes: 7, an entry of 2 and one of 2 */
	EXPECT_BYTES("redis", "7.2.6", 8, "\x01\x01l\x02\x01x\xc0\x05", "listpack", 48 + 16,
		     48 + 16);
	/* before 7.2 in a quicklist of 40 with a node of 40 */
	EXPECT_BYTES("redis", "7.0.15", 8, "\x01\x01l\x02\x01x\xc0\x05", "quicklist", 48 + 16 + 80,
		     48 + 16 + 80);
	EXPECT_BYTES("redis", "7.0.15", 8, "\x02\x01s\x02\xc0\x01\xc0\x02", "intset", 48 + 16,
		     48 + 16);
	/* dict 56, four places, an entry and a member of 8 */
	EXPECT_BYTES("redis", "7.0.15", 8, "\x02\x01s\x01\x01m", "hashtable", 48 + 56 + 32 + 32,
		     48 + 56 + 32 + 32);
	/* a packed one counts as it stands, from a ziplist as it will stand: 7 + 3 + 3 */
	BYTES(&body, "\x0d\x01h");
	put_ziplist(&body, LIST("f", "v"));
	expect_bytes("redis", "7.0.15", 8, body.data, body.len, "listpack", 48 + 16, 48 + 16);
	buf_free(&body);
}

/* Modules' values are told of as not known, and nothing else is. */
/* Two entries, a group with a consumer to whom one is pending, and one with nothing. The first
 * figure is what each of these servers said itself, loaded with it: MEMORY USAGE SAMPLES 0. */
static void test_memory_of_a_stream(void **state)
{
#define STREAM                                                                                     \
	"\x15\x02st\x01\x10\0\0\x01\x8b\xcf\xe5\x68\0\0\0\0\0\0\0\0\0"                             \
	"\x28\x28\0\0\0\x0f\0\x02\x01\0\x01\x01\x01\x81\x66\x02\0\x01\x02\x01\0\x01\0\x01\x81\x76" \
	"\x02\x04\x01\x02\x01\x01\x01\0\x01\x81\x77\x02\x04\x01\xff"                               \
	"\x02\x81\0\0\x01\x8b\xcf\xe5\x68\x01\0\x81\0\0\x01\x8b\xcf\xe5\x68\0\0\0\0\x02\x01"       \
	"\x02gr\x81\0\0\x01\x8b\xcf\xe5\x68\0\0\x01\x01\0\0\x01\x8b\xcf\xe5\x68"                   \
	"\0\0\0\0\0\0\0\0\0\x04\x37\xde\x22\xa2\x01\0\0\x01\x02"                                   \
	"\x03\x63on\x04\x37\xde\x22\xa2\x01\0\0\x04\x37\xde\x22\xa2\x01\0\0\x01\0\0\x01"           \
	"\x8b\xcf\xe5\x68\0\0\0\0\0\0\0\0\0\x04idle\x10\x37\xde\x22\xa2\x01\0\0"                   \
	"\xff\xff\xff\xff\xff\xff\xff\xff\0"
	(void)state;
	EXPECT_BYTES("valkey", "9.1.2", 16, STREAM, "stream", 575, 792);
	EXPECT_BYTES("valkey", "8.1.1", 16, STREAM, "stream", 559, 792);
	EXPECT_BYTES("redis", "7.2.6", 8, STREAM, "stream", 2059, 728);
#undef STREAM
}

/* Hashes own their values only: 48 for the key, then a listpack of 13, or three pointers and the
 * values. */
static void test_memory_of_templates(void **state)
{
	(void)state;
	EXPECT_BYTES("redis", "8.0.6", 8,
		     "\xf2\x01\x01\x01"
		     "f\x1e\x01k\x0d\x0d\0\0\0\x03\0\x01\x01\x02\x01\x03\x01\xff",
		     "template-listpack", 64, 64);
	EXPECT_BYTES("redis", "8.0.6", 8,
		     "\xf2\x01\x02\x01"
		     "f\x01g\x20\x01k\x01\xc0\x07\x05value",
		     "template-array", 88, 88);
}

static void test_memory_of_everything(void **state)
{
	const struct server_structures *row;
	struct memory_totals totals;
	struct buf all = {};
	struct err err = {};

	(void)state;
	put_everything(&all, true);
	for (size_t i = 0; (row = knowledge_structures_at(i)); i++) {
		struct weigher w = { .memory = memory_at(&row->since, 8) };

		assert_string_equal(rdb_memory_server(w.memory)->name, row->name);
		if (weigh_all(&w, all.data, all.len, &err) != 1)
			fail_msg("%s", err.text);
		rdb_memory_totals(w.memory, &totals);
		assert_int_equal(totals.unknown_total, 2);
		assert_true(totals.keys_bytes > 1000 && totals.tables_bytes >= 64);
		rdb_memory_free(w.memory);
	}
	buf_free(&all);
}

/* Whatever the bytes say, sums stay sums and nothing is read beyond. */
static void test_memory_of_changed_dumps(void **state)
{
	struct buf all = {};
	uint32_t seed = 7;

	(void)state;
	put_everything(&all, false);
	for (int round = 0; round < 20000; round++) {
		const struct server_structures *row = knowledge_structures_at(round % 6);
		struct weigher w = { .memory = memory_at(&row->since, 16) };
		char *copy = xmemdup(all.data, all.len);
		struct memory_totals totals;
		struct err err = {};

		for (int i = 0; i <= round % 3; i++) {
			seed = seed * 1664525 + 1013904223;
			copy[9 + (seed >> 8) % (all.len - 9)] = (char)(seed >> 4);
		}
		if (weigh_all(&w, copy, all.len, &err) < 0)
			assert_true(*err.text != '\0');
		rdb_memory_totals(w.memory, &totals);
		assert_true(totals.keys_bytes >= 0 && totals.tables_bytes >= 0);
		rdb_memory_free(w.memory);
		free(copy);
	}
	buf_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc64),
		cmocka_unit_test(test_crc64_both_ways),
		cmocka_unit_test(test_lzf),
		cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_listpack),
		cmocka_unit_test(test_ziplist),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_collections),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_modules_and_others),
		cmocka_unit_test(test_valkey),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_window_grows_with_what_comes),
		cmocka_unit_test(test_skips_what_is_too_long),
		cmocka_unit_test(test_sink_can_stop),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_changed_anywhere),
		cmocka_unit_test(test_changed_without_checksum),
		cmocka_unit_test(test_memory_of_strings),
		cmocka_unit_test(test_memory_of_string_borders),
		cmocka_unit_test(test_memory_of_collections),
		cmocka_unit_test(test_memory_of_a_stream),
		cmocka_unit_test(test_memory_of_templates),
		cmocka_unit_test(test_memory_of_everything),
		cmocka_unit_test(test_memory_of_changed_dumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
