/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attribution and allocation sampling as the BPF programs do them (bpf/flow.bpf.c and what it is
 * made of), compiled as a part of this test: the memory of the server, its stack and its registers
 * are made up word by word, as redis 7.0 and valkey 9 have them, and the kernel is a few functions.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "vmlinux.h"
#pragma GCC diagnostic pop

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* They are written for another compiler, and checked by it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wattributes"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wint-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#define profile_add bpf_profile_add /* the model has one, too */
#include "../../bpf/flow.bpf.c"
#pragma GCC diagnostic pop

__u32 profile_active, profile_keyed_rows = 1000, ring_wake_bytes, profile_wake_rows,
		      profile_rows[2], own_pid_level;
__u64 own_pid_namespace, process_filter[FILTER_WORDS];

#define TGID	     4242
#define HEAP_WORDS   4096
#define STACK_FILLED 400 /* words above the stack pointer */

/* --- the server ----------------------------------------------------------------------- */

/* Heap below, the main thread's stack above, as in a process. */
static struct {
	uint64_t heap[HEAP_WORDS];
	uint64_t stack[STACK_FILLED];
} memory;

static struct {
	size_t heap_used; /* words */
	struct redmem_target *target;
	uint64_t current, executing, caller; /* where the server keeps its clients */
	uint64_t client, command; /* the client, and a struct redisCommand of "set" */
	uint64_t counters; /* two of jemalloc's, and behind each its value at the last event */
	struct pt_regs user, at_probe;
	struct task_struct task;
	struct mm_struct mm;
	uint64_t thread;
	const char *comm;
	uint64_t moved; /* bytes of all hits */
	uint64_t waiting; /* bytes in the ring */
	int woken; /* the engine, by nothing in the ring */
} sv;

static uint64_t room(size_t words)
{
	uint64_t at = (uint64_t)&memory.heap[sv.heap_used];

	sv.heap_used += words;
	assert_true(sv.heap_used <= HEAP_WORDS);
	return at;
}

static uint64_t *word(uint64_t at)
{
	return (uint64_t *)at;
}

static uint64_t text_of(const char *text)
{
	uint64_t at = room(strlen(text) / 8 + 1);

	strcpy((char *)at, text);
	return at;
}

/* An sds of type 8 (sds.h): length, room, type, and then the text, at an odd address. */
static uint64_t sds_of(const char *text)
{
	size_t len = strlen(text);
	uint8_t *at = (uint8_t *)room((len + 12) / 8 + 1);

	at[0] = at[1] = (uint8_t)len;
	at[2] = 1;
	memcpy(at + 3, text, len + 1);
	return (uint64_t)(at + 3);
}

/* A string object: head, pointer. */
static uint64_t object_of(const char *text)
{
	uint64_t at = room(2);

	*word(at) = 0x80;
	*word(at + 8) = sds_of(text);
	return at;
}

static uint64_t argv_of(const char *const *arguments, size_t count)
{
	uint64_t at = room(count);

	for (size_t i = 0; i < count; i++)
		*word(at + 8 * i) = object_of(arguments[i]);
	return at;
}

/* Where things are in a client here. */
enum { DB = 16, QUERYBUF = 32, ARGC = 64, ARGV = 72, CMD = 96, CLIENT_BYTES = 1024 };

static uint64_t client_of(int db)
{
	uint64_t at = room(CLIENT_BYTES / 8);

	*word(at + DB) = room(8);
	*(int *)(*word(at + DB) + 48) = db;
	return at;
}

static void run_command(uint64_t client, uint64_t command, const char *const *arguments,
			size_t count)
{
	*word(client + ARGC) = count;
	*word(client + ARGV) = argv_of(arguments, count);
	*word(client + CMD) = command;
}

/* --- the kernel ------------------------------------------------------------------------- */

struct map {
	const void *map;
	size_t key, value;
};
#define MAP(name)                                                   \
	{                                                           \
		&(name), sizeof(*(name).key), sizeof(*(name).value) \
	}
