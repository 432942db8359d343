/* SPDX-License-Identifier: BSD-2-Clause */
/* What grew by more than chance; see growth.h. */
#include "report/growth.h"

#include <math.h>
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
	char name[];
};

static struct group *hold_group(struct group **groups, const struct profile_row *row)
{
	struct buf name = {};
	struct group *group;

	buf_putc(&name, row->other ? 'o' : 'p');
	buf_add(&name, row->prefix, row->other ? 0 : row->prefix_len);
	HASH_FIND(hh, *groups, buf_str(&name), name.len, group);
	if (!group) {
		group = xcalloc(1, sizeof(*group) + name.len + 1);
		memcpy(group->name, buf_str(&name), name.len);
		HASH_ADD_KEYPTR(hh, *groups, group->name, name.len, group);
	}
	buf_free(&name);
	return group;
}

static void group_add(struct charge *into, const struct charge *from)
{
	if (!isfinite(from->alloc_bytes) || !isfinite(from->free_bytes))
		return; /* not followed */
	into->alloc_bytes += from->alloc_bytes;
	into->free_bytes += from->free_bytes;
	into->alloc_square += from->alloc_square;
	into->free_square += from->free_square;
}

bool *growth_certain(const struct model *m)
{
	bool *certain = xcalloc(m->profile_count + 1, sizeof(*certain));
	struct group **of = xcalloc(m->profile_count + 1, sizeof(struct group *));
	struct group *groups = NULL, *group, *next;

	for (size_t i = 0; i < m->profile_count; i++) {
		of[i] = hold_group(&groups, &m->profile[i]);
		group_add(&of[i]->charge, &m->profile[i].charge);
	}
	for (size_t i = 0; i < m->profile_count; i++)
		certain[i] = model_net_is_certain(m, &of[i]->charge);
	HASH_ITER(hh, groups, group, next) {
		HASH_DEL(groups, group);
		free(group);
	}
	free(of);
	return certain;
}
