/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on limits, buffers, settings of the machine, forks and the server's life. */
#include "blame_records.h"
#include "scene.h"

static void with_max(struct scene *s, int64_t used, int64_t max, const char *more)
{
	scene_init(s);
	scene_load(s, used);
	buf_printf(&s->info_end, "maxmemory:%" PRId64 "\r\n", max);
	scene_info(s, more);
}

static void near_max(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	with_max(&s, 960 * MIB, 1000 * MIB, "");
	d = scene_diagnose(&s);
	f = expect(&d, "mem.near_max", SEVERITY_CRITICAL);
	assert_true(fabs(evidence_value(f, "maxmemory_ratio") - 0.96) < 1e-9);
	assert_string_equal(evidence_text(f, "maxmemory_policy"), "noeviction");
	assert_null(diagnosis_find(&d, "mem.no_max"));
	diagnosis_free(&d);

	with_max(&s, 850 * MIB, 1000 * MIB, "");
	scene_expect(&s, "mem.near_max", SEVERITY_WARNING);
	with_max(&s, 790 * MIB, 1000 * MIB, "");
	scene_expect_none(&s, "mem.near_max");
	scene_init(&s); /* maxmemory 0 */
	scene_expect_none(&s, "mem.near_max");
}

/* Replica and AOF buffers do not count (evict.c), which the guide overlooks. */
static void near_max_not_counted(void **state)
{
	struct scene s;

	(void)state;
	with_max(&s, 960 * MIB, 1000 * MIB, "mem_not_counted_for_evict:209715200\r\n");
	scene_expect_none(&s, "mem.near_max"); /* 76 % */
}

static void near_max_by_policy(void **state)
{
	struct scene s;

	(void)state;
	with_max(&s, 999 * MIB, 1000 * MIB, "maxmemory_policy:allkeys-lru\r\n");
	scene_expect(&s, "mem.near_max", SEVERITY_INFO); /* a full cache is healthy */
	with_max(&s, 999 * MIB, 1000 * MIB,
		 "maxmemory_policy:volatile-lru\r\ndb0:keys=1000,expires=900,avg_ttl=0\r\n");
	scene_expect(&s, "mem.near_max", SEVERITY_WARNING);
	with_max(&s, 999 * MIB, 1000 * MIB,
		 "maxmemory_policy:volatile-lru\r\ndb0:keys=1000,expires=0,avg_ttl=0\r\n");
	scene_expect(&s, "evict.nothing_to_evict", SEVERITY_CRITICAL);
	with_max(&s, 999 * MIB, 1000 * MIB, "role:slave\r\n");
	scene_expect(&s, "mem.near_max", SEVERITY_INFO);
}

static void no_max(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 3 * GIB);
	scene_expect(&s, "mem.no_max", SEVERITY_INFO); /* of 8 GiB */
	scene_init(&s);
	scene_load(&s, 5 * GIB);
	scene_expect(&s, "mem.no_max", SEVERITY_WARNING);
	scene_init(&s);
	scene_load(&s, 3 * GIB);
	s.host.cgroup_limit_bytes = 5 * GIB;
	scene_expect(&s, "mem.no_max", SEVERITY_WARNING);
	scene_init(&s); /* a maxmemory below the data is no advice to paste */
	scene_load(&s, 3 * GIB);
	s.host.cgroup_limit_bytes = 2 * GIB;
	d = scene_diagnose(&s);
	f = expect(&d, "mem.no_max", SEVERITY_WARNING);
	assert_string_equal(f->actions[0].command, "");
	diagnosis_free(&d);
	scene_init(&s);
	s.connected = s.target.connected = false; /* unknown is not 0 */
	scene_expect_none(&s, "mem.no_max");
}

