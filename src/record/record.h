/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records: what was seen, as plain data, before anybody interprets it.
 *
 * Everything the model learns comes to it as a struct record, from the host, the
 * server or a sensor while watching live, or from a recording when replaying.
 * That is why a replay gives the same report without root or Redis.
 *
 * They hold what was seen and what it was seen with: a sample and the factor it stands
 * for, an interval and what was measured in it. Nothing in them is a judgement.
 *
 * Units are in the names. A number that is not known is RECORD_UNKNOWN (integers)
 * or NAN (doubles), never 0. Strings and bytes are borrowed: they belong to the
 * producer and are valid only during the call that hands the record over.
 */
#pragma once

#include "record/bytes.h"
#include "record/record_host.h"
#include "record/record_keys.h"
#include "record/record_sensors.h"
#include "record/record_server.h"

enum record_kind {
	RECORD_SESSION,
	RECORD_TARGET,
	RECORD_SENSOR,
	RECORD_HOST,
	RECORD_CPU_LIMIT,
	RECORD_DISK,
	RECORD_WRITER,
	RECORD_CONFIG,
	RECORD_TICK,
	RECORD_INFO,
	RECORD_MEMORY_STATS,
	RECORD_MALLOC_STATS,
	RECORD_MAPPING,
	RECORD_STRINGS,
	RECORD_PROFILE,
	RECORD_TOTALS,
	RECORD_STALL,
	RECORD_RSS_MOVE,
	RECORD_CHILD,
	RECORD_SLOWLOG,
	RECORD_LATENCY,
	RECORD_CLIENT,
	RECORD_HELD,
	RECORD_KEY,
	RECORD_LIFE,
	RECORD_OWN_CALLS,
	RECORD_SELF,
	RECORD_CALL,
	RECORD_BURST,
	RECORD_BUDGET,
	RECORD_PURGE,
	RECORD_MARK,
	RECORD_PASS_PART,
	RECORD_PASS_REPLY,
	RECORD_PASS,
	RECORD_ONE_KEY,
	RECORD_KEY_ELEMENT,
	RECORD_KEY_GROUP,
	RECORD_PASSED,
	RECORD_LARGE,
	RECORD_KINDS
};

struct record {
	enum record_kind kind;
	union {
		struct record_session session;
		struct record_target target;
		struct record_sensor sensor;
		struct record_host host;
		struct record_cpu_limit cpu_limit;
		struct record_disk disk;
		struct record_writer writer;
		struct record_config config;
		struct record_tick tick;
		struct record_info info;
		struct record_memory_stats memory_stats;
		struct record_malloc_stats malloc_stats;
		struct record_mapping mapping;
		struct record_profile profile;
		struct record_totals totals;
		struct record_stall stall;
		struct record_rss_move rss_move;
		struct record_child child;
		struct record_slowlog slowlog;
		struct record_latency latency;
		struct record_large large;
		struct record_client client;
		struct record_held held;
		struct record_key key;
		struct record_life life;
		struct record_own_calls own_calls;
		struct record_self self;
		struct record_call call;
		struct record_burst burst;
		struct record_budget budget;
		struct record_purge purge;
		struct record_strings strings;
		struct record_mark mark;
		struct record_pass_part pass_part;
		struct record_pass_reply pass_reply;
		struct record_pass pass;
		struct record_one_key one_key;
		struct record_key_element key_element;
		struct record_key_group key_group;
		struct record_passed passed;
	};
};

/* Whoever takes records: the model, a recording, or both. */
struct record_sink {
	void (*take)(void *ctx, const struct record *record);
	void *ctx;
};

static inline void record_emit(const struct record_sink *sink, const struct record *record)
{
	sink->take(sink->ctx, record);
}
