/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps, for people and as JSON (schema redmem.rdb/1); see dump.h. */
#include "report/dump.h"

#include "base/sum.h"
#include "model/keyspace.h"
#include "report/json.h"
#include "report/schema.h"
#include "report/text.h"

/* --- text --------------------------------------------------------------------------- */

/* "dump.rdb: RDB 12 of redis 8.0.6 from 2026-11-28T..., 12.3 MiB, 1,000 keys" */
void text_dump_file(struct text *t, const struct report_dump *file)
{
	struct buf line = { 0 };

	text_safe(&line, file->name);
	buf_printf(&line, ": RDB %lld of %s ", (long long)file->version,
		   file->valkey ? "valkey" : "redis");
	text_safe(&line, file->server_version[0] ? file->server_version : "of unknown version");
	if (file->created_unix != RECORD_UNKNOWN) {
		buf_puts(&line, " from ");
		fmt_rfc3339(&line, file->created_unix * 1000000000);
	}
	buf_puts(&line, ", ");
	fmt_bytes(&line, file->bytes);
	buf_puts(&line, ", ");
	fmt_count(&line, file->keys_total);
	buf_puts(&line, " keys");
	if (file->modules_total)
		buf_printf(&line, ", %lld of them modules' own, whose bytes are not known",
			   (long long)file->modules_total);
	if (file->functions_total)
		buf_printf(&line, ", %lld librar%s of functions", (long long)file->functions_total,
			   file->functions_total == 1 ? "y" : "ies");
	if (file->problem[0]) {
		buf_puts(&line, "; not read to its end: ");
		text_safe(&line, file->problem);
	} else if (!file->checksum) {
		buf_puts(&line, "; it has no checksum");
	}
	if (file->log_follows)
		buf_puts(&line, "; commands of an AOF follow, which are not read");
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

static void write_memory(struct text *t, const struct report_dumps *dumps)
{
	struct buf line = { 0 };

	if (!dumps->server[0]) /* it ended before a key, and before it said who wrote it */
		return;
	buf_puts(&line, "Loaded into ");
	text_safe(&line, dumps->server);
	buf_puts(&line, dumps->allocator[0] == 's' ?
				", with jemalloc as distributions build it (--allocator system)" :
				", as upstream builds it");
	if (dumps->config[0]) {
		buf_puts(&line, ", with the settings of ");
		text_safe(&line, dumps->config);
	}
	buf_puts(&line, ", they would take ");
	fmt_bytes(&line, sum_of(dumps->keys_bytes, dumps->tables_bytes));
	buf_puts(&line, " of used_memory, ");
	fmt_bytes(&line, dumps->tables_bytes);
	buf_puts(&line, " of it the tables of the databases");
	if (dumps->filtered)
		buf_puts(&line, ", which hold the keys left out, too");
	buf_puts(&line, ". Bytes of keys below are what MEMORY "
			"USAGE SAMPLES 0 would say there; TTLs are of the time of the dump.");
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

void report_dumps_text(struct buf *out, const struct model *m, const struct findings *f,
		       const struct report_dumps *dumps, const struct report_style *style)
{
	struct text t = { .out = out, .m = m, .f = f };
	struct buf line = { 0 };

	text_begin(&t, style);
	for (size_t i = 0; i < dumps->count; i++)
		text_dump_file(&t, &dumps->files[i]);
	write_memory(&t, dumps);
	if (dumps->comparison)
		text_comparison(&t, dumps->comparison);
	text_keyspace(&t);
	text_dumped(&t);
	text_findings(&t);
	buf_puts(&line, "redmem read for ");
	fmt_seconds(&line, dumps->seconds);
	buf_puts(&line, " and used at most ");
	fmt_bytes(&line, dumps->own_rss_bytes);
	buf_puts(&line, " of memory.");
	buf_putc(out, '\n');
	text_wrap(&t, "", buf_str(&line));
	buf_free(&line);
}

/* --- JSON --------------------------------------------------------------------------- */

#define DUMP(M, MAYBE)                                                                   \
	M("name", text, file->name)                                                      \
	M("format", word, file->valkey ? "valkey" : "redis")                             \
	M("rdb_version", integer, file->version)                                         \
	M("server_version", some_text, file->server_version)                             \
	M("created", time,                                                               \
	  file->created_unix == RECORD_UNKNOWN ? 0 : file->created_unix * 1000000000, 0) \
	M("used_memory_bytes", integer, file->used_memory_bytes)                         \
	M("bytes", integer, file->bytes)                                                 \
	M("keys_total", integer, file->keys_total)                                       \
	M("modules_total", integer, file->modules_total)                                 \
	M("functions_total", integer, file->functions_total)                             \
	M("complete", boolean, !file->problem[0])                                        \
	M("problem", some_text, file->problem)                                           \
	M("checksum_verified", boolean, file->checksum)                                  \
	M("aof_follows", boolean, file->log_follows)
SCHEMA(dump, DUMP);

json_t *json_of_dump(const struct report_dump *file)
{
	json_t *o = json_object();

	PUT_MEMBERS(DUMP);
	return o;
}

/* As redis.conf names them. */
static json_t *json_settings(const struct packed_limits *limits)
{
	json_t *o = json_object();
	const char *name;
	int64_t value;

	for (size_t i = 0; (name = packed_limits_at(limits, i, &value)); i++)
		put(o, name, value_int(value));
	return o;
}

#define LOADED(M, MAYBE)                                                                \
	M("server", text, dumps->server)                                                \
	M("allocator", text, dumps->allocator)                                          \
	M("config", some_text, dumps->config)                                           \
	M("settings", integers, json_settings(dumps->limits))                           \
	M("used_memory_bytes", integer, sum_of(dumps->keys_bytes, dumps->tables_bytes)) \
	M("keys_bytes", integer, dumps->keys_bytes)                                     \
	M("tables_bytes", integer, dumps->tables_bytes)                                 \
	M("basis", word, "derived")
static SCHEMA(loaded, LOADED);

static json_t *json_loaded(const struct report_dumps *dumps)
{
	json_t *o = json_object();

	PUT_MEMBERS(LOADED);
	return o;
}

#define READING(M, MAYBE)                           \
	M("duration_seconds", real, dumps->seconds) \
	M("own_peak_rss_bytes", integer, dumps->own_rss_bytes)
static SCHEMA(reading, READING);

static json_t *json_reading(const struct report_dumps *dumps)
{
	json_t *o = json_object();

	PUT_MEMBERS(READING);
	return o;
}

static json_t *json_files(const struct report_dumps *dumps)
{
	json_t *files = json_array();

	for (size_t i = 0; i < dumps->count; i++)
		put_last(files, json_of_dump(&dumps->files[i]));
	return files;
}

static json_t *json_of_comparison(const struct report_comparison *comparison)
{
	return comparison ? json_comparison(comparison) : json_null();
}

/* What stands before the keys, and behind them. */
#define RDB_FILES(M, MAYBE)                             \
	M("files", list(dump), json_files(dumps))       \
	M("loaded", object(loaded), json_loaded(dumps)) \
	M("comparison", object_or_null(comparison), json_of_comparison(dumps->comparison))
#define RDB_FOUND(M, MAYBE)                            \
	M("findings", list(finding), json_findings(f)) \
	M("reading", object(reading), json_reading(dumps))
#define RDB(M, MAYBE)                                   \
	RDB_FILES(M, MAYBE)                             \
	MAYBE(true, NULL, all_of(keyspace_of_dumps), o) \
	M(NULL, all_of(dumped), o)                      \
	RDB_FOUND(M, MAYBE)
DOCUMENT(rdb, RDB);

void report_dumps_json(struct buf *out, const struct model *m, const struct findings *f,
		       const struct report_dumps *dumps)
{
	json_t *o = json_document(&schema_rdb), *keyspace;

	PUT_MEMBERS(RDB_FILES);
	if (m->keyspace) {
		keyspace = json_keyspace_of_dumps(m);
		json_object_update(o, keyspace);
		json_decref(keyspace);
	}
	json_dumped(o, m);
	PUT_MEMBERS(RDB_FOUND);
	json_write(out, o);
}
