/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop that waits for a disk: for the AOF, which it writes and, with appendfsync
 * always, syncs itself; and for anything else it reads or writes.
 */
#include <stdio.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/* Who wrote so much while the server waited may be why. */
#define WRITER_BYTES  (16 * MIB)
#define WRITERS_SHOWN 3

static void wait_evidence(struct finding *f, const struct waits *w)
{
	if (!w->longest)
		return;
	finding_evidence_text(f, "wait_call", w->longest->wait_call, BASIS_EXACT);
	if (strchr(w->longest->wait_file, '/')) /* else its descriptor was another's by then */
		finding_evidence_text(
			f, "wait_file",
			say_key(w->longest->wait_file, strlen(w->longest->wait_file)).s,
			BASIS_EXACT);
}

/* Who else writes: which disk that is for the kernel does not tell. */
static void disk_evidence(const struct model *m, struct finding *f)
{
	if (m->have_disk && *m->disk.device)
		finding_evidence_text(f, "device",
				      say_key(m->disk.device, strlen(m->disk.device)).s,
				      BASIS_EXACT);
	for (size_t i = 0; i < m->writers_count && i < WRITERS_SHOWN; i++) {
		const struct record_writer *writer = &m->writers[i].writer;

		finding_evidence_text(f, "writer", say_process(writer->name, writer->pid).s,
				      BASIS_EXACT);
		finding_evidence_bytes(f, "writer_bytes", writer->written_bytes, BASIS_EXACT);
	}
}

static void aof_actions(const struct model *m, struct finding *f)
{
	if (measure_config_is(m, "appendfsync", "always"))
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET appendfsync everysec").s,
			       "Let a background thread sync once a second, if a second of writes "
			       "may be lost in a crash of the machine.");
	else if (measure_config_is(m, "no-appendfsync-on-rewrite", "no") &&
		 (m->children_count > 0 || model_info_end(m, "aof_rewrite_in_progress") > 0 ||
		  model_info_end(m, "rdb_bgsave_in_progress") > 0))
		finding_action(f, RECORD_UNKNOWN,
			       say_cli(m, "CONFIG SET no-appendfsync-on-rewrite yes").s,
			       "A saving child kept the disk busy: do not sync meanwhile, if that "
			       "many writes may be lost in a crash of the machine.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Give the AOF a faster disk, or one that nobody else writes to.");
}

/* " Meanwhile postgres (process 4711) wrote 1.2 GiB." */
static struct phrase say_other_writer(const struct model *m)
{
	const struct record_writer *writer = m->writers_count ? &m->writers[0].writer : NULL;
	struct phrase t = { "" };

	if (writer && writer->written_bytes >= WRITER_BYTES)
		snprintf(t.s, sizeof(t.s), " Meanwhile %.120s wrote %.40s.",
			 say_process(writer->name, writer->pid).s,
			 say_bytes(writer->written_bytes).s);
	return t;
}

/* With everysec a write waits when the sync of the second before is still under way. */
static void aof_cause(const struct model *m, struct finding *f)
{
	if (measure_config_is(m, "appendfsync", "always"))
		finding_cause(f,
			      "With appendfsync always each turn of the event loop ends with a "
			      "sync of the AOF, and all clients wait for the disk.%s",
			      say_other_writer(m).s);
	else
		finding_cause(f,
			      "The server writes the AOF in its event loop; while a sync is "
			      "under way (by its background thread), or the disk takes nothing, "
			      "that write waits, and all clients with it.%s",
			      say_other_writer(m).s);
}

bool rule_aof_disk(const struct model *m, struct finding *f)
{
	int64_t delayed = model_info_delta(m, "aof_delayed_fsync");
	bool known = m->have_disk && *m->disk.device;
	struct waits w = waits_for_aof(m);

	if (waits_severity(m, &w) == SEVERITY_INFO && !(delayed > 0))
		return false;
	waits_tell(m, f, &w);
	if (delayed > 0 && f->severity == SEVERITY_INFO) /* the server gave it two seconds */
		f->severity = SEVERITY_WARNING;
	if (w.seconds > 0)
		finding_title(f, "The server waited %s of %s for the AOF's disk%s%s%s",
			      say_seconds(w.seconds).s, say_seconds(m->duration_seconds).s,
			      known ? " (" : "",
			      known ? say_key(m->disk.device, strlen(m->disk.device)).s : "",
			      known ? ")" : "");
	else
		finding_title(f, "The AOF's disk was late %s time%s", say_count(delayed).s,
			      delayed == 1 ? "" : "s");
	wait_evidence(f, &w);
	disk_evidence(m, f);
	finding_evidence_text(f, "appendfsync", model_config(m, "appendfsync"), BASIS_EXACT);
	finding_evidence_count(f, "aof_delayed_fsync", delayed, "delays", BASIS_EXACT);
	finding_evidence_bytes(f, "mem_aof_buffer", model_info_end(m, "mem_aof_buffer"),
			       BASIS_EXACT);
	aof_cause(m, f);
	aof_actions(m, f);
	return true;
}

bool rule_io_blocks(const struct model *m, struct finding *f)
{
	struct waits w = waits_of(m, f->id);
	const struct stall *longest = w.longest;

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	finding_title(f, "The server waited %s in %s%s%s", say_seconds(w.seconds).s,
		      *longest->wait_call ? longest->wait_call : "system calls",
		      *longest->wait_file ? " on " : "",
		      say_key(longest->wait_file, strlen(longest->wait_file)).s);
	wait_evidence(f, &w);
	finding_evidence_text(f, "command", say_command(longest->command).s, BASIS_EXACT);
	finding_cause(f, "The event loop waited for a file or a peer, and all clients with it.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Look at what the server writes or reads there; give it a disk of its own, "
		       "or do it in the background (BGSAVE instead of SAVE).");
	return true;
}
