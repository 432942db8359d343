/* SPDX-License-Identifier: BSD-2-Clause */
/* What each report begins and ends with: what was watched, the server's life meanwhile, the
 * sensors, and what all this cost; and the findings, ranked as diagnose() ranked them. */
#include <math.h>
#include <string.h>

#include "report/text.h"

#define COLUMNS_DEFAULT 100
#define COLUMNS_MIN	60
#define TOP_EVENTS	3
#define MOMENT_COLUMNS	10
#define SENSOR_COLUMNS	13

void text_begin(struct text *t, const struct report_style *style)
{
	t->style = style;
	t->columns = style->columns > 0 ? style->columns : COLUMNS_DEFAULT;
	t->columns = t->columns < COLUMNS_MIN ? COLUMNS_MIN : t->columns;
}

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
	const struct record_target *target = &t->m->target;
	struct buf line = { 0 };

	if (target->server && *target->server)
		text_safe(&line, target->server);
	else
		buf_puts(&line, "a server of unknown kind");
	if (target->version && *target->version) {
		buf_putc(&line, ' ');
		text_safe(&line, target->version);
	}
	if (target->pid != RECORD_UNKNOWN)
		buf_printf(&line, ", pid %lld", (long long)target->pid);
	if (target->port != RECORD_UNKNOWN && target->port != 0)
		buf_printf(&line, ", port %lld", (long long)target->port);
	head_part(&line, "socket ", target->socket);
	head_part(&line, "", target->allocator);
	head_part(&line, "", target->role);
	head_part(&line, "pod ", target->pod);
	head_part(&line, "container ", target->container_name);
	if (!target->container_name || !*target->container_name)
		head_part(&line, "container ", target->container);
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
	if (m->target.connected && m->target.pid == RECORD_UNKNOWN)
		text_wrap(t, "",
			  "what the server says of itself: its process cannot be seen from here");
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

void text_about(struct text *t)
{
	text_head_server(t);
	head_window(t);
}

void text_events(struct text *t)
{
	size_t count = t->m->life_count;
	size_t shown = t->style->verbose || count < TOP_EVENTS ? count : TOP_EVENTS;
	struct buf note = { 0 };

	if (!count)
		return;
	if (shown < count)
		buf_printf(&note, "the first %zu of %zu", shown, count);
	text_head(t, "THE SERVER", note.len ? buf_str(&note) : NULL);
	for (size_t i = 0; i < shown; i++) {
		const struct record_life *life = &t->m->life[i].life;
		struct buf lead = { 0 }, line = { 0 };

		buf_puts(&lead, "  ");
		text_moment(&line, life->t_seconds);
		text_pad(&lead, buf_str(&line), MOMENT_COLUMNS, false);
		buf_clear(&line);
		text_safe(&line, life->event);
		if (isfinite(life->seconds)) {
			buf_puts(&line, " for ");
			fmt_seconds(&line, life->seconds);
		}
		if (life->detail && *life->detail) {
			buf_puts(&line, ": ");
			text_safe(&line, life->detail);
		}
		text_wrap(t, buf_str(&lead), buf_str(&line));
		buf_free(&lead);
		buf_free(&line);
	}
	buf_free(&note);
}

static bool same_trouble(const struct record_sensor *a, const struct record_sensor *b)
{
	return !a->on && !b->on && *a->reason && !strcmp(a->reason, b->reason) &&
	       !strcmp(a->fix, b->fix);
}

/* "cpu, fault, loop": those that are off for one reason, by their first, have one line. */
static void sensor_names(struct buf *out, const struct model *m, size_t first)
{
	text_safe(out, m->sensors[first].sensor.id);
	for (size_t i = first + 1; i < m->sensors_count; i++) {
		if (!same_trouble(&m->sensors[first].sensor, &m->sensors[i].sensor))
			continue;
		buf_puts(out, ", ");
		text_safe(out, m->sensors[i].sensor.id);
	}
}

static bool told_before(const struct model *m, size_t row)
{
	for (size_t i = 0; i < row; i++)
		if (same_trouble(&m->sensors[i].sensor, &m->sensors[row].sensor))
			return true;
	return false;
}

