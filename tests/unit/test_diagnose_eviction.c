/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on eviction and expiry, on the cgroup as a whole, and the forecast. */
#include <stdio.h>

#include "scene.h"

/* @used of a maxmemory of 1000 MiB, and errors are told. */
static void begin(struct scene *s, int64_t used, const char *policy)
{
	scene_init(s);
	scene_load(s, used);
	scene_info_both(s, "# Errorstats\r\nmaxmemory:1048576000\r\n");
	buf_printf(&s->info_end, "maxmemory_policy:%s\r\n", policy);
}

/* --- nothing to evict ---------------------------------------------------------- */

static void nothing_to_evict(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s, 999 * MIB, "volatile-lru");
	scene_info(&s, "db0:keys=100000,expires=0,avg_ttl=0\r\nerrorstat_OOM:count=1200\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "evict.nothing_to_evict", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "1,200 requests were refused (OOM)"));
	assert_non_null(strstr(f->title, "0 of 100,000"));
	assert_true(evidence_value(f, "evictable_keys_ratio") == 0);
	assert_null(diagnosis_find(&d, "writes.refused")); /* one trouble, cause first */
	diagnosis_free(&d);

	begin(&s, 850 * MIB, "volatile-ttl"); /* it will come to that */
	scene_info(&s, "db0:keys=100000,expires=900,avg_ttl=5000\r\n");
	scene_expect(&s, "evict.nothing_to_evict", SEVERITY_WARNING);
	begin(&s, 850 * MIB, "volatile-ttl");
	scene_info(&s, "db0:keys=100000,expires=60000,avg_ttl=5000\r\n");
	scene_expect_none(&s, "evict.nothing_to_evict");
	begin(&s, 300 * MIB, "volatile-lru"); /* far from full */
	scene_info(&s, "db0:keys=100000,expires=0,avg_ttl=0\r\n");
	scene_expect_none(&s, "evict.nothing_to_evict");
	begin(&s, 999 * MIB, "allkeys-lru");
	scene_info(&s, "db0:keys=100000,expires=0,avg_ttl=0\r\n");
	scene_expect_none(&s, "evict.nothing_to_evict");
}

/* --- pushed by ----------------------------------------------------------------- */

#define EVICTED "evicted_keys:5000\r\n"

static void pushed_by(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s, 990 * MIB, "allkeys-lru"); /* maxmemory was set lower */
	buf_puts(&s.info_start, "maxmemory:2097152000\r\n");
	scene_info(&s, EVICTED);
	d = scene_diagnose(&s);
	f = expect(&d, "evict.pushed_by", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "maxmemory was lowered by 1000.0 MiB"));
	assert_true(evidence_value(f, "pushed_bytes") == 1000.0 * MIB);
	diagnosis_free(&d);

	begin(&s, 990 * MIB, "allkeys-lru"); /* 2^23 places of 8 bytes were made */
	scene_info_both(&s, "used_memory_overhead:300000000\r\nmem_clients_normal:1800000\r\n");
	scene_info(&s, EVICTED "used_memory_overhead:367108864\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "evict.pushed_by", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "a table of keys grew by 64.0 MiB"));
	diagnosis_free(&d);
}

