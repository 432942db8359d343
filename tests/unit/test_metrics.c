/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics: sums that are exact, counters that never go back, sets of series that are bounded
 * whatever names there are, and both formats. */
#include "report_model.h"

#include "record/schema.h"
#include "report/metrics_table.h"

#define LINE_MAX_BYTES 1024

static const struct metrics_options three = { .prefixes = 3, .redis = true };

/* --- windows of ten seconds --------------------------------------------------------------- */

static struct model *window_new(bool flow)
{
	struct model *m = model_new();

	take_session(m);
	take_sensors(m);
	take_sensor(m, "flow", flow, "");
	model_set_window(m, 0, 10);
	return m;
}

static void take_bytes(struct model *m, enum redmem_event event, const char *command,
		       struct bytes key, double bytes)
{
	struct record record;

	record_clear(&record, RECORD_PROFILE);
	record.profile.event = event;
	record.profile.command = command;
	record.profile.key = key;
	record.profile.samples = 1;
	record.profile.events = bytes;
	record.profile.t_seconds = 1;
	model_take(m, &record);
}

static void metrics_window(struct metrics *metrics, struct model *m)
{
	struct findings *f;

	model_finish(m);
	f = diagnose(m);
	metrics_take(metrics, "cache", m, f);
	findings_free(f);
	model_free(m);
}

static struct buf written(const struct metrics *metrics, bool openmetrics)
{
	struct buf out = { 0 };

	metrics_write(metrics, &out, openmetrics, NULL);
	return out;
}

/* --- reading ------------------------------------------------------------------------------- */

/* The sample of that series, as it is written up to the value; NAN. */
static double sample(const struct buf *text, const char *series)
{
	size_t len = strlen(series);

	for (const char *line = buf_str(text); *line; line = strchr(line, '\n') + 1)
		if (!strncmp(line, series, len) && line[len] == ' ')
			return strtod(line + len, NULL);
	return NAN;
}

static double now(const struct metrics *metrics, const char *series)
{
	struct buf text = written(metrics, false);
	double number = sample(&text, series);

	buf_free(&text);
	return number;
}

/* Of all series of a metric: their sum, and in *@count how many. */
static double sum(const struct buf *text, const char *metric, int *count)
{
	size_t len = strlen(metric);
	double all = 0;

	*count = 0;
	for (const char *line = buf_str(text); *line; line = strchr(line, '\n') + 1) {
		if (strncmp(line, metric, len) != 0 || line[len] != '{')
			continue;
		line = strstr(line, "} ");
		all += strtod(line + 2, NULL);
		(*count)++;
	}
	return all;
}

/* --- about a server -------------------------------------------------------------------------- */

#define ABOUT                                                                    \
	"redmem_server_info{server=\"cache\",name=\"redis\",version=\"7.0.15\"," \
	"allocator=\"jemalloc 5.3.0\",role=\"master\",maxmemory_policy=\"\","

static void window_in(struct metrics *metrics, const char *pod, const char *container,
		      const char *name)
{
	struct model *m = window_new(false);
	struct record record = { .kind = RECORD_TARGET };

	record.target = m->target;
	record.target.pod = pod;
	record.target.container = container;
	record.target.container_name = name;
	take(m, record);
	metrics_window(metrics, m);
}

/* Where it runs is told once a server, and of a pod that is another one by now no more. */
static void test_about(void **state)
{
	struct metrics *metrics = metrics_new(&three);
	struct buf text;
	int count;

	(void)state;
	metrics_window(metrics, window_new(false));
	assert_true(now(metrics, ABOUT "namespace=\"\",pod=\"\",container=\"\"}") == 1);
	window_in(metrics, "shop/cache-0", "3f1c9a4be0d1", "redis");
	assert_true(now(metrics, ABOUT "namespace=\"shop\",pod=\"cache-0\","
				       "container=\"redis\"}") == 1);
	window_in(metrics, "8a2e-77", "3f1c9a4be0d1", "");
	assert_true(now(metrics, ABOUT "namespace=\"\",pod=\"8a2e-77\","
				       "container=\"3f1c9a4be0d1\"}") == 1);
	text = written(metrics, false);
	sum(&text, "redmem_server_info", &count);
	assert_int_equal(count, 1);
	buf_free(&text);
	metrics_free(metrics);
}

