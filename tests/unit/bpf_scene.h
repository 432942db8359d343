/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bpf/flow.bpf.c and what it is made of, compiled as a part of a test: the memory of the server,
 * its stack and its registers are made up word by word, as redis 7.0 and valkey 9 have them, and
 * the kernel is a few functions.
 */
#pragma once

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

static inline uint64_t room(size_t words)
{
	uint64_t at = (uint64_t)&memory.heap[sv.heap_used];

	sv.heap_used += words;
	assert_true(sv.heap_used <= HEAP_WORDS);
	return at;
}

static inline uint64_t *word(uint64_t at)
{
	return (uint64_t *)at;
}

static inline uint64_t text_of(const char *text)
{
	uint64_t at = room(strlen(text) / 8 + 1);

	strcpy((char *)at, text);
	return at;
}

/* An sds of type 8 (sds.h): length, room, type, and then the text, at an odd address. */
static inline uint64_t sds_of(const char *text)
{
	size_t len = strlen(text);
	uint8_t *at = (uint8_t *)room((len + 12) / 8 + 1);

	at[0] = at[1] = (uint8_t)len;
	at[2] = 1;
	memcpy(at + 3, text, len + 1);
	return (uint64_t)(at + 3);
}

/* A string object: head, pointer. */
static inline uint64_t object_of(const char *text)
{
	uint64_t at = room(2);

	*word(at) = 0x80;
	*word(at + 8) = sds_of(text);
	return at;
}

static inline uint64_t argv_of(const char *const *arguments, size_t count)
{
	uint64_t at = room(count);

	for (size_t i = 0; i < count; i++)
		*word(at + 8 * i) = object_of(arguments[i]);
	return at;
}

/* Where things are in a client here. */
enum { DB = 16, QUERYBUF = 32, ARGC = 64, ARGV = 72, CMD = 96, CLIENT_BYTES = 1024 };

static inline uint64_t client_of(int db)
{
	uint64_t at = room(CLIENT_BYTES / 8);

	*word(at + DB) = room(8);
	*(int *)(*word(at + DB) + 48) = db;
	return at;
}

static inline void run_command(uint64_t client, uint64_t command, const char *const *arguments,
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

static const char *const set[] = { "SET", "user:1", "value" };

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void rule(uint64_t command, enum redmem_key_rule_kind kind, uint8_t index)
{
	const struct redmem_command of = { .address = command };
	const struct redmem_key_rule is = { kind, index };

	bpf_map_update_elem(&key_rules, &of, &is, BPF_NOEXIST);
}

/* jemalloc counts @bytes more, and calls te_event_trigger(). */
static inline void moves(bool alloc, uint64_t bytes)
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
static inline struct redmem_profile_key only_row(uint64_t bytes)
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

static inline void assert_key(const struct redmem_context *context, const char *key)
{
	assert_int_equal(context->key_len, strlen(key));
	assert_memory_equal(context->key, key, strlen(key));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