static void cgroup(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 880 * MIB);
	s.host.cgroup_limit_bytes = 1000 * MIB;
	s.host.cgroup_usage_bytes = 990 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "mem.cgroup", SEVERITY_WARNING);
	assert_true(evidence_value(f, "cgroup_limit") == 1000.0 * MIB);
	assert_true(evidence_value(f, "server_and_child") > 880.0 * MIB);
	diagnosis_free(&d);

	scene_init(&s); /* full of page cache only */
	scene_load(&s, 200 * MIB);
	s.host.cgroup_limit_bytes = 1000 * MIB;
	s.host.cgroup_usage_bytes = 999 * MIB;
	scene_expect_none(&s, "mem.cgroup");

	scene_init(&s); /* no limit */
	scene_load(&s, 880 * MIB);
	scene_expect_none(&s, "mem.cgroup");
}

static void high_scene(struct scene *s, int64_t held)
{
	scene_init(s);
	scene_load(s, held);
	s->host.cgroup_high_bytes = 1000 * MIB;
	s->host.cgroup_high_usage_bytes = 999 * MIB;
}

static void memory_high(void **state)
{
	struct diagnosis d;
	const struct finding *f;
	struct scene s;

	(void)state;
	high_scene(&s, 960 * MIB);
	d = scene_diagnose(&s);
	f = expect(&d, "mem.high", SEVERITY_WARNING);
	assert_true(evidence_value(f, "cgroup_high") == 1000.0 * MIB);
	assert_non_null(strstr(f->title, "memory.high (1000.0 MiB)"));
	/* Its own limit has to fit under it, too. */
	assert_non_null(strstr(f->actions[1].text, "memory.high"));
	diagnosis_free(&d);
	high_scene(&s, 960 * MIB); /* what it took to give memory back is this trouble */
	for (int i = 0; i < 10; i++)
		record_blame(scene_stall(&s, "set", "k", 0.06), CAUSE_RECLAIM, 0.06);
	d = scene_diagnose(&s);
	f = expect(&d, "mem.high", SEVERITY_WARNING);
	assert_float_equal(evidence_value(f, "waited_seconds"), 0.6, 1e-6);
	assert_null(diagnosis_find(&d, "reclaim.blocks"));
	diagnosis_free(&d);
	high_scene(&s, 850 * MIB);
	scene_expect(&s, "mem.high", SEVERITY_INFO);
	high_scene(&s, 200 * MIB); /* full of page cache only */
	scene_expect_none(&s, "mem.high");
	high_scene(&s, 700 * MIB); /* more than half of it, and no maxmemory */
	scene_expect(&s, "mem.no_max", SEVERITY_WARNING);
	scene_init(&s); /* no memory.high */
	scene_load(&s, 960 * MIB);
	scene_expect_none(&s, "mem.high");
}

static struct record_child *add_child(struct scene *s, int64_t private_bytes, double fork_seconds)
{
	struct record *f = scene_add(s, RECORD_CHILD);

	f->child = (struct record_child){ .pid = 900,
					  .t_start_seconds = 1,
					  .t_end_seconds = NAN,
					  .purpose = "rdb",
					  .rss_bytes = private_bytes,
					  .private_bytes = private_bytes,
					  .cow_faults = 4000,
					  .fork_seconds = fork_seconds };
	return &f->child;
}

static void cgroup_with_child(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 600 * MIB);
	s.host.cgroup_limit_bytes = 1000 * MIB;
	add_child(&s, 400 * MIB, NAN);
	d = scene_diagnose(&s); /* the child's copies are the cause, and that is said first */
	f = expect(&d, "fork.cow", SEVERITY_CRITICAL);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_non_null(strstr(f->title, "of the limit of 1000.0 MiB"));
	assert_null(diagnosis_find(&d, "mem.cgroup"));
	diagnosis_free(&d);
	scene_init(&s); /* the server is near it alone */
	scene_load(&s, 900 * MIB);
	s.host.cgroup_limit_bytes = 1000 * MIB;
	add_child(&s, 40 * MIB, NAN);
	scene_expect(&s, "mem.cgroup", SEVERITY_CRITICAL);
}

static void cgroup_below_maxmemory(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	with_max(&s, 200 * MIB, 2 * GIB, "");
	s.host.cgroup_limit_bytes = 1 * GIB;
	d = scene_diagnose(&s);
	f = expect(&d, "mem.cgroup", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "maxmemory (2.0 GiB)"));
	diagnosis_free(&d);
}

