/* SPDX-License-Identifier: BSD-2-Clause */
/* Attribution and allocation sampling as the BPF programs do them, with jemalloc from 5.3 on. */
#include "bpf_scene.h"

/* --- commands ---------------------------------------------------------------------------- */

/* A hit stands for the bytes since the last one, and who runs had them all. */
static void test_command(void **state)
{
	struct redmem_flow_thread *thread;
	struct redmem_profile_key row;
	uint32_t tid = TGID;

	(void)state;
	rule(sv.command, KEY_INDEX, 1);
	run_command(sv.client, sv.command, set, 3);
	*word(sv.current) = sv.client;
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.event, EVENT_ALLOC);
	assert_int_equal(row.context.state, CONTEXT_COMMAND);
	assert_int_equal(row.context.command, sv.command);
	assert_int_equal(row.context.db, 3 + 1);
	assert_int_equal(row.context.key_guessed, KEY_KNOWN);
	assert_key(&row.context, "user:1");
	moves(false, 66000);
	row = only_row(66000);
	assert_int_equal(row.event, EVENT_FREE);
	assert_key(&row.context, "user:1");
	moves(true, 65536);
	thread = bpf_map_lookup_elem(&flow_threads, &tid);
	assert_int_equal(thread->first[FLOW_ALLOC], 0);
	assert_int_equal(thread->seen_bytes[0][FLOW_ALLOC], 70000 + 65536);
	assert_int_equal(thread->last[0][FLOW_ALLOC], 70000 + 65536);
	assert_int_equal(thread->seen_bytes[0][FLOW_FREE], 66000);
	assert_int_equal(sv.target->totals[TOTAL_FLOW_HITS], 3);
}

/* An engine that comes once a second is woken when much waits for it, one that comes often is
 * not. */
static void test_wakes(void **state)
{
	static const char *const keys[][3] = { { "SET", "k:1", "x" },
					       { "SET", "k:2", "x" },
					       { "SET", "k:3", "x" },
					       { "SET", "k:4", "x" } };

	(void)state;
	rule(sv.command, KEY_INDEX, 1);
	*word(sv.current) = sv.client;
	for (int often = 1; often >= 0; often--) {
		ring_wake_bytes = often ? 0 : 1000;
		profile_wake_rows = often ? 0 : 3;
		profile_rows[0] = 0;
		for (int i = 0; i < 4; i++) {
			run_command(sv.client, sv.command, keys[i], 3);
			moves(often, 70000); /* rows of their own */
			assert_int_equal(sv.woken, !often && i >= 2);
		}
		sv.waiting = 1000;
		assert_int_equal(ring_flags(), BPF_RB_NO_WAKEUP);
		sv.waiting = 1008;
		assert_int_equal(ring_flags(), often ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
	}
	ring_wake_bytes = profile_wake_rows = 0;
}

/* Without a rule argv[1] is taken, and said to be a guess; a rule may say that there is none. */
static void test_rules(void **state)
{
	static const char *const eval[] = { "EVAL", "return 1", "1", "k:1", "x" },
				 *const none[] = { "EVAL", "return 1", "0", "x" },
				 *const read[] = { "XREAD", "COUNT", "9", "streams", "s:1", "0" };
	uint64_t counted = room(2), streams = room(2), ping = room(2), get = room(2);
	struct redmem_profile_key row;

	(void)state;
	rule(counted, KEY_NUMKEYS, 2);
	rule(streams, KEY_STREAMS, 1);
	rule(ping, KEY_NONE, 0);
	*word(sv.current) = sv.client;
	run_command(sv.client, get, set, 3);
	moves(true, 70000);
	row = only_row(70000);
	assert_key(&row.context, "user:1");
	assert_int_equal(row.context.key_guessed, KEY_GUESSED);
	run_command(sv.client, counted, eval, 5);
	moves(true, 70000);
	row = only_row(70000);
	assert_key(&row.context, "k:1");
	run_command(sv.client, counted, none, 4);
	moves(true, 70000);
	row = only_row(70000);
	assert_key(&row.context, "");
	run_command(sv.client, streams, read, 6);
	moves(true, 70000);
	row = only_row(70000);
	assert_key(&row.context, "s:1");
	run_command(sv.client, ping, set, 3);
	moves(true, 70000);
	row = only_row(70000);
	assert_key(&row.context, "");
	assert_int_equal(row.context.key_guessed, KEY_KNOWN);
}

/* A script's inner command is nearer to the work; without a key of its own the outer's stands. */
static void test_script(void **state)
{
	static const char *const eval[] = { "EVAL", "return 1", "1", "k:1" };
	static const char *const ping[] = { "PING" };
	uint64_t inner = client_of(3), outer = room(2), plain = room(2);
	struct redmem_profile_key row;

	(void)state;
	rule(outer, KEY_NUMKEYS, 2);
	rule(sv.command, KEY_INDEX, 1);
	rule(plain, KEY_NONE, 0);
	sv.target->settings.at.script_client = inner;
	run_command(sv.client, outer, eval, 4);
	run_command(inner, sv.command, set, 3);
	*word(sv.current) = sv.client;
	*word(sv.caller) = sv.client;
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.command, outer);
	assert_int_equal(row.context.inner, sv.command);
	assert_key(&row.context, "user:1");
	run_command(inner, plain, ping, 1);
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.inner, plain);
	assert_key(&row.context, "k:1");
	*word(sv.caller) = 0; /* it is over */
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.inner, 0);
}

