/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is connected to the web side, and the request that is on each connection: whom something is
 * worked out for, and whom to cut off.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

struct web_check;
struct work_job;

#define WEB_CALLERS_MAX 128

/* What a request is waiting for. */
enum web_waiting { WAITS_NOT, WAITS_CHECK, WAITS_TURN, WAITS_REPORT };

/* A connection, and the request that is on it. */
struct web_caller {
	struct web_callers *all;
	struct web_caller *next, *previous;
	struct MHD_Connection *connection;
	int fd;
	int64_t since_ns; /* of this request, or of the end of the last */
	uint64_t who; /* a hash of the address */
	/* Of the request: */
	size_t url_bytes;
	bool url_nul; /* has a %00 */
	bool seen; /* the handler was called for it */
	bool known; /* the password was right */
	bool denied; /* it was wrong */
	enum web_waiting waiting;
	struct web_check *check;
	struct work_job *report;
	bool reported; /* @report is made */
};

struct web_callers {
	struct web_caller *first; /* newest first */
	int count, waiting; /* of them: those that wait */
	int64_t slow_ns; /* most for a request and its answer to pass, however many bytes come */
};

/* Begins with what libmicrohttpd accepted; *@context is what it keeps for us. */
void web_caller_comes(struct web_callers *all, struct MHD_Connection *connection, void **context);
void web_caller_goes(struct web_caller *caller);
struct web_caller *web_caller_of(struct MHD_Connection *connection);

/* Its request rests until web_caller_resume(). MHD_YES. */
enum MHD_Result web_caller_suspend(struct web_caller *caller, enum web_waiting what);
void web_caller_resume(struct web_caller *caller);
/* The first that waits for that, and, with a check or a report, for @job; NULL = none. */
struct web_caller *web_caller_waiting(const struct web_callers *all, enum web_waiting what,
				      const void *job);

/* Whoever takes too long is cut off; who is being worked for is not. */
void web_callers_cut_slow(const struct web_callers *all, int64_t now_ns);
/* And whoever has left in the middle of a request. */
void web_callers_cut_left(const struct web_callers *all);
/* Until the next of them is to be cut off: milliseconds, -1 = none is. */
int web_callers_wait_ms(const struct web_callers *all);
