/* SPDX-License-Identifier: BSD-2-Clause */
/* The newest fact of each thing; see state.h. */
#include "model/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fact/shape.h"
#include "model/keep.h"
#include "model/private.h"

#define NAME_MAX_BYTES 128

/* Of which thing of its kind a fact is. */
struct identity {
	enum fact_kind kind;
	int64_t pid;
	char name[NAME_MAX_BYTES];
};

struct entry {
	struct identity of;
	struct fact fact;
	struct keep *keep; /* what its strings point to */
};

struct state {
	struct entry *entries;
	size_t count;
};

struct state *state_new(void)
{
	return xcalloc(1, sizeof(struct state));
}

static void entry_clear(struct entry *entry)
{
	keep_free(entry->keep);
	entry->keep = NULL;
}

void state_free(struct state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->count; i++)
		entry_clear(&state->entries[i]);
	free(state->entries);
	free(state);
}

bool state_is(const struct fact *fact)
{
	switch (fact->kind) {
	case FACT_SESSION:
	case FACT_TARGET:
	case FACT_SENSOR:
	case FACT_HOST:
	case FACT_CONFIG:
	case FACT_TICK:
	case FACT_INFO:
	case FACT_MEMORY_STATS:
	case FACT_MALLOC_STATS:
	case FACT_MAPPING:
	case FACT_TOTALS:
	case FACT_CHILD:
	case FACT_LATENCY:
	case FACT_OWN_CALLS:
	case FACT_SELF:
	case FACT_BUDGET:
		return true;
	default:
		return false;
	}
}

static struct identity identity_of(const struct fact *fact)
{
	struct identity of = { .kind = fact->kind };
	const char *name = fact->kind == FACT_SENSOR	? fact->sensor.id :
			   fact->kind == FACT_CONFIG	? fact->config.name :
			   fact->kind == FACT_LATENCY	? fact->latency.event :
			   fact->kind == FACT_OWN_CALLS ? fact->own_calls.command :
			   fact->kind == FACT_MAPPING	? fact->mapping.class_name :
							  "";

	if (fact->kind == FACT_MAPPING)
		of.pid = fact->mapping.pid;
	else if (fact->kind == FACT_CHILD)
		of.pid = fact->child.pid;
	snprintf(of.name, sizeof(of.name), "%s", name ? name : "");
	return of;
}

static struct entry *find(const struct state *state, const struct identity *of)
{
	for (size_t i = 0; i < state->count; i++) {
		struct entry *entry = &state->entries[i];

		if (entry->of.kind == of->kind && entry->of.pid == of->pid &&
		    !strcmp(entry->of.name, of->name))
			return entry;
	}
	return NULL;
}

static void remove_at(struct state *state, size_t i)
{
	entry_clear(&state->entries[i]);
	memmove(&state->entries[i], &state->entries[i + 1],
		(--state->count - i) * sizeof(state->entries[0]));
}

/* A child that has ended is no state any more; mappings are those of the last reading. */
static void forget(struct state *state, const struct fact *fact)
{
	for (size_t i = state->count; i-- > 0;) {
		const struct fact *old = &state->entries[i].fact;
		bool ended = fact->kind == FACT_CHILD && old->kind == FACT_CHILD &&
			     old->child.pid == fact->child.pid && !isnan(fact->child.t_end_seconds);
		bool older = fact->kind == FACT_MAPPING && old->kind == FACT_MAPPING &&
			     strcmp(old->mapping.phase, fact->mapping.phase) != 0;

		if (ended || older)
			remove_at(state, i);
	}
}

void state_take(struct state *state, const struct fact *fact)
{
	struct fact own = *fact;
	struct identity of;
	struct entry *entry;

	if (!state_is(fact))
		return;
	fact_no_null(&own);
	forget(state, &own);
	if (own.kind == FACT_CHILD && !isnan(own.child.t_end_seconds))
		return;
	of = identity_of(&own);
	entry = find(state, &of);
	if (entry) {
		entry_clear(entry);
	} else {
		state->entries = array_grow(state->entries, state->count, sizeof(*entry));
		entry = &state->entries[state->count++];
	}
	entry->of = of;
	entry->keep = keep_new();
	entry->fact = keep_fact(entry->keep, &own);
}

const struct fact *state_find(const struct state *state, const struct fact *like)
{
	struct identity of = identity_of(like);
	const struct entry *entry = find(state, &of);

	return entry ? &entry->fact : NULL;
}

void state_emit(const struct state *state, const struct fact_sink *sink)
{
	for (size_t i = 0; i < state->count; i++)
		fact_emit(sink, &state->entries[i].fact);
}
