/* SPDX-License-Identifier: BSD-2-Clause */
/* How far to trust the report: the server's life during the watch, and the sensors. */
#include <math.h>

#include "report/text.h"

#define TOP_EVENTS     3
#define MOMENT_COLUMNS 10
#define SENSOR_COLUMNS 13

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
		const struct fact_life *life = &t->m->life[i].life;
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

static void write_sensor(struct text *t, const struct fact_sensor *sensor)
{
	struct buf lead = { 0 }, name = { 0 }, line = { 0 };

	buf_puts(&lead, "  ");
	text_safe(&name, sensor->id);
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

/* A screenful names those that are off or say something; -v all. */
void text_sensors(struct text *t)
{
	bool head = false;

	for (size_t i = 0; i < t->m->sensors_count; i++) {
		const struct fact_sensor *sensor = &t->m->sensors[i].sensor;

		if (sensor->on && !(sensor->reason && *sensor->reason) && !t->style->verbose)
			continue;
		if (!head)
			text_head(t, "SENSORS",
				  t->style->verbose ? NULL : "those that are off or limited");
		head = true;
		write_sensor(t, sensor);
	}
}
