/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of what a prefix grew by is more than chance. Bytes are counted each 64 KiB and belong
 * to who is met then, so of a prefix that allocates and frees 20 MB a second some MB come out as
 * grown or shrunk, and its commands, of which one allocates and another frees, as ten times that.
 */
#pragma once

#include <stdbool.h>

struct model;

/*
 * For each row of @m->profile: did its prefix grow or shrink by more than may be chance? Not where
 * the interval of 95 % (model_net_error()) holds zero. The caller frees.
 */
bool *growth_certain(const struct model *m);
