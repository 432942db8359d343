/* SPDX-License-Identifier: BSD-2-Clause */
/* Stalls judged, joined with the server's word, and summed up; see stalls.h. */
#include "model/stalls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "model/prefix.h"
#include "model/private.h"

#define EVENT_RULE(id, name, words, unit, cause, order) [EVENT_##id] = CAUSE_##cause,
#define ORDER_RULE(id, name, words, unit, cause, order) [EVENT_##id] = order,
#define WAIT_RULE(id, number, name, cause, descriptor)	[WAIT_##id] = CAUSE_##cause,
#define FRAME_RULE(id, name, words, cause, kind)	[FRAME_##id] = CAUSE_##cause,

const struct blame_rule blame_by_tables = {
	.event = { REDMEM_EVENTS(EVENT_RULE) },
	.order = { REDMEM_EVENTS(ORDER_RULE) },
	.wait = { REDMEM_WAITS(WAIT_RULE) },
	.frame = { REDMEM_FRAMES(FRAME_RULE) },
};

static double seconds_of(int64_t ns)
{
	return ns > 0 ? (double)ns / 1e9 : 0;
}

/* --- the split -------------------------------------------------------------------- */

static enum redmem_cause cause_of(const struct record_stall *seen, enum redmem_event event,
				  const struct blame_rule *rule)
{
	return event == EVENT_IO_WAIT ? rule->wait[seen->wait_call] : rule->event[event];
}

/* What the scheduler and the fault events measured is taken as it is, in the rule's
 * order, as far as the duration goes. Returns what is left of it. */
static double take_measured(struct stall *out, const struct record_stall *seen,
			    const struct blame_rule *rule)
{
	double rest = out->duration_seconds;

	for (int order = 1; order <= EVENT_KINDS; order++) {
		for (int event = 0; event < EVENT_KINDS; event++) {
			double part = fmin(seconds_of(seen->event_ns[event]), rest);

			if (rule->order[event] != order)
				continue;
			out->seconds[cause_of(seen, event, rule)] += part;
			rest -= part;
		}
	}
	return rest;
}

/* Time in faults that was measured is not divided again by samples. */
static bool frame_counts(const struct record_stall *seen, int frame)
{
	return frame != FRAME_FAULT || !seen->faults_timed;
}

/* The rest was spent running: CPU samples divide it, and what they do not reach is the
 * command's own. */
static void divide_rest(struct stall *out, const struct record_stall *seen, double rest,
			const struct blame_rule *rule)
{
	double sum = 0, left = rest;

	for (int frame = 0; frame < FRAMES; frame++)
		if (frame_counts(seen, frame))
			sum += seconds_of(seen->frame_ns[frame]);
	for (int frame = 0; frame < FRAMES && sum > 0; frame++) {
		double part = fmin(rest * (seconds_of(seen->frame_ns[frame]) / sum), left);

		if (rule->frame[frame] == CAUSE_COMMAND || !frame_counts(seen, frame))
			continue;
		out->seconds[rule->frame[frame]] += part;
		left -= part;
	}
	out->seconds[CAUSE_COMMAND] += left;
}

/* The fork tracepoint fires when the child is made: up to there the command did
 * nothing but fork (rdbSaveBackground(), rewriteAppendOnlyFileBackground()). */
static void charge_fork(struct stall *out, const struct record_stall *seen)
{
	static const enum redmem_cause from[] = { CAUSE_COMMAND, CAUSE_ALLOCATOR,
						  CAUSE_FAULT_MINOR };
	double forking = seconds_of(seen->fork_ns) - out->seconds[CAUSE_FORK];

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]) && forking > 0; i++) {
		double part = fmin(forking, out->seconds[from[i]]);

		out->seconds[from[i]] -= part;
		out->seconds[CAUSE_FORK] += part;
		forking -= part;
	}
}

/* --- what it did ------------------------------------------------------------------- */

static void keep_larger(struct stall_activity *activity, struct stall_activity one)
{
	size_t at = STALL_ACTIVITIES;

	while (at > 0 && !(activity[at - 1].seconds >= one.seconds)) /* also over NAN */
		at--;
	if (at == STALL_ACTIVITIES)
		return;
	memmove(&activity[at + 1], &activity[at],
		(STALL_ACTIVITIES - at - 1) * sizeof(activity[0]));
	activity[at] = one;
}

