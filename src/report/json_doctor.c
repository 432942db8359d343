/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `redmem doctor --json` and `redmem memory --json`: one document each, members in a fixed
 * order; and what only the second has: size classes and who lives in them, the allocator's
 * settings, who deleted, who copied on write, and what a purge did.
 */
#include <math.h>
#include <stdlib.h>

#include "report/columns.h"
#include "report/json.h"
#include "report/report.h"

/* --- the allocator's side ---------------------------------------------------- */

static void put_prefix(json_t *o, const char *prefix, size_t len)
{
	put_bytes(o, "prefix", (struct bytes){ prefix, len });
}

static json_t *json_holders(const struct class_row *row)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < row->holders_count; i++) {
		const struct class_user *user = &row->holders[i];
		json_t *o = json_object();

		put_prefix(o, user->prefix, user->prefix_len);
		put(o, "sampled_objects_total", value_number(user->objects));
		put(o, "share_ratio", value_real(user->objects / row->holders_objects));
		put(o, "basis", json_string(user->estimated ? "derived" : "sampled"));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_movers(const struct class_row *row)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < row->movers_count; i++) {
		const struct class_user *user = &row->movers[i];
		json_t *o = json_object();

		put_prefix(o, user->prefix, user->prefix_len);
		put(o, "command", value_text(user->command));
		put(o, "alloc_bytes", value_count(user->alloc_bytes));
		put(o, "free_bytes", value_count(user->free_bytes));
		put(o, "basis", json_string("sampled"));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_size_classes(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->classes_count; i++) {
		const struct class_row *row = &m->classes[i];
		const struct size_class *class = &row->size;
		double held = (double)class->allocated_bytes;
		json_t *o = json_object();

		if (class->holes_bytes > 0)
			held += (double)class->holes_bytes;
		put(o, "size_bytes", value_int(class->size_bytes));
		put(o, "allocated_bytes", value_int(class->allocated_bytes));
		put(o, "holes_bytes", value_int(class->holes_bytes));
		put(o, "utilization_ratio",
		    held > 0 ? value_real((double)class->allocated_bytes / held) : json_null());
		put(o, "slabs", value_int(class->slabs));
		put(o, "small", json_boolean(class->small));
		put(o, "objects_total", value_int(class->regions_total));
		put(o, "slab_bytes", value_int(class->slab_bytes));
		put(o, "nonfull_slabs", value_int(class->nonfull_slabs));
		put(o, "defrag_bytes", value_int(row->defrag_bytes));
		put(o, "holders", json_holders(row));
		put(o, "explained_ratio", value_real(row->explained_ratio));
		put(o, "movers", json_movers(row));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_unplaced(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->unplaced_count; i++) {
		json_t *o = json_object();

		put_prefix(o, m->unplaced[i].prefix, m->unplaced[i].prefix_len);
		put(o, "sampled_bytes", value_count(m->unplaced[i].objects));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_defrag(const struct model *m)
{
	const struct defrag_forecast *f = &m->defrag;
	json_t *o = json_object();

	put(o, "possible", json_boolean(m->target.can_defrag));
	put(o, "past_thresholds", json_boolean(f->starts));
	put(o, "gain_bytes", value_int(f->gain_bytes));
	put(o, "fragmentation_percent", value_real(f->percent));
	put(o, "ignore_bytes", value_int(f->ignore_bytes));
	put(o, "threshold_lower_percent", value_int(f->lower_percent));
	return o;
}

static json_t *json_allocator(const struct model *m)
{
	const struct malloc_stats *s = m->malloc_stats;
	json_t *o;

	if (!s)
		return json_null();
	o = json_object();
	put(o, "version", value_text(s->version));
	put(o, "allocated_bytes", value_int(s->allocated_bytes));
	put(o, "active_bytes", value_int(s->active_bytes));
	put(o, "dirty_bytes", value_int(s->dirty_bytes));
	put(o, "muzzy_bytes", value_int(s->muzzy_bytes));
	put(o, "metadata_bytes", value_int(s->metadata_bytes));
	put(o, "resident_bytes", value_int(s->resident_bytes));
	put(o, "mapped_bytes", value_int(s->mapped_bytes));
	put(o, "retained_bytes", value_int(s->retained_bytes));
	put(o, "dirty_decay_ms", value_int(s->dirty_decay_ms));
	put(o, "muzzy_decay_ms", value_int(s->muzzy_decay_ms));
	put(o, "background_thread", json_boolean(s->background_thread));
	put(o, "defrag", json_defrag(m));
	put(o, "sampled_keys_total", value_int(m->sampled_keys_total));
	put(o, "unplaced", json_unplaced(m));
	return o;
}

static json_t *json_deletes(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->deletes_count; i++) {
		const struct delete_row *row = &m->deletes[i];
		json_t *o = json_object();

		put_prefix(o, row->prefix, row->prefix_len);
		put(o, "command", value_text(row->command));
		put(o, "cpu_samples_total", value_int(row->samples));
		put(o, "free_bytes", value_count(row->free_bytes));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_copy_on_write(const struct model *m)
{
	json_t *o = json_object(), *commands = json_array(), *prefixes = json_array();
	struct cow_rows cow;

	model_cow(m, &cow);
	for (size_t i = 0; i < cow.commands_count; i++) {
		json_t *row = json_object();

		put(row, "command", value_text(cow.commands[i]->command));
		put(row, "faults_total", value_count(cow.commands[i]->charge.cow_faults));
		put_last(commands, row);
	}
	for (size_t i = 0; i < cow.prefixes_count; i++) {
		json_t *row = json_object();

		put_prefix(row, cow.prefixes[i]->prefix, cow.prefixes[i]->prefix_len);
		put(row, "faults_total", value_count(cow.prefixes[i]->charge.cow_faults));
		put_last(prefixes, row);
	}
	put(o, "faults_total", value_int(m->have_totals ? m->totals.cow_faults : RECORD_UNKNOWN));
	put(o, "commands", commands);
	put(o, "prefixes", prefixes);
	return o;
}

static json_t *json_purge(const struct model *m)
{
	const struct record_purge *purge = &m->purge;
	json_t *o;

	if (!m->have_purge)
		return json_null();
	o = json_object();
	put(o, "expected_bytes", value_int(model_purgeable(m)));
	put(o, "rss_before_bytes", value_int(purge->rss_before_bytes));
	put(o, "rss_after_bytes", value_int(purge->rss_after_bytes));
	put(o, "freed_bytes", value_int(model_purged(m)));
	put(o, "seconds", value_real(purge->reply_seconds));
	put(o, "error", value_text(purge->error));
	return o;
}

static json_t *json_replication(const struct model *m)
{
	json_t *o = json_object();

	put(o, "write_bytes_per_second", value_count(m->replication.write_bytes_per_second));
	put(o, "backlog_bytes", value_int(m->replication.backlog_bytes));
	put(o, "backlog_seconds", value_real(m->replication.backlog_seconds));
	put(o, "replicas",
	    columns_json(m, &columns_replicas, ROWS(m->replicas, m->replicas_count)));
	return o;
}

/* --- the documents ----------------------------------------------------------- */

static json_t *json_verdict(const struct model *m, const struct findings *f)
{
	struct buf text = { 0 };
	json_t *value;

	diagnose_verdict(&text, m, f);
	value = value_text(buf_str(&text));
	buf_free(&text);
	return value;
}

json_t *json_doctor(const struct model *m, const struct findings *f)
{
	json_t *document = json_object();

	put(document, "schema", json_string("redmem.doctor/1"));
	put(document, "target", json_target(m));
	put(document, "window", json_window(m));
	put(document, "self", json_self(m));
	put(document, "sensors", json_sensors(m));
	put(document, "ledger", json_ledger(m));
	put(document, "timeline", json_timeline(m));
	put(document, "commands",
	    columns_json(m, &columns_commands, ROWS(m->commands, m->commands_count)));
	put(document, "prefixes",
	    columns_json(m, &columns_prefixes, ROWS(m->prefixes, m->prefixes_count)));
	put(document, "stalls", json_stalls(m));
	if (m->stalls_left_out) /* of a watch with thousands the shortest */
		put(document, "stalls_left_out_total", value_int((int64_t)m->stalls_left_out));
	put(document, "findings", json_findings(f));
	put(document, "verdict", json_verdict(m, f));
	put(document, "threads",
	    columns_json(m, &columns_threads, ROWS(m->threads, m->threads_count)));
	put(document, "totals", json_totals(m));
	put(document, "children", json_children(m));
	put(document, "keys", json_keys(m));
	put(document, "hot_keys", json_hot_keys(m));
	put(document, "key_concentration", json_concentration(m));
	put(document, "life", json_life(m));
	put(document, "slowlog", json_slowlog(m));
	put(document, "latency", json_latency(m));
	put(document, "errors",
	    m->have_errors ? columns_json(m, &columns_errors, ROWS(m->errors, m->errors_count)) :
			     json_null());
	put(document, "refusals",
	    columns_json(m, &columns_refusals, ROWS(m->refusals, m->refusals_count)));
	put(document, "replication", json_replication(m));
	put(document, "rss_moves", json_rss_moves(m));
	put(document, "mappings", json_mappings(m));
	put(document, "host", json_host(m));
	put(document, "inside", json_inside(m));
	put(document, "keys_check", json_keys_check(m));
	if (m->keyspace)
		put(document, "census", json_keyspace(m));
	if (m->alloc.have_budget) /* older recordings have none */
		put(document, "cost", json_cost(m));
	return document;
}

void report_doctor_json(struct buf *out, const struct model *m, const struct findings *f)
{
	json_write(out, json_doctor(m, f));
}

void report_memory_json(struct buf *out, const struct model *m, const struct findings *f)
{
	json_t *document = json_object();

	put(document, "schema", json_string("redmem.memory/1"));
	put(document, "target", json_target(m));
	put(document, "window", json_window(m));
	put(document, "self", json_self(m));
	put(document, "sensors", json_sensors(m));
	put(document, "ledger", json_ledger(m));
	put(document, "size_classes", json_size_classes(m));
	put(document, "findings", json_findings(f));
	put(document, "verdict", json_verdict(m, f));
	put(document, "allocator", json_allocator(m));
	put(document, "deletes", json_deletes(m));
	put(document, "children", json_children(m));
	put(document, "copy_on_write", json_copy_on_write(m));
	put(document, "purge", json_purge(m));
	put(document, "mappings", json_mappings(m));
	put(document, "host", json_host(m));
	put(document, "inside", json_inside(m));
	put(document, "keys_check", json_keys_check(m));
	json_write(out, document);
}
