/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who lives in which size class, and who allocates and frees there. Three sources:
 * keys drawn at random, whose allocations are known by type and encoding
 * (redis/footprint.h); the allocator's flow by class, where its symbols allow that
 * sensor; bursts of single calls elsewhere. Deletes of the window are kept beside
 * them: they tell whose objects the holes were.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/sum.h"
#include "model/private.h"
#include "redis/footprint.h"

/* Beyond it new names are left out: the heavy ones come early and often. */
#define USES_MAX 20000

/* Commands that free what they name. Their inner work is what counts in scripts. */
static const char *const freeing[] = {
	"del",
	"unlink",
	"getdel",
	"hdel",
	"srem",
	"spop",
	"zrem",
	"zpopmin",
	"zpopmax",
	"lpop",
	"rpop",
	"lrem",
	"ltrim",
	"xdel",
	"xtrim",
	"expire",
	"pexpire",
	"flushdb",
	"flushall",
	"zremrangebyscore",
	"zremrangebyrank",
};

enum use_kind { USE_FOUND, USE_FLOW, USE_BURST, USE_DELETE, USE_UNPLACED };

/* Hashed as bytes: no padding that is not zero. */
struct use_key {
	int64_t class_bytes; /* 0 = no class of its own */
	int64_t kind;
	char command[32];
	char prefix[136]; /* prefix_fold() gives at most 128 */
	int64_t prefix_len;
};

struct use {
	UT_hash_handle hh;
	struct use_key key;
	double objects; /* found; bytes when unplaced; samples of deletes */
	bool estimated;
	double alloc_bytes, free_bytes;
};

struct users {
	struct use *uses;
	struct fact_key *keys; /* drawn at random */
	size_t keys_count;
};

struct users *users_new(void)
{
	return xcalloc(1, sizeof(struct users));
}

void users_free(struct users *users)
{
	struct use *use, *next;

	if (!users)
		return;
	HASH_ITER(hh, users->uses, use, next) {
		HASH_DEL(users->uses, use);
		free(use);
	}
	free(users->keys);
	free(users);
}

/* --- taking --------------------------------------------------------------- */

/* NULL when there is no room for another. */
static struct use *use_get(struct users *users, enum use_kind kind, int64_t class_bytes,
			   const char *command, struct bytes name)
{
	struct use_key key;
	struct buf prefix = { 0 };
	struct use *use;

	memset(&key, 0, sizeof(key));
	key.class_bytes = class_bytes;
	key.kind = kind;
	memcpy(key.command, command, strnlen(command, sizeof(key.command) - 1));
	if (name.data && name.len)
		prefix_fold(&prefix, name.data, name.len);
	key.prefix_len =
		(int64_t)(prefix.len < sizeof(key.prefix) ? prefix.len : sizeof(key.prefix));
	if (prefix.len)
		memcpy(key.prefix, prefix.data, (size_t)key.prefix_len);
	buf_free(&prefix);
	HASH_FIND(hh, users->uses, &key, sizeof(key), use);
	if (!use && HASH_COUNT(users->uses) < USES_MAX) {
		use = xcalloc(1, sizeof(*use));
		use->key = key;
		HASH_ADD(hh, users->uses, key, sizeof(use->key), use);
	}
	return use;
}

void users_add_key(struct users *users, const struct fact_key *key)
{
	if (!strcmp(key->type, "none")) /* gone between two commands */
		return;
	users->keys = array_grow(users->keys, users->keys_count, sizeof(*users->keys));
	users->keys[users->keys_count++] = *key;
}

static bool is_freeing(const char *command)
{
	for (size_t i = 0; i < sizeof(freeing) / sizeof(freeing[0]); i++)
		if (!strcmp(command, freeing[i]))
			return true;
	return false;
}

