/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that several rules ask of a model. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/measure.h"
#include "base/sum.h"

/* Commands a second from which jemalloc's decay runs on the server's own
 * allocations: each arena looks at the clock once in 1000 allocation events
 * (ARENA_DECAY_NTICKS_PER_UPDATE), a command makes about 14. */
#define DECAY_DRIVING_RATE 100

bool measure_waste_matters(int64_t waste, int64_t base)
{
	return base != RECORD_UNKNOWN && waste >= WASTE_FLOOR_BYTES &&
	       (double)waste >= WASTE_FLOOR_RATIO * (double)base;
}

double measure_ratio(int64_t part, int64_t whole)
{
	if (part == RECORD_UNKNOWN || whole == RECORD_UNKNOWN || whole <= 0)
		return NAN;
	return (double)part / (double)whole;
}

int64_t measure_sum(int64_t a, int64_t b)
{
	if (a == RECORD_UNKNOWN)
		return b;
	return b == RECORD_UNKNOWN ? a : sum_of(a, b);
}

int64_t measure_rss(const struct model *m)
{
	for (size_t i = m->timeline_count; i > 0; i--)
		if (m->timeline[i - 1].host.rss_bytes != RECORD_UNKNOWN)
			return m->timeline[i - 1].host.rss_bytes;
	if (ledger_find(&m->ledger, "rss") != NULL)
		return ledger_bytes(&m->ledger, "rss");
	return model_info_end(m, "used_memory_rss");
}

int64_t measure_swap(const struct model *m)
{
	for (size_t i = m->timeline_count; i > 0; i--)
		if (m->timeline[i - 1].host.swap_bytes != RECORD_UNKNOWN)
			return m->timeline[i - 1].host.swap_bytes;
	return ledger_bytes(&m->ledger, "swap");
}

int64_t measure_used(const struct model *m)
{
	return model_info_end(m, "used_memory");
}

int64_t measure_allocated(const struct model *m)
{
	int64_t bytes = ledger_bytes(&m->ledger, "allocated");

	if (bytes == RECORD_UNKNOWN)
		bytes = model_info_end(m, "allocator_allocated");
	return bytes != RECORD_UNKNOWN ? bytes : measure_used(m);
}

int64_t measure_slab_holes(const struct model *m)
{
	int64_t bytes = ledger_bytes(&m->ledger, "slab_holes");

	return bytes != RECORD_UNKNOWN ? bytes : model_info_end(m, "allocator_frag_bytes");
}

int64_t measure_dirty(const struct model *m)
{
	int64_t dirty = ledger_bytes(&m->ledger, "dirty_or_metadata");

	if (dirty == RECORD_UNKNOWN)
		dirty = ledger_bytes(&m->ledger, "dirty");
	return measure_sum(dirty, ledger_bytes(&m->ledger, "muzzy"));
}

bool measure_decay_works(const struct model *m)
{
	const struct malloc_stats *s = m->malloc_stats;
	int64_t commands = model_info_delta(m, "total_commands_processed");

	if (s == NULL || s->dirty_decay_ms == RECORD_UNKNOWN || s->dirty_decay_ms < 0)
		return false;
	return s->background_thread ||
	       (commands != RECORD_UNKNOWN && m->duration_seconds > 0 &&
		(double)commands / m->duration_seconds >= DECAY_DRIVING_RATE);
}

int64_t measure_reclaim(const struct model *m, const char *line, const char *action)
{
	const struct ledger_line *l = ledger_find(&m->ledger, line);

	for (size_t i = 0; l != NULL && i < l->reclaim_count; i++)
		if (strcmp(l->reclaim[i].action, action) == 0)
			return l->reclaim[i].bytes;
	return RECORD_UNKNOWN;
}

