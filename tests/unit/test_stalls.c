/* SPDX-License-Identifier: BSD-2-Clause */
/* Stalls joined with the server's own word, summed up, advised on, and written out. */
#include "report_model.h"

#include <malloc.h>
#include <stdio.h>

#include "diagnose/advice.h"
#include "model/stalls.h"
#include "model/stall_context.h"

#define WALL_SECONDS 1767225600 /* of take_session() */

/* Judged already: all of it the command's own. */
static struct stall stall_of(const char *command, const char *key, double seconds)
{
	return (struct stall){ .t_seconds = 2,
			       .duration_seconds = seconds,
			       .command = command,
			       .inner = "",
			       .key = key_of(key),
			       .seconds = { [CAUSE_COMMAND] = seconds },
			       .activity = { { "", NAN }, { "", NAN } },
			       .commands_total = RECORD_UNKNOWN,
			       .wait_call = "",
			       .wait_file = "",
			       .preemptor = "",
			       .preemptor_pid = RECORD_UNKNOWN,
			       .freed_bytes = RECORD_UNKNOWN };
}

static void take_slow(struct model *m, int64_t id, double seconds, int64_t after,
		      const char *command)
{
	take(m, (struct record){ .kind = RECORD_SLOWLOG,
				 .slowlog = { .id = id,
					      .unix_seconds = WALL_SECONDS + after,
					      .seconds = seconds,
					      .command = command,
					      .client = key_of("10.0.0.7:4242"),
					      .client_name = key_of("worker") } });
}

static struct model *model_of_session(void)
{
	struct model *m = model_new();

	take_session(m);
	take_sensors(m);
	return m;
}

/* --- joins ----------------------------------------------------------------- */

static void test_slowlog(void **state)
{
	struct model *m = model_of_session();
	struct stall stall = stall_of("del", "big", 0.5);

	(void)state;
	assert_null(stall_slowlog(m, &stall));
	take_slow(m, 1, 0.49, 2, "hgetall"); /* another command */
	take_slow(m, 2, 0.49, 9, "del"); /* another time */
	take_slow(m, 3, 0.01, 2, "del"); /* another length */
	assert_null(stall_slowlog(m, &stall));
	take_slow(m, 4, 0.40, 2, "del");
	take_slow(m, 5, 0.48, 2, "del"); /* nearer */
	take_slow(m, 6, 0.70, 3, "del");
	assert_int_equal(stall_slowlog(m, &stall)->id, 5);
	stall.command = "config|get";
	take_slow(m, 7, 0.5, 2, "config");
	assert_int_equal(stall_slowlog(m, &stall)->id, 7);
	stall.command = ""; /* the loop itself is in no log */
	assert_null(stall_slowlog(m, &stall));
	model_free(m);
}

static void test_latency(void **state)
{
	struct model *m = model_of_session();
	struct stall stall = stall_of("", "", 0.05);
	struct record record = { .kind = RECORD_LATENCY };

	(void)state;
	record.latency = (struct record_latency){ "expire-cycle", WALL_SECONDS + 2, 0.05, 0.05 };
	take(m, record);
	take(m, record); /* asked twice */
	assert_int_equal(m->latency_count, 1);
	assert_string_equal(stall_latency(m, &stall)->event, "expire-cycle");
	stall.duration_seconds = 0.08;
	assert_null(stall_latency(m, &stall));
	model_free(m);
}

static void take_key(struct model *m, const char *name, const char *type, int64_t bytes)
{
	take(m, (struct record){ .kind = RECORD_KEY,
				 .key = { .key = key_of(name),
					  .type = type,
					  .encoding = "skiplist",
					  .bytes = bytes,
					  .elements = 3000000,
					  .ttl_seconds = -1 } });
}

/* The last look counts. */
static void test_key(void **state)
{
	struct model *m = model_of_session();
	struct stall stall = stall_of("zrange", "big", 0.5);

	(void)state;
	assert_null(stall_key(m, &stall));
	take_key(m, "big", "zset", 100);
	take_key(m, "other", "zset", 1);
	take_key(m, "big", "none", RECORD_UNKNOWN);
	assert_int_equal(m->keys_count, 2);
	assert_string_equal(stall_key(m, &stall)->type, "none");
	stall.key.len = 0;
	assert_null(stall_key(m, &stall));
	model_free(m);
}

