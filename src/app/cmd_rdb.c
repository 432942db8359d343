/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem rdb: the keyspace of dumps, offline. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/compare.h"
#include "app/dump_file.h"
#include "app/dump_server.h"
#include "app/key_queue.h"
#include "app/keys_run.h"
#include "app/print.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/glob.h"
#include "base/sum.h"
#include "host/file.h"
#include "rdb/memory.h"
#include "rdb/rdb.h"
#include "report/diff.h"
#include "report/dump.h"

#define CSV_FLUSH     65536
#define CONFIG_MAX    ((size_t)1 << 20) /* of a redis.conf: they have some 100 KB */
#define PARTS_MAX     1024 /* databases told apart, of all files */
#define PROGRESS_EACH 32 /* chunks */
#define NS	      1000000000
#define DIFF_KEYS     50000 /* the largest, of each of two dumps that are compared */

/* A file on its way. */
struct dump {
	const struct rdb_input *input;
	struct report_dump said;
	char *server_version, *problem;
	struct rdb_event begin;
	struct rdb_memory *memory; /* from the first key or database on */
	int64_t part_db; /* whose keys are counted now; -1 = none yet */
	int64_t loaded_bytes; /* of used_memory */
};

/* What becomes of the keys that are read. */
enum reading { READ_ALONE, READ_OLDER, READ_NEWER, READ_OLDER_AGAIN };

struct run {
	const struct options *options;
	struct model *model;
	struct record_sink sink;
	struct dump *dumps;
	size_t count;
	struct dump *now;
	size_t parts;
	struct key_queue *queue; /* what is below until the next blank line is its thread's */
	struct record key; /* that is told of now */
	struct buf csv;
	int write_failed;
	int64_t csv_wall_ns; /* when the dump was made that is read */

	struct compare *compare; /* with a second server; NULL */
	struct memory_place place; /* of what is read now */
	enum reading reading; /* changes when the queue is empty */
	struct keydiff *diff; /* of two dumps; NULL */
	const char *server; /* modelled */
	int64_t keys_bytes, tables_bytes;
	int64_t start_ns;
};

/* --- what a dump says ---------------------------------------------------------------- */

static int64_t number_of(const struct rdb_text *text)
{
	char digits[24] = "";

	if (text->form == TEXT_NUMBER)
		return text->number;
	if (!text->data || text->len >= sizeof(digits))
		return RECORD_UNKNOWN;
	memcpy(digits, text->data, text->len);
	return digits[strspn(digits, "0123456789")] || !*digits ? RECORD_UNKNOWN :
								  strtoll(digits, NULL, 10);
}

static void take_aux(struct dump *dump, const struct rdb_event *event)
{
	const struct rdb_text *text = event->text;

	if (!strcmp(event->name, "redis-ver") || !strcmp(event->name, "valkey-ver")) {
		free(dump->server_version);
		dump->server_version = text->data ? xmemdup(text->data, text->len) : xstrdup("");
		dump->said.valkey = event->name[0] == 'v';
	} else if (!strcmp(event->name, "ctime")) {
		dump->said.created_unix = number_of(text);
		if (dump->said.created_unix > INT64_MAX / NS / 2)
			dump->said.created_unix = RECORD_UNKNOWN;
	} else if (!strcmp(event->name, "used-mem")) {
		dump->said.used_memory_bytes = number_of(text);
	}
}

/* The server that is modelled: the one that was asked for, else the writer. */
static struct server_release modelled(const struct run *run)
{
	const struct dump *dump = run->now;

	if (run->options->rdb.as)
		return run->options->rdb.as->since;
	/* Both on the same, or the servers would be compared. */
	if (run->reading != READ_ALONE)
		dump = &run->dumps[0];
	return server_release_of(dump->said.valkey ? "valkey" : "redis",
				 dump->server_version ? dump->server_version : "");
}

static struct rdb_memory *memory_of(struct run *run)
{
	if (!run->now->memory) {
		run->place.release = modelled(run);
		if (run->compare)
			compare_begin(run->compare);
		run->now->memory = rdb_memory_new(&run->place);
		run->server = rdb_memory_server(run->now->memory)->name;
		/* The layout of hashes goes by the magic, which came before the server's name. */
		rdb_memory_take(run->now->memory, &run->now->begin, NULL);
	}
	return run->now->memory;
}

/* --- keys ------------------------------------------------------------------------------ */

