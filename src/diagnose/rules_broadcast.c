/* SPDX-License-Identifier: BSD-2-Clause */
/* What each write costs because others want to know of it. */
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "redis/knowledge_commands.h"

/* Each key that is written is compared with each prefix (src/tracking.c,
 * trackingRememberKeyToBroadcast()): with 4,375 of them a SET took 87 us on 7.0.15 instead of 1. */
#define PREFIX_SECONDS 20e-9
#define PREFIXES_LEAST 300
/* Shares of the window that this takes. */
#define BROADCAST_NOTE_RATIO 0.02
#define BROADCAST_HARM_RATIO 0.10
/* The server's own count of the time of writes must have at least so much of it. */
#define BROADCAST_SEEN_RATIO 0.5

struct writes {
	int64_t calls;
	double seconds;
};

static struct writes writes_of(const struct model *m)
{
	struct writes w = { 0 };

	for (size_t i = 0; i < m->commands_count; i++) {
		const struct command_row *row = &m->commands[i];

		if (!command_stores(row->command) || command_is_script(row->command) ||
		    row->calls_total <= 0 || !(row->usec_total > 0))
			continue;
		w.calls += row->calls_total;
		w.seconds += row->usec_total / 1e6;
	}
	return w;
}

bool rule_broadcast(const struct model *m, struct finding *f)
{
	int64_t prefixes = model_info_end(m, "tracking_total_prefixes");
	struct writes w = writes_of(m);
	double seconds = (double)prefixes * PREFIX_SECONDS * (double)w.calls;

	if (prefixes < PREFIXES_LEAST || !(seconds >= BROADCAST_NOTE_RATIO * m->duration_seconds) ||
	    !(w.seconds >= BROADCAST_SEEN_RATIO * seconds))
		return false;
	f->severity = seconds >= BROADCAST_HARM_RATIO * m->duration_seconds ? SEVERITY_WARNING :
									      SEVERITY_INFO;
	f->cost = COST_PER_SECOND * seconds / m->duration_seconds;
	finding_title(f,
		      "Each write is compared with %s prefixes of CLIENT TRACKING BCAST: %s each",
		      say_count(prefixes).s, say_seconds(w.seconds / (double)w.calls).s);
	finding_evidence_count(f, "tracking_total_prefixes", prefixes, "prefixes", BASIS_EXACT);
	finding_evidence_count(f, "tracking_clients", model_info_end(m, "tracking_clients"),
			       "clients", BASIS_EXACT);
	finding_evidence_count(f, "writes_total", w.calls, "calls", BASIS_EXACT);
	finding_evidence(f, "writes_seconds", w.seconds, "seconds", BASIS_EXACT);
	finding_cause(f,
		      "A client that caches by broadcast is told of each key below its prefixes; "
		      "for that the server goes through all prefixes at each write.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
		       "See whose they are (flags=tB; CLIENT TRACKINGINFO on its connection lists "
		       "its prefixes): fewer and shorter prefixes, or tracking without BCAST.");
	return true;
}