static void pushed_by_buffers(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s, 990 * MIB, "allkeys-lru"); /* replies nobody reads */
	scene_info(&s, EVICTED "mem_clients_normal:209715200\r\n");
	for (int i = 0; i < 2; i++) /* one of them is owed nearly all */
		scene_add(&s, RECORD_CLIENT)->client =
			(struct record_client){ .id = 7 + i,
						.address = scene_bytes("10.0.0.7:51234"),
						.name = scene_bytes(i ? "reader" : "worker"),
						.user = "default",
						.flags = "N",
						.command = "get",
						.output_bytes = i ? 200 * MIB : 4096 };
	d = scene_diagnose(&s);
	f = expect(&d, "evict.pushed_by", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "buffers of clients take 20 %"));
	assert_string_equal(evidence_text(f, "client"), "10.0.0.7:51234 (name reader)");
	assert_true(evidence_value(f, "client_bytes") == 200.0 * MIB);
	diagnosis_free(&d);

	begin(&s, 990 * MIB, "allkeys-lru"); /* too near maxmemory to be asked for its clients */
	scene_info(&s, EVICTED "mem_clients_normal:209715200\r\n");
	scene_add(&s, RECORD_HELD)->held = (struct record_held){ 1, "clients", 12, 0, 0 };
	record_clear(scene_add(&s, RECORD_CLIENT), RECORD_CLIENT);
	s.extra[s.extra_count - 1].client.address = scene_bytes("10.0.0.9:40112");
	s.extra[s.extra_count - 1].client.unsent_bytes = 2 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "evict.pushed_by", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "client"), "10.0.0.9:40112");
	assert_true(f->weak);
	diagnosis_free(&d);

	begin(&s, 990 * MIB, "allkeys-lru"); /* what is in no key, and no buffer of a client */
	scene_info(&s, EVICTED "pubsub_channels:2000000\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "evict.pushed_by", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "of maxmemory is taken by subscriptions"));
	diagnosis_free(&d);

	begin(&s, 990 * MIB, "allkeys-lru"); /* a cache in its steady state */
	scene_info(&s, EVICTED "pubsub_channels:1000\r\n");
	scene_expect_none(&s, "evict.pushed_by");
	begin(&s, 990 * MIB, "allkeys-lru"); /* nothing was evicted */
	scene_info(&s, "mem_clients_normal:209715200\r\n");
	scene_expect_none(&s, "evict.pushed_by");
}

static void allocated_by(struct scene *s, const char *command, const char *key, int64_t bytes)
{
	struct record *f = scene_add(s, RECORD_PROFILE);

	f->profile = (struct record_profile){ .event = EVENT_ALLOC,
					      .thread = "",
					      .command = command,
					      .inner = "",
					      .key = scene_bytes(key),
					      .symbol = "",
					      .samples = bytes / 65536,
					      .events = (double)bytes,
					      .seconds = NAN,
					      .scale = 1,
					      .t_seconds = 5,
					      .class_bytes = RECORD_UNKNOWN };
}

static void allocated(struct scene *s, const char *key, int64_t bytes)
{
	allocated_by(s, "set", key, bytes);
}

static void pushed_by_prefix(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s, 990 * MIB, "volatile-lru");
	scene_info(&s, EVICTED "db0:keys=100000,expires=60000,avg_ttl=5000\r\n");
	allocated(&s, "import:1", 400 * MIB);
	allocated(&s, "session:1", 40 * MIB);
	scene_add(&s, RECORD_SENSOR)->sensor = (struct record_sensor){ "flow", true, "", "" };
	d = scene_diagnose(&s);
	f = expect(&d, "evict.pushed_by", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "prefix"), "import:*");
	diagnosis_free(&d);
}

/* evicted_keys of each second: @before, and from @from on by @step until @until. */
static void evicting(struct scene *s, int64_t before, int from, int until, int64_t step)
{
	static char lines[SCENE_SECONDS + 1][160];

	for (int t = 0; t <= SCENE_SECONDS; t++) {
		int seconds = t < from ? 0 : (t < until ? t : until) - from;

		snprintf(lines[t], sizeof(lines[t]),
			 "used_memory:1000\r\ntotal_commands_processed:5000\r\n"
			 "evicted_keys:%" PRId64 "\r\n",
			 before + step * seconds);
		scene_add(s, RECORD_INFO)->info = (struct record_info){ t, "tick", lines[t] };
	}
}

/* Three seconds of evictions at the begin of a window: the end of what always went on, or all that
 * the server ever evicted. */
static void pushed_until_it_ended(void **state)
{
	static const char *const keys = "db0:keys=25000,expires=0,avg_ttl=0\r\n";
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (int first = 0; first < 2; first++) {
		begin(&s, 990 * MIB, "allkeys-lru");
		buf_printf(&s.info_start, "%sevicted_keys:%d\r\n", keys, first ? 5000 : 900000);
		buf_printf(&s.info_end, "%sevicted_keys:%d\r\n", keys, first ? 16100 : 911100);
		evicting(&s, first ? 5000 : 900000, 0, 3, 3700);
		allocated(&s, "import:1", 400 * MIB);
		allocated(&s, "session:1", 40 * MIB);
		scene_add(&s, RECORD_SENSOR)->sensor =
			(struct record_sensor){ "flow", true, "", "" };
		d = scene_diagnose(&s);
		f = expect(&d, "evict.pushed_by", first ? SEVERITY_WARNING : SEVERITY_INFO);
		assert_int_equal(strstr(f->title, "in a burst") != NULL, first);
		diagnosis_free(&d);
	}
}