static int64_t dump_ns(const struct run *run)
{
	int64_t created = run->now->said.created_unix;

	return created == RECORD_UNKNOWN ? clock_wall_ns() : created * NS;
}

static bool is_wanted(const struct run *run, const struct rdb_key *key)
{
	const struct options *o = run->options;

	if (o->db_given && key->db != o->db)
		return false;
	if (o->keys.type && strcmp(o->keys.type, rdb_type_name(key->type)) != 0)
		return false;
	return !o->keys.match ||
	       glob_match(o->keys.match, strlen(o->keys.match), key->name.data, key->name.len);
}

/* The queue is empty. */
static void emit_part(struct run *run, int64_t db)
{
	struct record record = { .kind = RECORD_PASS_PART };

	record.pass_part =
		(struct record_pass_part){ .node = run->count > 1 ? run->now->said.name : "",
					   .address = run->now->said.name,
					   .role = "",
					   .db = db,
					   .dbsize = RECORD_UNKNOWN };
	record_emit(&run->sink, &record);
}

static void begin_part(struct run *run, int64_t db)
{
	if (run->now->part_db == db)
		return;
	key_queue_wait(run->queue);
	run->csv_wall_ns = dump_ns(run);
	run->now->part_db = db;
	if (run->parts++ < PARTS_MAX)
		emit_part(run, db);
}

static void write_csv(struct run *run, const struct record_key *key)
{
	const struct keys_options *o = &run->options->keys;

	if (o->min_bytes && key->bytes < o->min_bytes)
		return;
	report_keys_csv_row(&run->csv, key, run->csv_wall_ns);
	if (run->csv.len < CSV_FLUSH)
		return;
	run->write_failed |= print_out(&run->csv);
	buf_clear(&run->csv);
}

/* In the queue's thread. False: that is all of it. */
static bool set_beside(struct run *run, const struct record_key *key)
{
	const char *type = run->options->keys.type;

	if (type && strcmp(type, key->type) != 0)
		return false;
	switch (run->reading) {
	case READ_OLDER:
		keydiff_older(run->diff, key);
		return true;
	case READ_NEWER:
		keydiff_newer(run->diff, key);
		return true;
	case READ_OLDER_AGAIN:
		keydiff_older_again(run->diff, key);
		return false;
	default:
		return true;
	}
}

static void count_key(void *ctx, const struct record_key *key)
{
	struct run *run = ctx;

	if (!set_beside(run, key))
		return;
	run->key.key = *key;
	record_emit(&run->sink, &run->key);
	if (run->options->keys.csv)
		write_csv(run, key);
}

static double ttl_seconds(const struct run *run, int64_t expire_ms)
{
	double ttl;

	if (expire_ms == RECORD_UNKNOWN)
		return -1;
	ttl = (double)expire_ms / 1e3 - (double)(dump_ns(run) / 1000000) / 1e3;
	return ttl > 0 ? ttl : 0;
}

static void take_key(struct run *run, const struct rdb_key *key)
{
	const struct memory_key *memory = rdb_memory_key(run->now->memory);
	struct record_key record;

	run->now->said.keys_total++;
	run->now->said.modules_total += key->type == RDB_MODULE;
	if (!is_wanted(run, key))
		return;
	if (memory->bytes != RECORD_UNKNOWN) {
		sum_add(&run->keys_bytes, memory->bytes);
		sum_add(&run->now->loaded_bytes, memory->bytes);
	}
	record = (struct record_key){ .key = key->name,
				      .db = key->db,
				      .type = rdb_type_name(key->type),
				      .encoding = memory->encoding,
				      .bytes = memory->usage_bytes,
				      .elements = memory->elements,
				      .ttl_seconds = ttl_seconds(run, key->expire_ms),
				      .source = KEY_SOURCE_PASS,
				      .groups_total = key->groups,
				      .consumers_total = key->consumers,
				      .pending_total = key->pending,
				      .dumped = true,
				      .largest_bytes = memory->largest,
				      .idle_seconds = key->idle_seconds,
				      .frequency = key->freq,
				      .slot = key->slot,
				      .dump_bytes = key->stored,
				      .saved_bytes = key->saved,
				      .older = run->reading == READ_OLDER };
	begin_part(run, key->db);
	key_queue_put(run->queue, &record);
	if (run->compare)
		compare_key(run->compare, &record, memory->bytes);
}

