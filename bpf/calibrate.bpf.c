// SPDX-License-Identifier: BSD-2-Clause
/*
 * Calibration: one look at the server from inside a command, one that redmem sent
 * or, when it cannot send any, somebody else's. A probe on echoCommand() (or
 * another function whose first argument is the client) copies the client and the
 * server struct and notes, for each word of the client, what lies behind it. The
 * loader works out the offsets from a few such looks. The probe is gone before the
 * watch begins.
 */
#include "arch.bpf.h"
#include "shared.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CALIBRATION_SLOTS); /* set by the loader: as many for each server */
	__type(key, u32);
	__type(value, struct redmem_calibration);
} calibration SEC(".maps");

static __always_inline bool is_pointer(u64 word)
{
	return word >= 0x10000 && word < (1ULL << REDMEM_ADDRESS_BITS);
}

static __always_inline bool is_nonce(const char *text, const char *nonce)
{
	return *(u64 *)text == *(u64 *)nonce && *(u64 *)(text + 8) == *(u64 *)(nonce + 8);
}

/* Text of a string object through the pointer at @offset of it. */
static __always_inline bool pointed_text(char *text, u64 object, u32 offset)
{
	u64 pointer = 0;

	return !bpf_probe_read_user(&pointer, sizeof(pointer), (void *)(object + offset)) &&
	       is_pointer(pointer) &&
	       bpf_probe_read_user_str(text, CALIBRATION_TEXT, (void *)pointer) > 1;
}

/* The word taken as robj **argv: is the nonce the text of argv[1]? Objects are kept as they
 * are; the loader knows the layouts. */
static __always_inline void try_argv(struct redmem_calibration *c,
				     struct redmem_calibration_word *w, u64 first, u64 second)
{
	char text[CALIBRATION_TEXT] = {};

	if (bpf_probe_read_user(w->object[0], CALIBRATION_OBJECT, (void *)first) ||
	    bpf_probe_read_user(w->object[1], CALIBRATION_OBJECT, (void *)second))
		return;
	for (u32 offset = 8; offset <= 16; offset += 8) {
		if (!pointed_text(text, second, offset) || !is_nonce(text, c->nonce))
			continue;
		w->nonce_at_1 = 1;
		w->pointer = offset;
		c->nonce_matches++;
		pointed_text(w->first, first, offset);
		return;
	}
	/* Valkey 9.1 holds the text of short strings inside the object. */
	for (u32 offset = 9; offset <= CALIBRATION_OBJECT - CALIBRATION_NONCE; offset++) {
		if (!is_nonce((char *)w->object[1] + offset, c->nonce))
			continue;
		w->nonce_at_1 = 1;
		w->embedded = offset;
		c->nonce_matches++;
		return;
	}
}

/* Global, so that the verifier looks at it once and not once a word. */
__noinline int chase_word(u32 slot, u32 i)
{
	struct redmem_calibration *c;
	struct redmem_calibration_word *w;
	u64 behind[2] = {}, word;

	c = bpf_map_lookup_elem(&calibration, &slot);
	if (!c || i >= CALIBRATION_WORDS)
		return 0;
	w = &c->word[i];
	__builtin_memset(w, 0, sizeof(*w));
	word = *(u64 *)(c->client + 8 * i);
	if (!is_pointer(word))
		return 0;
	if (word & 1) {
		bpf_probe_read_user(w->query, sizeof(w->query), (void *)word);
		return 0;
	}
	if ((word & 7) || bpf_probe_read_user(behind, sizeof(behind), (void *)word) ||
	    !is_pointer(behind[0]))
		return 0;
	bpf_probe_read_user_str(w->name, sizeof(w->name), (void *)behind[0]);
	if (behind[0] & 7)
		return 0;
	if (c->any_client) {
		bpf_probe_read_user(w->object[0], CALIBRATION_OBJECT, (void *)behind[0]);
		pointed_text(w->first, behind[0], 8);
	} else if (is_pointer(behind[1]) && !(behind[1] & 7)) {
		try_argv(c, w, behind[0], behind[1]);
	}
	return 0;
}

/* Copy as much of the client as is mapped. */
static __always_inline u32 copy_client(struct redmem_calibration *c)
{
	if (!bpf_probe_read_user(c->client, CALIBRATION_CLIENT_BYTES, (void *)c->client_address))
		return CALIBRATION_CLIENT_BYTES;
	if (!bpf_probe_read_user(c->client, CALIBRATION_CLIENT_BYTES / 2,
				 (void *)c->client_address))
		return CALIBRATION_CLIENT_BYTES / 2;
	return 0;
}

