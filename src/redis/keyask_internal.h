/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of keyask.h share. */
#pragma once

#include "redis/keyask.h"

#define KEYASK_ELEMENTS 256
#define KEYASK_GROUPS	100
#define KEYASK_BYTES	(512 * 1024) /* of elements that may come back */

struct ask {
	struct conn *conn;
	const struct keyask_options *options;
	struct record_one_key facts; /* its strings are those below */
	char type[64], encoding[64], refused[256], first_id[48], last_id[48];
	const char *bytes_reason, *elements_reason, *content; /* static */
	struct record_key_element elements[KEYASK_ELEMENTS];
	size_t elements_count;
	struct record_key_group groups[KEYASK_GROUPS]; /* their names are owned */
	size_t groups_count;
	bool may_touch, timed;
	int64_t bytes_left;
	int64_t deadline_ns;
	int rc; /* of the connection: nothing more is asked */
};

/* --- keyask_call.c: one question --- */

/*
 * Send @line, words one blank apart: "%k" is the key, "%x" is @extra. The reply is to be
 * freed; NULL when the server refuses or is lost.
 */
redisReply *ask(struct ask *a, const char *line);
redisReply *ask_with(struct ask *a, const char *line, struct bytes extra);
bool ask_has_time(const struct ask *a);

/* --- keyask_elements.c: what it holds --- */

/* A stream's groups, of at most @groups_max of them. */
void ask_stream(struct ask *a, int64_t groups_max);
/* A sample of its elements, or of a string's bytes; lengths are known. */
void ask_elements(struct ask *a);
