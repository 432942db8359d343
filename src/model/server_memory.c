/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel, the server and its allocator say of memory; see server_memory.h. Sources:
 * Redis 5 to 8 and Valkey 8, src/object.c getMemoryOverheadData() and memoryCommand(),
 * src/server.c genRedisInfoString(); jemalloc 5, stats.* of its manual.
 */
#include <string.h>

#include "model/private.h"
#include "model/server_memory.h"

/* No machine has more; a number beyond it is damaged and could overflow a sum. */
#define BYTES_MAX ((int64_t)1 << 56)

/* --- the kernel: mappings ---------------------------------------------------- */

/*
 * The server's own mappings as they were read last. One reading is a run of
 * rows, one for each class; children's rows may stand between them.
 */

#define CLASSES_MAX 16 /* record.h names 7 */

struct reading {
	const struct record_mapping *row[CLASSES_MAX];
	size_t count;
};

static bool has_class(const struct reading *reading, const char *class_name)
{
	for (size_t i = 0; i < reading->count; i++)
		if (!strcmp(reading->row[i]->class_name, class_name))
			return true;
	return false;
}

/* From the last row back to where another phase or a class seen again tells that
 * an earlier reading begins. */
static struct reading last_reading(const struct model *m)
{
	struct reading reading = { .count = 0 };

	for (size_t i = m->mappings_count; i-- > 0 && reading.count < CLASSES_MAX;) {
		const struct record_mapping *row = &m->mappings[i].mapping;

		if (row->pid != m->target.pid)
			continue;
		if (reading.count && (strcmp(row->phase, reading.row[0]->phase) ||
				      has_class(&reading, row->class_name)))
			break;
		reading.row[reading.count++] = row;
	}
	return reading;
}

static void add(int64_t *sum, int64_t bytes)
{
	if (*sum == RECORD_UNKNOWN || bytes < 0 || bytes > BYTES_MAX)
		*sum = RECORD_UNKNOWN;
	else
		*sum += bytes;
}

/* Its phase ("end"), or NULL. */
static const char *mapping_phase(const struct model *m)
{
	struct reading reading = last_reading(m);

	return reading.count ? reading.row[0]->phase : NULL;
}

bool mapping_sum(const struct model *m, const char *class_name, struct mapping_sum *out)
{
	struct reading reading = last_reading(m);
	bool found = false;

	*out = (struct mapping_sum){ 0 };
	for (size_t i = 0; i < reading.count; i++) {
		if (class_name && strcmp(reading.row[i]->class_name, class_name))
			continue;
		add(&out->rss_bytes, reading.row[i]->rss_bytes);
		add(&out->swap_bytes, reading.row[i]->swap_bytes);
		add(&out->anon_huge_bytes, reading.row[i]->anon_huge_bytes);
		found = true;
	}
	return found;
}

int64_t model_mapping_rss(const struct model *m, const char *class_name)
{
	struct mapping_sum sum;

	return mapping_sum(m, class_name, &sum) ? sum.rss_bytes : RECORD_UNKNOWN;
}

/* --- the server and its allocator -------------------------------------------- */

static int64_t sane(int64_t bytes)
{
	return bytes >= 0 && bytes <= BYTES_MAX ? bytes : RECORD_UNKNOWN;
}

/* An unknown term leaves the other one. */
static int64_t sum_known(int64_t a, int64_t b)
{
	if (a == RECORD_UNKNOWN || b == RECORD_UNKNOWN)
		return a == RECORD_UNKNOWN ? b : a;
	return sane(a + b);
}