static __always_inline bool copy_server(struct redmem_calibration *c)
{
	u32 bytes = c->server_bytes;

	if (bytes > CALIBRATION_SERVER_BYTES)
		bytes = CALIBRATION_SERVER_BYTES;
	return bytes && !bpf_probe_read_user(c->server, bytes, (void *)c->server_address);
}

/* A look at @client begins, or goes on; false when it is not the client it goes on with. */
static __always_inline bool begin_look(struct redmem_calibration *c, u64 client)
{
	if (c->resumed && c->client_address != client)
		return false;
	if (!c->resumed)
		c->looked = c->nonce_matches = 0;
	c->client_address = client;
	c->client_bytes = copy_client(c);
	return true;
}

/* A command nobody asked redmem to look at: only the main thread's, and only when it
 * comes from where the loader says. What scripts and modules call comes from elsewhere,
 * and does not run on the current client. */
static __always_inline bool is_wanted(struct pt_regs *ctx, const struct redmem_target *target,
				      u32 tid, const struct redmem_range *caller)
{
	u64 from = return_address(ctx);

	return is_main(target, tid) && from >= caller->start && from < caller->end;
}

/* Time of the server's a look has taken: what others took from it meanwhile is not its. */
struct stopwatch {
	u64 start_ns, delay_ns;
};

static __always_inline u64 waited_since(const struct stopwatch *watch)
{
	return task_delay_ns(bpf_get_current_task_btf()) - watch->delay_ns;
}

static __always_inline u64 took_since(const struct stopwatch *watch)
{
	return bpf_ktime_get_ns() - watch->start_ns - waited_since(watch);
}

/* What lies behind the next word of the client. False when there is none, or the look is cut.
 * Global, as chase_word() is. */
__noinline int look_behind_next(u32 slot, const struct stopwatch *watch)
{
	struct redmem_calibration *c = bpf_map_lookup_elem(&calibration, &slot);

	if (!c || !watch || c->looked >= c->words || c->looked >= c->client_bytes / 8)
		return false;
	chase_word(slot, c->looked);
	c->looked++;
	if (took_since(watch) > c->limit_ns)
		c->cut = 1; /* the server waits: that was enough */
	return !c->cut;
}

SEC("uprobe.multi")
int calibrate_look(struct pt_regs *ctx)
{
	struct redmem_calibration *c;
	u64 id = bpf_get_current_pid_tgid();
	struct redmem_target *target = target_of(id >> 32);
	u32 slot, looked;
	struct stopwatch watch;
	bool seen = false;
	u64 took;

	if (!target || !probe_is_of(target, ctx))
		return 0;
	/* The loader changes it when that one is done, so it never writes where a program does. */
	slot = target->settings.calibration_slot;
	c = bpf_map_lookup_elem(&calibration, &slot);
	if (!c || !c->armed || c->done || c->cut)
		return 0;
	watch.delay_ns = task_delay_ns(bpf_get_current_task_btf());
	watch.start_ns = bpf_ktime_get_ns();
	c->hits++;
	if (c->any_client && !is_wanted(ctx, target, id, &c->caller))
		goto out;
	if (!begin_look(c, PT_REGS_PARM1(ctx)))
		goto out;
	looked = c->looked;
	for (u32 i = 0; i < CALIBRATION_WORDS && look_behind_next(slot, &watch); i++)
		;
	if (c->cut)
		goto out;
	if (!c->nonce_matches && !c->any_client) {
		c->resumed = 0;
		goto out; /* somebody else's: stay armed */
	}
	/* The copy is a step, too, and a large one. */
	if (!c->any_client && c->looked != looked && took_since(&watch) > c->limit_ns / 2) {
		c->cut = 1;
		goto out;
	}
	c->server_ok = copy_server(c);
	seen = true;
out:
	took = took_since(&watch);
	c->pause_ns += took;
	c->waited_ns += waited_since(&watch);
	if (took > c->longest_ns) {
		c->longest_ns = took;
		c->longest_start_ns = watch.start_ns;
	}
	c->done = seen; /* last: then the loader reads */
	return 0;
}
