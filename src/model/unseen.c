/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that were moved while no probe stood, and are more than the next hits can stand for
 * (flow_scale.c of the sensors), or to which no hit came any more: they go to those who had
 * the bytes of the last seconds in which there were hits, in proportion, with the error of such
 * an estimate. The sensors tell of them two seconds later, so that these are the seconds before
 * and after: who moved them may have been at it for long, or have just begun. Bytes allocated
 * and bytes freed for themselves: a load may go on and only free.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/account.h"
#include "model/private.h"

#define GENERATION_SECONDS 1.0
#define GENERATIONS	   3
#define ROWS_MAX	   4096 /* names kept of a generation */

/* Of bytes allocated, or of bytes freed. */
struct unseen_side {
	struct accounts rows[GENERATIONS]; /* of the second under way, and of those before */
	double since; /* when the first of them began */
};

struct unseen {
	struct unseen_side alloc, freed;
};

static void side_begin(struct unseen_side *side, struct prefixes *prefixes)
{
	for (size_t i = 0; i < GENERATIONS; i++)
		side->rows[i] = (struct accounts){ .prefixes = prefixes, .limit = ROWS_MAX };
	side->since = NAN;
}

static void side_clear(struct unseen_side *side)
{
	for (size_t i = 0; i < GENERATIONS; i++)
		accounts_clear(&side->rows[i]);
}

/* The oldest rows are left. */
static void side_turn(struct unseen_side *side, double t_seconds)
{
	struct accounts oldest = side->rows[GENERATIONS - 1];

	accounts_clear(&oldest);
	memmove(&side->rows[1], &side->rows[0], (GENERATIONS - 1) * sizeof(side->rows[0]));
	side->rows[0] = oldest;
	side->since = t_seconds;
}

struct unseen *unseen_new(struct prefixes *prefixes)
{
	struct unseen *unseen = xcalloc(1, sizeof(*unseen));

	side_begin(&unseen->alloc, prefixes);
	side_begin(&unseen->freed, prefixes);
	return unseen;
}

void unseen_free(struct unseen *unseen)
{
	if (!unseen)
		return;
	side_clear(&unseen->alloc);
	side_clear(&unseen->freed);
	free(unseen);
}

static struct unseen_side *side_of(struct unseen *unseen, enum redmem_event event)
{
	return event == EVENT_ALLOC ? &unseen->alloc : &unseen->freed;
}

static bool is_moved(const struct record_profile *record)
{
	return (record->event == EVENT_ALLOC || record->event == EVENT_FREE) && !*record->thread;
}

static bool is_unseen(const struct record_profile *record)
{
	return !strcmp(record->command, RECORD_UNSEEN);
}

void unseen_note(struct model *m, const struct record_profile *record, struct prefix *prefix)
{
	struct unseen_side *side = side_of(m->priv->unseen, record->event);
	struct account_key of = { .name = intern_string(m->priv->keep, record->command),
				  .prefix = prefix };
	struct account *account;

	if (!is_moved(record) || is_unseen(record))
		return;
	if (!(record->t_seconds - side->since < GENERATION_SECONDS))
		side_turn(side, record->t_seconds);
	account = account_get(&side->rows[0], of);
	if (!account) {
		of.prefix = NULL;
		account = account_get(&side->rows[0], of);
	}
	if (account)
		charge_add(&account->charge, record);
}

static double *bytes_of(struct charge *charge, enum redmem_event event)
{
	return event == EVENT_ALLOC ? &charge->alloc_bytes : &charge->free_bytes;
}

static double *square_of(struct charge *charge, enum redmem_event event)
{
	return event == EVENT_ALLOC ? &charge->alloc_square : &charge->free_square;
}

static double sum_of(const struct accounts *rows, enum redmem_event event)
{
	struct account *row, *next;
	double sum = 0;

	HASH_ITER(hh, rows->rows, row, next)
		sum += *bytes_of(&row->charge, event);
	return sum;
}

/* @row's part of @record is @share times what it had. */
static void give(struct model *m, const struct record_profile *record, struct account *row,
		 double share)
{
	struct record_profile part = *record;
	struct charge charge = { 0 };

	part.events = *bytes_of(&row->charge, record->event) * share;
	if (!(part.events > 0))
		return;
	part.command = row->of.name;
	*bytes_of(&charge, record->event) = part.events;
	*square_of(&charge, record->event) =
		*square_of(&row->charge, record->event) * share * share;
	profile_merge(m, row->of.name, row->of.prefix, &charge);
	alloc_add(m, &part, row->of.prefix);
}

bool unseen_give(struct model *m, const struct record_profile *record)
{
	struct unseen_side *side = side_of(m->priv->unseen, record->event);
	struct account *row, *next;
	double sum = 0;

	if (!is_moved(record) || !is_unseen(record))
		return false;
	for (size_t i = 0; i < GENERATIONS; i++)
		sum += sum_of(&side->rows[i], record->event);
	if (!(sum > 0))
		return false;
	for (size_t i = 0; i < GENERATIONS; i++)
		HASH_ITER(hh, side->rows[i].rows, row, next)
			give(m, record, row, profile_events(record) / sum);
	return true;
}
