/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who did it: charges by command, key prefix and thread, and by all of these together with
 * the functions on the stack. While records come in they are added up in hash tables; the end
 * makes sorted rows of them.
 */
#include <stdlib.h>
#include <string.h>

#include "model/account.h"
#include "model/private.h"

/* Rows kept. Keys that do not fold (random words) must not take our memory. */
#define PREFIXES_MAX  10000
#define ROWS_MAX      (4 * PREFIXES_MAX)
#define FUNCTIONS_MAX (ROWS_MAX / 2) /* so many rows, and no more of functions come to them */

struct profile {
	struct accounts commands, threads, prefixes;
	struct accounts rows; /* of a thread, a command, a prefix and functions */
	struct accounts rest; /* of a thread and a command: what is in no row */
	struct charge other; /* prefixes given up */
	bool have_other;
};

struct profile *profile_new(struct prefixes *prefixes)
{
	struct profile *profile = xcalloc(1, sizeof(*profile));

	profile->prefixes.prefixes = profile->rows.prefixes = prefixes;
	return profile;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	accounts_clear(&profile->commands);
	accounts_clear(&profile->threads);
	accounts_clear(&profile->prefixes);
	accounts_clear(&profile->rows);
	accounts_clear(&profile->rest);
	free(profile);
}

/* --- taking ------------------------------------------------------------- */

/* The order of rows: by charge, then by name so that a replay gives the same. */
static int by_charge(const struct account *a, const struct account *b)
{
	int order = charge_compare(&a->charge, &b->charge);

	if (!order && a->of.name && b->of.name)
		order = strcmp(a->of.name, b->of.name);
	return order ? order : prefix_compare(a->of.prefix, b->of.prefix);
}

/* What is left of a row that there is no room for. */
static struct charge *rest_of(struct profile *profile, const struct account_key *of)
{
	struct account_key rest = { .name = of->name, .thread = of->thread };

	return &account_get(&profile->rest, rest)->charge;
}

/* Rows of prefixes that are given up. */
static void rows_trim(struct profile *profile)
{
	struct account *row, *next, *prefix;

	HASH_ITER(hh, profile->rows.rows, row, next) {
		struct account_key of = { .prefix = row->of.prefix };

		if (!of.prefix)
			continue;
		HASH_FIND(hh, profile->prefixes.rows, &of, sizeof(of), prefix);
		if (prefix)
			continue;
		charge_merge(rest_of(profile, &row->of), &row->charge);
		account_remove(&profile->rows, row);
	}
}

/* Sort, and give up the rows with the least charge. */
static void prefixes_trim(struct profile *profile)
{
	struct account *row, *next;
	size_t i = 0;

	HASH_SRT(hh, profile->prefixes.rows, by_charge);
	HASH_ITER(hh, profile->prefixes.rows, row, next) {
		if (i++ < PREFIXES_MAX)
			continue;
		charge_merge(&profile->other, &row->charge);
		profile->have_other = true;
		account_remove(&profile->prefixes, row);
	}
	rows_trim(profile);
}

/* Whatever there is no room for: the functions go first, then the prefix. */
static struct charge *row_of(struct model *m, struct account_key of)
{
	struct profile *profile = m->priv->profile;
	struct account *row;

	profile->rows.limit = *of.functions ? FUNCTIONS_MAX : ROWS_MAX;
	row = account_get(&profile->rows, of);
	if (!row && *of.functions) {
		of.functions = intern_string(m->priv->keep, "");
		profile->rows.limit = ROWS_MAX;
		row = account_get(&profile->rows, of);
	}
	return row ? &row->charge : rest_of(profile, &of);
}

/* The functions it was in, leaf first; of a sample of the CPU the leaf alone is known where its
 * stack is not. */
static const char *functions_of(const struct record_profile *record)
{
	if (record->stack && *record->stack)
		return record->stack;
	return record->event == EVENT_CPU ? record->symbol : "";
}

