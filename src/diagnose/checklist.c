/* SPDX-License-Identifier: BSD-2-Clause */
/* The items of the checklists, as a table, and what figures each has; see checklist.h. */
#include "diagnose/checklist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "diagnose/diagnose.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"

#define PREFIXES_TOLD 3
#define TYPES_TOLD    3

const char *checklist_name(enum checklist which)
{
	static const char *const names[CHECKLISTS] = { "none", "daily", "weekly", "monthly" };

	return names[which];
}

const char *tick_name(enum tick tick)
{
	static const char *const names[TICKS] = { "unknown", "fine", "attention" };

	return names[tick];
}

/* --- why a figure is not known ------------------------------------------------------------ */

static bool not_told(const struct model *m, struct finding *f)
{
	const char *reason = m->target.connect_reason;

	finding_title(f, "not known: %s", reason && *reason ? reason : "the server did not tell");
	return false;
}

static bool not_passed(struct finding *f)
{
	finding_title(f, "not known: no pass over the keys was made (--keys)");
	return false;
}

/* "1,000 keys" */
static void say_keys_met(struct buf *out, const struct keyspace *keyspace)
{
	buf_printf(out, "%s key%s%s", say_count(keyspace->keys_total).s,
		   keyspace->keys_total == 1 ? "" : "s",
		   keyspace->complete ? "" : " (the pass did not meet all)");
}

/* --- daily -------------------------------------------------------------------------------- */

