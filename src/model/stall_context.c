/* SPDX-License-Identifier: BSD-2-Clause */
/* What explains a stall; see stall_context.h. */
#include "model/stall_context.h"

#include <stdlib.h>

#include "base/buf.h"
#include "model/state.h"

/* Rows of the server's words, and records, from which on they are worth forgetting. */
#define CONTEXT_ROWS	512
#define CONTEXT_RECORDS 8192

struct stall_context {
	struct state *state;
	struct model *m;
	size_t records; /* it has taken; of each it may keep a name */
};

struct stall_context *stall_context_new(void)
{
	struct stall_context *context = xcalloc(1, sizeof(*context));

	context->state = state_new();
	context->m = model_new();
	return context;
}

void stall_context_free(struct stall_context *context)
{
	if (!context)
		return;
	state_free(context->state);
	model_free(context->m);
	free(context);
}

void stall_context_take(struct stall_context *context, const struct record *record)
{
	switch (record->kind) {
	case RECORD_SESSION:
	case RECORD_TARGET:
	case RECORD_SENSOR:
	case RECORD_HOST:
	case RECORD_CPU_LIMIT:
	case RECORD_CONFIG:
	case RECORD_TOTALS:
	case RECORD_SLOWLOG:
	case RECORD_LATENCY:
	case RECORD_KEY:
	case RECORD_SELF:
		state_take(context->state, record);
		model_take(context->m, record);
		context->records++;
		break;
	default:
		break;
	}
}

struct model *stall_context_model(struct stall_context *context)
{
	return context->m;
}

void stall_context_renew(struct stall_context *context)
{
	const struct model *m = context->m;
	struct record_sink sink;

	if (m->slowlog_count + m->latency_count + m->keys_count < CONTEXT_ROWS &&
	    context->records < CONTEXT_RECORDS)
		return;
	context->records = 0;
	model_free(context->m);
	context->m = model_new();
	sink = model_sink(context->m);
	state_emit(context->state, &sink);
}
