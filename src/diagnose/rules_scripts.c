/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scripts and functions: what they and their engines hold, and scripts of which each call is a
 * new one. Covers rule 8 of MEMORY DOCTOR.
 */
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* MEMORY DOCTOR rule 8. */
#define SCRIPTS_MANY 1000
/* The floor of every waste here; an empty Lua state takes 40 KiB. */
#define SCRIPTS_BYTES (64 * MIB)
/* Redis 7.4 and Valkey 8.0 keep the last 500 scripts of EVAL: as many that went in the window
 * were compiled for a call or two. */
#define SCRIPTS_EVICTED 500

/* What INFO tells of them; names grew with the versions. Bytes may be RECORD_UNKNOWN. */
struct scripts {
	int64_t bytes; /* engines and what they keep, of both kinds */
	int64_t function_bytes; /* of functions */
	int64_t cached;
	int64_t evicted; /* in the window */
};

static struct scripts scripts_of(const struct model *m)
{
	int64_t vm = model_info_end(m, "used_memory_vm_total");

	if (vm == RECORD_UNKNOWN)
		vm = model_info_end(m, "used_memory_lua"); /* before 7.0 */
	return (struct scripts){
		.bytes = measure_sum(vm, model_info_end(m, "used_memory_scripts")),
		.function_bytes = measure_sum(model_info_end(m, "used_memory_vm_functions"),
					      model_info_end(m, "used_memory_functions")),
		.cached = model_info_end(m, "number_of_cached_scripts"),
		.evicted = model_info_delta(m, "evicted_scripts"),
	};
}

/* Each call is a new script. */
static void tell_generated(struct finding *f, const struct scripts *s)
{
	if (s->evicted > SCRIPTS_EVICTED)
		finding_title(f, "%s scripts were compiled and thrown out again",
			      say_count(s->evicted).s);
	else
		finding_title(f, "%s scripts are cached (%s)", say_count(s->cached).s,
			      s->bytes != RECORD_UNKNOWN ? say_bytes(s->bytes).s : "size unknown");
	finding_cause(f, "Scripts are generated with values written into their text, so each call "
			 "is a new script.");
	if (s->evicted <= SCRIPTS_EVICTED)
		finding_action(f, s->bytes, "",
			       "Drop the cache (SCRIPT FLUSH ASYNC), if all clients load a script "
			       "again when they get NOSCRIPT.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Pass values as KEYS and ARGV, so that the script stays the same.");
}

/* SCRIPT FLUSH leaves functions alone. */
static void tell_functions(const struct model *m, struct finding *f, const struct scripts *s)
{
	finding_title(f, "Functions and their engine take %s", say_bytes(s->function_bytes).s);
	finding_cause(f,
		      "A library of functions keeps large tables or strings alive in the engine.");
	finding_action(f, s->function_bytes, say_cli(m, "FUNCTION LIST").s,
		       "See which libraries there are; FUNCTION DELETE frees one that nobody "
		       "calls, and one that is loaded again (FUNCTION LOAD REPLACE) begins empty.");
}

static void tell_eval(struct finding *f, const struct scripts *s)
{
	finding_title(f, "Scripts and their engine take %s", say_bytes(s->bytes).s);
	finding_cause(f, "Scripts keep large tables or strings alive in the engine.");
	finding_action(f, s->bytes, "",
		       "Drop the cache (SCRIPT FLUSH ASYNC), if all clients load a script again "
		       "when they get NOSCRIPT.");
}

bool rule_scripts(const struct model *m, struct finding *f)
{
	struct scripts s = scripts_of(m);
	bool generated = s.cached > SCRIPTS_MANY || s.evicted > SCRIPTS_EVICTED;

	if (!generated && s.bytes <= SCRIPTS_BYTES)
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = s.bytes > 0 ? (double)s.bytes : 0;
	finding_evidence_count(f, "number_of_cached_scripts", s.cached, "scripts", BASIS_EXACT);
	finding_evidence_count(f, "evicted_scripts", s.evicted, "scripts", BASIS_EXACT);
	finding_evidence_bytes(f, "scripts_and_engine", s.bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "functions_and_engine", s.function_bytes, BASIS_EXACT);
	finding_evidence_count(f, "number_of_functions", model_info_end(m, "number_of_functions"),
			       "functions", BASIS_EXACT);
	if (generated)
		tell_generated(f, &s);
	else if (s.function_bytes > s.bytes / 2)
		tell_functions(m, f, &s);
	else
		tell_eval(f, &s);
	return true;
}
