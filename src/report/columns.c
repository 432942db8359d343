/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of columns, and the three ways they are written; see columns.h. */
#include "report/columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "report/json.h"

#define PREFIX_COLUMNS 36
#define PLACES_MAX     16

/* --- what is not a member but follows from some --------------------------------------- */

static double share(double part, double whole)
{
	return whole > 0 ? part / whole : NAN;
}

static double cpu_share(const struct model *m, const void *member)
{
	const struct charge *c = member;

	return share(c->cpu_seconds, m->duration_seconds);
}

static double allocator_share(const struct model *m, const void *member)
{
	const struct charge *c = member;

	(void)m;
	return share(c->allocator_seconds, c->cpu_seconds);
}

static double kernel_share(const struct model *m, const void *member)
{
	const struct charge *c = member;

	(void)m;
	return share(c->kernel_seconds, c->cpu_seconds);
}

static double net_bytes(const struct model *m, const void *member)
{
	const struct charge *c = member;

	(void)m;
	return c->alloc_bytes - c->free_bytes;
}

static double net_error(const struct model *m, const void *member)
{
	return model_net_error(m, member);
}

static double net_low(const struct model *m, const void *member)
{
	return net_bytes(m, member) - net_error(m, member);
}

static double net_high(const struct model *m, const void *member)
{
	return net_bytes(m, member) + net_error(m, member);
}

static double hits_where_followed(const struct model *m, const void *member)
{
	const struct charge *c = member;

	(void)m;
	return isfinite(c->alloc_bytes) ? (double)c->flow_hits : NAN;
}

static double calls_rate(const struct model *m, const void *member)
{
	const struct command_row *row = member;

	return row->calls_total == RECORD_UNKNOWN ?
		       NAN :
		       share((double)row->calls_total, m->duration_seconds);
}

static double alloc_per_call(const struct model *m, const void *member)
{
	const struct command_row *row = member;

	(void)m;
	return share(row->charge.alloc_bytes, (double)row->calls_total);
}

static double free_per_call(const struct model *m, const void *member)
{
	const struct command_row *row = member;

	(void)m;
	return share(row->charge.free_bytes, (double)row->calls_total);
}

static double commandstats_seconds(const struct model *m, const void *member)
{
	(void)m;
	return *(const double *)member / 1e6;
}

static double requested_mean(const struct model *m, const void *member)
{
	const struct alloc_class *class = member;

	(void)m;
	return share((double)class->requested_bytes, (double)class->calls_total);
}

static double rounding_share(const struct model *m, const void *member)
{
	const struct alloc_class *class = member;

	(void)m;
	return 1 - share((double)class->requested_bytes,
			 (double)class->calls_total * (double)class->size_bytes);
}

static double class_use(const struct model *m, const void *member)
{
	const struct size_class *class = member;

	(void)m;
	if (class->holes_bytes == RECORD_UNKNOWN || class->allocated_bytes == RECORD_UNKNOWN)
		return NAN;
	return share((double)class->allocated_bytes,
		     (double)class->allocated_bytes + (double)class->holes_bytes);
}

/* --- the tables ---------------------------------------------------------------------- */

/* clang-format off */

#define IN(row, member) offsetof(struct row, member)
#define CLASS(member)	offsetof(struct alloc_class, member)
#define COLUMN(name, head, place, cell, at, of) { name, head, place, cell, at, of, NULL, false }
#define CHARGE(row, name, head, place, cell, member, sensor) \
	{ name, head, place, cell, IN(row, charge.member), NULL, sensor, false }
#define DERIVED(row, name, head, place, cell, of, sensor) \
	{ name, head, place, cell, IN(row, charge), of, sensor, false }
/* Only with -v. */
#define MORE(row, name, head, place, cell, member, sensor) \
	{ name, head, place, cell, IN(row, charge.member), NULL, sensor, true }
#define MORE_DERIVED(row, name, head, place, cell, of, sensor) \
	{ name, head, place, cell, IN(row, charge), of, sensor, true }

