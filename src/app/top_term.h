/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal under `redmem top`: the only file that knows ncurses. It is given back as it was,
 * however the program ends: by top_term_close(), by exit(), or by a signal that ends it (SIGSEGV,
 * SIGABRT, SIGQUIT...), which then comes again. What would be written to stderr meanwhile is kept,
 * and written when the terminal is back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "report/screen.h"

/* Is there a terminal to take? Else @err says what to use instead. */
int top_term_check(struct err *err);
int top_term_open(struct err *err);
void top_term_close(void);
void top_term_size(int *rows, int *columns);
/* Only what is another than before is sent. */
void top_term_draw(const struct screen *screen);
/* Send all of it at the next drawing. */
void top_term_redraw(void);
/* The next key (app/top_keys.h) that was pressed; TOP_KEY_NONE when none was. */
uint32_t top_term_key(void);
/* Has SIGINT, SIGTERM or SIGHUP come? */
bool top_term_asked_to_end(void);
