/* SPDX-License-Identifier: BSD-2-Clause */
/* The checklists, and what to do when memory runs out; see pages.h. */
#include "report/pages.h"

#include <math.h>
#include <string.h>

#include "diagnose/shortage.h"
#include "report/schema.h"
#include "report/text.h"

/* --- a checklist, for people -------------------------------------------------------------- */

#define BOX_INDENT "      "

static void write_item(struct text *t, const struct checklist_item *item)
{
	static const char *const boxes[TICKS] = { "  [ ] ", "  [x] ", "  [!] " };
	static const enum paint paints[TICKS] = { PAINT_DIM, PAINT_GREEN, PAINT_RED };
	const struct finding *finding = item->finding;
	struct buf line = { 0 };

	text_paint(t, paints[item->tick], boxes[item->tick]);
	text_paint(t, PAINT_BOLD, item->title);
	buf_putc(t->out, '\n');
	text_wrap(t, BOX_INDENT, item->figures.title);
	if (!finding)
		return;
	buf_printf(&line, "%s (%s): %s", severity_name(finding->severity), finding->id,
		   finding->title);
	text_wrap(t, BOX_INDENT, buf_str(&line));
	if (item->tick == TICK_ATTENTION && finding->actions_count)
		text_wrap(t, BOX_INDENT "do  ", finding->actions[0].text);
	buf_free(&line);
}

void report_checklist_text(struct buf *out, enum checklist which, const struct model *m,
			   const struct findings *f, const struct report_style *style)
{
	static const char *const heads[CHECKLISTS] = {
		[CHECKLIST_DAILY] = "DAILY CHECKLIST",
		[CHECKLIST_WEEKLY] = "WEEKLY CHECKLIST",
		[CHECKLIST_MONTHLY] = "MONTHLY CHECKLIST",
	};
	struct checklist_page *page = checklist_page_new(which, m, f);
	struct text t = { .out = out, .m = m, .f = f };
	struct buf note = { 0 };

	text_begin(&t, style);
	text_about(&t);
	buf_printf(&note, "%zu fine, %zu to look at, %zu not known", page->total[TICK_FINE],
		   page->total[TICK_ATTENTION], page->total[TICK_UNKNOWN]);
	text_head(&t, heads[which], buf_str(&note));
	for (size_t i = 0; i < page->count; i++)
		write_item(&t, &page->items[i]);
	buf_free(&note);
	checklist_page_free(page);
}

/* --- and for programs --------------------------------------------------------------------- */

#define ITEM(M, MAYBE)                                                         \
	M("id", word, item->id)                                                \
	M("title", word, item->title)                                          \
	M("state", word, tick_name(item->tick))                                \
	M("text", text, item->figures.title)                                   \
	M("evidence", list(evidence), json_evidence_of(&item->figures))        \
	M("finding", text, finding ? finding->id : NULL)                       \
	M("severity", text, finding ? severity_name(finding->severity) : NULL) \
	M("finding_title", text, finding ? finding->title : NULL)
static SCHEMA(checklist_item, ITEM);

static json_t *json_items(const struct checklist_page *page)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < page->count; i++) {
		const struct checklist_item *item = &page->items[i];
		const struct finding *finding = item->finding;
		json_t *o = json_object();

		PUT_MEMBERS(ITEM);
		put_last(rows, o);
	}
	return rows;
}

#define CHECKLIST(M, MAYBE)                                                 \
	M("target", object(target), json_target(m))                         \
	M("window", object(window), json_window(m))                         \
	M("checklist", word, checklist_name(which))                         \
	M("verdict", json_text, json_verdict(m, f))                         \
	M("fine_total", integer, (int64_t)page->total[TICK_FINE])           \
	M("attention_total", integer, (int64_t)page->total[TICK_ATTENTION]) \
	M("unknown_total", integer, (int64_t)page->total[TICK_UNKNOWN])     \
	M("items", list(checklist_item), json_items(page))
DOCUMENT(checklist, CHECKLIST);

void report_checklist_json(struct buf *out, enum checklist which, const struct model *m,
			   const struct findings *f)
{
	struct checklist_page *page = checklist_page_new(which, m, f);
	json_t *o = json_document(&schema_checklist);

	PUT_MEMBERS(CHECKLIST);
	json_write(out, o);
	checklist_page_free(page);
}

/* --- when memory runs out, for people ----------------------------------------------------- */

