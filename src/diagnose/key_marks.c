/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys seen doing harm; see key_marks.h. */
#include <string.h>

#include "diagnose/key_marks.h"

/* The sensors keep the first bytes of a key: a longer one matches by them. */
static struct bytes as_seen(struct bytes key)
{
	if (key.len > FACT_KEY_MAX)
		key.len = FACT_KEY_MAX;
	return key;
}

bool key_in_stalls(const struct model *m, const struct fact_key *key)
{
	for (size_t i = 0; i < m->stalls_count; i++)
		if (key->key.len && bytes_same(m->stalls[i].stall.key, as_seen(key->key)))
			return true;
	return false;
}

bool key_in_faults(const struct model *m, const struct fact_key *key)
{
	struct buf prefix = { 0 };
	bool found = false;

	if (!m->prefixes_count)
		return false;
	prefix_fold(&prefix, key->key.data, as_seen(key->key).len);
	for (size_t i = 0; i < m->prefixes_count && !found; i++)
		found = m->prefixes[i].charge.major_faults > 0 &&
			m->prefixes[i].prefix_len == prefix.len &&
			!memcmp(m->prefixes[i].prefix, prefix.data, prefix.len);
	buf_free(&prefix);
	return found;
}