static const struct map maps[] = {
	MAP(profile_0),	   MAP(profile_1),   MAP(threads),	     MAP(flow_threads),
	MAP(key_rules),	   MAP(targets),     MAP(watched_processes), MAP(client_words),
	MAP(query_window), MAP(stack_words), MAP(stack_records),
};

static struct entry {
	const struct map *map;
	void *key, *value;
	struct entry *next;
} * entries;

static const struct map *map_of(const void *map)
{
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (maps[i].map == map)
			return &maps[i];
	fail_msg("no such map");
	return NULL;
}

static void *bpf_map_lookup_elem(void *map, const void *key)
{
	const struct map *of = map_of(map);

	for (struct entry *entry = entries; entry; entry = entry->next)
		if (entry->map == of && !memcmp(entry->key, key, of->key))
			return entry->value;
	return NULL;
}

static void *copy_of(const void *data, size_t len)
{
	void *copy = malloc(len);

	assert_non_null(copy);
	return memcpy(copy, data, len);
}

static long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags)
{
	struct entry *entry = malloc(sizeof(*entry));

	assert_non_null(entry);
	assert_true(flags == BPF_NOEXIST && !bpf_map_lookup_elem(map, key));
	entry->map = map_of(map);
	entry->key = copy_of(key, entry->map->key);
	entry->value = copy_of(value, entry->map->value);
	entry->next = entries;
	entries = entry;
	return 0;
}

/* A slot of an array is there from the beginning. */
static void *array_slot(void *map, uint32_t slot)
{
	void *zeros = calloc(1, map_of(map)->value);

	bpf_map_update_elem(map, &slot, zeros, BPF_NOEXIST);
	free(zeros);
	return bpf_map_lookup_elem(map, &slot);
}

static long bpf_probe_read_user(void *out, __u32 size, const void *address)
{
	uint64_t at = (uint64_t)address, start = (uint64_t)&memory;

	if (at < start || at >= start + sizeof(memory) || size > start + sizeof(memory) - at) {
		memset(out, 0, size);
		return -EFAULT;
	}
	memcpy(out, address, size);
	return 0;
}

static __u64 bpf_get_current_pid_tgid(void)
{
	return (uint64_t)TGID << 32 | sv.thread;
}

static struct task_struct *bpf_get_current_task_btf(void)
{
	return &sv.task;
}

static long bpf_task_pt_regs(struct task_struct *task)
{
	assert_ptr_equal(task, &sv.task);
	return (long)&sv.user;
}

static long bpf_get_current_comm(void *out, __u32 size)
{
	memset(out, 0, size);
	memcpy(out, sv.comm, strlen(sv.comm));
	return 0;
}

static __u64 bpf_ktime_get_ns(void)
{
	return 1000;
}

static __u64 bpf_get_attach_cookie(void *ctx)
{
	(void)ctx;
	return PROBE_COOKIE(0, 0);
}

/* Stacks are not asked for here. */
static long bpf_ringbuf_output(void *ring, void *data, __u64 size, __u64 flags)
{
	(void)ring, (void)data, (void)size, (void)flags;
	fail();
	return 0;
}

/* Nor is there any record, but for the one that wakes the engine. */
static void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags)
{
	static uint64_t nothing;

	(void)ring;
	assert_int_equal(size, sizeof(nothing));
	assert_int_equal(flags, 0);
	return &nothing;
}

static void bpf_ringbuf_discard(void *data, __u64 flags)
{
	(void)data;
	assert_int_equal(flags, BPF_RB_FORCE_WAKEUP);
	sv.woken++;
}

static __u64 bpf_ringbuf_query(void *ring, __u64 flags)
{
	(void)ring;
	assert_int_equal(flags, BPF_RB_AVAIL_DATA);
	return sv.waiting;
}

