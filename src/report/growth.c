/* SPDX-License-Identifier: BSD-2-Clause */
/* What grew by more than chance; see growth.h. */
#include "report/growth.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/buf.h"
#include "model/account.h"
#include "model/model.h"

/* The rows of a prefix; those of none are one, too, and so are those there was no room for. */
struct group {
	UT_hash_handle hh;
	struct charge charge; /* its bytes alone */
	bool certain; /* its net is more than chance */
	char name[];
};

struct growth {
	struct group *groups;
};

static void put_name(struct buf *name, const struct profile_row *row)
{
	buf_putc(name, row->other ? 'o' : 'p');
	buf_add(name, row->prefix, row->other ? 0 : row->prefix_len);
}

static struct group *find_group(const struct growth *growth, const struct buf *name)
{
	struct group *group;

	HASH_FIND(hh, growth->groups, buf_str(name), name->len, group);
	return group;
}

static struct group *hold_group(struct growth *growth, const struct profile_row *row)
{
	struct buf name = {};
	struct group *group;

	put_name(&name, row);
	group = find_group(growth, &name);
	if (!group) {
		group = xcalloc(1, sizeof(*group) + name.len + 1);
		memcpy(group->name, buf_str(&name), name.len);
		HASH_ADD_KEYPTR(hh, growth->groups, group->name, name.len, group);
	}
	buf_free(&name);
	return group;
}

static bool is_followed(const struct charge *charge)
{
	return isfinite(charge->alloc_bytes) && isfinite(charge->free_bytes);
}

static void group_add(struct charge *into, const struct charge *from)
{
	if (!is_followed(from))
		return;
	into->alloc_bytes += from->alloc_bytes;
	into->free_bytes += from->free_bytes;
	into->alloc_square += from->alloc_square;
	into->free_square += from->free_square;
}

static bool is_certain(const struct model *m, const struct charge *charge)
{
	const struct alloc *a = &m->alloc;

	return fabs(charge->alloc_bytes - charge->free_bytes) >
	       charge_net_error(charge, a->alloc_bytes, a->free_bytes,
				!(a->by_caches && a->partly));
}

struct growth *growth_new(const struct model *m)
{
	struct growth *growth = xcalloc(1, sizeof(*growth));
	struct group *group, *next;

	for (size_t i = 0; i < m->profile_count; i++)
		group_add(&hold_group(growth, &m->profile[i])->charge, &m->profile[i].charge);
	HASH_ITER(hh, growth->groups, group, next)
		group->certain = is_certain(m, &group->charge);
	return growth;
}

double growth_of(const struct growth *growth, const struct profile_row *row)
{
	struct buf name = {};
	struct group *group;

	put_name(&name, row);
	group = find_group(growth, &name);
	buf_free(&name);
	if (!group || !group->certain || !is_followed(&row->charge))
		return 0;
	return row->charge.alloc_bytes - row->charge.free_bytes;
}

void growth_free(struct growth *growth)
{
	struct group *group, *next;

	HASH_ITER(hh, growth->groups, group, next) {
		HASH_DEL(growth->groups, group);
		free(group);
	}
	free(growth);
}
