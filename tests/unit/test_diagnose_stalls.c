/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdict follows the harm: each stall belongs to one finding, whatever it was spent on;
 * none fires on what is no harm; and what nothing concludes is said.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <stdio.h>

#include "stall_scene.h"

#include "diagnose/harm.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"
#include "record/codec.h"

/* --- a finding for every cause ---------------------------------------------------- */

/* What a stall of each cause comes to, when the event loop, or a command, was in it. */
static const struct {
	enum redmem_cause cause;
	const char *in_loop, *in_command;
} belongs[] = {
	{ CAUSE_COMMAND, "loop.blocks", "command.blocks" },
	{ CAUSE_ALLOCATOR, "loop.blocks", "command.blocks" },
	{ CAUSE_FAULT_MINOR, "loop.blocks", "command.blocks" },
	{ CAUSE_FAULT_COW, "fork.cow", "fork.cow" },
	{ CAUSE_FAULT_SWAP, "swap.in_path", "swap.in_path" },
	{ CAUSE_FAULT_FILE, "fault.file", "fault.file" },
	{ CAUSE_RECLAIM, "reclaim.blocks", "reclaim.blocks" },
	{ CAUSE_COMPACTION, "compaction.blocks", "compaction.blocks" },
	{ CAUSE_CPU_WAIT, "cpu.contended", "cpu.contended" },
	{ CAUSE_STOLEN, "cpu.steal", "cpu.steal" },
	{ CAUSE_IO_WAIT, "io.blocks", "io.blocks" },
	{ CAUSE_FORK, "fork.pause", "fork.pause" },
	{ CAUSE_EXPIRY, "expire.blocks", "expire.blocks" },
	{ CAUSE_EVICTION, "evict.blocks", "evict.blocks" },
	{ CAUSE_DEFRAG, "defrag.blocks", "defrag.blocks" },
	{ CAUSE_REHASH, "rehash.blocks", "rehash.blocks" },
	{ CAUSE_OTHER, "loop.blocks", "command.blocks" },
};

static void every_cause_is_concluded(void **state)
{
	struct scene s;

	(void)state;
	assert_int_equal(sizeof(belongs) / sizeof(belongs[0]), CAUSES);
	for (size_t i = 0; i < CAUSES; i++) {
		enum redmem_cause cause = belongs[i].cause;
		/* a server that waits for swap gets no better by itself */
		enum severity severity =
			cause == CAUSE_FAULT_SWAP ? SEVERITY_CRITICAL : SEVERITY_WARNING;

		scene_init(&s); /* one long */
		add_stalls(&s, cause, "", 1, 0.4);
		expect_only(&s, belongs[i].in_loop, severity);
		scene_init(&s);
		add_stalls(&s, cause, "set", 1, 1.4);
		expect_only(&s, belongs[i].in_command, SEVERITY_CRITICAL);
		scene_init(&s); /* many short ones */
		add_stalls(&s, cause, "", 20, 0.008);
		expect_only(&s, belongs[i].in_loop, severity);
		scene_init(&s); /* few short ones are no harm */
		add_stalls(&s, cause, "", 5, 0.008);
		expect_peace(&s);
	}
}

/* @calls of a command on @key, and what its samples say that they took. */
static void repeated_on(struct scene *s, const char *command, const char *key, int calls,
			double seconds)
{
	scene_init(s);
	scene_profile(s, EVENT_CPU, command, key, (int64_t)(seconds * 200), seconds);
	buf_printf(&s->info_start, "cmdstat_%s:calls=7,usec=28000\r\n", command);
	buf_printf(&s->info_end, "cmdstat_%s:calls=%d,usec=900000\r\n", command, 7 + calls);
}

static void repeated(struct scene *s, const char *command, int calls, double seconds)
{
	repeated_on(s, command, "", calls, seconds);
}

/* A CLIENT LIST of 4,000 clients takes 4 ms, which is no stall; asked fifteen times a second it is
 * harm. */
