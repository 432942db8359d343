/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "record/record.h"

/* What clients put in, against what it takes: names and values of strings, of which the server
 * tells the length; how many bytes lie in the elements of others it does not. */
struct useful {
	int64_t bytes; /* of names and values */
	int64_t of_bytes; /* what MEMORY USAGE says of the same keys; 0 = of none is it known */
};

/* Of one key: nothing where its value's length is not known. */
struct useful useful_of(const struct record_key *key);
void useful_merge(struct useful *into, const struct useful *from);
/* bytes / of_bytes; NAN where it is not known. */
double useful_ratio(const struct useful *useful);
