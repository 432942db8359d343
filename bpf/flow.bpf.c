// SPDX-License-Identifier: BSD-2-Clause
/*
 * flow sensor: bytes through the allocator, charged to whoever crosses a line.
 *
 * jemalloc 5.3 calls te_event_trigger(tsd, context) each time a thread has allocated
 * another 64 KiB, and each time it has freed as much (src/thread_event.c). The context
 * leads to the thread's own counter of bytes and to its value at the last event, so a
 * hit stands for an exact number of bytes, and hits add up to all of them.
 *
 * Before 5.3 there is no such function. What goes into and out of a thread's cache of
 * free regions does so in batches, in functions that carry size class and count.
 */
#include "background.bpf.h"
#include "parsing.bpf.h"
#include "stack.bpf.h"

/* te_ctx_t */
struct event_context {
	u8 is_alloc;
	u8 padding[7];
	u64 current;
	u64 last_event;
};

/* cache_bin_t of jemalloc 5.0 to 5.2 */
struct cache_bin {
	s32 low_water;
	s32 cached;
	u64 requests;
	u64 available;
};

/* tcache_t of jemalloc 5.2, and of 5.1: its arena, behind the small bins, and the step of
 * filling, behind that */
#define TCACHE_BINS	  16
#define TCACHE_ARENA	  72
#define TCACHE_ARENA_5_1  48
#define TCACHE_FILL_SHIFT 12
#define CACHED_MAX	  (1 << 16)
/* Large classes that are cached, up to 32 KiB (opt.lg_tcache_max), and how many those are. */
#define LARGE_CACHED_BYTES   32768
#define LARGE_CACHED_CLASSES 8
/*
 * tsd_t: bytes the thread has allocated, and behind them those it has freed; the cache is in it,
 * too (tsd.h: MALLOC_TSD). In 5.1 there is offset_state in front of them, which is the address of
 * the whole at first, and a random number of 64 bits later.
 */
#define TSD_ALLOCATED	  16
#define TSD_ALLOCATED_5_1 24
#define TSD_BYTES_MAX	  4096
#define COUNTED_MAX	  (1ULL << 46)

/* What the thread is at, as the one who allocates or frees. */
static __always_inline void who_moves(struct redmem_target *target, u32 tid, bool is_alloc,
				      struct redmem_context *context)
{
	struct running run = {};
	int background;

	context_running(target, tid, context, &run);
	if (!is_main(target, tid) || (context->state != CONTEXT_LOOP && is_alloc) ||
	    !read_stack(target, BACKGROUND_STACK_WORDS))
		return;
	background = context_background(target, context);
	if (context->state == CONTEXT_LOOP)
		context_parsing(target, context, !is_alloc);
	if (!is_alloc && context->state == CONTEXT_AFTER && !run.client && is_for_reply(target))
		context_replied(target, context);
	else if (background == BACKGROUND_QUEUED && !context->key_len && !run.is_over)
		context_is_queued(target, run.client, context);
}

/* Charge @bytes to @key's context, or with @nobody to their size class only. True when that is
 * redmem's own connection: nothing is said of what it moves. */
static __always_inline bool charge(struct redmem_target *target, struct redmem_profile_key *key,
				   bool is_alloc, u64 bytes, u64 class_bytes, bool nobody)
{
	if (key->context.state == CONTEXT_OWN)
		return true;
	key->event = is_alloc ? EVENT_ALLOC : EVENT_FREE;
	if (!nobody)
		profile_add_stack(target, key, bytes, 0, false, STACK_OF_BYTES);
	if (class_bytes) {
		/* No keys here: there would be too many rows. */
		forget_key(&key->context);
		key->event = is_alloc ? EVENT_ALLOC_CLASS : EVENT_FREE_CLASS;
		key->user_ip = class_bytes;
		profile_add(target, key, bytes, 0, false);
	}
	return false;
}