static int take(void *ctx, const struct rdb_event *event, struct err *err)
{
	struct run *run = ctx;
	struct dump *dump = run->now;
	int ret;

	switch (event->kind) {
	case RDB_BEGIN:
		dump->begin = *event;
		dump->said.version = (int64_t)event->number;
		dump->said.valkey = event->valkey;
		return 0;
	case RDB_AUX:
		take_aux(dump, event);
		return 0;
	case RDB_END:
		dump->said.checksum = event->number;
		return 0;
	default:
		break;
	}
	if (event->role == PART_FUNCTION)
		dump->said.functions_total++;
	ret = rdb_memory_take(memory_of(run), event, err);
	if (!ret && run->compare)
		ret = compare_take(run->compare, event, err);
	if (!ret && event->kind == RDB_KEY_END)
		take_key(run, event->key);
	return ret;
}

/* --- files -------------------------------------------------------------------------------- */

static void show(const struct run *run, const struct dump_file *file, const struct rdb *rdb)
{
	double seconds = (double)(clock_mono_ns() - run->start_ns) / 1e9;
	double share = dump_file_share(file);
	struct buf line = {};

	if (!isatty(STDERR_FILENO))
		return;
	buf_printf(&line, "%.40s: ", run->now->said.name);
	if (!isnan(share))
		buf_printf(&line, "%.0f %%, ", share * 100);
	fmt_count(&line, run->now->said.keys_total);
	buf_puts(&line, " keys, ");
	fmt_bytes(&line, sum_whole((double)rdb_offset(rdb) / (seconds > 0 ? seconds : 1)));
	buf_puts(&line, "/s; Ctrl-C reports what was read");
	progress_line(&line);
	buf_free(&line);
}

/* Until it ends, in whichever way. 1 when the dump was whole, 0 on Ctrl-C. */
static int read_dump(struct run *run, struct dump_file *file, struct rdb *rdb, struct err *err)
{
	int64_t chunks = 0;
	ssize_t n = 1;
	int ret = 0;

	while (!ret && n) {
		size_t size;
		void *room = rdb_room(rdb, &size);

		if (interrupted())
			return 0;
		n = dump_file_read(file, room, size, err);
		if (n == -EINTR && interrupted())
			return 0;
		if (n < 0)
			return (int)n;
		ret = n ? rdb_take(rdb, (size_t)n, err) : rdb_close(rdb, err);
		if (chunks++ % PROGRESS_EACH == 0)
			show(run, file, rdb);
	}
	return ret;
}

/* Behind a dump in a file an AOF may go on, and nothing else may be. */
static int look_behind(struct dump *dump, struct dump_file *file, struct rdb *rdb, struct err *err)
{
	size_t len;
	const char *rest = rdb_rest(rdb, &len);
	char next;
	ssize_t n;

	if (len) {
		next = *rest;
	} else {
		n = dump_file_read(file, &next, 1, err);
		if (n <= 0)
			return (int)n;
	}
	if (dump->input->server)
		return err_set(
			err, -EBADMSG,
			"rdb: offset %lld: the dump ends here, and the server has sent more: "
			"the length it told is wrong",
			(long long)rdb_offset(rdb));
	dump->said.log_follows = next == '*' || next == '#'; /* a command, a time */
	if (dump->said.log_follows)
		return 0;
	return err_set(err, -EBADMSG,
		       "rdb: offset %lld: the dump ends here, and what follows is no AOF",
		       (long long)rdb_offset(rdb));
}

static int open_dump(const struct run *run, const struct dump *dump, struct dump_file **file,
		     struct err *err)
{
	return dump->input->server ? dump_server_open(file, run->options, dump->input, err) :
				     dump_file_open(file, dump->input->name, err);
}

static int read_file(struct run *run, struct dump *dump, struct err *err)
{
	struct rdb_sink sink = { take, run };
	struct memory_totals totals;
	struct dump_file *file;
	struct rdb *rdb;
	int ret;

	run->now = dump;
	ret = open_dump(run, dump, &file, err);
	if (ret)
		return ret;
	rdb = rdb_new(&sink);
	ret = read_dump(run, file, rdb, err);
	if (ret == 1)
		ret = look_behind(dump, file, rdb, err);
	else if (!ret)
		dump->problem = xstrdup("interrupted");
	progress_clear();
	dump->said.bytes = rdb_offset(rdb);
	if (dump->memory) {
		rdb_memory_totals(dump->memory, &totals);
		sum_add(&run->tables_bytes, totals.tables_bytes);
		sum_add(&dump->loaded_bytes, totals.tables_bytes);
	}
	rdb_free(rdb);
	dump_file_close(file);
	return ret;
}

