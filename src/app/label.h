/* SPDX-License-Identifier: BSD-2-Clause */
/* What a server that is watched once is called among others. */
#pragma once

#include "app/options.h"
#include "base/buf.h"
#include "model/model.h"

/* Append it: the address it was asked for by, or that it has. Never its process id, and the same
 * after a restart. */
void label_of_server(struct buf *out, const struct options *o, const struct model *m);