/* What a hit tells: bytes moved since the last one, at @event.current by now. */
static __always_inline bool read_event(struct pt_regs *ctx, struct event_context *event, u64 *last,
				       u64 *now)
{
	if (bpf_probe_read_user(event, sizeof(*event), (void *)PT_REGS_PARM2(ctx)))
		return false;
	*now = read_word(event->current);
	*last = read_word(event->last_event);
	return *now > *last;
}

static __always_inline struct redmem_flow_thread *flow_thread(struct redmem_target *target, u32 tid)
{
	struct redmem_flow_thread *thread = bpf_map_lookup_elem(&flow_threads, &tid);
	struct redmem_flow_thread fresh = { .target = target->settings.index };

	if (thread)
		return thread;
	bpf_get_current_comm(fresh.name, sizeof(fresh.name));
	bpf_map_update_elem(&flow_threads, &tid, &fresh, BPF_NOEXIST);
	thread = bpf_map_lookup_elem(&flow_threads, &tid);
	if (!thread)
		drop(target, DROP_THREADS_FULL);
	return thread;
}

/* Remember where the thread counts, and what was seen of it, as rows or as redmem's own. A
 * function apart: beside the row's key there is no room for all that on the stack. */
static __noinline int note_thread(struct pt_regs *ctx, struct redmem_target *target, u32 tid,
				  bool own)
{
	u32 map = profile_active & 1, side;
	struct redmem_flow_thread *thread;
	struct event_context event = {};
	u64 now, last, *moved;

	if (!target || !read_event(ctx, &event, &last, &now))
		return 0;
	thread = flow_thread(target, tid);
	if (!thread)
		return 0;
	side = event.is_alloc ? FLOW_ALLOC : FLOW_FREE;
	if (!thread->counter[side & 1])
		thread->first[side & 1] = last;
	thread->counter[side & 1] = event.current;
	thread->last[map][side & 1] = now;
	moved = own ? &thread->own_bytes[side & 1] : &thread->seen_bytes[map][side & 1];
	__sync_fetch_and_add(moved, now - last);
	return 0;
}

SEC("uprobe.multi")
int flow_event(struct pt_regs *ctx)
{
	struct event_context event = {};
	struct redmem_profile_key key = {};
	u32 tid;
	struct redmem_target *target = target_probed(ctx, &tid);
	u64 now, last;

	if (!target)
		return 0;
	total_add(target, TOTAL_FLOW_HITS, 1);
	if (!read_event(ctx, &event, &last, &now))
		return 0;
	who_moves(target, tid, event.is_alloc, &key.context);
	note_thread(ctx, target, tid, charge(target, &key, event.is_alloc, now - last, 0, false));
	return 0;
}

/* --- before 5.3 --------------------------------------------------------------------- */

/* Whose hit it is; NULL when it does not count. What these probes see stands for the time
 * they stand, and one that goes is still met until a grace period of RCU is over. */
static __always_inline struct redmem_target *cache_hit(struct pt_regs *ctx, u32 *tid)
{
	struct redmem_target *target = target_probed(ctx, tid);

	if (!target)
		return NULL;
	total_add(target, TOTAL_FLOW_HITS, 1);
	return target->flow_open ? target : NULL;
}

/* What the rows of the main thread tell of, and where its bytes are counted, when the hit told. */
static __noinline int note_cache(struct redmem_target *target, u32 tid, u64 counters, u32 side,
				 u64 bytes)
{
	u32 map = profile_active & 1;
	struct redmem_flow_thread *thread;

	if (!target)
		return 0;
	thread = flow_thread(target, tid);
	if (!thread)
		return 0;
	if (counters && !thread->counter[FLOW_ALLOC]) {
		thread->first[FLOW_ALLOC] = read_word(counters);
		thread->first[FLOW_FREE] = read_word(counters + 8);
		thread->counter[FLOW_ALLOC] = counters;
	}
	__sync_fetch_and_add(&thread->seen_bytes[map][side & 1], bytes);
	return 0;
}