/* 1 when one of them could not be read to its end. */
static int read_files(struct run *run)
{
	int failed = 0;

	for (size_t i = 0; i < run->count && !interrupted(); i++) {
		struct dump *dump = &run->dumps[i];
		struct err err = {};

		if (read_file(run, dump, &err) < 0) {
			failed = print_failure(&err);
			free(dump->problem);
			dump->problem = xstrdup(err.text);
		}
		rdb_memory_free(dump->memory);
		dump->memory = NULL;
		dump->said.problem = dump->problem ? dump->problem : "";
		dump->said.server_version = dump->server_version ? dump->server_version : "";
	}
	return failed;
}

/* --- the report --------------------------------------------------------------------------- */

static int64_t own_peak_bytes(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (int64_t)usage.ru_maxrss * 1024;
}

static void end_pass(struct run *run, double seconds, bool failed)
{
	struct record record = { .kind = RECORD_PASS };

	record.pass = (struct record_pass){
		.end = failed	     ? "lost" :
		       interrupted() ? "interrupted" :
				       "complete",
		.cursor = "",
		.refused = "",
		.no_touch = true,
		.elements_asked = true,
		.hits_total = 0,
		.seconds = seconds,
		.own_rss_bytes = own_peak_bytes(),
		.own_cpu_seconds = (double)clock_cpu_ns() / 1e9,
		.access_seconds = NAN,
		.copy_byte_seconds = NAN,
	};
	record_emit(&run->sink, &record);
	model_finish(run->model);
}

/* NULL when there is no second server. */
static const struct report_comparison *compared(const struct run *run,
						struct report_comparison *comparison)
{
	if (!run->compare)
		return NULL;
	*comparison = *compare_finish(run->compare);
	comparison->server[0] = run->server;
	comparison->keys_bytes[0] = run->keys_bytes;
	comparison->tables_bytes[0] = run->tables_bytes;
	return comparison;
}

static int report(struct run *run, double seconds)
{
	struct findings *findings = diagnose_some(run->model, "keys.");
	struct report_style style = print_style(run->options);
	struct report_comparison comparison;
	struct report_dump *files = xcalloc(run->count, sizeof(*files));
	struct report_dumps dumps = {
		.files = files,
		.server = run->server,
		.filtered = run->options->keys.match || run->options->keys.type ||
			    run->options->db_given,
		.config = run->options->rdb.config ? run->options->rdb.config : "",
		.limits = &run->place.limits,
		.allocator = run->options->rdb.system ? "system" : "bundled",
		.keys_bytes = run->keys_bytes,
		.tables_bytes = run->tables_bytes,
		.comparison = compared(run, &comparison),
		.seconds = seconds,
		.own_rss_bytes = own_peak_bytes(),
	};
	struct buf out = {};
	int ret;

	for (size_t i = 0; i < run->count; i++)
		if (run->dumps[i].said.version) /* begun, and a dump */
			files[dumps.count++] = run->dumps[i].said;
	if (run->options->keys.folded)
		report_keys_folded(&out, run->model);
	else if (run->options->json)
		report_dumps_json(&out, run->model, findings, &dumps);
	else
		report_dumps_text(&out, run->model, findings, &dumps, &style);
	ret = dumps.count ? print_out(&out) : 0;
	buf_free(&out);
	free(files);
	findings_free(findings);
	return ret;
}

/* 0, or 1 when the failure has been told. */
static int read_config(const char *path, struct packed_limits *limits)
{
	struct buf text = {};
	struct err err = {};
	int ret = file_read(path, CONFIG_MAX, &text, &err);

	if (!ret)
		ret = packed_limits_parse(limits, buf_str(&text), text.len, path, &err);
	buf_free(&text);
	return ret ? print_failure(&err) : 0;
}

static struct dump new_dump(const struct rdb_input *input)
{
	return (struct dump){ .input = input,
			      .said = { .name = input->name,
					.server_version = "",
					.problem = "",
					.created_unix = RECORD_UNKNOWN,
					.used_memory_bytes = RECORD_UNKNOWN },
			      .part_db = -1 };
}

