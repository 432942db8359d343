/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command a stall comes from: the one that was met in it, or one of the turn of the loop
 * before or behind. Pure.
 */
#pragma once

#include "diagnose/finding.h"

/* The stall of the command that runs behind @stall, in which nothing was done but to read its
 * request; NULL. */
const struct stall *stall_request(const struct model *m, const struct stall *stall);
/* The command it comes from: the one that was met in it, the one whose request was read in it, or
 * the PUBLISH whose messages the loop wrote to subscribers; "". */
const char *stall_command(const struct model *m, const struct stall *stall);
