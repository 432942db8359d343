/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Size classes: what active defragmentation would give back of them, who lives there, and who
 * allocates and frees there.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sum.h"
#include "redis/footprint.h"
#include "redis/knowledge_commands.h"
#include "model/account.h"
#include "model/private.h"

/* --- defragmentation --------------------------------------------------------- */

/*
 * What active defragmentation would give back, by size class.
 *
 * It moves what lies in slabs of small classes, and only out of slabs used less
 * than 1.125 times the mean of those that have a hole (jemalloc as patched by
 * Redis: jemalloc_internal_inlines_c.h, iget_defrag_hint()). One pass therefore
 * leaves the slabs above that line and packs the objects of the rest; with frees at
 * random the use of slabs is binomial. Passes go on while fragmentation is past the
 * thresholds it starts at (src/defrag.c, computeDefragCycles()).
 */

/* Defaults of src/config.c, for servers that do not tell theirs. */
#define IGNORE_BYTES  ((int64_t)100 << 20)
#define LOWER_PERCENT 10
#define MOVE_BELOW    1.125 /* of the mean */
#define PASSES_MAX    16

/* One class under way: the slabs that have a hole, and the objects in them. */
struct packing {
	double slabs, objects, regions; /* regions of a slab */
	double freed; /* slabs given up so far */
};

static struct packing packing_of(const struct size_class *class)
{
	int64_t nonfull = class->nonfull_slabs;
	struct packing p = { .regions = (double)class->regions_per_slab };

	if (nonfull == RECORD_UNKNOWN || nonfull > class->slabs)
		nonfull = class->slabs;
	p.slabs = (double)nonfull;
	p.objects = (double)class->regions_total -
		    ((double)class->slabs - (double)nonfull) * (double)class->regions_per_slab;
	return p;
}

static void pass(struct packing *p)
{
	double mean = p->objects / p->slabs, use = mean / p->regions;
	double deviation = sqrt(p->regions * use * (1 - use)), distance, above, left;

	if (!(p->objects > 0) || !(use < 1) || !(deviation > 0))
		return;
	distance = mean * (MOVE_BELOW - 1) / deviation;
	above = p->slabs * 0.5 * erfc(distance / M_SQRT2);
	/* Objects in them: the mean of a normal distribution's upper end. */
	left = above * mean + p->slabs * deviation * exp(-distance * distance / 2) / sqrt(2 * M_PI);
	left = fmin(left, p->objects);
	p->freed += fmax(p->slabs - above - (p->objects - left) / p->regions, 0);
	p->slabs = above;
	p->objects = left;
}

static int64_t config_or(const struct model *m, const char *name, int64_t fallback)
{
	int64_t value = info_int(m->config, name);

	return value == RECORD_UNKNOWN ? fallback : value;
}

static bool past_thresholds(const struct defrag_forecast *f, double bytes, double allocated)
{
	return bytes >= (double)f->ignore_bytes && allocated > 0 &&
	       bytes / allocated * 100 >= (double)f->lower_percent;
}

/* Passes over all classes until what is left is no longer worth it to the server. */
static void forecast(struct model *m)
{
	struct defrag_forecast *f = &m->defrag;
	struct packing *packing = xcalloc(m->classes_count, sizeof(*packing));
	double allocated = (double)m->malloc_stats->allocated_bytes, holes = 0, gained = 0;

	for (size_t i = 0; i < m->classes_count; i++)
		if (m->classes[i].size.small && m->classes[i].size.holes_bytes > 0) {
			packing[i] = packing_of(&m->classes[i].size);
			holes += (double)m->classes[i].size.holes_bytes;
		}
	f->percent = allocated > 0 ? holes / allocated * 100 : NAN;
	f->starts = past_thresholds(f, holes, allocated);
	for (int n = 0; n < PASSES_MAX && (!n || past_thresholds(f, holes - gained, allocated));
	     n++) {
		gained = 0;
		for (size_t i = 0; i < m->classes_count; i++) {
			if (packing[i].slabs >= 2)
				pass(&packing[i]);
			m->classes[i].defrag_bytes =
				sum_whole(packing[i].freed * (double)m->classes[i].size.slab_bytes);
			gained += (double)m->classes[i].defrag_bytes;
		}
	}
	f->gain_bytes = sum_whole(gained);
	free(packing);
}

void defrag_finish(struct model *m)
{
	const struct malloc_stats *stats = m->malloc_stats;

	m->defrag = (struct defrag_forecast){
		.gain_bytes = RECORD_UNKNOWN,
		.percent = NAN,
		.ignore_bytes = config_or(m, "active-defrag-ignore-bytes", IGNORE_BYTES),
		.lower_percent = config_or(m, "active-defrag-threshold-lower", LOWER_PERCENT),
	};
	if (!stats || !stats->classes_count)
		return;
	m->classes = xcalloc(stats->classes_count, sizeof(*m->classes));
	m->classes_count = stats->classes_count;
	for (size_t i = 0; i < stats->classes_count; i++)
		m->classes[i].size = stats->classes[i];
	m->have_defrag = true;
	forecast(m);
}