/* What is charged to anything. The second place is for the CPU, the third is the row's. */
#define COLUMNS_CHARGE(row) \
	DERIVED(row, NULL, "cpu", 2, CELL_RATIO, cpu_share, "cpu"), \
	CHARGE(row, "cpu_seconds", NULL, 0, CELL_SECONDS, cpu_seconds, "cpu"), \
	CHARGE(row, "alloc_bytes", NULL, 0, CELL_BYTES_SUM, alloc_bytes, "flow"), \
	CHARGE(row, "free_bytes", NULL, 0, CELL_BYTES_SUM, free_bytes, "flow"), \
	CHARGE(row, "minor_faults_total", "minor", 4, CELL_ESTIMATE, minor_faults, "fault"), \
	MORE(row, "cow_faults_total", "cow", 9, CELL_ESTIMATE, cow_faults, "fault"), \
	CHARGE(row, "major_faults_total", "major", 5, CELL_COUNT, major_faults, "fault"), \
	CHARGE(row, "fault_seconds", "in faults", 6, CELL_SECONDS, fault_seconds, "fault"), \
	CHARGE(row, "swap_faults_total", NULL, 0, CELL_COUNT, swap_faults, "fault"), \
	MORE(row, "swap_fault_seconds", "swap-in", 10, CELL_SECONDS, swap_fault_seconds, "fault"), \
	CHARGE(row, "cpu_samples_total", NULL, 0, CELL_COUNT, cpu_samples, "cpu"), \
	DERIVED(row, NULL, "in allocator", 7, CELL_RATIO, allocator_share, "cpu"), \
	CHARGE(row, "allocator_seconds", NULL, 0, CELL_SECONDS, allocator_seconds, "cpu"), \
	MORE_DERIVED(row, NULL, "in kernel", 8, CELL_RATIO, kernel_share, "cpu"), \
	CHARGE(row, "kernel_seconds", NULL, 0, CELL_SECONDS, kernel_seconds, "cpu"), \
	MORE(row, "cpu_wait_seconds", "cpu wait", 11, CELL_SECONDS, cpu_wait_seconds, "offcpu"), \
	MORE(row, "io_wait_seconds", "io wait", 12, CELL_SECONDS, io_wait_seconds, "offcpu"), \
	MORE(row, "reclaim_seconds", "reclaim", 13, CELL_SECONDS, reclaim_seconds, "reclaim")

static const struct column commands[] = {
	COLUMN("command", "command", 1, CELL_COMMAND, IN(command_row, command), NULL),
	COLUMN("calls_total", NULL, 0, CELL_COUNT, IN(command_row, calls_total), NULL),
	COLUMN(NULL, "calls/s", 3, CELL_ESTIMATE, 0, calls_rate),
	COLUMNS_CHARGE(command_row),
	COLUMN("commandstats_seconds", NULL, 0, CELL_SECONDS,
	       IN(command_row, usec_total), commandstats_seconds),
};

static const struct column prefixes[] = {
	COLUMN("prefix", "prefix", 1, CELL_NAME, IN(prefix_row, prefix), NULL),
	COLUMNS_CHARGE(prefix_row),
	COLUMN("example", NULL, 0, CELL_NAME, IN(prefix_row, example), NULL),
	COLUMN("top_command", "mostly by", 3, CELL_COMMAND, IN(prefix_row, top_command), NULL),
};

static const struct column threads[] = {
	COLUMN("thread", "thread", 1, CELL_WORD, IN(thread_row, thread), NULL),
	COLUMNS_CHARGE(thread_row),
};

/* What went through the allocator. */
#define COLUMNS_MOVED(row) \
	CHARGE(row, "alloc_bytes", "allocated", 2, CELL_BYTES_RATE, alloc_bytes, NULL), \
	CHARGE(row, "free_bytes", "freed", 3, CELL_BYTES_RATE, free_bytes, NULL), \
	DERIVED(row, "net_bytes", "net", 4, CELL_BYTES_SUM, net_bytes, NULL), \
	DERIVED(row, "net_low_bytes", NULL, 0, CELL_BYTES_SUM, net_low, NULL), \
	DERIVED(row, "net_high_bytes", NULL, 0, CELL_BYTES_SUM, net_high, NULL), \
	DERIVED(row, NULL, "+-", 5, CELL_BYTES_SUM, net_error, NULL), \
	DERIVED(row, "flow_hits_total", NULL, 0, CELL_ESTIMATE, hits_where_followed, NULL)

static const struct column alloc_commands[] = {
	COLUMN("command", "command", 1, CELL_COMMAND, IN(command_row, command), NULL),
	COLUMNS_MOVED(command_row),
	COLUMN("calls_total", NULL, 0, CELL_COUNT, IN(command_row, calls_total), NULL),
	COLUMN("alloc_bytes_per_call", "a call", 6, CELL_BYTES_MEAN, 0, alloc_per_call),
	COLUMN("free_bytes_per_call", NULL, 0, CELL_BYTES_MEAN, 0, free_per_call),
	DERIVED(command_row, NULL, "in allocator", 7, CELL_RATIO, allocator_share, NULL),
};

