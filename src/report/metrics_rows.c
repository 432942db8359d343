/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of rows that metrics are of, and their labels; see metrics_table.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "diagnose/measure.h"
#include "diagnose/outlook.h"
#include "record/schema.h"
#include "report/metrics_table.h"

static struct bytes text(const char *s)
{
	return (struct bytes){ s ? s : "", s ? strlen(s) : 0 };
}

static void give(const struct metric_rows *rows, struct metric_row row)
{
	rows->take(rows->ctx, &row);
}

static void give_named(const struct metric_rows *rows, const char *name, const void *row)
{
	give(rows, (struct metric_row){ .label = { text(name) }, .row = row });
}

static double known(int64_t n)
{
	return n == RECORD_UNKNOWN ? NAN : (double)n;
}

static void each_once(const struct metrics_input *in, const struct metric_rows *rows)
{
	(void)in;
	give(rows, (struct metric_row){ .row = "" });
}

/* --- names: commands, prefixes, threads, errors ------------------------------------------ */

/* Whole bytes, so that sums of any number of them are exact. */
static double whole(double bytes)
{
	return isfinite(bytes) && bytes > 0 ? round(bytes) : 0;
}

static double moved(const struct charge *charge, bool freed)
{
	return whole(freed ? charge->free_bytes : charge->alloc_bytes);
}

static double moved_by_commands(const struct model *m, bool freed)
{
	double sum = 0;

	for (size_t i = 0; i < m->commands_count; i++)
		sum += moved(&m->commands[i].charge, freed);
	return sum;
}

static double moved_by_prefixes(const struct model *m, bool freed)
{
	double sum = 0;

	for (size_t i = 0; i < m->prefixes_count; i++)
		sum += moved(&m->prefixes[i].charge, freed);
	return sum;
}

double metric_moved(const struct model *m, bool freed)
{
	double all = freed ? m->alloc.free_bytes : m->alloc.alloc_bytes;

	if (!isfinite(all))
		return NAN;
	return fmax(whole(all), fmax(moved_by_commands(m, freed), moved_by_prefixes(m, freed)));
}

/* What of the sums is in no row. */
static struct charge rest_of(const struct model *m,
			     double (*moved_by)(const struct model *m, bool freed))
{
	return (struct charge){ .alloc_bytes = metric_moved(m, false) - moved_by(m, false),
				.free_bytes = metric_moved(m, true) - moved_by(m, true) };
}

static void each_command(const struct metrics_input *in, const struct metric_rows *rows)
{
	const struct command_row rest = { .command = (char *)"",
					  .charge = rest_of(in->m, moved_by_commands) };

	for (size_t i = 0; i < in->m->commands_count; i++) {
		const struct command_row *row = &in->m->commands[i];

		give(rows, (struct metric_row){
				   .label = { text(*row->command ? row->command : "(event loop)") },
				   .row = row,
				   .weight = charge_bytes(&row->charge) });
	}
	give(rows, (struct metric_row){ .row = &rest, .other = true });
}

static void each_prefix(const struct metrics_input *in, const struct metric_rows *rows)
{
	const struct prefix_row rest = { .charge = rest_of(in->m, moved_by_prefixes) };

	for (size_t i = 0; i < in->m->prefixes_count; i++) {
		const struct prefix_row *row = &in->m->prefixes[i];

		/* The model's own sum of small ones has no example. */
		give(rows, (struct metric_row){ .label = { { row->prefix, row->prefix_len } },
						.row = row,
						.other = !row->example_len,
						.weight = charge_bytes(&row->charge) });
	}
	give(rows, (struct metric_row){ .row = &rest, .other = true });
}

static void each_thread(const struct metrics_input *in, const struct metric_rows *rows)
{
	for (size_t i = 0; i < in->m->threads_count; i++)
		give_named(rows, in->m->threads[i].thread, &in->m->threads[i]);
}

