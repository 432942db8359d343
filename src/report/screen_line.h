/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the screen, as its parts write them. */
#pragma once

#include "report/screen_state.h"

/* What is written next, and where. */
struct screen_pen {
	struct screen *screen;
	struct screen_view *view;
	int row, columns;
	int last; /* below it nothing is written */
};

/* The line to write next, empty; NULL where there is no room for more. */
struct screen_line *screen_next(struct screen_pen *pen);
/* Add @text, which is plain already, as a piece of its own. */
void screen_put(struct screen_line *line, enum screen_attr attr, const char *text);
/* The same, in a field of @width columns: cut where it is longer. */
void screen_field(struct screen_line *line, enum screen_attr attr, const char *text, size_t width,
		  bool right);
/* Blanks up to @columns. */
void screen_fill(struct screen_line *line, enum screen_attr attr, int columns);
/* It is whole: no wider than @columns, and without anything that is not plain. */
void screen_end(struct screen_line *line, int columns);
/* Lines of a text, from view->details_top on, which is kept within them. */
void screen_text(struct screen_pen *pen, const char *text);

/* The window whose findings count, and the one the tables are of. */
const struct screen_window *screen_judged(const struct screen_server *server);
const struct screen_window *screen_shown(const struct screen_view *view,
					 const struct screen_server *server);
