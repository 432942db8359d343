/* SPDX-License-Identifier: BSD-2-Clause */
/* Who runs on which CPU; see cpus.h. */
#include "lab/cpus.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define THREADS "io-threads"

static size_t threads_of(const char *name, const char *value)
{
	long count = strcasecmp(name, THREADS) ? 0 : strtol(value, NULL, 10);

	return count > 0 ? (size_t)count : 0;
}

size_t lab_cpus_wanted(const struct lab_side side[LAB_SIDES], const struct lab_scenario *scenario)
{
	size_t most = 1, count;

	for (size_t i = 0; i < scenario->settings_count; i++) {
		count = threads_of(scenario->settings[i].name, scenario->settings[i].value);
		most = count > most ? count : most;
	}
	for (int i = 0; i < LAB_SIDES; i++) {
		const struct lab_settings *settings = &side[i].about->settings;

		for (size_t j = 0; j < settings->count; j++) {
			count = threads_of(settings->rows[j].name, settings->rows[j].value);
			most = count > most ? count : most;
		}
	}
	return most;
}

void lab_cpus_choose(struct lab_cpus *cpus, const int *all, size_t count, size_t wanted)
{
	*cpus = (struct lab_cpus){ .load = -1 };
	if (count < 2)
		return;
	while (cpus->servers < wanted && cpus->servers + 1 < count &&
	       cpus->servers < LAB_CPUS_MOST) {
		cpus->server[cpus->servers] = all[cpus->servers];
		cpus->servers++;
	}
	cpus->load = all[cpus->servers];
}

void lab_cpus_note(struct buf *out, const struct lab_cpus *cpus, size_t wanted)
{
	if (!cpus->servers)
		buf_puts(out,
			 "this machine has one CPU, which servers and load share: operations a "
			 "second and latencies are of both");
	else if (cpus->servers < wanted)
		buf_printf(out,
			   "%zu " THREADS " want as many CPUs, and servers have %zu here: threads "
			   "take the CPU from each other, which is slower than without",
			   wanted, cpus->servers);
	else if (cpus->servers > 1)
		buf_printf(out, "servers have %zu CPUs, for " THREADS, cpus->servers);
}