static void evictions(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	with_max(&s, 990 * MIB, 1000 * MIB,
		 "evicted_keys:5000\r\nmaxmemory_policy:volatile-ttl\r\n");
	d = scene_diagnose(&s);
	assert_true(evidence_value(expect(&d, "evict.active", SEVERITY_WARNING), "evicted_keys") ==
		    5000);
	diagnosis_free(&d);

	with_max(&s, 990 * MIB, 1000 * MIB,
		 "evicted_keys:5000\r\nmaxmemory_policy:allkeys-lru\r\n");
	scene_expect(&s, "evict.active", SEVERITY_INFO);
	with_max(&s, 990 * MIB, 1000 * MIB,
		 "evicted_keys:5000\r\nmaxmemory_policy:allkeys-lru\r\n"
		 "total_eviction_exceeded_time:1400\r\n"); /* it does not keep up */
	scene_expect(&s, "evict.active", SEVERITY_WARNING);
	with_max(&s, 990 * MIB, 1000 * MIB,
		 "evicted_keys:5000\r\nmaxmemory_policy:allkeys-lru\r\n"
		 "total_eviction_exceeded_time:200\r\n"); /* it had no CPU now and then */
	scene_expect(&s, "evict.active", SEVERITY_INFO);
	with_max(&s, 990 * MIB, 1000 * MIB,
		 "evicted_keys:5000\r\nmaxmemory_policy:allkeys-lru\r\n"
		 "mem_clients_normal:300000000\r\n"); /* buffers push keys out */
	scene_expect(&s, "evict.pushed_by", SEVERITY_WARNING);
	with_max(&s, 990 * MIB, 1000 * MIB, "evicted_keys:7\r\n"); /* long ago: no change */
	buf_puts(&s.info_start, "evicted_keys:7\r\n");
	scene_expect_none(&s, "evict.active");
}

static void map_count(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.host.maps_total = 53000;
	scene_expect(&s, "map_count", SEVERITY_WARNING);
	scene_init(&s);
	s.host.maps_total = 64000;
	scene_expect(&s, "map_count", SEVERITY_CRITICAL);
	scene_init(&s);
	s.host.maps_total = 52000;
	scene_expect_none(&s, "map_count");
}

static void client_buffers(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 200 * MIB);
	scene_info(&s, "mem_clients_normal:20971520\r\nconnected_clients:10\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.buffers", SEVERITY_WARNING);
	assert_true(evidence_value(f, "mem_clients_normal") == 20.0 * MIB);
	assert_true(evidence_value(f, "connected_clients") == 10);
	diagnosis_free(&d);

	scene_init(&s); /* MEMORY DOCTOR's average on a server with one client */
	scene_info(&s, "mem_clients_normal:400000\r\nconnected_clients:1\r\n");
	scene_expect_none(&s, "clients.buffers");

	scene_init(&s); /* very many ordinary ones: a fifth of the memory */
	scene_load(&s, 300 * MIB);
	scene_info(&s, "mem_clients_normal:209715200\r\nconnected_clients:5000\r\n");
	scene_expect(&s, "clients.buffers", SEVERITY_WARNING);
}

