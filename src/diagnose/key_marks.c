/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys seen doing harm; see key_marks.h. */
#include <string.h>

#include "diagnose/key_marks.h"

/* The sensors keep the first bytes of a key (REDMEM_KEY_MAX): a longer one matches by them. */
#define SEEN_MAX 64

static bool same(const struct bytes *seen, const struct bytes *key)
{
	size_t len = key->len < SEEN_MAX ? key->len : SEEN_MAX;

	return seen->len == len && len > 0 && !memcmp(seen->data, key->data, len);
}

bool key_in_stalls(const struct model *m, const struct fact_key *key)
{
	for (size_t i = 0; i < m->stalls_count; i++)
		if (same(&m->stalls[i].stall.key, &key->key))
			return true;
	return false;
}

bool key_in_faults(const struct model *m, const struct fact_key *key)
{
	struct buf prefix = { 0 };
	bool found = false;

	if (!m->prefixes_count)
		return false;
	prefix_fold(&prefix, key->key.data, key->key.len < SEEN_MAX ? key->key.len : SEEN_MAX);
	for (size_t i = 0; i < m->prefixes_count && !found; i++)
		found = m->prefixes[i].charge.major_faults > 0 &&
			m->prefixes[i].prefix_len == prefix.len &&
			!memcmp(m->prefixes[i].prefix, prefix.data, prefix.len);
	buf_free(&prefix);
	return found;
}
