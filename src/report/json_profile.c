/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON of who did it: commands, prefixes, threads. What a sensor would have counted
 * is null when that sensor was off: nothing seen is not the same as nothing there.
 */
#include <math.h>

#include "report/json.h"
#include "report/value.h"

static json_t *real_if(bool known, double n)
{
	return known ? value_real(n) : json_null();
}

static json_t *count_if(bool known, double n)
{
	return known ? value_count(n) : json_null();
}

static json_t *int_if(bool known, int64_t n)
{
	return known ? value_int(n) : json_null();
}

/* The part of a charge every table has, in the order of DESIGN.md. */
static void put_charge(json_t *o, const struct model *m, const struct charge *c)
{
	bool cpu = model_sensor_on(m, "cpu"), fault = model_sensor_on(m, "fault");
	bool offcpu = model_sensor_on(m, "offcpu"), reclaim = model_sensor_on(m, "reclaim");
	bool flow = model_sensor_on(m, "flow");

	put(o, "cpu_seconds", real_if(cpu, c->cpu_seconds));
	put(o, "alloc_bytes", count_if(flow, c->alloc_bytes));
	put(o, "free_bytes", count_if(flow, c->free_bytes));
	put(o, "minor_faults_total", count_if(fault, c->minor_faults));
	put(o, "cow_faults_total", count_if(fault, c->cow_faults));
	put(o, "major_faults_total", int_if(fault, c->major_faults));
	put(o, "fault_seconds", real_if(fault, c->fault_seconds));
	put(o, "swap_faults_total", int_if(fault, c->swap_faults));
	put(o, "swap_fault_seconds", real_if(fault, c->swap_fault_seconds));
	put(o, "cpu_samples_total", int_if(cpu, c->cpu_samples));
	put(o, "allocator_seconds", real_if(cpu, c->allocator_seconds));
	put(o, "kernel_seconds", real_if(cpu, c->kernel_seconds));
	put(o, "cpu_wait_seconds", real_if(offcpu, c->cpu_wait_seconds));
	put(o, "io_wait_seconds", real_if(offcpu, c->io_wait_seconds));
	put(o, "reclaim_seconds", real_if(reclaim, c->reclaim_seconds));
}

/* "command" is "" for work of no command: the event loop, cron, clients' I/O. */
json_t *json_commands(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->commands_count; i++) {
		const struct command_row *row = &m->commands[i];
		json_t *o = json_object();

		put(o, "command", value_text(row->command));
		put(o, "calls_total", value_int(row->calls_total));
		put_charge(o, m, &row->charge);
		put(o, "commandstats_seconds", value_real(row->usec_total / 1e6));
		put_last(rows, o);
	}
	return rows;
}

json_t *json_prefixes(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->prefixes_count; i++) {
		const struct prefix_row *row = &m->prefixes[i];
		json_t *o = json_object();

		put_bytes(o, "prefix", (struct bytes){ row->prefix, row->prefix_len });
		put_charge(o, m, &row->charge);
		put_bytes(o, "example", (struct bytes){ row->example, row->example_len });
		put(o, "top_command", value_text(row->top_command));
		put_last(rows, o);
	}
	return rows;
}

json_t *json_threads(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->threads_count; i++) {
		json_t *o = json_object();

		put(o, "thread", value_text(m->threads[i].thread));
		put_charge(o, m, &m->threads[i].charge);
		put_last(rows, o);
	}
	return rows;
}

json_t *json_totals(const struct model *m)
{
	const struct fact_totals *t = &m->totals;
	json_t *o;

	if (!m->have_totals)
		return json_null();
	o = json_object();
	put(o, "window_seconds", value_real(t->window_seconds));
	put(o, "minor_faults_total", value_int(t->minor_faults));
	put(o, "major_faults_total", value_int(t->major_faults));
	put(o, "cow_faults_total", value_int(t->cow_faults));
	put(o, "context_switches_total", value_int(t->context_switches));
	put(o, "cpu_samples_total", value_int(t->cpu_samples));
	put(o, "minor_fault_period", value_int(t->minor_fault_period));
	put(o, "huge_collapses_total", value_int(t->huge_collapses));
	put(o, "reclaim_entries_total", value_int(t->reclaim_entries));
	return o;
}
