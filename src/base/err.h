/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the person is told beside the report. An error on its way there is a negative errno
 * and one clear line that names the subsystem, the object, the reason and the next step;
 * only app/ prints it. Messages go to stderr at once.
 */
#pragma once

#include <stdint.h>

struct err {
	int code; /* negative errno; 0 = no error */
	char text[480]; /* one line, no newline, already escaped for a terminal */
};

/*
 * Fill @e (which may be NULL) and return @code, so that a caller can write
 * `return err_set(e, -ENOENT, "elf: %s: no symbol `server`", path);`.
 * Text that does not fit is cut. Control characters in it become '?'.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Messages, always on stderr: warnings ("redmem: ...") and, with -v given twice, what the
 * tool is doing. Never used for results.
 */
enum log_level { LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above @level are dropped. Default LOG_WARN. */
void log_set_level(enum log_level level);
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * From @start_ns until now (CLOCK_MONOTONIC) something was done that may hold the server up:
 * @kind is "probe-in", "probe-out" or "look". One line with -vv, so that what a client of the
 * server measures meanwhile can be laid beside it.
 */
void log_pause(const char *kind, int64_t start_ns);
/* The same of what is over and took @length_ns: a "calibration", a "command" of redmem's own. */
void log_pause_of(const char *kind, int64_t start_ns, int64_t length_ns);
