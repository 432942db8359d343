/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of a JSON report, and a document written out: members one to a line, and the rows of
 * an array one to a line, so that diff, grep and people can read it as well as jq. See json.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "report/json.h"
#include "report/report.h"

/* Beyond 2^53 a double no longer holds every integer. */
#define EXACT_INTEGERS 9007199254740992.0

/* Names are ours and values are checked, so memory is the only thing that can fail;
 * as in base/buf.h that ends the process: half a document would be a lie. */
static void must(int failed)
{
	if (failed)
		abort();
}

void put(json_t *object, const char *name, json_t *value)
{
	must(json_object_set_new(object, name, value));
}

void put_last(json_t *array, json_t *value)
{
	must(json_array_append_new(array, value));
}

json_t *value_int(int64_t n)
{
	return n == RECORD_UNKNOWN ? json_null() : json_integer(n);
}

json_t *value_real(double n)
{
	return isfinite(n) ? json_real(n) : json_null();
}

json_t *value_count(double n)
{
	if (!isfinite(n) || fabs(n) > EXACT_INTEGERS)
		return value_real(n);
	return json_integer(llround(n));
}

json_t *value_number(double n)
{
	return isfinite(n) && n == trunc(n) ? value_count(n) : value_real(n);
}

static json_t *escaped(const void *data, size_t len)
{
	struct buf text = { 0 };
	json_t *value;

	escape_redis(&text, data, len);
	value = json_stringn(buf_str(&text), text.len);
	buf_free(&text);
	return value;
}

json_t *value_text(const char *text)
{
	if (!text)
		return json_null();
	if (utf8_is_plain(text, strlen(text)))
		return json_string(text);
	return escaped(text, strlen(text));
}

json_t *value_some_text(const char *text)
{
	return text && *text ? value_text(text) : json_null();
}

json_t *value_time(int64_t wall_ns, double seconds)
{
	struct buf text = { 0 };
	json_t *value;

	/* A session that never came is all zeros: nobody watched in 1970. The other bounds
	 * keep the sum below from overflowing on a recording that was tampered with. */
	if (wall_ns <= 0 || wall_ns > INT64_MAX / 2 || !isfinite(seconds) || fabs(seconds) > 4e9)
		return json_null();
	fmt_rfc3339(&text, wall_ns + (int64_t)(seconds * 1e9));
	value = json_string(buf_str(&text));
	buf_free(&text);
	return value;
}

/* Are the bytes the same when they are escaped? */
static bool as_shown(struct bytes bytes)
{
	return utf8_is_plain(bytes.data, bytes.len) && !memchr(bytes.data, '\\', bytes.len) &&
	       !memchr(bytes.data, '"', bytes.len);
}

void put_bytes(json_t *object, const char *name, struct bytes bytes)
{
	struct buf base64 = { 0 }, base64_name = { 0 };

	if (!bytes.len) {
		put(object, name, json_null());
		return;
	}
	put(object, name, escaped(bytes.data, bytes.len));
	if (!as_shown(bytes)) {
		buf_printf(&base64_name, "%s_base64", name);
		base64_encode(&base64, bytes.data, bytes.len);
		put(object, buf_str(&base64_name), json_string(buf_str(&base64)));
	}
	buf_free(&base64);
	buf_free(&base64_name);
}

void put_name(json_t *object, const char *name, struct bytes bytes)
{
	if (bytes.len)
		put_bytes(object, name, bytes);
	else
		put(object, name, json_string(""));
}

/* --- a document --- */

/* 12 digits say all a clock or a counter knows, and 0.1 stays 0.1. */
#define JSON_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12))

void json_text(struct buf *out, const json_t *value, size_t flags)
{
	char *text = json_dumps(value, flags);

	if (!text)
		abort(); /* memory is out: every value was checked when it was made */
	buf_puts(out, text);
	free(text);
}

static void write_value(struct buf *out, const json_t *value)
{
	json_text(out, value, JSON_FLAGS);
}

/* An array of objects goes one row to a line. */
static void write_member(struct buf *out, const char *name, const json_t *value)
{
	const json_t *row;
	size_t i;

	buf_printf(out, "\"%s\":", name);
	if (!json_is_array(value) || !json_array_size(value)) {
		write_value(out, value);
		return;
	}
	json_array_foreach(value, i, row) {
		buf_puts(out, i ? ",\n  " : "[\n  ");
		write_value(out, row);
	}
	buf_putc(out, ']');
}

void json_write(struct buf *out, json_t *document)
{
	const char *name, *separator = "{";
	json_t *value;

	json_object_foreach(document, name, value) {
		buf_puts(out, separator);
		write_member(out, name, value);
		separator = ",\n ";
	}
	buf_puts(out, "}\n");
	json_decref(document);
}

void report_json_line(struct buf *document)
{
	size_t kept = 0;

	for (size_t i = 0; i < document->len; i++)
		if (document->data[i] != '\n')
			document->data[kept++] = document->data[i];
	document->len = kept;
	buf_putc(document, '\n');
}
