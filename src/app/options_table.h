/* SPDX-License-Identifier: BSD-2-Clause */
/* All options there are, in the order in which completion lists them. */
#pragma once

#include "app/options_take.h"

extern const struct option_row option_rows[];
extern const size_t option_rows_count;
