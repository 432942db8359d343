/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts in one line each, for the tests of the model. */
#pragma once

#include <math.h>
#include <string.h>

#include "fact/shape.h"
#include "model/model.h"

#define MIB ((int64_t)1 << 20)

static inline struct fact fact_new(enum fact_kind kind)
{
	struct fact fact;

	fact_clear(&fact, kind);
	return fact;
}

static inline void take_target(struct model *m, const char *allocator, bool can_defrag)
{
	struct fact fact = fact_new(FACT_TARGET);

	fact.target.pid = 42;
	fact.target.allocator = allocator;
	fact.target.can_defrag = can_defrag;
	model_take(m, &fact);
}

static inline void take_sensor(struct model *m, const char *id, bool on)
{
	struct fact fact = fact_new(FACT_SENSOR);

	fact.sensor.id = id;
	fact.sensor.on = on;
	model_take(m, &fact);
}

static inline void take_info(struct model *m, double t, const char *phase, const char *text)
{
	struct fact fact = fact_new(FACT_INFO);

	fact.info = (struct fact_info){ .t_seconds = t, .phase = phase, .text = text };
	model_take(m, &fact);
}

static inline void take_memory_stats(struct model *m, const char *phase, const char *text)
{
	struct fact fact = fact_new(FACT_MEMORY_STATS);

	fact.memory_stats.phase = phase;
	fact.memory_stats.text = text;
	model_take(m, &fact);
}

static inline void take_tick(struct model *m, double t)
{
	struct fact fact = fact_new(FACT_TICK);

	fact.tick.t_seconds = t;
	model_take(m, &fact);
}

static inline void take_profile(struct model *m, enum redmem_event event, const char *command,
				const char *key, double events, double seconds)
{
	struct fact fact = fact_new(FACT_PROFILE);

	fact.profile.event = event;
	fact.profile.command = command;
	fact.profile.key = (struct bytes){ key, key ? strlen(key) : 0 };
	fact.profile.samples = (int64_t)events;
	fact.profile.events = events;
	fact.profile.seconds = seconds;
	model_take(m, &fact);
}

static inline const struct command_row *command_named(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->commands_count; i++)
		if (!strcmp(m->commands[i].command, name))
			return &m->commands[i];
	return NULL;
}

static inline const struct prefix_row *prefix_named(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->prefixes_count; i++)
		if (!strcmp(m->prefixes[i].prefix, name))
			return &m->prefixes[i];
	return NULL;
}