/* --- sums ---------------------------------------------------------------------------------- */

static void assert_sums(const struct buf *text, int prefixes_max)
{
	int count;
	double all = sample(text, "redmem_allocated_bytes_total{server=\"cache\"}");
	double gone = sample(text, "redmem_prefix_gone_allocated_bytes_total{server=\"cache\"}");

	assert_true(sum(text, "redmem_prefix_allocated_bytes_total", &count) + gone == all);
	assert_true(count <= prefixes_max + 1);
	assert_true(sum(text, "redmem_command_allocated_bytes_total", &count) == all);
	assert_true(count <= METRICS_COMMANDS + 1);
	all = sample(text, "redmem_freed_bytes_total{server=\"cache\"}");
	gone = sample(text, "redmem_prefix_gone_freed_bytes_total{server=\"cache\"}");
	assert_true(sum(text, "redmem_prefix_freed_bytes_total", &count) + gone == all);
	assert_true(sum(text, "redmem_command_freed_bytes_total", &count) == all);
}

/* What the series that are in both grew by, "other" among them. */
static double grown(const struct buf *before, const struct buf *after, const char *metric)
{
	size_t len = strlen(metric);
	char series[LINE_MAX_BYTES];
	double all = 0;

	for (const char *line = buf_str(after); *line; line = strchr(line, '\n') + 1) {
		double was;

		if (strncmp(line, metric, len) != 0 || line[len] != '{')
			continue;
		snprintf(series, sizeof(series), "%.*s", (int)(strstr(line, "} ") + 1 - line),
			 line);
		was = sample(before, series);
		all += sample(after, series) - (isnan(was) ? 0 : was);
		assert_true(isnan(was) || sample(after, series) >= was);
		assert_true(!isnan(was) || sample(after, series) == 0);
	}
	return all;
}

/* Words of which some come, grow and go: more names than series, not whole bytes. */
static void take_wave(struct model *m, int turn)
{
	static const char *const words[] = { "cart",  "user",  "session", "feed", "queue",
					     "image", "token", "order",	  "price" };

	for (int i = 0; i < 9; i++) {
		char key[64];
		double bytes = 1000.3 * (1 + (turn * 7 + i * 5) % 11) * (i == turn / 60 ? 400 : 1);

		if ((turn + i) % 4 == 0)
			continue;
		snprintf(key, sizeof(key), "%s:%d", words[i], 1000 + turn);
		take_bytes(m, EVENT_ALLOC, i % 2 ? "set" : "hset", key_of(key), bytes);
		take_bytes(m, EVENT_FREE, "del", key_of(key), bytes / 3);
	}
	take_bytes(m, EVENT_ALLOC, "", (struct bytes){ 0 }, 333.3);
}

static void test_sums(void **state)
{
	struct metrics *metrics = metrics_new(&three);
	struct buf before = { 0 }, after;
	double gone = 0;

	(void)state;
	for (int turn = 0; turn < 600; turn++) {
		struct model *m = window_new(true);
		double all;

		take_wave(m, turn);
		metrics_window(metrics, m);
		after = written(metrics, false);
		assert_sums(&after, three.prefixes);
		all = sample(&after, "redmem_allocated_bytes_total{server=\"cache\"}") -
		      sample(&before, "redmem_allocated_bytes_total{server=\"cache\"}");
		if (turn > 0)
			assert_true(grown(&before, &after, "redmem_prefix_allocated_bytes_total") ==
				    all);
		buf_free(&before);
		before = after;
	}
	gone = sample(&before, "redmem_prefix_gone_allocated_bytes_total{server=\"cache\"}");
	assert_true(gone > 0); /* the waves took each other's place */
	buf_free(&before);
	metrics_free(metrics);
}

static void window_of(struct metrics *metrics, const char *key, double bytes)
{
	struct model *m = window_new(true);

	take_bytes(m, EVENT_ALLOC, "set", key_of(key), bytes);
	metrics_window(metrics, m);
}

#define PREFIX(name) "redmem_prefix_allocated_bytes_total{server=\"cache\",prefix=\"" name "\"}"