int64_t measure_room(const struct model *m, const char **what)
{
	const struct record_host *h = &m->host_end;
	const struct {
		int64_t bytes;
		const char *what;
	} rooms[] = {
		{ h->mem_total_bytes, "the machine's memory" },
		{ h->cgroup_limit_bytes, "the cgroup's memory limit" },
		{ h->cgroup_high_bytes, "the cgroup's memory.high" },
	};
	int64_t least = RECORD_UNKNOWN;

	*what = "memory";
	for (size_t i = 0; m->have_host && i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		if (rooms[i].bytes == RECORD_UNKNOWN ||
		    (least != RECORD_UNKNOWN && rooms[i].bytes >= least))
			continue;
		least = rooms[i].bytes;
		*what = rooms[i].what;
	}
	return least;
}

const char *measure_policy(const struct model *m)
{
	const char *policy = measure_info_text(m, "maxmemory_policy");

	return policy != NULL ? policy : model_config(m, "maxmemory-policy");
}

bool measure_policy_is(const struct model *m, const char *prefix)
{
	const char *policy = measure_policy(m);

	return policy != NULL && strncmp(policy, prefix, strlen(prefix)) == 0;
}

int64_t measure_max_memory(const struct model *m)
{
	int64_t max = model_info_end(m, "maxmemory");

	return max != RECORD_UNKNOWN ? max : measure_config(m, "maxmemory");
}

int64_t measure_counted(const struct model *m)
{
	int64_t used = measure_used(m), aside = model_info_end(m, "mem_not_counted_for_evict");

	return used != RECORD_UNKNOWN && aside > 0 ? used - aside : used;
}

bool measure_is_replica(const struct model *m)
{
	const char *role = measure_info_text(m, "role");

	return role != NULL && strcmp(role, "slave") == 0;
}

int64_t measure_anonymous(const struct model *m)
{
	for (size_t i = m->timeline_count; i > 0; i--)
		if (m->timeline[i - 1].host.rss_anon_bytes != RECORD_UNKNOWN)
			return m->timeline[i - 1].host.rss_anon_bytes;
	return measure_rss(m);
}

int64_t measure_config(const struct model *m, const char *name)
{
	const char *value = model_config(m, name);
	long long n;
	char *end;

	if (value == NULL || value[0] == '\0')
		return RECORD_UNKNOWN;
	errno = 0;
	n = strtoll(value, &end, 10);
	return errno == 0 && *end == '\0' ? n : RECORD_UNKNOWN;
}

bool measure_config_is(const struct model *m, const char *name, const char *value)
{
	const char *have = model_config(m, name);

	return have != NULL && strcmp(have, value) == 0;
}

const char *measure_info_text(const struct model *m, const char *field)
{
	return m->info_end != NULL ? info_get(m->info_end, field) : NULL;
}

bool measure_persists(const struct model *m)
{
	const char *save = model_config(m, "save");

	return (save != NULL && save[0] != '\0') || measure_config_is(m, "appendonly", "yes") ||
	       model_info_end(m, "aof_enabled") == 1;
}

void measure_keyspace(const struct model *m, int64_t *keys, int64_t *expires)
{
	info_keyspace(m->info_end, keys, expires);
}

int64_t measure_expiring_hashes(const struct model *m)
{
	return info_expiring_hashes(m->info_end);
}

int64_t measure_child_private(const struct model *m)
{
	int64_t most = m->children_count > 0 ? RECORD_UNKNOWN : 0;

	for (size_t i = 0; i < m->children_count; i++)
		if (m->children[i].child.private_bytes > most)
			most = m->children[i].child.private_bytes;
	return most;
}

double measure_throttled(const struct model *m, const struct cpu_limit_row **row)
{
	double most = NAN;

	for (size_t i = 0; i < m->cpu_limits_count; i++) {
		const struct cpu_limit_row *limit = &m->cpu_limits[i];
		double seconds =
			limit->end.throttled_seconds_total - limit->start.throttled_seconds_total;

		if (isnan(seconds) || seconds <= most)
			continue;
		most = seconds;
		if (row)
			*row = limit;
	}
	return most;
}

/* From this share of the allocator's memory on, most of what is written lies in them. */
#define HUGE_SHARE 0.25

