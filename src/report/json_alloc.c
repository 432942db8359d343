/* SPDX-License-Identifier: BSD-2-Clause */
/* `redmem alloc --json`: schema redmem.alloc/1, one document. */
#include <math.h>

#include "base/sum.h"
#include "report/columns.h"
#include "report/json.h"
#include "report/report.h"
#include "report/schema.h"

#define CALL_PATH(M, MAYBE)                            \
	M("calls_total", integer, l->path_calls[path]) \
	M("seconds", real, l->path_seconds[path])
static SCHEMA(call_path, CALL_PATH);

static json_t *json_path(const struct call_latency *l, enum call_path path)
{
	json_t *o = json_object();

	PUT_MEMBERS(CALL_PATH);
	return o;
}

#define PATHS(M, MAYBE)                                       \
	M("fast", object(call_path), json_path(l, CALL_FAST)) \
	M("slow", object(call_path), json_path(l, CALL_SLOW)) \
	M("fault", object(call_path), json_path(l, CALL_FAULT))
static SCHEMA(call_paths, PATHS);

static json_t *json_paths(const struct call_latency *l)
{
	json_t *o = json_object();

	PUT_MEMBERS(PATHS);
	return o;
}

#define CALL_LATENCY(M, MAYBE)                    \
	M("calls_total", integer, l->calls_total) \
	M("p50_seconds", real, l->p50_seconds)    \
	M("p99_seconds", real, l->p99_seconds)    \
	M("max_seconds", real, l->max_seconds)    \
	M("share_of_command_ratio", real, share)  \
	M("mean_seconds", real, l->mean_seconds)  \
	M("paths", object(call_paths), paths)
static SCHEMA(call_latency, CALL_LATENCY);

/* The share comes from CPU samples, which no probe disturbs; the rest from bursts. */
static json_t *json_latency_of(const struct call_latency *l, double share)
{
	json_t *o = json_object(), *paths = json_paths(l);

	PUT_MEMBERS(CALL_LATENCY);
	return o;
}

static double share_of(const struct charge *c)
{
	return c->cpu_seconds > 0 ? c->allocator_seconds / c->cpu_seconds : NAN;
}

#define ALLOC_COMMAND(M, MAYBE)                \
	M(NULL, columns_of(alloc_commands), o) \
	M("latency", object(call_latency), json_latency_of(&row->latency, share_of(&row->charge)))
static SCHEMA(alloc_command, ALLOC_COMMAND);

static json_t *alloc_commands(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->alloc.commands_count; i++) {
		const struct command_row *row = &m->commands[m->alloc.commands[i]];
		json_t *o = columns_object(m, &columns_alloc_commands, row);

		PUT_MEMBERS(ALLOC_COMMAND);
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

#define TOP_COMMAND(M, MAYBE)                                          \
	M("command", name, (struct bytes){ top->name, top->name_len }) \
	M("alloc_bytes", count, top->alloc_bytes)                      \
	M("free_bytes", count, top->free_bytes)
static SCHEMA(top_command, TOP_COMMAND);

static json_t *json_top_command(const struct alloc_top *top)
{
	json_t *o = json_object();

	PUT_MEMBERS(TOP_COMMAND);
	return o;
}

#define TOP_PREFIX(M, MAYBE)                                          \
	M("prefix", name, (struct bytes){ top->name, top->name_len }) \
	M("alloc_bytes", count, top->alloc_bytes)                     \
	M("free_bytes", count, top->free_bytes)
static SCHEMA(top_prefix, TOP_PREFIX);

static json_t *json_top_prefix(const struct alloc_top *top)
{
	json_t *o = json_object();

	PUT_MEMBERS(TOP_PREFIX);
	return o;
}

static json_t *json_tops(const struct alloc_top *tops,
			 json_t *(*json_top)(const struct alloc_top *top))
{
	json_t *rows = json_array();

	for (size_t i = 0; i < ALLOC_TOP && tops[i].name; i++)
		put_last(rows, json_top(&tops[i]));
	return rows;
}

#define TICK(M, MAYBE)                                                                \
	M("t_seconds", real, tick->t_seconds)                                         \
	M("alloc_bytes", count, tick->alloc_bytes)                                    \
	M("free_bytes", count, tick->free_bytes)                                      \
	M("commands", list(top_command), json_tops(tick->commands, json_top_command)) \
	M("prefixes", list(top_prefix), json_tops(tick->prefixes, json_top_prefix))
static SCHEMA(alloc_tick, TICK);

static json_t *alloc_tick(const struct alloc_tick *tick)
{
	json_t *o = json_object();

	PUT_MEMBERS(TICK);
	return o;
}

static json_t *alloc_ticks(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->alloc.ticks_count; i++)
		put_last(rows, alloc_tick(&m->alloc.ticks[i]));
	return rows;
}