/* --- who lives there --------------------------------------------------------- */

/*
 * Who lives in which size class, and who allocates and frees there. Three sources:
 * keys drawn at random, whose allocations are known by type and encoding
 * (redis/footprint.h); the allocator's flow by class, where its symbols allow that
 * sensor; bursts of single calls elsewhere. Deletes of the window are kept beside
 * them: they tell whose objects the holes were.
 */

/* Beyond it new names are left out: the heavy ones come early and often. */
#define USES_MAX 20000

enum use_kind { USE_FOUND, USE_FLOW, USE_BURST, USE_DELETE, USE_UNPLACED };

struct users {
	struct accounts uses;
	struct record_key *keys; /* drawn at random */
	size_t keys_count;
};

struct users *users_new(struct prefixes *prefixes)
{
	struct users *users = xcalloc(1, sizeof(*users));

	users->uses.prefixes = prefixes;
	users->uses.limit = USES_MAX;
	return users;
}

void users_free(struct users *users)
{
	if (!users)
		return;
	accounts_clear(&users->uses);
	free(users->keys);
	free(users);
}

/* --- taking --------------------------------------------------------------- */

/* NULL when there is no room for another. */
static struct account *use_get(struct model *m, enum use_kind kind, int64_t class_bytes,
			       const char *command, struct prefix *prefix)
{
	return account_get(&m->priv->users->uses,
			   (struct account_key){ .kind = kind,
						 .class_bytes = class_bytes,
						 .name = intern_string(m->priv->keep, command),
						 .prefix = prefix });
}

void users_add_key(struct users *users, const struct record_key *key)
{
	if (!strcmp(key->type, "none")) /* gone between two commands */
		return;
	users->keys = array_grow(users->keys, users->keys_count, sizeof(*users->keys));
	users->keys[users->keys_count++] = *key;
}

static void add_delete(struct model *m, const struct record_profile *record, const char *command,
		       struct prefix *prefix)
{
	bool bytes = record->event == EVENT_FREE;
	struct account *use;

	if (!prefix || (!bytes && record->event != EVENT_CPU))
		return;
	use = use_get(m, USE_DELETE, 0, command, prefix);
	if (use && bytes)
		use->charge.free_bytes += profile_events(record);
	else if (use)
		use->objects += (double)record->samples;
}

void users_add_profile(struct model *m, const struct record_profile *record, struct prefix *prefix)
{
	bool in = record->event == EVENT_ALLOC_CLASS, out = record->event == EVENT_FREE_CLASS;
	const char *command = *record->inner ? record->inner : record->command;
	struct account *use;

	if (command_frees(command)) /* in a script its inner work is what counts */
		add_delete(m, record, command, prefix);
	if ((!in && !out) || record->class_bytes <= 0 || !(record->events > 0))
		return;
	use = use_get(m, USE_FLOW, record->class_bytes, command, prefix);
	if (use)
		*(in ? &use->charge.alloc_bytes : &use->charge.free_bytes) +=
			profile_events(record);
}

void users_add_call(struct model *m, const struct record_call *record)
{
	const char *command = *record->inner ? record->inner : record->command;
	struct prefix *prefix;
	struct account *use;

	if (record->class_bytes <= 0)
		return;
	prefix = prefix_hold(m->priv->prefixes, record->key);
	use = use_get(m, USE_BURST, record->class_bytes, command, prefix);
	if (use)
		*(record->function != CALL_FREE ? &use->charge.alloc_bytes :
						  &use->charge.free_bytes) +=
			(double)call_count(record) * (double)record->class_bytes;
	prefix_drop(m->priv->prefixes, prefix);
}

/* --- finishing ------------------------------------------------------------ */

static void place_keys(struct model *m, struct users *users)
{
	struct footprint_layout layout = footprint_layout_of(m->target.server, m->target.version,
							     m->target.allocator_bundled);

	for (size_t i = 0; i < users->keys_count; i++) {
		const struct record_key *key = &users->keys[i];
		struct prefix *prefix = prefix_hold(m->priv->prefixes, key->key);
		struct footprint print;
		struct account *use;

		footprint_of(&print, key, &layout);
		for (int n = 0; n < print.count; n++) {
			use = use_get(m, USE_FOUND, print.part[n].class_bytes, "", prefix);
			if (!use)
				continue;
			use->objects += print.part[n].objects;
			use->estimated |= print.part[n].estimated;
		}
		use = print.unplaced_bytes > 0 ? use_get(m, USE_UNPLACED, 0, "", prefix) : NULL;
		if (use)
			use->objects += (double)print.unplaced_bytes;
		prefix_drop(m->priv->prefixes, prefix);
	}
}

