/* SPDX-License-Identifier: BSD-2-Clause */
/* `redmem alloc --json`: schema redmem.alloc/1, one document. */
#include <math.h>

#include "base/sum.h"
#include "report/columns.h"
#include "report/json.h"
#include "report/report.h"

/* The share comes from CPU samples, which no probe disturbs; the rest from bursts. */
static json_t *json_latency_of(const struct call_latency *l, double share)
{
	json_t *o = json_object(), *paths = json_object();

	put(o, "calls_total", value_int(l->calls_total));
	put(o, "p50_seconds", value_real(l->p50_seconds));
	put(o, "p99_seconds", value_real(l->p99_seconds));
	put(o, "max_seconds", value_real(l->max_seconds));
	put(o, "share_of_command_ratio", value_real(share));
	put(o, "mean_seconds", value_real(l->mean_seconds));
	for (int i = 0; i < CALL_PATHS; i++) {
		json_t *path = json_object();

		put(path, "calls_total", value_int(l->path_calls[i]));
		put(path, "seconds", value_real(l->path_seconds[i]));
		put(paths, call_path_name(i), path);
	}
	put(o, "paths", paths);
	return o;
}

static double share_of(const struct charge *c)
{
	return c->cpu_seconds > 0 ? c->allocator_seconds / c->cpu_seconds : NAN;
}

static json_t *alloc_commands(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->alloc.commands_count; i++) {
		const struct command_row *row = &m->commands[m->alloc.commands[i]];
		json_t *o = columns_object(m, &columns_alloc_commands, row);

		put(o, "latency", json_latency_of(&row->latency, share_of(&row->charge)));
		put_last(rows, o);
	}
	return rows;
}

static json_t *alloc_prefixes(const struct model *m, const size_t *order, size_t count)
{
	struct rows rows = *ROWS(m->prefixes, count);

	rows.order = order;
	return columns_json(m, &columns_alloc_prefixes, &rows);
}

static json_t *alloc_threads(const struct model *m)
{
	struct rows rows = *ROWS(m->threads, m->alloc.threads_count);

	rows.order = m->alloc.threads;
	return columns_json(m, &columns_alloc_threads, &rows);
}

static json_t *json_tops(const struct alloc_top *tops, const char *name)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < ALLOC_TOP && tops[i].name; i++) {
		json_t *o = json_object();

		if (tops[i].name_len)
			put_bytes(o, name, (struct bytes){ tops[i].name, tops[i].name_len });
		else
			put(o, name, json_string(""));
		put(o, "alloc_bytes", value_count(tops[i].alloc_bytes));
		put(o, "free_bytes", value_count(tops[i].free_bytes));
		put_last(rows, o);
	}
	return rows;
}

static json_t *alloc_tick(const struct alloc_tick *tick)
{
	json_t *o = json_object();

	put(o, "t_seconds", value_real(tick->t_seconds));
	put(o, "alloc_bytes", value_count(tick->alloc_bytes));
	put(o, "free_bytes", value_count(tick->free_bytes));
	put(o, "commands", json_tops(tick->commands, "command"));
	put(o, "prefixes", json_tops(tick->prefixes, "prefix"));
	return o;
}

static json_t *alloc_ticks(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->alloc.ticks_count; i++)
		put_last(rows, alloc_tick(&m->alloc.ticks[i]));
	return rows;
}

static json_t *alloc_peak(const struct model *m)
{
	json_t *o;

	if (!m->alloc.peak)
		return json_null();
	o = alloc_tick(m->alloc.peak);
	put(o, "used_memory_bytes", value_int(m->alloc.peak_bytes));
	return o;
}

static json_t *alloc_growth(const struct model *m)
{
	int64_t start = model_info_start(m, "used_memory"), end = model_info_end(m, "used_memory");
	bool both = start != RECORD_UNKNOWN && end != RECORD_UNKNOWN;
	json_t *o = json_object();

	put(o, "used_memory_start_bytes", value_int(start));
	put(o, "used_memory_end_bytes", value_int(end));
	put(o, "used_memory_bytes", both ? value_int(sum_less(end, start)) : json_null());
	put(o, "net_bytes", value_count(m->alloc.alloc_bytes - m->alloc.free_bytes));
	put(o, "prefixes", alloc_prefixes(m, m->alloc.growth, m->alloc.growth_count));
	return o;
}

static json_t *alloc_totals(const struct model *m)
{
	const struct alloc *a = &m->alloc;
	json_t *o = json_object();

	put(o, "alloc_bytes", value_count(a->alloc_bytes));
	put(o, "free_bytes", value_count(a->free_bytes));
	put(o, "flow_hits_total", isfinite(a->alloc_bytes) ? value_int(a->flow_hits) : json_null());
	put(o, "basis", json_string(a->by_caches && a->partly ? "sampled" : "exact"));
	put(o, "shares_basis", json_string("sampled"));
	put(o, "of", json_string(a->by_caches ? "thread_caches" : "all"));
	put(o, "flow_duty_ratio", value_real(a->flow_duty_ratio));
	put(o, "latency", json_latency_of(&a->latency, NAN));
	return o;
}

json_t *json_cost(const struct model *m)
{
	const struct record_budget *b = &m->alloc.budget;
	const struct record_burst *burst = &m->alloc.burst;
	json_t *o = json_object();

	put(o, "budget_ratio", value_real(b->budget_ratio));
	put(o, "spent_ratio", value_real(b->spent_ratio));
	put(o, "bpf_seconds", value_real(b->bpf_seconds));
	put(o, "trap_seconds", value_real(b->trap_seconds));
	put(o, "attach_seconds", value_real(b->attach_seconds));
	put(o, "trap_cost_seconds", value_real(b->trap_cost_seconds));
	put(o, "fault_period", value_int(b->fault_period));
	put(o, "bursts_total", value_int(m->alloc.bursts_total));
	put(o, "probe_seconds", value_real(burst->probe_seconds));
	put(o, "probe_error_seconds", value_real(burst->probe_error_seconds));
	return o;
}

void report_alloc_json(struct buf *out, const struct model *m)
{
	json_t *document = json_object();

	put(document, "schema", json_string("redmem.alloc/1"));
	put(document, "target", json_target(m));
	put(document, "window", json_window(m));
	put(document, "self", json_self(m));
	put(document, "sensors", json_sensors(m));
	put(document, "totals", alloc_totals(m));
	put(document, "commands", alloc_commands(m));
	put(document, "prefixes", alloc_prefixes(m, m->alloc.prefixes, m->alloc.prefixes_count));
	put(document, "threads", alloc_threads(m));
	put(document, "size_classes",
	    columns_json(m, &columns_alloc_classes,
			 ROWS(m->alloc.classes, m->alloc.classes_count)));
	put(document, "growth", alloc_growth(m));
	put(document, "peak", alloc_peak(m));
	put(document, "timeline", alloc_ticks(m));
	put(document, "cost", json_cost(m));
	json_write(out, document);
}
