/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replies of a server counted as fast as they come, in any pieces, without keeping what they say:
 * of an error the beginning is kept. Protocol 2 (RESP2), in which each command has one reply.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LAB_REPLY_TEXT 160

struct lab_reply {
	uint64_t items; /* of this reply that are still to come */
	uint64_t skip; /* bytes of a string that are still to come */
	char line[LAB_REPLY_TEXT + 1]; /* of a line that came in pieces; the text of an error */
	size_t line_len;
};

enum lab_reply_kind {
	LAB_REPLY_MORE, /* the data is used up, and the reply is not whole */
	LAB_REPLY_GOOD,
	LAB_REPLY_ERROR, /* @line has its beginning, NUL-terminated, without the "-" */
	LAB_REPLY_BROKEN /* this is not the protocol */
};

/* Take the next reply from *@data, which is moved on behind it, as far as it is there. @reply is
 * zeroed before the first. */
enum lab_reply_kind lab_reply_take(struct lab_reply *reply, const char **data, const char *end);
