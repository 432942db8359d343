/* SPDX-License-Identifier: BSD-2-Clause */
/* Manual pages that are made of tables redmem has, so that the two never disagree. What a command
 * is comes from its --help (tools/man). */
#pragma once

/* Print the page of that name ("redmem.conf") in roff; without one, the names of all with their
 * sections, a line each. The exit status: 0, or 2 when there is no such page. */
int manual_print(const char *name);
