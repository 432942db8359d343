/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop held by one command: on a big key, or without one (KEYS, FLUSHALL, scripts).
 * What a command only suffered (swap, waiting for a CPU, a fork) is not counted here; other
 * rules speak of it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/advice.h"
#include "diagnose/finding.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/short_commands.h"
#include "diagnose/stall_command.h"
#include "diagnose/stall_owner.h"
#include "diagnose/stall_work.h"
#include "diagnose/waits.h"
#include "redis/knowledge_commands.h"
#include "redis/many_keys.h"

/* slowlog-log-slower-than is 10 ms by default: what Redis calls slow. */
#define BLOCK_NOTE_SECONDS 0.01
/* The share of its time from which on that is what a command did: free and allocate, or sleep. */
#define MOST_SHARE 0.5
/* The harm is in the sum of all when that is so many times the longest. */
#define SUM_IS_TOLD 2

/* One command that blocked, from the loop sensor or from SLOWLOG. */
struct block {
	const char *command;
	struct bytes key;
	int64_t keys_total; /* struct record_slowlog */
	double seconds; /* its own work */
	double allocator_seconds; /* NAN */
	double asleep_seconds; /* on no disk; NAN */
	bool running;
	bool reads; /* no command yet: its request was read */
	bool slowlog;
};

static bool block_at(const struct model *m, size_t i, struct block *b)
{
	const struct stall *stall, *request, *named;
	const struct record_slowlog *slow;

	if (i < m->stalls_count) {
		stall = &m->stalls[i].stall;
		request = stall_request(m, stall);
		named = request ? request : stall;
		*b = (struct block){ .command = stall_command(m, stall),
				     .key = named->key,
				     .keys_total = named->keys_total,
				     .reads = request != NULL,
				     .seconds = stall_own_seconds(stall),
				     .allocator_seconds = stall->seconds[CAUSE_ALLOCATOR],
				     .asleep_seconds = stall->seconds[CAUSE_OTHER],
				     .running = stall->running };
	} else if (i - m->stalls_count < m->slowlog_count) {
		slow = &m->slowlog[i - m->stalls_count].entry;
		*b = (struct block){ .command = slow->command,
				     .key = slow->key,
				     .keys_total = slow->keys_total,
				     .seconds = slow->seconds,
				     .allocator_seconds = NAN,
				     .asleep_seconds = NAN,
				     .slowlog = true };
	} else {
		return false;
	}
	return true;
}

/*
 * A stall counts for the finding it belongs to, and one that was mostly waiting for a CPU for that
 * of its own work: on a busy machine all are. SLOWLOG's word is taken only where the
 * sensor that splits the time is off, or the key is known to be big: its wall time also
 * holds swap-ins and waiting for a CPU.
 */
static bool block_counts(const struct model *m, size_t i, const struct block *b, const char *id)
{
	bool with_key = !strcmp(id, "bigkey.blocks");
	const struct record_key *k;

	if (!b->slowlog) /* what is only alike has no name to tell */
		return *b->command && stall_works_for(m, &m->stalls[i].stall, id);
	if (b->command == NULL || b->command[0] == '\0' || !(b->seconds >= BLOCK_NOTE_SECONDS) ||
	    keys_are_to_blame(m, b->command, b->key, b->keys_total, b->seconds) != with_key)
		return false;
	if (stalls_have(m, &m->slowlog[i - m->stalls_count].entry))
		return false; /* it belongs to what that was spent on */
	k = key_looked_at(m, b->key);
	return !model_sensor_on(m, "loop") || (k != NULL && key_level(k) != KEY_NORMAL);
}

/*
 * What one command did on one key. Clients that come while the server is held wait half of that
 * time each, and there are as many as it is long: what they wait in sum grows with its square. So
 * a command that held it a hundred times is worse than another that did so once and a bit longer.
 */
struct block_sum {
	struct block longest;
	int64_t count;
	double seconds;
	double reading_seconds; /* of them: requests were read */
	double squares; /* of seconds */
};

/* What is not among the first ones did less, as stalls come longest first. */
#define BLOCK_SUMS 64

struct blocks {
	struct block_sum sums[BLOCK_SUMS]; /* what harmed most comes first */
	size_t sums_count;
	int64_t count; /* of all commands and keys */
	double seconds;
};

static enum severity block_severity(const struct model *m, const struct blocks *all, const char *id)
{
	struct waits w = waits_with_own_work(m, id);

