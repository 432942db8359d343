/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's statistics text. It comes in three parts: settings ("opt.x: v"),
 * one line of totals ("Allocated: ..."), then a section for each arena, or
 * "Merged arenas stats:" first when more than one is in use (src/stats.c,
 * stats_print_helper). The first section is therefore always the one that
 * speaks for the whole process; the others are skipped.
 *
 * Tables are right-justified columns of printf. A row that does not have as
 * many values as its head has names is not understood (an overflowing number
 * merges with its neighbour) and left out, as is a line without its end.
 */
#define _GNU_SOURCE 1 /* memmem() */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "record/record.h"
#include "redis/info.h"
#include "redis/malloc_stats.h"

#define TOKENS_MAX 64 /* 5.3 has 42 columns in its widest table */

struct token {
	const char *text;
	size_t len;
};

struct line {
	struct token token[TOKENS_MAX];
	size_t count;
};

enum section { SECTION_SETTINGS, SECTION_ARENA, SECTION_OTHER_ARENAS };
enum table { TABLE_NONE, TABLE_DECAY, TABLE_SMALL, TABLE_LARGE };

struct parser {
	struct malloc_stats *stats;
	enum section section;
	enum table table;
	struct line head; /* of the current table */
	int64_t dirty_pages;
	int64_t muzzy_pages;
};

static bool token_is(const struct token *token, const char *word)
{
	return token->len == strlen(word) && !memcmp(token->text, word, token->len);
}

/* The number a token is; RECORD_UNKNOWN for anything else ("N/A", "---"). */
static int64_t token_int(const struct token *token)
{
	return info_number(token->text, token->len);
}

static void line_split(struct line *line, const char *text, const char *end)
{
	line->count = 0;
	while (text < end && line->count < TOKENS_MAX) {
		const char *start = text;

		while (text < end && !isspace((unsigned char)*text))
			text++;
		if (text > start)
			line->token[line->count++] =
				(struct token){ start, (size_t)(text - start) };
		while (text < end && isspace((unsigned char)*text))
			text++;
	}
}

/* The word after @label in [text, end), up to one of ",) "; len 0 when absent. */
static struct token after_label(const char *text, const char *end, const char *label)
{
	const char *at = memmem(text, (size_t)(end - text), label, strlen(label));
	struct token word = { end, 0 };

	if (!at)
		return word;
	word.text = at + strlen(label);
	while (word.text + word.len < end && !strchr(",) \r", word.text[word.len]))
		word.len++;
	return word;
}

static int64_t int_after(const char *text, const char *end, const char *label)
{
	struct token word = after_label(text, end, label);

	return token_int(&word);
}

static bool starts_with(const char *text, const char *end, const char *prefix)
{
	size_t len = strlen(prefix);

	return (size_t)(end - text) >= len && !memcmp(text, prefix, len);
}

/* "Allocated: 1, active: 2, metadata: 3 (n_thp 0), resident: 4, mapped: 5, retained: 6" */
static void take_totals(struct malloc_stats *stats, const char *text, const char *end)
{
	stats->allocated_bytes = int_after(text, end, "Allocated: ");
	stats->active_bytes = int_after(text, end, "active: ");
	stats->metadata_bytes = int_after(text, end, "metadata: ");
	stats->resident_bytes = int_after(text, end, "resident: ");
	stats->mapped_bytes = int_after(text, end, "mapped: ");
	stats->retained_bytes = int_after(text, end, "retained: ");
}

/*
 * The lines before the arenas. Where a setting can change at run time its line
 * reads "opt.name: at-start (name: now)", and now is what counts.
 */
static void take_setting(struct malloc_stats *stats, const char *text, const char *end)
{
	if (starts_with(text, end, "Version: ")) {
		struct token word = after_label(text, end, "Version: \"");

		while (word.len && word.text[word.len - 1] == '"')
			word.len--;
		if (word.len >= sizeof(stats->version))
			word.len = sizeof(stats->version) - 1;
		memcpy(stats->version, word.text, word.len);
		stats->version[word.len] = '\0';
	} else if (starts_with(text, end, "opt.dirty_decay_ms:")) {
		stats->dirty_decay_ms = int_after(text, end, "(arenas.dirty_decay_ms: ");
	} else if (starts_with(text, end, "opt.muzzy_decay_ms:")) {
		stats->muzzy_decay_ms = int_after(text, end, "(arenas.muzzy_decay_ms: ");
	} else if (starts_with(text, end, "opt.background_thread:")) {
		struct token word = after_label(text, end, "(background_thread: ");

		stats->background_thread = token_is(&word, "true");
	} else if (starts_with(text, end, "Page size: ")) {
		stats->page_bytes = int_after(text, end, "Page size: ");
	} else if (starts_with(text, end, "Allocated: ")) {
		take_totals(stats, text, end);
	}
}