/* --- a scene ----------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct redmem_offsets *at;
	uint32_t tgid = TGID, index = 0;

	(void)state;
	memset(&memory, 0, sizeof(memory));
	memset(&sv, 0, sizeof(sv));
	memset(profile_rows, 0, sizeof(profile_rows));
	sv.target = array_slot(&targets, 0);
	array_slot(&client_words, 0);
	array_slot(&query_window, 0);
	array_slot(&stack_words, 0);
	bpf_map_update_elem(&watched_processes, &tgid, &index, BPF_NOEXIST);
	process_filter[(TGID >> 6) & (FILTER_WORDS - 1)] = 1ULL << (TGID & 63);
	sv.thread = TGID;
	sv.comm = "redis-server";
	sv.task.mm = &sv.mm;
	sv.mm.start_stack = (uint64_t)&memory.stack[STACK_FILLED];
	sv.user.sp = (uint64_t)memory.stack;
	sv.current = room(1);
	sv.executing = room(1);
	sv.caller = room(1);
	sv.client = client_of(3);
	sv.command = room(2);
	*word(sv.command) = text_of("set");
	sv.counters = room(4);
	sv.target->settings.tgid = TGID;
	sv.target->settings.watched = sv.target->settings.attribution = 1;
	at = &sv.target->settings.at;
	*at = (struct redmem_offsets){ .current_client = sv.current,
				       .script_caller = sv.caller,
				       .argc = ARGC,
				       .argv = ARGV,
				       .cmd = CMD,
				       .querybuf = QUERYBUF,
				       .db = DB,
				       .db_id = 48 };
	at->object.pointer = 8;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (entries) {
		struct entry *entry = entries;

		entries = entry->next;
		free(entry->key);
		free(entry->value);
		free(entry);
	}
	return 0;
}

static void rule(uint64_t command, enum redmem_key_rule_kind kind, uint8_t index)
{
	const struct redmem_command of = { .address = command };
	const struct redmem_key_rule is = { kind, index };

	bpf_map_update_elem(&key_rules, &of, &is, BPF_NOEXIST);
}

/* jemalloc counts @bytes more, and calls te_event_trigger(). */
static void moves(bool alloc, uint64_t bytes)
{
	uint64_t counter = sv.counters + (alloc ? 0 : 16), event = (uint64_t)&memory.stack[390];

	*word(counter + 8) = *word(counter); /* at the last event */
	*word(counter) += bytes;
	*word(event) = alloc;
	*word(event + 8) = counter;
	*word(event + 16) = counter + 8;
	PT_REGS_PARM2(&sv.at_probe) = event;
	sv.moved += bytes;
	assert_int_equal(flow_event(&sv.at_probe), 0);
}

/* The one row there is, which goes. */
static struct redmem_profile_key only_row(uint64_t bytes)
{
	struct redmem_profile_key key = { 0 };
	struct entry **at = &entries;
	int rows = 0;

	while (*at) {
		struct entry *entry = *at;

		if (entry->map->map != &profile_0) {
			at = &entry->next;
			continue;
		}
		rows++;
		memcpy(&key, entry->key, sizeof(key));
		assert_int_equal(((struct redmem_profile_value *)entry->value)->events, bytes);
		*at = entry->next;
		free(entry->key);
		free(entry->value);
		free(entry);
	}
	assert_int_equal(rows, 1);
	return key;
}

static void assert_key(const struct redmem_context *context, const char *key)
{
	assert_int_equal(context->key_len, strlen(key));
	assert_memory_equal(context->key, key, strlen(key));
}

/* --- commands ---------------------------------------------------------------------------- */

static const char *const set[] = { "SET", "user:1", "value" };

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

/* --- jemalloc before 5.3 --------------------------------------------------------------------- */

/* A thread's cache of jemalloc 5.2 with room for 200 regions of 48 bytes, and what leads to it. */
static struct {
	uint64_t tsd, tcache, arena, bin;
} cache;

