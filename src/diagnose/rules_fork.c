/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a BGSAVE or an AOF rewrite does to the server: the pause of fork() and the
 * pages that have to be copied while the child lives.
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/* Copying is trouble when what it takes is not there: server and child together
 * beyond this share of their limit, or this little left on the machine. */
#define COW_LIMIT_RATIO	    0.8
#define COW_AVAILABLE_RATIO 0.1

/* The longest fork of the watch; else the last one INFO tells of (*before = true). */
static double fork_seconds(const struct model *m, bool *before)
{
	double longest = NAN;
	int64_t usec;

	*before = false;
	for (size_t i = 0; i < m->children_count; i++)
		longest = fmax(longest, m->children[i].child.fork_seconds);
	for (size_t i = 0; i < m->stalls_count; i++)
		longest = fmax(longest, m->stalls[i].stall.seconds[CAUSE_FORK]);
	if (longest > 0)
		return longest;
	usec = model_info_end(m, "latest_fork_usec");
	if (usec == RECORD_UNKNOWN)
		return NAN;
	*before = !(model_info_delta(m, "total_forks") > 0);
	return (double)usec / 1e6;
}

bool rule_fork_pause(const struct model *m, struct finding *f)
{
	bool before;
	double seconds = fork_seconds(m, &before);
	int64_t rss = measure_rss(m);
	struct waits w = waits_of(m, f->id);

	if (measure_forks_in_vain(m))
		return false;
	w.longest_seconds = fmax(w.longest_seconds, seconds); /* no number is none */
	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	seconds = w.longest_seconds;
	f->severity = before ? SEVERITY_INFO : waits_severity(m, &w);
	f->cost = seconds * COST_PER_SECOND;
	finding_title(f, "%s fork held the server for %s", before ? "The last" : "A",
		      say_seconds(seconds).s);
	finding_evidence(f, "fork_seconds", seconds, "seconds", BASIS_EXACT);
	finding_evidence_bytes(f, "rss", rss, BASIS_EXACT);
	finding_evidence(f, "fork_bytes_per_second",
			 rss == RECORD_UNKNOWN ? NAN : (double)rss / seconds, "bytes per second",
			 BASIS_DERIVED);
	finding_evidence_text(f, "save", model_config(m, "save"), BASIS_EXACT);
	finding_cause(f, "fork() copies the page tables of the whole server while no command "
			 "runs; the time grows with resident memory, and is longer on virtual "
			 "machines.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Let a replica save and keep the master from forking (save \"\", "
		       "appendonly no), or split the data over smaller servers.");
	if (measure_persists(m))
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET save").s,
			       "Save less often, at a quiet hour.");
	return true;
}

static double cow_faults(const struct charge *c)
{
	return isnan(c->cow_faults) ? 0 : c->cow_faults;
}

/* Private memory of the fork's child: seen, or told by INFO while it runs. */
static int64_t cow_bytes(const struct model *m)
{
	int64_t seen = measure_child_private(m);
	int64_t told = RECORD_UNKNOWN;

	if (model_info_end(m, "rdb_bgsave_in_progress") > 0 ||
	    model_info_end(m, "aof_rewrite_in_progress") > 0)
		told = model_info_end(m, "current_cow_peak");
	return larger(seen, told);
}

/* The limit it may not pass; RECORD_UNKNOWN. */
static int64_t cow_limit(const struct model *m)
{
	const struct record_host *h = &m->host_end;

	if (!m->have_host)
		return RECORD_UNKNOWN;
	return h->cgroup_near_limit_bytes != RECORD_UNKNOWN ? h->cgroup_near_limit_bytes :
							      h->cgroup_limit_bytes;
}

static bool cow_is_short_of_room(const struct model *m, int64_t need)
{
	const struct record_host *h = &m->host_end;

	return m->have_host &&
	       (measure_ratio(need, cow_limit(m)) > COW_LIMIT_RATIO ||
		measure_ratio(h->mem_available_bytes, h->mem_total_bytes) < COW_AVAILABLE_RATIO);
}

/* The largest forecast for a child that still saves; RECORD_UNKNOWN. */
static int64_t cow_projected(const struct model *m)
{
	int64_t most = RECORD_UNKNOWN;

	for (size_t i = 0; i < m->children_count; i++)
		if (m->children[i].projected_bytes > most)
			most = m->children[i].projected_bytes;
	return most;
}

