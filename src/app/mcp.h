/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tools of `redmem mcp`, which all only read. A tool runs in a process of its own, which
 * the server ends when its time is over: whatever happens in it, the conversation goes on.
 */
#pragma once

#include <jansson.h>

#include "app/options.h"
#include "base/err.h"

struct redact;

enum argument_kind { ARGUMENT_TEXT, ARGUMENT_NUMBER };

#define ARGUMENT_TEXT_MAX 512 /* bytes */

/* What a tool can be given; also said in its input schema. */
struct argument {
	const char *name; /* NULL ends the list */
	enum argument_kind kind;
	bool required;
	double min, max; /* of a number */
	const char *description;
};

/* One call, with arguments that fit. */
struct mcp_call {
	const struct options *options; /* of the command line */
	const json_t *arguments; /* an object */
	struct redact *redact; /* names go through it; NULL = they are shown */
};

struct mcp_tool {
	const char *name, *title, *description; /* for whoever chooses one */
	const struct argument *arguments;
	double seconds; /* it may take, beside what the argument "seconds" says */
	/* The answer, an object; NULL with @err when there is none. */
	json_t *(*run)(const struct mcp_call *call, struct err *err);
};

extern const struct mcp_tool mcp_tools[];
extern const size_t mcp_tools_count;

/* An argument's text, NULL when it was not given. */
const char *mcp_text(const struct mcp_call *call, const char *name);
/* An argument's number, @otherwise when it was not given. */
double mcp_number(const struct mcp_call *call, const char *name, double otherwise);