static void short_commands_again(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	repeated(&s, "client|list", 150, 0.6);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "CLIENT LIST takes 4.0 ms each time, 6.0 % of the time in sum");
	assert_non_null(strstr(f->actions[0].text, "INFO clients"));
	diagnosis_free(&d);
	repeated(&s, "client|list", 50, 0.2); /* few notice */
	scene_expect(&s, "command.blocks", SEVERITY_INFO);
	repeated(&s, "client|list", 9, 0.2); /* now and then */
	scene_expect_none(&s, "command.blocks");
	repeated(&s, "client|list", 1000, 0.2); /* of few clients */
	scene_expect_none(&s, "command.blocks");
	repeated(&s, "client|list", 20, 0.08); /* less than one request in a hundred waits */
	scene_expect_none(&s, "command.blocks");
	repeated(&s, "eval", 50, 0.2); /* what a script does is its keys' or its own, */
	scene_expect_none(&s, "command.blocks");
	repeated(&s, "eval", 1500, 3); /* unless it leaves little to others */
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title, "EVAL takes 2.0 ms each time, 30 % of the time in sum");
	assert_non_null(strstr(f->cause, "computes"));
	diagnosis_free(&d);
	repeated(&s, "eval", 100000, 3); /* many short ones are what scripts are for */
	scene_expect_none(&s, "command.blocks");
}

/* What takes much of the time is told whether a key is big or not; of what has no key shorter ones
 * count, too. */
static void short_commands_take_much(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	repeated(&s, "command", 6000, 3.2); /* half a millisecond each */
	scene_expect(&s, "command.blocks", SEVERITY_WARNING);
	repeated(&s, "command", 60000, 3.2);
	scene_expect_none(&s, "command.blocks");
	repeated_on(&s, "sort", "ids", 3000, 4);
	d = scene_diagnose(&s);
	assert_string_equal(expect(&d, "command.blocks", SEVERITY_WARNING)->title,
			    "SORT on ids takes 1.3 ms each time, 40 % of the time in sum");
	assert_null(diagnosis_find(&d, "hotkey.cpu")); /* the same trouble */
	diagnosis_free(&d);
	repeated_on(&s, "sort", "ids", 3000, 4);
	scene_stall(&s, "sort", "ids", 0.007); /* too short to be told for itself */
	scene_expect(&s, "command.blocks", SEVERITY_WARNING);
	repeated(&s, "command", 6000, 3.2);
	scene_profile(&s, EVENT_CPU, "get", "hot", 800, 4);
	d = scene_diagnose(&s);
	expect(&d, "command.blocks", SEVERITY_WARNING);
	expect(&d, "hotkey.cpu", SEVERITY_INFO); /* another one */
	diagnosis_free(&d);
	repeated_on(&s, "sort", "ids", 6000, 4); /* a list of some hundred */
	scene_expect_none(&s, "command.blocks");
	repeated_on(&s, "sort", "ids", 300, 0.9); /* somebody's report */
	scene_expect_none(&s, "command.blocks");

	repeated_on(&s, "lrange", "log:1", 1500, 0.7);
	for (int i = 2; i < 5; i++) {
		static const char *const keys[] = { "log:2", "log:3", "log:4" };

		scene_profile(&s, EVENT_CPU, "lrange", keys[i - 2], 140, 0.7);
	}
	d = scene_diagnose(&s);
	assert_string_equal(expect(&d, "command.blocks", SEVERITY_WARNING)->title,
			    "LRANGE on log:* takes 1.9 ms each time, 28 % of the time in sum");
	diagnosis_free(&d);
}

/* Of stalls alike the command was met in most: the others are no work of the loop. */
static void loop_is_not_accused(void **state)
{
	struct record_stall *stall;
	struct scene s;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 30; i++)
		scene_stall(&s, "keys", "", 0.006);
	add_stalls(&s, CAUSE_COMMAND, "", 15, 0.009);
	expect_only(&s, "command.blocks", SEVERITY_WARNING);

	scene_init(&s); /* much longer: something else */
	for (int i = 0; i < 20; i++)
		scene_stall(&s, "keys", "", 0.006);
	add_stalls(&s, CAUSE_COMMAND, "", 1, 0.1);
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);

	scene_init(&s); /* more than the command's */
	scene_stall(&s, "keys", "", 0.06);
	add_stalls(&s, CAUSE_COMMAND, "", 20, 0.008);
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);

	scene_init(&s); /* seen at work of its own */
	for (int i = 0; i < 30; i++)
		scene_stall(&s, "keys", "", 0.006);
	for (int i = 0; i < 15; i++) {
		stall = scene_stall(&s, "", "", 0.009);
		record_blame(stall, CAUSE_COMMAND, 0.009);
		stall->frame_ns[FRAME_AOF] = 8000000;
	}
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);
}

