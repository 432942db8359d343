/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps on their way into the model; see dump_run.h. */
#include "app/dump_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/compare.h"
#include "app/dump_server.h"
#include "app/keys_run.h"
#include "app/print.h"
#include "app/progress.h"
#include "app/redact.h"
#include "base/clock.h"
#include "base/glob.h"
#include "base/sum.h"
#include "host/file.h"
#include "host/proc.h"
#include "redis/slot.h"

#define CSV_FLUSH     65536
#define CONFIG_MAX    ((size_t)1 << 20) /* of a redis.conf: they have some 100 KB */
#define PARTS_MAX     1024 /* databases told apart, of all files */
#define PROGRESS_EACH 32 /* chunks */
#define NS	      1000000000

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
static struct server_release modelled(const struct dump_run *run)
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

static struct rdb_memory *memory_of(struct dump_run *run)
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

/* When it was made; it counts as made now where it does not tell. */
static int64_t dump_ns(const struct dump_run *run)
{
	int64_t created = run->now->said.created_unix;

	return created == RECORD_UNKNOWN ? run->now->begun_wall_ns : created * NS;
}

static bool is_wanted(const struct dump_run *run, const struct rdb_key *key)
{
	const struct options *o = run->options;

	if (o->db_given && key->db != o->db)
		return false;
	if (o->keys.type && strcmp(o->keys.type, rdb_type_name(key->type)) != 0)
		return false;
	return !o->keys.match ||
	       glob_fits(o->keys.match, strlen(o->keys.match), key->name.data, key->name.len);
}

/* The queue is empty. */
static void emit_part(struct dump_run *run, int64_t db)
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

static void begin_part(struct dump_run *run, int64_t db)
{
	if (run->now->part_db == db)
		return;
	key_queue_wait(run->queue);
	run->csv_wall_ns = dump_ns(run);
	run->now->part_db = db;
	if (run->parts++ < PARTS_MAX)
		emit_part(run, db);
}

static void write_csv(struct dump_run *run, const struct record_key *key)
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
static bool set_beside(struct dump_run *run, const struct record_key *key)
{
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
	struct dump_run *run = ctx;

	if (!set_beside(run, key))
		return;
	model_take_key(run->model, key);
	if (run->options->keys.csv)
		write_csv(run, key);
}

static double ttl_seconds(const struct dump_run *run, int64_t expire_ms)
{
	double ttl;

	if (expire_ms == RECORD_UNKNOWN)
		return -1;
	ttl = (double)expire_ms / 1e3 - (double)(dump_ns(run) / 1000000) / 1e3;
	return ttl > 0 ? ttl : 0;
}

/* Its name as it may be shown; the slot, too, goes by the name as it is. */
static struct bytes shown_key(struct dump_run *run, const struct rdb_key *key)
{
	if (!run->redact)
		return key->name;
	buf_clear(&run->name);
	redact_key_name(redact_names_of(run->redact), &run->name, key->name, false);
	return (struct bytes){ run->name.data, run->name.len };
}

static int64_t slot_of(const struct dump_run *run, const struct rdb_key *key)
{
	return run->redact && run->options->rdb.slots && key->slot == RECORD_UNKNOWN ?
		       key_slot(key->name) :
		       key->slot;
}

static void take_key(struct dump_run *run, const struct rdb_key *key)
{
	const struct memory_key *memory = rdb_memory_key(run->now->memory);
	struct record_key *record;
	struct bytes name;

	run->now->said.keys_total++;
	run->now->said.modules_total += key->type == RDB_MODULE;
	if (!is_wanted(run, key))
		return;
	if (memory->bytes != RECORD_UNKNOWN) {
		sum_add(&run->keys_bytes, memory->bytes);
		sum_add(&run->now->loaded_bytes, memory->bytes);
	}
	begin_part(run, key->db);
	record = key_queue_add(run->queue, shown_key(run, key));
	name = record->key;
	*record = (struct record_key){ .key = name,
				       .name_bytes = (int64_t)key->name.len,
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
				       .slot = slot_of(run, key),
				       .dump_bytes = key->stored,
				       .saved_bytes = key->saved,
				       .older = run->reading == READ_OLDER };
	if (run->compare)
		compare_key(run->compare, record, memory->bytes);
}