/* What redmem's own connection moves is in no row, and counted apart. */
static void test_own(void **state)
{
	struct redmem_flow_thread *thread;
	uint32_t tid = TGID;

	(void)state;
	sv.target->settings.own_client = sv.client;
	run_command(sv.client, sv.command, set, 3);
	*word(sv.current) = sv.client;
	moves(true, 70000);
	assert_int_equal(profile_rows[0], 0);
	thread = bpf_map_lookup_elem(&flow_threads, &tid);
	assert_int_equal(thread->own_bytes[FLOW_ALLOC], 70000);
	assert_int_equal(thread->seen_bytes[0][FLOW_ALLOC], 0);
}

/* Behind a command its client is reset: the arguments of a command that was rewritten for replicas
 * are found in the client, by the command's name. */
static void test_after(void **state)
{
	static const char *const xadd[] = { "set", "s:9", "*" };
	struct redmem_profile_key row;

	(void)state;
	rule(sv.command, KEY_INDEX, 1);
	*word(sv.current) = sv.client;
	*word(sv.client + CMD) = 0;
	*word(sv.client + CMD + 8) = sv.command; /* lastcmd */
	moves(false, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_AFTER);
	assert_int_equal(row.context.command, sv.command);
	assert_key(&row.context, "");
	*word(sv.client + ARGV + 30 * 8) = argv_of(xadd, 3); /* original_argv */
	moves(false, 70000);
	row = only_row(70000);
	assert_key(&row.context, "s:9");
}

/* --- between commands ---------------------------------------------------------------------- */

/* While arguments are read there is no current client: it is somewhere on the stack. */
static void test_parsing(void **state)
{
	static const char query[] = "*3\r\n$3\r\nSET\r\n$6\r\nuser:7\r\n$5\r\nvalue\r\n";
	struct redmem_profile_key row;
	uint64_t name = 0;

	(void)state;
	memcpy(&name, "SET", 3);
	*word(sv.client + QUERYBUF) = sds_of(query);
	*word(sv.client + QUERYBUF + 8) = 13; /* read up to behind the name */
	memory.stack[17] = sv.client;
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_PARSING);
	assert_int_equal(row.context.command, name);
	assert_int_equal(row.context.db, 3 + 1);
	assert_key(&row.context, "user:7");
	/* It runs a command: what is on the stack is left over. */
	*word(sv.client + CMD) = sv.command;
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_LOOP);
}

/* A line of words is a command as well; what looks like one behind a length is an argument. */
static void test_parsing_inline(void **state)
{
	static const char lines[] = "GET a\r\nSET user:8 value\r\n";
	static const char quoted[] = "SET \"user 8\" value\r\n";
	static const char argument[] = "*3\r\n$3\r\nSET\r\n$10\r\nSET user:9\r\n$5\r\nvalue\r\n";
	struct redmem_profile_key row;
	uint64_t name = 0;

	(void)state;
	memcpy(&name, "SET", 3);
	*word(sv.client + QUERYBUF) = sds_of(lines);
	*word(sv.client + QUERYBUF + 8) = 7; /* behind the first */
	memory.stack[17] = sv.client;
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_PARSING);
	assert_int_equal(row.context.command, name);
	assert_key(&row.context, "user:8");
	moves(false, 70000); /* it is cut into words that grow */
	row = only_row(70000);
	assert_key(&row.context, "user:8");
	*word(sv.client + QUERYBUF) = sds_of(quoted);
	*word(sv.client + QUERYBUF + 8) = 0;
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.command, name);
	assert_key(&row.context, "");
	*word(sv.client + QUERYBUF) = sds_of(argument);
	*word(sv.client + QUERYBUF + 8) = 20; /* "SET user:9" is the key */
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.command, name);
	assert_key(&row.context, "SET user:9");
	moves(false, 70000); /* before the first argument it is the array of the command before */
	row = only_row(70000);
	assert_int_not_equal(row.context.state, CONTEXT_PARSING);
}