/* Until a command has a series, "other" has what is counted of it, from 0 on. */
static void each_refusal(const struct metrics_input *in, const struct metric_rows *rows)
{
	const struct refusal_row none = { 0 };

	if (in->m->have_errors)
		give(rows, (struct metric_row){ .row = &none, .other = true });
	for (size_t i = 0; i < in->m->refusals_count; i++)
		give_named(rows, in->m->refusals[i].command, &in->m->refusals[i]);
}

static void each_error(const struct metrics_input *in, const struct metric_rows *rows)
{
	const struct error_row none = { 0 };

	if (in->m->have_errors)
		give(rows, (struct metric_row){ .row = &none, .other = true });
	for (size_t i = 0; i < in->m->errors_count; i++)
		give_named(rows, in->m->errors[i].error, &in->m->errors[i]);
}

/* --- sets that are fixed -------------------------------------------------------------------- */

static void each_line(const struct metrics_input *in, const struct metric_rows *rows)
{
	const struct ledger *ledger = &in->m->ledger;

	for (size_t i = 0; i < ledger->count; i++)
		give(rows, (struct metric_row){ .label = { text(ledger->lines[i].id),
							   text(ledger->lines[i].parent) },
						.row = &ledger->lines[i] });
}

static double reclaimable(const struct ledger *ledger, const char *action)
{
	double bytes = 0;

	for (size_t i = 0; i < ledger->count; i++)
		for (size_t r = 0; r < ledger->lines[i].reclaim_count; r++)
			if (!strcmp(ledger->lines[i].reclaim[r].action, action))
				bytes += (double)ledger->lines[i].reclaim[r].bytes;
	return bytes;
}

static void each_action(const struct metrics_input *in, const struct metric_rows *rows)
{
	static const char *const actions[] = { "defrag", "purge", "thp", "restart" };

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]) && in->m->ledger.count; i++)
		give_named(rows, actions[i],
			   &(struct metric_named){ actions[i],
						   reclaimable(&in->m->ledger, actions[i]) });
}

/* jemalloc has some forty small ones. */
#define SIZES_MAX 64

static void each_size(const struct metrics_input *in, const struct metric_rows *rows)
{
	char size[32];
	int count = 0;

	for (size_t i = 0; i < in->m->classes_count && count < SIZES_MAX; i++) {
		const struct class_row *row = &in->m->classes[i];

		if (!row->size.small || row->size.holes_bytes == RECORD_UNKNOWN)
			continue;
		snprintf(size, sizeof(size), "%lld", (long long)row->size.size_bytes);
		give_named(rows, size, row);
		count++;
	}
}

/* By hours and days of it; while there are none, by this window, which tells of the nearest. */
static void limit_trend(const struct metrics_input *in, enum limit_kind kind,
			const struct limit *limit, struct metric_limit *out)
{
	struct trend trend = outlook_trend(in->outlook, kind);
	struct forecast forecast;

	out->seconds = isfinite(trend.seconds) ? trend.seconds : NAN;
	out->confidence = trend.confidence;
	if (!isnan(trend.bytes_per_second))
		return;
	out->confidence = NAN;
	if (measure_forecast(in->m, &forecast) && !strcmp(forecast.limit, limit->what))
		out->seconds = forecast.seconds;
}

static void each_limit(const struct metrics_input *in, const struct metric_rows *rows)
{
	for (int kind = 0; kind < LIMIT_KINDS; kind++) {
		struct metric_limit row = { .name = limit_kind_name((enum limit_kind)kind) };
		struct limit limit;

		if (!measure_limit(in->m, (enum limit_kind)kind, &limit) || limit.bytes <= 0)
			continue;
		row.bytes = (double)limit.bytes;
		row.used_bytes = row.bytes - (double)limit.room;
		limit_trend(in, (enum limit_kind)kind, &limit, &row);
		give_named(rows, row.name, &row);
	}
}

static void each_behind(const struct metrics_input *in, const struct metric_rows *rows)
{
	struct metric_named row = { "", NAN };
	struct bytes prefix;

	if (outlook_behind(in->outlook, &prefix, &row.value))
		give(rows, (struct metric_row){ .label = { prefix }, .row = &row });
}

