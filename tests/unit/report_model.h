/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the reports share: models built from records, and looking into the
 * reports made of them.
 */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "blame_records.h"
#include "base/buf.h"
#include "base/escape.h"
#include "report/report.h"

/* --- records ------------------------------------------------------------- */

static inline void take(struct model *m, struct record record)
{
	model_take(m, &record);
}

static inline struct bytes key_of(const char *text)
{
	return (struct bytes){ text, strlen(text) };
}

static inline void take_session(struct model *m)
{
	take(m, (struct record){ .kind = RECORD_SESSION,
				 .session = { .wall_start_ns = 1767225600000000000,
					      .redmem_version = "test",
					      .kernel = "6.1.0",
					      .machine = "x86_64" } });
	take(m, (struct record){ .kind = RECORD_TARGET,
				 .target = { .pid = 4242,
					     .server = "redis",
					     .version = "7.0.15",
					     .executable = "/usr/bin/redis-server",
					     .build_id = "c0ffee17",
					     .allocator = "jemalloc 5.3.0",
					     .port = 6379,
					     .socket = "",
					     .role = "master",
					     .connected = true,
					     .connect_reason = "" } });
}

static inline void take_sensor(struct model *m, const char *id, bool on, const char *reason)
{
	take(m, (struct record){ .kind = RECORD_SENSOR,
				 .sensor = { .id = id, .on = on, .reason = reason, .fix = "" } });
}

static inline void take_sensors(struct model *m)
{
	static const char *const ids[] = { "attribution", "connection", "cpu", "fault",
					   "loop",	  "offcpu",	"rss", "reclaim" };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		take_sensor(m, ids[i], true, "");
	take_sensor(m, "life", false, "tracepoint sched:sched_process_fork is not there");
}

static inline void take_mapping(struct model *m, const char *class_name, int64_t rss, int64_t swap)
{
	take(m, (struct record){ .kind = RECORD_MAPPING,
				 .mapping = { .t_seconds = 4,
					      .phase = "end",
					      .pid = 4242,
					      .class_name = class_name,
					      .mappings_total = 3,
					      .size_bytes = rss + swap,
					      .rss_bytes = rss,
					      .pss_bytes = rss,
					      .private_dirty_bytes = rss,
					      .anon_huge_bytes = 0,
					      .lazy_free_bytes = 0,
					      .swap_bytes = swap,
					      .read_seconds = 0.001 } });
}

static inline void take_tick(struct model *m, double t, bool answered)
{
	int64_t n = (int64_t)t;

	take(m, (struct record){ .kind = RECORD_TICK,
				 .tick = { .t_seconds = t,
					   .rss_bytes = (100 + n * 10) << 20,
					   .rss_anon_bytes = (90 + n * 10) << 20,
					   .rss_file_bytes = 10 << 20,
					   .rss_shmem_bytes = 0,
					   .swap_bytes = 8 << 20,
					   .vm_size_bytes = 300 << 20,
					   .minor_faults_total = 1000 + n * 50,
					   .major_faults_total = 20 + n * 7,
					   .cpu_seconds = 3 + t / 2,
					   .threads_total = 5,
					   .state = 'S',
					   .answered = answered,
					   .reply_seconds = answered ? 0.0004 : NAN } });
	if (answered)
		take(m, (struct record){ .kind = RECORD_INFO,
					 .info = { .t_seconds = t,
						   .phase = "tick",
						   .text = "used_memory:73400320\r\n"
							   "total_commands_processed:500\r\n" } });
}

static inline void take_profile(struct model *m, enum redmem_event event, const char *command,
				struct bytes key, double seconds)
{
	take(m, (struct record){
			.kind = RECORD_PROFILE,
			.profile = { .event = event,
				     .thread = "",
				     .command = command,
				     .inner = "",
				     .key = key,
				     .leaf = event == EVENT_CPU ? MODULE_ALLOCATOR : MODULE_UNKNOWN,
				     .symbol = "",
				     .samples = 10,
				     .events = 10,
				     .seconds = seconds } });
}

static inline void take_stall(struct model *m, const char *command, struct bytes key, bool running)
{
	struct record record = { .kind = RECORD_STALL,
				 .stall = { .t_seconds = 1.5,
					    .duration_seconds = 2,
					    .running = running,
					    .command = command,
					    .inner = "",
					    .key = key,
					    .commands_total = RECORD_UNKNOWN,
					    .preemptor_pid = RECORD_UNKNOWN,
					    .fork_ns = RECORD_UNKNOWN } };

	record_blame(&record.stall, CAUSE_COMMAND, 0.3);
	record_blame(&record.stall, CAUSE_ALLOCATOR, 1.5);
	record_blame(&record.stall, CAUSE_FAULT_SWAP, 0.2);
	take(m, record);
}

