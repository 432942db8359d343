/* SPDX-License-Identifier: BSD-2-Clause */
/* Stalls judged; see blame.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/blame.h"

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

static void keep_larger(struct stall_activity activity[STALL_ACTIVITIES], struct stall_activity one)
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

/* Samples divide what was not waiting. */
static void name_activities(struct stall *out, const struct record_stall *seen)
{
	double rest = out->duration_seconds - out->seconds[CAUSE_CPU_WAIT] -
		      out->seconds[CAUSE_IO_WAIT] - out->seconds[CAUSE_OTHER];
	double sum = 0;

	for (size_t i = 0; i < STALL_ACTIVITIES; i++)
		out->activity[i] = (struct stall_activity){ "", NAN };
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
		.freed_bytes = RECORD_UNKNOWN,
	};
	divide_rest(out, seen, take_measured(out, seen, rule), rule);
	charge_fork(out, seen);
	name_activities(out, seen);
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
