/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that held the server by their own work: on a big key, or without one
 * (KEYS, FLUSHALL, scripts). What a command only suffered (swap, waiting for a
 * CPU, a fork) is not counted here; other rules speak of it.
 */
#include <math.h>
#include <string.h>

#include "diagnose/advice.h"
#include "diagnose/finding.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* slowlog-log-slower-than is 10 ms by default: what Redis calls slow. */
#define BLOCK_NOTE_SECONDS 0.01
/* The latency monitor's documented example of a noticeable event. */
#define BLOCK_WARNING_SECONDS  0.1
#define BLOCK_CRITICAL_SECONDS 1.0
/* The allocator's share from which a command is called a mass free or allocation. */
#define ALLOCATOR_SHARE 0.5

/* One command that blocked, from the loop sensor or from SLOWLOG. */
struct block {
	const char *command;
	struct bytes key;
	double seconds; /* its own work */
	double allocator_seconds; /* NAN */
	bool running;
	bool slowlog;
};

/* What the command itself took. */
static double own_seconds(const struct stall *s)
{
	return s->seconds[CAUSE_COMMAND] + s->seconds[CAUSE_ALLOCATOR] +
	       s->seconds[CAUSE_FAULT_MINOR];
}

static bool block_at(const struct model *m, size_t i, struct block *b)
{
	const struct stall *stall;
	const struct record_slowlog *slow;

	if (i < m->stalls_count) {
		stall = &m->stalls[i].stall;
		*b = (struct block){ .command = stall->command,
				     .key = stall->key,
				     .seconds = own_seconds(stall),
				     .allocator_seconds = stall->seconds[CAUSE_ALLOCATOR],
				     .running = stall->running };
	} else if (i - m->stalls_count < m->slowlog_count) {
		slow = &m->slowlog[i - m->stalls_count].entry;
		*b = (struct block){ .command = slow->command,
				     .key = slow->key,
				     .seconds = slow->seconds,
				     .allocator_seconds = NAN,
				     .slowlog = true };
	} else {
		return false;
	}
	return true;
}

static const struct record_key *looked_at(const struct model *m, struct bytes key)
{
	for (size_t i = 0; i < m->keys_count; i++)
		if (bytes_same(m->keys[i].key.key, key))
			return &m->keys[i].key;
	return NULL;
}

/* Is the key the reason? Yes when it is big, or gone (deleted by the very command),
 * or was never looked at; not when it is there and small. */
static bool key_is_to_blame(const struct model *m, struct bytes key)
{
	const struct record_key *k = looked_at(m, key);

	if (key.len == 0)
		return false;
	return k == NULL || k->type == NULL || strcmp(k->type, "none") == 0 ||
	       key_level(k) != KEY_NORMAL;
}

/*
 * Does this one count? It names a command, took long, and SLOWLOG's word is taken
 * only where the sensor that splits the time is off, or the key is known to be
 * big: its wall time also holds swap-ins and waiting for a CPU.
 */
static bool block_counts(const struct model *m, const struct block *b)
{
	const struct record_key *k;

	if (b->command == NULL || b->command[0] == '\0' || !(b->seconds >= BLOCK_NOTE_SECONDS))
		return false;
	if (!b->slowlog || !model_sensor_on(m, "loop"))
		return true;
	k = looked_at(m, b->key);
	return k != NULL && key_level(k) != KEY_NORMAL;
}

struct blocks {
	struct block worst;
	int64_t count;
	double seconds;
};

/* Collect the blocks with (or without) a key to blame. SLOWLOG repeats what the
 * sensor saw, so it is asked only when the sensor saw nothing of the kind. */
static bool blocks_collect(const struct model *m, bool with_key, struct blocks *all)
{
	struct block b;

	memset(all, 0, sizeof(*all));
	for (size_t i = 0; block_at(m, i, &b); i++) {
		if (b.slowlog && all->count > 0 && !all->worst.slowlog)
			break;
		if (!block_counts(m, &b) || key_is_to_blame(m, b.key) != with_key)
			continue;
		all->count++;
		all->seconds += b.seconds;
		if (all->count == 1 || b.seconds > all->worst.seconds)
			all->worst = b;
	}
	return all->count > 0;
}

static enum severity block_severity(double seconds)
{
	return seconds >= BLOCK_CRITICAL_SECONDS ? SEVERITY_CRITICAL :
	       seconds >= BLOCK_WARNING_SECONDS	 ? SEVERITY_WARNING :
						   SEVERITY_INFO;
}