static void name_no_activity(struct stall *out)
{
	for (size_t i = 0; i < STALL_ACTIVITIES; i++)
		out->activity[i] = (struct stall_activity){ "", NAN };
}

/* Samples divide what was not waiting. */
static void name_activities(struct stall *out, const struct record_stall *seen)
{
	double rest = out->duration_seconds - out->seconds[CAUSE_CPU_WAIT] -
		      out->seconds[CAUSE_STOLEN] - out->seconds[CAUSE_IO_WAIT] -
		      out->seconds[CAUSE_OTHER];
	double sum = 0;

	name_no_activity(out);
	for (int frame = 0; frame < FRAMES; frame++)
		sum += seconds_of(seen->frame_ns[frame]);
	for (int frame = 0; frame < FRAMES; frame++) {
		double seconds = seconds_of(seen->frame_ns[frame]);

		if (seconds > 0 && *frame_table[frame].words)
			keep_larger(out->activity,
				    (struct stall_activity){ frame_table[frame].words,
							     rest * (seconds / sum) });
	}
}

static int larger_share(const void *a, const void *b)
{
	const struct stall_share *x = a, *y = b;

	return (x->ratio < y->ratio) - (x->ratio > y->ratio);
}

static void name_mix(struct stall *out, const struct record_stall *seen)
{
	double sum = 0;

	for (size_t i = 0; i < RECORD_SHARES; i++)
		sum += seconds_of(seen->commands[i].ns);
	for (size_t i = 0; i < RECORD_SHARES && seen->commands[i].name; i++) {
		double seconds = seconds_of(seen->commands[i].ns);

		if (*seen->commands[i].name && seconds > 0)
			out->mix[out->mix_count++] =
				(struct stall_share){ seen->commands[i].name, seconds / sum };
	}
	qsort(out->mix, out->mix_count, sizeof(out->mix[0]), larger_share);
	for (size_t i = 0; i < out->mix_count; i++)
		out->mix[i].ratio = round(out->mix[i].ratio * 100) / 100;
}

/* --- what the server counted -------------------------------------------------- */

/*
 * Work on the keyspace that the server counts. What it counted none of around the stall
 * (counted.h) was not at work: one has left its words on the stack, and another is at work above
 * them (target/frames.c).
 */
static const struct counted_work {
	enum redmem_cause cause;
	enum redmem_frame frame;
	size_t count; /* where in the record */
	const char *fields[3]; /* INFO's; some servers have not all */
} counted_work[] = {
	{ CAUSE_EXPIRY,
	  FRAME_EXPIRY,
	  offsetof(struct record_stall, expired_total),
	  { "expired_keys", "expired_subkeys", "expired_fields" } },
	{ CAUSE_EVICTION,
	  FRAME_EVICTION,
	  offsetof(struct record_stall, evicted_total),
	  { "evicted_keys" } },
	{ CAUSE_DEFRAG,
	  FRAME_DEFRAG,
	  offsetof(struct record_stall, defragged_total),
	  { "active_defrag_hits", "active_defrag_misses" } },
};

#define COUNTED_WORK (sizeof(counted_work) / sizeof(counted_work[0]))

static int64_t count_of(const struct record_stall *seen, const struct counted_work *work)
{
	return seen->counted ? *(const int64_t *)((const char *)seen + work->count) :
			       RECORD_UNKNOWN;
}

/* The time of @none is that of @work; NULL = of the command's or loop's own. */
static void give_time(struct stall *stall, const struct counted_work *none,
		      const struct counted_work *work)
{
	stall->seconds[work ? work->cause : CAUSE_COMMAND] += stall->seconds[none->cause];
	stall->seconds[none->cause] = 0;
}

/* And so is what it is said to have done. */
static void give_activity(struct stall *stall, const struct counted_work *none,
			  const struct counted_work *work)
{
	struct stall_activity was[STALL_ACTIVITIES];
	size_t same = STALL_ACTIVITIES; /* what @work is said to have done already */
	const char *words = work ? frame_table[work->frame].words : "";

	memcpy(was, stall->activity, sizeof(was));
	for (size_t i = 0; i < STALL_ACTIVITIES; i++) {
		if (!strcmp(was[i].words, frame_table[none->frame].words))
			was[i].words = words;
		if (!*was[i].words || strcmp(was[i].words, words) != 0)
			continue;
		if (same < i) {
			was[same].seconds += was[i].seconds;
			was[i].words = "";
		} else {
			same = i;
		}
	}
	name_no_activity(stall);
	for (size_t i = 0; i < STALL_ACTIVITIES; i++)
		if (*was[i].words)
			keep_larger(stall->activity, was[i]);
}

