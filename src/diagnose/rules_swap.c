/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Swap: the difference that matters is whether commands wait for it. Pages that
 * lie in swap and are never touched cost nothing today; each one a command
 * touches holds the whole server for a disk access.
 */
#include <math.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/* Fewer swap-ins in a watch than this are chance (a page of start-up code). A server
 * that does not swap has none at all. */
#define SWAP_FAULTS_MIN 16
/* And they must go on, or take time that is felt: one a second, or 0.1 % of the window. */
#define SWAP_FAULTS_PER_SECOND 1.0
#define SWAP_TIME_RATIO	       0.001
/* Idle start-up pages of any process may lie in swap: so much is nothing. */
#define SWAP_FLOOR_BYTES (16 * MIB)
#define SWAP_FLOOR_RATIO 0.02

struct swap_use {
	double faults;
	double seconds;
	int64_t bytes;
	bool counted; /* seen by the sensor, not inferred from major faults */
	enum basis basis; /* of what was seen */
};

/* Were all of them looked at? */
static enum basis swap_basis(const struct charge *c)
{
	return c->major_looks == c->major_faults ? BASIS_EXACT : BASIS_SAMPLED;
}

static double swap_faults(const struct charge *c)
{
	return (double)c->swap_faults;
}

/* Does that much memory in swap deserve a word? */
static bool swap_matters(int64_t swap, int64_t rss)
{
	int64_t all = measure_sum(swap, rss);

	return swap != RECORD_UNKNOWN && swap > SWAP_FLOOR_BYTES &&
	       (double)swap > SWAP_FLOOR_RATIO * (double)all;
}

/* Major faults of the window as the kernel counts them; RECORD_UNKNOWN. */
static int64_t major_faults(const struct model *m)
{
	int64_t first = RECORD_UNKNOWN, last = RECORD_UNKNOWN;

	if (m->have_totals && m->totals.major_faults != RECORD_UNKNOWN)
		return m->totals.major_faults;
	for (size_t i = 0; i < m->timeline_count; i++) {
		int64_t n = m->timeline[i].host.major_faults_total;

		if (n == RECORD_UNKNOWN)
			continue;
		first = first == RECORD_UNKNOWN ? n : first;
		last = n;
	}
	return first == RECORD_UNKNOWN || last < first ? RECORD_UNKNOWN : sum_less(last, first);
}

static struct swap_use swap_use(const struct model *m)
{
	struct swap_use u = { .bytes = measure_swap(m), .counted = model_sensor_on(m, "fault") };
	int64_t major = major_faults(m);

	if (u.counted) {
		for (size_t i = 0; i < m->commands_count; i++) {
			const struct charge *c = &m->commands[i].charge;

			u.faults += (double)c->swap_faults;
			if (swap_basis(c) != BASIS_EXACT)
				u.basis = BASIS_SAMPLED;
			if (!isnan(c->swap_fault_seconds))
				u.seconds += c->swap_fault_seconds;
		}
	} else if (major != RECORD_UNKNOWN && swap_matters(u.bytes, measure_rss(m))) {
		u.faults = (double)major; /* with memory in swap, most likely from there */
	}
	return u;
}

static bool swap_is_in_path(const struct model *m, const struct swap_use *u)
{
	double window = m->duration_seconds;
	struct waits w = waits_of(m, "swap.in_path");

	if (waits_severity(m, &w) > SEVERITY_INFO)
		return true;
	return u->faults >= SWAP_FAULTS_MIN && window > 0 &&
	       (u->faults / window >= SWAP_FAULTS_PER_SECOND ||
		u->seconds / window >= SWAP_TIME_RATIO);
}

static void swap_who(const struct model *m, struct finding *f)
{
	const struct command_row *command = measure_top_command(m, swap_faults);
	const struct prefix_row *prefix = measure_top_prefix(m, swap_faults);

	if (command != NULL) {
		finding_evidence_text(f, "top_command", say_command(command->command).s,
				      BASIS_EXACT);
		finding_evidence_count(f, "top_command_swap_faults_total",
				       command->charge.swap_faults, "faults",
				       swap_basis(&command->charge));
	}
	if (prefix != NULL) {
		finding_evidence_text(f, "top_prefix",
				      say_key(prefix->prefix, prefix->prefix_len).s, BASIS_EXACT);
		finding_evidence_count(f, "top_prefix_swap_faults_total",
				       prefix->charge.swap_faults, "faults",
				       swap_basis(&prefix->charge));
	}
	if (command == NULL)
		finding_cause(f, "Pages of the server lie in swap, and it waits for the disk each "
				 "time it touches one.");
	else if (prefix == NULL)
		finding_cause(f,
			      "Pages of the server lie in swap, and it waits for the disk each "
			      "time it touches one; mostly in %s.",
			      say_command(command->command).s);
	else
		finding_cause(f,
			      "Pages of the server lie in swap, and it waits for the disk each "
			      "time it touches one; mostly in %s, and on keys like %s.",
			      say_command(command->command).s,
			      say_key(prefix->prefix, prefix->prefix_len).s);
}

