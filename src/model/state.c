/* SPDX-License-Identifier: BSD-2-Clause */
/* What is so until something else is said; see state.h. */
#include "model/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "model/intern.h"
#include "record/schema.h"

#define NAME_MAX_BYTES 128
/* Settings are some hundreds, and all else is less. What a recording has beyond is not kept: it
 * would make each record dearer than the one before. */
#define ENTRIES_MAX 4096

/* Of which thing of its kind a record is. */
struct identity {
	enum record_kind kind;
	int64_t pid;
	char name[NAME_MAX_BYTES];
};

struct entry {
	struct identity of;
	struct record record;
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
	intern_free(entry->keep);
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

bool state_is(const struct record *record)
{
	return record_schema(record->kind)->of == RECORD_OF_STATE;
}

static const char *phase_of(const struct record *record)
{
	switch (record->kind) {
	case RECORD_INFO:
		return record->info.phase;
	case RECORD_MEMORY_STATS:
		return record->memory_stats.phase;
	case RECORD_MALLOC_STATS:
		return record->malloc_stats.phase;
	case RECORD_MAPPING:
		return record->mapping.phase;
	case RECORD_OWN_CALLS:
		return record->own_calls.phase;
	default:
		return "";
	}
}

bool record_is_phase(const struct record *record, const char *phase)
{
	const char *is = phase_of(record);

	return is && !strcmp(is, phase);
}

/* The last INFO with commandstats is told beside the last of all. */
static bool tells_all(const struct record *record)
{
	return record->kind == RECORD_INFO &&
	       (record_is_phase(record, "start") || record_is_phase(record, "window"));
}

static struct identity identity_of(const struct record *record)
{
	struct identity of = { .kind = record->kind };
	const char *name = record->kind == RECORD_SENSOR    ? record->sensor.id :
			   record->kind == RECORD_CONFIG    ? record->config.name :
			   record->kind == RECORD_LATENCY   ? record->latency.event :
			   record->kind == RECORD_OWN_CALLS ? record->own_calls.command :
			   record->kind == RECORD_CPU_LIMIT ? record->cpu_limit.cgroup :
			   record->kind == RECORD_HELD	    ? record->held.name :
			   tells_all(record)		    ? "all" :
							      "";

	if (record->kind == RECORD_CHILD)
		of.pid = record->child.pid;
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

/* A child that has ended is no state any more. */
static void forget_child(struct state *state, const struct record_child *child)
{
	for (size_t i = state->count; i-- > 0;) {
		const struct record *old = &state->entries[i].record;

		if (old->kind == RECORD_CHILD && old->child.pid == child->pid)
			remove_at(state, i);
	}
}

void state_take(struct state *state, const struct record *record)
{
	struct record own = *record;
	struct identity of;
	struct entry *entry;

	if (!state_is(record))
		return;
	record_no_null(&own);
	if (own.kind == RECORD_CHILD && !isnan(own.child.t_end_seconds)) {
		forget_child(state, &own.child);
		return;
	}
	of = identity_of(&own);
	entry = find(state, &of);
	if (!entry && state->count == ENTRIES_MAX)
		return;
	if (entry) {
		entry_clear(entry);
	} else {
		state->entries = array_grow(state->entries, state->count, sizeof(*entry));
		entry = &state->entries[state->count++];
	}
	entry->of = of;
	entry->keep = intern_new();
	entry->record = intern_record(entry->keep, &own);
}

const struct record *state_find(const struct state *state, const struct record *like)
{
	struct identity of = identity_of(like);
	const struct entry *entry = find(state, &of);

	return entry ? &entry->record : NULL;
}

void state_emit(const struct state *state, const struct record_sink *sink)
{
	for (size_t i = 0; i < state->count; i++)
		record_emit(sink, &state->entries[i].record);
}
