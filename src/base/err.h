/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An error on its way to the person: a negative errno and one clear line that
 * names the subsystem, the object, the reason and the next step. Only app/
 * prints it.
 */
#pragma once

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
