/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams: what their consumer groups keep. Entries that were delivered and never
 * acknowledged, and consumers that came once and stay for ever; both are held in the server's
 * memory and in no entry, and both make commands on the group slow.
 */
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* An application has some consumers a group; each connection as one of its own makes these. */
#define CONSUMERS_MANY 1000
/* Entries under way are some a consumer; XAUTOCLAIM walks these from the first. */
#define PENDING_MANY 10000
/* What one takes in memory (stream.h: streamConsumer with its name and table; streamNACK, in
 * two radix trees): some. */
#define CONSUMER_BYTES 200
#define PENDING_BYTES  100

/* The stream looked at with the most of something; NULL without one. */
static const struct record_key *stream_with_most(const struct model *m,
						 int64_t (*amount)(const struct record_key *))
{
	const struct record_key *most = NULL;

	for (size_t i = 0; i < m->keys_count + (size_t)m->sampled_keys_total; i++) {
		const struct record_key *key =
			i < m->keys_count ? &m->keys[i].key : &m->drawn[i - m->keys_count];

		if (strcmp(key->type, "stream") != 0)
			continue;
		if (most == NULL || amount(key) > amount(most))
			most = key;
	}
	return most;
}

static int64_t consumers(const struct record_key *key)
{
	return key->consumers_total;
}

static int64_t pending(const struct record_key *key)
{
	return key->pending_total;
}

static void stream_evidence(struct finding *f, const struct record_key *key)
{
	finding_evidence_text(f, "key", say_key(key->key.data, key->key.len).s, BASIS_EXACT);
	finding_evidence_count(f, "entries_total", key->elements, "entries", BASIS_EXACT);
	finding_evidence_count(f, "groups_total", key->groups_total, "groups", BASIS_EXACT);
	finding_evidence_count(f, "consumers_total", key->consumers_total, "consumers",
			       BASIS_EXACT);
	finding_evidence_count(f, "pending_total", key->pending_total, "entries", BASIS_EXACT);
}

bool rule_stream_consumers(const struct model *m, struct finding *f)
{
	const struct record_key *key = stream_with_most(m, consumers);

	if (key == NULL || key->consumers_total < CONSUMERS_MANY)
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = (double)key->consumers_total * CONSUMER_BYTES;
	finding_title(f, "The groups of stream %s keep %s consumers",
		      say_key(key->key.data, key->key.len).s, say_count(key->consumers_total).s);
	stream_evidence(f, key);
	finding_cause(f, "A consumer is made by its first XREADGROUP and stays until it is "
			 "deleted, whoever has gone: clients that take a new name at each start "
			 "leave one behind each time.");
	finding_action(f, RECORD_UNKNOWN, say_key_cli(m, key->key, key->db, "XINFO GROUPS", "").s,
		       "See which group they are in, and with XINFO CONSUMERS since when each is "
		       "idle. Those that are gone and have nothing pending can be deleted "
		       "(XGROUP DELCONSUMER); let clients keep their names.");
	return true;
}

bool rule_stream_pending(const struct model *m, struct finding *f)
{
	const struct record_key *key = stream_with_most(m, pending);

	if (key == NULL || key->pending_total < PENDING_MANY)
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = (double)key->pending_total * PENDING_BYTES;
	finding_title(f, "%s entries of stream %s were delivered and not acknowledged",
		      say_count(key->pending_total).s, say_key(key->key.data, key->key.len).s);
	stream_evidence(f, key);
	finding_cause(f, "Each entry a group has delivered is kept in its list of pending ones "
			 "until XACK, also when the entry itself was trimmed; consumers that end "
			 "without it, or never call it, leave theirs for ever.");
	finding_action(f, RECORD_UNKNOWN, say_key_cli(m, key->key, key->db, "XINFO GROUPS", "").s,
		       "See whose they are (XPENDING key group tells it by consumer); another "
		       "consumer takes over what was left with XAUTOCLAIM, and who needs no "
		       "acknowledgement reads with NOACK.");
	return true;
}
