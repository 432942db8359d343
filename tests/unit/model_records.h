/* SPDX-License-Identifier: BSD-2-Clause */
/* Records in one line each, for the tests of the model. */
#pragma once

#include <math.h>
#include <string.h>

#include "record/schema.h"
#include "model/model.h"

#ifndef MIB /* diagnose/measure.h has it, too */
#define MIB ((int64_t)1 << 20)
#endif

static inline struct record record_new(enum record_kind kind)
{
	struct record record;

	record_clear(&record, kind);
	return record;
}

static inline void take_target(struct model *m, const char *allocator, bool can_defrag)
{
	struct record record = record_new(RECORD_TARGET);

	record.target.pid = 42;
	record.target.allocator = allocator;
	record.target.can_defrag = can_defrag;
	model_take(m, &record);
}

static inline void take_sensor(struct model *m, const char *id, bool on)
{
	struct record record = record_new(RECORD_SENSOR);

	record.sensor.id = id;
	record.sensor.on = on;
	model_take(m, &record);
}

static inline void take_info(struct model *m, double t, const char *phase, const char *text)
{
	struct record record = record_new(RECORD_INFO);

	record.info = (struct record_info){ .t_seconds = t, .phase = phase, .text = text };
	model_take(m, &record);
}

static inline void take_memory_stats(struct model *m, const char *phase, const char *text)
{
	struct record record = record_new(RECORD_MEMORY_STATS);

	record.memory_stats.phase = phase;
	record.memory_stats.text = text;
	model_take(m, &record);
}

static inline void take_tick(struct model *m, double t)
{
	struct record record = record_new(RECORD_TICK);

	record.tick.t_seconds = t;
	model_take(m, &record);
}

static inline void take_profile(struct model *m, enum redmem_event event, const char *command,
				const char *key, double events, double seconds)
{
	struct record record = record_new(RECORD_PROFILE);

	record.profile.event = event;
	record.profile.command = command;
	record.profile.key = (struct bytes){ key, key ? strlen(key) : 0 };
	record.profile.samples = (int64_t)events;
	record.profile.events = events;
	record.profile.seconds = seconds;
	model_take(m, &record);
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
