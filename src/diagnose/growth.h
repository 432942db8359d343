/* SPDX-License-Identifier: BSD-2-Clause */
/* How used_memory grew over the window, and how far that is believed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

struct growth {
	double bytes_per_second; /* NAN = none that can be told */
	double least; /* the lower end of its 95 % interval: 0 or less, and it may be none */
	double seconds; /* it was seen for */
	int64_t bytes;
	int64_t step_bytes; /* the most of it between two answers */
	bool steady;
};

/* Of it @bounded bytes do not count. */
struct growth growth_of(const struct model *m, int64_t bounded);
