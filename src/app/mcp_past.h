/* SPDX-License-Identifier: BSD-2-Clause */
/* What assistants are told out of the history of `redmem serve`. */
#pragma once

#include "app/mcp.h"
#include "model/model.h"

/* The finished model of the time that the call's "at" and "for" name; the caller's. */
int mcp_past_model(const struct mcp_call *call, struct model **out, struct err *err);

/* The servers it knows: an array, or why there is none, as a text. */
json_t *mcp_past_servers(const struct mcp_call *call);
/* Tools; see struct mcp_tool. */
json_t *mcp_past_events(const struct mcp_call *call, struct err *err);
json_t *mcp_past_diff(const struct mcp_call *call, struct err *err);