static void block_evidence(struct finding *f, const struct blocks *all)
{
	const struct block *w = &all->worst;

	finding_evidence(f, "longest_seconds", w->seconds, "seconds", BASIS_EXACT);
	finding_evidence(f, "allocator_ratio",
			 w->seconds > 0 ? w->allocator_seconds / w->seconds : NAN, "ratio",
			 BASIS_SAMPLED);
	finding_evidence_count(f, "stalls_total", all->count, "stalls", BASIS_EXACT);
	finding_evidence(f, "stalls_seconds", all->seconds, "seconds", BASIS_EXACT);
	finding_evidence_text(f, "source", w->slowlog ? "slowlog" : "watch", BASIS_EXACT);
	/* SLOWLOG gives wall time: swap and waiting for a CPU are in it. */
	f->weak = w->slowlog;
}

static void bigkey_actions(const struct model *m, struct finding *f, const struct block *b,
			   const struct record_key *k)
{
	bool frees = strcmp(b->command, "del") == 0;

	finding_action(f, RECORD_UNKNOWN, "", "%s", advice_command(b->command));
	if (frees && measure_config_is(m, "lazyfree-lazy-user-del", "no"))
		finding_action(f, RECORD_UNKNOWN,
			       say_cli(m, "CONFIG SET lazyfree-lazy-user-del yes").s,
			       "Or let the server treat every DEL as UNLINK (6.0 and later).");
	if (k != NULL && key_level(k) != KEY_NORMAL)
		finding_action(
			f, RECORD_UNKNOWN,
			say_cli(m, "MEMORY USAGE %s", say_shell_key(b->key.data, b->key.len).s).s,
			"Split the key (%s, %s): every command over all of it will block.", k->type,
			k->bytes != RECORD_UNKNOWN ? say_bytes(k->bytes).s : "size unknown");
	finding_action(f, RECORD_UNKNOWN, "",
		       "`redmem keys` lists the other big keys, `redmem stalls` each stall as it "
		       "happens.");
}

bool rule_bigkey_blocks(const struct model *m, struct finding *f)
{
	const struct record_key *k;
	struct blocks all;
	const struct block *w = &all.worst;

	if (!blocks_collect(m, true, &all))
		return false;
	k = looked_at(m, w->key);
	f->severity = block_severity(w->seconds);
	f->cost = all.seconds * COST_PER_SECOND;
	finding_title(f, "%s on %s held the server for %s%s", say_command(w->command).s,
		      say_key(w->key.data, w->key.len).s, say_seconds(w->seconds).s,
		      w->running ? ", and was still running" : "");
	finding_evidence_text(f, "command", say_command(w->command).s, BASIS_EXACT);
	finding_evidence_text(f, "key", say_key(w->key.data, w->key.len).s, BASIS_EXACT);
	block_evidence(f, &all);
	if (k != NULL && key_level(k) != KEY_NORMAL) {
		finding_evidence_bytes(f, "key_bytes", k->bytes, BASIS_SAMPLED);
		finding_evidence_count(f, "key_elements", k->elements, "elements", BASIS_EXACT);
	}
	if (w->allocator_seconds > ALLOCATOR_SHARE * w->seconds)
		finding_cause(f, "The command spends its time in the allocator: it frees or builds "
				 "very many objects at once, and every other client waits.");
	else
		finding_cause(f, "The command works over a key with very many elements in one go, "
				 "and every other client waits.");
	bigkey_actions(m, f, w, k);
	return true;
}

bool rule_command_blocks(const struct model *m, struct finding *f)
{
	struct blocks all;
	const struct block *w = &all.worst;

	if (!blocks_collect(m, false, &all))
		return false;
	f->severity = block_severity(w->seconds);
	f->cost = all.seconds * COST_PER_SECOND;
	finding_title(f, "%s held the server for %s%s", say_command(w->command).s,
		      say_seconds(w->seconds).s, w->running ? ", and was still running" : "");
	finding_evidence_text(f, "command", say_command(w->command).s, BASIS_EXACT);
	if (w->key.len > 0)
		finding_evidence_text(f, "key", say_key(w->key.data, w->key.len).s, BASIS_EXACT);
	block_evidence(f, &all);
	finding_cause(f, "The server runs one command at a time, and this one works over much "
			 "data; every other client waits.");
	finding_action(f, RECORD_UNKNOWN, "", "%s", advice_command(w->command));
	return true;
}