static void test_late_name_begins_at_0(void **state)
{
	struct metrics *metrics = metrics_new(&three);

	(void)state;
	window_of(metrics, "old:1", 100000);
	assert_true(now(metrics, PREFIX("old:*")) == 100000);
	window_of(metrics, "new:1", 5000);
	assert_true(now(metrics, PREFIX("new:*")) == 0);
	assert_true(now(metrics, PREFIX("other")) == 5000);
	window_of(metrics, "new:2", 7000);
	assert_true(now(metrics, PREFIX("new:*")) == 7000);
	assert_true(now(metrics, PREFIX("other")) == 5000);
	metrics_free(metrics);
}

/* A series goes only for who moves more at once than its prefix in ten minutes. */
static void test_who_gives_way(void **state)
{
	struct metrics *metrics = metrics_new(&(struct metrics_options){ .prefixes = 1 });

	(void)state;
	window_of(metrics, "small:1", 1000);
	window_of(metrics, "big:1", 1e9);
	assert_true(now(metrics, PREFIX("small:*")) == 1000); /* it is too new to go */
	for (int i = 0; i < 60; i++)
		window_of(metrics, "small:1", 1000);
	window_of(metrics, "tiny:1", 10000); /* less than it in ten minutes */
	assert_true(now(metrics, PREFIX("small:*")) == 61000);
	window_of(metrics, "big:1", 1e9);
	assert_true(isnan(now(metrics, PREFIX("small:*"))));
	assert_true(now(metrics, PREFIX("big:*")) == 0);
	assert_true(now(metrics, "redmem_prefix_gone_allocated_bytes_total{server=\"cache\"}") ==
		    61000);
	window_of(metrics, "big:1", 1e9);
	assert_true(now(metrics, PREFIX("big:*")) == 1e9);
	metrics_free(metrics);
}

static void test_no_prefixes(void **state)
{
	struct metrics *metrics = metrics_new(&(struct metrics_options){ 0 });
	struct buf text;
	int count;

	(void)state;
	window_of(metrics, "a:1", 100);
	window_of(metrics, "b:1", 100);
	text = written(metrics, false);
	assert_sums(&text, 0);
	sum(&text, "redmem_prefix_allocated_bytes_total", &count);
	assert_int_equal(count, 1);
	buf_free(&text);
	metrics_free(metrics);
}

/* --- names ------------------------------------------------------------------------------------ */

/* What a line of either format may be. Returns where its value begins. */
static const char *assert_line(const char *line)
{
	bool quoted = false;

	assert_true(utf8_is_plain(line, strcspn(line, "\n")));
	for (; *line && *line != '\n'; line++) {
		if (quoted && *line == '\\')
			assert_non_null(strchr("\\\"n", *++line));
		else if (*line == '"')
			quoted = !quoted;
		else if (!quoted && *line == ' ')
			break;
	}
	assert_false(quoted);
	return line;
}

static void assert_format(const struct buf *text)
{
	for (const char *line = buf_str(text); *line; line = strchr(line, '\n') + 1) {
		char *end;

		assert_true(strcspn(line, "\n") < LINE_MAX_BYTES);
		if (*line == '#')
			continue;
		strtod(assert_line(line), &end);
		assert_int_equal(*end, '\n');
	}
}

static void assert_no_twins(const struct buf *text)
{
	for (const char *line = buf_str(text); *line; line = strchr(line, '\n') + 1) {
		size_t len = (size_t)(assert_line(line) - line);

		if (*line == '#')
			continue;
		for (const char *next = strchr(line, '\n') + 1; *next;
		     next = strchr(next, '\n') + 1)
			if (!strncmp(line, next, len + 1))
				fail_msg("twice: %.*s", (int)len, line);
	}
}