int64_t measure_copies_short(const struct model *m)
{
	int64_t most = larger(cow_bytes(m), cow_projected(m)), rss = measure_rss(m);

	return measure_waste_matters(most, rss) && cow_is_short_of_room(m, measure_sum(rss, most)) ?
		       most :
		       0;
}

/* Both together are near the limit: how bad, and that it is a limit that will be met. */
static void cow_ranks(const struct model *m, struct finding *f, int64_t rss, int64_t most)
{
	double ratio = measure_ratio(measure_sum(rss, most), cow_limit(m));

	f->severity =
		cow_is_short_of_room(m, measure_sum(rss, most)) ? SEVERITY_WARNING : SEVERITY_INFO;
	if (ratio >= NEAR_CRITICAL_RATIO)
		f->severity = SEVERITY_CRITICAL;
	if (f->severity > SEVERITY_INFO)
		f->rank = RANK_LIMIT;
	f->cost = most > 0 ? (double)most : 0;
}

/* The limit comes first, when it is near; writes waited, too. */
static void cow_waits(const struct model *m, struct finding *f, const struct waits *w)
{
	enum severity severity = f->severity;

	waits_tell(m, f, w);
	if (severity == SEVERITY_INFO)
		f->rank = RANK_WAITED;
	else if (severity > f->severity)
		f->severity = severity;
}

static void cow_title(const struct model *m, struct finding *f, int64_t cow, int64_t projected)
{
	double ratio =
		measure_ratio(measure_sum(measure_rss(m), larger(cow, projected)), cow_limit(m));
	struct buf limit = { 0 };

	if (ratio > COW_LIMIT_RATIO)
		buf_printf(&limit, ": with the server %s of the limit of %s", say_percent(ratio).s,
			   say_bytes(cow_limit(m)).s);
	if (projected > cow)
		finding_title(f, "A saving child took %s of its own so far, and will come to %s%s",
			      say_bytes(cow).s, say_bytes(projected).s, buf_str(&limit));
	else
		finding_title(f, "A saving child took %s of its own, %s of the server's RSS%s",
			      say_bytes(cow).s, say_percent(measure_ratio(cow, measure_rss(m))).s,
			      buf_str(&limit));
	buf_free(&limit);
}

static void cow_evidence(const struct model *m, struct finding *f, int64_t cow, int64_t projected)
{
	const struct command_row *top = measure_top_command(m, cow_faults);
	const struct prefix_row *prefix = measure_top_prefix(m, cow_faults);
	int64_t faults = 0;

	for (size_t i = 0; i < m->children_count; i++)
		if (m->children[i].child.cow_faults > 0)
			sum_add(&faults, m->children[i].child.cow_faults);
	finding_evidence_bytes(f, "child_private_bytes", cow, BASIS_EXACT);
	finding_evidence_bytes(f, "child_private_at_end_bytes", projected, BASIS_DERIVED);
	finding_evidence_bytes(f, "rss", measure_rss(m), BASIS_EXACT);
	finding_evidence(f, "cow_faults_total", faults > 0 ? (double)faults : NAN, "faults",
			 BASIS_EXACT);
	if (top != NULL)
		finding_evidence_text(f, "top_command", say_command(top->command).s, BASIS_SAMPLED);
	if (prefix != NULL) {
		finding_evidence_text(f, "top_prefix",
				      say_key(prefix->prefix, prefix->prefix_len).s, BASIS_SAMPLED);
		finding_evidence(f, "top_prefix_cow_faults_total", prefix->charge.cow_faults,
				 "faults", BASIS_SAMPLED);
	}
	if (m->have_host) {
		finding_evidence_bytes(f, "mem_available", m->host_end.mem_available_bytes,
				       BASIS_EXACT);
		finding_evidence_bytes(f, "cgroup_limit", m->host_end.cgroup_limit_bytes,
				       BASIS_EXACT);
	}
}