/* --- the newest scheduled pass over the keys ------------------------------------------------ */

static bool is_passed(const struct passed_row *row, const char *what)
{
	return !strcmp(row->passed.what, what);
}

static void each_pass(const struct metrics_input *in, const struct metric_rows *rows)
{
	for (size_t i = 0; i < in->m->passed_count; i++)
		if (is_passed(&in->m->passed[i], "all"))
			give(rows, (struct metric_row){ .row = &in->m->passed[i] });
}

static void each_passed(const struct metrics_input *in, const struct metric_rows *rows)
{
	for (size_t i = 0; i < in->m->passed_count; i++)
		if (is_passed(&in->m->passed[i], "prefix"))
			give(rows, (struct metric_row){ .label = { in->m->passed[i].passed.key },
							.row = &in->m->passed[i] });
}

/* Of all threads. */
static struct charge all_charges(const struct model *m)
{
	struct charge all = { 0 };

	for (size_t i = 0; i < m->threads_count; i++)
		charge_merge(&all, &m->threads[i].charge);
	return all;
}

/* What is part of a sum, as far as it is known. */
static double part(double seconds)
{
	return isfinite(seconds) ? seconds : 0;
}

static void each_fault(const struct metrics_input *in, const struct metric_rows *rows)
{
	const struct record_totals *totals = &in->m->totals;
	const struct charge all = all_charges(in->m);
	double major = part(all.swap_fault_seconds) + part(all.file_fault_seconds);
	const struct metric_fault faults[] = {
		{ "minor", known(totals->minor_faults), all.fault_seconds - major },
		{ "cow", known(totals->cow_faults), all.cow_fault_seconds },
		{ "major", known(totals->major_faults), major },
		{ "swap_in", known(all.swap_faults), all.swap_fault_seconds },
	};

	if (!in->m->have_totals || !model_sensor_on(in->m, "fault"))
		return;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		give_named(rows, faults[i].name, &faults[i]);
}

static void each_cause(const struct metrics_input *in, const struct metric_rows *rows)
{
	for (int cause = 0; cause < CAUSES && model_sensor_on(in->m, "loop"); cause++)
		give_named(rows, cause_table[cause].name, &cause);
}

static void each_finding(const struct metrics_input *in, const struct metric_rows *rows)
{
	for (size_t i = 0; in->f && i < in->f->count; i++) {
		const struct finding *f = &in->f->items[i];

		give(rows, (struct metric_row){
				   .label = { text(f->id), text(severity_name(f->severity)) },
				   .row = f });
	}
}

static void each_life(const struct metrics_input *in, const struct metric_rows *rows)
{
	static const char *const events[] = { "exit", "exec", "oom", "hang", "answer", "stopped" };

	for (size_t e = 0; e < sizeof(events) / sizeof(events[0]); e++) {
		struct metric_named event = { events[e], 0 };

		for (size_t i = 0; i < in->m->life_count; i++)
			event.value += !strcmp(in->m->life[i].life.event, events[e]);
		give_named(rows, events[e], &event);
	}
}

