/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of redmem/tables.h as data; see schema.h. */
#include "record/schema.h"

#define CAUSE_ROW(id, name, words, advice) [CAUSE_##id] = { name, words, advice },
const struct cause cause_table[CAUSES] = { REDMEM_CAUSES(CAUSE_ROW) };

#define EVENT_ROW(id, name, words, unit, cause, order) \
	[EVENT_##id] = { name, words, UNIT_##unit, CAUSE_##cause, order },
const struct event event_table[EVENT_KINDS] = { REDMEM_EVENTS(EVENT_ROW) };

#define FRAME_ROW(id, name, words, cause, kind) \
	[FRAME_##id] = { name, words, CAUSE_##cause, FRAME_KIND_##kind },
const struct frame frame_table[FRAMES] = { REDMEM_FRAMES(FRAME_ROW) };

#define WAIT_ROW(id, number, name, cause, descriptor) \
	[WAIT_##id] = { name, CAUSE_##cause, descriptor },
const struct wait_call wait_table[WAITS] = { REDMEM_WAITS(WAIT_ROW) };

#define CALL_NAME(id, name) [CALL_##id] = name,
static const char *const calls[CALL_FUNCTIONS] = { REDMEM_CALLS(CALL_NAME) };

#define MODULE_NAME(id, name) [MODULE_##id] = name,
static const char *const modules[MODULES] = { REDMEM_MODULES(MODULE_NAME) };

#define KEY_SOURCE_NAME(id, name) [KEY_SOURCE_##id] = name,
static const char *const key_sources[KEY_SOURCES] = { REDMEM_KEY_SOURCES(KEY_SOURCE_NAME) };

static const char *event_name(unsigned int row)
{
	return event_table[row].name;
}

static const char *frame_name(unsigned int row)
{
	return frame_table[row].name;
}

static const char *wait_name(unsigned int row)
{
	return wait_table[row].name;
}

static const char *call_name(unsigned int row)
{
	return calls[row];
}

static const char *module_name(unsigned int row)
{
	return modules[row];
}

static const char *key_source_name(unsigned int row)
{
	return key_sources[row];
}

const struct name_list event_names = { event_name, EVENT_KINDS };
const struct name_list frame_names = { frame_name, FRAMES };
const struct name_list wait_names = { wait_name, WAITS };
const struct name_list call_names = { call_name, CALL_FUNCTIONS };
const struct name_list module_names = { module_name, MODULES };
const struct name_list key_source_names = { key_source_name, KEY_SOURCES };