/* MEMORY DOCTOR compares the total with what it calls 10 MB for each. */
static void replica_buffers(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_info(&s, "connected_slaves:2\r\nmem_clients_slaves:41943040\r\n"
		       "slave0:ip=10.0.0.2,port=6379,state=online,offset=10,lag=0\r\n"
		       "slave1:ip=10.0.0.3,port=6379,state=online,offset=5,lag=17\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "repl.buffer", SEVERITY_WARNING);
	assert_true(evidence_value(f, "replica_lag_seconds") == 17);
	assert_non_null(strstr(f->title, "20.0 MiB for each of 2 replicas"));
	diagnosis_free(&d);

	scene_init(&s);
	scene_info(&s, "connected_slaves:4\r\nmem_clients_slaves:41943040\r\n"); /* 10 MiB each */
	scene_expect_none(&s, "repl.buffer");
}

static void aof_buffer(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_info(&s, "mem_aof_buffer:67108864\r\n");
	scene_expect(&s, "aof.buffer", SEVERITY_WARNING);
	scene_init(&s); /* the disk was late: one trouble, told with its cause */
	buf_puts(&s.info_start, "aof_delayed_fsync:3\r\n");
	scene_info(&s, "mem_aof_buffer:67108864\r\naof_delayed_fsync:9\r\n");
	scene_expect_none(&s, "aof.buffer");
	scene_init(&s);
	scene_info(&s, "mem_aof_buffer:1048576\r\n");
	scene_expect_none(&s, "aof.buffer");
}

/* It is one string, moved as it grows: whichever command came then took the time of it, and
 * nobody looked at its key. */
static void aof_buffer_moves(void **state)
{
	struct record_stall *stall;
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_stall(&s, "set", "item:77", 0.3)->frame_ns[FRAME_ALLOCATE] = 300000000;
	scene_info(&s, "mem_aof_buffer:671088640\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "aof.buffer", SEVERITY_WARNING);
	assert_string_equal(d.f->items[0].id, "aof.buffer");
	assert_true(fabs(evidence_value(f, "waited_seconds") - 0.3) < 1e-9);
	assert_null(diagnosis_find(&d, "bigkey.blocks"));
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);

	scene_init(&s); /* the old one is freed then, in part of that time; the disk was late */
	stall = scene_stall(&s, "set", "item:77", 0.12);
	stall->frame_ns[FRAME_FREE] = 31000000;
	stall->frame_ns[FRAME_ALLOCATE] = 27000000;
	stall->frame_ns[FRAME_FAULT] = 62000000;
	record_blame(stall, CAUSE_FAULT_MINOR, 0.062);
	scene_key(&s, "item:77", "string", 4152, RECORD_UNKNOWN, NAN);
	buf_puts(&s.info_start, "aof_delayed_fsync:0\r\n");
	scene_info(&s, "aof_delayed_fsync:1\r\n");
	d = scene_diagnose(&s);
	expect(&d, "aof.disk", SEVERITY_WARNING);
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);

	scene_init(&s); /* a big key that is deleted takes its own time */
	record_blame(scene_stall(&s, "del", "item:77", 0.3), CAUSE_ALLOCATOR, 0.3);
	scene_key(&s, "item:77", "none", RECORD_UNKNOWN, RECORD_UNKNOWN, NAN);
	scene_info(&s, "mem_aof_buffer:671088640\r\n");
	scene_expect(&s, "bigkey.blocks", SEVERITY_WARNING);
}

static void scripts(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_info(&s, "number_of_cached_scripts:1001\r\n");
	scene_expect(&s, "scripts.memory", SEVERITY_WARNING);
	scene_init(&s);
	scene_info(&s, "used_memory_vm_total:104857600\r\n");
	scene_expect(&s, "scripts.memory", SEVERITY_WARNING);
	scene_init(&s);
	scene_info(&s, "number_of_cached_scripts:1000\r\nused_memory_vm_total:10485760\r\n");
	scene_expect_none(&s, "scripts.memory");
}