	if (all->sums[0].longest.slowlog) {
		w.longest_seconds = all->sums[0].longest.seconds;
		w.seconds = all->seconds;
	}
	return waits_severity(m, &w);
}

static struct block_sum *block_sum_of(struct blocks *all, const struct block *b)
{
	for (size_t i = 0; i < all->sums_count; i++)
		if (!strcmp(all->sums[i].longest.command, b->command) &&
		    bytes_same(all->sums[i].longest.key, b->key))
			return &all->sums[i];
	if (all->sums_count == BLOCK_SUMS)
		return NULL;
	all->sums[all->sums_count] = (struct block_sum){ .longest = *b };
	all->sums[all->sums_count].longest.seconds = 0;
	return &all->sums[all->sums_count++];
}

static void block_add(struct blocks *all, const struct block *b)
{
	struct block_sum *sum = block_sum_of(all, b);

	all->count++;
	all->seconds += b->seconds;
	if (!sum)
		return;
	sum->count++;
	sum->seconds += b->seconds;
	sum->squares += b->seconds * b->seconds;
	if (b->reads)
		sum->reading_seconds += b->seconds;
	else if (b->seconds > sum->longest.seconds)
		sum->longest = *b;
}

static int by_harm(const void *a, const void *b)
{
	const struct block_sum *x = a, *y = b;

	return (x->squares < y->squares) - (x->squares > y->squares);
}

/* Collect the blocks of a finding. SLOWLOG repeats what the sensor saw, so it is asked only
 * when the sensor saw nothing of the kind. */
static bool blocks_collect(const struct model *m, struct finding *f, struct blocks *all)
{
	struct block b;

	memset(all, 0, sizeof(*all));
	for (size_t i = 0; block_at(m, i, &b); i++) {
		if (b.slowlog && all->count > 0 && !all->sums[0].longest.slowlog)
			break;
		if (block_counts(m, i, &b, f->id))
			block_add(all, &b);
	}
	for (size_t i = 0; i < all->sums_count; i++)
		if (all->sums[i].reading_seconds >= all->sums[i].seconds) { /* nothing else of it */
			all->sums[i].longest.seconds = all->sums[i].reading_seconds;
			all->sums[i].reading_seconds = 0;
		}
	if (!all->count)
		return false;
	qsort(all->sums, all->sums_count, sizeof(*all->sums), by_harm);
	f->severity = block_severity(m, all, f->id);
	f->cost = all->seconds * COST_PER_SECOND;
	return all->sums[0].longest.seconds >= BLOCK_NOTE_SECONDS || f->severity > SEVERITY_INFO;
}

/* ", and 14 such stalls for 500 ms" where that is much more than the longest; or "". */
static struct phrase say_sum(const struct block_sum *sum)
{
	struct phrase out = { "" };

	if (sum->longest.running)
		snprintf(out.s, sizeof(out.s), ", and was still running");
	else if (sum->reading_seconds > 0)
		snprintf(out.s, sizeof(out.s), ", and reading it for %.30s",
			 say_seconds(sum->reading_seconds).s);
	else if (sum->count > 1 && sum->seconds >= SUM_IS_TOLD * sum->longest.seconds)
		snprintf(out.s, sizeof(out.s), ", and %.30s such stalls for %.30s",
			 say_count(sum->count).s, say_seconds(sum->seconds).s);
	return out;
}

static void block_evidence(struct finding *f, const struct blocks *all)
{
	const struct block *w = &all->sums[0].longest;

	finding_evidence(f, "longest_seconds", w->seconds, "seconds", BASIS_EXACT);
	finding_evidence(f, "allocator_ratio",
			 w->seconds > 0 ? w->allocator_seconds / w->seconds : NAN, "ratio",
			 BASIS_SAMPLED);
	finding_evidence_count(f, "stalls_total", all->sums[0].count, "stalls", BASIS_EXACT);
	finding_evidence(f, "stalls_seconds", all->sums[0].seconds, "seconds", BASIS_EXACT);
	if (all->sums[0].reading_seconds > 0)
		finding_evidence(f, "reading_seconds", all->sums[0].reading_seconds, "seconds",
				 BASIS_EXACT);
	if (all->count > all->sums[0].count) {
		finding_evidence_count(f, "all_stalls_total", all->count, "stalls", BASIS_EXACT);
		finding_evidence(f, "all_stalls_seconds", all->seconds, "seconds", BASIS_EXACT);
	}
	finding_evidence_text(f, "source", w->slowlog ? "slowlog" : "watch", BASIS_EXACT);
	/* SLOWLOG gives wall time: swap and waiting for a CPU are in it. */
	f->weak = w->slowlog;
}