static void write_sensor(struct text *t, size_t row)
{
	const struct record_sensor *sensor = &t->m->sensors[row].sensor;
	struct buf lead = { 0 }, name = { 0 }, line = { 0 };

	sensor_names(&name, t->m, row);
	buf_puts(&lead, "  ");
	if (utf8_columns(buf_str(&name)) > SENSOR_COLUMNS) {
		text_wrap(t, "  ", buf_str(&name));
		buf_clear(&name);
	}
	text_pad(&lead, buf_str(&name), SENSOR_COLUMNS, false);
	buf_puts(&lead, sensor->on ? " on" : " off");
	text_safe(&line, sensor->reason);
	if (sensor->fix && *sensor->fix) {
		buf_puts(&line, line.len ? "; " : "");
		text_safe(&line, sensor->fix);
	}
	if (line.len) /* no blanks at the end of a line */
		buf_puts(&lead, sensor->on ? "   " : "  ");
	text_wrap(t, buf_str(&lead), buf_str(&line));
	buf_free(&line);
	buf_free(&name);
	buf_free(&lead);
}

/* A screenful names those that are off or say something; -v all; each trouble once. */
void text_sensors(struct text *t)
{
	bool head = false;

	for (size_t i = 0; i < t->m->sensors_count; i++) {
		const struct record_sensor *sensor = &t->m->sensors[i].sensor;

		if (sensor->on && !(sensor->reason && *sensor->reason) && !t->style->verbose)
			continue;
		if (told_before(t->m, i))
			continue;
		if (!head)
			text_head(t, "SENSORS",
				  t->style->verbose ? NULL : "those that are off or limited");
		head = true;
		write_sensor(t, i);
	}
}

void text_cost(struct text *t)
{
	const struct record_budget *b = &t->m->alloc.budget;
	struct buf line = { 0 };

	if (!t->m->alloc.have_budget)
		return;
	buf_puts(&line, "The sensors took ");
	text_percent(&line, b->spent_ratio);
	buf_puts(&line, " of a core from the server (budget ");
	text_percent(&line, b->budget_ratio);
	buf_puts(&line, "): programs ");
	fmt_seconds(&line, b->bpf_seconds);
	buf_puts(&line, ", traps ");
	fmt_seconds(&line, b->trap_seconds);
	buf_printf(&line, " at %.1f us, ", b->trap_cost_seconds * 1e6);
	buf_puts(&line, "putting probes in and out ");
	fmt_seconds(&line, b->attach_seconds);
	buf_puts(&line, ". One minor fault in ");
	fmt_count(&line, b->fault_period);
	if (t->m->have_totals && t->m->totals.major_fault_period > 1) {
		buf_puts(&line, " and one major fault in ");
		fmt_count(&line, t->m->totals.major_fault_period);
	}
	buf_puts(&line, " was looked at.");
	buf_putc(t->out, '\n');
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

/* "redmem used 0.4 % of a core and 12.0 MiB; ..." */
void text_own_cost(struct text *t)
{
	const struct record_self *self = &t->m->self;
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
	if (isfinite(self->other_bpf_seconds)) { /* likewise */
		buf_puts(&line, " of the server's time and ");
		fmt_seconds(&line, self->other_bpf_seconds);
		buf_puts(&line, " of other processes'");
	}
	if (self->bpf_scaled)
		buf_puts(&line, " (scaled from one second in a minute)");
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
	if (self->keys_gone_total > 0) {
		buf_puts(&line, "; ");
		fmt_count(&line, self->keys_gone_total);
		buf_puts(&line, " met a key that was just being made or freed");
	}
	buf_putc(&line, '.');
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

/* --- findings ---------------------------------------------------------------- */

#define INDENT	     "     "
#define TOP_FINDINGS 5 /* in full; the others by their title */

static enum paint severity_paint(enum severity severity)
{
	switch (severity) {
	case SEVERITY_CRITICAL:
		return PAINT_RED;
	case SEVERITY_WARNING:
		return PAINT_YELLOW;
	default:
		return PAINT_CYAN;
	}
}

static const char *severity_mark(enum severity severity)
{
	switch (severity) {
	case SEVERITY_CRITICAL:
		return "!!";
	case SEVERITY_WARNING:
		return "! ";
	default:
		return "i ";
	}
}

static void write_number(struct buf *out, const struct evidence *e)
{
	const char *unit = e->unit ? e->unit : "";

	if (e->text) {
		text_safe(out, e->text);
		return;
	}
	if (!isfinite(e->value)) {
		buf_putc(out, '-');
	} else if (!strcmp(unit, "bytes") && fabs(e->value) < 9e18) {
		fmt_bytes(out, (int64_t)e->value);
	} else if (!strcmp(unit, "seconds")) {
		fmt_seconds(out, e->value);
	} else if (!strcmp(unit, "ratio")) {
		buf_printf(out, "%.2f", e->value);
	} else {
		if (e->value == trunc(e->value))
			text_estimate(out, e->value);
		else
			buf_printf(out, "%.3g", e->value);
		if (*unit)
			buf_printf(out, " %s", unit);
	}
}

/* "swap_bytes 1.2 GiB, major_faults_total 18,231 faults (sampled)" */
static void write_evidence(struct text *t, const struct finding *finding)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < finding->evidence_count; i++) {
		const struct evidence *e = &finding->evidence[i];

		buf_puts(&text, i ? ", " : "");
		text_safe(&text, e->name);
		buf_putc(&text, ' ');
		write_number(&text, e);
		if (e->basis != BASIS_EXACT)
			buf_printf(&text, " (%s)", basis_name(e->basis));
	}
	if (finding->weak)
		buf_puts(&text, text.len ? "; thin evidence" : "thin evidence");
	if (text.len)
		text_wrap(t, INDENT "seen   ", buf_str(&text));
	buf_free(&text);
}