void profile_add(struct model *m, const struct record_profile *record, struct prefix *prefix)
{
	struct profile *profile = m->priv->profile;
	const char *command = intern_string(m->priv->keep, record->command);
	bool main_thread = !*record->thread;
	struct account_key of = { .name = intern_string(m->priv->keep,
							main_thread ? "main" : record->thread) };
	struct account_key row = { .name = command,
				   .thread = of.name,
				   .prefix = prefix,
				   .functions =
					   intern_string(m->priv->keep, functions_of(record)) };

	charge_add(&account_get(&profile->threads, of)->charge, record);
	charge_add(row_of(m, row), record);
	of.name = command;
	/* Another thread works for no command of its own. */
	if (main_thread || *command)
		charge_add(&account_get(&profile->commands, of)->charge, record);
	if (!prefix)
		return;
	if (!prefix->example.data)
		prefix->example = (struct bytes){ xmemdup(record->key.data, record->key.len),
						  record->key.len };
	of = (struct account_key){ .prefix = prefix };
	charge_add(&account_get(&profile->prefixes, of)->charge, record);
	/* Twice the limit, so that sorting is rare and new names get their chance. */
	if (HASH_COUNT(profile->prefixes.rows) >= 2 * PREFIXES_MAX)
		prefixes_trim(profile);
}

void profile_merge(struct model *m, const char *command, struct prefix *prefix,
		   const struct charge *charge)
{
	struct profile *profile = m->priv->profile;
	struct account_key of = { .name = intern_string(m->priv->keep, "main") };
	struct account_key row = { .name = command,
				   .thread = of.name,
				   .prefix = prefix,
				   .functions = intern_string(m->priv->keep, "") };

	charge_merge(&account_get(&profile->threads, of)->charge, charge);
	charge_merge(row_of(m, row), charge);
	of.name = command;
	charge_merge(&account_get(&profile->commands, of)->charge, charge);
	if (!prefix)
		return;
	of = (struct account_key){ .prefix = prefix };
	charge_merge(&account_get(&profile->prefixes, of)->charge, charge);
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
	struct model *m = ctx;
	struct account_key of = { .name = intern_string(m->priv->keep, command) };

	account_get(&m->priv->profile->commands, of);
}

static void make_commands(struct model *m, struct profile *profile)
{
	bool no_cpu = sensor_off(m, "cpu"), no_faults = sensor_off(m, "fault");
	bool no_names = sensor_off(m, "attribution");
	struct account *account, *next;

	commandstats_each(m, add_unsampled, m);
	calls_each(m, add_unsampled, m);
	HASH_SRT(hh, profile->commands.rows, by_charge);
	m->commands = xcalloc(HASH_COUNT(profile->commands.rows), sizeof(*m->commands));
	HASH_ITER(hh, profile->commands.rows, account, next) {
		struct command_row *row = &m->commands[m->commands_count++];
		struct commandstat stat = commandstats_of(m, account->of.name);
		bool hidden = no_names && *account->of.name;

		row->command = (char *)account->of.name;
		row->calls_total = stat.calls_total;
		row->usec_total = stat.usec_total;
		row->charge = account->charge;
		charge_unknown(&row->charge, no_cpu || hidden, no_faults || hidden,
			       no_flow(m) || hidden);
		row->latency = calls_of(m, account->of.name);
	}
}

static void make_threads(struct model *m, struct profile *profile)
{
	struct account *account, *next;

	HASH_SRT(hh, profile->threads.rows, by_charge);
	m->threads = xcalloc(HASH_COUNT(profile->threads.rows), sizeof(*m->threads));
	HASH_ITER(hh, profile->threads.rows, account, next) {
		struct thread_row *row = &m->threads[m->threads_count++];

		row->thread = (char *)account->of.name;
		row->charge = account->charge;
		charge_unknown(&row->charge, sensor_off(m, "cpu"), sensor_off(m, "fault"),
			       no_flow(m));
	}
}

static void prefix_row_add(struct model *m, struct bytes prefix, struct bytes example,
			   const struct charge *charge)
{
	struct prefix_row *row = &m->prefixes[m->prefixes_count++];

	row->prefix = (char *)intern_bytes(m->priv->keep, prefix).data;
	row->prefix_len = prefix.len;
	row->example = (char *)intern_bytes(m->priv->keep, example).data;
	row->example_len = example.len;
	row->charge = *charge;
	charge_unknown(&row->charge, sensor_off(m, "cpu"), sensor_off(m, "fault"), no_flow(m));
}