static void test_hostile_names(void **state)
{
	static const char *const names[] = {
		"quote\"and\\back:1",
		"line\nbreak:1",
		"\x1b[31mred:1",
		"\xff\xfe\xc0:1",
		"other",
		"\xe2\x80\xae"
		"bidi:1",
		"}\" 1\nredmem_up 0\n#:1",
		"caf\xc3\xa9:1",
		"",
		"a\xc3",
	};
	const struct metrics_options many = { .prefixes = 100 };
	struct metrics *metrics = metrics_new(&many);
	struct model *m = window_new(true);
	char longest[RECORD_KEY_MAX * 8];
	struct buf text;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		take_bytes(m, EVENT_ALLOC, "set", key_of(names[i]), 1000);
		take_bytes(m, EVENT_ALLOC, names[i], key_of("k:1"), 1000);
	}
	memset(longest, '\x01', sizeof(longest));
	take_bytes(m, EVENT_ALLOC, "set", (struct bytes){ longest, sizeof(longest) }, 1000);
	longest[sizeof(longest) - 1] = '\x02'; /* the same as far as a label goes */
	take_bytes(m, EVENT_ALLOC, "set", (struct bytes){ longest, sizeof(longest) }, 1000);
	metrics_window(metrics, m);
	text = written(metrics, false);
	assert_format(&text);
	assert_no_twins(&text);
	assert_sums(&text, many.prefixes);
	assert_true(sample(&text, PREFIX("caf\xc3\xa9:*")) == 1000);
	assert_true(sample(&text, PREFIX("quote\\\\\\\"and\\\\\\\\back:*")) == 1000);
	/* a key of that name, and what has no key */
	assert_true(sample(&text, PREFIX("other")) == 2000);
	buf_free(&text);
	metrics_free(metrics);
}

static void test_hostile_server(void **state)
{
	struct metrics *metrics = metrics_new(&three);
	struct buf text = { 0 };

	(void)state;
	metrics_state(metrics, "a\"\n\\ \xff", "starting", false);
	metrics_state(metrics, "b", "starting", false);
	metrics_write(metrics, &text, false, "a\"\n\\ \xff");
	assert_format(&text);
	assert_true(sample(&text, "redmem_up{server=\"a\\\\\\\"\\\\n\\\\\\\\ \\\\xff\"}") == 0);
	assert_has_not(&text, "server=\"b\"");
	assert_has_not(&text, "redmem_build_info");
	buf_free(&text);
	metrics_write(metrics, &text, false, "nobody");
	assert_int_equal(text.len, 0);
	buf_free(&text);
	metrics_free(metrics);
}

/* Names without end: commands and errors have a bound, too. */
static void test_many_names(void **state)
{
	struct metrics *metrics = metrics_new(&three);
	struct buf text;
	int count;

	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		struct model *m = window_new(true);

		for (int i = 0; i < 200; i++) {
			char name[32];

			snprintf(name, sizeof(name), "command%d", turn * 200 + i);
			take_bytes(m, EVENT_ALLOC, name, key_of("k:1"), 100);
		}
		metrics_window(metrics, m);
	}
	text = written(metrics, false);
	sum(&text, "redmem_command_allocated_bytes_total", &count);
	assert_int_equal(count, METRICS_COMMANDS + 1);
	assert_sums(&text, three.prefixes);
	buf_free(&text);
	metrics_free(metrics);
}

/* --- what becomes of what --------------------------------------------------------------------- */

static void take_stalls(struct model *m, enum redmem_cause cause, double seconds, bool running)
{
	struct record record = { .kind = RECORD_STALL,
				 .stall = { .t_seconds = 1,
					    .duration_seconds = seconds,
					    .running = running,
					    .command = "del",
					    .inner = "",
					    .commands_total = RECORD_UNKNOWN,
					    .preemptor_pid = RECORD_UNKNOWN,
					    .fork_ns = RECORD_UNKNOWN } };

	record_blame(&record.stall, cause, seconds);
	model_take(m, &record);
}

static void test_histogram(void **state)
{
	struct metrics *metrics = metrics_new(&three);
	struct model *m = window_new(false);
	struct buf text;

	(void)state;
	metrics_window(metrics, m);
	assert_true(now(metrics, "redmem_stall_seconds_count{server=\"cache\",cause=\"fork\"}") ==
		    0);
	m = window_new(false);
	take_stalls(m, CAUSE_FAULT_SWAP, 0.02, false);
	take_stalls(m, CAUSE_FAULT_SWAP, 0.5, false);
	take_stalls(m, CAUSE_FAULT_SWAP, 60, false);
	take_stalls(m, CAUSE_FAULT_SWAP, 7, true); /* it counts when it is over */
	metrics_window(metrics, m);
	text = written(metrics, false);
#define STALL(part) "redmem_stall_seconds_" part "{server=\"cache\",cause=\"fault_swap\""
	assert_true(sample(&text, STALL("bucket") ",le=\"0.01\"}") == 0);
	assert_true(sample(&text, STALL("bucket") ",le=\"0.03\"}") == 1);
	assert_true(sample(&text, STALL("bucket") ",le=\"1.0\"}") == 2);
	assert_true(sample(&text, STALL("bucket") ",le=\"10.0\"}") == 2);
	assert_true(sample(&text, STALL("bucket") ",le=\"+Inf\"}") == 3);
	assert_true(sample(&text, STALL("count") "}") == 3);
	assert_true(sample(&text, STALL("sum") "}") == 60.52);
	buf_free(&text);
	metrics_free(metrics);
}

