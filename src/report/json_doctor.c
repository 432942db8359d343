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
#include "report/schema.h"

/* --- the allocator's side ---------------------------------------------------- */

#define HOLDER(M, MAYBE)                                                       \
	M("prefix", bytes, ((struct bytes){ user->prefix, user->prefix_len })) \
	M("sampled_objects_total", number, user->objects)                      \
	M("share_ratio", real, user->objects / row->holders_objects)           \
	M("basis", word, user->estimated ? "derived" : "sampled")
static SCHEMA(holder, HOLDER);

static json_t *json_holders(const struct class_row *row)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < row->holders_count; i++) {
		const struct class_user *user = &row->holders[i];
		json_t *o = json_object();

		PUT_MEMBERS(HOLDER);
		put_last(rows, o);
	}
	return rows;
}

#define MOVER(M, MAYBE)                                                        \
	M("prefix", bytes, ((struct bytes){ user->prefix, user->prefix_len })) \
	M("command", text, user->command)                                      \
	M("alloc_bytes", count, user->alloc_bytes)                             \
	M("free_bytes", count, user->free_bytes)                               \
	M("basis", word, "sampled")
static SCHEMA(mover, MOVER);

static json_t *json_movers(const struct class_row *row)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < row->movers_count; i++) {
		const struct class_user *user = &row->movers[i];
		json_t *o = json_object();

		PUT_MEMBERS(MOVER);
		put_last(rows, o);
	}
	return rows;
}

#define SIZE_CLASS(M, MAYBE)                                                                 \
	M("size_bytes", integer, class->size_bytes)                                          \
	M("allocated_bytes", integer, class->allocated_bytes)                                \
	M("holes_bytes", integer, class->holes_bytes)                                        \
	M("utilization_ratio", real, held > 0 ? (double)class->allocated_bytes / held : NAN) \
	M("slabs", integer, class->slabs)                                                    \
	M("small", boolean, class->small)                                                    \
	M("objects_total", integer, class->regions_total)                                    \
	M("slab_bytes", integer, class->slab_bytes)                                          \
	M("nonfull_slabs", integer, class->nonfull_slabs)                                    \
	M("defrag_bytes", integer, row->defrag_bytes)                                        \
	M("holders", list(holder), json_holders(row))                                        \
	M("explained_ratio", real, row->explained_ratio)                                     \
	M("movers", list(mover), json_movers(row))
static SCHEMA(size_class, SIZE_CLASS);

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
		PUT_MEMBERS(SIZE_CLASS);
		put_last(rows, o);
	}
	return rows;
}

#define UNPLACED(M, MAYBE)                                                                       \
	M("prefix", bytes, ((struct bytes){ m->unplaced[i].prefix, m->unplaced[i].prefix_len })) \
	M("sampled_bytes", count, m->unplaced[i].objects)
static SCHEMA(unplaced, UNPLACED);

static json_t *json_unplaced(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->unplaced_count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(UNPLACED);
		put_last(rows, o);
	}
	return rows;
}

#define DEFRAG(M, MAYBE)                             \
	M("possible", boolean, m->target.can_defrag) \
	M("past_thresholds", boolean, f->starts)     \
	M("gain_bytes", integer, f->gain_bytes)      \
	M("fragmentation_percent", real, f->percent) \
	M("ignore_bytes", integer, f->ignore_bytes)  \
	M("threshold_lower_percent", integer, f->lower_percent)
static SCHEMA(defrag, DEFRAG);

static json_t *json_defrag(const struct model *m)
{
	const struct defrag_forecast *f = &m->defrag;
	json_t *o = json_object();

	PUT_MEMBERS(DEFRAG);
	return o;
}

#define ALLOCATOR(M, MAYBE)                                     \
	M("version", text, s->version)                          \
	M("allocated_bytes", integer, s->allocated_bytes)       \
	M("active_bytes", integer, s->active_bytes)             \
	M("dirty_bytes", integer, s->dirty_bytes)               \
	M("muzzy_bytes", integer, s->muzzy_bytes)               \
	M("metadata_bytes", integer, s->metadata_bytes)         \
	M("resident_bytes", integer, s->resident_bytes)         \
	M("mapped_bytes", integer, s->mapped_bytes)             \
	M("retained_bytes", integer, s->retained_bytes)         \
	M("dirty_decay_ms", integer, s->dirty_decay_ms)         \
	M("muzzy_decay_ms", integer, s->muzzy_decay_ms)         \
	M("background_thread", boolean, s->background_thread)   \
	M("defrag", object(defrag), json_defrag(m))             \
	M("sampled_keys_total", integer, m->sampled_keys_total) \
	M("unplaced", list(unplaced), json_unplaced(m))
