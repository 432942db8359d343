/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON reports. Values: unknown is null, never 0, and no byte that came from a server can
 * make the document invalid. Then the parts; what is made is a new reference for put().
 * Fields are only ever added.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "record/record.h"
#include "model/model.h"
#include "diagnose/diagnose.h"
#include "diagnose/keys.h"

/* --- json.c: values, and the document written out --- */

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
json_t *value_some_text(const char *text); /* null also when "" */
/* RFC 3339 of the time @seconds after @wall_ns; null when either is unknown. */
json_t *value_time(int64_t wall_ns, double seconds);

/*
 * @name: the bytes as redis-cli shows them; @name_base64 too when that is not what they
 * are: not plain UTF-8, or with a quote or backslash. Null when there are none: in records
 * an event without a key has an empty one.
 */
void put_bytes(json_t *object, const char *name, struct bytes bytes);
/* The same of a name that may be empty: "" then. */
void put_name(json_t *object, const char *name, struct bytes bytes);

/* Write a document, members and rows one to a line, and give it up. */
void json_write(struct buf *out, json_t *document);
/* Append @value as json_dumps() has it with @flags. Ends the process when memory is out. */
void json_text(struct buf *out, const json_t *value, size_t flags);

/* json_parts.c: what was watched, how things stood, what happened when */
json_t *json_target(const struct model *m);
json_t *json_window(const struct model *m);
json_t *json_self(const struct model *m);
json_t *json_sensors(const struct model *m);
json_t *json_ledger(const struct model *m);
json_t *json_inside(const struct model *m);
json_t *json_keys_check(const struct model *m);
json_t *json_timeline(const struct model *m);
json_t *json_host(const struct model *m);
json_t *json_mappings(const struct model *m);
json_t *json_totals(const struct model *m);
json_t *json_children(const struct model *m);
json_t *json_keys(const struct model *m);
json_t *json_key(const struct record_key *key);
/* What each command on the key would take, by the prediction of diagnose/keys.h. */
json_t *json_key_costs(const struct key_speed *speed, const struct record_key *key);
json_t *json_hot_keys(const struct model *m);
/* What share of all bytes the largest keys hold; null where nobody looked. */
json_t *json_concentration(const struct model *m);
json_t *json_life(const struct model *m);
json_t *json_slowlog(const struct model *m);
json_t *json_latency(const struct model *m);
json_t *json_rss_moves(const struct model *m);
json_t *json_findings(const struct findings *f);
json_t *json_evidence_of(const struct finding *finding);

/* json_keyspace.c: what a pass over all keys has found */
json_t *json_keyspace(const struct model *m);
/* The same of keys that come from dumps: without how a pass went. */
json_t *json_keyspace_of_dumps(const struct model *m);

/* passed.c: what the newest scheduled pass over the keys has found; there must be one */
json_t *json_passed(const struct model *m);

/* dumped.c: what only dumps tell of their keys, as fields of @document */
void json_dumped(json_t *document, const struct model *m);
/* dump.c: what is said of one of them */
struct report_dump;
json_t *json_of_dump(const struct report_dump *file);

/* json_alloc.c: what watching took from the server */
json_t *json_cost(const struct model *m);
/* The document of `redmem alloc`. */
json_t *json_alloc(const struct model *m);

/* json_stalls.c: what held the loop */
json_t *json_stalls(const struct model *m);
/* json_doctor.c: the document of `redmem doctor` */
json_t *json_doctor(const struct model *m, const struct findings *f);
/* diagnose_verdict() of both. */
json_t *json_verdict(const struct model *m, const struct findings *f);
