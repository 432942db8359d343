/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine: the table of rows, one BPF object, its loading, the ring, the two profile maps
 * and the thread that empties them; see engine.h.
 */
#define _GNU_SOURCE 1 /* vasprintf() */
#include "sensor/internal.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "host/kernel.h"
#include "host/uprobe.h"

_Static_assert(ENGINE_SERVERS_MAX == REDMEM_TARGETS_MAX, "a slot each");

#define TICK_NS	     1000000000LL
#define RING_MS	     100 /* how often samples are taken: they do not wake anybody */
#define RING_AT_ONCE 4096 /* records taken in a row; the profile must not wait for ever */
#define BATCH	     512 /* rows of a profile map read at once */

/* --- the rows --------------------------------------------------------------------------- */

#define SENSOR_ROW(name) &sensor_##name,

const struct sensor *const sensor_table[SENSOR_COUNT] = { SENSORS(SENSOR_ROW) };

/* --- loading ------------------------------------------------------------------------ */

/* The verifier's log comes as one message of many lines; its end says what is wrong. */
#define MESSAGE_LINES 40

static int libbpf_print(enum libbpf_print_level level, const char *format, va_list args)
{
	enum log_level own = level == LIBBPF_DEBUG ? LOG_DEBUG : LOG_INFO;
	char *text, *line, *end, *rest;
	int lines = 0;

	if (vasprintf(&text, format, args) < 0)
		return 0;
	end = text + strlen(text);
	for (line = end; line > text && lines <= MESSAGE_LINES; line--)
		lines += line[-1] == '\n' && line != end;
	for (line = strtok_r(line, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		log_msg(own, "%s", line);
	free(text);
	return 0;
}

/* Why the kernel refused: the youngest thing the programs cannot do without is
 * bpf_task_pt_regs() (5.15, dd6e10fbd9fb); asked only now, since asking costs a load. */
static int load_refused(int code, struct err *err)
{
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_task_pt_regs, NULL) == 0)
		return err_set(err, -EOPNOTSUPP,
			       "bpf: this kernel has no bpf_task_pt_regs(); use one of 5.15 or "
			       "later");
	return err_set(err, code, "bpf: the kernel refused redmem's programs: %s; -vv shows why",
		       strerror(-code));
}

/* Rows that are not wanted are left out of everything. */
bool engine_wants(const struct engine *e, const struct sensor *row)
{
	const char *name = e->config.wanted;
	size_t len;

	for (; name && *name; name += len + strspn(name + len, " ")) {
		len = strcspn(name, " ");
		if (len == strlen(row->id) && !strncmp(name, row->id, len))
			return true;
	}
	return !e->config.wanted;
}

/* Programs are named after their sensor; those of rows that are off cost the verifier's
 * time for nothing. */
static void leave_out(struct engine *e, const struct sensor *row)
{
	struct bpf_program *program;
	size_t len = strlen(row->id);

	bpf_object__for_each_program(program, e->bpf->obj) {
		const char *name = bpf_program__name(program);

		if (!strncmp(name, row->id, len) && name[len] == '_')
			bpf_program__set_autoload(program, false);
	}
}

static void size_maps(const struct engine *e)
{
	int cpus = libbpf_num_possible_cpus();
	struct room room = {
		.servers = e->config.servers,
		.frugal = e->config.frugal,
		.cpus = cpus > 0 ? (size_t)cpus : 1,
		.samples = engine_on(e, "loop"),
		.fine_samples = e->config.fine_samples,
		.stacks = e->config.stacks,
		.calls = engine_on(e, "burst"),
	};

	targets_size(e->bpf, &room);
	if (!e->config.at_ticks)
		return;
	e->bpf->bss->ring_wake_bytes = bpf_map__max_entries(e->bpf->maps.records) / 4;
	e->bpf->bss->profile_wake_rows = bpf_map__max_entries(e->bpf->maps.profile_0) / 2 + 1;
}

static int take_ring_record(void *ctx, void *data, size_t bytes);

