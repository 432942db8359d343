/* SPDX-License-Identifier: BSD-2-Clause */
/* When it was; see moments.h. */
#include "model/moments.h"

#include <math.h>

#include "record/schema.h"
#include "model/state.h"

/* What the server is asked at a boundary it answers a little later. */
#define ANSWER_SECONDS 0.5
/* Before the start by more than a clock's rounding. */
#define OLD_SECONDS 1

void moments_init(struct moments *s)
{
	*s = (struct moments){ .state = state_new(), .wall_start = NAN };
	for (size_t log = 0; log < MOMENTS_LOGS; log++)
		for (size_t i = 0; i < MOMENTS_SLOWLOG; i++)
			s->logged[log][i] = RECORD_UNKNOWN;
}

void moments_clear(struct moments *s)
{
	state_free(s->state);
	s->state = NULL;
}

static double time_of(const struct moments *s, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);

	switch (record->kind) {
	case RECORD_STALL: /* it is told, and counts, when it is over */
		return record->stall.t_seconds + record->stall.duration_seconds;
	case RECORD_CHILD:
		return record->child.t_end_seconds;
	case RECORD_SLOWLOG: /* whole seconds */
		return (double)record->slowlog.unix_seconds + 0.5 - s->wall_start;
	case RECORD_LARGE:
		return (double)record->large.unix_seconds + 0.5 - s->wall_start;
	case RECORD_LATENCY:
		return (double)record->latency.unix_seconds + 0.5 - s->wall_start;
	default:
		break;
	}
	for (size_t i = 0; i < schema->count; i++)
		if (schema->fields[i].role == ROLE_TIME)
			return *(const double *)field_of(record, &schema->fields[i]);
	return NAN;
}

static bool logged_again(struct moments *s, size_t log, int64_t id)
{
	int64_t *seen = &s->logged[log][(uint64_t)id % MOMENTS_SLOWLOG];

	if (id <= *seen)
		return true;
	*seen = id;
	return false;
}

/* The server tells of some things again each time it is asked. */
static bool is_again(struct moments *s, const struct record *record)
{
	const struct record *last;

	switch (record->kind) {
	case RECORD_SLOWLOG:
		return logged_again(s, 0, record->slowlog.id);
	case RECORD_LARGE:
		return logged_again(s, record->large.reply ? 2 : 1, record->large.id);
	case RECORD_LATENCY:
		last = state_find(s->state, record);
		return last && last->latency.unix_seconds == record->latency.unix_seconds;
	default:
		return false;
	}
}

/* Does it tell of something that was some time ago? */
static bool is_told(const struct record *record)
{
	return record->kind == RECORD_SLOWLOG || record->kind == RECORD_LATENCY ||
	       record->kind == RECORD_LARGE;
}

/* When it was asked for at a boundary, just before that: it is the last that a piece has, and
 * what the next begins with. What the watch began with came before all. */
static double boundary_of(const struct moments *s, const struct record *record)
{
	if (record_is_phase(record, "start"))
		return nextafter(0, -1);
	if (record_is_phase(record, "window") ||
	    (record_is_phase(record, "tick") && record->info.t_seconds < s->mark + ANSWER_SECONDS))
		return nextafter(s->mark, -1);
	return INFINITY;
}

static void settle(const struct moments *s, struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	double boundary = boundary_of(s, record);

	for (size_t i = 0; i < schema->count && !isinf(boundary); i++) {
		double *t = field_at(record, &schema->fields[i]);

		if (schema->fields[i].role == ROLE_TIME && *t > boundary)
			*t = boundary;
	}
}

static bool read_mark(struct moments *s, const struct record_mark *mark)
{
	if (!(mark->t_seconds >= s->mark) || isinf(mark->t_seconds)) /* of a recording */
		return false;
	s->mark = mark->t_seconds;
	return true;
}

bool moments_read(struct moments *s, const struct record *record, struct moment *out)
{
	bool told = is_told(record);

	if (record->kind == RECORD_SESSION && record->session.wall_start_ns != RECORD_UNKNOWN)
		s->wall_start = (double)record->session.wall_start_ns / 1e9;
	out->record = *record;
	settle(s, &out->record);
	out->t = time_of(s, &out->record);
	if (out->t > s->now && !told)
		s->now = out->t;
	out->again = out->old = false;
	if (record->kind == RECORD_MARK)
		return read_mark(s, &record->mark);
	out->again = is_again(s, record);
	out->old = told && out->t < -OLD_SECONDS;
	return true;
}

void moments_keep(struct moments *s, const struct moment *moment)
{
	state_take(s->state, &moment->record);
}

bool moments_lasts(const struct record *record)
{
	return state_is(record) && record->kind != RECORD_LATENCY;
}