/* The row's value under the head @name; RECORD_UNKNOWN when there is no such column. */
static int64_t column(const struct parser *p, const struct line *row, const char *name)
{
	/* The head's first token is the table's title and has no value below it. */
	for (size_t i = 1; i < p->head.count && i <= row->count; i++)
		if (token_is(&p->head.token[i], name))
			return token_int(&row->token[i - 1]);
	return RECORD_UNKNOWN;
}

static int64_t product(int64_t a, int64_t b)
{
	int64_t result;

	if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &result))
		return RECORD_UNKNOWN;
	return result;
}

static void take_class(struct parser *p, const struct line *row)
{
	struct malloc_stats *stats = p->stats;
	struct size_class class = {
		.size_bytes = column(p, row, "size"),
		.small = p->table == TABLE_SMALL,
		.allocated_bytes = column(p, row, "allocated"),
		.nonfull_slabs = column(p, row, "nonfull_slabs"),
	};

	if (class.small) {
		class.regions_total = column(p, row, "curregs");
		class.slabs = column(p, row, "curslabs");
		class.regions_per_slab = column(p, row, "regs");
		class.slab_bytes = product(column(p, row, "pgs"), stats->page_bytes);
		class.holes_bytes =
			product(product(class.slabs, class.regions_per_slab), class.size_bytes);
		if (class.holes_bytes != RECORD_UNKNOWN && class.allocated_bytes >= 0)
			class.holes_bytes -= class.allocated_bytes;
		else
			class.holes_bytes = RECORD_UNKNOWN;
	} else {
		class.regions_total = class.slabs = column(p, row, "curlextents");
		class.regions_per_slab = 1;
		class.slab_bytes = class.size_bytes;
	}
	if (class.size_bytes <= 0 || class.allocated_bytes < 0 || class.slabs <= 0)
		return;
	stats->classes = array_grow(stats->classes, stats->classes_count, sizeof(class));
	stats->classes[stats->classes_count++] = class;
}

/* Does this line open a table? Then remember its head. */
static bool take_head(struct parser *p, const struct line *line)
{
	const struct token *title = &line->token[0];
	enum table table;

	if (token_is(title, "decaying:"))
		table = TABLE_DECAY;
	else if (token_is(title, "bins:"))
		table = TABLE_SMALL;
	/* "large: 811008 ..." in the arena's summary is a row, not a head. */
	else if (token_is(title, "large:") && line->count > 1 && token_is(&line->token[1], "size"))
		table = TABLE_LARGE;
	else
		return false;
	p->table = table;
	p->head = *line;
	return true;
}

/* The decay table's rows begin with their own title, where the others have none. */
static void take_decay(struct parser *p, const struct line *row)
{
	bool dirty = token_is(&row->token[0], "dirty:");
	struct line values;

	if ((!dirty && !token_is(&row->token[0], "muzzy:")) || row->count != p->head.count) {
		p->table = TABLE_NONE;
		return;
	}
	values.count = row->count - 1;
	memcpy(values.token, row->token + 1, values.count * sizeof(values.token[0]));
	*(dirty ? &p->dirty_pages : &p->muzzy_pages) = column(p, &values, "npages");
}

static void take_arena_line(struct parser *p, const struct line *line)
{
	if (!line->count || take_head(p, line))
		return;
	if (p->table == TABLE_DECAY) {
		take_decay(p, line);
	} else if (p->table == TABLE_SMALL || p->table == TABLE_LARGE) {
		if (token_is(&line->token[0], "---")) /* classes without slabs, left out */
			return;
		if (token_int(&line->token[0]) == RECORD_UNKNOWN)
			p->table = TABLE_NONE;
		else if (line->count == p->head.count - 1)
			take_class(p, line);
	}
}

static void take_line(struct parser *p, const char *text, const char *end)
{
	struct line line;

	while (text < end && isspace((unsigned char)*text))
		text++;
	if (starts_with(text, end, "Merged arenas stats:") || starts_with(text, end, "arenas[") ||
	    starts_with(text, end, "Destroyed arenas stats:")) {
		p->section = p->section == SECTION_SETTINGS ? SECTION_ARENA : SECTION_OTHER_ARENAS;
		return;
	}
	if (p->section == SECTION_SETTINGS) {
		take_setting(p->stats, text, end);
	} else if (p->section == SECTION_ARENA) {
		line_split(&line, text, end);
		take_arena_line(p, &line);
	}
}