/* Both rules end in the same remedies: room first, then the kernel's inclination. */
static void swap_actions(const struct model *m, struct finding *f)
{
	const char *what;
	int64_t room = measure_room(m, &what);

	if (room != RECORD_UNKNOWN)
		finding_action(f, RECORD_UNKNOWN, "",
			       "Give the server room: raise %s (%s), or make the data smaller "
			       "(maxmemory, TTLs); what is in swap comes back as it is touched.",
			       what, say_bytes(room).s);
	else
		finding_action(
			f, RECORD_UNKNOWN, "",
			"Give the server room: more memory, or less data (maxmemory, TTLs).");
	if (m->have_host && m->host_end.swappiness > 1)
		finding_action(f, RECORD_UNKNOWN, "sysctl vm.swappiness=1",
			       "Make the kernel give up page cache before the server's memory "
			       "(in a cgroup: memory.swap.max=0 in v2, memory.swappiness in v1).");
}

bool rule_swap_in_path(const struct model *m, struct finding *f)
{
	struct swap_use u = swap_use(m);

	if (!swap_is_in_path(m, &u))
		return false;
	f->severity = SEVERITY_CRITICAL;
	f->weak = !u.counted;
	f->cost = u.seconds * COST_PER_SECOND + (u.bytes > 0 ? (double)u.bytes : 0);
	if (u.seconds > 0)
		finding_title(f, "%s swap-ins in %s: the server waited %s for its own memory",
			      say_count(sum_whole(u.faults)).s, say_seconds(m->duration_seconds).s,
			      say_seconds(u.seconds).s);
	else
		finding_title(f, "%s %s in %s: the server waits for its own memory",
			      say_count(sum_whole(u.faults)).s,
			      u.counted ? "swap-ins" : "major faults with memory in swap",
			      say_seconds(m->duration_seconds).s);
	finding_evidence(f, u.counted ? "swap_faults_total" : "major_faults_total", u.faults,
			 "faults", u.basis);
	finding_evidence(f, "swap_fault_seconds", u.seconds > 0 ? u.seconds : NAN, "seconds",
			 u.basis);
	finding_evidence(f, "swap_fault_time_ratio",
			 u.seconds > 0 ? u.seconds / m->duration_seconds : NAN, "ratio",
			 BASIS_DERIVED);
	finding_evidence_bytes(f, "swap", u.bytes, BASIS_EXACT);
	swap_who(m, f);
	swap_actions(m, f);
	return true;
}

bool rule_swap_resident(const struct model *m, struct finding *f)
{
	struct swap_use u = swap_use(m);
	int64_t rss = measure_rss(m);

	if (!swap_matters(u.bytes, rss) || swap_is_in_path(m, &u))
		return false;
	f->severity = SEVERITY_WARNING;
	f->weak = !u.counted;
	f->cost = (double)u.bytes;
	if (u.counted)
		finding_title(f, "%s of the server lie in swap; %s swap-ins in %s",
			      say_bytes(u.bytes).s,
			      u.faults > 0 ? say_count(sum_whole(u.faults)).s : "no",
			      say_seconds(m->duration_seconds).s);
	else
		finding_title(f, "%s of the server lie in swap", say_bytes(u.bytes).s);
	finding_evidence_bytes(f, "swap", u.bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "rss", rss, BASIS_EXACT);
	finding_evidence(f, "swap_ratio", measure_ratio(u.bytes, measure_sum(u.bytes, rss)),
			 "ratio", BASIS_DERIVED);
	if (u.counted)
		finding_evidence(f, "swap_faults_total", u.faults, "faults", u.basis);
	finding_cause(f, "The kernel moved memory of the server out when it was short of it; the "
			 "first command that needs a page, and every BGSAVE, will wait for the "
			 "disk.");
	swap_actions(m, f);
	return true;
}
