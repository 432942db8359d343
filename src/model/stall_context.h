/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of all that is seen what explains a stall: the newest of each thing that describes a
 * state, and what the server said of commands and keys of late.
 */
#pragma once

#include "model/model.h"

struct stall_context;
struct stall_context *stall_context_new(void);
void stall_context_free(struct stall_context *context);
/* Records that explain no stall are let pass. */
void stall_context_take(struct stall_context *context, const struct record *record);
/* For the functions above and the reports; until it is renewed. */
struct model *stall_context_model(struct stall_context *context);
/* No stall waits to be told that the server has said anything of: that may be forgotten. */
void stall_context_renew(struct stall_context *context);