/* A cache that is read all the time, and written to in a burst too short for a byte of it to be
 * seen: samples of the CPU say whose it was. */
static void pushed_by_burst(void **state)
{
	static const char *const keys = "db0:keys=25000,expires=0,avg_ttl=0\r\n";
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (int steady = 0; steady < 2; steady++) {
		begin(&s, 990 * MIB, "allkeys-lru");
		buf_puts(&s.info_start, keys);
		scene_info(&s, keys);
		scene_info(&s, "used_memory_dataset:1000000000\r\nevicted_keys:11000\r\n");
		evicting(&s, 0, steady ? 0 : 4, steady ? 10 : 5, steady ? 1100 : 11000);
		scene_profile(&s, EVENT_CPU, "get", "cache:1", 110, 0.55);
		scene_profile(&s, EVENT_CPU, "set", "import:7", 6, 0.03);
		d = scene_diagnose(&s);
		f = expect(&d, "evict.pushed_by", steady ? SEVERITY_INFO : SEVERITY_WARNING);
		assert_string_equal(evidence_text(f, "prefix"), "import:*");
		assert_true(f->weak);
		assert_true(evidence_value(f, "pushed_bytes") == 440e6);
		assert_int_equal(strstr(f->title, "in a burst") != NULL, !steady);
		diagnosis_free(&d);
	}

	begin(&s, 990 * MIB, "allkeys-lru"); /* a burst no look of which names a key */
	buf_puts(&s.info_start, keys);
	scene_info(&s, keys);
	scene_info(&s, "evicted_keys:11000\r\n");
	evicting(&s, 0, 4, 5, 11000);
	scene_profile(&s, EVENT_CPU, "get", "cache:1", 110, 0.55);
	d = scene_diagnose(&s);
	f = expect(&d, "evict.pushed_by", SEVERITY_WARNING);
	assert_string_equal(f->title, "11,000 keys were evicted in a burst");
	diagnosis_free(&d);

	begin(&s, 990 * MIB, "allkeys-lru"); /* one of which few bytes were seen */
	buf_puts(&s.info_start, keys);
	scene_info(&s, keys);
	scene_info(&s, "used_memory_dataset:1000000000\r\nevicted_keys:11000\r\n");
	evicting(&s, 0, 4, 5, 11000);
	allocated(&s, "import:1", 10 * MIB);
	allocated(&s, "session:1", MIB);
	scene_add(&s, RECORD_SENSOR)->sensor = (struct record_sensor){ "flow", true, "", "" };
	d = scene_diagnose(&s);
	f = expect(&d, "evict.pushed_by", SEVERITY_WARNING);
	assert_string_equal(f->title, "11,000 keys were evicted in a burst");
	assert_true(evidence_value(f, "pushed_bytes") == 440e6);
	diagnosis_free(&d);

	begin(&s, 990 * MIB, "allkeys-lru"); /* two looks tell nothing */
	scene_info(&s, "db0:keys=25000,expires=0\r\nused_memory_dataset:1000000000\r\n" EVICTED);
	scene_profile(&s, EVENT_CPU, "get", "cache:1", 110, 0.55);
	scene_profile(&s, EVENT_CPU, "set", "import:7", 2, 0.01);
	scene_expect_none(&s, "evict.pushed_by");
}

/* --- past their time ------------------------------------------------------------ */