static void heed_counts(struct stall *out, const struct record_stall *seen)
{
	const struct counted_work *work = NULL;

	for (size_t i = 0; i < COUNTED_WORK && !work; i++)
		if (count_of(seen, &counted_work[i]) > 0)
			work = &counted_work[i];
	for (size_t i = 0; i < COUNTED_WORK; i++) {
		if (count_of(seen, &counted_work[i]) == RECORD_UNKNOWN)
			out->uncounted |= 1U << i;
		if (count_of(seen, &counted_work[i]) != 0)
			continue;
		give_time(out, &counted_work[i], work);
		give_activity(out, &counted_work[i], work);
	}
}

/* Did the server tell, and had none of it in the window? *ever: nor since it was started. */
static bool had_none(const struct model *m, const struct counted_work *work, bool *ever)
{
	bool told = false;

	*ever = true;
	for (size_t i = 0; i < sizeof(work->fields) / sizeof(work->fields[0]); i++) {
		int64_t grew;

		if (!work->fields[i])
			break;
		grew = model_info_delta(m, work->fields[i]);
		if (grew == RECORD_UNKNOWN)
			continue;
		if (grew != 0)
			return false;
		told = true;
		*ever &= model_info_end(m, work->fields[i]) == 0;
	}
	return told;
}

static bool of_many_commands(const struct stall *stall)
{
	return stall->commands_total > 0 && !*stall->command && !stall->running;
}

/*
 * What many commands took in one turn of the loop may be a transaction: those in it are counted
 * as others are, and come with names and arguments of their own. EXEC's own time, by the server's
 * count, tells: it is most of what such stalls took, in calls as long as they are.
 */
static void name_transactions(struct model *m)
{
	const struct command_row *row = model_command(m, "exec");
	double seconds = 0, exec;
	size_t count = 0;

	if (!row || row->calls_total <= 0 || isnan(row->usec_total))
		return;
	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;

		if (!of_many_commands(stall))
			continue;
		seconds += stall->duration_seconds;
		count++;
	}
	exec = row->usec_total / 1e6;
	if (!count || exec < 0.7 * seconds ||
	    exec / (double)row->calls_total < 0.5 * seconds / (double)count)
		return;
	for (size_t i = 0; i < m->stalls_count; i++) {
		struct stall *stall = &m->stalls[i].stall;

		if (!of_many_commands(stall))
			continue;
		stall->command = "exec";
		stall->commands_total = RECORD_UNKNOWN;
	}
}

void stalls_heed_window(struct model *m)
{
	name_transactions(m);
	double start = m->priv->info_start_seconds, end = m->priv->info_end_seconds;

	for (size_t work = 0; work < COUNTED_WORK; work++) {
		bool ever;

		if (m->priv->info_replies < 2 || !had_none(m, &counted_work[work], &ever))
			continue;
		for (size_t i = 0; i < m->stalls_count; i++) {
			struct stall *stall = &m->stalls[i].stall;

			/* What goes on is counted when it is over. */
			if (stall->running || !(stall->uncounted & 1U << work) ||
			    stall->t_seconds + stall->duration_seconds > end ||
			    (!ever && stall->t_seconds < start))
				continue;
			give_time(stall, &counted_work[work], NULL);
			give_activity(stall, &counted_work[work], NULL);
			stall->uncounted &= ~(1U << work);
		}
	}
}

/* A script of many commands: none of them alone. Neither is one that was hardly there. */
static bool inner_alone(const struct record_stall *seen)
{
	double looks = (double)seen->looks, inner = (double)seen->inner_looks;

	return (double)seen->inner_votes * 2 >= inner && inner * 4 >= looks;
}

