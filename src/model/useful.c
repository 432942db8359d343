/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients put in, against what it takes; see useful.h. */
#include "model/useful.h"

#include <math.h>
#include <string.h>

#include "base/sum.h"

void useful_add(struct useful *useful, const struct record_key *key)
{
	if (strcmp(key->type, "string") != 0 || key->elements < 0 || key->bytes < 0)
		return;
	sum_add(&useful->bytes, key->elements);
	sum_add(&useful->bytes, (int64_t)key->key.len);
	sum_add(&useful->of_bytes, key->bytes);
}

void useful_merge(struct useful *into, const struct useful *from)
{
	sum_add(&into->bytes, from->bytes);
	sum_add(&into->of_bytes, from->of_bytes);
}

double useful_ratio(const struct useful *useful)
{
	return useful->of_bytes > 0 ? (double)useful->bytes / (double)useful->of_bytes : NAN;
}
