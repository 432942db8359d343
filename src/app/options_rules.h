/* SPDX-License-Identifier: BSD-2-Clause */
/* What does not go together, and what is missing. */
#pragma once

#include "app/options.h"

struct argp_state;

/* Ends the program, as argp_error() does, where the options of a command contradict each other. */
void options_check(struct argp_state *state, const struct options *o);
