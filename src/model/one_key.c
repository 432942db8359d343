/* SPDX-License-Identifier: BSD-2-Clause */
/* One key at length; see one_key.h. */
#include "model/one_key.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/sort.h"
#include "model/private.h"

/* LRU clocks go by seconds (LRU_CLOCK_RESOLUTION, src/server.h). */
#define IDLE_ERROR_SECONDS 1.5

/* --- taking ------------------------------------------------------------------ */

static void take_facts(struct model *m, const struct record_one_key *facts)
{
	if (!m->one_key) {
		m->one_key = xcalloc(1, sizeof(*m->one_key));
		m->one_key->first = *facts;
	} else {
		m->one_key->asked_again = true;
	}
	m->one_key->last = *facts;
}

void one_key_take(struct model *m, const struct record *record)
{
	struct one_key *key;

	if (record->kind == RECORD_ONE_KEY)
		take_facts(m, &record->one_key);
	key = m->one_key;
	if (!key)
		return;
	if (record->kind == RECORD_KEY_ELEMENT && key->elements_count < ONE_KEY_ELEMENTS) {
		key->elements =
			array_grow(key->elements, key->elements_count, sizeof(*key->elements));
		key->elements[key->elements_count++] = record->key_element;
	}
	if (record->kind == RECORD_KEY_GROUP && key->groups_count < ONE_KEY_GROUPS) {
		key->groups = array_grow(key->groups, key->groups_count, sizeof(*key->groups));
		key->groups[key->groups_count++] = record->key_group;
	}
}

static bool is_of(const struct one_key *key, const struct record_profile *record)
{
	struct bytes name = key->first.key;

	if (!record->key.len || record->folded ||
	    (record->db != RECORD_UNKNOWN && record->db != key->first.db))
		return false;
	if (record->key_truncated != (name.len > RECORD_KEY_MAX))
		return false;
	if (record->key_truncated) /* the sensors keep its first bytes */
		name.len = RECORD_KEY_MAX;
	return bytes_same(record->key, name);
}

void one_key_take_profile(struct model *m, const struct record_profile *record)
{
	struct one_key *key = m->one_key;
	const char *command;
	size_t i = 0;

	if (!key || !is_of(key, record))
		return;
	command = *record->inner ? record->inner : record->command;
	while (i < key->users_count && strcmp(key->users[i].command, command) != 0)
		i++;
	if (i == ONE_KEY_USERS)
		return;
	if (i == key->users_count) {
		key->users_count++;
		key->users[i].command = intern_string(m->priv->keep, command);
	}
	charge_add(&key->users[i].charge, record);
}

static int most_first(const void *a, const void *b)
{
	const struct one_key_user *x = a, *y = b;

	return charge_compare(&x->charge, &y->charge);
}

void one_key_finish(struct one_key *key, bool no_cpu, bool no_faults, bool no_flow)
{
	if (!key || !key->users_count)
		return;
	qsort(key->users, key->users_count, sizeof(*key->users), most_first);
	for (size_t i = 0; i < key->users_count; i++)
		charge_unknown(&key->users[i].charge, no_cpu, no_faults, no_flow);
}

void one_key_free(struct one_key *key)
{
	if (!key)
		return;
	free(key->elements);
	free(key->groups);
	free(key);
}

/* --- reading ----------------------------------------------------------------- */

static double number_of(const struct record_key_element *element, enum element_number number)
{
	int64_t bytes = number == ELEMENT_NAME_BYTES ? element->name_bytes : element->bytes;

	if (number == ELEMENT_SCORE)
		return element->score;
	return bytes == RECORD_UNKNOWN ? NAN : (double)bytes;
}

static double quantile(const double *sorted, size_t count, double fraction)
{
	return sorted[(size_t)(fraction * (double)(count - 1) + 0.5)];
}

struct spread one_key_spread(const struct one_key *key, enum element_number number,
			     const char *place)
{
	double *all = xcalloc(key->elements_count + 1, sizeof(*all)), sum = 0;
	struct spread s = { 0, NAN, NAN, NAN, NAN, NAN, NAN };

	for (size_t i = 0; i < key->elements_count; i++) {
		double n = number_of(&key->elements[i], number);

		if (isnan(n) || (place && strcmp(place, key->elements[i].place) != 0))
			continue;
		all[s.count++] = n;
		sum += n;
	}
	if (s.count) {
		qsort(all, s.count, sizeof(*all), sort_rising);
		s.min = all[0];
		s.p50 = quantile(all, s.count, 0.5);
		s.p90 = quantile(all, s.count, 0.9);
		s.p99 = quantile(all, s.count, 0.99);
		s.max = all[s.count - 1];
		s.mean = sum / (double)s.count;
	}
	free(all);
	return s;
}

static double growth(const struct one_key *key, int64_t before, int64_t after)
{
	double seconds = key->last.t_seconds - key->first.t_seconds, rate;

	if (before == RECORD_UNKNOWN || after == RECORD_UNKNOWN || !(seconds > 0))
		return NAN;
	rate = ((double)after - (double)before) / seconds;
	return isfinite(rate) ? rate : NAN; /* of a damaged recording */
}

double one_key_growth(const struct one_key *key)
{
	return growth(key, key->first.elements, key->last.elements);
}

double one_key_bytes_growth(const struct one_key *key)
{
	const struct record_one_key *a = &key->first, *b = &key->last;

	if (!a->bytes_samples && !b->bytes_samples)
		return growth(key, a->bytes, b->bytes);
	/* Two samples differ though nothing has changed: what has come is counted. */
	if (a->bytes == RECORD_UNKNOWN || a->elements <= 0)
		return NAN;
	return one_key_growth(key) * (double)a->bytes / (double)a->elements;
}

int one_key_used(const struct one_key *key)
{
	const struct record_one_key *a = &key->first, *b = &key->last;
	double seconds = b->t_seconds - a->t_seconds;

	if (!key->asked_again)
		return -1;
	if (key->users_count || strcmp(a->type, b->type) != 0 || a->elements != b->elements)
		return 1;
	if (b->idle_seconds == RECORD_UNKNOWN || a->idle_seconds == RECORD_UNKNOWN)
		return a->frequency != RECORD_UNKNOWN && b->frequency > a->frequency ? 1 : -1;
	if (!(seconds > IDLE_ERROR_SECONDS))
		return -1;
	return (double)b->idle_seconds < seconds - IDLE_ERROR_SECONDS;
}
