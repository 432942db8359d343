/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys that showed up in the watch or were drawn: too big, or temporary by name and without
 * an expiry; and what the key tables cost.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/advice.h"
#include "diagnose/finding.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "model/prefix.h"

/* --- keys that showed up in the watch ---------------------------------------- */

/* Warn when at least so many, and half of those looked at, lack a TTL: one forgotten
 * lock is a note. */
#define NO_TTL_WARNING_KEYS  3
#define NO_TTL_WARNING_RATIO 0.5
/* Fewer temporary keys looked at than this say little about the rest. */
#define NO_TTL_SURE_KEYS 10
/* Keys that are compared with all others to find one that is like most. */
#define EXAMPLE_TRIES 32
/* Main and expires tables above this share of used_memory: values are tiny (a key
 * costs some 50 bytes in its table and object header). */
#define TABLE_SHARE 0.30

/* The keys that showed up in the watch, then those drawn at random; NULL behind the last. */
static const struct record_key *key_at(const struct model *m, size_t i)
{
	if (i < m->keys_count)
		return &m->keys[i].key;
	i -= m->keys_count;
	return i < (size_t)m->sampled_keys_total ? &m->drawn[i] : NULL;
}

/* Was this one drawn and had shown up in the watch, too? */
static bool drawn_again(const struct model *m, size_t i)
{
	const struct record_key *key = key_at(m, i);

	for (size_t n = 0; i >= m->keys_count && n < m->keys_count; n++)
		if (m->keys[n].key.db == key->db && bytes_same(m->keys[n].key.key, key->key))
			return true;
	return false;
}

static int64_t looked_at_total(const struct model *m)
{
	return (int64_t)m->keys_count + m->sampled_keys_total;
}

/* The element count as it would be said, or nothing. */
static struct phrase key_elements(const struct record_key *k)
{
	struct phrase t = { "" };

	if (k->elements != RECORD_UNKNOWN && strcmp(k->type, "string") != 0) {
		t = say_count(k->elements);
		strncat(t.s, " elements, ", sizeof(t.s) - strlen(t.s) - 1);
	}
	return t;
}

/* MEMORY USAGE is exact for strings and samples 5 elements of the others (object.c). */
static enum basis key_basis(const struct record_key *k)
{
	return strcmp(k->type, "string") == 0 ? BASIS_EXACT : BASIS_SAMPLED;
}

static void big_key_action(const struct model *m, struct finding *f, const struct record_key *k)
{
	static const struct {
		const char *type, *advice;
	} table[] = {
		{ "string", "Compress the value, or cut it into several keys." },
		{ "list", "Drain it (more consumers), or cap it with LTRIM." },
		{ "zset", "Keep the top only (ZREMRANGEBYRANK), or one key a period." },
		{ "stream", "Cap it with XTRIM MAXLEN ~." },
	};
	const char *advice = "Split it over several keys by a hash of the field.";

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].type, k->type) == 0)
			advice = table[i].advice;
	finding_action(f, RECORD_UNKNOWN, "", "%s", advice);
	advice_unused(m, f, k->bytes, say_key_cli(m, k->key, k->db, advice_idle_question(m), ""));
}

bool rule_bigkey_size(const struct model *m, struct finding *f)
{
	const struct record_key *largest = NULL, *k;
	enum key_level worst = KEY_NORMAL;
	int64_t bytes = 0, count = 0;

	if (m->keyspace != NULL)
		return false; /* all keys are known: what is told of the pass says more */
	for (size_t i = 0; (k = key_at(m, i)) != NULL; i++) {
		enum key_level level = key_level(k);

		if (level == KEY_NORMAL || drawn_again(m, i))
			continue;
		count++;
		sum_add(&bytes, k->bytes != RECORD_UNKNOWN ? k->bytes : 0);
		if (level > worst || largest == NULL ||
		    (level == worst && k->bytes > largest->bytes))
			largest = k;
		worst = level > worst ? level : worst;
	}
	if (largest == NULL)
		return false;
	f->severity = worst == KEY_VERY_BIG ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = (double)bytes;
	finding_title(f, "%s big key%s; the largest is %s (%s, %s%s)", say_count(count).s,
		      count == 1 ? "" : "s", say_key(largest->key.data, largest->key.len).s,
		      largest->type, key_elements(largest).s,
		      largest->bytes != RECORD_UNKNOWN ? say_bytes(largest->bytes).s :
							 "size unknown");
	finding_evidence_count(f, "big_keys_total", count, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "big_keys_bytes", bytes > 0 ? bytes : RECORD_UNKNOWN,
			       BASIS_SAMPLED);
	finding_evidence_text(f, "largest_key", say_key(largest->key.data, largest->key.len).s,
			      BASIS_EXACT);
	finding_evidence_bytes(f, "largest_key_bytes", largest->bytes, key_basis(largest));
	finding_evidence_count(f, "largest_key_elements", largest->elements, "elements",
			       BASIS_EXACT);
	finding_evidence_count(f, "keys_looked_at_total", looked_at_total(m), "keys", BASIS_EXACT);
	finding_cause(f, "One command over such a key (reading, deleting, expiring it) runs for "
			 "milliseconds to seconds, and every other client waits.");
	big_key_action(m, f, largest);
	return true;
}