/* What the loop did and what it waited for a CPU meanwhile are two troubles: each second is told
 * once. */
static void loop_on_a_busy_machine(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	for (int some = 0; some < 2; some++) {
		scene_init(&s);
		stall = scene_stall(&s, "", "", 3.4);
		record_blame(stall, CAUSE_CPU_WAIT, some ? 0.4 : 2.8);
		record_blame(stall, CAUSE_ALLOCATOR, some ? 3.0 : 0.6);
		stall->frame_ns[FRAME_FREE] = 600000000;
		d = scene_diagnose(&s);
		f = expect(&d, "loop.blocks", some ? SEVERITY_CRITICAL : SEVERITY_WARNING);
		assert_true(fabs(evidence_value(f, "waited_seconds") - (some ? 3.4 : 0.6)) < 1e-9);
		f = diagnosis_find(&d, "cpu.contended");
		assert_int_equal(f == NULL,
				 some); /* a small part is not worth a finding of its own */
		if (f)
			assert_true(fabs(evidence_value(f, "waited_seconds") - 2.8) < 1e-9);
		diagnosis_free(&d);
	}
}

/* A PUBLISH to thousands, and what the loop writes to them behind it, are one trouble. */
static void publish_and_its_messages(void **state)
{
	struct record_stall *stall;
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 5; i++) {
		stall = scene_stall(&s, "publish", "", 0.08);
		stall->t_seconds = 1 + i;
		record_blame(stall, CAUSE_COMMAND, 0.08);
		stall = scene_stall(&s, "", "", 0.3);
		stall->t_seconds = 1.081 + i;
		record_blame(stall, CAUSE_COMMAND, 0.1);
		record_blame(stall, CAUSE_CPU_WAIT, 0.2);
		stall->frame_ns[i % 2 ? FRAME_CLIENTS_CRON : FRAME_GIVE_PAGES] = 5000000;
	}
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "PUBLISH held the server for 100 ms, and 10 such stalls for 900 ms");
	assert_non_null(strstr(f->cause, "written to all of them"));
	assert_null(diagnosis_find(&d, "loop.blocks"));
	diagnosis_free(&d);

	for (int calls = 4; calls <= 40; calls += 36) { /* queueing is short, writing is long */
		scene_init(&s);
		buf_printf(&s.info_start, "cmdstat_publish:calls=1,usec=1\r\n");
		buf_printf(&s.info_end,
			   "cmdstat_publish:calls=%d,usec=90000\r\npubsub_clients:10000\r\n",
			   1 + calls);
		add_stalls(&s, CAUSE_COMMAND, "", 10, 0.06);
		/* fewer messages than turns: these are something else */
		expect_only(&s, calls < 10 ? "loop.blocks" : "command.blocks", SEVERITY_WARNING);
	}
	scene_init(&s); /* to a few */
	buf_printf(&s.info_start, "cmdstat_publish:calls=1,usec=1\r\n");
	buf_printf(&s.info_end, "cmdstat_publish:calls=500,usec=900\r\npubsub_clients:10\r\n");
	add_stalls(&s, CAUSE_COMMAND, "", 10, 0.06);
	expect_only(&s, "loop.blocks", SEVERITY_WARNING);
}

/* What is done before a command of very many keys is to read its request. */
static void request_and_its_command(void **state)
{
	struct record_stall *stall;
	struct scene s;
	struct diagnosis d;

	(void)state;
	for (int keys = 2; keys <= 200000; keys += 199998) {
		const struct finding *f;

		scene_init(&s);
		stall = scene_stall(&s, "", "", 0.16);
		stall->t_seconds = 1;
		record_blame(stall, CAUSE_COMMAND, 0.16);
		stall->frame_ns[FRAME_ALLOCATE] = 5000000;
		stall = scene_stall(&s, "exists", "a:0", 0.02);
		stall->t_seconds = 1.161;
		record_blame(stall, CAUSE_COMMAND, 0.02);
		scene_add(&s, RECORD_SLOWLOG)->slowlog = (struct record_slowlog){
			.unix_seconds = s.session.wall_start_ns / 1000000000 + 1,
			.seconds = 0.02,
			.command = "exists",
			.key = scene_bytes("a:0"),
			.keys_total = keys,
		};
		d = scene_diagnose(&s);
		f = diagnosis_find(&d, keys == 2 ? "loop.blocks" : "command.blocks");
		assert_ptr_equal(f, &d.f->items[0]);
		if (keys > 2) {
			assert_null(diagnosis_find(&d, "loop.blocks"));
			assert_string_equal(f->title, "EXISTS of 200,000 keys held the server for "
						      "20 ms, and reading it for 160 ms");
		}
		diagnosis_free(&d);
	}
}