static void each_client_kind(const struct metrics_input *in, const struct metric_rows *rows)
{
	const struct metric_named kinds[] = {
		{ "normal", known(model_info_end(in->m, "mem_clients_normal")) },
		{ "replica", known(model_info_end(in->m, "mem_clients_slaves")) },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		give_named(rows, kinds[i].name, &kinds[i]);
}

static void each_sensor(const struct metrics_input *in, const struct metric_rows *rows)
{
	for (size_t i = 0; i < in->m->sensors_count; i++)
		give_named(rows, in->m->sensors[i].sensor.id, &in->m->sensors[i]);
}

/* --- about a server, and about redmem ------------------------------------------------------ */

/* A pod whose name is not known is told by its uid, and a container by its id. */
static void each_about(const struct metrics_input *in, const struct metric_rows *rows)
{
	const struct record_target *target = &in->m->target;
	struct bytes space = { "", 0 }, pod = text(target->pod), container;
	const char *slash = memchr(pod.data, '/', pod.len);

	if (slash) {
		space = (struct bytes){ pod.data, (size_t)(slash - pod.data) };
		pod = text(slash + 1);
	}
	container = text(target->container_name);
	if (!container.len)
		container = text(target->container);
	give(rows,
	     (struct metric_row){ .label = { text(target->server), text(target->version),
					     text(target->allocator), text(target->role),
					     text(measure_policy(in->m)), space, pod, container },
				  .row = "" });
}

static void each_state(const struct metrics_input *in, const struct metric_rows *rows)
{
	give_named(rows, in->state, "");
}

static void each_version(const struct metrics_input *in, const struct metric_rows *rows)
{
	(void)in;
	give_named(rows, redmem_version, "");
}

static void each_process(const struct metrics_input *in, const struct metric_rows *rows)
{
	give_named(rows, "watcher", &in->self->watcher);
	give_named(rows, "keeper", &in->self->keeper);
}

/* --- the table ------------------------------------------------------------------------------ */

/* clang-format off */
const struct metric_group metric_groups[METRIC_GROUPS] = {
	[GROUP_SERVER] = { { NULL }, each_once, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_ABOUT] = { { "name", "version", "allocator", "role", "maxmemory_policy",
			    "namespace", "pod", "container" },
			  each_about, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_COMMANDS] = { { "command" }, each_command, FROM_WINDOW, KEEP_NONE,
			     METRICS_COMMANDS },
	[GROUP_REFUSALS] = { { "command" }, each_refusal, FROM_WINDOW, KEEP_NONE,
			     METRICS_COMMANDS },
	[GROUP_PREFIXES] = { { "prefix" }, each_prefix, FROM_WINDOW, KEEP_NONE, -1 },
	[GROUP_GONE] = { { NULL }, each_once, FROM_GONE, KEEP_NONE, 0 },
	[GROUP_PASS] = { { NULL }, each_pass, FROM_PASS, KEEP_NONE, 0 },
	[GROUP_PASSED] = { { "prefix" }, each_passed, FROM_PASS, KEEP_NONE, 0 },
	[GROUP_THREADS] = { { "thread" }, each_thread, FROM_WINDOW, KEEP_NONE, METRICS_NAMES },
	[GROUP_ERRORS] = { { "error" }, each_error, FROM_WINDOW, KEEP_NONE, METRICS_NAMES },
	[GROUP_LEDGER] = { { "line", "parent" }, each_line, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_RECLAIM] = { { "action" }, each_action, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_SIZES] = { { "size" }, each_size, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_LIMITS] = { { "limit" }, each_limit, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_BEHIND] = { { "prefix" }, each_behind, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_FAULTS] = { { "kind" }, each_fault, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_CAUSES] = { { "cause" }, each_cause, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_FINDINGS] = { { "id", "severity" }, each_finding, FROM_WINDOW, KEEP_A_MINUTE, 0 },
	[GROUP_LIFE] = { { "event" }, each_life, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_CLIENT_KINDS] = { { "kind" }, each_client_kind, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_SENSORS] = { { "sensor" }, each_sensor, FROM_WINDOW, KEEP_NONE, 0 },
	[GROUP_UP] = { { NULL }, each_once, FROM_STATE, KEEP_NONE, 0 },
	[GROUP_STATE] = { { "state" }, each_state, FROM_STATE, KEEP_ZERO, 0 },
	[GROUP_BUILD] = { { "version" }, each_version, FROM_REDMEM, KEEP_NONE, 0 },
	[GROUP_REDMEM] = { { NULL }, each_once, FROM_REDMEM, KEEP_NONE, 0 },
	[GROUP_PROCESSES] = { { "process" }, each_process, FROM_SELF, KEEP_NONE, 0 },
	[GROUP_SELF] = { { NULL }, each_once, FROM_SELF, KEEP_NONE, 0 },
};
/* clang-format on */
