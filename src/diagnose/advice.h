/* SPDX-License-Identifier: BSD-2-Clause */
/* What to do about a command that blocks, and about a stall: by cause and command. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "diagnose/finding.h"

/* Is @command that name, a subcommand of it ("debug|sleep") or its read-only form
 * ("sort_ro")? */
bool advice_command_is(const char *command, const char *name);
/* One sentence: what to use instead. Never NULL. */
const char *advice_command(const char *command);
/* The question that tells whether a key is used: an LFU policy keeps how often (OBJECT FREQ), any
 * other since when (OBJECT IDLETIME). Static. */
const char *advice_idle_question(const struct model *m);
/* What to do about a key of @bytes that may not be needed. Whether anybody needs the data is not
 * known here: what is offered for pasting, @look, looks, and what deletes is left to who
 * knows. */
void advice_unused(const struct model *m, struct finding *f, int64_t bytes, struct phrase look);
/* What to do about @command, which works over all of a big key. */
void advice_big_key(const struct model *m, struct finding *f, const char *command,
		    struct bytes key);
/* What to do about @stall: its main cause and its command decide, the host's and the
 * server's settings give the numbers. Nothing is added when there is nothing to say. */
void advice_stall(struct buf *out, const struct model *m, const struct stall *stall);
/* Who had the CPU while it waited for one, in words; "" when nobody is known. */
const char *stall_preemptor(const struct stall *stall);