/* --- sums ------------------------------------------------------------------- */

static void test_sums(void **state)
{
	struct stall a = stall_of("del", "user:1", 0.5), b = stall_of("get", "user:2", 0.2);
	struct stall c = stall_of("", "", 0.1);
	struct stall_sum sum = { 0 };

	(void)state;
	a.seconds[CAUSE_COMMAND] = 0.1;
	a.seconds[CAUSE_ALLOCATOR] = 0.4;
	c.seconds[CAUSE_COMMAND] = 0;
	c.seconds[CAUSE_IO_WAIT] = 0.1;
	stall_sum_add(&sum, &b);
	stall_sum_add(&sum, &a);
	stall_sum_add(&sum, &c);
	stall_sum_sort(&sum);
	assert_int_equal(sum.stalls_total, 3);
	assert_true(fabs(sum.seconds - 0.8) < 1e-9);
	assert_true(sum.longest_seconds == 0.5);
	assert_string_equal(sum.longest_command, "del");
	assert_string_equal(buf_str(&sum.longest_key), "user:1");
	assert_int_equal(sum.causes_count, 3);
	assert_int_equal(sum.causes[0].cause, CAUSE_ALLOCATOR);
	assert_int_equal(sum.causes[0].stalls_total, 1);
	assert_int_equal(sum.causes[1].cause, CAUSE_COMMAND);
	assert_int_equal(sum.causes[1].stalls_total, 1); /* of b; in a it was the smaller one */
	assert_true(fabs(sum.causes[1].seconds - 0.3) < 1e-9);
	assert_int_equal(sum.prefixes_count, 1);
	assert_string_equal(sum.prefixes[0].name, "user:*");
	assert_int_equal(sum.prefixes[0].stalls_total, 2);
	stall_sum_free(&sum);
}

/* --- advice ------------------------------------------------------------------ */

static void assert_advice(const struct model *m, const struct stall *stall, const char *words)
{
	struct buf text = { 0 };

	advice_stall(&text, m, stall);
	if (!strstr(buf_str(&text), words))
		fail_msg("no \"%s\" in: %s", words, buf_str(&text));
	buf_free(&text);
}

static void test_advice(void **state)
{
	struct model *m = model_of_session();
	struct stall stall = stall_of("hgetall", "h", 1);

	(void)state;
	take(m, (struct record){ .kind = RECORD_CONFIG, .config = { "appendfsync", "always" } });
	take(m, (struct record){ .kind = RECORD_CONFIG,
				 .config = { "lazyfree-lazy-user-del", "no" } });
	assert_advice(m, &stall, "HSCAN");
	stall = stall_of("del", "z", 1.8);
	stall.seconds[CAUSE_COMMAND] = 0.5;
	stall.seconds[CAUSE_ALLOCATOR] = 1.3;
	stall.activity[0].words = "freeing";
	assert_advice(m, &stall, "UNLINK");
	assert_advice(m, &stall, "lazyfree-lazy-user-del yes");
	assert_advice(m, &stall, "1.3 s of the 1.8 s");
	stall = stall_of("get", "k", 1);
	stall.seconds[CAUSE_CPU_WAIT] = 2;
	stall.preemptor = "stress";
	stall.preemptor_pid = 77;
	assert_advice(m, &stall, "stress (process 77)");
	stall.preemptor = "";
	stall.preemptor_pid = 0;
	assert_advice(m, &stall, "quota");
	stall = stall_of("", "", 1);
	stall.seconds[CAUSE_IO_WAIT] = 2;
	stall.wait_call = "fdatasync";
	stall.wait_file = "/var/lib/redis/appendonlydir/appendonly.aof.1.incr.aof";
	assert_advice(m, &stall, "everysec");
	stall = stall_of("", "", 1);
	stall.commands_total = 10000;
	assert_advice(m, &stall, "10,000 commands");
	stall = stall_of("get", "k", 1);
	stall.seconds[CAUSE_FAULT_SWAP] = 2;
	assert_advice(m, &stall, "in swap");
	stall = stall_of("", "", 1);
	stall.seconds[CAUSE_EVICTION] = 2;
	assert_advice(m, &stall, "maxmemory");
	model_free(m);
}

/* --- reports ------------------------------------------------------------------ */

