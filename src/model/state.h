/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is so until something else is said: of each fact that describes a state (the
 * server, a sensor, a setting, the last INFO, the last count of a counter) the newest one.
 * From it a model that begins in the middle of a session knows what it begins with. Its
 * size does not grow with time.
 */
#pragma once

#include "fact/fact.h"

struct state;

struct state *state_new(void);
void state_free(struct state *state);
/* Is it a fact that the next of its kind replaces? */
bool state_is(const struct fact *fact);
/* Remember @fact when it is one; it is copied. */
void state_take(struct state *state, const struct fact *fact);
/* The fact of the same thing as @like taken last, NULL. Valid until the next is taken. */
const struct fact *state_find(const struct state *state, const struct fact *like);
/* Give all to @sink, in the order in which they first came. */
void state_emit(const struct state *state, const struct fact_sink *sink);
