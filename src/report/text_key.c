/* SPDX-License-Identifier: BSD-2-Clause */
/* What one key is, for people. */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/one_key.h"
#include "report/text.h"

#define NAME_COLUMNS 60
#define LEAD_WIDTH   12

static void lead(struct text *t, const char *name, struct buf *line)
{
	struct buf head = { 0 };

	if (!line->len)
		return;
	buf_puts(&head, "  ");
	text_pad(&head, name, LEAD_WIDTH, false);
	text_wrap(t, buf_str(&head), buf_str(line));
	buf_clear(line);
	buf_free(&head);
}

static void add_sentence(struct buf *line, const char *text)
{
	if (!*text)
		return;
	buf_puts(line, line->len ? "; " : "");
	text_safe(line, text);
}

/* --- what it is ------------------------------------------------------------------------- */

static void write_size(struct text *t, const struct one_key *key)
{
	const struct record_one_key *k = &key->first;
	bool nodes = !strcmp(k->type, "list") || !strcmp(k->type, "stream");
	int64_t used = measure_used(t->m);
	struct buf line = { 0 };

	if (k->bytes == RECORD_UNKNOWN) {
		buf_puts(&line, "not known");
		add_sentence(&line, k->bytes_reason);
		lead(t, "size", &line);
		buf_free(&line);
		return;
	}
	fmt_bytes(&line, k->bytes);
	if (used > 0) {
		buf_puts(&line, ", ");
		text_percent(&line, measure_ratio(k->bytes, used));
		buf_puts(&line, " of used_memory");
	}
	if (k->bytes_samples) {
		buf_puts(&line, " (from ");
		fmt_count(&line, k->bytes_samples);
		buf_puts(&line, nodes ? " nodes at its head, or all" : " elements of it");
		buf_puts(&line, "; --samples 0 looks at all)");
	} else {
		buf_puts(&line, " (exact)");
	}
	lead(t, "size", &line);
	buf_free(&line);
}

static void write_length(struct text *t, const struct one_key *key)
{
	const struct record_one_key *k = &key->first;
	bool string = !strcmp(k->type, "string");
	struct buf line = { 0 };

	if (k->elements == RECORD_UNKNOWN) {
		buf_puts(&line, "not known");
		add_sentence(&line, k->elements_reason);
	} else if (string) {
		fmt_bytes(&line, k->elements);
	} else {
		fmt_count(&line, k->elements);
		if (k->bytes != RECORD_UNKNOWN && k->elements > 0) {
			buf_puts(&line, ", ");
			fmt_bytes(&line, k->bytes / k->elements);
			buf_puts(&line, " each with all overhead");
		}
	}
	lead(t, string ? "length" : "elements", &line);
	buf_free(&line);
}

static void write_encoding(struct text *t, const struct one_key *key)
{
	struct buf line = { 0 }, why = { 0 };

	one_key_encoding_reason(&why, t->m);
	text_safe(&line, key->last.encoding);
	buf_puts(&line, why.len ? ": " : "");
	text_safe(&line, buf_str(&why));
	lead(t, "encoding", &line);
	buf_free(&line);
	buf_free(&why);
}

static void write_expiry(struct text *t, const struct one_key *key)
{
	struct buf line = { 0 };

	if (key->last.ttl_seconds == -1)
		buf_puts(&line, "never");
	else
		fmt_seconds(&line, key->last.ttl_seconds);
	lead(t, "expires", &line);
	buf_free(&line);
}

static void write_use(struct text *t, const struct one_key *key)
{
	double seconds = key->last.t_seconds - key->first.t_seconds;
	int used = one_key_used(key);
	struct buf line = { 0 };

	if (key->first.idle_seconds != RECORD_UNKNOWN) {
		fmt_seconds(&line, (double)key->first.idle_seconds);
		buf_puts(&line, " before redmem came");
	} else if (key->first.frequency != RECORD_UNKNOWN) {
		fmt_count(&line, key->first.frequency);
		buf_puts(&line, " of 255 (LFU, logarithmic)");
	}
	if (used >= 0) {
		buf_printf(&line, "%s%sused in the ", line.len ? "; " : "", used ? "" : "not ");
		fmt_seconds(&line, seconds);
		buf_puts(&line, " of the watch");
	}
	lead(t, key->first.frequency == RECORD_UNKNOWN ? "idle" : "frequency", &line);
	buf_free(&line);
}