static inline void take_self(struct model *m)
{
	take(m, (struct record){ .kind = RECORD_SELF,
				 .self = { .setup_cpu_seconds = 0.25,
					   .cpu_seconds = 0.02,
					   .window_seconds = 4,
					   .rss_bytes = 12 << 20,
					   .bpf_seconds = 0.01,
					   .other_bpf_seconds = 0.002,
					   .events_total = 1234,
					   .drops_total = 3,
					   .drops = "ring_full=3",
					   .target_pause_seconds = 0.00005,
					   .smaps_seconds = 0.001 } });
}

/* What only -v shows. */
static inline void take_details(struct model *m, struct bytes key)
{
	take(m, (struct record){ .kind = RECORD_KEY,
				 .key = { .key = key,
					  .db = 0,
					  .type = "zset",
					  .encoding = "skiplist",
					  .bytes = 9 << 20,
					  .elements = 900,
					  .ttl_seconds = -1 } });
	take(m, (struct record){ .kind = RECORD_SLOWLOG,
				 .slowlog = { .id = 7,
					      .unix_seconds = 1767225602,
					      .seconds = 2,
					      .command = "del",
					      .key = key } });
	take(m, (struct record){ .kind = RECORD_RSS_MOVE,
				 .rss_move = { .t_seconds = 2,
					       .member = "anon",
					       .from_bytes = 90 << 20,
					       .to_bytes = 110 << 20,
					       .command = "set",
					       .key = key } });
	take(m, (struct record){ .kind = RECORD_CHILD,
				 .child = { .pid = 4300,
					    .t_start_seconds = 1,
					    .t_end_seconds = NAN,
					    .purpose = "rdb",
					    .rss_bytes = 100 << 20,
					    .private_bytes = 5 << 20,
					    .cow_faults = 1280,
					    .fork_seconds = 0.003 } });
	take(m, (struct record){ .kind = RECORD_LIFE,
				 .life = { .t_seconds = 2.5,
					   .event = "hang",
					   .detail = "no answer",
					   .seconds = 1.25 } });
}

/* A watch of four seconds in which one tick was not answered. */
static inline struct model *model_full(struct bytes key)
{
	struct model *m = model_new();

	take_session(m);
	take_sensors(m);
	take_mapping(m, "allocator", 120 << 20, 8 << 20);
	take_mapping(m, "binary", 9 << 20, 0);
	take_mapping(m, "stacks", 1 << 20, 0);
	for (int i = 0; i <= 4; i++)
		take_tick(m, i, i != 3);
	take_profile(m, EVENT_CPU, "del", key, 1.0);
	take_profile(m, EVENT_FAULT_SWAP, "del", key, 0.2);
	take_profile(m, EVENT_CPU, "get", key_of("user:17"), 0.5);
	take_profile(m, EVENT_CPU, "", (struct bytes){ 0 }, 0.1);
	take_stall(m, "del", key, false);
	take_details(m, key);
	take_self(m);
	model_finish(m);
	return m;
}

static inline struct model *model_empty(void)
{
	struct model *m = model_new();

	model_finish(m);
	return m;
}

/* --- helpers ----------------------------------------------------------- */

static inline struct buf text_of(const struct model *m, const struct report_style *style)
{
	struct findings *f = diagnose(m);
	struct buf out = { 0 };

	report_doctor_text(&out, m, f, style);
	findings_free(f);
	return out;
}

static inline json_t *json_of(const struct model *m)
{
	struct findings *f = diagnose(m);
	struct buf out = { 0 };
	json_error_t why;
	json_t *root;

	report_doctor_json(&out, m, f);
	assert_int_equal(out.data[out.len - 1], '\n');
	root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		fail_msg("line %d: %s", why.line, why.text);
	findings_free(f);
	buf_free(&out);
	return root;
}

static inline const json_t *row(const json_t *root, const char *array, size_t i)
{
	const json_t *value = json_array_get(json_object_get(root, array), i);

	if (!value)
		fail_msg("%s[%zu] is missing", array, i);
	return value;
}

static inline void assert_has(const struct buf *text, const char *part)
{
	if (!strstr(buf_str(text), part))
		fail_msg("\"%s\" is missing in:\n%s", part, buf_str(text));
}

static inline void assert_has_not(const struct buf *text, const char *part)
{
	if (strstr(buf_str(text), part))
		fail_msg("\"%s\" should not be in:\n%s", part, buf_str(text));
}

/* Every line is harmless to a terminal, and no wider than @columns (0 = any width). */
static inline void assert_lines(const struct buf *text, size_t columns)
{
	const char *line = buf_str(text);

	while (*line) {
		size_t len = strcspn(line, "\n"), width = 0;

		if (len && line[len - 1] == ' ')
			fail_msg("blanks at the end: %.*s", (int)len, line);
		if (!utf8_is_plain(line, len))
			fail_msg("a line is not plain UTF-8: %.*s", (int)len, line);
		for (size_t i = 0; i < len; i++)
			width += (line[i] & 0xc0) != 0x80;
		/* What is to be typed stays in one piece. */
		if (columns && width > columns && strncmp(line, "            $ ", 14))
			fail_msg("%zu columns: %.*s", width, (int)len, line);
		line += len + (line[len] == '\n');
	}
}
