/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that were moved at the end of a watch, when no probe stood any more and no later hit
 * tells by whom: they go to those who had the bytes of the last second or two in which there
 * were hits, in proportion, with the error of such an estimate. (What is moved between two
 * hits goes to the next ones already where it is read, see flow.c of the sensors.)
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/account.h"
#include "model/private.h"

#define GENERATION_SECONDS 1.0
#define ROWS_MAX	   4096 /* names kept of a generation */

struct unseen {
	struct accounts rows[2]; /* of the seconds under way, and of those before */
	double since; /* when the first of them began */
};

struct unseen *unseen_new(struct prefixes *prefixes)
{
	struct unseen *unseen = xcalloc(1, sizeof(*unseen));

	for (int i = 0; i < 2; i++)
		unseen->rows[i] = (struct accounts){ .prefixes = prefixes, .limit = ROWS_MAX };
	unseen->since = NAN;
	return unseen;
}

void unseen_free(struct unseen *unseen)
{
	if (!unseen)
		return;
	accounts_clear(&unseen->rows[0]);
	accounts_clear(&unseen->rows[1]);
	free(unseen);
}

static bool is_moved(const struct record_profile *record)
{
	return (record->event == EVENT_ALLOC || record->event == EVENT_FREE) && !*record->thread;
}

void unseen_note(struct model *m, const struct record_profile *record, struct prefix *prefix)
{
	struct unseen *unseen = m->priv->unseen;
	struct account_key of = { .name = intern_string(m->priv->keep, record->command),
				  .prefix = prefix };
	struct account *account;

	if (!is_moved(record))
		return;
	if (!(record->t_seconds - unseen->since < GENERATION_SECONDS)) {
		struct accounts old = unseen->rows[1];

		accounts_clear(&old);
		unseen->rows[1] = unseen->rows[0];
		unseen->rows[0] = old;
		unseen->since = record->t_seconds;
	}
	account = account_get(&unseen->rows[0], of);
	if (!account) {
		of.prefix = NULL;
		account = account_get(&unseen->rows[0], of);
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
	struct unseen *unseen = m->priv->unseen;
	struct account *row, *next;
	double sum = 0;

	if (!is_moved(record) || strcmp(record->command, UNSEEN_COMMAND))
		return false;
	for (int i = 0; i < 2; i++)
		sum += sum_of(&unseen->rows[i], record->event);
	if (!(sum > 0))
		return false;
	for (int i = 0; i < 2; i++)
		HASH_ITER(hh, unseen->rows[i].rows, row, next)
			give(m, record, row, profile_events(record) / sum);
	return true;
}
