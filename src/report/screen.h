/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the screen of `redmem top` says: what is known of the servers, and where the viewer has
 * gone, become lines with attributes. It knows of no terminal. Every line is plain UTF-8
 * (utf8_is_plain()) of at most as many columns as there are, whatever the servers' names are.
 */
#pragma once

#include "report/screen_state.h"

/* What keys do (app/top_keys.c), for people. */
#define SCREEN_KEYS                                                                        \
	"  1 to 8, Tab   what the table shows; Shift-Tab goes back\n"                      \
	"  Up Down PgUp  choose a row; j and k do, too; Home and End\n"                    \
	"  Enter         all that is known of the row, or to that server; Esc goes back\n" \
	"  s S           sort by the next column, the one before; r turns it round\n"      \
	"  /             rows with these letters in a name; Enter keeps, Esc drops it\n"   \
	"  w             tables of the last second, or of the last ten\n"                  \
	"  p, Space      stop the screen; a stall under way is told all the same\n"        \
	"  n N           the next server, the one before\n"                                \
	"  + -           of a recording: twice as fast, half as fast\n"                    \
	"  Left Right    of a recording: 10 s back, 10 s on; [ and ] a minute\n"           \
	"  q             end; so does Ctrl-C\n"

/* Judge a window; takes @m, which is finished. */
void screen_window_judge(struct screen_window *out, struct model *m);
void screen_window_clear(struct screen_window *window);

/* The words of a stall of that window. Free with screen_stall_clear(). */
void screen_stall_fill(struct screen_stall *out, const struct model *m, const struct stall *stall);
void screen_stall_clear(struct screen_stall *stall);

void screen_view_clear(struct screen_view *view);

/* All zeros at first; made again it keeps its memory. The view is brought within what there is to
 * see: fewer rows, a row that has moved. */
void screen_make(struct screen *screen, struct screen_view *view,
		 const struct screen_server *servers, size_t count);
void screen_free(struct screen *screen);