/* Open, let each row switch off what this kernel has not, load. */
static int load_bpf(struct engine *e, struct err *err)
{
	struct err why = {};
	int ret;

	e->bpf = redmem_bpf__open();
	if (!e->bpf)
		return err_set(err, -errno, "bpf: cannot open the built-in object: %s",
			       strerror(errno));
	size_maps(e);
	uprobe_prepare(e->bpf->progs.calibrate_look);
	sensor_tracepoint(e->bpf->progs.forget_thread, "sched_process_exit");
	for (size_t i = 0; i < SENSOR_COUNT; i++) {
		if (e->state[i].on && sensor_table[i]->probe && sensor_table[i]->probe(e, &why) < 0)
			state_off(&e->state[i], why.text);
		if (!e->state[i].on)
			leave_out(e, sensor_table[i]);
	}
	kernel_btf_free(); /* its questions are asked */
	ret = redmem_bpf__load(e->bpf);
	if (ret)
		return load_refused(ret, err);
	e->ring = ring_buffer__new(bpf_map__fd(e->bpf->maps.records), take_ring_record, e, NULL);
	if (!e->ring)
		return err_set(err, -errno, "bpf: ring buffer: %s", strerror(errno));
	return targets_open(&e->targets, e->bpf, err);
}

static void close_bpf(struct engine *e)
{
	ring_buffer__free(e->ring);
	e->ring = NULL;
	targets_close(&e->targets);
	redmem_bpf__destroy(e->bpf);
	e->bpf = NULL;
}

int engine_open(struct engine **out, const struct engine_config *config, struct err *err)
{
	struct engine *e = xcalloc(1, sizeof(*e));
	struct err why = {};

	(void)err;
	e->config = *config;
	e->stats_fd = -1;
	e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->setup, NULL);
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		e->state[i] = (struct sensor_state){ .id = sensor_table[i]->id,
						     .on = engine_wants(e, sensor_table[i]) };
	libbpf_set_print(libbpf_print);
	if (config->away)
		err_set(&why, -ENOENT, "%s", config->away);
	else if (config->disabled)
		err_set(&why, -ECANCELED, "switched off by --no-bpf");
	else if (!kernel_bpf_usable(&why))
		load_bpf(e, &why);
	if (e->bpf && !why.code)
		cost_of_memory(e);
	if (why.code) {
		close_bpf(e);
		snprintf(e->no_bpf_reason, sizeof(e->no_bpf_reason), "%s", why.text);
		for (size_t i = 0; i < SENSOR_COUNT; i++)
			if (sensor_table[i] != &sensor_vm)
				state_off(&e->state[i], e->no_bpf_reason);
	}
	*out = e;
	return 0;
}

/* --- attaching ---------------------------------------------------------------------- */

static void drop_links(struct engine *e, size_t kept)
{
	while (e->link_count > kept)
		bpf_link__destroy(e->links[--e->link_count]);
}

/* A row that cannot be had whole leaves nothing behind. */
static void attach_row(struct engine *e, size_t row)
{
	size_t before = e->link_count;
	struct err why = {};

	if (!e->state[row].on || !sensor_table[row]->attach ||
	    sensor_table[row]->attach(e, &why) == 0)
		return;
	state_off(&e->state[row], why.text);
	if (sensor_table[row]->detach)
		sensor_table[row]->detach(e);
	drop_links(e, before);
}

/* --- taking --------------------------------------------------------------------------- */

/* Copies of what the kernel has, for the server it names; lost ones are counted as those
 * the ring has no room for. */
static void put(struct engine *e, uint32_t index, enum inbox_kind kind, const void *data,
		size_t bytes)
{
	struct sensors *s = index < REDMEM_TARGETS_MAX ? e->server[index] : NULL;

	if (s && !inbox_put(s->inbox, kind, data, bytes))
		__atomic_fetch_add(&s->target->drops[DROP_RING_FULL], 1, __ATOMIC_RELAXED);
}

static bool is_crowded(const struct engine *e, uint32_t index)
{
	const struct sensors *s = index < REDMEM_TARGETS_MAX ? e->server[index] : NULL;

	return s && inbox_is_crowded(s->inbox);
}

static void put_all(struct engine *e, enum inbox_kind kind, const void *data, size_t bytes)
{
	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++)
		if (e->server[i])
			inbox_put(e->server[i]->inbox, kind, data, bytes);
}