#define PEAK(M, MAYBE)                 \
	M(NULL, all_of(alloc_tick), o) \
	M("used_memory_bytes", integer, m->alloc.peak_bytes)
static SCHEMA(alloc_peak, PEAK);

static json_t *alloc_peak(const struct model *m)
{
	json_t *o;

	if (!m->alloc.peak)
		return json_null();
	o = alloc_tick(m->alloc.peak);
	PUT_MEMBERS(PEAK);
	return o;
}

#define GROWTH(M, MAYBE)                                                              \
	M("used_memory_start_bytes", integer, start)                                  \
	M("used_memory_end_bytes", integer, end)                                      \
	M("used_memory_bytes", integer, both ? sum_less(end, start) : RECORD_UNKNOWN) \
	M("net_bytes", count, m->alloc.alloc_bytes - m->alloc.free_bytes)             \
	M("prefixes", rows(alloc_prefixes),                                           \
	  alloc_prefixes(m, m->alloc.growth, m->alloc.growth_count))
static SCHEMA(alloc_growth, GROWTH);

static json_t *alloc_growth(const struct model *m)
{
	int64_t start = model_info_start(m, "used_memory"), end = model_info_end(m, "used_memory");
	bool both = start != RECORD_UNKNOWN && end != RECORD_UNKNOWN;
	json_t *o = json_object();

	PUT_MEMBERS(GROWTH);
	return o;
}

#define TOTALS(M, MAYBE)                                                                        \
	M("alloc_bytes", count, a->alloc_bytes)                                                 \
	M("free_bytes", count, a->free_bytes)                                                   \
	M("flow_hits_total", integer, isfinite(a->alloc_bytes) ? a->flow_hits : RECORD_UNKNOWN) \
	M("basis", word, a->by_caches && a->partly ? "sampled" : "exact")                       \
	M("shares_basis", word, "sampled")                                                      \
	M("of", word, a->by_caches ? "thread_caches" : "all")                                   \
	M("flow_duty_ratio", real, a->flow_duty_ratio)                                          \
	M("latency", object(call_latency), json_latency_of(&a->latency, NAN))
static SCHEMA(alloc_totals, TOTALS);

static json_t *alloc_totals(const struct model *m)
{
	const struct alloc *a = &m->alloc;
	json_t *o = json_object();

	PUT_MEMBERS(TOTALS);
	return o;
}

#define COST(M, MAYBE)                                     \
	M("budget_ratio", real, b->budget_ratio)           \
	M("spent_ratio", real, b->spent_ratio)             \
	M("bpf_seconds", real, b->bpf_seconds)             \
	M("trap_seconds", real, b->trap_seconds)           \
	M("attach_seconds", real, b->attach_seconds)       \
	M("trap_cost_seconds", real, b->trap_cost_seconds) \
	M("fault_period", integer, b->fault_period)        \
	M("bursts_total", integer, m->alloc.bursts_total)  \
	M("probe_seconds", real, burst->probe_seconds)     \
	M("probe_error_seconds", real, burst->probe_error_seconds)
SCHEMA(cost, COST);

json_t *json_cost(const struct model *m)
{
	const struct record_budget *b = &m->alloc.budget;
	const struct record_burst *burst = &m->alloc.burst;
	json_t *o = json_object();

	PUT_MEMBERS(COST);
	return o;
}

#define ALLOC(M, MAYBE)                                                                            \
	M("target", object(target), json_target(m))                                                \
	M("window", object(window), json_window(m))                                                \
	M("self", object(self), json_self(m))                                                      \
	M("sensors", list(sensor), json_sensors(m))                                                \
	M("totals", object(alloc_totals), alloc_totals(m))                                         \
	M("commands", list(alloc_command), alloc_commands(m))                                      \
	M("prefixes", rows(alloc_prefixes),                                                        \
	  alloc_prefixes(m, m->alloc.prefixes, m->alloc.prefixes_count))                           \
	M("threads", rows(alloc_threads), alloc_threads(m))                                        \
	M("size_classes", rows(alloc_classes),                                                     \
	  columns_json(m, &columns_alloc_classes, ROWS(m->alloc.classes, m->alloc.classes_count))) \
	M("growth", object(alloc_growth), alloc_growth(m))                                         \
	M("peak", object_or_null(alloc_peak), alloc_peak(m))                                       \
	M("timeline", list(alloc_tick), alloc_ticks(m))                                            \
	M("cost", object(cost), json_cost(m))
DOCUMENT(alloc, ALLOC);

json_t *json_alloc(const struct model *m)
{
	json_t *o = json_document(&schema_alloc);

	PUT_MEMBERS(ALLOC);
	return o;
}

void report_alloc_json(struct buf *out, const struct model *m)
{
	json_write(out, json_alloc(m));
}
