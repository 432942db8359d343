/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames between watcher and keeper; see serve_wire.h. */
#include "app/serve_wire.h"

#include <errno.h>
#include <string.h>

/* In front of each frame; the body follows. */
struct head {
	uint32_t bytes; /* of the whole frame */
	uint32_t kind;
	uint32_t id;
	uint32_t unused;
};

static const char *const state_names[SERVE_STATES] = {
	[SERVE_STARTING] = "starting",
	[SERVE_ATTRIBUTED] = "attributed",
	[SERVE_NOT_ATTRIBUTED] = "not-attributed",
	[SERVE_HUNG] = "hung",
	[SERVE_FAILED] = "failed",
	[SERVE_GONE] = "gone",
};

const char *serve_state_name(enum serve_state state)
{
	return state_names[state];
}

/* --- writing --------------------------------------------------------------------------- */

static void put_text(struct buf *out, const char *text)
{
	size_t len = strlen(text);

	if (len >= WIRE_TEXT_MAX)
		len = WIRE_TEXT_MAX - 1;
	buf_add(out, text, len);
	buf_putc(out, '\0');
}

static void put_body(struct buf *out, const struct wire_frame *frame)
{
	const uint32_t state = frame->state.state;

	switch (frame->kind) {
	case WIRE_SERVER:
		buf_add(out, &frame->server.pid, sizeof(frame->server.pid));
		put_text(out, frame->server.label);
		put_text(out, frame->server.address);
		break;
	case WIRE_CHUNK:
		buf_add(out, frame->chunk.data, frame->chunk.len);
		break;
	case WIRE_STATE:
		buf_add(out, &state, sizeof(state));
		put_text(out, frame->state.reason);
		break;
	case WIRE_SELF:
		buf_add(out, &frame->self, sizeof(frame->self));
		break;
	case WIRE_SETTINGS:
		buf_putc(out, (char)frame->settings.ok);
		buf_putc(out, (char)frame->settings.redis_metrics);
		buf_add(out, &frame->settings.history_bytes, sizeof(frame->settings.history_bytes));
		break;
	case WIRE_LOST:
	case WIRE_END:
	case WIRE_KINDS:
		break;
	}
}

int wire_put(struct buf *out, const struct wire_frame *frame)
{
	struct head head = { .kind = frame->kind, .id = frame->id };
	size_t start = out->len;

	if (frame->kind == WIRE_CHUNK && frame->chunk.len > WIRE_FRAME_MAX - sizeof(head))
		return -EMSGSIZE;
	buf_add(out, &head, sizeof(head));
	put_body(out, frame);
	head.bytes = (uint32_t)(out->len - start);
	memcpy(out->data + start, &head, sizeof(head));
	return 0;
}

/* --- reading --------------------------------------------------------------------------- */

struct body {
	const char *at, *end;
};

static bool get_bytes(struct body *body, void *out, size_t len)
{
	if ((size_t)(body->end - body->at) < len)
		return false;
	memcpy(out, body->at, len);
	body->at += len;
	return true;
}

static bool get_text(struct body *body, const char **out)
{
	const char *nul = memchr(body->at, '\0', (size_t)(body->end - body->at));

	if (!nul || nul - body->at >= WIRE_TEXT_MAX)
		return false;
	*out = body->at;
	body->at = nul + 1;
	return true;
}

static bool get_state(struct body *body, struct wire_state *state)
{
	uint32_t number;

	if (!get_bytes(body, &number, sizeof(number)) || number >= SERVE_STATES)
		return false;
	state->state = (enum serve_state)number;
	return get_text(body, &state->reason);
}

static bool get_switch(struct body *body, bool *out)
{
	uint8_t on;

	if (!get_bytes(body, &on, sizeof(on)) || on > 1)
		return false;
	*out = on;
	return true;
}

static bool get_settings(struct body *body, struct wire_settings *settings)
{
	return get_switch(body, &settings->ok) && get_switch(body, &settings->redis_metrics) &&
	       get_bytes(body, &settings->history_bytes, sizeof(settings->history_bytes)) &&
	       settings->history_bytes >= 0;
}

static bool get_body(struct wire_frame *frame, struct body *body)
{
	switch (frame->kind) {
	case WIRE_SERVER:
		return get_bytes(body, &frame->server.pid, sizeof(frame->server.pid)) &&
		       get_text(body, &frame->server.label) &&
		       get_text(body, &frame->server.address);
	case WIRE_CHUNK:
		frame->chunk = (struct wire_chunk){ body->at, (size_t)(body->end - body->at) };
		body->at = body->end;
		return true;
	case WIRE_STATE:
		return get_state(body, &frame->state);
	case WIRE_SELF:
		return get_bytes(body, &frame->self, sizeof(frame->self));
	case WIRE_SETTINGS:
		return get_settings(body, &frame->settings);
	case WIRE_LOST:
	case WIRE_END:
		return true;
	case WIRE_KINDS:
		break;
	}
	return false;
}

long wire_get(struct wire_frame *frame, const void *data, size_t len)
{
	struct head head;
	struct body body;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	if (head.bytes < sizeof(head) || head.bytes > WIRE_FRAME_MAX || head.kind >= WIRE_KINDS)
		return -EPROTO;
	if (len < head.bytes)
		return 0;
	*frame = (struct wire_frame){ .kind = (enum wire_kind)head.kind, .id = head.id };
	body = (struct body){ (const char *)data + sizeof(head), (const char *)data + head.bytes };
	if (!get_body(frame, &body) || body.at != body.end)
		return -EPROTO;
	return head.bytes;
}