/* A negative result ends the turn; the record is taken all the same. */
static int take_ring_record(void *ctx, void *data, size_t bytes)
{
	const struct redmem_ring_record *raw = data; /* a sample begins in the same way */
	struct engine *e = ctx;

	if (raw->kind == RING_STACK && bytes >= offsetof(struct redmem_stack, stack) &&
	    is_crowded(e, raw->target))
		bytes = offsetof(struct redmem_stack, stack); /* rather without than not at all */
	if (bytes >= offsetof(struct redmem_ring_record, ns))
		put(e, raw->target, INBOX_RECORD, data, bytes);
	return ++e->taken < RING_AT_ONCE ? 0 : -ECANCELED;
}

/* False when there is more. */
static bool take_ring(struct engine *e)
{
	e->taken = 0;
	ring_buffer__consume(e->ring);
	return e->taken < RING_AT_ONCE;
}

static void take_profile(struct engine *e, uint32_t map)
{
	int fd = bpf_map__fd(map ? e->bpf->maps.profile_1 : e->bpf->maps.profile_0), ret = 0;
	const struct inbox_map mark = { .map = map, .until_ns = e->switched_ns };
	struct inbox_row row;
	/* Opaque position; large enough for a hash map's (4 bytes) and a key. */
	struct redmem_profile_key position;
	bool first = true;

	put_all(e, INBOX_MAP, &mark, sizeof(mark));
	while (!ret) {
		uint32_t count = BATCH;

		ret = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &position, &position,
						      e->keys, e->values, &count, NULL);
		/* -ENOSPC: one bucket holds more than fits; cannot be with this size */
		if (ret && ret != -ENOENT)
			break;
		for (uint32_t i = 0; i < count; i++) {
			row = (struct inbox_row){ e->keys[i], e->values[i] };
			put(e, row.key.target, INBOX_ROW, &row, sizeof(row));
		}
		first = false;
	}
	e->bpf->bss->profile_rows[map] = 0;
}

/* From here on the programs write the map that was just emptied. */
static void switch_profile(struct engine *e)
{
	struct inbox_map mark = { .map = e->bpf->bss->profile_active };

	e->bpf->bss->profile_active = !mark.map;
	mark.until_ns = e->switched_ns = clock_mono_ns();
	put_all(e, INBOX_LEFT, &mark, sizeof(mark));
}

/* The programs write one map while the other is read: read the one they left at the turn
 * before, so that none is still at work in it, then switch. */
static void iteration_profile(struct engine *e)
{
	take_profile(e, !e->bpf->bss->profile_active);
	switch_profile(e);
}

/* Of many different keys a profile map may be full before the tick; events would lose
 * theirs then. */
static bool profile_fills(const struct engine *e)
{
	return e->bpf->bss->profile_rows[e->bpf->bss->profile_active] >
	       bpf_map__max_entries(e->bpf->maps.profile_0) / 2;
}

/* All there is, now. Other servers' programs go on: what they have begun in the map that
 * is left must be over before it is read, as it is after a turn of a second. The kernel's
 * grace period is that; where it cannot be had, they have had some time. */
static void flush(struct engine *e)
{
	while (!take_ring(e))
		;
	iteration_profile(e);
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(10000);
	while (!take_ring(e)) /* rows of that map that came with a stack */
		;
	take_profile(e, !e->bpf->bss->profile_active);
}

static void tick(struct engine *e)
{
	if (e->bpf) {
		iteration_profile(e);
		cpu_adapt(e);
		fault_adapt(e);
		cost_tick(e);
	}
	put_all(e, INBOX_TICK, &e->next_ns, sizeof(e->next_ns));
	e->next_ns += TICK_NS;
}

static void wake_owners(struct engine *e)
{
	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++)
		if (e->server[i])
			inbox_ring(e->server[i]->inbox);
}

/* Those who wait for all that is theirs have it when this returns. */
static void answer_flushes(struct engine *e)
{
	bool wanted = false;

	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++)
		wanted |= e->server[i] && e->server[i]->flush_wanted;
	if (!wanted)
		return;
	if (e->bpf)
		flush(e);
	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++) {
		if (!e->server[i] || !e->server[i]->flush_wanted)
			continue;
		e->server[i]->flush_wanted = false;
		inbox_put(e->server[i]->inbox, INBOX_FLUSHED, NULL, 0);
	}
}

/* How long it may sleep where nobody wakes it. */
static int rest_ms(const struct engine *e)
{
	int64_t left_ms = (e->next_ns - clock_mono_ns()) / 1000000 + 1;

	if (left_ms < 0)
		return 0;
	return e->config.at_ticks || left_ms < RING_MS ? (int)left_ms : RING_MS;
}