static void add_delete(struct users *users, const struct fact_profile *fact, const char *command)
{
	bool bytes = fact->event == EVENT_FREE;
	struct use *use;

	if (!fact->key.len || (!bytes && fact->event != EVENT_CPU))
		return;
	use = use_get(users, USE_DELETE, 0, command, fact->key);
	if (use && bytes)
		use->free_bytes += profile_events(fact);
	else if (use)
		use->objects += (double)fact->samples;
}

void users_add_profile(struct users *users, const struct fact_profile *fact)
{
	bool in = fact->event == EVENT_ALLOC_CLASS, out = fact->event == EVENT_FREE_CLASS;
	const char *command = *fact->inner ? fact->inner : fact->command;
	struct use *use;

	if (is_freeing(command))
		add_delete(users, fact, command);
	if ((!in && !out) || fact->class_bytes <= 0 || !(fact->events > 0))
		return;
	use = use_get(users, USE_FLOW, fact->class_bytes, command, fact->key);
	if (use)
		*(in ? &use->alloc_bytes : &use->free_bytes) += profile_events(fact);
}

void users_add_call(struct users *users, const struct fact_call *fact)
{
	const char *command = *fact->inner ? fact->inner : fact->command;
	struct use *use;

	if (fact->class_bytes <= 0)
		return;
	use = use_get(users, USE_BURST, fact->class_bytes, command, fact->key);
	if (use)
		*(fact->function != CALL_FREE ? &use->alloc_bytes : &use->free_bytes) +=
			(double)fact->class_bytes;
}

/* --- finishing ------------------------------------------------------------ */

static void place_keys(struct model *m, struct users *users)
{
	struct footprint_layout layout = footprint_layout_of(m->target.server, m->target.version,
							     m->target.allocator_bundled);

	for (size_t i = 0; i < users->keys_count; i++) {
		const struct fact_key *key = &users->keys[i];
		struct footprint print;
		struct use *use;

		footprint_of(&print, key, &layout);
		for (int n = 0; n < print.count; n++) {
			use = use_get(users, USE_FOUND, print.part[n].class_bytes, "", key->key);
			if (!use)
				continue;
			use->objects += print.part[n].objects;
			use->estimated |= print.part[n].estimated;
		}
		if (print.unplaced_bytes <= 0)
			continue;
		use = use_get(users, USE_UNPLACED, 0, "", key->key);
		if (use)
			use->objects += (double)print.unplaced_bytes;
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

static struct class_user user_of(struct model *m, const struct use *use)
{
	struct bytes prefix = { use->key.prefix, (size_t)use->key.prefix_len };

	return (struct class_user){
		.prefix = (char *)(prefix.len ? keep_bytes(m->priv->keep, prefix).data : ""),
		.prefix_len = prefix.len,
		.command = keep_string(m->priv->keep, use->key.command),
		.objects = use->objects,
		.estimated = use->estimated,
		.alloc_bytes = use->alloc_bytes,
		.free_bytes = use->free_bytes,
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

static void add_use(struct model *m, const struct use *use, bool have_flow, bool bytes_known)
{
	struct class_user user = user_of(m, use);
	struct class_row *row = class_row(m, use->key.class_bytes);

	switch (use->key.kind) {
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
		if (row && (use->key.kind == USE_FLOW || !have_flow))
			insert(row->movers, &row->movers_count, &user);
		break;
	}
}

/* By name, so that a replay gives the same whatever the order facts came in. */
static int use_compare(const struct use *a, const struct use *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key));
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
	struct use *use, *next;

	m->sampled_keys_total = (int64_t)users->keys_count;
	place_keys(m, users);
	HASH_SRT(hh, users->uses, use_compare);
	HASH_ITER(hh, users->uses, use, next) {
		have_flow |= use->key.kind == USE_FLOW;
		bytes_known |= use->key.kind == USE_DELETE && use->free_bytes > 0;
	}
	HASH_ITER(hh, users->uses, use, next)
		add_use(m, use, have_flow, bytes_known);
	for (size_t i = 0; i < m->classes_count; i++)
		explain(m, &m->classes[i]);
	users_free(users);
	m->priv->users = NULL;
}
