/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INFO replies (and other "name value" texts) as a table. Unknown fields are
 * kept, missing ones are RECORD_UNKNOWN: field names differ between Redis 5 to 8
 * and Valkey (reference: src/server.c genRedisInfoString of each).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct info;

/* Parse "name:value\r\n" lines with "# Section" heads; anything else is skipped.
 * Never NULL; an empty table when nothing could be read. */
struct info *info_parse(const char *text);
/* The same for "name value" lines (MEMORY STATS flattened, CONFIG GET). */
struct info *info_parse_pairs(const char *text);
void info_free(struct info *info);

/* Add or replace. Strings are copied. */
void info_set(struct info *info, const char *name, const char *value);
/* The value, or NULL. Valid until the table changes. */
const char *info_get(const struct info *info, const char *name);
/* An integer; RECORD_UNKNOWN when absent or not a number. */
int64_t info_int(const struct info *info, const char *name);
/* A double ("1.52"); NAN when absent or not a number. */
double info_double(const struct info *info, const char *name);
size_t info_count(const struct info *info);
/* In the order of the text. */
const char *info_name_at(const struct info *info, size_t i);
const char *info_value_at(const struct info *info, size_t i);

/* The integer that fills [text, text + len) entirely, else RECORD_UNKNOWN. */
int64_t info_number(const char *text, size_t len);
/* An integer inside "k=v,k=v" values ("calls" of cmdstat_get); RECORD_UNKNOWN. */
int64_t info_sub_int(const char *value, const char *key);
/* A text inside such a value and its length; NULL when absent. Valid as long as @value. */
const char *info_sub_text(const char *value, const char *key, size_t *len);

/* Is this the name of a line of the keyspace section ("db0")? */
bool info_is_database(const char *name);
/* Keys, and keys with an expiry (@expires may be NULL), of all databases; INFO names
 * only those that hold something. RECORD_UNKNOWN without @info. */
void info_keyspace(const struct info *info, int64_t *keys, int64_t *expires);
/* Hashes that have fields with an expiry, of all databases; 0 where the server does not tell (Redis
 * 7.4 and Valkey 9 do). */
int64_t info_expiring_hashes(const struct info *info);

/* "redis" or "valkey", with the version that counts (valkey_version where it exists:
 * Valkey freezes redis_version). */
const char *info_server(const struct info *info);
const char *info_server_version(const struct info *info);

/* Is @version ("7.0.15") @major.@minor or later? False when it is no version. */
bool version_at_least(const char *version, int major, int minor);