/* --- keys without TTL ----------------------------------------------------- */

struct no_ttl_count {
	int64_t temporary, without, bytes; /* bytes of those without */
	bool no_hashes; /* a hash may go with its last field, and is left out */
	const struct record_key *example; /* the largest of the prefix with most without */
	int64_t alike; /* keys of that prefix */
};

static bool is_hash(const struct record_key *k)
{
	return k->type != NULL && !strcmp(k->type, "hash");
}

static bool lacks_ttl(const struct record_key *k, bool may_evict)
{
	return !isnan(k->ttl_seconds) && k->type != NULL && strcmp(k->type, "none") != 0 &&
	       key_temporary(&k->key, may_evict) && k->ttl_seconds < 0;
}

/*
 * The server tells how many hashes have fields that expire, and of none which. As many as that, and
 * half of those without a TTL that there should be by those looked at, are taken to be these.
 */
static bool hashes_may_go(const struct model *m, bool may_evict)
{
	int64_t expiring = measure_expiring_hashes(m), hashes = 0, looked = 0, keys, expires;
	const struct record_key *k;

	measure_keyspace(m, &keys, &expires);
	for (size_t i = 0; expiring > 0 && (k = key_at(m, i)) != NULL; i++) {
		if (drawn_again(m, i))
			continue;
		looked++;
		hashes += is_hash(k) && lacks_ttl(k, may_evict);
	}
	return hashes > 0 && 2 * (double)expiring * (double)looked >= (double)hashes * (double)keys;
}

static bool left_out(const struct no_ttl_count *n, const struct record_key *k)
{
	return n->no_hashes && is_hash(k) && k->ttl_seconds < 0;
}

/* Keys without a TTL whose name folds to the same prefix as that of @key. */
static int64_t count_alike(const struct model *m, const struct record_key *key, bool may_evict)
{
	struct buf mine = { 0 }, other = { 0 };
	const struct record_key *k;
	int64_t count = 0;

	prefix_fold(&mine, key->key.data, key->key.len);
	for (size_t i = 0; (k = key_at(m, i)) != NULL; i++) {
		if (!lacks_ttl(k, may_evict) || drawn_again(m, i))
			continue;
		buf_clear(&other);
		prefix_fold(&other, k->key.data, k->key.len);
		count += other.len == mine.len && !memcmp(other.data, mine.data, mine.len);
	}
	buf_free(&mine);
	buf_free(&other);
	return count;
}

/* An example is one of the many, not the odd one out: of the first few, the one with most
 * like it. */
static void find_example(const struct model *m, struct no_ttl_count *n, bool may_evict)
{
	const struct record_key *k;
	int tries = EXAMPLE_TRIES;

	for (size_t i = 0; tries > 0 && (k = key_at(m, i)) != NULL; i++) {
		int64_t alike;

		if (!lacks_ttl(k, may_evict) || left_out(n, k))
			continue;
		tries--;
		alike = count_alike(m, k, may_evict);
		if (alike > n->alike) {
			n->alike = alike;
			n->example = k;
		}
	}
}

static struct no_ttl_count count_no_ttl(const struct model *m)
{
	const char *policy = model_config(m, "maxmemory-policy");
	bool may_evict = policy != NULL && strncmp(policy, "allkeys-", 8) == 0;
	struct no_ttl_count n = { .no_hashes = hashes_may_go(m, may_evict) };
	const struct record_key *k;

