/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `redmem lab run SCENARIO`. The lab is run by a process of its own, the worker; the first one
 * waits for it. However the worker ends, what it has changed is undone: by itself, else by who
 * waits; where both are killed, by the next redmem command (lab/knobs.h).
 */
#pragma once

#include "app/options.h"

/* The exit status, as lab_show_result()'s. */
int lab_work(const struct options *o);