static SCHEMA(allocator, ALLOCATOR);

static json_t *json_allocator(const struct model *m)
{
	const struct malloc_stats *s = m->malloc_stats;
	json_t *o;

	if (!s)
		return json_null();
	o = json_object();
	PUT_MEMBERS(ALLOCATOR);
	return o;
}

#define DELETES(M, MAYBE)                                                    \
	M("prefix", bytes, ((struct bytes){ row->prefix, row->prefix_len })) \
	M("command", text, row->command)                                     \
	M("cpu_samples_total", integer, row->samples)                        \
	M("free_bytes", count, row->free_bytes)
static SCHEMA(deletes, DELETES);

static json_t *json_deletes(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->deletes_count; i++) {
		const struct delete_row *row = &m->deletes[i];
		json_t *o = json_object();

		PUT_MEMBERS(DELETES);
		put_last(rows, o);
	}
	return rows;
}

#define COW_COMMAND(M, MAYBE)            \
	M("command", text, row->command) \
	M("faults_total", count, row->charge.cow_faults)
static SCHEMA(cow_command, COW_COMMAND);

static json_t *json_cow_command(const struct command_row *row)
{
	json_t *o = json_object();

	PUT_MEMBERS(COW_COMMAND);
	return o;
}

#define COW_PREFIX(M, MAYBE)                                                 \
	M("prefix", bytes, ((struct bytes){ row->prefix, row->prefix_len })) \
	M("faults_total", count, row->charge.cow_faults)
static SCHEMA(cow_prefix, COW_PREFIX);

static json_t *json_cow_prefix(const struct prefix_row *row)
{
	json_t *o = json_object();

	PUT_MEMBERS(COW_PREFIX);
	return o;
}

#define COPY_ON_WRITE(M, MAYBE)                                                            \
	M("faults_total", integer, m->have_totals ? m->totals.cow_faults : RECORD_UNKNOWN) \
	M("commands", list(cow_command), commands)                                         \
	M("prefixes", list(cow_prefix), prefixes)
static SCHEMA(copy_on_write, COPY_ON_WRITE);

static json_t *json_copy_on_write(const struct model *m)
{
	json_t *o = json_object(), *commands = json_array(), *prefixes = json_array();
	struct cow_rows cow;

	model_cow(m, &cow);
	for (size_t i = 0; i < cow.commands_count; i++)
		put_last(commands, json_cow_command(cow.commands[i]));
	for (size_t i = 0; i < cow.prefixes_count; i++)
		put_last(prefixes, json_cow_prefix(cow.prefixes[i]));
	PUT_MEMBERS(COPY_ON_WRITE);
	return o;
}

#define PURGE(M, MAYBE)                                         \
	M("expected_bytes", integer, model_purgeable(m))        \
	M("rss_before_bytes", integer, purge->rss_before_bytes) \
	M("rss_after_bytes", integer, purge->rss_after_bytes)   \
	M("freed_bytes", integer, model_purged(m))              \
	M("seconds", real, purge->reply_seconds)                \
	M("error", text, purge->error)
static SCHEMA(purge, PURGE);

static json_t *json_purge(const struct model *m)
{
	const struct record_purge *purge = &m->purge;
	json_t *o;

	if (!m->have_purge)
		return json_null();
	o = json_object();
	PUT_MEMBERS(PURGE);
	return o;
}

#define REPLICATION(M, MAYBE)                                                     \
	M("write_bytes_per_second", count, m->replication.write_bytes_per_second) \
	M("backlog_bytes", integer, m->replication.backlog_bytes)                 \
	M("backlog_seconds", real, m->replication.backlog_seconds)                \
	M("replicas", rows(replicas),                                             \
	  columns_json(m, &columns_replicas, ROWS(m->replicas, m->replicas_count)))
static SCHEMA(replication, REPLICATION);

static json_t *json_replication(const struct model *m)
{
	json_t *o = json_object();

	PUT_MEMBERS(REPLICATION);
	return o;
}

/* Null where nothing is known of them, rather than that there were none. */
static json_t *json_errors(const struct model *m)
{
	if (!m->have_errors)
		return json_null();
	return columns_json(m, &columns_errors, ROWS(m->errors, m->errors_count));
}

/* --- the documents ----------------------------------------------------------- */