/* SCRIPT FLUSH would free nothing of it. */
static void functions(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_info(&s, "used_memory_vm_total:104857600\r\nused_memory_vm_functions:104800000\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "scripts.memory", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "Functions"));
	assert_non_null(strstr(f->actions[0].command, "FUNCTION LIST"));
	assert_null(strstr(f->actions[0].text, "SCRIPT FLUSH"));
	diagnosis_free(&d);
}

/* A server that keeps the last 500 scripts has no more of them, however many there were. */
static void scripts_thrown_out(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	buf_puts(&s.info_start, "evicted_scripts:0\r\n");
	scene_info(&s, "number_of_cached_scripts:500\r\nevicted_scripts:12336\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "scripts.memory", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "12,336 scripts"));
	diagnosis_free(&d);
	scene_init(&s);
	buf_puts(&s.info_start, "evicted_scripts:0\r\n");
	scene_info(&s, "number_of_cached_scripts:500\r\nevicted_scripts:20\r\n");
	scene_expect_none(&s, "scripts.memory");
}

static void machine_settings(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.host.thp_enabled = "always";
	scene_expect(&s, "config.thp", SEVERITY_WARNING);
	scene_init(&s);
	s.host.thp_enabled = "always";
	s.host.thp_disabled_for_target = true;
	scene_expect_none(&s, "config.thp");

	scene_init(&s);
	scene_expect(&s, "config.overcommit", SEVERITY_INFO);
	scene_init(&s);
	scene_load(&s, 5 * GIB);
	scene_expect(&s, "config.overcommit", SEVERITY_WARNING);
	scene_init(&s);
	s.host.overcommit_memory = 1;
	scene_expect_none(&s, "config.overcommit");
	scene_init(&s);
	scene_load(&s, 5 * GIB);
	buf_clear(&s.config);
	scene_config(&s, "save \nappendonly no\n"); /* it never forks */
	scene_expect_none(&s, "config.overcommit");

	scene_init(&s);
	scene_expect_none(&s, "config.swappiness"); /* 60, but no swap */
	scene_init(&s);
	s.host.swap_total_bytes = s.host.swap_free_bytes = 1 * GIB;
	scene_expect(&s, "config.swappiness", SEVERITY_INFO);
}

static void fork_pause(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	scene_load(&s, 1 * GIB);
	add_child(&s, 1 * MIB, 0.4);
	d = scene_diagnose(&s);
	assert_true(evidence_value(expect(&d, "fork.pause", SEVERITY_WARNING), "fork_seconds") ==
		    0.4);
	diagnosis_free(&d);

	scene_init(&s);
	add_child(&s, 1 * MIB, 1.5);
	scene_expect(&s, "fork.pause", SEVERITY_CRITICAL);
	scene_init(&s);
	add_child(&s, 1 * MIB, 0.08);
	scene_expect(&s, "fork.pause", SEVERITY_WARNING);
	scene_init(&s);
	add_child(&s, 1 * MIB, 0.03);
	scene_expect_none(&s, "fork.pause");
	scene_init(&s); /* some day before this watch */
	scene_info(&s, "latest_fork_usec:800000\r\n");
	scene_expect(&s, "fork.pause", SEVERITY_INFO);
	scene_init(&s);
	scene_info(&s, "latest_fork_usec:800000\r\ntotal_forks:1\r\n");
	scene_expect(&s, "fork.pause", SEVERITY_WARNING);
}

static void fork_cow(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 1 * GIB);
	s.host.mem_available_bytes = 400 * MIB;
	add_child(&s, 700 * MIB, 0.01);
	scene_profile(&s, EVENT_FAULT_COW, "hset", "user:1", 4000, 0.1);
	d = scene_diagnose(&s);
	f = expect(&d, "fork.cow", SEVERITY_WARNING);
	assert_true(evidence_value(f, "child_private_bytes") == 700.0 * MIB);
	assert_true(evidence_value(f, "cow_faults_total") == 4000);
	assert_string_equal(evidence_text(f, "top_command"), "HSET");
	assert_string_equal(evidence_text(f, "top_prefix"), "user:*");
	diagnosis_free(&d);

	scene_init(&s); /* little so far, but it has hardly begun, and the limit is near */
	scene_load(&s, 1 * GIB);
	s.host.cgroup_limit_bytes = 1800 * MIB;
	add_child(&s, 60 * MIB, NAN);
	s.extra[s.extra_count - 1].child.t_end_seconds = NAN;
	buf_puts(&s.info_end,
		 "current_save_keys_processed:100\r\ncurrent_save_keys_total:1000\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "fork.cow", SEVERITY_WARNING);
	assert_true(evidence_value(f, "child_private_bytes") == 60.0 * MIB);
	assert_true(evidence_value(f, "child_private_at_end_bytes") == 600.0 * MIB);
	diagnosis_free(&d);

	scene_init(&s); /* with room for it */
	scene_load(&s, 1 * GIB);
	add_child(&s, 700 * MIB, 0.01);
	scene_expect(&s, "fork.cow", SEVERITY_INFO);
	scene_init(&s);
	scene_load(&s, 1 * GIB);
	add_child(&s, 60 * MIB, 0.01);
	scene_expect_none(&s, "fork.cow");
}

/* A gigabyte of data in a cgroup of @limit, whose last save copied 500 MiB. */
static void saved_scene(struct scene *s, int64_t limit)
{
	scene_init(s);
	scene_load(s, 1 * GIB);
	s->host.cgroup_near_limit_bytes = s->host.cgroup_limit_bytes = limit;
	s->host.cgroup_near_own = true;
	s->host.cgroup_near_anon_bytes = 1070 * MIB;
	s->host.cgroup_near_shmem_bytes = s->host.cgroup_near_sock_bytes = 0;
	s->host.cgroup_near_kernel_bytes = 2 * MIB;
	scene_info(s, "rdb_last_cow_size:524288000\r\naof_last_cow_size:4096\r\n");
}

static void next_save(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	saved_scene(&s, 1400 * MIB);
	d = scene_diagnose(&s);
	f = expect(&d, "fork.no_room", SEVERITY_WARNING);
	assert_true(f->weak);
	assert_true(evidence_value(f, "copied_bytes") == 500.0 * MIB);
	assert_true(evidence_value(f, "room") == 328.0 * MIB);
	assert_non_null(strstr(f->title, "of the cgroup's limit 328.0 MiB is left"));
	diagnosis_free(&d);

	saved_scene(&s, 1700 * MIB);
	scene_expect_none(&s, "fork.no_room");
	saved_scene(&s, 1700 * MIB); /* the machine has less than the cgroup */
	s.host.mem_available_bytes = 300 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "fork.no_room", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "the machine's memory"));
	diagnosis_free(&d);
	saved_scene(&s, 1400 * MIB); /* under way: fork.cow follows it */
	add_child(&s, 10 * MIB, 0.01);
	scene_expect_none(&s, "fork.no_room");
	saved_scene(&s, 1400 * MIB); /* it did not fit */
	scene_info(&s, "rdb_last_bgsave_status:err\r\n");
	scene_expect_none(&s, "fork.no_room");
	saved_scene(&s, 1060 * MIB); /* nor does the server */
	scene_expect_none(&s, "fork.no_room");
}