void blame_stall(struct stall *out, const struct record_stall *seen, const struct blame_rule *rule)
{
	double duration = seen->duration_seconds;

	*out = (struct stall){
		.t_seconds = seen->t_seconds,
		.duration_seconds = isfinite(duration) && duration > 0 ? duration : 0,
		.running = seen->running,
		.command = seen->command,
		.inner = inner_alone(seen) ? seen->inner : "",
		.key = seen->key,
		.key_truncated = seen->key_truncated,
		.db = seen->db,
		.commands_total = seen->commands_total,
		.wait_call = wait_table[seen->wait_call].name,
		.wait_file = seen->wait_file,
		.preemptor = seen->preemptor,
		.preemptor_pid = seen->preemptor_pid,
		.gone_key = seen->gone_key,
		.gone_one =
			seen->gone_key_looks > 1 &&
			seen->gone_key_looks >= sum_less(seen->gone_looks, seen->gone_key_looks),
		.freed_bytes = RECORD_UNKNOWN,
	};
	divide_rest(out, seen, take_measured(out, seen, rule), rule);
	charge_fork(out, seen);
	name_activities(out, seen);
	heed_counts(out, seen);
	name_mix(out, seen);
}

/* --- reading ------------------------------------------------------------------------ */

static int by_seconds(const void *a, const void *b)
{
	const struct blame *x = a, *y = b;

	if (x->seconds != y->seconds)
		return x->seconds < y->seconds ? 1 : -1;
	/* qsort() is not stable: equal times keep the order of the table. */
	return x->cause < y->cause ? -1 : x->cause > y->cause;
}

size_t blame_split(const struct stall *stall, struct blame out[CAUSES])
{
	size_t count = 0;

	for (int cause = 0; cause < CAUSES; cause++)
		if (stall->seconds[cause] > 0) /* false for NAN too */
			out[count++] = (struct blame){ cause, stall->seconds[cause] };
	qsort(out, count, sizeof(out[0]), by_seconds);
	return count;
}

/* --- the server's word ------------------------------------------------------- */

/* Whole seconds, and the server's clock may be a little behind (cached time). */
#define STAMP_SLACK_SECONDS 1.5
/* How much two measurements of the same thing may differ, and still be it. */
#define SLOWLOG_RATIO  0.5
#define LATENCY_RATIO  0.1 /* an event does not say which command */
#define LENGTH_SECONDS 0.002

/* "config|get" is "config" in the slow log. */
static bool same_command(const char *full, const char *first)
{
	size_t len = strcspn(full, "|");

	return *first && strlen(first) == len && !strncmp(full, first, len);
}

static bool ended_at(const struct model *m, const struct stall *stall, int64_t unix_seconds)
{
	double end = m->session.wall_start_ns / 1e9 + stall->t_seconds + stall->duration_seconds;

	return m->session.wall_start_ns != RECORD_UNKNOWN &&
	       fabs(end - ((double)unix_seconds + 0.5)) <= STAMP_SLACK_SECONDS;
}

static double misfit(const struct stall *stall, double seconds)
{
	return fabs(stall->duration_seconds - seconds);
}

static bool fits(const struct stall *stall, double seconds, double ratio)
{
	return misfit(stall, seconds) <= ratio * stall->duration_seconds + LENGTH_SECONDS;
}

static bool is_of(const struct model *m, const struct record_slowlog *entry,
		  const struct stall *stall)
{
	return same_command(stall->command, entry->command) &&
	       ended_at(m, stall, entry->unix_seconds) &&
	       fits(stall, entry->seconds, SLOWLOG_RATIO);
}

bool stalls_have(const struct model *m, const struct record_slowlog *entry)
{
	for (size_t i = 0; i < m->stalls_count; i++)
		if (is_of(m, entry, &m->stalls[i].stall))
			return true;
	return false;
}

const struct record_slowlog *stall_slowlog(const struct model *m, const struct stall *stall)
{
	const struct record_slowlog *best = NULL;

	for (size_t i = 0; i < m->slowlog_count; i++) {
		const struct record_slowlog *entry = &m->slowlog[i].entry;

		if (is_of(m, entry, stall) &&
		    (!best || misfit(stall, entry->seconds) < misfit(stall, best->seconds)))
			best = entry;
	}
	return best;
}

const struct record_latency *stall_latency(const struct model *m, const struct stall *stall)
{
	const struct record_latency *best = NULL;

	for (size_t i = 0; i < m->latency_count; i++) {
		const struct record_latency *event = &m->latency[i].event;

		if (ended_at(m, stall, event->unix_seconds) &&
		    fits(stall, event->latest_seconds, LATENCY_RATIO) &&
		    (!best ||
		     misfit(stall, event->latest_seconds) < misfit(stall, best->latest_seconds)))
			best = event;
	}
	return best;
}