static void test_text(void **state)
{
	const struct report_style style = { .columns = 200 };
	struct model *m = model_of_session();
	struct stall stall = stall_of("del", "leaderboard:global", 0.5);
	struct buf text = { 0 };

	(void)state;
	take_slow(m, 1, 0.45, 2, "del");
	take_key(m, "leaderboard:global", "zset", 5 << 20);
	stall.preemptor = "stress\033[31m";
	stall.preemptor_pid = 7;
	stall.seconds[CAUSE_CPU_WAIT] = 0.2;
	report_stall_text(&text, m, &stall, &style);
	assert_has(&text, "2026-01-01T00:00:02.000Z  500 ms  DEL leaderboard:global");
	assert_has(&text, "zset, skiplist, 3,000,000 elements, 5.0 MiB");
	assert_has(&text, "SLOWLOG has 450 ms: it leaves out");
	assert_has(&text, "client 10.0.0.7:4242 named worker");
	assert_has(&text, "CPU taken by stress");
	assert_has_not(&text, "less in use");
	assert_has_not(&text, "\033");
	buf_clear(&text);
	stall.preemptor = "";
	stall.preemptor_pid = 0;
	report_stall_text(&text, m, &stall, &style);
	assert_has(&text, "CPU taken by nobody: a CPU quota, or the hypervisor");
	buf_clear(&text);
	stall = stall_of("flushall", "", 0.3);
	stall.activity[0].words = "freeing";
	stall.freed_bytes = 300 << 20;
	report_stall_text(&text, m, &stall, &style);
	assert_has(&text, "    300.0 MiB less in use than before");
	buf_clear(&text);
	stall = stall_of("", "", 0.02);
	stall.commands_total = 9876;
	stall.mix[0] = (struct stall_share){ "set", 0.62 };
	stall.mix[1] = (struct stall_share){ "get", 0.38 };
	stall.mix_count = 2;
	report_stall_text(&text, m, &stall, &style);
	assert_has(&text, "9,876 commands in one turn of the loop: SET 62 %, GET 38 %");
	buf_clear(&text);
	stall = stall_of("del", "leaderboard:global", 1.9);
	stall.activity[0] = (struct stall_activity){ "freeing", 1.596 };
	stall.activity[1] = (struct stall_activity){ "giving pages back", 0.228 };
	report_stall_live(&text, &stall);
	assert_string_equal(buf_str(&text), "1.9 s so far: DEL leaderboard:global, 84 % freeing, "
					    "12 % giving pages back");
	buf_free(&text);
	model_free(m);
}

static void test_json(void **state)
{
	struct model *m = model_of_session();
	struct stall stall = stall_of("del", "big\xff", 0.5);
	struct stall_sum sum = { 0 };
	struct buf text = { 0 };
	json_t *row;

	(void)state;
	take_slow(m, 1, 0.45, 2, "del");
	stall.mix[0] = (struct stall_share){ "set", 0.62 };
	stall.mix[1] = (struct stall_share){ "get", 0.38 };
	stall.mix_count = 2;
	report_stall_json(&text, m, &stall);
	assert_int_equal(strcspn(buf_str(&text), "\n"), text.len - 1);
	row = json_loads(buf_str(&text), 0, NULL);
	assert_non_null(row);
	assert_non_null(json_object_get(row, "key_base64"));
	assert_true(json_real_value(json_object_get(row, "slowlog_seconds")) == 0.45);
	assert_int_equal(json_array_size(json_object_get(row, "mix")), 2);
	assert_true(json_is_null(json_object_get(row, "key_now")));
	assert_true(json_is_null(json_object_get(row, "hog")));
	json_decref(row);
	buf_clear(&text);
	model_finish(m);
	report_stalls_end_json(&text, m, &sum, NULL);
	row = json_loads(buf_str(&text), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(row, "schema")), "redmem.stalls/1");
	assert_true(json_is_null(json_object_get(row, "longest")));
	json_decref(row);
	buf_free(&text);
	model_free(m);
}

static void test_summary_text(void **state)
{
	const struct report_style style = { .columns = 100 };
	struct stall stall = stall_of("del", "user:1", 0.5);
	struct model *m = model_of_session();
	struct stall_sum sum = { 0 };
	struct buf text = { 0 };

	(void)state;
	model_finish(m);
	report_stalls_end_text(&text, m, &sum, &style);
	assert_has(&text, "0 stalls in ");
	buf_clear(&text);
	stall_sum_add(&sum, &stall);
	report_stalls_end_text(&text, m, &sum, &style);
	assert_has(&text, "500 ms blocked in all, longest 500 ms (DEL user:1).");
	assert_has(&text, "own computing");
	assert_has(&text, "user:*");
	buf_free(&text);
	stall_sum_free(&sum);
	model_free(m);
}

