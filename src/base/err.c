/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors on their way to the person, and messages on stderr; see err.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/escape.h"

int err_set(struct err *e, int code, const char *fmt, ...)
{
	/* Formatted aside: an argument may be e->text itself, when a caller adds to an error. */
	char text[sizeof(e->text)] = "";
	va_list ap;

	if (!e)
		return code;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	escape_sanitize(text);
	e->code = code;
	memcpy(e->text, text, sizeof(text));
	return code;
}

static enum log_level log_level = LOG_WARN;

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	escape_sanitize(text);
	fprintf(stderr, "redmem: %s\n", text);
}

void log_pause_of(const char *kind, int64_t start_ns, int64_t length_ns)
{
	log_msg(LOG_INFO, "pause: %s start %lld length %lld", kind, (long long)start_ns,
		(long long)length_ns / 1000);
}

void log_pause(const char *kind, int64_t start_ns)
{
	log_pause_of(kind, start_ns, clock_mono_ns() - start_ns);
}