/* Where each part stands. Two names of one column are added up. INFO knows less. */
static const struct {
	enum server_part part;
	const char *stats[2]; /* in MEMORY STATS; NULL = summed over databases below */
	const char *info; /* NULL = not there */
} parts[] = {
	{ PART_CLIENTS_NORMAL, { "clients.normal" }, "mem_clients_normal" },
	{ PART_CLIENTS_REPLICAS, { "clients.slaves" }, "mem_clients_slaves" },
	{ PART_FULL_SYNC,
	  { "replica.fullsync.buffer", "replicas.repl.buffer" }, /* Redis 8.0, Valkey 9.0 */
	  "mem_replica_full_sync_buffer" },
	{ PART_SLOT_MIGRATION,
	  { "cluster.slot_import", "cluster.slot_export" }, /* Valkey 9.0 */
	  "mem_cluster_slot_import" },
	{ PART_REPLICATION_BACKLOG, { "replication.backlog" }, "mem_replication_backlog" },
	{ PART_AOF_BUFFER, { "aof.buffer" }, "mem_aof_buffer" },
	{ PART_SCRIPTS, { "lua.caches", "functions.caches" }, "used_memory_scripts" },
	{ PART_LUA, { "script.VMs" }, NULL }, /* Redis 8.0 */
	{ PART_CLUSTER_LINKS, { "cluster.links" }, "mem_cluster_links" },
	{ PART_STARTUP, { "startup.allocated" }, "used_memory_startup" },
	{ PART_HASHTABLE_REHASHING,
	  { "overhead.db.hashtable.rehashing" },
	  "mem_overhead_db_hashtable_rehashing" },
};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

/* The sum of "db.N.<name>" over all databases, 0 when there is none. */
static int64_t sum_databases(const struct info *stats, const char *name)
{
	int64_t sum = 0;

	for (size_t i = 0; i < info_count(stats); i++) {
		const char *field = info_name_at(stats, i);

		if (!strncmp(field, "db.", 3) && ends_with(field, name))
			sum = sum_known(sum, sane(info_int(stats, field)));
	}
	return sum;
}

/*
 * Tables being rehashed (Redis 7.4 on) are counted inside main and expires
 * (kvstoreMemUsage() counts both tables of a dict): take them out there.
 */
static void untangle_rehashing(struct server_memory *s)
{
	int64_t *rehashing = &s->part[PART_HASHTABLE_REHASHING];
	int64_t *main_tables = &s->part[PART_HASHTABLE_MAIN];
	int64_t *expires = &s->part[PART_HASHTABLE_EXPIRES];
	int64_t from_main, from_expires;

	if (*rehashing == RECORD_UNKNOWN || *main_tables == RECORD_UNKNOWN ||
	    *expires == RECORD_UNKNOWN) {
		*rehashing = RECORD_UNKNOWN;
		return;
	}
	from_main = *rehashing < *main_tables ? *rehashing : *main_tables;
	from_expires = *rehashing - from_main;
	if (from_expires > *expires)
		from_expires = *expires;
	*main_tables -= from_main;
	*expires -= from_expires;
	*rehashing = from_main + from_expires;
}

static void gather_stats(const struct info *stats, struct server_memory *s)
{
	s->used = sane(info_int(stats, "total.allocated"));
	s->overhead = sane(info_int(stats, "overhead.total"));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		s->part[parts[i].part] = sane(info_int(stats, parts[i].stats[0]));
		if (parts[i].stats[1])
			s->part[parts[i].part] = sum_known(
				s->part[parts[i].part], sane(info_int(stats, parts[i].stats[1])));
	}
	s->part[PART_HASHTABLE_MAIN] = sum_databases(stats, ".overhead.hashtable.main");
	s->part[PART_HASHTABLE_EXPIRES] = sum_databases(stats, ".overhead.hashtable.expires");
	untangle_rehashing(s);
	s->allocated = sane(info_int(stats, "allocator.allocated"));
	s->active = sane(info_int(stats, "allocator.active"));
	s->muzzy = sane(info_int(stats, "allocator.muzzy"));
	s->dirty_or_metadata = sane(info_int(stats, "allocator.resident"));
}

/* Where MEMORY STATS is not permitted. */
static void gather_info(const struct info *info, struct server_memory *s)
{
	s->used = sane(info_int(info, "used_memory"));
	s->overhead = sane(info_int(info, "used_memory_overhead"));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		s->part[parts[i].part] =
			parts[i].info ? sane(info_int(info, parts[i].info)) : RECORD_UNKNOWN;
	s->part[PART_HASHTABLE_MAIN] = RECORD_UNKNOWN;
	s->part[PART_HASHTABLE_EXPIRES] = RECORD_UNKNOWN;
	untangle_rehashing(s);
	s->allocated = sane(info_int(info, "allocator_allocated"));
	s->active = sane(info_int(info, "allocator_active"));
	s->muzzy = sane(info_int(info, "allocator_muzzy"));
	s->dirty_or_metadata = sane(info_int(info, "allocator_resident"));
}