/* Of a prefix and a command, whatever thread and functions. */
static struct accounts pairs_of(struct profile *profile)
{
	struct accounts pairs = { .prefixes = profile->rows.prefixes };
	struct account *row, *next;

	HASH_ITER(hh, profile->rows.rows, row, next) {
		struct account_key of = { .name = row->of.name, .prefix = row->of.prefix };

		if (of.prefix)
			charge_merge(&account_get(&pairs, of)->charge, &row->charge);
	}
	return pairs;
}

/* Pairs come by falling charge: the first one of a prefix is its top. */
static void name_top_commands(struct model *m, struct profile *profile)
{
	struct accounts pairs = pairs_of(profile);
	struct account *row, *pair, *next;

	HASH_SRT(hh, pairs.rows, by_charge);
	HASH_ITER(hh, pairs.rows, pair, next) {
		struct account_key of = { .prefix = pair->of.prefix };

		HASH_FIND(hh, profile->prefixes.rows, &of, sizeof(of), row);
		if (row && !m->prefixes[row->row].top_command)
			m->prefixes[row->row].top_command = (char *)pair->of.name;
	}
	accounts_clear(&pairs);
	/* Of one that there was no room for with its commands. */
	for (size_t i = 0; i < m->prefixes_count; i++)
		if (!m->prefixes[i].top_command)
			m->prefixes[i].top_command = intern_string(m->priv->keep, "");
}

static void make_prefixes(struct model *m, struct profile *profile)
{
	static const struct bytes other = { "(other)", 7 }, none = { "", 0 };
	struct account *account, *next;

	prefixes_trim(profile);
	m->prefixes = xcalloc(HASH_COUNT(profile->prefixes.rows) + 1, sizeof(*m->prefixes));
	HASH_ITER(hh, profile->prefixes.rows, account, next) {
		const struct prefix *prefix = account->of.prefix;

		account->row = m->prefixes_count;
		prefix_row_add(m, (struct bytes){ prefix->text, prefix->len }, prefix->example,
			       &account->charge);
	}
	name_top_commands(m, profile);
	/* The sum of many small ones stands last, whatever it comes to. */
	if (!profile->have_other)
		return;
	prefix_row_add(m, other, none, &profile->other);
	m->prefixes[m->prefixes_count - 1].top_command = intern_string(m->priv->keep, "");
}

static int by_charge_of_row(const struct account *a, const struct account *b)
{
	int order = by_charge(a, b);

	if (!order)
		order = strcmp(a->of.thread, b->of.thread);
	return order || !a->of.functions ? order : strcmp(a->of.functions, b->of.functions);
}

static void append_rows(struct model *m, struct accounts *accounts, bool other)
{
	struct account *account, *next;

	HASH_SRT(hh, accounts->rows, by_charge_of_row);
	HASH_ITER(hh, accounts->rows, account, next) {
		struct profile_row *row = &m->profile[m->profile_count++];
		const struct prefix *prefix = account->of.prefix;
		struct bytes text = { prefix ? prefix->text : "", prefix ? prefix->len : 0 };

		row->thread = account->of.thread;
		row->command = account->of.name;
		row->prefix = intern_bytes(m->priv->keep, text).data;
		row->prefix_len = text.len;
		row->functions = other ? "" : account->of.functions;
		row->other = other;
		row->charge = account->charge;
	}
}

/* After the prefixes, of which some have been given up. */
static void make_rows(struct model *m, struct profile *profile)
{
	m->profile = xcalloc(HASH_COUNT(profile->rows.rows) + HASH_COUNT(profile->rest.rows) + 1,
			     sizeof(*m->profile));
	append_rows(m, &profile->rows, false);
	append_rows(m, &profile->rest, true);
}

void profile_finish(struct model *m)
{
	make_commands(m, m->priv->profile);
	make_threads(m, m->priv->profile);
	make_prefixes(m, m->priv->profile);
	make_rows(m, m->priv->profile);
	profile_free(m->priv->profile);
	m->priv->profile = NULL;
}

const struct command_row *model_command(const struct model *m, const char *command)
{
	for (size_t i = 0; i < m->commands_count; i++)
		if (!strcmp(m->commands[i].command, command))
			return &m->commands[i];
	return NULL;
}
