/* SPDX-License-Identifier: BSD-2-Clause */
/* What redmem check found, for people and as JSON; see check.h. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/version.h"
#include "diagnose/measure.h"
#include "report/json.h"
#include "report/schema.h"
#include "report/text.h"
#include "app/check.h"

#define MARGIN	     "  "
#define MARK_COLUMNS 6
#define ID_COLUMNS   26
#define COLUMNS_MIN  60

/* --- for people ------------------------------------------------------------- */

/* "  ok    btf                       yes: reason", hanging when it is wrapped. */
static void line(struct text *t, enum paint paint, const char *mark, const char *id,
		 const char *value, const char *reason)
{
	struct buf lead = {}, rest = {}, plain = {};
	struct text wrapped = *t;

	buf_puts(&lead, MARGIN);
	text_pad(&lead, mark, MARK_COLUMNS, false);
	text_pad(&lead, id, ID_COLUMNS, false);
	text_safe(&rest, value);
	if (*reason)
		buf_puts(&rest, rest.len ? ": " : "");
	text_safe(&rest, reason);
	if (!rest.len)
		text_trim(&lead);
	/* Wrapped without colours, which take no columns; then the mark gets its one. */
	wrapped.out = &plain;
	text_wrap(&wrapped, buf_str(&lead), buf_str(&rest));
	buf_puts(t->out, MARGIN);
	text_paint(t, paint, mark);
	buf_puts(t->out, buf_str(&plain) + strlen(MARGIN) + strlen(mark));
	buf_free(&lead);
	buf_free(&rest);
	buf_free(&plain);
}

/* What to type, in one line whatever the width; once for rows that share it. */
static void fix_line(struct text *t, const char *fix, const char *next)
{
	if (!fix || !*fix || (next && !strcmp(fix, next)))
		return;
	buf_fill(t->out, ' ', strlen(MARGIN) + MARK_COLUMNS);
	buf_puts(t->out, "fix: ");
	text_safe(t->out, fix);
	buf_putc(t->out, '\n');
}

static void text_rows(struct text *t, const struct check_rows *rows)
{
	static const enum paint paints[] = { PAINT_GREEN, PAINT_YELLOW, PAINT_DIM };
	static const char *const marks[] = { "ok", "warn", "?" };

	for (size_t i = 0; i < rows->count; i++) {
		const struct check_row *row = &rows->row[i];

		line(t, paints[row->state], marks[row->state], row->id, row->value, row->reason);
		fix_line(t, row->fix, i + 1 < rows->count ? row[1].fix : NULL);
	}
}

static void text_sensor_rows(struct text *t, const struct model *m)
{
	for (size_t i = 0; i < m->sensors_count; i++) {
		const struct record_sensor *s = &m->sensors[i].sensor;

		line(t, s->on ? PAINT_GREEN : PAINT_YELLOW, s->on ? "on" : "off", s->id, "",
		     s->reason);
		fix_line(t, s->fix, i + 1 < m->sensors_count ? m->sensors[i + 1].sensor.fix : NULL);
	}
}

static void text_server(struct text *t, const struct check *check)
{
	const struct record_target *target = &check->m->target;
	struct buf words = {};

	if (!check->have_server) {
		text_head(t, "SERVER", NULL);
		text_wrap(t, "  ", check->no_server);
		return;
	}
	buf_printf(&words, "process %lld", (long long)target->pid);
	if (target->version && *target->version) {
		buf_puts(&words, ", ");
		text_safe(&words, target->server);
		buf_putc(&words, ' ');
		text_safe(&words, target->version);
	}
	if (target->executable && *target->executable) {
		buf_puts(&words, ", ");
		text_safe(&words, target->executable);
	}
	text_head(t, "SERVER", buf_str(&words));
	text_rows(t, &check->server);
	buf_free(&words);
}

void check_report_text(struct buf *out, const struct check *check, const struct report_style *style)
{
	struct text t = { .out = out, .m = check->m, .style = style, .columns = style->columns };
	struct buf title = {};

	if (t.columns < COLUMNS_MIN)
		t.columns = COLUMNS_MIN;
	buf_printf(&title, "redmem %s on Linux %s %s", redmem_version, check->kernel.release,
		   check->kernel.machine);
	text_paint(&t, PAINT_BOLD, buf_str(&title));
	buf_putc(out, '\n');
	text_head(&t, "HOST", NULL);
	text_rows(&t, &check->host);
	text_server(&t, check);
	text_head(&t, "SENSORS", check->have_server ? NULL : "tried on redmem itself");
	text_sensor_rows(&t, check->m);
	buf_free(&title);
}

/* --- JSON --------------------------------------------------------------------- */

#define CHECK_ROW(M, MAYBE)                            \
	M("id", text, row->id)                         \
	M("state", text, check_state_name(row->state)) \
	M("value", some_text, row->value)              \
	M("reason", text, row->reason)                 \
	M("fix", text, row->fix)
static SCHEMA(check_row, CHECK_ROW);

static json_t *json_rows(const struct check_rows *rows)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rows->count; i++) {
		const struct check_row *row = &rows->row[i];
		json_t *o = json_object();

		PUT_MEMBERS(CHECK_ROW);
		put_last(list, o);
	}
	return list;
}

#define CHECKED(M, MAYBE) M("checks", list(check_row), json_rows(&check->server))
#define CHECKED_TARGET(M, MAYBE)   \
	M(NULL, all_of(target), o) \
	CHECKED(M, MAYBE)
static SCHEMA(check_target, CHECKED_TARGET);

static json_t *json_checked(const struct check *check)
{
	json_t *o = json_target(check->m);

	PUT_MEMBERS(CHECKED);
	return o;
}

#define CHECK(M, MAYBE)                                           \
	M("redmem_version", word, redmem_version)                 \
	M("kernel", text, check->kernel.release)                  \
	M("machine", text, check->kernel.machine)                 \
	M("sensors", list(sensor), json_sensors(check->m))        \
	M("host", list(check_row), json_rows(&check->host))       \
	M("target", object_or_null(check_target),                 \
	  check->have_server ? json_checked(check) : json_null()) \
	M("target_reason", text, check->no_server)
DOCUMENT_OF(host_check, "redmem.check/1", CHECK);

void check_report_json(struct buf *out, const struct check *check)
{
	json_t *o = json_document(&schema_host_check);

	PUT_MEMBERS(CHECK);
	json_text(out, o, JSON_INDENT(1));
	buf_putc(out, '\n');
	json_decref(o);
}
