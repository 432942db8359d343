/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Key names are hostile bytes. Each output has its own way to be harmed by
 * them: a terminal by escape sequences, JSON by invalid UTF-8, HTML by tags,
 * Prometheus by quotes and newlines. Every byte that came from a server passes
 * through one of these.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* True when the bytes are well-formed UTF-8 without control characters
 * (C0, DEL, C1, bidi overrides): printable as they are. */
bool utf8_is_plain(const void *data, size_t len);

/* Columns a text of plain characters takes on a terminal. */
size_t utf8_columns(const char *text);
/* Cut a text of plain characters to at most @max_columns, with "..." when it was longer. */
void utf8_cut(struct buf *text, size_t max_columns);

/* In place: every byte that is not part of a plain character becomes '?'. */
void escape_sanitize(char *text);

/* As redis-cli shows a string inside its quotes (sdscatrepr): \n \r \t \a \b
 * \\ \" and \xHH for bytes that are not printable ASCII. Without the outer
 * quotes. Plain UTF-8 beyond ASCII stays readable. */
void escape_redis(struct buf *out, const void *data, size_t len);

/* The bytes that escape_redis() has made @text of, as redis-cli reads a string in double
 * quotes: an unknown escape is the character behind the backslash. @text is without the outer
 * quotes. -EINVAL when it ends in a backslash; @out is as it was then. */
int unescape_redis(struct buf *out, const char *text, size_t len);
/* Two lower-case hex digits for each of the @len bytes at @data, and a NUL: as many whole bytes as
 * there is room for in the @size bytes (at least one) at @out. */
void hex_encode(char *out, size_t size, const void *data, size_t len);
/* The bytes of hex digits, two each, in either case. -EINVAL on anything else; @out is as it was
 * then. */
int hex_decode(struct buf *out, const char *text);

/* For a terminal: escape_redis(), cut to at most @max_columns with "..." when
 * longer (0 = never cut). */
void escape_terminal(struct buf *out, const void *data, size_t len, size_t max_columns);

/*
 * One word for a POSIX shell, printable whatever is in it: as it is when harmless, else
 * in single quotes, bytes that are not plain as $'\ooo' (POSIX 2024; bash, ksh, zsh,
 * busybox). It does not keep a leading "-" from being an option.
 */
void escape_shell(struct buf *out, const void *data, size_t len);

/*
 * What is between the quotes of a label's value, in Prometheus' text format and OpenMetrics alike:
 * escape_redis(), and the backslashes and quotes of that escaped. Of more than @max_bytes of the
 * value (dots included) the rest is cut, and "..." stands in its place.
 */
void escape_label(struct buf *out, const void *data, size_t len, size_t max_bytes);

/*
 * A cell of a CSV file with its quotes (RFC 4180). One that a spreadsheet would take for a formula
 * (it begins with = + - @, tab or CR) gets a ' in front, as OWASP's page "CSV Injection"
 * tells; so does one that begins with a ', so that taking one ' away gives the text back.
 */
void escape_csv(struct buf *out, const void *data, size_t len);

void base64_encode(struct buf *out, const void *data, size_t len);
/* Append the decoded bytes; -EINVAL on anything that is not padded base64
 * (RFC 4648), and then @out is as it was. */
int base64_decode(struct buf *out, const char *text);
