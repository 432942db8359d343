/* SPDX-License-Identifier: BSD-2-Clause */
/* Has a key of the census also been seen doing harm in the watch? */
#pragma once

#include "model/model.h"

/* A command stalled the server on exactly this key. */
bool key_in_stalls(const struct model *m, const struct fact_key *key);
/* Major faults were charged to its prefix (the sensors' keys are added up by prefix). */
bool key_in_faults(const struct model *m, const struct fact_key *key);
