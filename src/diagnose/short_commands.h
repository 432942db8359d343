/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that hold the event loop again and again, each time for less than makes a stall: by the
 * CPU time that their samples tell, and the calls that the server counted.
 */
#pragma once

#include "diagnose/finding.h"
#include "model/model.h"

/* Finding bigkey.blocks of one that works over big keys; false when there is none. */
bool short_on_big_keys(const struct model *m, struct finding *f);
/* Finding command.blocks of any other; false when there is none. */
bool short_commands(const struct model *m, struct finding *f);