/* Others that did so are named where they took a tenth of the time of all. */
#define ALSO_SHARE 0.1
#define ALSO_MOST  2

static bool is_told_also(const struct blocks *all, size_t i)
{
	return i >= 1 && i <= ALSO_MOST && i < all->sums_count &&
	       all->sums[i].seconds >= ALSO_SHARE * all->seconds;
}

/* What to use in place of the others, too, where that is another. */
static void also_advice(struct finding *f, const struct blocks *all)
{
	for (size_t i = 1; is_told_also(all, i); i++) {
		const char *command = all->sums[i].longest.command;
		bool told = false;

		for (size_t j = 0; j < i; j++)
			told = told || !strcmp(all->sums[j].longest.command, command);
		if (!told)
			finding_action(f, RECORD_UNKNOWN, "", "%s: %s", say_command(command).s,
				       advice_command(command));
	}
}

/* Which of several keys is not known, where none that is still there is big: some of them. */
static struct phrase say_keys(const struct model *m, const struct block *b)
{
	const struct record_key *k = key_looked_at(m, b->key);
	struct phrase out = say_key(b->key.data, b->key.len);

	if (b->keys_total <= 1 || (k != NULL && key_level(k) != KEY_NORMAL))
		return out;
	for (size_t i = 0; i < m->slowlog_count; i++) {
		const struct record_slowlog *slow = &m->slowlog[i].entry;

		if (slow->keys_total != b->keys_total || strcmp(slow->command, b->command) != 0 ||
		    !bytes_same(slow->key, b->key))
			continue;
		snprintf(out.s, sizeof(out.s), "one of %.30s keys (%.40s, %.40s%s%.40s%s)",
			 say_count(b->keys_total).s, say_key(slow->key.data, slow->key.len).s,
			 say_key(slow->key_2.data, slow->key_2.len).s, slow->key_3.len ? ", " : "",
			 slow->key_3.len ? say_key(slow->key_3.data, slow->key_3.len).s : "",
			 b->keys_total > 3 ? ", ..." : "");
		break;
	}
	return out;
}

/* "; also SMEMBERS on tags:all, 3 for 300 ms; LREM on jobs, 40 ms", or "". */
static struct phrase say_also(const struct model *m, const struct blocks *all)
{
	struct phrase out = { "" };
	struct buf b = { 0 };

	for (size_t i = 1; is_told_also(all, i); i++) {
		const struct block_sum *sum = &all->sums[i];
		bool named = sum->longest.key.len && !command_is_script(sum->longest.command);

		buf_printf(&b, "%s%.40s%s%.80s, ", i == 1 ? "; also " : "; ",
			   say_command(sum->longest.command).s, named ? " on " : "",
			   named ? say_keys(m, &sum->longest).s : "");
		if (sum->count > 1)
			buf_printf(&b, "%.30s for ", say_count(sum->count).s);
		buf_puts(&b, say_seconds(sum->seconds).s);
	}
	snprintf(out.s, sizeof(out.s), "%s", buf_str(&b));
	buf_free(&b);
	return out;
}

/* Elements whose number alone does not make a key slow. */
#define FEW_ELEMENTS 1000

static const char *why_on_key(const struct block *w, const struct record_key *k)
{
	if (w->allocator_seconds > MOST_SHARE * w->seconds)
		return "The command spends its time in the allocator: it frees or builds very many "
		       "objects at once, and every other client waits.";
	if (k != NULL && k->type != NULL && !strcmp(k->type, "string"))
		return "The command works over a key with a very large value in one go, and every "
		       "other client waits.";
	if (k != NULL && k->elements != RECORD_UNKNOWN && k->elements < FEW_ELEMENTS)
		return "The command works over a key with very large elements in one go, and every "
		       "other client waits.";
	return "The command works over a key with very many elements in one go, and every other "
	       "client waits.";
}

