/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop held by very many commands in one turn, by what it does between them, or by many
 * causes of which none is harm alone.
 */
#include "diagnose/advice.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/stall_owner.h"
#include "diagnose/waits.h"

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
		if (!stall_adds_up(m, id, stall))
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
