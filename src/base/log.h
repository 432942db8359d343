/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages beside the report, always on stderr: warnings ("redmem: ...") and,
 * with -v given twice, what the tool is doing. Never used for results.
 */
#pragma once

#include <stdint.h>

enum log_level { LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above @level are dropped. Default LOG_WARN. */
void log_set_level(enum log_level level);
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * From @start_ns until now (CLOCK_MONOTONIC) something was done that may hold the server up:
 * @kind is "probe-in", "probe-out", "look" or "calibration". One line with -vv, so that what
 * a client of the server measures meanwhile can be laid beside it.
 */
void log_pause(const char *kind, int64_t start_ns);