static void expired_resident(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s); /* active expiry is off */
	scene_load(&s, 100 * MIB);
	scene_info_both(&s,
			"db0:keys=500000,expires=500000,avg_ttl=0\r\nexpired_stale_perc:0.00\r\n"
			"used_memory_dataset:90000000\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "expired.resident", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "500,000 keys are past their time"));
	assert_true(evidence_value(f, "held_bytes") == 90000000);
	diagnosis_free(&d);

	scene_init(&s); /* it does not keep up */
	scene_load(&s, 100 * MIB);
	scene_info_both(&s, "db0:keys=500000,expires=500000,avg_ttl=300\r\n"
			    "expired_time_cap_reached_count:10\r\n");
	scene_info(&s, "expired_stale_perc:60.00\r\nexpired_time_cap_reached_count:90\r\n"
		       "expired_keys:40000\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "expired.resident", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "300,000 keys"));
	assert_non_null(strstr(f->cause, "80 times"));
	diagnosis_free(&d);
}

/* A session store whose keys last seconds is always some behind: they go as fast as they come. */
static void expiry_is_a_little_behind(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_load(&s, 4 * MIB);
	scene_info_both(
		&s, "db0:keys=115000,expires=115000,avg_ttl=1500\r\nused_memory_dataset:4000000\r\n"
		    "expired_time_cap_reached_count:10\r\n");
	scene_info(&s, "expired_stale_perc:37.00\r\nexpired_time_cap_reached_count:31\r\n"
		       "expired_keys:160000\r\n");
	scene_expect(&s, "expired.resident", SEVERITY_INFO);
}

static void expiry_is_well(void **state)
{
	static const char *const healthy[] = {
		/* keys come and go */
		"db0:keys=500000,expires=500000,avg_ttl=900\r\nexpired_stale_perc:4.00\r\n",
		/* none has a TTL */
		"db0:keys=500000,expires=0,avg_ttl=0\r\n",
		/* too few to matter */
		"db0:keys=500000,expires=30,avg_ttl=0\r\n",
		/* its master does it */
		"db0:keys=500000,expires=500000,avg_ttl=0\r\nrole:slave\r\nmaster_link_status:"
		"up\r\n",
		"db0:keys=5000,expires=5000,avg_ttl=900\r\nexpired_stale_perc:60.00\r\n",
	};
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(healthy) / sizeof(healthy[0]); i++) {
		scene_init(&s);
		scene_load(&s, 100 * MIB);
		scene_info_both(&s, healthy[i]);
		scene_expect_none(&s, "expired.resident");
	}
	scene_init(&s); /* they ended just now, and are being removed */
	scene_load(&s, 100 * MIB);
	scene_info_both(&s, "db0:keys=500000,expires=500000,avg_ttl=0\r\n");
	scene_info(&s, "expired_keys:200000\r\n");
	scene_expect_none(&s, "expired.resident");
}

/* --- the cgroup as a whole --------------------------------------------------------- */

/* A limit of 400 MiB, and in it besides the server's own: */
static void in_cgroup(struct scene *s, int64_t used, int64_t shmem, int64_t others)
{
	scene_init(s);
	scene_load(s, used);
	s->host.cgroup_limit_bytes = s->host.cgroup_near_limit_bytes = 400 * MIB;
	s->host.cgroup_near_path = "/redis";
	s->host.cgroup_near_own = true;
	s->host.cgroup_near_usage_bytes = 399 * MIB; /* the rest is page cache */
	s->host.cgroup_near_anon_bytes = used + 20 * MIB + others;
	s->host.cgroup_near_shmem_bytes = shmem;
	s->host.cgroup_near_kernel_bytes = 2 * MIB;
}

static void shmem(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	in_cgroup(&s, 100 * MIB, 220 * MIB, 0);
	d = scene_diagnose(&s);
	f = expect(&d, "mem.shmem", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "220.0 MiB of the cgroup's limit of 400.0 MiB"));
	assert_true(evidence_value(f, "cgroup_shmem") == 220.0 * MIB);
	assert_null(diagnosis_find(&d, "mem.cgroup")); /* one trouble, cause first */
	diagnosis_free(&d);

	in_cgroup(&s, 100 * MIB, 275 * MIB, 0);
	scene_expect(&s, "mem.shmem", SEVERITY_CRITICAL);
	in_cgroup(&s, 100 * MIB, 100 * MIB, 0); /* worth knowing */
	scene_expect(&s, "mem.shmem", SEVERITY_INFO);
	in_cgroup(&s, 100 * MIB, 10 * MIB, 0); /* the cgroup is full of page cache */
	d = scene_diagnose(&s);
	assert_null(diagnosis_find(&d, "mem.shmem"));
	assert_null(diagnosis_find(&d, "mem.cgroup"));
	diagnosis_free(&d);
	in_cgroup(&s, 350 * MIB, 30 * MIB, 0); /* the server's own is what fills it */
	scene_expect(&s, "mem.cgroup", SEVERITY_CRITICAL);
}

