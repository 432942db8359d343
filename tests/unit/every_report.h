/* SPDX-License-Identifier: BSD-2-Clause */
/* All that redmem can say of a model, to see that it ends and breaks nothing. */
#pragma once

#include <stdint.h>

#include "model/model.h"

/* Every report of the finished @m. @seed: for what a user may choose, the order of rows. */
void every_report(struct model *m, uint64_t seed);
