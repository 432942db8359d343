/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of redmem/tables.h as data, by their enums. */
#pragma once

#include "record/schema.h"
#include "redmem/tables.h"

struct cause {
	const char *name; /* in JSON */
	const char *words; /* for people: "swap-in" */
	const char *advice; /* the usual remedy, one sentence; NULL when it has none of its own */
};

struct event {
	const char *name;
	const char *words;
	enum redmem_unit unit;
	enum redmem_cause cause; /* of its time within a stall */
	int order; /* in which it is taken out of a stall; 0 = it is not */
};

struct frame {
	const char *name;
	const char *words; /* "freeing"; "" when it says nothing */
	enum redmem_cause cause;
	enum redmem_frame_kind kind;
};

struct wait_call {
	const char *name;
	enum redmem_cause cause;
	bool descriptor; /* its first argument is one */
};

extern const struct cause cause_table[CAUSES];
extern const struct event event_table[EVENT_KINDS];
extern const struct frame frame_table[FRAMES];
extern const struct wait_call wait_table[WAITS];

extern const struct name_list event_names, frame_names, wait_names, call_names, module_names,
	key_source_names;
