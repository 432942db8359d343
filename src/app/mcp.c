/* SPDX-License-Identifier: BSD-2-Clause */
/* The arguments of a call; see mcp.h. */
#include "app/mcp.h"

const char *mcp_text(const struct mcp_call *call, const char *name)
{
	return json_string_value(json_object_get(call->arguments, name));
}

double mcp_number(const struct mcp_call *call, const char *name, double otherwise)
{
	const json_t *value = json_object_get(call->arguments, name);

	return json_is_number(value) ? json_number_value(value) : otherwise;
}
