/* SPDX-License-Identifier: BSD-2-Clause */
/* How big is big for a key, and which keys are meant to go. */
#pragma once

#include "model/census.h"

/*
 * The users' guide (14.2, "Seuils problématiques"): strings 1 MB and 10 MB; lists,
 * sets, hashes and sorted sets 10,000 and 100,000 elements; streams 100,000 and
 * 1,000,000 entries. The guide counts elements alone, which makes a list of
 * 200,000 one-digit numbers (1 MB) look like trouble: here a collection is very
 * big only when its bytes, where known, are over 10 MB too. A collection whose
 * elements could not be counted goes by its bytes, as the guide's own script does.
 */
enum key_level key_level(const struct fact_key *key);

/* Does the name say that the key is temporary: one of the words as a segment? Words
 * of the users' guide (pattern 5) and their usual relatives. A cache that may
 * evict any key needs no TTL on what it caches. */
bool key_temporary(const struct bytes *name, bool cache_may_evict);