json_t *json_verdict(const struct model *m, const struct findings *f)
{
	struct buf text = { 0 };
	json_t *value;

	diagnose_verdict(&text, m, f);
	value = value_text(buf_str(&text));
	buf_free(&text);
	return value;
}

#define DOCTOR(M, MAYBE)                                                                         \
	M("target", object(target), json_target(m))                                              \
	M("window", object(window), json_window(m))                                              \
	M("self", object(self), json_self(m))                                                    \
	M("sensors", list(sensor), json_sensors(m))                                              \
	M("ledger", list(ledger_line), json_ledger(m))                                           \
	M("timeline", object(timeline), json_timeline(m))                                        \
	M("commands", rows(commands),                                                            \
	  columns_json(m, &columns_commands, ROWS(m->commands, m->commands_count)))              \
	M("prefixes", rows(prefixes),                                                            \
	  columns_json(m, &columns_prefixes, ROWS(m->prefixes, m->prefixes_count)))              \
	M("stalls", list(stall), json_stalls(m))                                                 \
	MAYBE(m->stalls_left_out, "stalls_left_out_total", integer, (int64_t)m->stalls_left_out) \
	M("findings", list(finding), json_findings(f))                                           \
	M("verdict", json_text, json_verdict(m, f))                                              \
	M("threads", rows(threads),                                                              \
	  columns_json(m, &columns_threads, ROWS(m->threads, m->threads_count)))                 \
	M("totals", object_or_null(totals), json_totals(m))                                      \
	M("children", list(child), json_children(m))                                             \
	M("keys", list(key), json_keys(m))                                                       \
	M("hot_keys", list(hot_key), json_hot_keys(m))                                           \
	M("key_concentration", object_or_null(concentration), json_concentration(m))             \
	M("life", list(life), json_life(m))                                                      \
	M("slowlog", list(slowlog), json_slowlog(m))                                             \
	M("latency", list(latency), json_latency(m))                                             \
	M("errors", rows_or_null(errors), json_errors(m))                                        \
	M("refusals", rows(refusals),                                                            \
	  columns_json(m, &columns_refusals, ROWS(m->refusals, m->refusals_count)))              \
	M("replication", object(replication), json_replication(m))                               \
	M("rss_moves", list(rss_move), json_rss_moves(m))                                        \
	M("mappings", list(mapping), json_mappings(m))                                           \
	M("host", object(host), json_host(m))                                                    \
	M("inside", list(inside), json_inside(m))                                                \
	M("keys_check", object(keys_check), json_keys_check(m))                                  \
	MAYBE(m->classes_count, "size_classes", list(size_class), json_size_classes(m))          \
	MAYBE(m->keyspace, "census", object(keyspace), json_keyspace(m))                         \
	MAYBE(m->passed_count, "pass", object(passed), json_passed(m))                           \
	MAYBE(m->alloc.have_budget, "cost", object(cost), json_cost(m))
DOCUMENT(doctor, DOCTOR);

json_t *json_doctor(const struct model *m, const struct findings *f)
{
	json_t *o = json_document(&schema_doctor);

	PUT_MEMBERS(DOCTOR);
	return o;
}

void report_doctor_json(struct buf *out, const struct model *m, const struct findings *f)
{
	json_write(out, json_doctor(m, f));
}

#define MEMORY(M, MAYBE)                                                 \
	M("target", object(target), json_target(m))                      \
	M("window", object(window), json_window(m))                      \
	M("self", object(self), json_self(m))                            \
	M("sensors", list(sensor), json_sensors(m))                      \
	M("ledger", list(ledger_line), json_ledger(m))                   \
	M("size_classes", list(size_class), json_size_classes(m))        \
	M("findings", list(finding), json_findings(f))                   \
	M("verdict", json_text, json_verdict(m, f))                      \
	M("allocator", object_or_null(allocator), json_allocator(m))     \
	M("deletes", list(deletes), json_deletes(m))                     \
	M("children", list(child), json_children(m))                     \
	M("copy_on_write", object(copy_on_write), json_copy_on_write(m)) \
	M("purge", object_or_null(purge), json_purge(m))                 \
	M("mappings", list(mapping), json_mappings(m))                   \
	M("host", object(host), json_host(m))                            \
	M("inside", list(inside), json_inside(m))                        \
	M("keys_check", object(keys_check), json_keys_check(m))          \
	M("timeline", object(timeline), json_timeline(m))
DOCUMENT(memory, MEMORY);

void report_memory_json(struct buf *out, const struct model *m, const struct findings *f)
{
	json_t *o = json_document(&schema_memory);

	PUT_MEMBERS(MEMORY);
	json_write(out, o);
}