/* --- for months --------------------------------------------------------------- */

static size_t memory_in_use(void)
{
	return mallinfo2().uordblks;
}

/* What a server says between two stalls whose slow log turns over: entries and keys that
 * were never there before. */
static void say(struct stall_context *context, int64_t i)
{
	char key[64], client[64], command[32];
	struct record record = { .kind = RECORD_SLOWLOG };

	snprintf(key, sizeof(key), "k%016llx", (unsigned long long)i * 0x9e3779b97f4a7c15);
	snprintf(client, sizeof(client), "10.0.0.7:%lld", (long long)i);
	snprintf(command, sizeof(command), "c%lld", (long long)i % 300);
	record.slowlog = (struct record_slowlog){ .id = i,
						  .unix_seconds = WALL_SECONDS + i,
						  .seconds = 0.1,
						  .command = command,
						  .key = key_of(key),
						  .client = key_of(client),
						  .client_name = key_of("") };
	stall_context_take(context, &record);
	record = (struct record){ .kind = RECORD_LATENCY,
				  .latency = { "command", WALL_SECONDS + i, 0.1, 0.2 } };
	stall_context_take(context, &record);
	record = (struct record){
		.kind = RECORD_KEY,
		.key = { .key = key_of(key), .type = "string", .encoding = "raw" }
	};
	stall_context_take(context, &record);
	record = (struct record){ .kind = RECORD_SELF, .self = { .drops = "", .drops_total = i } };
	stall_context_take(context, &record);
}

/* Of letters that are no hex: nothing of it is folded. */
static void name_without_parts(char key[16], uint64_t n)
{
	for (int i = 0; i < 12; i++, n /= 16)
		key[i] = (char)('g' + n % 16);
	key[12] = '\0';
}

static void test_constant_space(void **state)
{
	struct stall_context *context = stall_context_new();
	struct stall_sum sum = { 0 };
	size_t most[2] = { 0 }; /* in the first tenth, and later */
	char key[64];
	size_t used;

	(void)state;
	stall_context_take(context, &(struct record){ .kind = RECORD_SESSION,
						      .session = { .wall_start_ns = 1,
								   .redmem_version = "",
								   .kernel = "6.1.0",
								   .machine = "" } });
	for (int64_t i = 0; i < 60000; i++) {
		struct stall stall;

		say(context, i);
		name_without_parts(key, (uint64_t)i);
		stall = stall_of("del", key, 0.01);
		stall_sum_add(&sum, &stall);
		stall_context_renew(context);
		used = memory_in_use();
		most[i >= 6000] = used > most[i >= 6000] ? used : most[i >= 6000];
	}
#ifndef SANITIZED /* which has its own malloc, and tells nothing of it */
	assert_true(most[1] < most[0] + most[0] / 2); /* ten times as much without an end to it */
#endif
	assert_true(stall_context_model(context)->slowlog_count < 2000);
	/* What describes a state is not forgotten, and nothing falls out of a sum. */
	assert_string_equal(stall_context_model(context)->session.kernel, "6.1.0");
	assert_int_equal(stall_context_model(context)->self.drops_total, 59999);
	assert_true(sum.prefixes_count <= STALL_PREFIXES);
	assert_int_equal(sum.stalls_total, 60000);
	for (size_t i = 0; i < sum.prefixes_count; i++)
		sum.others.stalls_total += sum.prefixes[i].stalls_total;
	assert_int_equal(sum.others.stalls_total, 60000);
	stall_sum_free(&sum);
	stall_context_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constant_space), cmocka_unit_test(test_slowlog),
		cmocka_unit_test(test_latency),	       cmocka_unit_test(test_key),
		cmocka_unit_test(test_sums),	       cmocka_unit_test(test_advice),
		cmocka_unit_test(test_text),	       cmocka_unit_test(test_json),
		cmocka_unit_test(test_summary_text),
	};

	return cmocka_run_group_tests_name("stalls", tests, NULL, NULL);
}
