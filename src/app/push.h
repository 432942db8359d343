/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A profile sent to those who keep profiles: Pyroscope's POST /ingest (a form with the profile and
 * what its sample types are), or Parca's POST /api/profiles/writeraw (JSON). Nothing is sent but by
 * `redmem push`.
 */
#pragma once

#include <stddef.h>

#include "app/options.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Send the profile @data to o->url. What may be over soon (nobody answers, 429, 5xx) is tried
 * again, three times. @name: of the profile, for messages. *@where: the address it was sent to,
 * without what is secret in it.
 */
int push_send(const struct push_options *o, const struct buf *data, const char *name,
	      struct buf *where, struct err *err);
