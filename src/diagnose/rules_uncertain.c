/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes that are not sure. MEMORY USAGE looks at a few elements of a collection and takes the
 * others for alike (object.c, objectComputeSize()); where all keys were looked at and together
 * take less than the server holds, what is missing lies in elements nobody looked at.
 */
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

#define SUSPECTS 3
/* Keys that were made or went while others were looked at. */
#define ALL_RATIO 0.95
/* OBJ_COMPUTE_SIZE_DEF_SAMPLES: with so many elements each was looked at. */
#define LOOKED_AT_ELEMENTS 5

/* In a smaller one the few that were looked at are a good part of all. */
#define SUSPECT_BYTES (64 * KIB)

struct doubt {
	int64_t held, told, missing;
	const struct record_key *suspects[SUSPECTS]; /* by bytes, those of unknown size first */
	size_t suspects_count;
	int64_t suspects_total;
};

/* Are its elements allocations of their own, more than were looked at? */
static bool is_sampled(const struct record_key *key)
{
	if ((key->elements != RECORD_UNKNOWN && key->elements <= LOOKED_AT_ELEMENTS) ||
	    (key->bytes != RECORD_UNKNOWN && key->bytes < SUSPECT_BYTES))
		return false;
	return !strcmp(key->encoding, "hashtable") || !strcmp(key->encoding, "skiplist") ||
	       !strcmp(key->type, "stream");
}

static bool before(const struct record_key *a, const struct record_key *b)
{
	if (a->bytes == RECORD_UNKNOWN || b->bytes == RECORD_UNKNOWN)
		return a->bytes == RECORD_UNKNOWN && b->bytes != RECORD_UNKNOWN;
	return a->bytes > b->bytes;
}

static void suspect(struct doubt *d, const struct record_key *key)
{
	size_t at = d->suspects_count;

	d->suspects_total++;
	while (at > 0 && before(key, d->suspects[at - 1]))
		at--;
	if (at == SUSPECTS)
		return;
	if (d->suspects_count < SUSPECTS)
		d->suspects_count++;
	memmove(&d->suspects[at + 1], &d->suspects[at],
		(d->suspects_count - at - 1) * sizeof(*d->suspects));
	d->suspects[at] = key;
}

/* Were all keys looked at, each once? */
static bool all_looked_at(const struct model *m)
{
	int64_t keys, expires;

	measure_keyspace(m, &keys, &expires);
	return measure_ratio(m->sampled_keys_total, keys) >= ALL_RATIO;
}

/* What of the dataset is known to lie in no key. */
static int64_t in_no_key(const struct model *m)
{
	static const char *const lines[] = { "slowlog", "tracking", "pubsub", "watch" };
	int64_t bytes = 0;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct ledger_line *line = ledger_find(&m->ledger, lines[i]);

		if (line != NULL)
			sum_add(&bytes, line->bytes);
	}
	return bytes;
}

static bool find_doubt(const struct model *m, struct doubt *d)
{
	*d = (struct doubt){ .held = model_info_end(m, "used_memory_dataset") };
	if (d->held == RECORD_UNKNOWN || !all_looked_at(m))
		return false;
	for (int64_t i = 0; i < m->sampled_keys_total; i++) {
		const struct record_key *key = &m->drawn[i];

		if (is_sampled(key))
			suspect(d, key);
		else if (key->bytes == RECORD_UNKNOWN)
			return false; /* it may be that one */
		if (key->bytes != RECORD_UNKNOWN)
			sum_add(&d->told, key->bytes);
	}
	d->missing = sum_less(sum_less(d->held, d->told), in_no_key(m));
	return d->suspects_count > 0 && measure_waste_matters(d->missing, d->held);
}

static void doubt_title(struct finding *f, const struct doubt *d)
{
	const struct record_key *first = d->suspects[0];
	struct phrase name = say_key(first->key.data, first->key.len);

	if (d->suspects_total == 1)
		finding_title(f, "%s lie in elements of %s that were not looked at",
			      say_bytes(d->missing).s, name.s);
	else
		finding_title(f,
			      "%s lie in elements not looked at, in one of %s keys, most likely %s",
			      say_bytes(d->missing).s, say_count(d->suspects_total).s, name.s);
}

static void doubt_actions(const struct model *m, struct finding *f, const struct doubt *d)
{
	for (size_t i = 0; i < d->suspects_count; i++) {
		const struct record_key *key = d->suspects[i];

		finding_action(f, RECORD_UNKNOWN,
			       say_key_cli(m, key->key, key->db, "MEMORY USAGE", "SAMPLES 10000").s,
			       "Look at ten thousand of its elements: some milliseconds, in which "
			       "nobody else is served. SAMPLES 0 looks at all of them, and takes "
			       "as long as reading the key.");
	}
}

bool rule_bigkey_uncertain(const struct model *m, struct finding *f)
{
	enum key_level worst = KEY_NORMAL;
	struct doubt d;

	if (!find_doubt(m, &d))
		return false;
	for (size_t i = 0; i < d.suspects_count; i++)
		if (key_level(d.suspects[i]) > worst)
			worst = key_level(d.suspects[i]);
	/* One that is known to be very big is told as such: then this only says that it may be
	 * bigger. */
	f->severity = worst == KEY_VERY_BIG ? SEVERITY_INFO : SEVERITY_WARNING;
	f->weak = true;
	f->cost = (double)d.missing;
	doubt_title(f, &d);
	finding_evidence_bytes(f, "not_looked_at_bytes", d.missing, BASIS_DERIVED);
	finding_evidence_bytes(f, "used_memory_dataset", d.held, BASIS_EXACT);
	finding_evidence_bytes(f, "keys_bytes", d.told, BASIS_SAMPLED);
	finding_evidence_count(f, "suspects_total", d.suspects_total, "keys", BASIS_EXACT);
	for (size_t i = 0; i < d.suspects_count; i++)
		finding_evidence_text(f, "suspect",
				      say_key(d.suspects[i]->key.data, d.suspects[i]->key.len).s,
				      BASIS_DERIVED);
	finding_cause(f, "MEMORY USAGE looks at the first few elements of a collection and takes "
			 "the others to be like them; all keys were looked at, and together they "
			 "come to less than the server holds.");
	doubt_actions(m, f, &d);
	return true;
}