/* The command stands on a line of its own, whole, to be copied. */
static void write_action(struct text *t, const struct action *action)
{
	struct buf text = { 0 };

	text_safe(&text, action->text);
	if (action->expected_gain_bytes != RECORD_UNKNOWN) {
		buf_puts(&text, " Expected gain: ");
		fmt_bytes(&text, action->expected_gain_bytes);
		buf_putc(&text, '.');
	}
	text_wrap(t, INDENT "do     ", buf_str(&text));
	if (action->command && *action->command) {
		buf_puts(t->out, INDENT "       $ ");
		buf_clear(&text);
		text_safe(&text, action->command);
		text_paint(t, PAINT_GREEN, buf_str(&text));
		buf_putc(t->out, '\n');
	}
	buf_free(&text);
}

/* The title, wrapped behind its mark, and the id where there is room for it. */
static void write_title(struct text *t, const struct finding *finding)
{
	struct buf title = { 0 };
	struct text inner = *t;
	const char *last;

	inner.out = &title;
	text_wrap(&inner, INDENT, finding->title);
	title.data[--title.len] = '\0'; /* the id may stand on the same line */
	last = strrchr(buf_str(&title), '\n');
	last = last ? last + 1 : buf_str(&title);
	buf_puts(t->out, "  ");
	text_paint(t, severity_paint(finding->severity), severity_mark(finding->severity));
	buf_putc(t->out, ' ');
	text_paint(t, PAINT_BOLD, buf_str(&title) + strlen(INDENT));
	if (utf8_columns(last) + 2 + strlen(finding->id) > (size_t)t->columns)
		buf_puts(t->out, "\n" INDENT);
	else
		buf_puts(t->out, "  ");
	text_paint(t, PAINT_DIM, finding->id);
	buf_putc(t->out, '\n');
	buf_free(&title);
}

/* A screenful leaves the reasons of what is only worth knowing to -v. */
void text_finding(struct text *t, const struct finding *finding)
{
	bool reasons = t->style->verbose || finding->severity != SEVERITY_INFO;

	write_title(t, finding);
	if (reasons) {
		write_evidence(t, finding);
		if (finding->cause && *finding->cause)
			text_wrap(t, INDENT "cause  ", finding->cause);
	}
	for (size_t i = 0; i < finding->actions_count; i++)
		write_action(t, &finding->actions[i]);
}

void text_findings(struct text *t)
{
	size_t full = t->style->verbose ? t->f->count : TOP_FINDINGS;

	text_head(t, "FINDINGS", t->f->count ? NULL : "none");
	for (size_t i = 0; i < t->f->count; i++) {
		if (i < full)
			text_finding(t, &t->f->items[i]);
		else
			write_title(t, &t->f->items[i]);
	}
}