	for (size_t i = 0; (k = key_at(m, i)) != NULL; i++) {
		if (drawn_again(m, i))
			continue;
		if (isnan(k->ttl_seconds) || k->type == NULL || strcmp(k->type, "none") == 0 ||
		    !key_temporary(&k->key, may_evict) || left_out(&n, k))
			continue;
		n.temporary++;
		if (k->ttl_seconds >= 0)
			continue;
		n.without++;
		sum_add(&n.bytes, k->bytes > 0 ? k->bytes : 0);
	}
	find_example(m, &n, may_evict);
	return n;
}

bool rule_no_ttl(const struct model *m, struct finding *f)
{
	struct no_ttl_count n = count_no_ttl(m);
	int64_t keys, expires;

	if (n.without == 0 || m->keyspace != NULL)
		return false;
	measure_keyspace(m, &keys, &expires);
	f->severity = n.without >= NO_TTL_WARNING_KEYS && measure_ratio(n.without, n.temporary) >=
								  NO_TTL_WARNING_RATIO ?
			      SEVERITY_WARNING :
			      SEVERITY_INFO;
	f->weak = n.temporary < NO_TTL_SURE_KEYS;
	f->cost = (double)n.bytes;
	finding_title(f, "%s of %s temporary keys looked at never expire, such as %s",
		      say_count(n.without).s, say_count(n.temporary).s,
		      say_key(n.example->key.data, n.example->key.len).s);
	finding_evidence_count(f, "temporary_without_ttl_total", n.without, "keys", BASIS_SAMPLED);
	finding_evidence_count(f, "temporary_looked_at_total", n.temporary, "keys", BASIS_SAMPLED);
	finding_evidence_count(f, "keys_total", keys, "keys", BASIS_EXACT);
	finding_evidence_count(f, "keys_with_ttl_total", expires, "keys", BASIS_EXACT);
	finding_cause(f, "Keys named as temporary were written without an expiry (or lost it: SET "
			 "drops the TTL), so they stay for ever.");
	finding_action(f, RECORD_UNKNOWN,
		       say_key_cli(m, n.example->key, n.example->db, advice_idle_question(m), "").s,
		       "Write them with a TTL in one command (SET key value EX seconds, or "
		       "KEEPTTL), and give the ones that are there an expiry once it is known that "
		       "nobody needs them longer.");
	return true;
}

/* --- tables ---------------------------------------------------------------- */

bool rule_hashtable(const struct model *m, struct finding *f)
{
	int64_t main_table = ledger_bytes(&m->ledger, "hashtable_main");
	int64_t expires_table = ledger_bytes(&m->ledger, "hashtable_expires");
	int64_t rehashing = ledger_bytes(&m->ledger, "hashtable_rehashing");
	int64_t used = measure_used(m);
	int64_t tables = measure_sum(measure_sum(main_table, expires_table), rehashing);
	int64_t keys, expires;
	bool rehash = rehashing >= WASTE_FLOOR_BYTES;

	if (!rehash && (tables == RECORD_UNKNOWN || tables < WASTE_FLOOR_BYTES ||
			!(measure_ratio(tables, used) > TABLE_SHARE)))
		return false;
	measure_keyspace(m, &keys, &expires);
	f->severity = SEVERITY_INFO;
	f->cost = rehash ? (double)rehashing : (double)tables;
	if (rehash)
		finding_title(f, "A key table is being resized: %s for both sizes",
			      say_bytes(rehashing).s);
	else
		finding_title(f, "The key tables take %s of used_memory (%s)",
			      say_percent(measure_ratio(tables, used)).s, say_bytes(tables).s);
	finding_evidence_bytes(f, "hashtable_main", main_table, BASIS_EXACT);
	finding_evidence_bytes(f, "hashtable_expires", expires_table, BASIS_EXACT);
	finding_evidence_bytes(f, "hashtable_rehashing", rehashing, BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_evidence_count(f, "keys_total", keys, "keys", BASIS_EXACT);
	if (rehash)
		finding_cause(f, "Tables double at each power of two of keys, and both exist until "
				 "all keys are moved; used_memory is higher for that time.");
	else
		finding_cause(f, "The values are so small that each key's entry and object header "
				 "weigh as much as its data.");
	if (rehash)
		finding_action(f, RECORD_UNKNOWN, "", "Wait: the old table goes by itself.");
	else
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET hash-max-listpack-*").s,
			       "Put small values into hashes of some hundred fields (one listpack "
			       "instead of hundreds of entries).");
	return true;
}