static const struct column alloc_prefixes[] = {
	COLUMN("prefix", "prefix", 1, CELL_NAME, IN(prefix_row, prefix), NULL),
	COLUMNS_MOVED(prefix_row),
	COLUMN("top_command", "mostly by", 6, CELL_COMMAND, IN(prefix_row, top_command), NULL),
	COLUMN("example", NULL, 0, CELL_NAME, IN(prefix_row, example), NULL),
};

static const struct column alloc_threads[] = {
	COLUMN("thread", "thread", 1, CELL_WORD, IN(thread_row, thread), NULL),
	COLUMNS_MOVED(thread_row),
};

static const struct column alloc_classes[] = {
	COLUMN("size_bytes", "size class", 1, CELL_BYTES, CLASS(size_bytes), NULL),
	COLUMN("cache_in_bytes", "into caches", 2, CELL_BYTES_RATE, CLASS(alloc_bytes), NULL),
	COLUMN("cache_out_bytes", "out of caches", 3, CELL_BYTES_RATE, CLASS(free_bytes), NULL),
	COLUMN("calls_total", "calls seen", 4, CELL_COUNT, CLASS(calls_total), NULL),
	COLUMN("requested_bytes_mean", "asked for", 5, CELL_BYTES_MEAN, 0, requested_mean),
	COLUMN("rounding_ratio", "rounding", 6, CELL_RATIO, 0, rounding_share),
};

/* As the server's statistics of its allocator have them. */
static const struct column classes[] = {
	COLUMN(NULL, "size class", 1, CELL_BYTES, IN(class_row, size.size_bytes), NULL),
	COLUMN(NULL, "allocated", 2, CELL_BYTES, IN(class_row, size.allocated_bytes), NULL),
	COLUMN(NULL, "holes", 3, CELL_BYTES, IN(class_row, size.holes_bytes), NULL),
	COLUMN(NULL, "used", 4, CELL_RATIO, IN(class_row, size), class_use),
	COLUMN(NULL, "objects", 5, CELL_COUNT, IN(class_row, size.regions_total), NULL),
	COLUMN(NULL, "slabs", 6, CELL_COUNT, IN(class_row, size.slabs), NULL),
	COLUMN(NULL, "defrag", 7, CELL_BYTES, IN(class_row, defrag_bytes), NULL),
	COLUMN(NULL, "mostly moved by", 8, CELL_NAME, IN(class_row, movers[0].prefix), NULL),
};

static const struct column clients[] = {
	COLUMN(NULL, "client", 1, CELL_NAME, IN(client_row, client.address), NULL),
	COLUMN(NULL, "name", 2, CELL_NAME, IN(client_row, client.name), NULL),
	COLUMN(NULL, "command", 3, CELL_WORD, IN(client_row, client.command), NULL),
	COLUMN(NULL, "memory", 4, CELL_BYTES, IN(client_row, client.memory_bytes), NULL),
	COLUMN(NULL, "owed", 5, CELL_BYTES, IN(client_row, client.output_bytes), NULL),
	COLUMN(NULL, "query", 6, CELL_BYTES, IN(client_row, client.query_bytes), NULL),
	COLUMN(NULL, "idle s", 7, CELL_COUNT, IN(client_row, client.idle_seconds), NULL),
	COLUMN(NULL, "age s", 8, CELL_COUNT, IN(client_row, client.age_seconds), NULL),
	COLUMN(NULL, "flags", 9, CELL_WORD, IN(client_row, client.flags), NULL),
	COLUMN(NULL, "user", 10, CELL_WORD, IN(client_row, client.user), NULL),
	COLUMN(NULL, "channels", 11, CELL_COUNT, IN(client_row, client.subscriptions_total), NULL),
	COLUMN(NULL, "watched", 12, CELL_COUNT, IN(client_row, client.watched_total), NULL),
	COLUMN(NULL, "queued", 13, CELL_BYTES, IN(client_row, client.queued_bytes), NULL),
	COLUMN(NULL, "unsent", 14, CELL_BYTES, IN(client_row, client.unsent_bytes), NULL),
};

static const struct column errors[] = {
	COLUMN("error", "error", 1, CELL_WORD, IN(error_row, error), NULL),
	COLUMN("replies_total", "replies", 2, CELL_COUNT, IN(error_row, replies_total), NULL),
};