static void test_call_times(void **state)
{
	struct metrics *metrics = metrics_new(&three);
	struct model *m = window_new(true);
	struct record record;
	struct buf text;

	(void)state;
	record_clear(&record, RECORD_CALL);
	record.call.function = CALL_MALLOC;
	record.call.command = "set";
	record.call.requested_bytes = 100;
	record.call.class_bytes = 128;
	record.call.ns = 250;
	model_take(m, &record);
	record.call.ns = 5000000;
	model_take(m, &record);
	metrics_window(metrics, m);
	text = written(metrics, false);
#define CALLS(part) "redmem_allocation_seconds_" part "{server=\"cache\",command=\"set\""
	assert_true(sample(&text, CALLS("bucket") ",le=\"1e-07\"}") == 0);
	assert_true(sample(&text, CALLS("bucket") ",le=\"3e-07\"}") == 1);
	assert_true(sample(&text, CALLS("bucket") ",le=\"0.001\"}") == 1);
	assert_true(sample(&text, CALLS("bucket") ",le=\"0.01\"}") == 2);
	assert_true(sample(&text, CALLS("count") "}") == 2);
	assert_true(sample(&text, CALLS("sum") "}") == 0.00500025);
	assert_has_not(&text,
		       "redmem_allocation_seconds_count{server=\"cache\",command=\"other\"}");
	buf_free(&text);
	metrics_free(metrics);
}

static void metrics_findings(struct metrics *metrics, const char *id, enum severity severity)
{
	struct finding one = { .id = id, .severity = severity };
	struct findings f = { &one, id != NULL };
	struct model *m = window_new(false);

	model_finish(m);
	metrics_take(metrics, "cache", m, &f);
	model_free(m);
}

static void test_findings(void **state)
{
	static const char *const series =
		"redmem_finding{server=\"cache\",id=\"swap.in_path\",severity=\"critical\"}";
	struct metrics *metrics = metrics_new(&three);

	(void)state;
	metrics_findings(metrics, NULL, 0);
	assert_true(isnan(now(metrics, series)));
	metrics_findings(metrics, "swap.in_path", SEVERITY_CRITICAL);
	for (int i = 0; i < 6; i++) { /* a minute */
		assert_true(now(metrics, series) == 1);
		metrics_findings(metrics, NULL, 0);
	}
	assert_true(now(metrics, series) == 0);
	metrics_findings(metrics, "swap.in_path", SEVERITY_CRITICAL);
	assert_true(now(metrics, series) == 1);
	/* The server has gone, and with it all that was found. */
	metrics_end_findings(metrics, "cache");
	metrics_end_findings(metrics, "nobody");
	assert_true(now(metrics, series) == 0);
	metrics_findings(metrics, "swap.in_path", SEVERITY_CRITICAL);
	assert_true(now(metrics, series) == 1);
	metrics_free(metrics);
}

static void test_states(void **state)
{
	struct metrics *metrics = metrics_new(&three);

	(void)state;
	metrics_state(metrics, "cache", "starting", false);
	assert_true(now(metrics, "redmem_up{server=\"cache\"}") == 0);
	assert_true(now(metrics, "redmem_servers") == 1);
	metrics_state(metrics, "cache", "attributed", true);
	metrics_findings(metrics, NULL, 0);
	assert_true(now(metrics, "redmem_up{server=\"cache\"}") == 1);
	assert_true(now(metrics, "redmem_server_state{server=\"cache\",state=\"starting\"}") == 0);
	assert_true(now(metrics, "redmem_server_state{server=\"cache\",state=\"attributed\"}") ==
		    1);
	metrics_forget(metrics, "cache");
	metrics_forget(metrics, "cache");
	assert_true(now(metrics, "redmem_servers") == 0);
	assert_true(isnan(now(metrics, "redmem_up{server=\"cache\"}")));
	metrics_free(metrics);
}

