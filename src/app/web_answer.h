/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers to HTTP requests: their headers, their form (gzip, JSON or text), and one body for
 * all who ask the same within a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <microhttpd.h>

#include "base/buf.h"

#define WEB_TEXT "text/plain; charset=utf-8"
#define WEB_JSON "application/json; charset=utf-8"
#define WEB_HTML "text/html; charset=utf-8"

/* The document of a refusal: of web_answer_error() where a program asks. */
extern const struct schema schema_error;

struct web_answers;

/* A request that wants an answer. */
struct web_request {
	struct MHD_Connection *connection;
	struct web_answers *answers;
	const char *path;
	bool json; /* errors are told as JSON: a program asks */
	int64_t now_ns; /* CLOCK_MONOTONIC */
};

struct web_answers *web_answers_new(void);
/* When nobody is being answered any more. */
void web_answers_free(struct web_answers *answers);

/*
 * Answer with what somebody else was answered in the last second for @key; false when there is
 * nothing of that. A key has the path and all parameters that the body depends on.
 */
bool web_answer_again(const struct web_request *request, const char *key);
/* Answer 200 with @body, whose text is taken over, and keep it for others. @key NULL = keep
 * nothing. @type is static. */
void web_answer(const struct web_request *request, const char *key, const char *type,
		struct buf *body);
/* Answer @status with one line. */
void web_answer_error(const struct web_request *request, unsigned int status, const char *text);
/* The same with the header @name: what is allowed, how to log in, when to come again. */
void web_answer_refusal(const struct web_request *request, unsigned int status, const char *name,
			const char *value, const char *text);

/* Does the client rather have OpenMetrics 1.0 than Prometheus's text? By its Accept. */
bool web_wants_openmetrics(struct MHD_Connection *connection);
