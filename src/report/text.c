/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reports for people; `redmem doctor`: what was watched, the verdict, where the memory
 * is, who did it, what stalled, the findings, and what all this cost. The findings stand
 * near the end because that is where a terminal leaves the reader.
 */
#include <math.h>
#include <string.h>

#include "report/text.h"

#define COLUMNS_DEFAULT 100
#define COLUMNS_MIN	60

/* ", name VALUE" of a text that may be missing. */
static void head_part(struct buf *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_puts(out, ", ");
	buf_puts(out, name);
	text_safe(out, value);
}

/* "redis 7.0.15, pid 4242, port 6379, jemalloc 5.3.0, master" */
void text_head_server(struct text *t)
{
	const struct fact_target *target = &t->m->target;
	struct buf line = { 0 };

	if (target->server && *target->server)
		text_safe(&line, target->server);
	else
		buf_puts(&line, "a server of unknown kind");
	if (target->version && *target->version) {
		buf_putc(&line, ' ');
		text_safe(&line, target->version);
	}
	if (target->pid != FACT_UNKNOWN)
		buf_printf(&line, ", pid %lld", (long long)target->pid);
	if (target->port != FACT_UNKNOWN && target->port != 0)
		buf_printf(&line, ", port %lld", (long long)target->port);
	head_part(&line, "socket ", target->socket);
	head_part(&line, "", target->allocator);
	head_part(&line, "", target->role);
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

/* "10 s from 2026-01-02T03:04:05.000Z, Linux 6.1.0" */
static void head_window(struct text *t)
{
	const struct model *m = t->m;
	struct buf line = { 0 };

	buf_puts(&line, "watched ");
	fmt_seconds(&line, m->duration_seconds);
	if (m->session.wall_start_ns > 0) {
		buf_puts(&line, " from ");
		fmt_rfc3339(&line, m->session.wall_start_ns);
	}
	head_part(&line, "Linux ", m->session.kernel);
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
	if (m->target.connected)
		return;
	buf_puts(&line, "no connection to the server");
	if (m->target.connect_reason && *m->target.connect_reason) {
		buf_puts(&line, ": ");
		text_safe(&line, m->target.connect_reason);
	}
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

static void verdict(struct text *t)
{
	struct buf line = { 0 }, wrapped = { 0 };
	struct text inner = *t;
	enum paint paint = PAINT_GREEN;

	if (t->f->count && t->f->items[0].severity == SEVERITY_CRITICAL)
		paint = PAINT_RED;
	else if (t->f->count && t->f->items[0].severity == SEVERITY_WARNING)
		paint = PAINT_YELLOW;
	diagnose_verdict(&line, t->m, t->f);
	inner.out = &wrapped;
	text_wrap(&inner, "", buf_str(&line));
	buf_putc(t->out, '\n');
	text_paint(t, paint, buf_str(&wrapped));
	buf_free(&wrapped);
	buf_free(&line);
}

/* "redmem used 0.4 % of a core and 12.0 MiB; ..." */
void text_own_cost(struct text *t)
{
	const struct fact_self *self = &t->m->self;
	struct buf line = { 0 };

	buf_putc(t->out, '\n');
	if (!t->m->have_self) {
		buf_puts(t->out, "What redmem itself used is not known.\n");
		return;
	}
	buf_puts(&line, "redmem used ");
	text_percent(&line, self->cpu_seconds / self->window_seconds);
	buf_puts(&line, " of a core ");
	if (self->setup_cpu_seconds > 0) { /* not in older recordings */
		buf_puts(&line, "(and ");
		fmt_seconds(&line, self->setup_cpu_seconds);
		buf_puts(&line, " of CPU once, to start) ");
	}
	buf_puts(&line, "and ");
	fmt_bytes(&line, self->rss_bytes);
	buf_puts(&line, ", its programs in the kernel ");
	fmt_seconds(&line, self->bpf_seconds);
	buf_puts(&line, "; it paused the server for ");
	fmt_seconds(&line, self->target_pause_seconds);
	buf_puts(&line, "; events ");
	fmt_count(&line, self->events_total);
	buf_puts(&line, ", lost ");
	fmt_count(&line, self->drops_total);
	if (self->drops && *self->drops) {
		buf_puts(&line, " (");
		text_safe(&line, self->drops);
		buf_putc(&line, ')');
	}
	buf_putc(&line, '.');
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

void text_begin(struct text *t, const struct report_style *style)
{
	t->style = style;
	t->columns = style->columns > 0 ? style->columns : COLUMNS_DEFAULT;
	t->columns = t->columns < COLUMNS_MIN ? COLUMNS_MIN : t->columns;
}

void text_about(struct text *t)
{
	text_head_server(t);
	head_window(t);
}

void report_doctor_text(struct buf *out, const struct model *m, const struct findings *f,
			const struct report_style *style)
{
	struct text t = { .out = out, .m = m, .f = f };

	text_begin(&t, style);
	text_about(&t);
	verdict(&t);
	text_events(&t);
	text_ledger(&t);
	text_timeline(&t);
	text_commands(&t);
	text_prefixes(&t);
	text_alloc_top(&t);
	if (style->verbose)
		text_threads(&t);
	text_stalls(&t);
	text_census(&t);
	if (style->verbose)
		text_details(&t);
	text_findings(&t);
	text_sensors(&t);
	text_cost(&t);
	text_own_cost(&t);
}

void report_memory_text(struct buf *out, const struct model *m, const struct findings *f,
			const struct report_style *style)
{
	struct text t = { .out = out, .m = m, .f = f };

	text_begin(&t, style);
	text_about(&t);
	verdict(&t);
	text_events(&t);
	text_ledger(&t);
	text_classes(&t);
	text_allocator(&t);
	text_children(&t);
	text_purge(&t);
	text_findings(&t);
	text_sensors(&t);
	text_own_cost(&t);
}