/* Absent, not 0; and a counter that was known stays. */
static void test_unknown(void **state)
{
	struct metrics *metrics = metrics_new(&three);
	struct buf text;

	(void)state;
	metrics_window(metrics, window_new(false));
	text = written(metrics, false);
	assert_has_not(&text, "redmem_allocated_bytes_total");
	assert_has_not(&text, "redmem_ledger_bytes");
	assert_has_not(&text, "redis_");
	assert_has(&text, "redmem_sensor_on{server=\"cache\",sensor=\"flow\"} 0\n");
	buf_free(&text);
	window_of(metrics, "a:1", 100);
	metrics_window(metrics, window_new(false));
	assert_true(now(metrics, "redmem_allocated_bytes_total{server=\"cache\"}") == 100);
	metrics_free(metrics);
}

static void take_info(struct model *m, const char *info)
{
	model_take(m, &(struct record){ .kind = RECORD_INFO,
					.info = { .t_seconds = 9, .phase = "end", .text = info } });
}

static void test_redis(void **state)
{
	static const char *const info = "used_memory:1000\r\nmem_fragmentation_ratio:1.25\r\n"
					"latest_fork_usec:2500\r\nevicted_keys:7\r\n"
					"db0:keys=1000,expires=0,avg_ttl=0\r\n";
	struct metrics *metrics = metrics_new(&three);
	struct model *m = window_new(false);

	(void)state;
	take_info(m, info);
	metrics_window(metrics, m);
	assert_true(now(metrics, "redis_memory_used_bytes{server=\"cache\"}") == 1000);
	assert_true(now(metrics, "redis_mem_fragmentation_ratio{server=\"cache\"}") == 1.25);
	assert_true(now(metrics, "redis_latest_fork_seconds{server=\"cache\"}") == 0.0025);
	assert_true(now(metrics, "redis_evicted_keys_total{server=\"cache\"}") == 7);
	/* 2,048 places of 8 bytes behind the 1,024 that hold 1,000 */
	assert_true(now(metrics, "redmem_next_table_growth_bytes{server=\"cache\"}") == 16384);
	metrics_free(metrics);
	metrics = metrics_new(&(struct metrics_options){ .prefixes = 3 });
	m = window_new(false);
	take_info(m, info);
	metrics_window(metrics, m);
	assert_true(isnan(now(metrics, "redis_memory_used_bytes{server=\"cache\"}")));
	/* Wanted from now on. */
	metrics_redis(metrics, true);
	m = window_new(false);
	take_info(m, info);
	metrics_window(metrics, m);
	assert_true(now(metrics, "redis_memory_used_bytes{server=\"cache\"}") == 1000);
	metrics_free(metrics);
}

static void test_self(void **state)
{
	const struct metrics_self self = {
		.watcher = { 1.5, 10 << 20 },
		.keeper = { NAN, RECORD_UNKNOWN },
		.bpf_elsewhere_seconds = NAN,
		.lost_windows = 2,
	};
	struct metrics *metrics = metrics_new(&three);
	struct buf text;

	(void)state;
	metrics_self(metrics, &self);
	text = written(metrics, false);
	assert_has(&text, "redmem_self_cpu_seconds_total{process=\"watcher\"} 1.5\n");
	assert_has(&text, "redmem_self_resident_bytes{process=\"watcher\"} 10485760\n");
	assert_has(&text, "redmem_lost_windows_total 2\n");
	assert_has_not(&text, "keeper");
	assert_has_not(&text, "redmem_history");
	buf_free(&text);
	metrics_free(metrics);
}

/* --- formats --------------------------------------------------------------------------------- */

