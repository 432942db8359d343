/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients put in, against what it takes; see useful.h. */
#include "model/useful.h"

#include <math.h>

#include "base/sum.h"

struct useful useful_of(const struct record_key *key)
{
	struct useful useful = { 0 };

	if (!name_is(key->type, "string") || key->elements < 0 || key->bytes < 0)
		return useful;
	useful.bytes = sum_of(key->elements, record_key_name_bytes(key));
	useful.of_bytes = key->bytes;
	return useful;
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