bool rule_bigkey_blocks(const struct model *m, struct finding *f)
{
	const struct record_key *k;
	struct blocks all = { 0 };
	const struct block *w = &all.sums[0].longest;
	bool any = blocks_collect(m, f, &all);

	if ((!any || f->severity == SEVERITY_INFO) && short_on_big_keys(m, f))
		return true;
	if (!any)
		return false;
	k = key_looked_at(m, w->key);
	finding_title(f, "%s on %s held the server for %s%s%s", say_command(w->command).s,
		      say_keys(m, w).s, say_seconds(w->seconds).s, say_sum(&all.sums[0]).s,
		      say_also(m, &all).s);
	finding_evidence_text(f, "command", say_command(w->command).s, BASIS_EXACT);
	finding_evidence_text(f, "key", say_keys(m, w).s, BASIS_EXACT);
	block_evidence(f, &all);
	if (k != NULL && key_level(k) != KEY_NORMAL) {
		finding_evidence_bytes(f, "key_bytes", k->bytes, BASIS_SAMPLED);
		finding_evidence_count(f, "key_elements", k->elements, "elements", BASIS_EXACT);
	}
	if (k != NULL && key_is_walked_pending(w->command, k))
		finding_evidence_count(f, "key_pending", k->pending_total, "entries", BASIS_EXACT);
	finding_cause(f, "%s", why_on_key(w, k));
	advice_big_key(m, f, w->command, w->key);
	also_advice(f, &all);
	return true;
}

/* More at once are many, whatever they hold. */
#define MANY_KEYS 1000

/* " of 237,060 keys", " on jobs", or "": of several keys it is not known which took the time. */
static struct phrase say_worked_on(const struct block *b)
{
	struct phrase out = { "" };

	if (b->keys_total > 1)
		snprintf(out.s, sizeof(out.s), " of %.30s keys", say_count(b->keys_total).s);
	else if (b->key.len && !command_is_script(b->command) && !command_takes_keys(b->command))
		snprintf(out.s, sizeof(out.s), " on %.100s", say_key(b->key.data, b->key.len).s);
	return out;
}

static const char *why_without_key(const struct block *w)
{
	if (command_publishes(w->command))
		return "A message is queued for each subscriber by the command, and written to all "
		       "of them behind it;";
	if (w->asleep_seconds > MOST_SHARE * w->seconds)
		return "The server runs one command at a time, and this one sleeps or waits for "
		       "somebody else;";
	if (command_is_script(w->command))
		return "A script is one command, however many it calls and however long it "
		       "computes;";
	if (w->allocator_seconds > MOST_SHARE * w->seconds)
		return "The server runs one command at a time, and this one frees or builds very "
		       "many objects at once;";
	return "The server runs one command at a time, and this one works over much data;";
}

bool rule_command_blocks(const struct model *m, struct finding *f)
{
	struct blocks all = { 0 };
	const struct block *w = &all.sums[0].longest;
	bool any = blocks_collect(m, f, &all);
	const char *error = any ? command_refuses_with(w->command) : "";
	int64_t refused = model_errors(m, error);

	if ((!any || f->severity == SEVERITY_INFO) && short_commands(m, f))
		return true;
	if (!any)
		return false;
	if (refused > 0 && f->severity > SEVERITY_INFO && command_is_script(w->command)) {
		f->severity = SEVERITY_CRITICAL;
		f->rank = RANK_LOST;
	}
	finding_title(f, "%s%s held the server for %s%s%s%s", say_command(w->command).s,
		      say_worked_on(w).s, say_seconds(w->seconds).s, say_sum(&all.sums[0]).s,
		      say_refused(m, error).s, say_also(m, &all).s);
	finding_evidence_text(f, "command", say_command(w->command).s, BASIS_EXACT);
	finding_evidence_count(f, "keys_total", w->keys_total > 1 ? w->keys_total : RECORD_UNKNOWN,
			       "keys", BASIS_EXACT);
	if (w->keys_total <= 1 && w->key.len > 0)
		finding_evidence_text(f, "key", say_key(w->key.data, w->key.len).s, BASIS_EXACT);
	block_evidence(f, &all);
	finding_cause(f, "%s every other client waits.", why_without_key(w));
	if (refused > 0)
		finding_evidence_count(f, error, refused, "errors", BASIS_EXACT);
	finding_action(f, RECORD_UNKNOWN, "", "%s",
		       w->keys_total > MANY_KEYS ? "Send some hundred keys at a time." :
						   advice_command(w->command));
	also_advice(f, &all);
	return true;
}
