/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of each record that describes a state (the server, a sensor, a setting, the last INFO,
 * the last count of a counter) the newest one. From it a model that begins in the middle of
 * a session knows what it begins with. Its size does not grow with time.
 */
#pragma once

#include <stdbool.h>

#include "record/record.h"

struct state;

struct state *state_new(void);
void state_free(struct state *state); /* may be NULL */
/* Is it a record that the next of its kind replaces? */
bool state_is(const struct record *record);
/* Remember @record when it is one; it is copied. Of more than 4096 the first are kept. */
void state_take(struct state *state, const struct record *record);
/* The record of the same thing as @like taken last, NULL. Valid until the next is taken. */
const struct record *state_find(const struct state *state, const struct record *like);
/* Give all to @sink, in the order in which they first came. */
void state_emit(const struct state *state, const struct record_sink *sink);
/* Was it asked for "start", "tick", "window", "end"? False of records without a phase. */
bool record_is_phase(const struct record *record, const char *phase);