static void *run(void *ctx)
{
	struct engine *e = ctx;
	struct pollfd fds[2] = { { .fd = e->wake_fd, .events = POLLIN },
				 { .fd = e->ring ? ring_buffer__epoll_fd(e->ring) : -1,
				   .events = POLLIN } };
	bool all = true;

	if (e->config.thread_begins)
		e->config.thread_begins();
	while (!__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE)) {
		uint64_t count;

		poll(fds, 2, all ? rest_ms(e) : 0);
		if (read(e->wake_fd, &count, sizeof(count)) < 0)
			count = 0;
		pthread_mutex_lock(&e->lock);
		all = !e->bpf || take_ring(e);
		if (e->bpf && profile_fills(e))
			iteration_profile(e);
		if (e->bpf)
			fault_curb(e);
		if (clock_mono_ns() >= e->next_ns)
			tick(e);
		answer_flushes(e);
		wake_owners(e);
		pthread_mutex_unlock(&e->lock);
	}
	return NULL;
}

void engine_start(struct engine *e)
{
	struct err why = {};

	if (e->running)
		return;
	if (e->bpf) {
		cost_begin(e);
		e->keys = xcalloc(BATCH, sizeof(*e->keys));
		e->values = xcalloc(BATCH, sizeof(*e->values));
		sensor_attach_link(e, e->bpf->progs.forget_thread, &why);
	}
	e->switched_ns = clock_mono_ns();
	e->next_ns = e->switched_ns + TICK_NS;
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		attach_row(e, i);
	e->running = thread_start(&e->thread, run, e) == 0;
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	if (e->running) {
		__atomic_store_n(&e->stop, true, __ATOMIC_RELEASE);
		engine_wake(e);
		pthread_join(e->thread, NULL);
	}
	for (size_t i = SENSOR_COUNT; i-- > 0;)
		if (sensor_table[i]->detach)
			sensor_table[i]->detach(e);
	drop_links(e, 0);
	close_bpf(e);
	cost_end(e);
	close(e->wake_fd);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->setup);
	free(e->keys);
	free(e->values);
	free(e);
}

/* --- servers ---------------------------------------------------------------------------- */

int engine_add(struct engine *e, struct sensors *s, struct err *err)
{
	size_t index = 0;
	int ret = 0;

	pthread_mutex_lock(&e->lock);
	while (index < e->config.servers && e->server[index])
		index++;
	if (index == e->config.servers)
		ret = err_set(err, -ENOSPC, "cannot watch more than %zu servers at once", index);
	else if (e->bpf)
		ret = targets_add(&e->targets, index, s->config.pid, err);
	if (!ret) {
		s->bpf = e->bpf;
		s->target = e->bpf ? &e->targets.slots[index] : NULL;
		s->index = index;
		e->server[index] = s;
	}
	pthread_mutex_unlock(&e->lock);
	return ret;
}

void engine_remove(struct engine *e, struct sensors *s)
{
	pthread_mutex_lock(&e->lock);
	if (e->server[s->index] == s) {
		if (e->bpf) {
			cost_take(e);
			targets_remove(&e->targets, s->index);
		}
		/* What is still on its way is nobody's, and the next one's must not be. */
		if (e->bpf && e->running)
			flush(e);
		e->server[s->index] = NULL;
	}
	pthread_mutex_unlock(&e->lock);
}

void engine_align(struct engine *e, const struct sensors *s, int64_t start_ns)
{
	bool alone = true;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++)
		alone &= !e->server[i] || e->server[i] == s;
	if (alone)
		e->next_ns = start_ns + TICK_NS;
	pthread_mutex_unlock(&e->lock);
}

bool engine_servers_begun(const struct engine *e, uint32_t *count)
{
	if (!e->bpf || !e->running || !engine_on(e, "life") ||
	    bpf_program__fd(e->bpf->progs.life_exec) < 0)
		return false;
	*count = __atomic_load_n(&e->bpf->bss->servers_begun, __ATOMIC_RELAXED);
	return true;
}

int engine_each_process(struct engine *e, void (*take)(void *ctx, pid_t pid, uint64_t memory),
			void *ctx)
{
	return e->bpf ? targets_each_process(e->bpf, take, ctx) : -EOPNOTSUPP;
}