static void add_life(struct scene *s, const char *event, double t, double seconds)
{
	scene_add(s, RECORD_LIFE)->life = (struct record_life){
		.t_seconds = t, .event = event, .detail = "", .seconds = seconds
	};
}

static void server_hangs(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	add_life(&s, "hang", 3, 5.2);
	record_blame(scene_stall(&s, "del", "leaderboard:global", 5.3), CAUSE_ALLOCATOR, 5.3);
	d = scene_diagnose(&s); /* one trouble is one finding: what held it, not that it was held */
	assert_null(diagnosis_find(&d, "server.not_answering"));
	f = expect(&d, "bigkey.blocks", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "DEL on leaderboard:global"));
	diagnosis_free(&d);

	scene_init(&s);
	add_life(&s, "hang", 3, 0.4);
	scene_expect_none(&s, "server.not_answering");

	scene_init(&s); /* ticks without an answer, and nothing else to go by */
	s.tick.answered = false;
	d = scene_diagnose(&s);
	f = expect(&d, "server.not_answering", SEVERITY_CRITICAL);
	assert_true(evidence_value(f, "silence_seconds") == SCENE_SECONDS);
	assert_true(f->weak);
	diagnosis_free(&d);
}

/* It was seen to be stopped, and to go on: the silence is told, and how long it was. */
static void server_goes_on(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s);
	add_life(&s, "stopped", 3, NAN);
	stall = scene_stall(&s, "", "", 1.5); /* from 2 s on */
	stall->wait_call = WAIT_SIGSTOP;
	stall->event_ns[EVENT_IO_WAIT] = 1500000000;
	d = scene_diagnose(&s);
	f = expect(&d, "server.not_answering", SEVERITY_CRITICAL);
	assert_true(fabs(evidence_value(f, "silence_seconds") - 1.5) < 1e-6);
	diagnosis_free(&d);

	scene_init(&s); /* again and again: each is short, and together they are not */
	for (int i = 0; i < 8; i++) {
		stall = scene_stall(&s, "", "", 0.2);
		stall->wait_call = WAIT_SIGSTOP;
		stall->event_ns[EVENT_IO_WAIT] = 200000000;
	}
	d = scene_diagnose(&s);
	f = expect(&d, "server.not_answering", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "The server was stopped for 1.6 s, 8 times, at most 200 ms at once");
	assert_true(fabs(evidence_value(f, "stopped_seconds") - 1.6) < 1e-6);
	diagnosis_free(&d);
}

