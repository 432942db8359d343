/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who did it: charges by command, key prefix and thread. While facts come in
 * they are added up in hash tables; the end makes sorted rows of them.
 */
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "model/private.h"

/* Rows kept. Keys that do not fold (random words) must not take our memory. */
#define PREFIXES_MAX 10000

/* A command or a thread. */
struct slot {
	UT_hash_handle hh;
	struct charge charge;
	char name[];
};

struct prefix_slot {
	UT_hash_handle hh;
	struct prefix_row row; /* top_command is set at the end */
	struct slot *by_command;
};

struct profile {
	struct slot *commands;
	struct slot *threads;
	struct prefix_slot *prefixes;
	struct charge other; /* prefixes given up */
	bool have_other;
};

struct profile *profile_new(void)
{
	return xcalloc(1, sizeof(struct profile));
}

/* --- slots -------------------------------------------------------------- */

static struct slot *slot_get(struct slot **slots, const char *name)
{
	size_t len = strlen(name);
	struct slot *slot;

	HASH_FIND(hh, *slots, name, len, slot);
	if (!slot) {
		slot = xcalloc(1, sizeof(*slot) + len + 1);
		memcpy(slot->name, name, len);
		HASH_ADD_KEYPTR(hh, *slots, slot->name, len, slot);
	}
	return slot;
}

static void slots_free(struct slot **slots)
{
	struct slot *slot, *next;

	HASH_ITER(hh, *slots, slot, next) {
		HASH_DEL(*slots, slot);
		free(slot);
	}
}

/* The order of rows: by charge, then by name so that a replay gives the same. */
static int slot_compare(const struct slot *a, const struct slot *b)
{
	int order = charge_compare(&a->charge, &b->charge);

	return order ? order : strcmp(a->name, b->name);
}

/* --- prefixes ----------------------------------------------------------- */

static struct prefix_slot *prefix_get(struct profile *profile, struct bytes key)
{
	struct buf prefix = { 0 };
	struct prefix_slot *slot;

	prefix_fold(&prefix, key.data, key.len);
	HASH_FIND(hh, profile->prefixes, prefix.data, prefix.len, slot);
	if (slot) {
		buf_free(&prefix);
		return slot;
	}
	slot = xcalloc(1, sizeof(*slot));
	slot->row.prefix = prefix.data;
	slot->row.prefix_len = prefix.len;
	slot->row.example = xmemdup(key.data, key.len);
	slot->row.example_len = key.len;
	HASH_ADD_KEYPTR(hh, profile->prefixes, slot->row.prefix, slot->row.prefix_len, slot);
	return slot;
}

static void prefix_free(struct profile *profile, struct prefix_slot *slot)
{
	HASH_DEL(profile->prefixes, slot);
	slots_free(&slot->by_command);
	free(slot->row.prefix);
	free(slot->row.example);
	free(slot);
}

static int prefix_compare(const struct prefix_slot *a, const struct prefix_slot *b)
{
	size_t len = a->row.prefix_len < b->row.prefix_len ? a->row.prefix_len : b->row.prefix_len;
	int order = charge_compare(&a->row.charge, &b->row.charge);

	if (!order)
		order = memcmp(a->row.prefix, b->row.prefix, len);
	return order ? order :
		       (a->row.prefix_len > b->row.prefix_len) -
			       (a->row.prefix_len < b->row.prefix_len);
}

/* Sort, and give up the rows with the least charge. */
static void prefixes_trim(struct profile *profile)
{
	struct prefix_slot *slot, *next;
	size_t i = 0;

	HASH_SRT(hh, profile->prefixes, prefix_compare);
	HASH_ITER(hh, profile->prefixes, slot, next) {
		if (i++ < PREFIXES_MAX)
			continue;
		charge_merge(&profile->other, &slot->row.charge);
		profile->have_other = true;
		prefix_free(profile, slot);
	}
}

static void prefix_add(struct profile *profile, const struct fact_profile *fact)
{
	struct prefix_slot *slot = prefix_get(profile, fact->key);

	charge_add(&slot->row.charge, fact);
	charge_add(&slot_get(&slot->by_command, fact->command)->charge, fact);
	/* Twice the limit, so that sorting is rare and new names get their chance. */
	if (HASH_COUNT(profile->prefixes) >= 2 * PREFIXES_MAX)
		prefixes_trim(profile);
}

/* --- taking ------------------------------------------------------------- */

void profile_add(struct profile *profile, const struct fact_profile *fact)
{
	bool main_thread = !*fact->thread;

	charge_add(&slot_get(&profile->threads, main_thread ? "main" : fact->thread)->charge, fact);
	/* Another thread works for no command of its own. */
	if (main_thread || *fact->command)
		charge_add(&slot_get(&profile->commands, fact->command)->charge, fact);
	if (fact->key.data && fact->key.len)
		prefix_add(profile, fact);
}