/* 0, or 1 when the failure has been told and there is nothing to end. */
static int begin_run(struct run *run, const struct options *o)
{
	struct keyspace_options keyspace = keys_keyspace_options(o);

	*run = (struct run){ .options = o,
			     .count = o->rdb.count,
			     .key = { .kind = RECORD_KEY },
			     .server = "",
			     .place = { .quantum = o->rdb.system ? 16 : 8,
					.limits = packed_limits_default },
			     .start_ns = clock_mono_ns() };
	if (o->rdb.config && read_config(o->rdb.config, &run->place.limits))
		return 1;
	interrupt_catch();
	keyspace.slots = o->rdb.slots;
	run->model = model_new();
	model_set_keyspace(run->model, &keyspace);
	run->sink = model_sink(run->model);
	run->dumps = xcalloc(run->count + 1, sizeof(*run->dumps));
	for (size_t i = 0; i < run->count; i++)
		run->dumps[i] = new_dump(&o->rdb.inputs[i]);
	if (o->rdb.beside && !o->keys.csv && !o->keys.folded)
		run->compare = compare_new(&keyspace, o->rdb.beside, &run->place);
	run->queue = key_queue_new(count_key, run);
	return 0;
}

static void end_run(struct run *run)
{
	for (size_t i = 0; i <= run->count; i++) {
		free(run->dumps[i].server_version);
		free(run->dumps[i].problem);
	}
	free(run->dumps);
	compare_free(run->compare);
	buf_free(&run->csv);
	model_free(run->model);
}

int cmd_rdb(const struct options *o)
{
	struct run run;
	double seconds;
	int failed;

	if (begin_run(&run, o))
		return 1;
	if (o->keys.csv)
		report_dump_csv_head(&run.csv);
	failed = read_files(&run);
	key_queue_end(run.queue);
	seconds = (double)(clock_mono_ns() - run.start_ns) / 1e9;
	end_pass(&run, seconds, failed);
	if (o->keys.csv)
		failed |= print_out(&run.csv) | run.write_failed;
	else
		failed |= report(&run, seconds);
	end_run(&run);
	return failed;
}

/* --- two dumps, side by side ---------------------------------------------------------------- */

/* BEFORE, AFTER, and BEFORE again (model/keydiff.h). 1 when one was not whole: what is compared
 * with a part would seem to have grown. */
static int read_both(struct run *run)
{
	static const struct {
		size_t dump;
		enum reading reading;
	} passes[] = { { 0, READ_OLDER }, { 1, READ_NEWER }, { 2, READ_OLDER_AGAIN } };

	run->dumps[2] = new_dump(run->dumps[0].input);
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		struct dump *dump = &run->dumps[passes[i].dump];
		struct err err = {};

		run->reading = passes[i].reading;
		if (read_file(run, dump, &err) < 0)
			return print_failure(&err);
		if (dump->problem) {
			err_set(&err, -EINTR,
				"diff: %s was not read to its end, so nothing is "
				"compared",
				dump->said.name);
			return print_failure(&err);
		}
		key_queue_wait(run->queue);
		dump->said.problem = "";
		dump->said.server_version = dump->server_version ? dump->server_version : "";
		rdb_memory_free(dump->memory);
		dump->memory = NULL;
	}
	return 0;
}

static int report_diff(struct run *run)
{
	const struct options *o = run->options;
	struct report_style style = print_style(o);
	struct report_diff diff = {
		.older = &run->dumps[0].said,
		.newer = &run->dumps[1].said,
		.keys = run->diff,
		.server = run->server,
		.allocator = o->rdb.system ? "system" : "bundled",
		.older_loaded_bytes = run->dumps[0].loaded_bytes,
		.newer_loaded_bytes = run->dumps[1].loaded_bytes,
		.top = (size_t)o->keys.top,
		.min_bytes = o->keys.min_bytes,
	};
	struct buf out = {};
	int ret;

	keydiff_finish(run->diff);
	if (o->json)
		report_diff_json(&out, run->model, &diff);
	else
		report_diff_text(&out, run->model, &diff, &style);
	ret = print_out(&out);
	buf_free(&out);
	return ret;
}

int cmd_diff(const struct options *o)
{
	struct run run;
	int failed;

	if (begin_run(&run, o))
		return 1;
	run.diff = keydiff_new(DIFF_KEYS);
	failed = read_both(&run);
	key_queue_end(run.queue);
	if (!failed) {
		end_pass(&run, (double)(clock_mono_ns() - run.start_ns) / 1e9, false);
		failed = report_diff(&run);
	}
	for (size_t i = 0; i < 3; i++)
		rdb_memory_free(run.dumps[i].memory);
	keydiff_free(run.diff);
	end_run(&run);
	return failed;
}