static bool tell_used(const struct model *m, const struct findings *all, struct finding *f)
{
	int64_t counted = measure_counted(m), max = measure_max_memory(m);
	double ratio = max > 0 ? measure_ratio(counted, max) : NAN;

	(void)all;
	if (counted == RECORD_UNKNOWN || max == RECORD_UNKNOWN)
		return not_told(m, f);
	finding_evidence_bytes(f, "used_memory", measure_used(m), BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", max, BASIS_EXACT);
	finding_evidence(f, "maxmemory_ratio", ratio, "ratio", BASIS_DERIVED);
	if (max > 0)
		finding_title(f, "%s of %s (%s)", say_bytes(counted).s, say_bytes(max).s,
			      say_percent(ratio).s);
	else
		finding_title(f, "%s, without a maxmemory", say_bytes(counted).s);
	return true;
}

static bool tell_fragmentation(const struct model *m, const struct findings *all, struct finding *f)
{
	const char *ratio = measure_info_text(m, "mem_fragmentation_ratio");
	int64_t holes = measure_slab_holes(m), dirty = measure_dirty(m);
	struct buf text = { 0 };

	(void)all;
	if (!ratio)
		return not_told(m, f);
	finding_evidence(f, "mem_fragmentation_ratio", strtod(ratio, NULL), "ratio", BASIS_EXACT);
	finding_evidence_bytes(f, "slab_holes", holes, BASIS_DERIVED);
	finding_evidence_bytes(f, "dirty_and_muzzy", dirty, BASIS_EXACT);
	buf_puts(&text, ratio);
	if (holes != RECORD_UNKNOWN)
		buf_printf(&text, "; %s lie in holes between live objects", say_bytes(holes).s);
	if (dirty != RECORD_UNKNOWN)
		buf_printf(&text, ", %s are free pages not yet given back", say_bytes(dirty).s);
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

static bool tell_evicted(const struct model *m, const struct findings *all, struct finding *f)
{
	int64_t now = model_info_delta(m, "evicted_keys"), ever = model_info_end(m, "evicted_keys");

	(void)all;
	if (now == RECORD_UNKNOWN || ever == RECORD_UNKNOWN)
		return not_told(m, f);
	finding_evidence_count(f, "evicted_keys", now, "keys", BASIS_EXACT);
	finding_evidence_count(f, "evicted_keys_since_start", ever, "keys", BASIS_EXACT);
	finding_title(f, "%s in %s, %s since the server started", say_count(now).s,
		      say_seconds(m->duration_seconds).s, say_count(ever).s);
	return true;
}

static bool tell_doctor(const struct model *m, const struct findings *all, struct finding *f)
{
	size_t total[SEVERITY_CRITICAL + 1] = { 0 };

	if (diagnose_unknown(m))
		return not_told(m, f);
	for (size_t i = 0; i < all->count; i++)
		total[all->items[i].severity]++;
	for (int i = SEVERITY_CRITICAL; i >= SEVERITY_INFO; i--)
		finding_evidence(f, severity_name((enum severity)i), (double)total[i], "findings",
				 BASIS_EXACT);
	finding_title(f, "redmem finds %zu critical, %zu warning%s, %zu note%s",
		      total[SEVERITY_CRITICAL], total[SEVERITY_WARNING],
		      total[SEVERITY_WARNING] == 1 ? "" : "s", total[SEVERITY_INFO],
		      total[SEVERITY_INFO] == 1 ? "" : "s");
	return true;
}

/* --- weekly ------------------------------------------------------------------------------- */

/* "leaderboard:global (zset, 1,000,000 elements, 76 MiB)" */
static void say_largest(struct buf *out, const struct keyspace *keyspace)
{
	const struct record_key *k;

	if (!keyspace->top.count)
		return;
	k = &keyspace->top.keys[0].key;
	buf_printf(out, "; the largest is %s (%s", say_key(k->key.data, k->key.len).s, k->type);
	if (k->elements != RECORD_UNKNOWN && strcmp(k->type, "string") != 0)
		buf_printf(out, ", %s elements", say_count(k->elements).s);
	if (k->bytes != RECORD_UNKNOWN)
		buf_printf(out, ", %s", say_bytes(k->bytes).s);
	buf_putc(out, ')');
}

static bool tell_big(const struct model *m, const struct findings *all, struct finding *f)
{
	const struct keyspace *c = m->keyspace;
	int64_t total[KEY_LEVELS] = { 0 };
	struct buf text = { 0 };

	(void)all;
	if (!c)
		return not_passed(f);
	for (size_t i = 0; i < c->types_count; i++)
		for (int level = 0; level < KEY_LEVELS; level++)
			total[level] += c->types[i].level_total[level];
	finding_evidence_count(f, "keys_total", c->keys_total, "keys", BASIS_EXACT);
	finding_evidence_count(f, "big_total", total[KEY_BIG], "keys", BASIS_EXACT);
	finding_evidence_count(f, "very_big_total", total[KEY_VERY_BIG], "keys", BASIS_EXACT);
	buf_printf(&text, "%s big and %s very big of ", say_count(total[KEY_BIG]).s,
		   say_count(total[KEY_VERY_BIG]).s);
	say_keys_met(&text, c);
	say_largest(&text, c);
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

static bool tell_distribution(const struct model *m, const struct findings *all, struct finding *f)
{
	const struct keyspace *c = m->keyspace;
	struct concentration spread;
	struct buf text = { 0 };

	(void)all;
	if (!c)
		return not_passed(f);
	for (size_t i = 0; i < c->prefixes.count && i < PREFIXES_TOLD; i++) {
		const struct keyspace_prefix *p = &c->prefixes.rows[i];

		buf_printf(&text, "%s%s %s (%s)", i ? ", " : "",
			   say_key(p->prefix, p->prefix_len).s, say_bytes(p->bytes).s,
			   say_percent(measure_ratio(p->bytes, c->bytes)).s);
	}
	if (!c->prefixes.count)
		buf_puts(&text, "no keys");
	else if (c->prefixes.count > PREFIXES_TOLD)
		buf_printf(&text, " and %zu more prefixes", c->prefixes.count - PREFIXES_TOLD);
	if (concentration_of(m, &spread)) {
		buf_printf(&text, "; the largest 20 %% of the keys hold %s of the bytes",
			   say_percent(spread.top_20_percent).s);
		finding_evidence(f, "top_20_percent_ratio", spread.top_20_percent, "ratio",
				 spread.basis);
	}
	finding_evidence_count(f, "prefixes_total", (int64_t)c->prefixes.count, "prefixes",
			       BASIS_EXACT);
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

static bool tell_growth(const struct model *m, const struct findings *all, struct finding *f)
{
	int64_t from = model_info_start(m, "used_memory"), to = model_info_end(m, "used_memory");
	const struct prefix_row *top;
	struct buf text = { 0 };

	(void)all;
	if (from == RECORD_UNKNOWN || to == RECORD_UNKNOWN)
		return not_told(m, f);
	finding_evidence_bytes(f, "used_memory_start", from, BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory_end", to, BASIS_EXACT);
	buf_printf(&text, "used_memory went from %s to %s in %s", say_bytes(from).s,
		   say_bytes(to).s, say_seconds(m->duration_seconds).s);
	top = m->alloc.growth_count > 0 ? &m->prefixes[m->alloc.growth[0]] : NULL;
	if (to > from && top != NULL && model_net_is_certain(m, &top->charge)) {
		double bytes = top->charge.alloc_bytes - top->charge.free_bytes;

		buf_printf(&text, ", most of all by %s (+%s)",
			   say_key(top->prefix, top->prefix_len).s, say_bytes(sum_whole(bytes)).s);
		finding_evidence(f, "prefix_growth_bytes", bytes, "bytes", BASIS_SAMPLED);
	}
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

static bool tell_ttl(const struct model *m, const struct findings *all, struct finding *f)
{
	const struct keyspace *c = m->keyspace;
	struct buf text = { 0 };
	int64_t keys, expires;

	(void)all;
	measure_keyspace(m, &keys, &expires);
	if (c) { /* of all that were met, a replica's hidden ones too */
		keys = c->keys_total;
		expires = sum_less(c->keys_total, c->no_ttl_total);
	}
	if (keys == RECORD_UNKNOWN || expires == RECORD_UNKNOWN)
		return not_told(m, f);
	finding_evidence_count(f, "keys_total", keys, "keys", BASIS_EXACT);
	finding_evidence_count(f, "no_ttl_total", sum_less(keys, expires), "keys", BASIS_EXACT);
	buf_printf(&text, "%s of %s keys never expire", say_count(sum_less(keys, expires)).s,
		   say_count(keys).s);
	if (c) {
		buf_printf(&text, ", %s of them temporary by their names",
			   say_count(c->temporary_no_ttl_total).s);
		finding_evidence_count(f, "temporary_no_ttl_total", c->temporary_no_ttl_total,
				       "keys", BASIS_EXACT);
	}
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

/* --- monthly ------------------------------------------------------------------------------ */

static bool tell_bytes(const struct model *m, const struct findings *all, struct finding *f)
{
	const struct keyspace *c = m->keyspace;
	struct buf text = { 0 };

	(void)all;
	if (!c)
		return not_passed(f);
	finding_evidence_bytes(f, "bytes", c->bytes, BASIS_EXACT);
	finding_evidence_count(f, "keys_total", c->keys_total, "keys", BASIS_EXACT);
	buf_printf(&text, "%s in ", say_bytes(c->bytes).s);
	say_keys_met(&text, c);
	for (size_t i = 0; i < c->types_count && i < TYPES_TOLD; i++)
		buf_printf(&text, "%s %s %s", i ? "," : ":", c->types[i].type,
			   say_bytes(c->types[i].bytes).s);
	say_largest(&text, c);
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

/* What MEMORY STATS tells apart, by INFO's names. */
static const struct {
	const char *field, *words;
} stats[] = {
	{ "used_memory_dataset", "data" },	  { "used_memory_overhead", "overhead" },
	{ "mem_clients_normal", "clients" },	  { "mem_clients_slaves", "replicas" },
	{ "mem_replication_backlog", "backlog" }, { "mem_aof_buffer", "AOF buffer" },
};

static bool tell_stats(const struct model *m, const struct findings *all, struct finding *f)
{
	int64_t used = measure_used(m);
	struct buf text = { 0 };

	(void)all;
	if (used == RECORD_UNKNOWN)
		return not_told(m, f);
	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		int64_t bytes = model_info_end(m, stats[i].field);

		if (bytes == RECORD_UNKNOWN)
			continue;
		finding_evidence_bytes(f, stats[i].field, bytes, BASIS_EXACT);
		buf_printf(&text, "%s%s %s", text.len ? ", " : "", stats[i].words,
			   say_bytes(bytes).s);
		if (!i)
			buf_printf(&text, " (%s of used_memory)",
				   say_percent(measure_ratio(bytes, used)).s);
	}
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

static bool tell_model(const struct model *m, const struct findings *all, struct finding *f)
{
	struct pattern patterns[PATTERNS];
	struct buf text = { 0 };

	(void)all;
	if (!m->keyspace)
		return not_passed(f);
	patterns_find(m, patterns);
	for (size_t i = 0; i < PATTERNS; i++) {
		const struct pattern *p = &patterns[i];

		finding_evidence_count(f, p->id, p->keys_total, "keys", BASIS_EXACT);
		if (p->keys_total)
			buf_printf(&text, "%s%s %s", text.len ? ", " : "",
				   say_count(p->keys_total).s,
				   p->keys_total == 1 ? p->title_one : p->title);
	}
	if (!text.len) {
		buf_puts(&text, "none of the guide's patterns in ");
		say_keys_met(&text, m->keyspace);
	}
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

static bool tell_settings(const struct model *m, const struct findings *all, struct finding *f)
{
	const char *what, *policy = measure_policy(m), *defrag = model_config(m, "activedefrag");
	int64_t max = measure_max_memory(m), room = measure_room(m, &what);
	struct buf text = { 0 };

	(void)all;
	if (max == RECORD_UNKNOWN)
		return not_told(m, f);
	finding_evidence_bytes(f, "maxmemory", max, BASIS_EXACT);
	finding_evidence_bytes(f, "mem_limit", room, BASIS_EXACT);
	finding_evidence_text(f, "maxmemory_policy", policy, BASIS_EXACT);
	finding_evidence_text(f, "activedefrag", defrag, BASIS_EXACT);
	if (max > 0)
		buf_printf(&text, "maxmemory is %s", say_bytes(max).s);
	else
		buf_puts(&text, "there is no maxmemory");
	if (max > 0 && room > 0)
		buf_printf(&text, " (%s of %s; the guide says at most 80 %%)",
			   say_percent(measure_ratio(max, room)).s, what);
	if (policy)
		buf_printf(&text, ", policy %s", policy);
	if (defrag)
		buf_printf(&text, ", activedefrag %s", defrag);
	finding_title(f, "%s", buf_str(&text));
	buf_free(&text);
	return true;
}

/* The finding whose one action gives back most. */
static const struct finding *largest_gain(const struct findings *all, const struct action **action)
{
	const struct finding *best = NULL;
	int64_t most = 0;

	for (size_t i = 0; i < all->count; i++)
		for (size_t n = 0; n < all->items[i].actions_count; n++) {
			const struct action *a = &all->items[i].actions[n];

			if (a->expected_gain_bytes <= most)
				continue;
			most = a->expected_gain_bytes;
			best = &all->items[i];
			*action = a;
		}
	return best;
}

static bool tell_plan(const struct model *m, const struct findings *all, struct finding *f)
{
	const struct action *action = NULL;
	const struct finding *best = largest_gain(all, &action);

	if (diagnose_unknown(m))
		return not_told(m, f);
	if (!best) {
		finding_title(f, "nothing found would give back memory");
		return true;
	}
	finding_evidence_bytes(f, "expected_gain_bytes", action->expected_gain_bytes,
			       BASIS_DERIVED);
	finding_title(f, "the most that one step gives back is %s (%s): %s",
		      say_bytes(action->expected_gain_bytes).s, best->id, action->text);
	return true;
}

static bool tell_changes(const struct model *m, const struct findings *all, struct finding *f)
{
	(void)m;
	(void)all;
	finding_title(f, "yours to write down: redmem sees what is, not what was changed and why "
			 "(--record FILE keeps this watch beside it)");
	return false;
}

/* --- the table ---------------------------------------------------------------------------- */

struct row {
	enum checklist of;
	const char *id, *title;
	/* Findings that belong to it, blanks between; one that ends in "." is all that begin so;
	 * "" = all, NULL = the one whose action gives back most. */
	const char *findings;
	/* Say the figures, or why they are not known: false. */
	bool (*tell)(const struct model *m, const struct findings *all, struct finding *f);
};

#define DATA_MODEL                                                                              \
	"keys.big_string keys.large_hash keys.massive_zset keys.undrained_list keys.long_list " \
	"keys.large_set keys.long_stream keys.temp_without_ttl keys.encoding_lost "             \
	"keys.many_small keys.one_prefix keys.one_key stream."

static const struct row rows[] = {
	{ CHECKLIST_DAILY, "used_memory", "used_memory against maxmemory",
	  "mem. evict.nothing_to_evict writes.refused killed.limit", tell_used },
	{ CHECKLIST_DAILY, "mem_fragmentation_ratio", "mem_fragmentation_ratio",
	  "frag. rss. defrag. alloc.not_jemalloc", tell_fragmentation },
	{ CHECKLIST_DAILY, "evicted_keys", "evicted_keys", "evict.", tell_evicted },
	{ CHECKLIST_DAILY, "memory_doctor", "MEMORY DOCTOR, in redmem's words", "", tell_doctor },
	{ CHECKLIST_WEEKLY, "bigkeys", "big keys (redis-cli --bigkeys)", "bigkey. key.big",
	  tell_big },
	{ CHECKLIST_WEEKLY, "distribution", "distribution by pattern of names",
	  "keys.one_prefix keys.many_small keys.one_key", tell_distribution },
	{ CHECKLIST_WEEKLY, "growth", "abnormal growth",
	  "mem.forecast keys.undrained_list key.growing clients.buffers repl.buffer", tell_growth },
	{ CHECKLIST_WEEKLY, "no_ttl", "keys without a TTL",
	  "keys.no_ttl keys.temp_without_ttl key.no_ttl", tell_ttl },
	{ CHECKLIST_MONTHLY, "memkeys", "bytes of keys (redis-cli --memkeys)", "bigkey. key.big",
	  tell_bytes },
	{ CHECKLIST_MONTHLY, "memory_stats", "MEMORY STATS in detail",
	  "clients.buffers client.one repl.buffer repl.backlog aof.buffer scripts.memory memory. "
	  "hashtable.overhead lazyfree.pending expired.resident",
	  tell_stats },
	{ CHECKLIST_MONTHLY, "data_model", "the data model", DATA_MODEL, tell_model },
	{ CHECKLIST_MONTHLY, "settings", "the settings", "mem.no_max config. defrag.",
	  tell_settings },
	{ CHECKLIST_MONTHLY, "plan", "optimisations to plan", NULL, tell_plan },
	{ CHECKLIST_MONTHLY, "changes", "changes written down", "-", tell_changes },
};

#define ROWS_COUNT (sizeof(rows) / sizeof(rows[0]))

static bool belongs(const char *list, const char *id)
{
	size_t len;

	if (!*list)
		return true;
	for (; *list; list += len + strspn(list + len, " ")) {
		len = strcspn(list, " ");
		if (!strncmp(list, id, len) && (list[len - 1] == '.' || !id[len]))
			return true;
	}
	return false;
}

/* The worst comes first among the findings. */
static const struct finding *worst(const struct row *row, const struct findings *f)
{
	const struct action *action;

	if (!row->findings)
		return largest_gain(f, &action);
	for (size_t i = 0; i < f->count; i++)
		if (belongs(row->findings, f->items[i].id))
			return &f->items[i];
	return NULL;
}

struct checklist_page *checklist_page_new(enum checklist which, const struct model *m,
					  const struct findings *f)
{
	struct checklist_page *page = xcalloc(1, sizeof(*page));

	page->which = which;
	page->items = xcalloc(ROWS_COUNT, sizeof(*page->items));
	for (size_t i = 0; i < ROWS_COUNT; i++) {
		struct checklist_item *item = &page->items[page->count];
		bool known;

		if (rows[i].of != which)
			continue;
		item->id = rows[i].id;
		item->title = rows[i].title;
		item->finding = worst(&rows[i], f);
		known = rows[i].tell(m, f, &item->figures);
		if (item->finding && item->finding->severity > SEVERITY_INFO)
			item->tick = TICK_ATTENTION;
		else
			item->tick = known ? TICK_FINE : TICK_UNKNOWN;
		page->total[item->tick]++;
		page->count++;
	}
	return page;
}

void checklist_page_free(struct checklist_page *page)
{
	if (!page)
		return;
	for (size_t i = 0; i < page->count; i++)
		finding_clear(&page->items[i].figures);
	free(page->items);
	free(page);
}