static const struct column refusals[] = {
	COLUMN("command", "command", 1, CELL_COMMAND, IN(refusal_row, command), NULL),
	COLUMN("rejected_total", "rejected", 2, CELL_COUNT, IN(refusal_row, rejected_total), NULL),
	COLUMN("failed_total", "failed", 3, CELL_COUNT, IN(refusal_row, failed_total), NULL),
};

static const struct column replicas[] = {
	COLUMN("address", "replica", 1, CELL_WORD, IN(replica_row, address), NULL),
	COLUMN("state", "state", 2, CELL_WORD, IN(replica_row, state), NULL),
	COLUMN("lag_seconds", "lag s", 3, CELL_COUNT, IN(replica_row, lag_seconds), NULL),
	COLUMN("behind_bytes", "behind", 4, CELL_BYTES, IN(replica_row, behind_bytes), NULL),
	COLUMN("behind_seconds", "of writes", 5, CELL_SECONDS, IN(replica_row, behind_seconds),
	       NULL),
};

struct key_csv_row {
	struct record_key key;
	int64_t expiry_ns; /* since 1970; RECORD_UNKNOWN */
	int64_t largest_bytes; /* its largest element: not known without reading all */
};

/* The names and the order of the first are those of rdb-tools' memory report; behind them stands
 * what only a dump tells. */
#define KEYS_CSV_SHARED 8
static const struct column keys_csv[] = {
	COLUMN("database", NULL, 0, CELL_COUNT, IN(key_csv_row, key.db), NULL),
	COLUMN("type", NULL, 0, CELL_WORD, IN(key_csv_row, key.type), NULL),
	COLUMN("key", NULL, 0, CELL_NAME, IN(key_csv_row, key.key.data), NULL),
	COLUMN("size_in_bytes", NULL, 0, CELL_COUNT, IN(key_csv_row, key.bytes), NULL),
	COLUMN("encoding", NULL, 0, CELL_WORD, IN(key_csv_row, key.encoding), NULL),
	COLUMN("num_elements", NULL, 0, CELL_COUNT, IN(key_csv_row, key.elements), NULL),
	COLUMN("len_largest_element", NULL, 0, CELL_COUNT, IN(key_csv_row, largest_bytes), NULL),
	COLUMN("expiry", NULL, 0, CELL_TIME, IN(key_csv_row, expiry_ns), NULL),
	COLUMN("slot", NULL, 0, CELL_COUNT, IN(key_csv_row, key.slot), NULL),
	COLUMN("idle_seconds", NULL, 0, CELL_COUNT, IN(key_csv_row, key.idle_seconds), NULL),
	COLUMN("frequency", NULL, 0, CELL_COUNT, IN(key_csv_row, key.frequency), NULL),
	COLUMN("groups", NULL, 0, CELL_COUNT, IN(key_csv_row, key.groups_total), NULL),
	COLUMN("consumers", NULL, 0, CELL_COUNT, IN(key_csv_row, key.consumers_total), NULL),
	COLUMN("pending", NULL, 0, CELL_COUNT, IN(key_csv_row, key.pending_total), NULL),
	COLUMN("dump_bytes", NULL, 0, CELL_COUNT, IN(key_csv_row, key.dump_bytes), NULL),
	COLUMN("saved_bytes", NULL, 0, CELL_COUNT, IN(key_csv_row, key.saved_bytes), NULL),
};

#define COLUMNS(table) \
	const struct columns columns_##table = { table, sizeof(table) / sizeof((table)[0]) }
COLUMNS(commands);
COLUMNS(prefixes);
COLUMNS(threads);
COLUMNS(alloc_commands);
COLUMNS(alloc_prefixes);
COLUMNS(alloc_threads);
COLUMNS(alloc_classes);
COLUMNS(classes);
COLUMNS(clients);
COLUMNS(errors);
COLUMNS(refusals);
COLUMNS(replicas);
static const struct columns columns_keys_csv = { keys_csv, KEYS_CSV_SHARED };
static const struct columns columns_dump_csv = { keys_csv,
						sizeof(keys_csv) / sizeof(keys_csv[0]) };

/* clang-format on */

