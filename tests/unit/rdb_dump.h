/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps made by hand, and what the parser tells of them, as text. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/escape.h"
#include "rdb/crc64.h"
#include "rdb/packed.h"
#include "rdb/rdb.h"

/* --- a writer ------------------------------------------------------------- */

#define BYTES(out, text) buf_add(out, text, sizeof(text) - 1)

static inline void put_little(struct buf *out, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		buf_putc(out, (char)(value >> 8 * i));
}

static inline void put_blob(struct buf *out, const struct buf *blob)
{
	buf_putc(out, (char)0x80);
	for (int i = 3; i >= 0; i--)
		buf_putc(out, (char)(blob->len >> 8 * i));
	buf_add(out, blob->data, blob->len);
}

/* The end, with the checksum when @summed. */
static inline void put_end(struct buf *out, bool summed)
{
	struct crc64 *crc = xcalloc(1, sizeof(*crc));

	crc64_init(crc);
	buf_putc(out, (char)255);
	put_little(out, summed ? crc64_add(crc, 0, out->data, out->len) : 0, 8);
	free(crc);
}

/* What both kinds end with: @head, which is the rest of it, how many there are, and they. */
static inline void put_packed_end(struct buf *out, struct buf *head, struct buf *body,
				  unsigned int count)
{
	put_little(head, count, 2);
	buf_add(head, body->data, body->len);
	buf_putc(head, (char)0xff);
	put_blob(out, head);
	buf_free(body);
	buf_free(head);
}

/* Entries "a" and numbers, ended by NULL: listpack or ziplist of short ones. */
static inline void put_listpack(struct buf *out, const char *const *entries)
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
	put_packed_end(out, &all, &body, count);
}

static inline void put_ziplist(struct buf *out, const char *const *entries)
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
	put_packed_end(out, &all, &body, count);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline void put_stream(struct buf *body, int version)
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

/* Streams, metadata of a key, an array. */
static inline void put_latest(struct buf *all)
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
static inline void put_everything(struct buf *all, bool summed)
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

/* --- a reader: what it is told, as text ----------------------------------- */

struct reader {
	struct buf told;
	int events;
	int refuse_at; /* which event to refuse; 0 = none */
};

static inline enum packed_kind kind_of(enum rdb_part role)
{
	return role == PART_ZIPLIST ? PACKED_ZIPLIST :
	       role == PART_ZIPMAP  ? PACKED_ZIPMAP :
	       role == PART_INTSET  ? PACKED_INTSET :
				      PACKED_LISTPACK;
}

static inline void tell_packed(struct buf *out, enum rdb_part role, const struct rdb_text *text)
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

static inline void tell_text(struct buf *out, const struct rdb_event *event)
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

static inline int take(void *ctx, const struct rdb_event *event, struct err *err)
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

/* Feed @len bytes to @sink in pieces of @piece. What is behind the dump, in @rest, unless NULL. */
static inline int feed(const struct rdb_sink *sink, const void *data, size_t len, size_t piece,
		       struct err *err, size_t *rest)
{
	struct rdb *rdb = rdb_new(sink);
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

/* The result, and what was told, in @reader. */
static inline int read_all(struct reader *reader, const void *data, size_t len, size_t piece,
			   struct err *err, size_t *rest)
{
	struct rdb_sink sink = { take, reader };

	return feed(&sink, data, len, piece, err, rest);
}

/* @body between a header of RDB 12 and the end comes to @told, in one piece and bytewise. */
static inline void expect(const struct buf *body, const char *told)
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