static double weight(const struct class_user *user)
{
	return user->objects + user->alloc_bytes + user->free_bytes;
}

/* Keep the largest few, in falling order. */
static void insert(struct class_user *list, size_t *count, const struct class_user *user)
{
	size_t at = *count;

	while (at > 0 && weight(&list[at - 1]) < weight(user))
		at--;
	if (at == CLASS_USERS)
		return;
	if (*count < CLASS_USERS)
		(*count)++;
	memmove(&list[at + 1], &list[at], (*count - at - 1) * sizeof(*list));
	list[at] = *user;
}

static struct class_user user_of(struct model *m, const struct account *use)
{
	const struct prefix *prefix = use->of.prefix;
	struct bytes text = { prefix ? prefix->text : "", prefix ? prefix->len : 0 };

	return (struct class_user){
		.prefix = (char *)intern_bytes(m->priv->keep, text).data,
		.prefix_len = text.len,
		.command = (char *)use->of.name,
		.objects = use->objects,
		.estimated = use->estimated,
		.alloc_bytes = use->charge.alloc_bytes,
		.free_bytes = use->charge.free_bytes,
	};
}

static struct class_row *class_row(struct model *m, int64_t class_bytes)
{
	for (size_t i = 0; i < m->classes_count; i++)
		if (m->classes[i].size.size_bytes == class_bytes)
			return &m->classes[i];
	return NULL;
}

static void add_delete_row(struct model *m, const struct class_user *user, bool bytes_known)
{
	struct delete_row row = { user->prefix, user->prefix_len, user->command,
				  sum_whole(user->objects), bytes_known ? user->free_bytes : NAN };
	size_t at = m->deletes_count;

	while (at > 0 && (bytes_known ? m->deletes[at - 1].free_bytes < row.free_bytes :
					m->deletes[at - 1].samples < row.samples))
		at--;
	if (at == CLASS_USERS)
		return;
	if (m->deletes_count < CLASS_USERS)
		m->deletes_count++;
	memmove(&m->deletes[at + 1], &m->deletes[at], (m->deletes_count - at - 1) * sizeof(row));
	m->deletes[at] = row;
}

static void add_use(struct model *m, const struct account *use, bool have_flow, bool bytes_known)
{
	struct class_user user = user_of(m, use);
	struct class_row *row = class_row(m, use->of.class_bytes);

	switch (use->of.kind) {
	case USE_UNPLACED:
		insert(m->unplaced, &m->unplaced_count, &user);
		break;
	case USE_DELETE:
		add_delete_row(m, &user, bytes_known);
		break;
	case USE_FOUND:
		if (row) {
			row->holders_objects += user.objects;
			insert(row->holders, &row->holders_count, &user);
		}
		break;
	default: /* a burst sees a part of what the flow sees all of */
		if (row && (use->of.kind == USE_FLOW || !have_flow))
			insert(row->movers, &row->movers_count, &user);
		break;
	}
}

/* By name, so that a replay gives the same whatever the order records came in. */
static int use_compare(const struct account *a, const struct account *b)
{
	int order = (a->of.kind > b->of.kind) - (a->of.kind < b->of.kind);

	if (!order)
		order = (a->of.class_bytes > b->of.class_bytes) -
			(a->of.class_bytes < b->of.class_bytes);
	if (!order)
		order = strcmp(a->of.name, b->of.name);
	return order ? order : prefix_compare(a->of.prefix, b->of.prefix);
}

static void explain(struct model *m, struct class_row *row)
{
	int64_t keys;

	info_keyspace(m->info_end, &keys, NULL);
	row->explained_ratio = NAN;
	if (m->sampled_keys_total > 0 && keys > 0 && row->size.regions_total > 0)
		row->explained_ratio = row->holders_objects * (double)keys /
				       (double)m->sampled_keys_total /
				       (double)row->size.regions_total;
}

void users_finish(struct model *m)
{
	struct users *users = m->priv->users;
	bool have_flow = false, bytes_known = false;
	struct account *use, *next;

	m->sampled_keys_total = (int64_t)users->keys_count;
	for (size_t i = 0; i < users->keys_count; i++)
		users->keys[i].bytes = plausible_size(m, users->keys[i].bytes);
	place_keys(m, users);
	HASH_SRT(hh, users->uses.rows, use_compare);
	HASH_ITER(hh, users->uses.rows, use, next) {
		have_flow |= use->of.kind == USE_FLOW;
		bytes_known |= use->of.kind == USE_DELETE && use->charge.free_bytes > 0;
	}
	HASH_ITER(hh, users->uses.rows, use, next)
		add_use(m, use, have_flow, bytes_known);
	for (size_t i = 0; i < m->classes_count; i++)
		explain(m, &m->classes[i]);
	m->drawn = users->keys;
	users->keys = NULL;
	users_free(users);
	m->priv->users = NULL;
}

