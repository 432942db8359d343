/* SPDX-License-Identifier: BSD-2-Clause */
/* What to do about a command that blocks, and about a stall: by cause and command. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "model/model.h"

/* Is @command that name, a subcommand of it ("debug|sleep") or its read-only form
 * ("sort_ro")? */
bool advice_command_is(const char *command, const char *name);
/* One sentence: what to use instead. Never NULL. */
const char *advice_command(const char *command);
/* What to do about @stall: its main cause and its command decide, the host's and the
 * server's settings give the numbers. Nothing is added when there is nothing to say. */
void advice_stall(struct buf *out, const struct model *m, const struct stall *stall);
/* Did it do nothing so much as free memory? */
bool stall_frees(const struct stall *stall);
/* Who had the CPU while it waited for one, in words; "" when nobody is known. */
const char *stall_preemptor(const struct stall *stall);