_Static_assert(offsetof(struct prefix_row, prefix_len) ==
			       offsetof(struct prefix_row, prefix) + sizeof(char *) &&
		       offsetof(struct prefix_row, example_len) ==
			       offsetof(struct prefix_row, example) + sizeof(char *) &&
		       offsetof(struct class_user, prefix_len) ==
			       offsetof(struct class_user, prefix) + sizeof(char *) &&
		       offsetof(struct bytes, len) == offsetof(struct bytes, data) + sizeof(char *),
	       "the length of a name stands right behind it");

/* --- a value ------------------------------------------------------------------------- */

static const void *member_of(const struct column *column, const void *row)
{
	return (const char *)row + column->at;
}

static const char *word_of(const struct column *column, const void *row)
{
	const char *word = *(const char *const *)member_of(column, row);

	return word ? word : "";
}

static struct bytes name_of(const struct column *column, const void *row)
{
	const char *const *at = member_of(column, row);

	return (struct bytes){ *at, *(const size_t *)(at + 1) };
}

bool column_is_word(const struct column *column)
{
	return column->cell <= CELL_NAME;
}

bool column_is_integer(const struct column *column)
{
	return !column->of && (column->cell == CELL_BYTES || column->cell == CELL_COUNT ||
			       column->cell == CELL_TIME);
}

static bool is_off(const struct column *column, const struct model *m)
{
	return column->sensor && !model_sensor_on(m, column->sensor);
}

static int64_t integer_of(const struct column *column, const struct model *m, const void *row)
{
	return is_off(column, m) ? RECORD_UNKNOWN : *(const int64_t *)member_of(column, row);
}

static double number_of(const struct column *column, const struct model *m, const void *row)
{
	const void *member = member_of(column, row);

	if (is_off(column, m))
		return NAN;
	return column->of ? column->of(m, member) : *(const double *)member;
}

static const void *row_at(const struct rows *rows, size_t i)
{
	return (const char *)rows->row + (rows->order ? rows->order[i] : i) * rows->bytes;
}

/* --- for people ---------------------------------------------------------------------- */

static int64_t whole(double n)
{
	return isfinite(n) ? sum_whole(n) : RECORD_UNKNOWN;
}

static void text_number(struct buf *out, const struct column *column, const struct model *m,
			double n)
{
	switch (column->cell) {
	case CELL_BYTES_RATE:
		n = m->duration_seconds > 0 ? n / m->duration_seconds : NAN;
		fmt_bytes(out, whole(n));
		buf_puts(out, isfinite(n) ? "/s" : "");
		break;
	case CELL_SECONDS:
		fmt_seconds(out, n);
		break;
	case CELL_RATIO:
		text_percent(out, n);
		break;
	case CELL_ESTIMATE:
	case CELL_COUNT:
		text_estimate(out, n);
		break;
	default:
		fmt_bytes(out, whole(n));
		break;
	}
}

void column_text(struct buf *out, const struct column *column, const struct model *m,
		 const void *row, size_t max)
{
	if (column->cell == CELL_COMMAND)
		text_command(out, word_of(column, row));
	else if (column->cell == CELL_WORD)
		text_safe(out, word_of(column, row));
	else if (column->cell == CELL_NAME)
		text_key(out, name_of(column, row), max);
	else if (!column_is_integer(column))
		text_number(out, column, m, number_of(column, m, row));
	else if (column->cell == CELL_BYTES)
		fmt_bytes(out, integer_of(column, m, row));
	else
		fmt_count(out, integer_of(column, m, row));
}

/* The columns to show, by their place; returns how many. */
static size_t columns_shown(const struct columns *columns, bool verbose,
			    const struct column *shown[PLACES_MAX])
{
	size_t count = 0;

	for (int place = 1; place < PLACES_MAX; place++)
		for (size_t i = 0; i < columns->count; i++) {
			const struct column *column = &columns->column[i];

			if (column->head && column->place == place && (verbose || !column->more))
				shown[count++] = column;
		}
	return count;
}

void columns_text(struct text *t, const struct columns *columns, const struct rows *rows)
{
	const struct column *shown[PLACES_MAX];
	struct table_column heads[PLACES_MAX] = {};
	size_t count = columns_shown(columns, t->style->verbose, shown);
	struct table *table;

	for (size_t i = 0; i < count; i++)
		heads[i] = (struct table_column){ shown[i]->head, !column_is_word(shown[i]) };
	table = table_new(heads, count);
	for (size_t i = 0; i < rows->count; i++)
		for (size_t c = 0; c < count; c++)
			column_text(table_cell(table), shown[c], t->m, row_at(rows, i),
				    PREFIX_COLUMNS);
	table_write(table, t);
}