static void make_cache(void)
{
	struct redmem_settings *settings = &sv.target->settings;
	uint64_t table = room(4), info = room(2);

	cache.tsd = room(8);
	cache.tcache = room(64);
	cache.arena = room(1);
	*word(table + 8) = 48;
	*word(table + 24) = 20480;
	((uint32_t *)info)[1] = 200;
	settings->class_table = table;
	*word(settings->bin_info = room(1)) = info;
	settings->small_classes = 2;
	sv.target->flow_open = 1;
	cache.bin = cache.tcache + TCACHE_BINS + sizeof(struct cache_bin);
	*word(cache.bin + sizeof(struct cache_bin) + TCACHE_ARENA) = cache.arena;
	((uint8_t *)(cache.bin + sizeof(struct cache_bin) + TCACHE_ARENA + TCACHE_FILL_SHIFT))[1] =
		2;
	*word(cache.tsd + 16) = 5000; /* allocated by the thread */
	*word(cache.tsd + 24) = 2000; /* freed */
}

/* arena_tcache_fill_small(tsdn, arena, tcache, tbin, binind) */
static void fill(uint64_t arena)
{
	PT_REGS_PARM1(&sv.at_probe) = cache.tsd;
	PT_REGS_PARM2(&sv.at_probe) = arena;
	PT_REGS_PARM3(&sv.at_probe) = cache.tcache;
	PT_REGS_PARM4(&sv.at_probe) = cache.bin;
	PT_REGS_PARM5(&sv.at_probe) = 1;
	flow_fill(&sv.at_probe);
}

/* tcache_bin_flush_small(tsd, tcache, tbin, binind, rem) */
static void flush_to(uint32_t cached, uint32_t rest)
{
	((struct cache_bin *)cache.bin)->cached = (int32_t)cached;
	PT_REGS_PARM1(&sv.at_probe) = cache.tsd;
	PT_REGS_PARM2(&sv.at_probe) = cache.tcache;
	PT_REGS_PARM3(&sv.at_probe) = cache.bin;
	PT_REGS_PARM4(&sv.at_probe) = 1;
	PT_REGS_PARM5(&sv.at_probe) = rest;
	flow_flush_small(&sv.at_probe);
}

static int rows_of(enum redmem_event event, uint64_t bytes)
{
	int rows = 0;

	for (struct entry *entry = entries; entry; entry = entry->next) {
		const struct redmem_profile_key *key = entry->key;

		if (entry->map->map == &profile_0 && key->event == event) {
			const struct redmem_profile_value *value = entry->value;

			rows++;
			assert_int_equal(value->events, bytes);
		}
	}
	return rows;
}

static struct redmem_profile_key freed_row(uint64_t bytes)
{
	for (struct entry *entry = entries; entry; entry = entry->next) {
		const struct redmem_profile_key *key = entry->key;

		if (entry->map->map == &profile_0 && key->event == EVENT_FREE &&
		    ((const struct redmem_profile_value *)entry->value)->events == bytes)
			return *key;
	}
	fail_msg("nobody has freed %llu bytes", (unsigned long long)bytes);
	return (struct redmem_profile_key){ 0 };
}

static struct redmem_flow_thread *main_thread(void)
{
	uint32_t tid = TGID;

	return bpf_map_lookup_elem(&flow_threads, &tid);
}

/* As many regions as a fill brings, and where the thread counts. */
static void test_cache(void **state)
{
	struct redmem_profile_key row;

	(void)state;
	make_cache();
	fill(cache.arena);
	assert_int_equal(rows_of(EVENT_ALLOC, 200 / 4 * 48), 1);
	assert_int_equal(rows_of(EVENT_ALLOC_CLASS, 200 / 4 * 48), 1);
	assert_int_equal(main_thread()->counter[FLOW_ALLOC], cache.tsd + 16);
	assert_int_equal(main_thread()->first[FLOW_ALLOC], 5000);
	assert_int_equal(main_thread()->first[FLOW_FREE], 2000);
	assert_int_equal(main_thread()->seen_bytes[0][FLOW_ALLOC], 200 / 4 * 48);
	teardown(state);
	setup(state);
	fill(cache.arena + 8); /* another arena's: it is no such call */
	assert_int_equal(profile_rows[0], 0);
	assert_null(main_thread());
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_LOOP);
}

