/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of a JSON report, each a new reference. The documents that put them together
 * are in json.c; DESIGN.md "JSON" is the contract, fields are only ever added.
 */
#pragma once

#include <jansson.h>

#include "diagnose/diagnose.h"
#include "model/model.h"

/* Write a document, members and rows one to a line, and give it up. */
void json_write(struct buf *out, json_t *document);

/* json_state.c: what was watched, and how things stood */
json_t *json_target(const struct model *m);
json_t *json_window(const struct model *m);
json_t *json_self(const struct model *m);
json_t *json_sensors(const struct model *m);
json_t *json_ledger(const struct model *m);
json_t *json_timeline(const struct model *m);
json_t *json_host(const struct model *m);
json_t *json_mappings(const struct model *m);
json_t *json_totals(const struct model *m);

/* json.c */
json_t *json_findings(const struct findings *f);

/* json_census.c: what a pass over all keys has found */
json_t *json_keyspace(const struct model *m);

/* json_memory.c: the allocator's side, and what changes it */
json_t *json_size_classes(const struct model *m);
json_t *json_allocator(const struct model *m); /* null without MALLOC-STATS */
json_t *json_deletes(const struct model *m);
json_t *json_copy_on_write(const struct model *m);
json_t *json_purge(const struct model *m); /* null when none was tried */

/* json_alloc.c: what watching took from the server */
json_t *json_cost(const struct model *m);

/* json_events.c: what happened when */
json_t *json_children(const struct model *m);
json_t *json_keys(const struct model *m);
json_t *json_key(const struct record_key *key);
json_t *json_life(const struct model *m);
json_t *json_slowlog(const struct model *m);
json_t *json_latency(const struct model *m);
json_t *json_rss_moves(const struct model *m);

/* json_stalls.c: what held the loop */
json_t *json_stalls(const struct model *m);
/* The document of `redmem doctor`. */
json_t *json_doctor(const struct model *m, const struct findings *f);