static void write_content(struct text *t, const struct one_key *key)
{
	struct buf line = { 0 };

	if (!*key->first.content)
		return;
	text_safe(&line, key->first.content);
	if (isfinite(key->first.compressed_ratio)) {
		buf_puts(&line, "; zlib makes the ");
		fmt_bytes(&line, key->first.content_bytes);
		buf_puts(&line, " looked at ");
		text_percent(&line, key->first.compressed_ratio);
		buf_puts(&line, " of their size");
	}
	lead(t, "holds", &line);
	buf_free(&line);
}

static void write_growth(struct text *t, const struct one_key *key)
{
	double elements = one_key_growth(key), bytes = one_key_bytes_growth(key);
	struct buf line = { 0 };

	if (!isfinite(elements) && !isfinite(bytes))
		return;
	if (!strcmp(key->last.type, "none")) {
		buf_puts(&line, "it was deleted in the watch");
	} else {
		if (isfinite(elements) && strcmp(key->last.type, "string") != 0) {
			fmt_count(&line, sum_whole(round(elements)));
			buf_puts(&line, " elements a second");
		}
		if (isfinite(bytes)) {
			buf_puts(&line, line.len ? ", " : "");
			fmt_bytes(&line, sum_whole(round(bytes)));
			buf_puts(&line, " a second");
		}
	}
	lead(t, "growth", &line);
	buf_free(&line);
}

/* --- what it holds -------------------------------------------------------------------------- */

static void spread_row(struct table *table, const struct one_key *key, const char *title,
		       enum element_number number, const char *place)
{
	struct spread s = one_key_spread(key, number, place);
	const double values[] = { s.min, s.p50, s.p90, s.p99, s.max };

	if (!s.count)
		return;
	table_text(table, title);
	table_count(table, (int64_t)s.count);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (number == ELEMENT_SCORE)
			buf_printf(table_cell(table), "%.6g", values[i]);
		else
			fmt_bytes(table_cell(table), sum_whole(values[i]));
}

static void write_elements(struct text *t, const struct one_key *key)
{
	static const struct table_column columns[] = { { "what", false }, { "looked at", true },
						       { "min", true },	  { "p50", true },
						       { "p90", true },	  { "p99", true },
						       { "max", true } };
	bool ends = !strcmp(key->first.type, "list") || !strcmp(key->first.type, "stream");
	struct table *table;

	if (!key->elements_count)
		return;
	table = TABLE(columns);
	text_head(t, "ELEMENTS", ends ? "from both ends" : "drawn at random");
	spread_row(table, key, "names", ELEMENT_NAME_BYTES, NULL);
	if (ends) {
		spread_row(table, key, "at the head", ELEMENT_BYTES, "head");
		spread_row(table, key, "inside", ELEMENT_BYTES, "random");
		spread_row(table, key, "at the tail", ELEMENT_BYTES, "tail");
	} else {
		spread_row(table, key, "values", ELEMENT_BYTES, NULL);
	}
	spread_row(table, key, "scores", ELEMENT_SCORE, NULL);
	table_write(table, t);
	if (isfinite(key->first.score_min))
		buf_printf(t->out, "  all scores are from %.6g to %.6g\n", key->first.score_min,
			   key->first.score_max);
}

static void write_groups(struct text *t, const struct one_key *key)
{
	static const struct table_column columns[] = {
		{ "group", false }, { "pending", true },   { "oldest", true },
		{ "lag", true },    { "consumers", true }, { "gone", true },
	};
	struct table *table;

	if (!key->groups_count)
		return;
	table = TABLE(columns);
	text_head(t, "CONSUMER GROUPS", "gone: idle for a day or more");
	for (size_t i = 0; i < key->groups_count; i++) {
		const struct record_key_group *group = &key->groups[i];

		text_key(table_cell(table), group->name, NAME_COLUMNS);
		table_count(table, group->pending_total);
		table_seconds(table, group->oldest_pending_seconds);
		table_count(table, group->lag);
		table_count(table, group->consumers_total);
		table_count(table, group->consumers_seen == RECORD_UNKNOWN ? RECORD_UNKNOWN :
									     group->consumers_gone);
	}
	table_write(table, t);
}