static int take(void *ctx, const struct rdb_event *event, struct err *err)
{
	struct dump_run *run = ctx;
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

static void show(const struct dump_run *run, const struct dump_file *file, const struct rdb *rdb)
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
static int read_dump(struct dump_run *run, struct dump_file *file, struct rdb *rdb, struct err *err)
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

static int open_dump(const struct dump_run *run, const struct dump *dump, struct dump_file **file,
		     struct err *err)
{
	return dump->input->server ? dump_server_open(file, run->options, dump->input, err) :
				     dump_file_open(file, dump->input->name, err);
}

/* What is left of it when its reading has ended, well or not. */
static void end_dump(struct dump_run *run, struct dump *dump)
{
	struct memory_totals totals;

	if (dump->memory) {
		rdb_memory_totals(dump->memory, &totals);
		sum_add(&run->tables_bytes, totals.tables_bytes);
		sum_add(&dump->loaded_bytes, totals.tables_bytes);
		rdb_memory_free(dump->memory);
		dump->memory = NULL;
	}
	dump->said.problem = dump->problem ? dump->problem : "";
	dump->said.server_version = dump->server_version ? dump->server_version : "";
}

static int read_opened(struct dump_run *run, struct dump_file *file, struct err *err)
{
	struct rdb_sink sink = { take, run };
	struct dump *dump = run->now;
	struct rdb *rdb = rdb_new(&sink);
	int ret = read_dump(run, file, rdb, err);

	if (ret == 1)
		ret = look_behind(dump, file, rdb, err);
	else if (!ret)
		dump->problem = xstrdup("interrupted");
	progress_clear();
	dump->said.bytes = rdb_offset(rdb);
	rdb_free(rdb);
	return ret;
}

int dump_run_read(struct dump_run *run, struct dump *dump, struct err *err)
{
	struct dump_file *file;
	int ret;

	run->now = dump;
	dump->begun_wall_ns = clock_wall_ns();
	ret = open_dump(run, dump, &file, err);
	if (!ret) {
		ret = read_opened(run, file, err);
		dump_file_close(file);
	}
	if (ret < 0)
		dump->problem = redact_reason(run->redact, err->text);
	end_dump(run, dump);
	return ret;
}

/* --- beginning and end ---------------------------------------------------------------------- */

void dump_run_end_pass(struct dump_run *run, double seconds, bool failed)
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
		.own_rss_bytes = proc_own_peak_bytes(),
		.own_cpu_seconds = (double)clock_cpu_ns() / 1e9,
		.access_seconds = NAN,
		.copy_byte_seconds = NAN,
	};
	record_emit(&run->sink, &record);
	model_finish(run->model);
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

struct dump dump_new(const struct dump_run *run, const struct rdb_input *input)
{
	char *name = redact_text(run->redact, input->name);

	return (struct dump){ .input = input,
			      .name = name,
			      .said = { .name = name,
					.server_version = "",
					.problem = "",
					.created_unix = RECORD_UNKNOWN,
					.used_memory_bytes = RECORD_UNKNOWN },
			      .part_db = -1 };
}

int dump_run_begin(struct dump_run *run, const struct options *o)
{
	struct keyspace_options keyspace = keys_keyspace_options(o);

	*run = (struct dump_run){ .options = o,
				  .count = o->rdb.count,
				  .server = "",
				  .place = { .quantum = o->rdb.system ? 16 : 8,
					     .limits = packed_limits_default },
				  .start_ns = clock_mono_ns() };
	run->redact = redact_new_of(o);
	if (o->rdb.config && read_config(o->rdb.config, &run->place.limits)) {
		redact_free(run->redact);
		return 1;
	}
	interrupt_catch();
	keyspace.slots = o->rdb.slots;
	run->model = model_new();
	model_set_keyspace(run->model, &keyspace);
	run->sink = model_sink(run->model);
	run->dumps = xcalloc(run->count + 1, sizeof(*run->dumps));
	for (size_t i = 0; i < run->count; i++)
		run->dumps[i] = dump_new(run, &o->rdb.inputs[i]);
	if (o->rdb.beside && !o->keys.csv && !o->keys.folded)
		run->compare = compare_new(&keyspace, o->rdb.beside, &run->place);
	run->queue = key_queue_new(count_key, run);
	return 0;
}

void dump_run_end(struct dump_run *run)
{
	for (size_t i = 0; i <= run->count; i++) {
		free(run->dumps[i].name);
		free(run->dumps[i].server_version);
		free(run->dumps[i].problem);
	}
	free(run->dumps);
	compare_free(run->compare);
	buf_free(&run->csv);
	buf_free(&run->name);
	redact_free(run->redact);
	model_free(run->model);
}
