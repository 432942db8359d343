/* SPDX-License-Identifier: BSD-2-Clause */
/* Ctrl-C ends what is going on and still gives a report; a second one kills as usual. */
#pragma once

#include <stdbool.h>

/* From now on; forgets an earlier one. SIGTERM does the same, SIGPIPE nothing. */
void interrupt_catch(void);
bool interrupted(void);
