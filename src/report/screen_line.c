/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the screen; see screen_line.h. */
#include "report/screen_line.h"

#include <string.h>

#include "base/escape.h"
#include "report/text.h"

struct screen_line *screen_next(struct screen_pen *pen)
{
	struct screen_line *line;

	if (pen->row > pen->last || pen->row >= pen->screen->rows)
		return NULL;
	line = &pen->screen->line[pen->row++];
	buf_clear(&line->text);
	line->columns = 0;
	line->runs = 0;
	return line;
}

void screen_put(struct screen_line *line, enum screen_attr attr, const char *text)
{
	if (!*text)
		return;
	/* Beyond the last run all that follows looks like it. */
	if (line->runs < SCREEN_RUNS)
		line->run[line->runs++] =
			(struct screen_run){ line->text.len, line->columns, attr };
	buf_puts(&line->text, text);
	line->columns += (int)utf8_columns(text);
}

void screen_field(struct screen_line *line, enum screen_attr attr, const char *text, size_t width,
		  bool right)
{
	struct buf cell = { 0 }, field = { 0 };

	buf_puts(&cell, text);
	utf8_cut(&cell, width);
	text_pad(&field, buf_str(&cell), width, right);
	screen_put(line, attr, buf_str(&field));
	buf_free(&cell);
	buf_free(&field);
}

void screen_fill(struct screen_line *line, enum screen_attr attr, int columns)
{
	struct buf blanks = { 0 };

	if (columns > line->columns)
		buf_fill(&blanks, ' ', (size_t)(columns - line->columns));
	screen_put(line, attr, buf_str(&blanks));
	buf_free(&blanks);
}

void screen_end(struct screen_line *line, int columns)
{
	utf8_cut(&line->text, (size_t)columns);
	if (!utf8_is_plain(buf_str(&line->text), line->text.len)) {
		/* Whoever wrote it should have seen to that. */
		escape_sanitize(line->text.data);
		line->text.len = strlen(line->text.data);
	}
	while (line->runs && line->run[line->runs - 1].at >= line->text.len)
		line->runs--;
	line->columns = (int)utf8_columns(buf_str(&line->text));
}

static size_t lines_of(const char *text)
{
	size_t count = 0;

	for (; *text; count++) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return count;
}

void screen_text(struct screen_pen *pen, const char *text)
{
	size_t count = lines_of(text), room = (size_t)(pen->last + 1 - pen->row);
	size_t *top = &pen->view->details_top;
	struct screen_line *line;
	struct buf one = { 0 };

	if (pen->row > pen->last)
		return;
	if (*top + room > count)
		*top = count > room ? count - room : 0;
	for (size_t i = 0; *text; i++) {
		size_t len = strcspn(text, "\n");

		if (i >= *top && (line = screen_next(pen))) {
			buf_clear(&one);
			buf_add(&one, text, len);
			screen_put(line, SCREEN_PLAIN, buf_str(&one));
			screen_end(line, pen->columns);
		}
		text += len + (text[len] == '\n');
	}
	buf_free(&one);
}

/* --- which window -------------------------------------------------------------------------- */

const struct screen_window *screen_judged(const struct screen_server *server)
{
	return server->longer.m ? &server->longer : &server->second;
}

const struct screen_window *screen_shown(const struct screen_view *view,
					 const struct screen_server *server)
{
	return view->longer && server->longer.m ? &server->longer : &server->second;
}
