/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last names seen: a ring of hashes for the order, and an open-addressed table
 * of the same hashes to find them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/recent.h"

#define SLOTS (RECENT_MAX * 2) /* half full at most: short probes */

struct recent {
	uint64_t seed;
	size_t oldest; /* place in the ring */
	uint64_t ring[RECENT_MAX]; /* 0 = empty */
	uint64_t slot[SLOTS];
};

struct recent *recent_new(void)
{
	struct recent *recent = xcalloc(1, sizeof(*recent));

	/* Without a seed the hash still works, only that clients could make names collide. */
	if (getrandom(&recent->seed, sizeof(recent->seed), GRND_NONBLOCK) < 0)
		recent->seed = 0;
	return recent;
}

void recent_free(struct recent *recent)
{
	free(recent);
}

/* FNV-1a, then the finalizer of MurmurHash3. Never 0. */
static uint64_t hash(const struct recent *recent, const unsigned char *p, size_t len)
{
	uint64_t h = 0xcbf29ce484222325 ^ recent->seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
	h ^= h >> 33;
	return h ? h : 1;
}

/* Where @h is, or the empty slot it would go to. */
static size_t find(const struct recent *recent, uint64_t h)
{
	size_t at = h % SLOTS;

	while (recent->slot[at] && recent->slot[at] != h)
		at = (at + 1) % SLOTS;
	return at;
}

/* Remove and close the gap, so that no probe ends early (Knuth, TAOCP 6.4, algorithm R). */
static void forget(struct recent *recent, uint64_t h)
{
	size_t gap = find(recent, h);

	for (size_t at = (gap + 1) % SLOTS; recent->slot[at]; at = (at + 1) % SLOTS) {
		size_t home = recent->slot[at] % SLOTS;

		if ((at - home) % SLOTS < (at - gap) % SLOTS)
			continue; /* still reached from its home */
		recent->slot[gap] = recent->slot[at];
		gap = at;
	}
	recent->slot[gap] = 0;
}

bool recent_seen(struct recent *recent, const void *name, size_t len)
{
	uint64_t h = hash(recent, name, len);
	uint64_t *oldest = &recent->ring[recent->oldest];
	size_t at = find(recent, h);

	if (recent->slot[at])
		return true;
	if (*oldest) {
		forget(recent, *oldest);
		at = find(recent, h);
	}
	recent->slot[at] = h;
	*oldest = h;
	recent->oldest = (recent->oldest + 1) % RECENT_MAX;
	return false;
}