/* --- rounding of what was there before ------------------------------------------ */

/* proto-max-bulk-len. */
#define STRING_MAX ((int64_t)512 << 20)

/* Is it a string whose allocation its length tells? Numbers lie in their object, and short
 * strings may lie there with the key's name. */
static bool length_tells(const struct record_key *key, const struct footprint_layout *layout)
{
	if (strcmp(key->type, "string") != 0 || key->elements <= 0 || key->elements > STRING_MAX)
		return false;
	return !strcmp(key->encoding, "raw") ||
	       (!strcmp(key->encoding, "embstr") && !layout->key_in_object);
}

/* The head of a string in memory, by its length, and the byte behind it (sds.c, sdsReqType());
 * a short one lies behind its object (object.c, createEmbeddedStringObject()). */
static int64_t string_request(const struct record_key *key)
{
	int64_t length = key->elements;

	if (!strcmp(key->encoding, "embstr"))
		return 16 + 3 + length + 1;
	return length + 1 + (length < 256 ? 3 : length < 65536 ? 5 : 9);
}

int64_t drawn_rounding_bytes(const struct model *m)
{
	struct footprint_layout layout = footprint_layout_of(m->target.server, m->target.version,
							     m->target.allocator_bundled);
	double bytes = 0;
	int64_t known = 0, keys;

	info_keyspace(m->info_end, &keys, NULL);
	for (int64_t i = 0; i < m->sampled_keys_total; i++) {
		const struct record_key *key = &m->drawn[i];
		int64_t request;

		if (!length_tells(key, &layout))
			continue;
		request = string_request(key);
		bytes += (double)(footprint_class(&layout, request) - request);
		known++;
	}
	if (known == 0 || keys <= 0)
		return RECORD_UNKNOWN;
	return sum_whole(bytes * (double)keys / (double)m->sampled_keys_total);
}

/* Of fewer, nothing is said of a class. */
#define MET_LEAST 8

static const struct record_strings *strings_met(const struct model *m, int64_t class_bytes)
{
	for (size_t i = 0; i < m->strings_count; i++) {
		const struct record_strings *met = &m->strings[i].strings;

		if (met->class_bytes == class_bytes && met->found_total >= MET_LEAST &&
		    met->looked_bytes > 0 && met->resident_bytes > 0 && met->requested_bytes > 0)
			return met;
	}
	return NULL;
}

/*
 * What was met may be free again: of a class's places, live or not, it says how many strings
 * have, and MALLOC-STATS, how many are live. Whatever else lies in the class is taken for
 * exactly as large as its place.
 */
int64_t met_rounding_bytes(const struct model *m)
{
	double sum = NAN;

	for (size_t i = 0; m->malloc_stats && i < m->malloc_stats->classes_count; i++) {
		const struct size_class *class = &m->malloc_stats->classes[i];
		const struct record_strings *met = strings_met(m, class->size_bytes);
		double size = (double)class->size_bytes, places, share, wasted;

		if (!met || class->regions_total <= 0)
			continue;
		places = (double)class->regions_total;
		if (class->holes_bytes > 0)
			places += (double)class->holes_bytes / size;
		share = (double)met->found_total * (double)met->resident_bytes /
			(double)met->looked_bytes / places;
		wasted = size - (double)met->requested_bytes / (double)met->found_total;
		if (wasted > 0)
			sum = (isnan(sum) ? 0 : sum) +
			      fmin(share, 1) * (double)class->regions_total * wasted;
	}
	return isnan(sum) ? RECORD_UNKNOWN : sum_whole(sum);
}

/* Larger ones are whole pages of their own in jemalloc (sc.h, SC_LARGE_MINCLASS). */
#define LARGE_BYTES ((int64_t)16 << 10)

int64_t large_values_bytes(const struct model *m)
{
	double bytes = 0;
	int64_t keys;

	info_keyspace(m->info_end, &keys, NULL);
	for (int64_t i = 0; i < m->sampled_keys_total; i++)
		if (m->drawn[i].bytes > LARGE_BYTES && !strcmp(m->drawn[i].encoding, "raw"))
			bytes += (double)m->drawn[i].bytes;
	if (m->sampled_keys_total <= 0 || keys <= 0)
		return 0;
	return sum_whole(bytes * (double)keys / (double)m->sampled_keys_total);
}