static void short_ones_of_many_causes(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	add_stalls(&s, CAUSE_EXPIRY, "", 6, 0.008);
	add_stalls(&s, CAUSE_CPU_WAIT, "", 6, 0.008);
	add_stalls(&s, CAUSE_FAULT_MINOR, "", 6, 0.008);
	expect_only(&s, "stalls.mixed", SEVERITY_WARNING);
	scene_init(&s);
	add_stalls(&s, CAUSE_EXPIRY, "", 4, 0.008);
	add_stalls(&s, CAUSE_CPU_WAIT, "", 4, 0.008);
	expect_peace(&s);
}

/* Who sends ten thousand commands at once waits for them, and knows it. */
static void pipelines(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 60; i++)
		scene_stall(&s, "", "", 0.02)->commands_total = 5000;
	expect_peace(&s);
	scene_init(&s);
	scene_stall(&s, "", "", 0.2)->commands_total = 50000;
	expect_only(&s, "clients.pipelines", SEVERITY_WARNING);
}

/* EXECs in the window, and turns of the loop of as many commands as they may have had. */
static void add_transactions(struct scene *s, int calls, double seconds, int turns)
{
	scene_init(s);
	buf_puts(&s->info_start, "cmdstat_exec:calls=7,usec=1000\r\n");
	buf_printf(&s->info_end, "cmdstat_exec:calls=%d,usec=%.0f\r\n", 7 + calls,
		   1000 + seconds * 1e6);
	for (int i = 0; i < turns; i++)
		scene_stall(s, "", "", 0.2)->commands_total = 50000;
}

/* Commands of a transaction count as others do: EXEC's time says whose they are. */
static void transactions(void **state)
{
	struct scene s;

	(void)state;
	add_transactions(&s, 2, 0.45, 2);
	expect_only(&s, "command.blocks", SEVERITY_WARNING);
	add_transactions(&s, 1, 0.1, 1); /* it was shorter */
	expect_only(&s, "clients.pipelines", SEVERITY_WARNING);
	add_transactions(&s, 10000, 0.45, 2); /* short ones, in pipelines */
	expect_only(&s, "clients.pipelines", SEVERITY_WARNING);
}

/* --- the disk -------------------------------------------------------------------------- */

/* What an AOF that is late leads to, and where its file cannot be named any more. */
static void aof_is_late(void **state)
{
	struct scene s;
	struct record_stall *stall;

	(void)state;
	scene_init(&s); /* no tick saw what had piled up meanwhile; it was moved in memory */
	scene_config(&s, "appendonly yes\nappendfsync everysec\n");
	stall = scene_stall(&s, "", "", 3.5);
	record_blame(stall, CAUSE_IO_WAIT, 3.5);
	stall->wait_file = "/data/appendonlydir/appendonly.aof.1.incr.aof";
	scene_stall(&s, "set", "item:1", 0.07)->frame_ns[FRAME_ALLOCATE] = 70000000;
	scene_stall(&s, "", "", 0.09)->frame_ns[FRAME_AOF] = 90000000;
	expect_only(&s, "aof.disk", SEVERITY_CRITICAL);

	scene_init(&s); /* the descriptor was closed, and its number is a pipe's by now */
	scene_config(&s, "appendonly yes\nappendfsync everysec\n");
	stall = scene_stall(&s, "", "", 2.8);
	record_blame(stall, CAUSE_IO_WAIT, 2.8);
	stall->wait_file = "pipe:[8010051]";
	expect_only(&s, "aof.disk", SEVERITY_CRITICAL);

	scene_init(&s); /* a rewrite is over, and its file takes the place of the old one */
	scene_config(&s, "appendonly yes\nappendfsync everysec\n");
	stall = scene_stall(&s, "", "", 2.8);
	record_blame(stall, CAUSE_IO_WAIT, 2.8);
	stall->wait_call = WAIT_RENAME;
	expect_only(&s, "aof.disk", SEVERITY_CRITICAL);
}