/* --- who uses it, and what that takes --------------------------------------------------------- */

static void cell_bytes(struct table *table, double bytes)
{
	table_bytes(table, isfinite(bytes) ? sum_whole(bytes) : RECORD_UNKNOWN);
}

static void write_users(struct text *t, const struct one_key *key)
{
	static const struct table_column columns[] = {
		{ "command", false }, { "cpu", true }, { "allocated", true }, { "freed", true }
	};
	struct buf note = { 0 };
	struct table *table;

	if (!one_key_users_known(&note, t->m)) {
		text_head(t, "WHO USES IT", NULL);
		text_wrap(t, "  ", buf_str(&note));
		buf_free(&note);
		return;
	}
	text_head(t, "WHO USES IT", buf_str(&note));
	buf_free(&note);
	if (!key->users_count) {
		text_wrap(t, "  ", "no command was met at work on it");
		return;
	}
	table = TABLE(columns);
	for (size_t i = 0; i < key->users_count; i++) {
		const struct charge *charge = &key->users[i].charge;

		text_command(table_cell(table), key->users[i].command);
		text_percent(table_cell(table), charge->cpu_seconds / t->m->duration_seconds);
		cell_bytes(table, charge->alloc_bytes);
		cell_bytes(table, charge->free_bytes);
	}
	table_write(table, t);
}

static void write_costs(struct text *t, const struct one_key *key)
{
	static const struct table_column columns[] = { { "command", false }, { "takes", true } };
	struct key_speed speed = one_key_speed(t->m);
	struct record_key k = one_key_as_key(key);
	struct key_cost costs[KEY_COSTS_MAX];
	size_t count = key_costs(&speed, &k, costs);
	struct table *table;

	if (!count)
		return;
	table = TABLE(columns);
	text_head(t, "A COMMAND OVER ALL OF IT would hold the server (~)", NULL);
	for (size_t i = 0; i < count; i++) {
		table_text(table, costs[i].command);
		table_seconds(table, costs[i].seconds);
	}
	table_write(table, t);
}

/* "142 commands, 12.3 KiB came back, 8 ms." */
static void write_cost(struct text *t, const struct one_key *key)
{
	const struct record_one_key *a = &key->first, *b = &key->last;
	bool again = key->asked_again;
	struct buf line = { 0 };

	buf_puts(&line, "redmem asked ");
	fmt_count(&line, a->commands_total + (again ? b->commands_total : 0));
	buf_puts(&line, " commands about it, which took ");
	fmt_seconds(&line, a->seconds + (again ? b->seconds : 0));
	buf_puts(&line, " and brought ");
	fmt_bytes(&line, a->reply_bytes + (again ? b->reply_bytes : 0));
	buf_puts(&line, a->touched ? "; that counted as use of it." :
				     "; no LRU clock and no LFU counter moved.");
	if (a->elements != RECORD_UNKNOWN && *a->elements_reason) {
		buf_puts(&line, " No more elements were looked at: ");
		text_safe(&line, a->elements_reason);
		buf_putc(&line, '.');
	}
	if (*a->refused) {
		buf_puts(&line, " Refused: ");
		text_safe(&line, a->refused);
	}
	buf_putc(t->out, '\n');
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

void report_key_text(struct buf *out, const struct model *m, const struct findings *f,
		     const struct report_style *style)
{
	struct text t = { .out = out, .m = m, .f = f };
	const struct one_key *key = m->one_key;
	struct buf name = { 0 };

	text_begin(&t, style);
	text_head_server(&t);
	text_key(&name, key->first.key, style->verbose ? 0 : NAME_COLUMNS);
	buf_puts(&name, "  ");
	text_safe(&name, key->first.type);
	buf_printf(&name, ", database %lld", (long long)key->first.db);
	text_head(&t, buf_str(&name), NULL);
	buf_free(&name);
	write_size(&t, key);
	write_length(&t, key);
	write_encoding(&t, key);
	write_content(&t, key);
	write_expiry(&t, key);
	write_use(&t, key);
	write_growth(&t, key);
	write_elements(&t, key);
	write_groups(&t, key);
	write_users(&t, key);
	write_costs(&t, key);
	text_findings(&t);
	write_cost(&t, key);
}