static void siblings(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	in_cgroup(&s, 60 * MIB, 0, 300 * MIB);
	s.host.cgroup_limit_bytes = 200 * MIB; /* its own is smaller, and far */
	s.host.cgroup_near_own = false;
	s.host.cgroup_near_path = "/pod";
	d = scene_diagnose(&s);
	f = expect(&d, "mem.cgroup", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "a parent cgroup's limit of 400.0 MiB"));
	assert_non_null(strstr(f->title, "not the server's"));
	assert_string_equal(evidence_text(f, "cgroup"), "/pod");
	diagnosis_free(&d);
}

/* --- the forecast ------------------------------------------------------------------ */

/* used_memory of each second: @from and so many more KiB. */
static void growing_as(struct scene *s, int64_t from, const int64_t kib[SCENE_SECONDS + 1])
{
	static char lines[SCENE_SECONDS + 1][160];

	buf_printf(&s->info_start, "used_memory:%" PRId64 "\r\n", from);
	for (int t = 0; t <= SCENE_SECONDS; t++) {
		snprintf(lines[t], sizeof(lines[t]),
			 "used_memory:%" PRId64 "\r\ntotal_commands_processed:5000\r\n",
			 from + kib[t] * KIB);
		scene_add(s, RECORD_INFO)->info = (struct record_info){ t, "tick", lines[t] };
	}
}

/* By @step a second, until it stops. */
static void growing(struct scene *s, int64_t from, int64_t step, int until)
{
	int64_t kib[SCENE_SECONDS + 1];

	for (int t = 0; t <= SCENE_SECONDS; t++)
		kib[t] = step / KIB * (t < until ? t : until);
	growing_as(s, from, kib);
}

static void forecast(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s, 500 * MIB, "noeviction"); /* 500 MiB at 10 a second */
	growing(&s, 400 * MIB, 10 * MIB, SCENE_SECONDS);
	d = scene_diagnose(&s);
	f = expect(&d, "mem.forecast", SEVERITY_CRITICAL);
	assert_true(fabs(evidence_value(f, "seconds_left") - 50) < 1);
	assert_true(fabs(evidence_value(f, "growth_bytes_per_second") - 10.0 * MIB) < MIB / 10.0);
	assert_false(f->weak);
	diagnosis_free(&d);

	begin(&s, 500 * MIB, "noeviction");
	growing(&s, 480 * MIB, 2 * MIB, SCENE_SECONDS);
	scene_expect(&s, "mem.forecast", SEVERITY_WARNING); /* four minutes */
	begin(&s, 500 * MIB, "allkeys-lru"); /* a cache that fills */
	growing(&s, 480 * MIB, 2 * MIB, SCENE_SECONDS);
	scene_expect(&s, "mem.forecast", SEVERITY_INFO);
}

static void forecast_is_honest(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	begin(&s, 50 * MIB, "noeviction"); /* two hours and a half from ten seconds */
	growing(&s, 49 * MIB, 110 * KIB, SCENE_SECONDS);
	d = scene_diagnose(&s);
	assert_true(expect(&d, "mem.forecast", SEVERITY_INFO)->weak);
	diagnosis_free(&d);
	begin(&s, 500 * MIB, "noeviction"); /* it grew, and has stopped */
	growing(&s, 470 * MIB, 10 * MIB, 3);
	d = scene_diagnose(&s);
	assert_true(expect(&d, "mem.forecast", SEVERITY_INFO)->weak);
	diagnosis_free(&d);
	begin(&s, 500 * MIB, "noeviction"); /* noise */
	growing(&s, 500 * MIB, 50 * KIB, SCENE_SECONDS);
	scene_expect_none(&s, "mem.forecast");
	for (int churn = 0; churn < 2; churn++) { /* clients that stay, or come and go */
		begin(&s, 900 * MIB, "noeviction");
		growing(&s, 900 * MIB, 200 * KIB, SCENE_SECONDS);
		buf_puts(&s.info_start, "total_connections_received:100\r\n");
		scene_info(&s,
			   churn ? "total_connections_received:200100\r\nconnected_clients:59\r\n" :
				   "total_connections_received:100\r\nconnected_clients:59\r\n");
		if (churn)
			scene_expect_none(&s, "mem.forecast");
		else
			scene_expect(&s, "mem.forecast", SEVERITY_WARNING);
	}
	begin(&s, 990 * MIB, "allkeys-lru"); /* the limit is met already */
	growing(&s, 900 * MIB, 9 * MIB, SCENE_SECONDS);
	scene_info(&s, EVICTED);
	scene_expect_none(&s, "mem.forecast");
	scene_init(&s); /* nothing moves */
	scene_expect_none(&s, "mem.forecast");
}