static void aof(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s); /* everysec, and the disk hung */
	scene_config(&s, "appendonly yes\nappendfsync everysec\n");
	stall = scene_stall(&s, "", "", 3.5);
	record_blame(stall, CAUSE_IO_WAIT, 3.5);
	stall->wait_call = WAIT_WRITE;
	stall->wait_file = "/data/appendonlydir/appendonly.aof.1.incr.aof";
	scene_add(&s, RECORD_DISK)->disk =
		(struct record_disk){ stall->wait_file, "ext4 on /dev/vdb1" };
	/* of three windows */
	scene_add(&s, RECORD_WRITER)->writer =
		(struct record_writer){ 4711, "postgres", 100 * MIB };
	scene_add(&s, RECORD_WRITER)->writer = (struct record_writer){ 12, "backup", 250 * MIB };
	scene_add(&s, RECORD_WRITER)->writer =
		(struct record_writer){ 4711, "postgres", 200 * MIB };
	d = scene_diagnose(&s);
	f = expect(&d, "aof.disk", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "(ext4 on /dev/vdb1)"));
	assert_string_equal(evidence_text(f, "device"), "ext4 on /dev/vdb1");
	assert_string_equal(evidence_text(f, "writer"), "postgres (process 4711)");
	assert_true(evidence_value(f, "writer_bytes") == 300.0 * MIB);
	assert_non_null(strstr(f->cause, "Meanwhile postgres (process 4711) wrote 300.0 MiB."));
	assert_ptr_equal(f, &d.f->items[0]);
	assert_non_null(strstr(f->title, "3.5 s"));
	assert_string_equal(evidence_text(f, "wait_file"),
			    "/data/appendonlydir/appendonly.aof.1.incr.aof");
	assert_null(diagnosis_find(&d, "server.not_answering"));
	diagnosis_free(&d);

	scene_init(&s); /* always: each sync is short, the sum is not */
	scene_config(&s, "appendonly yes\nappendfsync always\n");
	scene_profile(&s, EVENT_IO_WAIT, "", "", 2000, 3.6);
	d = scene_diagnose(&s);
	f = expect(&d, "aof.disk", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "3.6 s of 10"));
	assert_non_null(strstr(f->actions[0].command, "appendfsync everysec"));
	diagnosis_free(&d);

	scene_init(&s); /* no sensors: the server counts what came late */
	s.sensors_off = "loop offcpu";
	buf_puts(&s.info_start, "aof_delayed_fsync:3\r\n");
	scene_info(&s, "aof_delayed_fsync:5\r\n");
	scene_expect(&s, "aof.disk", SEVERITY_WARNING);
	scene_init(&s); /* a disk as it should be */
	scene_config(&s, "appendonly yes\nappendfsync everysec\n");
	scene_profile(&s, EVENT_IO_WAIT, "", "", 10, 0.002);
	expect_peace(&s);
}

/* --- clients ------------------------------------------------------------------------------- */

static struct record_client *add_client(struct scene *s, int64_t id, const char *flags,
					const char *command)
{
	struct record_client *client = &scene_add(s, RECORD_CLIENT)->client;

	*client = (struct record_client){ .id = id,
					  .address = scene_bytes("10.0.0.7:51234"),
					  .name = scene_bytes("debugger"),
					  .user = "default",
					  .flags = flags,
					  .command = command,
					  .age_seconds = 3600,
					  .output_bytes = 4096 };
	return client;
}

static void monitor(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	s.commands = 200000;
	add_client(&s, 3, "N", "set");
	add_client(&s, 4, "O", "monitor");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.monitor", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "client"), "10.0.0.7:51234 (name debugger)");
	assert_non_null(strstr(f->actions[0].command, "CLIENT LIST ID 4"));
	diagnosis_free(&d);

	scene_init(&s); /* on a quiet server it costs next to nothing: a note */
	add_client(&s, 4, "O", "monitor");
	scene_expect(&s, "clients.monitor", SEVERITY_INFO);
	scene_init(&s);
	scene_load(&s, 10 * MIB);
	add_client(&s, 3, "N", "set");
	buf_puts(&s.info_start, "cmdstat_monitor:calls=3,usec=9\r\n"); /* long ago */
	scene_info(&s, "cmdstat_monitor:calls=3,usec=9\r\n");
	scene_expect_none(&s, "clients.monitor");
}

