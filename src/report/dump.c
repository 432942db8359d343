/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps, for people and as JSON (schema redmem.rdb/1); see dump.h. */
#include "report/dump.h"

#include "base/sum.h"
#include "model/keyspace.h"
#include "report/json.h"
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

json_t *json_of_dump(const struct report_dump *file)
{
	json_t *o = json_object();

	put(o, "name", value_text(file->name));
	put(o, "format", json_string(file->valkey ? "valkey" : "redis"));
	put(o, "rdb_version", value_int(file->version));
	put(o, "server_version",
	    file->server_version[0] ? value_text(file->server_version) : json_null());
	put(o, "created",
	    file->created_unix == RECORD_UNKNOWN ? json_null() :
						   value_time(file->created_unix * 1000000000, 0));
	put(o, "used_memory_bytes", value_int(file->used_memory_bytes));
	put(o, "bytes", value_int(file->bytes));
	put(o, "keys_total", value_int(file->keys_total));
	put(o, "modules_total", value_int(file->modules_total));
	put(o, "functions_total", value_int(file->functions_total));
	put(o, "complete", json_boolean(!file->problem[0]));
	put(o, "problem", file->problem[0] ? value_text(file->problem) : json_null());
	put(o, "checksum_verified", json_boolean(file->checksum));
	put(o, "aof_follows", json_boolean(file->log_follows));
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

static json_t *json_loaded(const struct report_dumps *dumps)
{
	json_t *o = json_object();

	put(o, "server", value_text(dumps->server));
	put(o, "allocator", value_text(dumps->allocator));
	put(o, "config", dumps->config[0] ? value_text(dumps->config) : json_null());
	put(o, "settings", json_settings(dumps->limits));
	put(o, "used_memory_bytes", value_int(sum_of(dumps->keys_bytes, dumps->tables_bytes)));
	put(o, "keys_bytes", value_int(dumps->keys_bytes));
	put(o, "tables_bytes", value_int(dumps->tables_bytes));
	put(o, "basis", json_string("derived"));
	return o;
}

/* Of the pass over a server's keys, and of no dump. */
static const char *const of_servers[] = { "cursor", "pass" };

void report_dumps_json(struct buf *out, const struct model *m, const struct findings *f,
		       const struct report_dumps *dumps)
{
	json_t *document = json_object(), *files = json_array();
	json_t *keyspace = m->keyspace ? json_keyspace(m) : json_object(), *value, *reading;
	const char *name;

	put(document, "schema", json_string("redmem.rdb/1"));
	for (size_t i = 0; i < dumps->count; i++)
		put_last(files, json_of_dump(&dumps->files[i]));
	put(document, "files", files);
	put(document, "loaded", json_loaded(dumps));
	put(document, "comparison",
	    dumps->comparison ? json_comparison(dumps->comparison) : json_null());
	for (size_t i = 0; i < sizeof(of_servers) / sizeof(*of_servers); i++)
		json_object_del(keyspace, of_servers[i]);
	json_object_foreach(keyspace, name, value)
		put(document, name, json_incref(value));
	json_dumped(document, m);
	put(document, "findings", json_findings(f));
	reading = json_object();
	put(reading, "duration_seconds", value_real(dumps->seconds));
	put(reading, "own_peak_rss_bytes", value_int(dumps->own_rss_bytes));
	put(document, "reading", reading);
	json_decref(keyspace);
	json_write(out, document);
}