/* Fill of a keyspace that a benchmark writes at random: what is new is less and less. And growth in
 * leaps: so few tell nothing of those to come. With seventy times the room a line of the same
 * growth is told. */
static void forecast_is_no_chance(void **state)
{
	static const int64_t filling[SCENE_SECONDS + 1] = { 0,	  417,	758,  1038, 1267, 1454,
							    1607, 1733, 1836, 1920, 1989 };
	static const int64_t leaps[SCENE_SECONDS + 1] = { 0,	0,    0,    700,  700, 700,
							  1500, 1500, 1500, 2300, 2300 };
	static const int64_t line[SCENE_SECONDS + 1] = { 0,    200,  500,  650,	 900, 1200,
							 1400, 1600, 1900, 2050, 2300 };
	static const struct {
		const int64_t *kib;
		enum severity severity;
	} cases[] = { { filling, SEVERITY_INFO },
		      { leaps, SEVERITY_INFO },
		      { line, SEVERITY_WARNING } };
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&s, 850 * MIB, "noeviction");
		growing_as(&s, 850 * MIB, cases[i].kib);
		scene_expect(&s, "mem.forecast", cases[i].severity);
	}
}

/* used_memory of each second and what clients have of it, as KiB beside 800 MiB. */
static void growing_clients(struct scene *s, const int64_t data[SCENE_SECONDS + 1],
			    const int64_t clients[SCENE_SECONDS + 1])
{
	static char lines[SCENE_SECONDS + 1][160];

	begin(s, 800 * MIB, "noeviction");
	for (int t = 0; t <= SCENE_SECONDS; t++) {
		snprintf(lines[t], sizeof(lines[t]),
			 "used_memory:%" PRId64 "\r\nmem_clients_normal:%" PRId64 "\r\n",
			 800 * MIB + (data[t] + clients[t]) * KIB, clients[t] * KIB);
		scene_add(s, RECORD_INFO)->info = (struct record_info){ t, "tick", lines[t] };
	}
	buf_puts(&s->info_start, lines[0]);
	scene_info(s, lines[SCENE_SECONDS]);
}

/* Who reads has replies on their way; who writes makes data. */
static void forecast_names_writers(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	begin(&s, 500 * MIB, "noeviction");
	growing(&s, 400 * MIB, 10 * MIB, SCENE_SECONDS);
	allocated_by(&s, "getrange", "bits:1", 300 * MIB);
	allocated(&s, "import:1", 90 * MIB);
	scene_add(&s, RECORD_SENSOR)->sensor = (struct record_sensor){ "flow", true, "", "" };
	d = scene_diagnose(&s);
	assert_non_null(strstr(expect(&d, "mem.forecast", SEVERITY_CRITICAL)->title, "import:*"));
	diagnosis_free(&d);
}

/* A reply of 64 MiB that is on its way at the end of the watch is no growth; nor is one step of the
 * data. A client that takes less and less of what it is owed is. */