/* @bytes, in blocks of @class_bytes, went into a cache or out of it, as @key's context has it. */
static __always_inline void cache_moved(struct redmem_target *target, u32 tid,
					struct redmem_profile_key *key, bool is_alloc, u64 bytes,
					u64 class_bytes, u64 counters)
{
	if (!charge(target, key, is_alloc, bytes, class_bytes, false) && is_main(target, tid))
		note_cache(target, tid, counters, is_alloc ? FLOW_ALLOC : FLOW_FREE, bytes);
}

/* Blocks of the class come to the main thread for what @context is: it is its cache from now on. */
static __always_inline void note_filler(struct redmem_target *target, u32 tid, u32 index,
					const struct redmem_context *context)
{
	u32 place = index & (REDMEM_CACHED_CLASSES - 1);

	if (!is_main(target, tid))
		return;
	target->filled |= 1ULL << place;
	target->filler[place] = *context;
}

static __always_inline u64 class_bytes_of(const struct redmem_target *target, u32 index)
{
	return read_word(target->settings.class_table + 8ULL * index);
}

/* How many regions a cache of the class may hold. */
static __always_inline u32 cached_most(const struct redmem_target *target, u32 index)
{
	u32 most = 0;

	bpf_probe_read_user(&most, 4,
			    (void *)(read_word(target->settings.bin_info) + 4ULL * index));
	return most;
}

/* Where a cache has @arena, the one that is asked, behind its small bins; 0 when it does not look
 * as expected. */
static __always_inline u64 place_of_arena(u64 behind, u64 arena)
{
	if (read_word(behind + TCACHE_ARENA) == arena)
		return behind + TCACHE_ARENA;
	return read_word(behind + TCACHE_ARENA_5_1) == arena ? behind + TCACHE_ARENA_5_1 : 0;
}

/* Where the thread of @tsd counts its bytes; 0 when its cache is elsewhere. */
static __always_inline u64 counters_of(u64 tsd, u64 tcache)
{
	if (tcache <= tsd || tcache - tsd > TSD_BYTES_MAX)
		return 0;
	return tsd +
	       (read_word(tsd + TSD_ALLOCATED) < COUNTED_MAX ? TSD_ALLOCATED : TSD_ALLOCATED_5_1);
}

/* How many regions a fill brings: ncached_max >> lg_fill_div. 0 when that is not clear. */
static __always_inline u32 fill_count(const struct redmem_target *target, u64 tcache, u64 bin,
				      u64 arena, u32 index)
{
	u64 place = place_of_arena(
		tcache + TCACHE_BINS + sizeof(struct cache_bin) * target->settings.small_classes,
		arena);
	u32 count;
	u8 shift = 0;

	if (index >= target->settings.small_classes ||
	    bin != tcache + TCACHE_BINS + sizeof(struct cache_bin) * index || !place ||
	    bpf_probe_read_user(&shift, 1, (void *)(place + TCACHE_FILL_SHIFT + index)))
		return 0;
	count = cached_most(target, index) >> (shift & 31);
	return count < CACHED_MAX ? count : 0;
}

/* arena_tcache_fill_small(tsdn, arena, tcache, tbin, binind, ...) */
SEC("uprobe.multi")
int flow_fill(struct pt_regs *ctx)
{
	u32 tid, index = PT_REGS_PARM5(ctx), count;
	struct redmem_target *target = cache_hit(ctx, &tid);
	u64 tcache = PT_REGS_PARM3(ctx), bytes;
	struct redmem_profile_key key = {};

	if (!target)
		return 0;
	who_moves(target, tid, true, &key.context);
	count = fill_count(target, tcache, PT_REGS_PARM4(ctx), PT_REGS_PARM2(ctx), index);
	bytes = class_bytes_of(target, index);
	if (index < target->settings.small_classes)
		note_filler(target, tid, index, &key.context);
	if (count)
		cache_moved(target, tid, &key, true, count * bytes, bytes,
			    counters_of(PT_REGS_PARM1(ctx), tcache));
	else
		drop(target, DROP_CACHE_UNREADABLE);
	return 0;
}

