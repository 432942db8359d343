/* SPDX-License-Identifier: BSD-2-Clause */
/* Stalls of commands with several keys; see stalls.h. */
#include <string.h>

#include "model/model.h"
#include "model/stalls.h"

/* The last look at @key that tells its size; NULL. */
static const struct record_key *size_of(const struct model *m, struct bytes key, int64_t db)
{
	for (size_t i = m->keys_count; key.len && i-- > 0;) {
		const struct record_key *k = &m->keys[i].key;

		if (bytes_same(k->key, key) && k->bytes > 0 &&
		    (db == RECORD_UNKNOWN || db == k->db))
			return k;
	}
	return NULL;
}

/* What it was called with: by the entry of its own, or of another call that began alike. */
static const struct record_slowlog *called_with(const struct model *m, const struct stall *stall)
{
	const struct record_slowlog *own = stall_slowlog(m, stall), *alike = NULL;

	if (own && bytes_same(own->key, stall->key))
		return own;
	for (size_t i = 0; i < m->slowlog_count && !alike; i++)
		if (!strcmp(m->slowlog[i].entry.command, stall->command) &&
		    bytes_same(m->slowlog[i].entry.key, stall->key))
			alike = &m->slowlog[i].entry;
	return alike;
}

/* That with most bytes, when they are still there: of keys that were taken away nothing is known,
 * and what is left may be a small one. */
static struct bytes largest_of(const struct model *m, const struct record_slowlog *slow, int64_t db)
{
	const struct bytes *const keys[] = { &slow->key, &slow->key_2, &slow->key_3, &slow->key_4 };
	const struct record_key *largest = NULL;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct record_key *k = size_of(m, *keys[i], db);

		if (k && (!largest || k->bytes > largest->bytes))
			largest = k;
	}
	return largest ? largest->key : slow->key;
}

void stalls_heed_keys(struct model *m)
{
	for (size_t i = 0; i < m->stalls_count; i++) {
		struct stall *stall = &m->stalls[i].stall;
		const struct record_slowlog *slow;

		if (!stall->key.len || stall->key_truncated)
			continue;
		slow = called_with(m, stall);
		if (!slow || slow->keys_total <= 1)
			continue;
		stall->keys_total = slow->keys_total;
		stall->key = largest_of(m, slow, stall->db);
	}
	for (size_t i = 0; i < m->slowlog_count; i++) {
		struct record_slowlog *slow = &m->slowlog[i].entry;
		struct bytes first = slow->key, largest;
		struct bytes *const others[] = { &slow->key_2, &slow->key_3, &slow->key_4 };

		if (slow->keys_total <= 1)
			continue;
		largest = largest_of(m, slow, RECORD_UNKNOWN);
		for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++)
			if (bytes_same(*others[j], largest))
				*others[j] = first;
		slow->key = largest;
	}
}
