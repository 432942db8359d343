/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Settings of the machine that hurt a Redis server, now or when it saves. They
 * are risks, not damage, so they stay notes unless the data says otherwise.
 */
#include <math.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* vm.overcommit_memory (kernel: Documentation/mm/overcommit-accounting.rst). */
#define OVERCOMMIT_HEURISTIC 0
#define OVERCOMMIT_NEVER     2
/* The heuristic refuses what is obviously too much; a fork doubles the server. */
#define FORK_FITS_RATIO 0.50
/* "Never" allows swap + vm.overcommit_ratio (50 %) of memory, and the fork counts twice. */
#define FORK_FITS_STRICT_RATIO 0.25

bool rule_config_thp(const struct model *m, struct finding *f)
{
	const struct record_host *h = &m->host_end;

	if (!m->have_host || h->thp_enabled == NULL || strcmp(h->thp_enabled, "always") != 0 ||
	    h->thp_disabled_for_target)
		return false;
	f->severity = SEVERITY_WARNING;
	finding_title(f, "Transparent huge pages are on for the server (always)");
	finding_evidence_text(f, "transparent_hugepage", h->thp_enabled, BASIS_EXACT);
	finding_evidence_text(f, "disabled_for_server", "no", BASIS_EXACT);
	finding_evidence_text(f, "disable-thp", model_config(m, "disable-thp"), BASIS_EXACT);
	finding_cause(f, "With huge pages memory that was given back becomes resident again, and a "
			 "page fault clears 2 MiB where 4 KiB were asked for.");
	finding_action(f, RECORD_UNKNOWN,
		       "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
		       "Leave huge pages to programs that ask for them (and set it at boot: "
		       "transparent_hugepage=madvise).");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Or restart the server with disable-thp yes (6.2 and later; the default "
		       "there).");
	return true;
}

static bool overcommit_is_short(const struct model *m, int64_t mode)
{
	double ratio = measure_ratio(measure_used(m), m->host_end.mem_total_bytes);

	return ratio > (mode == OVERCOMMIT_NEVER ? FORK_FITS_STRICT_RATIO : FORK_FITS_RATIO);
}

bool rule_config_overcommit(const struct model *m, struct finding *f)
{
	int64_t mode = m->have_host ? m->host_end.overcommit_memory : RECORD_UNKNOWN;
	int64_t used = measure_used(m);

	if ((mode != OVERCOMMIT_HEURISTIC && mode != OVERCOMMIT_NEVER) || !measure_persists(m))
		return false;
	f->severity = overcommit_is_short(m, mode) ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = f->severity == SEVERITY_WARNING ? (double)used : 0;
	if (f->severity == SEVERITY_WARNING)
		finding_title(f, "A save may fail: %s of data and vm.overcommit_memory=%lld",
			      say_bytes(used).s, (long long)mode);
	else
		finding_title(f, "vm.overcommit_memory is %lld, and the server forks to save",
			      (long long)mode);
	finding_evidence(f, "overcommit_memory", (double)mode, "mode", BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_evidence_bytes(f, "mem_total", m->host_end.mem_total_bytes, BASIS_EXACT);
	finding_evidence_text(f, "rdb_last_bgsave_status",
			      measure_info_text(m, "rdb_last_bgsave_status"), BASIS_EXACT);
	finding_cause(f, "A fork asks for as much memory as the server has, though it will use "
			 "little of it; the kernel may refuse, and then BGSAVE and AOF rewrites "
			 "fail.");
	finding_action(f, RECORD_UNKNOWN, "sysctl vm.overcommit_memory=1",
		       "Let the kernel grant it (and write it to /etc/sysctl.d).");
	return true;
}

bool rule_config_swappiness(const struct model *m, struct finding *f)
{
	const struct record_host *h = &m->host_end;

	if (!m->have_host || h->swap_total_bytes == RECORD_UNKNOWN || h->swap_total_bytes <= 0 ||
	    h->swappiness == RECORD_UNKNOWN || h->swappiness <= SWAPPINESS_HIGH)
		return false;
	f->severity = SEVERITY_INFO; /* harm done is swap.resident's and swap.in_path's to say */
	finding_title(f, "Swap is on and vm.swappiness is %lld", (long long)h->swappiness);
	finding_evidence(f, "swappiness", (double)h->swappiness, "weight", BASIS_EXACT);
	finding_evidence_bytes(f, "swap_total", h->swap_total_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "swap_free", h->swap_free_bytes, BASIS_EXACT);
	finding_cause(f, "When memory gets short the kernel moves idle data of the server to swap "
			 "rather early, in favour of page cache.");
	finding_action(f, RECORD_UNKNOWN, "sysctl vm.swappiness=1",
		       "Make it prefer to drop page cache (and write it to /etc/sysctl.d).");
	return true;
}