/* Over TLS each connection costs a handshake. */
static void tls_handshakes(struct scene *s)
{
	scene_init(s);
	buf_puts(&s->info_start, "total_connections_received:100\r\n");
	scene_info(s, "total_connections_received:7303\r\n");
	scene_profile(s, EVENT_CPU, "", "", 229, 2.29);
	add_stalls(s, CAUSE_COMMAND, "", 20, 0.009);
	scene_add(s, RECORD_HELD)->held =
		(struct record_held){ .name = "tls", .objects_total = 20 };
}

/* One more of them, the longest, of which something was recognised. */
static void seen_at(struct scene *s, enum redmem_frame frame)
{
	struct record_stall *stall = scene_stall(s, "", "", 0.018);

	stall->wait_file = stall->preemptor = "";
	record_blame(stall, CAUSE_COMMAND, 0.018);
	stall->frame_ns[frame] = 4000000;
}

static void churn(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	buf_puts(&s.info_start, "total_connections_received:100\r\n");
	scene_info(&s, "total_connections_received:150100\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.churn", SEVERITY_WARNING);
	assert_true(evidence_value(f, "connections_total") == 150000);
	assert_true(evidence_value(f, "connections_per_second") == 15000);
	diagnosis_free(&d);

	tls_handshakes(&s); /* and that is what the loop did */
	d = scene_diagnose(&s);
	f = expect(&d, "clients.churn", SEVERITY_WARNING);
	assert_true(fabs(evidence_value(f, "estimated_seconds") - 7203 * 300e-6) < 1e-3);
	assert_null(diagnosis_find(&d, "loop.blocks"));
	diagnosis_free(&d);
	tls_handshakes(&s); /* a sample met it as it made room for one */
	seen_at(&s, FRAME_ALLOCATE);
	scene_expect_none(&s, "loop.blocks");
	tls_handshakes(&s); /* another trouble */
	seen_at(&s, FRAME_KEYSPACE_CRON);
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);

	scene_init(&s); /* a rolling deploy */
	buf_puts(&s.info_start, "total_connections_received:100\r\n");
	scene_info(&s, "total_connections_received:1100\r\n");
	scene_expect_none(&s, "clients.churn");
}

static void paused(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s); /* all commands, redmem's own too */
	scene_info(&s, "cmdstat_client|pause:calls=1,usec=9\r\n");
	scene_add(&s, RECORD_LIFE)->life =
		(struct record_life){ .t_seconds = 3, .event = "hang", .detail = "", .seconds = 5 };
	d = scene_diagnose(&s);
	assert_null(diagnosis_find(&d, "server.not_answering"));
	assert_true(evidence_value(expect(&d, "clients.paused", SEVERITY_CRITICAL),
				   "waited_seconds") == 5);
	diagnosis_free(&d);

	scene_init(&s); /* it began before the window: writers stand blocked in SET */
	add_client(&s, 4, "b", "set");
	d = scene_diagnose(&s);
	assert_true(expect(&d, "clients.paused", SEVERITY_CRITICAL)->weak);
	diagnosis_free(&d);

	scene_init(&s); /* who waits for a list waits by intention */
	add_client(&s, 4, "b", "brpop");
	add_client(&s, 5, "b", "blmove");
	scene_expect_none(&s, "clients.paused");
	scene_init(&s); /* some day before */
	buf_puts(&s.info_start, "cmdstat_client|pause:calls=1,usec=9\r\n");
	scene_info(&s, "cmdstat_client|pause:calls=1,usec=9\r\n");
	scene_expect_none(&s, "clients.paused");
}

/* --- honesty ------------------------------------------------------------------------------ */

