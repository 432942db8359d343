/* SPDX-License-Identifier: BSD-2-Clause */
/* What a watch tells of itself and of the host, as records. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "record/record.h"

/* When this is, by what and where. */
void host_session_emit(const struct record_sink *sink);
/* The machine around process @pid. */
void host_emit(const struct record_sink *sink, pid_t pid);
/* The host's side of a tick; the time and the server's side are the caller's. -ESRCH when
 * the process that began at @starttime has ended. */
int host_tick_fill(struct record_tick *out, pid_t pid, uint64_t starttime);