/*
 * jemalloc's own report, all of one instant and of the whole process; the
 * server's copy is up to 100 ms old and, from Redis 7.4 on, without Lua's arena.
 */
static void gather_malloc_stats(const struct malloc_stats *stats, struct server_memory *s)
{
	s->allocated = sane(stats->allocated_bytes);
	s->active = sane(stats->active_bytes);
	s->dirty = sane(stats->dirty_bytes);
	s->muzzy = sane(stats->muzzy_bytes);
	s->metadata = sane(stats->metadata_bytes);
	s->dirty_or_metadata = RECORD_UNKNOWN;
	s->small_holes = 0;
	for (size_t i = 0; i < stats->classes_count; i++)
		if (stats->classes[i].small)
			s->small_holes =
				sum_known(s->small_holes, sane(stats->classes[i].holes_bytes));
}

/*
 * stats.resident = metadata + active + dirty (jemalloc src/ctl.c, arena
 * stats merge); without MALLOC-STATS what is beyond active cannot be split.
 */
static void split_resident(struct server_memory *s)
{
	if (s->dirty_or_metadata == RECORD_UNKNOWN || s->active == RECORD_UNKNOWN)
		return;
	s->dirty_or_metadata -= s->active;
	if (s->dirty_or_metadata < 0)
		s->dirty_or_metadata = 0;
}

static bool is_jemalloc(const struct model *m)
{
	const char *name =
		*m->target.allocator ? m->target.allocator : info_get(m->info_end, "mem_allocator");

	return m->malloc_stats || (name && !strncmp(name, "jemalloc", 8));
}

/*
 * Lua allocates with the malloc() of the process: jemalloc where the distribution's
 * library takes that name, libc's beside a bundled je_malloc(); from Redis 7.4 on an
 * arena of its own inside the bundled one (src/eval.c, luaAlloc()). Not counted in
 * used_memory before Redis 8.0, where it is a part (src/object.c, script.VMs).
 */
static void gather_lua(const struct model *m, struct server_memory *s)
{
	s->lua = sane(info_int(m->info_end, "used_memory_vm_total"));
	if (s->part[PART_LUA] != RECORD_UNKNOWN)
		s->lua = 0;
	else if (s->lua == RECORD_UNKNOWN)
		s->lua = sane(info_int(m->info_end, "used_memory_lua"));
	s->lua_in_allocator =
		!m->target.allocator_bundled || version_at_least(m->target.version, 7, 4);
}

static bool same_phase(const struct model *m)
{
	const char *phase = mapping_phase(m);

	return phase && m->memory_stats && m->priv->memory_stats_phase &&
	       !strcmp(phase, m->priv->memory_stats_phase) &&
	       (!m->malloc_stats || !strcmp(phase, m->priv->malloc_stats_phase));
}

bool server_memory_gather(const struct model *m, struct server_memory *out)
{
	struct server_memory s = { .metadata = RECORD_UNKNOWN,
				   .dirty = RECORD_UNKNOWN,
				   .small_holes = RECORD_UNKNOWN };

	gather_stats(m->memory_stats, &s);
	if (s.used == RECORD_UNKNOWN)
		gather_info(m->info_end, &s);
	s.jemalloc = is_jemalloc(m);
	if (m->malloc_stats)
		gather_malloc_stats(m->malloc_stats, &s);
	else
		split_resident(&s);
	gather_lua(m, &s);
	s.basis = same_phase(m) ? BASIS_EXACT : BASIS_DERIVED;
	*out = s;
	if (s.jemalloc && (s.allocated == RECORD_UNKNOWN || s.active == RECORD_UNKNOWN))
		return false;
	return s.used != RECORD_UNKNOWN;
}