static void test_openmetrics(void **state)
{
	struct metrics *metrics = metrics_new(&three);
	struct buf text;

	(void)state;
	window_of(metrics, "a:1", 100);
	text = written(metrics, true);
	assert_format(&text);
	assert_string_equal(text.data + text.len - 6, "# EOF\n");
	assert_has(&text,
		   "# TYPE redmem_allocated_bytes counter\n# UNIT redmem_allocated_bytes bytes\n"
		   "redmem_allocated_bytes_total{server=\"cache\"} 100\n");
	assert_has(&text,
		   "# TYPE redmem_stall_seconds histogram\n# UNIT redmem_stall_seconds seconds\n");
	assert_has(&text, "# TYPE redmem_build info\nredmem_build_info{version=");
	buf_free(&text);
	text = written(metrics, false);
	assert_has(&text, "# TYPE redmem_allocated_bytes_total counter\nredmem_allocated");
	assert_has(&text, "# TYPE redmem_build_info gauge\n");
	assert_has_not(&text, "# EOF");
	assert_has_not(&text, "# UNIT");
	buf_free(&text);
	metrics_free(metrics);
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len > n && !strcmp(name + len - n, end);
}

static void assert_metric(const struct metric *metric)
{
	assert_true(*metric->help != '\0');
	assert_null(strpbrk(metric->help, "\\\n\""));
	assert_int_equal(metric->type == METRIC_COUNTER, ends_with(metric->name, "_total"));
	assert_int_equal(metric->type == METRIC_INFO, ends_with(metric->name, "_info"));
	if (metric->type == METRIC_HISTOGRAM)
		assert_non_null(metric->bounds);
}

static void test_table(void **state)
{
	struct buf list = { 0 };

	(void)state;
	metrics_manual(&list);
	for (size_t i = 0; i < metrics_own.count; i++) {
		const struct metric *metric = &metrics_own.metric[i];
		bool found = !metric->gone;

		assert_metric(metric);
		for (size_t n = 0; n < metrics_own.count; n++) {
			found |= metric->gone && !strcmp(metrics_own.metric[n].name, metric->gone);
			assert_true(n == i ||
				    strcmp(metrics_own.metric[n].name, metric->name) != 0);
		}
		assert_true(found);
		assert_has(&list, metric->name);
	}
	for (size_t i = 0; i < metrics_of_redis.count; i++)
		assert_metric(&metrics_of_redis.metric[i]);
	buf_free(&list);
}

/* --- a scheduled pass ------------------------------------------------------------------------ */

static void take_passed(struct model *m, const char *what, const char *name, int64_t bytes)
{
	struct record record;

	record_clear(&record, RECORD_PASSED);
	record.passed.t_seconds = 5;
	record.passed.what = what;
	record.passed.key = (struct bytes){ name, strlen(name) };
	record.passed.keys_total = 7;
	record.passed.bytes = bytes;
	record.passed.end = "complete";
	record.passed.seconds = 2;
	model_take(m, &record);
}

/* What prefixes have stays until the next pass, and then goes with those that are gone; no key is
 * named. */
static void test_pass(void **state)
{
	static const char user[] = "redmem_pass_bytes{server=\"cache\",prefix=\"user:*\"}";
	static const char cart[] = "redmem_pass_bytes{server=\"cache\",prefix=\"cart:*\"}";
	struct metrics *metrics = metrics_new(&three);
	struct model *m = window_new(true);
	struct buf text;

	(void)state;
	take_passed(m, "all", "", 1500);
	take_passed(m, "prefix", "user:*", 1000);
	take_passed(m, "prefix", "cart:*", 500);
	take_passed(m, "key", "user:secret", 900);
	metrics_window(metrics, m);
	assert_true(now(metrics, user) == 1000 && now(metrics, cart) == 500);
	assert_true(now(metrics, "redmem_pass_complete{server=\"cache\"}") == 1);
	metrics_window(metrics, window_new(true));
	assert_true(now(metrics, user) == 1000 && now(metrics, cart) == 500);
	m = window_new(true);
	take_passed(m, "all", "", 1100);
	take_passed(m, "prefix", "user:*", 1100);
	metrics_window(metrics, m);
	assert_true(now(metrics, user) == 1100 && isnan(now(metrics, cart)));
	text = written(metrics, false);
	assert_null(strstr(buf_str(&text), "secret"));
	buf_free(&text);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_about),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_late_name_begins_at_0),
		cmocka_unit_test(test_who_gives_way),
		cmocka_unit_test(test_no_prefixes),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_hostile_server),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_call_times),
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_redis),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