static void server_ends(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	add_life(&s, "exit", 3, NAN);
	scene_expect(&s, "server.not_answering", SEVERITY_CRITICAL);
	scene_init(&s);
	add_life(&s, "stopped", 3, NAN);
	scene_expect(&s, "server.not_answering", SEVERITY_CRITICAL);
	scene_init(&s);
	add_life(&s, "stopped", 3, NAN);
	add_life(&s, "answer", 3.5, NAN);
	scene_expect_none(&s, "server.not_answering");
	scene_init(&s);
	add_life(&s, "exec", 3, NAN);
	scene_expect_none(&s, "server.not_answering");
}

static struct record_large *add_large(struct scene *s, bool reply, int64_t bytes, const char *key)
{
	struct record *f = scene_add(s, RECORD_LARGE);

	f->large = (struct record_large){ .reply = reply,
					  .id = (int64_t)s->extra_count,
					  .unix_seconds = 1700000002,
					  .bytes = bytes,
					  .command = reply ? "get" : "set",
					  .key = scene_bytes(key),
					  .client = scene_bytes("10.0.0.7:4242"),
					  .client_name = scene_bytes("worker") };
	return &f->large;
}

static void large_messages(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 3; i++)
		add_large(&s, true, (2 + i) * MIB, "blob:1");
	add_large(&s, false, 3 * MIB, "blob:2");
	add_large(&s, true, 900 * MIB, "blob:old")->unix_seconds -= 60; /* before the watch */
	d = scene_diagnose(&s);
	f = expect(&d, "clients.large_messages", SEVERITY_INFO);
	assert_string_equal(f->title, "3 large replies, the largest of 4.0 MiB: GET blob:1");
	assert_true(evidence_value(f, "large_replies_total") == 3);
	assert_true(evidence_value(f, "large_replies_bytes") == 9.0 * MIB);
	assert_true(evidence_value(f, "large_requests_total") == 1);
	assert_string_equal(evidence_text(f, "client"), "10.0.0.7:4242");
	diagnosis_free(&d);
	scene_init(&s);
	add_large(&s, false, 30 * MIB, "blob:2");
	add_large(&s, false, 30 * MIB, "blob:2")->id = 1; /* told again */
	d = scene_diagnose(&s);
	f = expect(&d, "clients.large_messages", SEVERITY_WARNING);
	assert_string_equal(f->title, "1 large request, the largest of 30.0 MiB: SET blob:2");
	diagnosis_free(&d);
	scene_init(&s);
	scene_expect_none(&s, "clients.large_messages");
	scene_init(&s); /* somebody lets the server log everything */
	add_large(&s, false, 26, "light:0");
	scene_expect_none(&s, "clients.large_messages");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_max),
		cmocka_unit_test(near_max_not_counted),
		cmocka_unit_test(near_max_by_policy),
		cmocka_unit_test(no_max),
		cmocka_unit_test(cgroup),
		cmocka_unit_test(memory_high),
		cmocka_unit_test(cgroup_with_child),
		cmocka_unit_test(cgroup_below_maxmemory),
		cmocka_unit_test(evictions),
		cmocka_unit_test(map_count),
		cmocka_unit_test(client_buffers),
		cmocka_unit_test(replica_buffers),
		cmocka_unit_test(aof_buffer),
		cmocka_unit_test(aof_buffer_moves),
		cmocka_unit_test(scripts),
		cmocka_unit_test(functions),
		cmocka_unit_test(scripts_thrown_out),
		cmocka_unit_test(machine_settings),
		cmocka_unit_test(fork_pause),
		cmocka_unit_test(fork_cow),
		cmocka_unit_test(next_save),
		cmocka_unit_test(large_messages),
		cmocka_unit_test(server_hangs),
		cmocka_unit_test(server_goes_on),
		cmocka_unit_test(server_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