/* A full cache gives back what is freed; the others what they had no use for, which is nobody's
 * when the cache was not filled since the watch began. */
static void test_cache_flush(void **state)
{
	(void)state;
	make_cache();
	flush_to(200, 100);
	assert_int_equal(rows_of(EVENT_FREE, 100 * 48), 1);
	assert_int_equal(rows_of(EVENT_FREE_CLASS, 100 * 48), 1);
	assert_int_equal(main_thread()->counter[FLOW_ALLOC], cache.tsd + 16);
	assert_int_equal(main_thread()->seen_bytes[0][FLOW_FREE], 100 * 48);
	flush_to(80, 20);
	assert_int_equal(rows_of(EVENT_FREE, 100 * 48), 1);
	assert_int_equal(rows_of(EVENT_FREE_CLASS, 160 * 48), 1);
	assert_int_equal(main_thread()->seen_bytes[0][FLOW_FREE], 100 * 48);
	fill(cache.arena);
	flush_to(80, 20);
	assert_int_equal(rows_of(EVENT_FREE, 160 * 48), 1);
	assert_int_equal(main_thread()->seen_bytes[0][FLOW_FREE], 160 * 48);
}

/* What a cache gives back for want of use goes to whom it was filled for, and not to who runs. */
static void test_cache_filler(void **state)
{
	(void)state;
	make_cache();
	fill(cache.arena);
	assert_int_equal(sv.target->filler[1].state, CONTEXT_LOOP);
	run_command(sv.client, sv.command, set, 3);
	*word(sv.current) = sv.client;
	flush_to(80, 20);
	assert_int_equal(freed_row(60 * 48).context.state, CONTEXT_LOOP);
	flush_to(200, 70); /* this one is full: it is what runs that frees */
	assert_int_equal(freed_row(130 * 48).context.command, sv.command);
	PT_REGS_PARM3(&sv.at_probe) = 20480; /* no small class has so many */
	flow_large_alloc(&sv.at_probe);
	assert_int_equal(sv.target->filler[3].command, sv.command);
	assert_int_equal(sv.target->filled, 1 << 1 | 1 << 3);
}

/* 5.1 has a word more in front. Nothing is counted where jemalloc was built without, and nothing is
 * believed of a cache that is elsewhere: then what a cache had no use for is charged, too. */
static void test_cache_counters(void **state)
{
	(void)state;
	make_cache();
	*word(cache.tsd + 16) = cache.tsd | 1ULL << 47;
	*word(cache.tsd + 24) = 5000;
	fill(cache.arena);
	assert_int_equal(main_thread()->counter[FLOW_ALLOC], cache.tsd + 24);
	teardown(state);
	setup(state);
	make_cache();
	*word(cache.tsd + 16) = *word(cache.tsd + 24) = 0;
	flush_to(80, 20);
	assert_int_equal(rows_of(EVENT_FREE, 60 * 48), 1);
	teardown(state);
	setup(state);
	make_cache();
	cache.tsd = cache.tcache + 8;
	flush_to(80, 20);
	assert_int_equal(rows_of(EVENT_FREE, 60 * 48), 1);
	assert_int_equal(main_thread()->counter[FLOW_ALLOC], 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_command),
		TEST(test_wakes),
		TEST(test_rules),
		TEST(test_script),
		TEST(test_own),
		TEST(test_after),
		TEST(test_parsing),
		TEST(test_parsing_inline),
		TEST(test_background),
		TEST(test_thread),
		TEST(test_unreadable),
		TEST(test_cache),
		TEST(test_cache_flush),
		TEST(test_cache_filler),
		TEST(test_cache_counters),
		TEST(test_anything),
	};

	return cmocka_run_group_tests_name("bpf_flow", tests, NULL, NULL);
}