static void write_limits(struct text *t, const struct shortage *s)
{
	static const struct table_column columns[] = {
		{ "limit", false }, { "bytes", true }, { "left", true }, { "met in", true }
	};
	struct table *table;

	text_head(t, "LIMITS",
		  isfinite(s->bytes_per_second) ?
			  s->steady ? "the nearest first, at this window's steady growth" :
				      "the nearest first, at this window's growth, which is not "
				      "steady" :
			  "the nearest first; used_memory did not grow in this window");
	table = TABLE(columns);
	for (size_t i = 0; i < s->limits_count; i++) {
		table_text(table, s->limits[i].what);
		table_bytes(table, s->limits[i].bytes);
		table_bytes(table, s->limits[i].room > 0 ? s->limits[i].room : 0);
		if (s->limits[i].room <= 0)
			table_text(table, "met");
		else
			table_seconds(table, s->seconds[i]);
	}
	table_write(table, t);
}

static void write_save(struct text *t, const struct shortage *s)
{
	struct buf line = { 0 };

	if (!s->saves || s->save_bytes == RECORD_UNKNOWN)
		return;
	buf_puts(&line, "A save that forks meanwhile copies what is written while it lasts, at "
			"most ");
	fmt_bytes(&line, s->save_bytes);
	buf_puts(&line, " beside that.");
	text_wrap(t, "  ", buf_str(&line));
	buf_free(&line);
}

static void write_step(struct text *t, size_t number, const struct step *step)
{
	struct buf lead = { 0 }, line = { 0 };

	buf_printf(&lead, "  %zu. ", number);
	fmt_bytes(&line, step->room_bytes);
	buf_printf(&line, ": %s", step->text);
	if (step->finding)
		buf_printf(&line, " (%s)", step->finding);
	text_wrap(t, buf_str(&lead), buf_str(&line));
	buf_clear(&lead);
	text_wrap(t, "     risk  ", risk_words(step->risk));
	if (*step->command) {
		buf_puts(&lead, "$ ");
		text_safe(&lead, step->command);
		buf_puts(t->out, "     ");
		text_paint(t, PAINT_GREEN, buf_str(&lead));
		buf_putc(t->out, '\n');
	}
	buf_free(&lead);
	buf_free(&line);
}

void report_oom_text(struct buf *out, const struct model *m, const struct findings *f,
		     const struct report_style *style)
{
	struct shortage *s = shortage_new(m, f);
	struct text t = { .out = out, .m = m, .f = f };
	struct buf line = { 0 };

	text_begin(&t, style);
	text_about(&t);
	shortage_verdict(&line, s);
	buf_putc(out, '\n');
	text_wrap(&t, "", buf_str(&line));
	buf_free(&line);
	write_limits(&t, s);
	write_save(&t, s);
	text_head(&t, "WHAT MAKES ROOM",
		  s->steps_count ? "what costs least first, then the most bytes" :
				   "nothing was found");
	for (size_t i = 0; i < s->steps_count; i++)
		write_step(&t, i + 1, &s->steps[i]);
	shortage_free(s);
}

/* --- and for programs --------------------------------------------------------------------- */

#define LIMIT(M, MAYBE)                             \
	M("limit", word, s->limits[i].what)         \
	M("bytes", integer, s->limits[i].bytes)     \
	M("room_bytes", integer, s->limits[i].room) \
	M("seconds", real, s->seconds[i])           \
	M("evicts", boolean, s->limits[i].evicts)
static SCHEMA(limit, LIMIT);

static json_t *json_limits(const struct shortage *s)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < s->limits_count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(LIMIT);
		put_last(rows, o);
	}
	return rows;
}

#define STEP(M, MAYBE)                             \
	M("text", text, step->text)                \
	M("command", text, step->command)          \
	M("room_bytes", integer, step->room_bytes) \
	M("risk", word, risk_name(step->risk))     \
	M("finding", text, step->finding)
static SCHEMA(step, STEP);

static json_t *json_steps(const struct shortage *s)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < s->steps_count; i++) {
		const struct step *step = &s->steps[i];
		json_t *o = json_object();

		PUT_MEMBERS(STEP);
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_shortage_verdict(const struct shortage *s)
{
	struct buf text = { 0 };
	json_t *value;

	shortage_verdict(&text, s);
	value = value_text(buf_str(&text));
	buf_free(&text);
	return value;
}

#define OOM(M, MAYBE)                                           \
	M("target", object(target), json_target(m))             \
	M("window", object(window), json_window(m))             \
	M("verdict", json_text, json_shortage_verdict(s))       \
	M("growth_bytes_per_second", real, s->bytes_per_second) \
	M("growth_steady", boolean, s->steady)                  \
	M("limits", list(limit), json_limits(s))                \
	M("saves", boolean, s->saves)                           \
	M("save_copies_at_most_bytes", integer, s->save_bytes)  \
	M("steps", list(step), json_steps(s))
DOCUMENT(oom, OOM);

void report_oom_json(struct buf *out, const struct model *m, const struct findings *f)
{
	struct shortage *s = shortage_new(m, f);
	json_t *o = json_document(&schema_oom);

	PUT_MEMBERS(OOM);
	json_write(out, o);
	shortage_free(s);
}