void profile_free(struct profile *profile)
{
	struct prefix_slot *slot, *next;

	if (!profile)
		return;
	slots_free(&profile->commands);
	slots_free(&profile->threads);
	HASH_ITER(hh, profile->prefixes, slot, next)
		prefix_free(profile, slot);
	free(profile);
}

/* --- rows --------------------------------------------------------------- */

static bool sensor_off(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->sensors_count; i++)
		if (!strcmp(m->sensors[i].sensor.id, id))
			return !m->sensors[i].sensor.on;
	return false;
}

/* Bytes take a sensor of their own; older recordings know none. */
static bool no_flow(const struct model *m)
{
	return !model_sensor_on(m, "flow");
}

static void add_unsampled(void *ctx, const char *command)
{
	struct profile *profile = ctx;

	slot_get(&profile->commands, command);
}

static void make_commands(struct model *m, struct profile *profile)
{
	bool no_cpu = sensor_off(m, "cpu"), no_faults = sensor_off(m, "fault");
	bool no_names = sensor_off(m, "attribution");
	struct slot *slot, *next;

	commandstats_each(m, add_unsampled, profile);
	calls_each(m, add_unsampled, profile);
	HASH_SRT(hh, profile->commands, slot_compare);
	m->commands = xcalloc(HASH_COUNT(profile->commands), sizeof(*m->commands));
	HASH_ITER(hh, profile->commands, slot, next) {
		struct command_row *row = &m->commands[m->commands_count++];
		struct commandstat stat = commandstats_of(m, slot->name);
		bool hidden = no_names && *slot->name;

		row->command = keep_string(m->priv->keep, slot->name);
		row->calls_total = stat.calls_total;
		row->usec_total = stat.usec_total;
		row->charge = slot->charge;
		charge_unknown(&row->charge, no_cpu || hidden, no_faults || hidden,
			       no_flow(m) || hidden);
		row->latency = calls_of(m, slot->name);
	}
}

static void make_threads(struct model *m, struct profile *profile)
{
	struct slot *slot, *next;

	HASH_SRT(hh, profile->threads, slot_compare);
	m->threads = xcalloc(HASH_COUNT(profile->threads), sizeof(*m->threads));
	HASH_ITER(hh, profile->threads, slot, next) {
		struct thread_row *row = &m->threads[m->threads_count++];

		row->thread = keep_string(m->priv->keep, slot->name);
		row->charge = slot->charge;
		charge_unknown(&row->charge, sensor_off(m, "cpu"), sensor_off(m, "fault"),
			       no_flow(m));
	}
}

static struct prefix_row *prefix_row_add(struct model *m, struct bytes prefix, struct bytes example,
					 const struct charge *charge)
{
	struct prefix_row *row = &m->prefixes[m->prefixes_count++];

	row->prefix = (char *)keep_bytes(m->priv->keep, prefix).data;
	row->prefix_len = prefix.len;
	row->example = (char *)keep_bytes(m->priv->keep, example).data;
	row->example_len = example.len;
	row->top_command = keep_string(m->priv->keep, "");
	row->charge = *charge;
	charge_unknown(&row->charge, sensor_off(m, "cpu"), sensor_off(m, "fault"), no_flow(m));
	return row;
}

static void make_prefixes(struct model *m, struct profile *profile)
{
	static const struct bytes other = { "(other)", 7 }, none = { "", 0 };
	struct prefix_slot *slot, *next;

	prefixes_trim(profile);
	m->prefixes = xcalloc(HASH_COUNT(profile->prefixes) + 1, sizeof(*m->prefixes));
	HASH_ITER(hh, profile->prefixes, slot, next) {
		struct bytes prefix = { slot->row.prefix, slot->row.prefix_len };
		struct bytes example = { slot->row.example, slot->row.example_len };
		struct prefix_row *row = prefix_row_add(m, prefix, example, &slot->row.charge);

		HASH_SRT(hh, slot->by_command, slot_compare);
		row->top_command = keep_string(m->priv->keep, slot->by_command->name);
	}
	/* The sum of many small ones stands last, whatever it comes to. */
	if (profile->have_other)
		prefix_row_add(m, other, none, &profile->other);
}

void profile_finish(struct model *m)
{
	make_commands(m, m->priv->profile);
	make_threads(m, m->priv->profile);
	make_prefixes(m, m->priv->profile);
	profile_free(m->priv->profile);
	m->priv->profile = NULL;
}