static int compare_classes(const void *a, const void *b)
{
	const struct size_class *x = a, *y = b;

	return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

static struct malloc_stats *stats_new(void)
{
	struct malloc_stats *stats = xcalloc(1, sizeof(*stats));

	stats->allocated_bytes = stats->active_bytes = RECORD_UNKNOWN;
	stats->metadata_bytes = RECORD_UNKNOWN;
	stats->resident_bytes = stats->mapped_bytes = stats->retained_bytes = RECORD_UNKNOWN;
	stats->dirty_bytes = stats->muzzy_bytes = RECORD_UNKNOWN;
	stats->dirty_decay_ms = stats->muzzy_decay_ms = RECORD_UNKNOWN;
	stats->page_bytes = RECORD_UNKNOWN;
	return stats;
}

int malloc_stats_parse(struct malloc_stats **out, const char *text, struct err *err)
{
	struct parser p = { .dirty_pages = RECORD_UNKNOWN, .muzzy_pages = RECORD_UNKNOWN };
	const char *end;

	*out = NULL;
	if (!text || !strstr(text, "jemalloc statistics"))
		return err_set(
			err, -ENOTSUP,
			"malloc-stats: the server's allocator is not jemalloc; sizes by class "
			"are not available");
	p.stats = stats_new();
	for (; (end = strchr(text, '\n')) && p.section != SECTION_OTHER_ARENAS; text = end + 1)
		take_line(&p, text, end);
	if (p.stats->allocated_bytes == RECORD_UNKNOWN || p.stats->active_bytes == RECORD_UNKNOWN) {
		malloc_stats_free(p.stats);
		return err_set(err, -ENOTSUP,
			       "malloc-stats: the totals of jemalloc were not found in its text; "
			       "known are versions 5.1 to 5.3");
	}
	p.stats->dirty_bytes = product(p.dirty_pages, p.stats->page_bytes);
	p.stats->muzzy_bytes = product(p.muzzy_pages, p.stats->page_bytes);
	if (p.stats->classes_count)
		qsort(p.stats->classes, p.stats->classes_count, sizeof(*p.stats->classes),
		      compare_classes);
	*out = p.stats;
	return 0;
}

/* --- writing -------------------------------------------------------------- */

static void write_int(struct buf *out, const char *before, int64_t n)
{
	if (n == RECORD_UNKNOWN)
		buf_printf(out, "%s-", before);
	else
		buf_printf(out, "%s%lld", before, (long long)n);
}

static int64_t part_of(int64_t bytes, int64_t page_bytes)
{
	return bytes == RECORD_UNKNOWN || page_bytes <= 0 ? RECORD_UNKNOWN : bytes / page_bytes;
}

static void write_classes(struct buf *out, const struct malloc_stats *stats, bool small)
{
	buf_puts(out, small ? "bins: size allocated curregs curslabs nonfull_slabs regs pgs\n" :
			      "large: size allocated curlextents\n");
	for (size_t i = 0; i < stats->classes_count; i++) {
		const struct size_class *class = &stats->classes[i];

		if (class->small != small)
			continue;
		write_int(out, "", class->size_bytes);
		write_int(out, " ", class->allocated_bytes);
		if (small)
			write_int(out, " ", class->regions_total);
		write_int(out, " ", class->slabs);
		if (small) {
			write_int(out, " ", class->nonfull_slabs);
			write_int(out, " ", class->regions_per_slab);
			write_int(out, " ", part_of(class->slab_bytes, stats->page_bytes));
		}
		buf_putc(out, '\n');
	}
}

void malloc_stats_write(struct buf *out, const struct malloc_stats *stats)
{
	buf_printf(out, "jemalloc statistics\nVersion: \"%s\"\n", stats->version);
	write_int(out, "opt.dirty_decay_ms: (arenas.dirty_decay_ms: ", stats->dirty_decay_ms);
	write_int(out, ")\nopt.muzzy_decay_ms: (arenas.muzzy_decay_ms: ", stats->muzzy_decay_ms);
	buf_printf(out, ")\nopt.background_thread: (background_thread: %s)\n",
		   stats->background_thread ? "true" : "false");
	write_int(out, "Page size: ", stats->page_bytes);
	write_int(out, "\nAllocated: ", stats->allocated_bytes);
	write_int(out, ", active: ", stats->active_bytes);
	write_int(out, ", metadata: ", stats->metadata_bytes);
	write_int(out, ", resident: ", stats->resident_bytes);
	write_int(out, ", mapped: ", stats->mapped_bytes);
	write_int(out, ", retained: ", stats->retained_bytes);
	buf_puts(out, "\nMerged arenas stats:\ndecaying: npages\n");
	write_int(out, "dirty: ", part_of(stats->dirty_bytes, stats->page_bytes));
	write_int(out, "\nmuzzy: ", part_of(stats->muzzy_bytes, stats->page_bytes));
	buf_putc(out, '\n');
	write_classes(out, stats, true);
	write_classes(out, stats, false);
}

void malloc_stats_free(struct malloc_stats *stats)
{
	if (!stats)
		return;
	free(stats->classes);
	free(stats);
}