static void leaves_nothing_unsaid(void **state)
{
	struct scene s;
	struct buf out = { 0 };
	struct harm_left left[HARM_LEFT_MAX];
	struct findings none = { 0 };
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	add_stalls(&s, CAUSE_EXPIRY, "", 1, 0.4);
	buf_puts(&s.info_start, "# Errorstats\r\n");
	scene_info(&s, "# Errorstats\r\nerrorstat_OOM:count=12\r\n");
	d = scene_diagnose(&s);
	assert_int_equal(harm_left(d.m, &none, left), 2);
	assert_int_equal(left[0].harm, HARM_REFUSED);
	assert_true(left[0].amount == 12);
	assert_int_equal(left[1].harm, HARM_STALL);
	assert_string_equal(left[1].finding, "expire.blocks");
	assert_false(diagnose_healthy(d.m, &none));
	diagnose_verdict(&out, d.m, &none);
	assert_null(strstr(buf_str(&out), "nothing wrong"));
	assert_non_null(strstr(buf_str(&out), "writes were refused (12)"));
	assert_non_null(strstr(buf_str(&out), "the event loop stood still (400 ms)"));
	buf_free(&out);
	diagnosis_free(&d);
}

static void take_recording(struct model *m, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	assert_non_null(f);
	while ((len = getline(&line, &room, f)) > 0) {
		struct record_decoded *keep;
		struct record record;

		if (record_decode(line, (size_t)len, &record, &keep, NULL))
			continue; /* the head, the end */
		model_take(m, &record);
		record_decoded_free(keep);
	}
	free(line);
	fclose(f);
}

/* Whatever a recording's tables show as harm is concluded. */
static void recordings_are_concluded(void **state)
{
	glob_t found;

	(void)state;
	assert_int_equal(glob("tests/golden/*.jsonl", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 6);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct model *m = model_new();
		struct harm_left left[HARM_LEFT_MAX];
		struct findings *f;
		size_t count;

		take_recording(m, found.gl_pathv[i]);
		model_finish(m);
		f = diagnose(m);
		count = harm_left(m, f, left);
		if (count > 0)
			fail_msg("%s: %s (%g): no %s", found.gl_pathv[i],
				 harm_table[left[0].harm].words, left[0].amount, left[0].finding);
		for (size_t n = 0; n < f->count; n++)
			assert_takes_no_data(&f->items[n]);
		findings_free(f);
		model_free(m);
	}
	globfree(&found);
}

/* A time of which nothing was seen, no sample, wait or fault: the machine itself stood still, as
 * one does that a hypervisor stops. Its clients waited. */
static void still_machine_is_told(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_stall(&s, "", "", 0.4);
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);
}

/* Where nobody looks when the loop sleeps, a turn of it seems to go on while it does. */
static void unwatched_loop_has_none(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	s.sensors_off = "loop offcpu";
	scene_stall(&s, "", "", 0.4);
	d = scene_diagnose(&s);
	assert_int_equal(d.m->stalls_count, 0);
	assert_true(diagnose_healthy(d.m, d.f));
	diagnosis_free(&d);
}

/* Of two as severe what was lost comes before who waited, and that before limits and bytes. */
static void ranked_by_harm(void **state)
{
	struct scene s;
	struct diagnosis d;
	size_t waited, bytes;

	(void)state;
	scene_init(&s);
	scene_load(&s, 1 * GIB);
	s.active = 2 * GIB; /* a gigabyte of holes, and a stall of 60 ms */
	add_stalls(&s, CAUSE_EXPIRY, "", 1, 0.06);
	d = scene_diagnose(&s);
	waited = (size_t)(expect(&d, "expire.blocks", SEVERITY_WARNING) - d.f->items);
	bytes = (size_t)(expect(&d, "frag.slab", SEVERITY_WARNING) - d.f->items);
	assert_true(waited < bytes);
	diagnosis_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cause_is_concluded),
		cmocka_unit_test(short_commands_again),
		cmocka_unit_test(short_commands_take_much),
		cmocka_unit_test(loop_is_not_accused),
		cmocka_unit_test(loop_on_a_busy_machine),
		cmocka_unit_test(publish_and_its_messages),
		cmocka_unit_test(request_and_its_command),
		cmocka_unit_test(short_ones_of_many_causes),
		cmocka_unit_test(pipelines),
		cmocka_unit_test(transactions),
		cmocka_unit_test(aof_is_late),
		cmocka_unit_test(aof),
		cmocka_unit_test(monitor),
		cmocka_unit_test(churn),
		cmocka_unit_test(paused),
		cmocka_unit_test(leaves_nothing_unsaid),
		cmocka_unit_test(recordings_are_concluded),
		cmocka_unit_test(still_machine_is_told),
		cmocka_unit_test(unwatched_loop_has_none),
		cmocka_unit_test(ranked_by_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
