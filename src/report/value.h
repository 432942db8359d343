/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of a JSON report: unknown is null, never 0, and no byte that came from a
 * server can make the document invalid. All return new references for put().
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

/* Set @name of @object, which takes @value over. Ends the process when memory is out. */
void put(json_t *object, const char *name, json_t *value);
/* Append to @array, which takes @value over. */
void put_last(json_t *array, json_t *value);

json_t *value_int(int64_t n); /* null when RECORD_UNKNOWN */
json_t *value_real(double n); /* null when not finite */
/* A whole number of something counted in doubles (estimates); null when not finite. */
json_t *value_count(double n);
/* An integer where @n is one, else a real: evidence is both. */
json_t *value_number(double n);
/* The text as it is when plain UTF-8, else escaped; null when NULL. */
json_t *value_text(const char *text);
/* RFC 3339 of the time @seconds after @wall_ns; null when either is unknown. */
json_t *value_time(int64_t wall_ns, double seconds);

/*
 * @name: the bytes as redis-cli shows them; @name_base64 too when that is not what they
 * are: not plain UTF-8, or with a quote or backslash. Null when there are none: in records
 * an event without a key has an empty one.
 */
void put_bytes(json_t *object, const char *name, struct bytes bytes);