/* --- for programs -------------------------------------------------------------------- */

static json_t *json_cell(const struct column *column, const struct model *m, const void *row)
{
	double n;

	if (column->cell == CELL_COMMAND || column->cell == CELL_WORD)
		return value_text(word_of(column, row));
	if (column_is_integer(column))
		return value_int(integer_of(column, m, row));
	n = number_of(column, m, row);
	if (column->cell == CELL_SECONDS || column->cell == CELL_RATIO ||
	    column->cell == CELL_BYTES_MEAN)
		return value_real(n);
	return value_count(n);
}

json_t *columns_object(const struct model *m, const struct columns *columns, const void *row)
{
	json_t *o = json_object();

	for (size_t i = 0; i < columns->count; i++) {
		const struct column *column = &columns->column[i];

		if (column->name && column->cell == CELL_NAME)
			put_bytes(o, column->name, name_of(column, row));
		else if (column->name)
			put(o, column->name, json_cell(column, m, row));
	}
	return o;
}

json_t *columns_json(const struct model *m, const struct columns *columns, const struct rows *rows)
{
	json_t *all = json_array();

	for (size_t i = 0; i < rows->count; i++)
		put_last(all, columns_object(m, columns, row_at(rows, i)));
	return all;
}

double column_number(const struct column *column, const struct model *m, const void *row)
{
	int64_t n;

	if (!column_is_integer(column))
		return number_of(column, m, row);
	n = integer_of(column, m, row);
	return n == RECORD_UNKNOWN ? NAN : (double)n;
}

double columns_number(const struct model *m, const struct columns *columns, const char *name,
		      const void *row)
{
	const struct column *column = columns->column;

	while (!column->name || strcmp(column->name, name) != 0)
		column++;
	return column_number(column, m, row);
}

void columns_csv_head(struct buf *out, const struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++)
		buf_printf(out, "%s%s", i ? "," : "", columns->column[i].name);
	buf_putc(out, '\n');
}

/* The server's own words go without quotes; a module's type may be called anything, and
 * names are as redis-cli shows them, so that a cell has no newline. */
static void csv_name(struct buf *out, struct bytes name, bool word)
{
	struct buf text = { 0 };

	escape_redis(&text, name.data, name.len);
	if (word && text.len &&
	    !buf_str(&text)[strspn(text.data, "abcdefghijklmnopqrstuvwxyz0123456789_")])
		buf_puts(out, text.data);
	else
		escape_csv(out, buf_str(&text), text.len);
	buf_free(&text);
}

static void csv_cell(struct buf *out, const struct column *column, const void *row)
{
	const char *word;
	int64_t n;

	if (column->cell == CELL_NAME) {
		csv_name(out, name_of(column, row), false);
	} else if (column->cell == CELL_COMMAND || column->cell == CELL_WORD) {
		word = word_of(column, row);
		csv_name(out, (struct bytes){ word, strlen(word) }, true);
	} else {
		n = integer_of(column, NULL, row);
		if (n != RECORD_UNKNOWN && column->cell == CELL_TIME)
			fmt_rfc3339(out, n);
		else if (n != RECORD_UNKNOWN)
			buf_printf(out, "%lld", (long long)n);
	}
}

void columns_csv_row(struct buf *out, const struct columns *columns, const void *row)
{
	for (size_t i = 0; i < columns->count; i++) {
		buf_puts(out, i ? "," : "");
		csv_cell(out, &columns->column[i], row);
	}
	buf_putc(out, '\n');
}

/* --- `redmem keys --csv`: a line a key, as rdb-tools' memory report has it --- */

void report_keys_csv_head(struct buf *out)
{
	columns_csv_head(out, &columns_keys_csv);
}

void report_dump_csv_head(struct buf *out)
{
	columns_csv_head(out, &columns_dump_csv);
}

void report_keys_csv_row(struct buf *out, const struct record_key *key, int64_t wall_ns)
{
	struct key_csv_row row = { *key, RECORD_UNKNOWN, RECORD_UNKNOWN };
	bool dumped = key->dumped;

	if (dumped)
		row.largest_bytes = key->largest_bytes;

	if (key->ttl_seconds >= 0 && key->ttl_seconds < 4e9)
		row.expiry_ns = sum_of(wall_ns, sum_whole(key->ttl_seconds * 1e6 + 0.5) * 1000);
	columns_csv_row(out, dumped ? &columns_dump_csv : &columns_keys_csv, &row);
}
