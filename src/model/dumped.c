/* SPDX-License-Identifier: BSD-2-Clause */
/* What only a dump tells; see dumped.h. */
#include "model/dumped.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "redis/slot.h"

#define HOUR 3600
#define DAY  (24 * HOUR)

static const struct dumped_row idle_rows[DUMPED_IDLE] = {
	{ .id = "1h", .title = "under 1 h", .below = HOUR },
	{ .id = "24h", .title = "1 to 24 h", .below = DAY },
	{ .id = "7d", .title = "1 to 7 days", .below = 7 * DAY },
	{ .id = "30d", .title = "7 to 30 days", .below = 30 * DAY },
	{ .id = "90d", .title = "30 to 90 days", .below = 90 * DAY },
	{ .id = "more", .title = "over 90 days", .below = INT64_MAX },
};

/* A new key begins with 5; 255 is the most (LFU_INIT_VAL, evict.c). */
static const struct dumped_row frequency_rows[DUMPED_FREQUENCY] = {
	{ .id = "0", .title = "0, not used for long", .below = 1 },
	{ .id = "5", .title = "1 to 5, as a new key", .below = 6 },
	{ .id = "20", .title = "6 to 20", .below = 21 },
	{ .id = "100", .title = "21 to 100", .below = 101 },
	{ .id = "more", .title = "over 100", .below = INT64_MAX },
};

void dumped_init(struct dumped *d, bool slots)
{
	memcpy(d->idle, idle_rows, sizeof(idle_rows));
	memcpy(d->frequency, frequency_rows, sizeof(frequency_rows));
	if (slots)
		d->slots = xcalloc(SLOTS, sizeof(*d->slots));
}

void dumped_clear(struct dumped *d)
{
	free(d->slots);
	d->slots = NULL;
}

static void count(struct dumped_row *row, int64_t value, int64_t bytes)
{
	while (value >= row->below && row->below != INT64_MAX)
		row++;
	row->keys_total++;
	sum_add(&row->bytes, bytes);
}

static void count_slot(struct dumped *d, const struct record_key *key, int64_t bytes)
{
	bool told = key->slot >= 0 && key->slot < SLOTS;
	struct dumped_slot *slot;

	if (told && !d->slots)
		d->slots = xcalloc(SLOTS, sizeof(*d->slots));
	if (!d->slots)
		return;
	slot = &d->slots[told ? key->slot : key_slot(key->key)];
	slot->keys_total++;
	sum_add(&slot->bytes, bytes);
}

void dumped_take(struct dumped *d, const struct record_key *key)
{
	int64_t bytes = key->bytes == RECORD_UNKNOWN ? 0 : key->bytes;

	d->keys_total++;
	sum_add(&d->dump_bytes, key->dump_bytes);
	sum_add(&d->saved_bytes, key->saved_bytes);
	if (key->idle_seconds >= 0) {
		d->idle_total++;
		count(d->idle, key->idle_seconds, bytes);
	}
	if (key->frequency >= 0) {
		d->frequency_total++;
		count(d->frequency, key->frequency, bytes);
	}
	count_slot(d, key, bytes);
}