/*
 * A cache that is full gives back half of it when one more is freed. The others give back what they
 * did not need for a while, at any call, whoever makes it: from the main thread's that goes to
 * whom it was filled for. When it was not since the watch began, who freed what is in it is long
 * gone, and where the thread's bytes are counted it is not missing.
 */
static __always_inline int flush(struct pt_regs *ctx, u64 tcache, u64 bin_address, u32 index,
				 u32 rest)
{
	struct redmem_profile_key key = {};
	struct cache_bin bin = {};
	u32 tid;
	struct redmem_target *target = cache_hit(ctx, &tid);
	u64 bytes, counters;
	u32 place = index & (REDMEM_CACHED_CLASSES - 1);
	bool left, filled;

	if (!target)
		return 0;
	if (bpf_probe_read_user(&bin, sizeof(bin), (void *)bin_address) || bin.cached <= 0 ||
	    bin.cached > CACHED_MAX || rest >= (u32)bin.cached)
		return 0;
	bytes = class_bytes_of(target, index);
	counters = counters_of(PT_REGS_PARM1(ctx), tcache);
	left = (u32)bin.cached < cached_most(target, index) && is_main(target, tid);
	filled = target->filled & 1ULL << place;
	if (left && filled)
		key.context = target->filler[place];
	else
		who_moves(target, tid, false, &key.context);
	if (left && !filled && read_word(counters))
		charge(target, &key, false, (bin.cached - rest) * bytes, bytes, true);
	else
		cache_moved(target, tid, &key, false, (bin.cached - rest) * bytes, bytes, counters);
	return 0;
}

/* tcache_bin_flush_small(tsd, tcache, tbin, binind, rem) */
SEC("uprobe.multi")
int flow_flush_small(struct pt_regs *ctx)
{
	return flush(ctx, PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx),
		     PT_REGS_PARM5(ctx));
}

/* tcache_bin_flush_large(tsd, tbin, binind, rem, tcache) */
SEC("uprobe.multi")
int flow_flush_large(struct pt_regs *ctx)
{
	return flush(ctx, PT_REGS_PARM5(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx),
		     PT_REGS_PARM4(ctx));
}

/* Its index; 0 when there is none of so many @bytes. */
static __always_inline u32 large_class_of(const struct redmem_target *target, u64 bytes)
{
	for (u32 i = 0; i < LARGE_CACHED_CLASSES; i++)
		if (class_bytes_of(target, target->settings.small_classes + i) == bytes)
			return target->settings.small_classes + i;
	return 0;
}

/* large_palloc(tsdn, arena, usize, alignment, zero) */
SEC("uprobe.multi")
int flow_large_alloc(struct pt_regs *ctx)
{
	struct redmem_profile_key key = {};
	u64 bytes = PT_REGS_PARM3(ctx);
	u32 tid, index;
	struct redmem_target *target = cache_hit(ctx, &tid);

	if (!target)
		return 0;
	who_moves(target, tid, true, &key.context);
	index = bytes <= LARGE_CACHED_BYTES ? large_class_of(target, bytes) : 0;
	if (index) /* its cache is filled by what is freed */
		note_filler(target, tid, index, &key.context);
	cache_moved(target, tid, &key, true, bytes, bytes, 0);
	return 0;
}

/* large_dalloc(tsdn, extent): the extent's first word has the index of its size class
 * behind 18 other bits, the third its size. */
SEC("uprobe.multi")
int flow_large_free(struct pt_regs *ctx)
{
	u64 extent = PT_REGS_PARM2(ctx), size = read_word(extent + 16);
	u32 tid;
	struct redmem_target *target = cache_hit(ctx, &tid);
	struct redmem_profile_key key = {};
	u64 bytes;

	if (!target)
		return 0;
	bytes = class_bytes_of(target, (read_word(extent) >> 18) & 0xff);
	if (!redmem_extent_is_of(size, bytes, ALLOCATOR_PAGE_MAX))
		return 0;
	who_moves(target, tid, false, &key.context);
	cache_moved(target, tid, &key, false, bytes, bytes, 0);
	return 0;
}