const struct record_key *stall_key(const struct model *m, const struct stall *stall)
{
	for (size_t i = m->keys_count; stall->key.len && !stall->key_truncated && i-- > 0;)
		if (bytes_same(m->keys[i].key.key, stall->key) &&
		    (stall->db == RECORD_UNKNOWN || stall->db == m->keys[i].key.db))
			return &m->keys[i].key;
	return NULL;
}

/* --- sums -------------------------------------------------------------------------- */

static void row_add(struct stall_sum_row *row, int64_t stalls, double seconds)
{
	row->stalls_total += stalls;
	row->seconds += seconds;
}

static struct stall_sum_row *cause_row(struct stall_sum *sum, enum redmem_cause cause)
{
	for (size_t i = 0; i < sum->causes_count; i++)
		if (sum->causes[i].cause == cause)
			return &sum->causes[i];
	sum->causes[sum->causes_count].cause = cause;
	return &sum->causes[sum->causes_count++];
}

static int longer(const void *a, const void *b)
{
	const struct stall_sum_row *x = a, *y = b;

	return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* Names are without end where keys have no parts: half of the rows, with least time, are
 * told together from now on. */
static void fold_prefixes(struct stall_sum *sum)
{
	qsort(sum->prefixes, sum->prefixes_count, sizeof(sum->prefixes[0]), longer);
	while (sum->prefixes_count > STALL_PREFIXES / 2) {
		struct stall_sum_row *row = &sum->prefixes[--sum->prefixes_count];

		row_add(&sum->others, row->stalls_total, row->seconds);
		free(row->name);
	}
}

static struct stall_sum_row *prefix_row(struct stall_sum *sum, const struct buf *prefix)
{
	struct stall_sum_row *row;

	for (size_t i = 0; i < sum->prefixes_count; i++) {
		row = &sum->prefixes[i];
		if (row->name_len == prefix->len && !memcmp(row->name, prefix->data, prefix->len))
			return row;
	}
	if (!sum->prefixes)
		sum->prefixes = xcalloc(STALL_PREFIXES, sizeof(*sum->prefixes));
	if (sum->prefixes_count == STALL_PREFIXES)
		fold_prefixes(sum);
	row = &sum->prefixes[sum->prefixes_count++];
	*row = (struct stall_sum_row){ 0 };
	row->name = xmemdup(prefix->data, prefix->len);
	row->name_len = prefix->len;
	row->cause = CAUSES;
	return row;
}

static void keep_longest(struct stall_sum *sum, const struct stall *stall)
{
	if (sum->longest_command && stall->duration_seconds <= sum->longest_seconds)
		return;
	sum->longest_seconds = stall->duration_seconds;
	free(sum->longest_command);
	sum->longest_command = xstrdup(stall->command);
	buf_clear(&sum->longest_key);
	buf_add(&sum->longest_key, stall->key.len ? stall->key.data : "", stall->key.len);
	sum->longest_key_truncated = stall->key_truncated;
}

void stall_sum_add(struct stall_sum *sum, const struct stall *stall)
{
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);
	struct buf prefix = { 0 };

	sum->stalls_total++;
	sum->seconds += stall->duration_seconds;
	keep_longest(sum, stall);
	for (size_t i = 0; i < count; i++)
		row_add(cause_row(sum, blame[i].cause), i == 0, blame[i].seconds);
	if (stall->key.len) {
		prefix_fold(&prefix, stall->key.data, stall->key.len);
		row_add(prefix_row(sum, &prefix), 1, stall->duration_seconds);
		buf_free(&prefix);
	}
}

void stall_sum_sort(struct stall_sum *sum)
{
	qsort(sum->causes, sum->causes_count, sizeof(sum->causes[0]), longer);
	if (sum->prefixes_count)
		qsort(sum->prefixes, sum->prefixes_count, sizeof(sum->prefixes[0]), longer);
}

void stall_sum_free(struct stall_sum *sum)
{
	for (size_t i = 0; i < sum->prefixes_count; i++)
		free(sum->prefixes[i].name);
	free(sum->prefixes);
	free(sum->longest_command);
	buf_free(&sum->longest_key);
	memset(sum, 0, sizeof(*sum));
}
