/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that are short and many; see short_commands.h. */
#include "diagnose/short_commands.h"

#include <stdio.h>
#include <string.h>

#include "diagnose/advice.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/stall_owner.h"
#include "diagnose/waits.h"
#include "redis/knowledge_commands.h"
#include "redis/many_keys.h"

/* Some fifty ordinary commands: shorter than a stall that is told one by one. */
#define SHORT_SECONDS 1e-3
/* And some ten of them, of what is asked so often that it takes SHARE_MUCH. */
#define SHORTEST_SECONDS 0.2e-3
#define SHORT_SAMPLES	 10
/* Fewer are no habit. */
#define SHORT_CALLS 10
/* Below it a script or a command on keys is somebody's report that runs now and then. */
#define SHARE_MUCH 0.1
/* Below it others hardly notice, as long as none of the times is a stall. */
#define SHARE_WARN 0.05

/* What it computed itself: forking (BGSAVE, PSYNC) is the kernel's time, and told as such. */
static double own_cpu_seconds(const struct command_row *row)
{
	return row->charge.cpu_seconds - row->charge.kernel_seconds;
}

static double seconds_each(const struct command_row *row)
{
	return own_cpu_seconds(row) / (double)row->calls_total;
}

static bool is_habit(const struct command_row *row)
{
	return *row->command && row->calls_total >= SHORT_CALLS &&
	       row->charge.cpu_samples >= SHORT_SAMPLES;
}

static bool has_no_key(const char *command)
{
	return command_key_rule(command).kind == COMMAND_KEY_NONE;
}

/* The key on which it spends most of its time, or those whose names differ in numbers; "". Time of
 * several keys is charged to the first, and what a script does to the key that it names. */
static struct phrase say_where(const struct model *m, const struct command_row *row)
{
	double half = row->charge.cpu_seconds / 2;
	struct phrase none = { "" };

	if (has_no_key(row->command) || command_is_script(row->command) ||
	    command_takes_keys(row->command))
		return none;
	for (size_t i = 0; i < m->hot_keys_count; i++)
		if (!strcmp(m->hot_keys[i].command, row->command) &&
		    m->hot_keys[i].cpu_seconds >= half)
			return say_key(m->hot_keys[i].key.data, m->hot_keys[i].key.len);
	for (size_t i = 0; i < m->prefixes_count; i++)
		if (!strcmp(m->prefixes[i].top_command, row->command) &&
		    m->prefixes[i].charge.cpu_seconds >= half)
			return say_key(m->prefixes[i].prefix, m->prefixes[i].prefix_len);
	return none;
}

static void tell(const struct model *m, struct finding *f, const struct command_row *row,
		 double seconds, const char *where)
{
	f->cost = seconds * COST_PER_SECOND;
	finding_title(f, "%s%s%s takes %s each time, %s of the time in sum",
		      say_command(row->command).s, *where ? " on " : "", where,
		      say_seconds(seconds_each(row)).s,
		      say_percent(seconds / m->duration_seconds).s);
	finding_evidence_text(f, "command", say_command(row->command).s, BASIS_EXACT);
	if (*where)
		finding_evidence_text(f, "key", where, BASIS_SAMPLED);
	finding_evidence(f, "seconds_each", seconds_each(row), "seconds", BASIS_SAMPLED);
	finding_evidence(f, "cpu_seconds", seconds, "seconds", BASIS_SAMPLED);
	finding_evidence_count(f, "calls_total", row->calls_total, "calls", BASIS_EXACT);
}

/* --- on big keys ---------------------------------------------------------------------------- */

/* A command on keys that are known to be big. */
struct big_reads {
	const struct command_row *row;
	const struct hot_key_row *hottest;
	const struct record_key *key; /* what was seen of it */
	double seconds;
};

/* Of all that are among the hottest keys, of which @hottest is the first. */
static struct big_reads big_reads_of(const struct model *m, const struct hot_key_row *hottest)
{
	struct big_reads out = { .row = model_command(m, hottest->command), .hottest = hottest };
	int64_t samples = 0;

	for (size_t i = 0; i < m->hot_keys_count && out.row; i++) {
		const struct hot_key_row *hot = &m->hot_keys[i];
		const struct record_key *k = key_looked_at(m, hot->key);

		if (strcmp(hot->command, hottest->command) != 0 || !k || key_level(k) == KEY_NORMAL)
			continue;
		if (hot == hottest)
			out.key = k;
		out.seconds += hot->cpu_seconds;
		samples += hot->samples;
	}
	if (!out.key || out.row->calls_total <= 0 || samples < SHORT_SAMPLES)
		out.seconds = 0;
	return out;
}

