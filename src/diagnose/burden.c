/* SPDX-License-Identifier: BSD-2-Clause */
#include "diagnose/burden.h"

#include <stdio.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/measure.h"

/* So much of the growth, or of the buffers of all, makes it the one that is named. */
#define MOST 0.5

static int64_t subscriptions(const struct model *m)
{
	return measure_sum(m->inside[INSIDE_PUBSUB].bytes, m->inside[INSIDE_PUBSUB].clients_bytes);
}

static int64_t watched(const struct model *m)
{
	return measure_sum(m->inside[INSIDE_WATCH].bytes, m->inside[INSIDE_WATCH].clients_bytes);
}

static int64_t tracked(const struct model *m)
{
	return m->inside[INSIDE_TRACKING].bytes;
}

static int64_t slow_log(const struct model *m)
{
	return m->inside[INSIDE_SLOWLOG].bytes;
}

static int64_t scripts(const struct model *m)
{
	return model_info_end(m, "used_memory_scripts");
}

static const struct {
	const char *id, *what;
	int64_t (*bytes)(const struct model *m);
} burdens[] = {
	{ "clients.buffers", "buffers of clients", measure_client_buffers },
	{ "memory.pubsub", "subscriptions", subscriptions },
	{ "memory.tracking", "the table of client-side caching (CLIENT TRACKING)", tracked },
	{ "memory.watch", "keys under WATCH", watched },
	{ "memory.slowlog", "the slow log", slow_log },
	{ "scripts.memory", "scripts and functions", scripts },
};

/* One client that has most of the buffers of all is who is to be named. */
static void name_one(const struct model *m, struct burden *b)
{
	int64_t bytes;
	const struct record_client *client = measure_heaviest_client(m, &bytes);

	if (!client || (double)bytes < MOST * (double)b->bytes)
		return;
	b->id = "client.one";
	b->bytes = bytes;
	snprintf(b->what.s, sizeof(b->what.s), "client %.200s", say_client(client).s);
}

struct burden burden_of(const struct model *m)
{
	struct burden most = { .id = NULL };

	for (size_t i = 0; i < sizeof(burdens) / sizeof(burdens[0]); i++) {
		int64_t bytes = burdens[i].bytes(m);

		if (bytes <= most.bytes) /* RECORD_UNKNOWN is below all others */
			continue;
		most.id = burdens[i].id;
		most.bytes = bytes;
		snprintf(most.what.s, sizeof(most.what.s), "%s", burdens[i].what);
	}
	if (most.id && !strcmp(most.id, "clients.buffers"))
		name_one(m, &most);
	return most;
}

struct burden burden_that_grows(const struct model *m, int64_t bytes)
{
	int64_t start = model_info_start(m, "mem_clients_normal");
	int64_t end = model_info_end(m, "mem_clients_normal");
	struct burden b = burden_of(m);
	bool of_clients = b.id && !strncmp(b.id, "client", strlen("client"));

	if (!of_clients || start == RECORD_UNKNOWN || end == RECORD_UNKNOWN ||
	    (double)sum_less(end, start) < MOST * (double)bytes)
		b.id = NULL;
	return b;
}