bool measure_copies_huge_pages(const struct model *m)
{
	int64_t huge = RECORD_UNKNOWN, rss = RECORD_UNKNOWN;

	for (size_t i = 0; i < m->mappings_count; i++) {
		const struct record_mapping *map = &m->mappings[i].mapping;

		if (strcmp(map->class_name, "allocator") != 0 || map->pid != m->target.pid ||
		    map->anon_huge_bytes <= huge)
			continue;
		huge = map->anon_huge_bytes;
		rss = map->rss_bytes;
	}
	return measure_ratio(huge, rss) >= HUGE_SHARE;
}

/* INFO of one tick may be late on a busy machine; of two in a row it is not. */
#define SILENT_TICKS 2

double measure_silence(const struct model *m, int64_t *ticks)
{
	double longest = NAN, from = NAN;
	int64_t row = 0, most = 0;

	for (size_t i = 0; i < m->life_count; i++)
		if (strcmp(m->life[i].life.event, "hang") == 0)
			longest = fmax(longest, m->life[i].life.seconds);
	for (size_t i = 0; i < m->timeline_count && m->target.connected; i++) {
		const struct record_tick *t = &m->timeline[i].host;

		if (t->answered) {
			row = 0;
			continue;
		}
		if (row++ == 0)
			from = t->t_seconds;
		most = row > most ? row : most;
		if (row >= SILENT_TICKS)
			longest = fmax(longest, t->t_seconds - from);
	}
	if (ticks)
		*ticks = most;
	return longest;
}

/* Calls of a command since the server started, redmem's own among them (it makes none of
 * these); 0 before the first. */
static int64_t calls_of_info(const struct info *info, const char *field)
{
	const char *value = info ? info_get(info, field) : NULL;
	int64_t calls = value ? info_sub_int(value, "calls") : 0;

	return calls > 0 ? calls : 0;
}

int64_t measure_calls(const struct model *m, const char *field)
{
	int64_t calls = calls_of_info(m->info_end, field) - calls_of_info(m->info_start, field);

	return m->info_end != m->info_start && calls > 0 ? calls : 0;
}

const struct charge *measure_main_thread(const struct model *m)
{
	for (size_t i = 0; i < m->threads_count; i++)
		if (!strcmp(m->threads[i].thread, "main"))
			return &m->threads[i].charge;
	return NULL;
}

const struct charge *measure_io_thread(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->threads_count && model_is_io_thread(name); i++)
		if (!strcmp(m->threads[i].thread, name))
			return &m->threads[i].charge;
	return NULL;
}

const struct command_row *measure_top_command(const struct model *m,
					      double (*amount)(const struct charge *))
{
	const struct command_row *top = NULL;
	double most = 0;

	for (size_t i = 0; i < m->commands_count; i++)
		if (amount(&m->commands[i].charge) > most) {
			top = &m->commands[i];
			most = amount(&top->charge);
		}
	return top;
}

const struct prefix_row *measure_top_prefix(const struct model *m,
					    double (*amount)(const struct charge *))
{
	const struct prefix_row *top = NULL;
	double most = 0;

	for (size_t i = 0; i < m->prefixes_count; i++)
		if (amount(&m->prefixes[i].charge) > most) {
			top = &m->prefixes[i];
			most = amount(&top->charge);
		}
	return top;
}

const struct record_client *measure_unread_client(const struct model *m, int64_t *bytes)
{
	const struct record_held *held = model_held(m, "clients");
	const struct record_client *most = NULL;

	for (size_t i = 0; held && i < m->clients_count; i++) {
		const struct record_client *client = &m->clients[i].client;

		if (client->id == RECORD_UNKNOWN &&
		    (!most || client->unsent_bytes > most->unsent_bytes))
			most = client;
	}
	*bytes = model_info_end(m, "mem_clients_normal");
	if (!most || *bytes == RECORD_UNKNOWN)
		return NULL;
	*bytes -= held->looked_bytes;
	return most;
}