bool rule_fork_cow(const struct model *m, struct finding *f)
{
	int64_t cow = cow_bytes(m), rss = measure_rss(m), projected = cow_projected(m);
	const struct prefix_row *prefix = measure_top_prefix(m, cow_faults);
	int64_t most = larger(cow, projected);
	struct waits w = waits_of(m, f->id);
	bool held = waits_severity(m, &w) > SEVERITY_INFO;

	if (!measure_waste_matters(most, rss) && !held)
		return false;
	cow_ranks(m, f, rss, most);
	f->weak = m->children_count == 0;
	if (f->severity > SEVERITY_INFO || !held)
		cow_title(m, f, cow, projected);
	else
		finding_title(f, "Writes waited %s for copies of pages that a saving child shares",
			      say_seconds(w.seconds).s);
	if (held)
		cow_waits(m, f, &w);
	cow_evidence(m, f, cow, projected);
	finding_cause(f,
		      "While the child saves, each page the server writes to is copied first; "
		      "writes during the save are paid in memory and in page faults%s%s.",
		      prefix != NULL ? ", most of them on keys like " : "",
		      prefix != NULL ? say_key(prefix->prefix, prefix->prefix_len).s : "");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Keep %s free beside the server for saves, save when few keys are "
		       "written, or let a replica save.",
		       most > 0 ? say_bytes(most).s : "room");
	return true;
}

/* --- the next one ------------------------------------------------------------------ */

static bool child_lives(const struct model *m)
{
	for (size_t i = 0; i < m->children_count; i++)
		if (isnan(m->children[i].child.t_end_seconds))
			return true;
	return false;
}

/* What the last save or rewrite copied, which is what the next will unless less is written: seen
 * in the watch (*now), or as the server remembers it since it was started. 0 = there was none. */
static int64_t last_copied(const struct model *m, bool *now)
{
	int64_t seen = measure_child_private(m), rss = measure_rss(m);
	int64_t told = larger(model_info_end(m, "rdb_last_cow_size"),
			      model_info_end(m, "aof_last_cow_size"));
	int64_t most = larger(seen, told);

	*now = seen > 0;
	if (rss != RECORD_UNKNOWN && most > rss)
		most = rss;
	return most > 0 ? most : 0;
}

/* That of the kernel's limits with the least room; maxmemory does not count what is copied. */
static struct limit least_room(const struct model *m)
{
	struct limit all[LIMIT_KINDS], none = { 0 };
	size_t count = measure_limits(m, all);

	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].what, "maxmemory") != 0)
			return all[i];
	return none;
}

static void no_room_evidence(const struct model *m, struct finding *f, const struct limit *limit,
			     int64_t copied)
{
	finding_evidence_bytes(f, "copied_bytes", copied, BASIS_DERIVED);
	finding_evidence_bytes(f, "room", limit->room, BASIS_DERIVED);
	finding_evidence_bytes(f, "limit", limit->bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "rss", measure_rss(m), BASIS_EXACT);
	finding_evidence_bytes(f, "rdb_last_cow_size", model_info_end(m, "rdb_last_cow_size"),
			       BASIS_EXACT);
	finding_evidence_bytes(f, "aof_last_cow_size", model_info_end(m, "aof_last_cow_size"),
			       BASIS_EXACT);
	finding_evidence_count(f, "rdb_changes_since_last_save",
			       model_info_end(m, "rdb_changes_since_last_save"), "changes",
			       BASIS_EXACT);
	finding_evidence_text(f, "save", model_config(m, "save"), BASIS_EXACT);
}

/* Where a limit is met already, a child lives or saves fail that is what is told. */
bool rule_fork_no_room(const struct model *m, struct finding *f)
{
	struct limit limit = least_room(m);
	bool now;
	int64_t copied = last_copied(m, &now);

	if (limit.what == NULL || limit.room <= 0 || copied <= limit.room || child_lives(m) ||
	    measure_saves_fail(m))
		return false;
	f->severity = SEVERITY_WARNING;
	f->weak = !now;
	f->cost = (double)sum_less(copied, limit.room);
	finding_title(f, "The next save will not fit: the last one copied %s, and of %s %s is left",
		      say_bytes(copied).s, limit.what, say_bytes(limit.room).s);
	no_room_evidence(m, f, &limit, copied);
	finding_cause(f,
		      "While a child saves, each page the server writes to is copied first. Where "
		      "that does not fit the kernel drops page cache, swaps, holds the server up, "
		      "or kills it or its child; and a save that was killed is begun again.%s",
		      now ? "" : " How much is written now may be less than it was then.");
	finding_action(
		f, RECORD_UNKNOWN, "",
		"Keep %s free beside the server for saves: raise the limit, store less, save "
		"when few keys are written, or let a replica save.",
		say_bytes(copied).s);
	return true;
}
