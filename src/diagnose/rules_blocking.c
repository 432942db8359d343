/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop held by its own work: a command on a big key, or without one (KEYS,
 * FLUSHALL, scripts), very many commands in one turn, or what the loop does between them.
 * What a command only suffered (swap, waiting for a CPU, a fork) is not counted here; other
 * rules speak of it.
 */
#include <math.h>
#include <string.h>

#include "diagnose/advice.h"
#include "diagnose/finding.h"
#include "diagnose/harm.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "redis/knowledge_commands.h"

/* slowlog-log-slower-than is 10 ms by default: what Redis calls slow. */
#define BLOCK_NOTE_SECONDS 0.01
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

static bool block_at(const struct model *m, size_t i, struct block *b)
{
	const struct stall *stall;
	const struct record_slowlog *slow;

	if (i < m->stalls_count) {
		stall = &m->stalls[i].stall;
		*b = (struct block){ .command = stall->command,
				     .key = stall->key,
				     .seconds = stall_own_seconds(stall),
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

	if (!b->slowlog)
		return stall_works_for(m, &m->stalls[i].stall, id);
	if (b->command == NULL || b->command[0] == '\0' || !(b->seconds >= BLOCK_NOTE_SECONDS) ||
	    key_is_to_blame(m, b->command, b->key) != with_key)
		return false;
	if (stalls_have(m, &m->slowlog[i - m->stalls_count].entry))
		return false; /* it belongs to what that was spent on */
	k = key_looked_at(m, b->key);
	return !model_sensor_on(m, "loop") || (k != NULL && key_level(k) != KEY_NORMAL);
}

struct blocks {
	struct block worst;
	int64_t count;
	double seconds;
};

static enum severity block_severity(const struct model *m, const struct blocks *all, const char *id)
{
	struct waits w = waits_with_own_work(m, id);

	if (all->worst.slowlog) {
		w.longest_seconds = all->worst.seconds;
		w.seconds = all->seconds;
	}
	return waits_severity(m, &w);
}

/* Collect the blocks of a finding. SLOWLOG repeats what the sensor saw, so it is asked only
 * when the sensor saw nothing of the kind. */
static bool blocks_collect(const struct model *m, struct finding *f, struct blocks *all)
{
	struct block b;

	memset(all, 0, sizeof(*all));
	for (size_t i = 0; block_at(m, i, &b); i++) {
		if (b.slowlog && all->count > 0 && !all->worst.slowlog)
			break;
		if (!block_counts(m, i, &b, f->id))
			continue;
		all->count++;
		all->seconds += b.seconds;
		if (all->count == 1 || b.seconds > all->worst.seconds)
			all->worst = b;
	}
	f->severity = block_severity(m, all, f->id);
	f->cost = all->seconds * COST_PER_SECOND;
	return all->count > 0 &&
	       (all->worst.seconds >= BLOCK_NOTE_SECONDS || f->severity > SEVERITY_INFO);
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

/* Some fifty ordinary commands: shorter than a stall that is told one by one. */
#define SHORT_SECONDS 1e-3
#define SHORT_SAMPLES 10
/* Fewer are no habit. */
#define SHORT_CALLS 10

/*
 * One command that reads all of a big key again and again, each time for less than makes a stall:
 * by the CPU time that its samples tell, and the calls that the server counted.
 */
static bool short_blocks(const struct model *m, struct finding *f)
{
	const struct hot_key_row *hot = m->hot_keys;
	const struct command_row *row = NULL;
	const struct record_key *k;
	struct waits w = { 0 };
	struct block b;

	for (size_t i = 0; i < m->commands_count && m->hot_keys_count > 0; i++)
		if (!strcmp(m->commands[i].command, hot->command))
			row = &m->commands[i];
	if (!row || row->calls_total <= 0 || hot->samples < SHORT_SAMPLES)
		return false;
	k = key_looked_at(m, hot->key);
	b = (struct block){ .command = hot->command,
			    .key = hot->key,
			    .seconds = hot->cpu_seconds / (double)row->calls_total };
	w.seconds = hot->cpu_seconds;
	if (!k || key_level(k) == KEY_NORMAL || !(b.seconds >= SHORT_SECONDS) ||
	    waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = w.seconds * COST_PER_SECOND;
	finding_title(f, "%s on %s takes %s each time, %s of the time in sum",
		      say_command(b.command).s, say_key(b.key.data, b.key.len).s,
		      say_seconds(b.seconds).s, say_percent(w.seconds / m->duration_seconds).s);
	finding_evidence_text(f, "command", say_command(b.command).s, BASIS_EXACT);
	finding_evidence_text(f, "key", say_key(b.key.data, b.key.len).s, BASIS_EXACT);
	finding_evidence(f, "seconds_each", b.seconds, "seconds", BASIS_SAMPLED);
	finding_evidence(f, "cpu_seconds", w.seconds, "seconds", BASIS_SAMPLED);
	finding_evidence_count(f, "calls_total", row->calls_total, "calls", BASIS_EXACT);
	finding_evidence_bytes(f, "key_bytes", k->bytes, BASIS_SAMPLED);
	finding_evidence_count(f, "key_elements", k->elements, "elements", BASIS_EXACT);
	finding_cause(f, "The command works over a key with very many elements, again and again; "
			 "none of these times is long, and together they hold up every other "
			 "client.");
	bigkey_actions(m, f, &b, k);
	return true;
}

bool rule_bigkey_blocks(const struct model *m, struct finding *f)
{
	const struct record_key *k;
	struct blocks all;
	const struct block *w = &all.worst;
	bool any = blocks_collect(m, f, &all);

	if ((!any || f->severity == SEVERITY_INFO) && short_blocks(m, f))
		return true;
	if (!any)
		return false;
	k = key_looked_at(m, w->key);
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

/* What it computed itself: forking (BGSAVE, PSYNC) is the kernel's time, and told as such. */
static double own_cpu_seconds(const struct command_row *row)
{
	return row->charge.cpu_seconds - row->charge.kernel_seconds;
}

/* A command without a key that walks over much of what the server has, again and again, each time
 * for less than makes a stall; the one that takes most. */
static const struct command_row *short_command(const struct model *m)
{
	const struct command_row *most = NULL;

	for (size_t i = 0; i < m->commands_count; i++) {
		const struct command_row *row = &m->commands[i];
		struct waits w = { .seconds = own_cpu_seconds(row) };

		if (!*row->command || command_key_rule(row->command).kind != COMMAND_KEY_NONE ||
		    row->calls_total < SHORT_CALLS || row->charge.cpu_samples < SHORT_SAMPLES ||
		    !(w.seconds / (double)row->calls_total >= SHORT_SECONDS) ||
		    waits_severity(m, &w) == SEVERITY_INFO)
			continue;
		if (most == NULL || w.seconds > own_cpu_seconds(most))
			most = row;
	}
	return most;
}

static bool short_commands(const struct model *m, struct finding *f)
{
	const struct command_row *row = short_command(m);
	double seconds;

	if (row == NULL)
		return false;
	seconds = own_cpu_seconds(row);
	f->severity = SEVERITY_WARNING;
	f->cost = seconds * COST_PER_SECOND;
	finding_title(f, "%s takes %s each time, %s of the time in sum",
		      say_command(row->command).s,
		      say_seconds(seconds / (double)row->calls_total).s,
		      say_percent(seconds / m->duration_seconds).s);
	finding_evidence_text(f, "command", say_command(row->command).s, BASIS_EXACT);
	finding_evidence(f, "seconds_each", seconds / (double)row->calls_total, "seconds",
			 BASIS_SAMPLED);
	finding_evidence(f, "cpu_seconds", seconds, "seconds", BASIS_SAMPLED);
	finding_evidence_count(f, "calls_total", row->calls_total, "calls", BASIS_EXACT);
	finding_evidence_count(f, "connected_clients", model_info_end(m, "connected_clients"),
			       "clients", BASIS_EXACT);
	finding_cause(f, "It walks over all that it lists, such as every client, again and again; "
			 "none of these times is long, and together they hold up every other "
			 "client.");
	finding_action(f, RECORD_UNKNOWN, "", "%s", advice_command(row->command));
	return true;
}

bool rule_command_blocks(const struct model *m, struct finding *f)
{
	struct blocks all;
	const struct block *w = &all.worst;
	bool any = blocks_collect(m, f, &all);

	if ((!any || f->severity == SEVERITY_INFO) && short_commands(m, f))
		return true;
	if (!any)
		return false;
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

bool rule_pipelines(const struct model *m, struct finding *f)
{
	struct waits w = waits_of(m, f->id);

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	finding_title(f, "%s commands at once held the event loop for %s",
		      say_count(w.longest->commands_total).s, say_seconds(w.longest_seconds).s);
	finding_evidence_count(f, "longest_commands_total", w.longest->commands_total, "commands",
			       BASIS_EXACT);
	for (size_t i = 0; i < w.longest->mix_count && i < 3; i++) {
		finding_evidence_text(f, "command", say_command(w.longest->mix[i].command).s,
				      BASIS_SAMPLED);
		finding_evidence(f, "command_ratio", w.longest->mix[i].ratio, "ratio",
				 BASIS_SAMPLED);
	}
	finding_cause(f, "Clients sent long pipelines, and what has arrived is served in one turn "
			 "of the event loop; nobody else is answered before its end.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Send pipelines of some hundred commands; no single key is to blame.");
	return true;
}

/* What it did most, in words; "" when nothing was recognised. */
static const char *activity_of(const struct stall *stall)
{
	return stall->activity[0].words;
}

bool rule_loop_blocks(const struct model *m, struct finding *f)
{
	struct waits w = waits_of(m, f->id);
	const char *activity;

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	activity = activity_of(w.longest);
	waits_tell(m, f, &w);
	f->weak = !*activity;
	finding_title(f, "The event loop held itself up for %s%s%s",
		      say_seconds(w.longest_seconds).s, *activity ? ", " : "", activity);
	if (*activity)
		finding_evidence_text(f, "activity", activity, BASIS_SAMPLED);
	if (*w.longest->wait_call)
		finding_evidence_text(f, "wait_call", w.longest->wait_call, BASIS_EXACT);
	finding_cause(f,
		      "No command ran: the server did work of its own between two of them%s, "
		      "and every client waited.",
		      *activity ? "" : ", which was not recognised");
	finding_action(f, RECORD_UNKNOWN, "",
		       "`redmem stalls` shows each such time with what it was spent on.");
	return true;
}

/* Many causes, none of which is harm alone. */
bool rule_stalls_mixed(const struct model *m, struct finding *f)
{
	struct met_findings met = { .count = 0 };
	struct waits all = { 0 };

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;
		const char *id = stall_finding(m, stall);
		struct waits w;

		if (finding_met_first(&met, id)) {
			w = waits_of(m, id);
			if (waits_severity(m, &w) > SEVERITY_INFO)
				return false;
		}
		if (!stall_adds_up(id, stall))
			continue;
		all.stalls_total++;
		all.seconds += stall->duration_seconds;
		if (!all.longest)
			all.longest = stall;
		all.longest_seconds = all.longest->duration_seconds;
	}
	if (waits_severity(m, &all) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &all);
	finding_title(f, "%s short stalls of several causes took %s of %s",
		      say_count(all.stalls_total).s, say_seconds(all.seconds).s,
		      say_seconds(m->duration_seconds).s);
	finding_cause(f, "None of them is much alone; together they hold up one request in a "
			 "hundred.");
	finding_action(f, RECORD_UNKNOWN, "", "`redmem stalls` lists each with its causes.");
	return true;
}
