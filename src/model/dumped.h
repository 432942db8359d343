/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only a dump tells of a keyspace: when its keys were used last, or how often, how many
 * bytes they take there and how many LZF saves, and how they spread over a cluster's slots.
 * Pure data.
 */
#pragma once

#include "record/record.h"

#define DUMPED_IDLE	 6
#define DUMPED_FREQUENCY 5

/* Keys from the bound of the row before to below this one's. */
struct dumped_row {
	const char *id, *title; /* static */
	int64_t below; /* INT64_MAX for the last */
	int64_t keys_total, bytes;
};

struct dumped_slot {
	int64_t keys_total, bytes;
};

struct dumped {
	int64_t keys_total;
	/* A dump has either, by maxmemory-policy, or none of both. */
	int64_t idle_total, frequency_total; /* keys of which it is told */
	struct dumped_row idle[DUMPED_IDLE]; /* seconds */
	struct dumped_row frequency[DUMPED_FREQUENCY];
	int64_t dump_bytes, saved_bytes;
	struct dumped_slot *slots; /* SLOTS of them; NULL = no cluster's, and not asked */
};

/* @slots: count by slot, also where the dump does not tell them. */
void dumped_init(struct dumped *dumped, bool slots);
void dumped_clear(struct dumped *dumped);
/* Count a key that comes from a dump. */
void dumped_take(struct dumped *dumped, const struct record_key *key);