static bool is_much_waited(const struct model *m, const struct waits *w)
{
	return waits_severity(m, w) > SEVERITY_INFO;
}

static bool is_much(const struct model *m, double seconds)
{
	struct waits w = { .seconds = seconds };

	return is_much_waited(m, &w);
}

static struct big_reads most_big_reads(const struct model *m)
{
	struct big_reads most = { 0 };

	for (size_t i = 0; i < m->hot_keys_count; i++) {
		struct big_reads one = big_reads_of(m, &m->hot_keys[i]);

		if (one.seconds > most.seconds &&
		    one.seconds / (double)one.row->calls_total >= SHORT_SECONDS)
			most = one;
	}
	return most;
}

bool short_on_big_keys(const struct model *m, struct finding *f)
{
	struct big_reads reads = most_big_reads(m);
	struct phrase where;

	if (!reads.row || !is_much(m, reads.seconds))
		return false;
	where = say_where(m, reads.row);
	if (reads.hottest->cpu_seconds >= reads.seconds / 2 || !*where.s)
		where = say_key(reads.hottest->key.data, reads.hottest->key.len);
	f->severity = SEVERITY_WARNING;
	tell(m, f, reads.row, reads.seconds, where.s);
	finding_evidence_bytes(f, "key_bytes", reads.key->bytes, BASIS_SAMPLED);
	finding_evidence_count(f, "key_elements", reads.key->elements, "elements", BASIS_EXACT);
	finding_cause(f, "The command works over a key with very many elements, again and again; "
			 "none of these times is long, and together they hold up every other "
			 "client.");
	advice_big_key(m, f, reads.row->command, reads.hottest->key);
	return true;
}

/* --- on anything else ------------------------------------------------------------------------- */

/* False when it is no harm. What has no key walks over what the server has, whatever was stored;
 * of others the time is in what they are given. */
static bool is_harm(const struct model *m, const struct command_row *row, enum severity *severity)
{
	double share = own_cpu_seconds(row) / m->duration_seconds, each = seconds_each(row);
	bool any = has_no_key(row->command);

	*severity = share >= SHARE_WARN ? SEVERITY_WARNING : SEVERITY_INFO;
	if (share >= SHARE_MUCH)
		return each >= (any ? SHORTEST_SECONDS : SHORT_SECONDS);
	return any && each >= SHORT_SECONDS && is_much(m, own_cpu_seconds(row));
}

/* Then that is told of them; not when the only stalls on keys are too short to be harm. */
static bool is_on_big_keys(const struct model *m, const char *command)
{
	struct waits blocked = waits_of(m, "bigkey.blocks");

	for (size_t i = 0; i < m->hot_keys_count; i++)
		if (!strcmp(m->hot_keys[i].command, command) &&
		    is_much(m, big_reads_of(m, &m->hot_keys[i]).seconds))
			return true;
	for (size_t i = 0; i < m->stalls_count && is_much_waited(m, &blocked); i++)
		if (!strcmp(m->stalls[i].stall.command, command) &&
		    stall_works_for(m, &m->stalls[i].stall, "bigkey.blocks"))
			return true;
	return false;
}

/* The one that takes most. */
static const struct command_row *worst_command(const struct model *m, enum severity *severity)
{
	const struct command_row *most = NULL;

	for (size_t i = 0; i < m->commands_count; i++) {
		const struct command_row *row = &m->commands[i];
		enum severity own;

		if (!is_habit(row) || !is_harm(m, row, &own) || is_on_big_keys(m, row->command) ||
		    (most && own_cpu_seconds(row) <= own_cpu_seconds(most)))
			continue;
		most = row;
		*severity = own;
	}
	return most;
}

static const char *what_it_does(const char *command)
{
	if (command_is_script(command))
		return "computes";
	return has_no_key(command) ? "walks over all that it lists, such as every client" :
				     "works over much data";
}

bool short_commands(const struct model *m, struct finding *f)
{
	enum severity severity;
	const struct command_row *row = worst_command(m, &severity);

	if (row == NULL)
		return false;
	f->severity = severity;
	tell(m, f, row, own_cpu_seconds(row), say_where(m, row).s);
	finding_evidence_count(f, "connected_clients", model_info_end(m, "connected_clients"),
			       "clients", BASIS_EXACT);
	finding_cause(f,
		      "It %s, again and again; none of these times is long, and together they "
		      "hold up every other client.",
		      what_it_does(row->command));
	finding_action(f, RECORD_UNKNOWN, "", "%s", advice_command(row->command));
	return true;
}
