/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors on their way to the person; see err.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