/* Expiry, by a return address on the stack; with a client only eviction is believed. */
static void test_background(void **state)
{
	struct redmem_settings *settings = &sv.target->settings;
	struct redmem_profile_key row;

	(void)state;
	settings->background[BACKGROUND_EXPIRY][0] = (struct redmem_range){ 0x1000, 0x1100 };
	settings->background[BACKGROUND_EVICTION][0] = (struct redmem_range){ 0x2000, 0x2100 };
	settings->background_code = (struct redmem_range){ 0x1000, 0x3000 };
	memory.stack[100] = 0x1010;
	moves(false, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_BACKGROUND);
	assert_int_equal(row.context.command, BACKGROUND_EXPIRY);
	run_command(sv.client, sv.command, set, 3);
	*word(sv.current) = sv.client;
	moves(false, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_COMMAND);
	memory.stack[50] = 0x2010;
	moves(false, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_BACKGROUND);
	assert_int_equal(row.context.command, BACKGROUND_EVICTION);
}

static void test_thread(void **state)
{
	struct redmem_profile_key row;

	(void)state;
	*word(sv.current) = sv.client;
	sv.thread = TGID + 1;
	sv.comm = "bio_lazy_free";
	moves(false, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_THREAD);
	assert_int_equal(row.context.tid, TGID + 1);
	assert_string_equal(row.context.key, "bio_lazy_free");
}

/* What cannot be read is a drop, and the bytes are told all the same. */
static void test_unreadable(void **state)
{
	struct redmem_profile_key row;

	(void)state;
	*word(sv.current) = 0x5000; /* no memory there */
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.key_len, 0);
	assert_int_equal(sv.target->drops[DROP_CLIENT_UNREADABLE], 1);
	run_command(sv.client, sv.command, set, 3);
	*word(*word(sv.client + ARGV) + 8) = 0x6000; /* the key's page is in swap */
	*word(sv.current) = sv.client;
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.command, sv.command);
	assert_int_equal(sv.target->drops[DROP_KEY_UNREADABLE], 1);
}

/* --- anything ------------------------------------------------------------------------------- */

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* A server whose words are anything, most of them addresses of others: nothing breaks, nothing is
 * read but its memory, and all bytes are in the rows. */
static void test_anything(void **state)
{
	for (int turn = 0; turn < 300; turn++) {
		uint64_t sum = 0;

		teardown(state);
		setup(state);
		rule(sv.command, (enum redmem_key_rule_kind)draw(4), (uint8_t)draw(4));
		run_command(sv.client, sv.command, set, 3);
		*word(sv.client + QUERYBUF) = sds_of("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
		sv.target->settings.background_code = (struct redmem_range){ 0x1000, 0x3000 };
		sv.target->settings.queued[0] = (struct redmem_range){ 0x1000, 0x1800 };
		for (int hit = 0; hit < 12; hit++) {
			for (int i = 0; i < 40; i++) {
				uint64_t *at = draw(2) ? &memory.stack[draw(160)] :
							 word(sv.client) + draw(CLIENT_BYTES / 8);

				*at = draw(3) ? (uint64_t)&memory.heap[draw(sv.heap_used)] :
				      draw(2) ? 0x1000 + draw(0x2000) :
						draw(UINT64_MAX);
			}
			*word(sv.current) = draw(3) ? sv.client : draw(2) ? 0 : draw(UINT64_MAX);
			moves(draw(2), 65536 + draw(100000));
		}
		for (struct entry *entry = entries; entry; entry = entry->next)
			if (entry->map->map == &profile_0)
				sum += ((struct redmem_profile_value *)entry->value)->events;
		assert_int_equal(sum, sv.moved);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_command),    TEST(test_wakes),
		TEST(test_rules),      TEST(test_script),
		TEST(test_own),	       TEST(test_after),
		TEST(test_parsing),    TEST(test_parsing_inline),
		TEST(test_background), TEST(test_thread),
		TEST(test_unreadable), TEST(test_anything),
	};

	return cmocka_run_group_tests_name("bpf_flow", tests, NULL, NULL);
}