static void forecast_beside_clients(void **state)
{
	static const int64_t none[SCENE_SECONDS + 1] = { 0 };
	static const int64_t replies[SCENE_SECONDS + 1] = { 0, 65536, 0,     0,	    65536, 0,
							    0, 65536, 65536, 65536, 65536 };
	static const int64_t queue[SCENE_SECONDS + 1] = { 0,	 4000,	8000,  12000, 16000, 20000,
							  24000, 28000, 32000, 36000, 40000 };
	static const int64_t step[SCENE_SECONDS + 1] = { 0,    10,   20,   30,	 40,  50,
							 9000, 9010, 9020, 9030, 9040 };
	struct scene s;

	(void)state;
	growing_clients(&s, none, replies);
	scene_expect_none(&s, "mem.forecast");
	growing_clients(&s, none, queue);
	scene_expect(&s, "mem.forecast", SEVERITY_CRITICAL);
	growing_clients(&s, step, none);
	scene_expect_none(&s, "mem.forecast");
	growing_clients(&s, queue, replies);
	scene_expect(&s, "mem.forecast", SEVERITY_CRITICAL);
}

/* All that grows is the backlog, or what waits for a replica: it ends at its own limit, unless that
 * is beyond the room there is. */
static void forecast_of_what_is_bounded(void **state)
{
	static const struct {
		bool expected;
		const char *backlog_bytes, *buffer_limit;
		bool cgroup;
	} cases[] = {
		{ false, "67108864", "268435456 0 0", false },
		{ true, "1073741824", "268435456 0 0", false }, /* more than there is room */
		{ false, "67108864", "0 0 0", false }, /* it does not count there */
		{ false, "67108864", "67108864 0 0", true },
		{ true, "67108864", "0 0 0", true }, /* nothing ends it */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;
		struct diagnosis d;

		if (cases[i].cgroup)
			in_cgroup(&s, 150 * MIB, 100 * MIB, 0);
		else
			begin(&s, 900 * MIB, "noeviction");
		growing(&s, (cases[i].cgroup ? 100 : 880) * MIB, 2 * MIB, SCENE_SECONDS);
		buf_puts(&s.info_start, "mem_total_replication_buffers:1048576\r\n");
		buf_printf(&s.info_end,
			   "mem_total_replication_buffers:22020096\r\nconnected_slaves:1\r\n"
			   "mem_clients_slaves:20000000\r\nrepl_backlog_histlen:30000000\r\n"
			   "repl_backlog_size:%s\r\n",
			   cases[i].backlog_bytes);
		buf_printf(&s.config,
			   "client-output-buffer-limit normal 0 0 0 slave %s pubsub 1 1 60\n",
			   cases[i].buffer_limit);
		d = scene_diagnose(&s);
		if ((diagnosis_find(&d, "mem.forecast") != NULL) != cases[i].expected)
			fail_msg("case %zu", i);
		diagnosis_free(&d);
	}
}

static void forecast_by_cgroup(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	in_cgroup(&s, 150 * MIB, 100 * MIB, 0);
	growing(&s, 100 * MIB, 5 * MIB, SCENE_SECONDS);
	allocated(&s, "session:1", 45 * MIB);
	scene_add(&s, RECORD_SENSOR)->sensor = (struct record_sensor){ "flow", true, "", "" };
	d = scene_diagnose(&s);
	f = expect(&d, "mem.forecast", SEVERITY_CRITICAL); /* 128 MiB of room */
	assert_non_null(strstr(f->title, "The cgroup's limit (400.0 MiB)"));
	assert_non_null(strstr(f->title, "session:*"));
	diagnosis_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_evict),
		cmocka_unit_test(pushed_by),
		cmocka_unit_test(pushed_by_buffers),
		cmocka_unit_test(pushed_by_prefix),
		cmocka_unit_test(pushed_by_burst),
		cmocka_unit_test(pushed_until_it_ended),
		cmocka_unit_test(expired_resident),
		cmocka_unit_test(expiry_is_well),
		cmocka_unit_test(expiry_is_a_little_behind),
		cmocka_unit_test(shmem),
		cmocka_unit_test(siblings),
		cmocka_unit_test(forecast),
		cmocka_unit_test(forecast_is_honest),
		cmocka_unit_test(forecast_is_no_chance),
		cmocka_unit_test(forecast_beside_clients),
		cmocka_unit_test(forecast_names_writers),
		cmocka_unit_test(forecast_of_what_is_bounded),
		cmocka_unit_test(forecast_by_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
