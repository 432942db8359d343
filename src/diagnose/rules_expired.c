/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys that should be gone: past their time, and still held. */
#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/link.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "model/keyspace.h"

/* The server works until a tenth of the keys it samples are stale
 * (active-expire-effort 1: expire.c, ACTIVE_EXPIRE_CYCLE_ACCEPTABLE_STALE). */
#define STALE_PERCENT 25.0
#define STALE_KEYS    10000
/* What a server is behind with goes within seconds: less than MEMORY DOCTOR calls memory is no
 * harm. */
#define STALE_BYTES (10 * MIB)
/* Active expiry looks at keys ten times a second: then it knows their mean TTL. */
#define UNSEEN_KEYS    1000
#define UNSEEN_SECONDS 2.0
#define UNSEEN_RATIO   0.01

/* Keys with a TTL in databases whose mean TTL is not known: active expiry met none there
 * that has time left. 0 when there is no such database. */
static int64_t keys_without_mean(const struct info *info)
{
	int64_t keys = 0;

	for (size_t i = 0; i < info_count(info); i++) {
		int64_t expires;

		if (!info_is_database(info_name_at(info, i)) ||
		    info_sub_int(info_value_at(info, i), "avg_ttl") != 0)
			continue;
		expires = info_sub_int(info_value_at(info, i), "expires");
		if (expires > 0)
			sum_add(&keys, expires);
	}
	return keys;
}

/* All through the watch, and next to none was removed. On a replica it is the master that
 * expires; while a server loads, nobody does. */
static int64_t unexpired(const struct model *m)
{
	int64_t expired = model_info_delta(m, "expired_keys");
	int64_t start = keys_without_mean(m->info_start), end = keys_without_mean(m->info_end);
	int64_t keys = start < end ? start : end;

	if (measure_is_replica(m) || model_info_end(m, "loading") > 0 ||
	    expired == RECORD_UNKNOWN || !(m->duration_seconds >= UNSEEN_SECONDS) ||
	    keys < UNSEEN_KEYS || (double)expired > UNSEEN_RATIO * (double)keys)
		return 0;
	return end;
}

static int64_t stale_keys(const struct model *m, int64_t expires)
{
	double percent = info_double(m->info_end, "expired_stale_perc");

	return percent >= STALE_PERCENT && expires > 0 ?
		       sum_whole(percent / 100 * (double)expires) :
		       0;
}

static void resident_cause(const struct model *m, struct finding *f, bool idle)
{
	if (idle)
		finding_cause(f,
			      "The server looks for keys past their time ten times a second, and "
			      "here it has not: active expiry is off (DEBUG SET-ACTIVE-EXPIRE 0), "
			      "or CLIENT PAUSE holds it. Until somebody asks for it, such a key "
			      "stays; a SCAN, too, makes the server delete those it meets.");
	else
		finding_cause(f,
			      "More keys run out of time than the server removes in the time it "
			      "gives itself for that (%s times it was up in this watch); they "
			      "stay until it gets to them or somebody asks for them.",
			      say_count(model_info_delta(m, "expired_time_cap_reached_count")).s);
}

static void resident_actions(const struct model *m, struct finding *f, int64_t bytes, bool idle)
{
	if (idle)
		finding_action(
			f, bytes, "",
			"End the pause, or switch it on again (DEBUG SET-ACTIVE-EXPIRE 1, where "
			"DEBUG is allowed).");
	else
		finding_action(f, bytes, say_cli(m, "CONFIG SET active-expire-effort 5").s,
			       "Let it work harder (1 to 10; it takes CPU from the clients).");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Spread TTLs where many keys are written at once, so that they do not all "
		       "end together.");
}

/* On a replica, by a pass over all keys: those that SCAN does not show. */
static bool hidden_resident(const struct model *m, struct finding *f)
{
	int64_t hidden =
		measure_is_replica(m) && m->keyspace ? m->keyspace->hidden_total : RECORD_UNKNOWN;
	int64_t dataset = model_info_end(m, "used_memory_dataset"), keys, expires, bytes;
	struct link link = link_of(m);

	if (hidden < STALE_KEYS)
		return false;
	measure_keyspace(m, &keys, &expires);
	bytes = dataset > 0 && keys > 0 ?
			sum_whole((double)dataset * (double)hidden / (double)keys) :
			RECORD_UNKNOWN;
	f->severity = bytes >= STALE_BYTES ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = bytes > 0 ? (double)bytes : 0;
	finding_title(f, "%s keys are past their time and still held by this replica (%s)",
		      say_count(hidden).s,
		      bytes != RECORD_UNKNOWN ? say_bytes(bytes).s : "size unknown");
	finding_evidence_count(f, "keys_hidden_total", hidden, "keys", BASIS_EXACT);
	finding_evidence_count(f, "keys_with_ttl_total", expires, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "held_bytes", bytes, BASIS_DERIVED);
	finding_cause(f, "A replica hides such a key and removes it when its master says so, %s.",
		      link_tells_nothing(&link) ? "and nothing comes from there" :
						  "which is behind with it");
	finding_action(f, bytes, "",
		       "Look at the master and the link to it; what it removes goes here, too.");
	return true;
}

bool rule_expired_resident(const struct model *m, struct finding *f)
{
	int64_t keys, expires, stale, idle = unexpired(m), held, bytes = RECORD_UNKNOWN;
	int64_t dataset = model_info_end(m, "used_memory_dataset");

	if (hidden_resident(m, f))
		return true;
	measure_keyspace(m, &keys, &expires);
	stale = stale_keys(m, expires);
	held = idle > 0 ? idle : stale;
	if (idle == 0 && stale < STALE_KEYS)
		return false;
	if (dataset > 0 && keys > 0)
		bytes = sum_whole((double)dataset * (double)held / (double)keys);
	f->severity = idle == 0 && bytes != RECORD_UNKNOWN && bytes < STALE_BYTES ?
			      SEVERITY_INFO :
			      SEVERITY_WARNING;
	f->cost = bytes > 0 ? (double)bytes : 0;
	f->weak = true;
	finding_title(f, "About %s keys are past their time and still held (%s)", say_count(held).s,
		      bytes != RECORD_UNKNOWN ? say_bytes(bytes).s : "size unknown");
	finding_evidence_count(f, "keys_with_ttl_total", expires, "keys", BASIS_EXACT);
	finding_evidence(f, "expired_stale_perc", info_double(m->info_end, "expired_stale_perc"),
			 "percent", BASIS_SAMPLED);
	finding_evidence_count(f, "expired_keys", model_info_delta(m, "expired_keys"), "keys",
			       BASIS_EXACT);
	finding_evidence_count(f, "expired_time_cap_reached_count",
			       model_info_delta(m, "expired_time_cap_reached_count"), "times",
			       BASIS_EXACT);
	finding_evidence_count(f, "keys_of_unknown_mean_ttl", idle > 0 ? idle : RECORD_UNKNOWN,
			       "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "held_bytes", bytes, BASIS_DERIVED);
	resident_cause(m, f, idle > 0);
	resident_actions(m, f, bytes, idle > 0);
	return true;
}
