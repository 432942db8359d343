/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys do; see top_keys.h. */
#include "app/top_keys.h"

#include <string.h>

#include "base/escape.h"
#include "report/screen_rows.h"

#define FILTER_BYTES 64

/* --- the filter ------------------------------------------------------------------------- */

static void put_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_putc(out, (char)c);
	} else if (c < 0x800) {
		buf_putc(out, (char)(0xc0 | c >> 6));
		buf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_putc(out, (char)(0xe0 | c >> 12));
		buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_putc(out, (char)(0xf0 | c >> 18));
		buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (c & 0x3f)));
	}
}

static void filter_cut(struct buf *filter, size_t len)
{
	filter->len = len;
	if (filter->data)
		filter->data[len] = '\0';
}

/* Without its last character. */
static void filter_back(struct buf *filter)
{
	size_t len = filter->len;

	while (len && ((unsigned char)filter->data[--len] & 0xc0) == 0x80)
		;
	filter_cut(filter, len);
}

static void filter_add(struct buf *filter, uint32_t key)
{
	size_t before = filter->len;

	if (key > 0x10ffff)
		return;
	put_utf8(filter, key);
	if (filter->len > FILTER_BYTES ||
	    !utf8_is_plain(filter->data + before, filter->len - before))
		filter_cut(filter, before);
}

static void type(struct screen_view *view, uint32_t key)
{
	switch (key) {
	case TOP_KEY_ESCAPE:
		filter_cut(&view->filter, 0);
		view->typing = false;
		break;
	case TOP_KEY_ENTER:
		view->typing = false;
		break;
	case TOP_KEY_BACKSPACE:
		filter_back(&view->filter);
		break;
	default:
		filter_add(&view->filter, key);
		break;
	}
}

/* --- moving ----------------------------------------------------------------------------- */

static bool is_text(const struct screen_view *view)
{
	return view->help || view->details || !screen_has_rows(view->tab);
}

/* By so many lines; what is too far screen_make() brings back. */
static void move(struct screen_view *view, long lines)
{
	struct screen_place *place = &view->place[view->tab];
	size_t *at = is_text(view) ? &view->details_top : &place->at;

	if (lines < 0 && *at < (size_t)-lines)
		*at = 0;
	else
		*at += (size_t)lines;
	if (!is_text(view))
		buf_clear(&place->mark);
}

static void go_to(struct screen_view *view, enum screen_tab tab)
{
	view->tab = tab;
	view->details = view->help = false;
	view->details_top = 0;
}

static bool press_move(struct screen_view *view, uint32_t key)
{
	long page = view->rows > 12 ? view->rows - 10 : 2;

	switch (key) {
	case TOP_KEY_UP:
	case 'k':
		move(view, -1);
		return true;
	case TOP_KEY_DOWN:
	case 'j':
		move(view, 1);
		return true;
	case TOP_KEY_PAGE_UP:
		move(view, -page);
		return true;
	case TOP_KEY_PAGE_DOWN:
		move(view, page);
		return true;
	case TOP_KEY_HOME:
	case 'g':
		move(view, -1000000);
		return true;
	case TOP_KEY_END:
	case 'G':
		move(view, 1000000);
		return true;
	case '\t':
		go_to(view, (view->tab + 1) % SCREEN_TABS);
		return true;
	case TOP_KEY_BACK_TAB:
		go_to(view, (view->tab + SCREEN_TABS - 1) % SCREEN_TABS);
		return true;
	}
	if (key < '1' || key >= '1' + SCREEN_TABS)
		return false;
	go_to(view, key - '1');
	return true;
}

/* --- choosing ----------------------------------------------------------------------------- */

static void sort(struct screen_view *view, long step)
{
	size_t count = screen_sorts(view->tab) + 1;
	struct screen_place *place = &view->place[view->tab];

	place->sort = (place->sort + count + (size_t)step) % count;
	place->reverse = false;
}

static void enter(struct screen_view *view)
{
	if (view->tab == SCREEN_SERVERS) {
		view->server = view->server_chosen;
		go_to(view, SCREEN_PREFIXES);
	} else if (screen_has_rows(view->tab)) {
		view->details = !view->details;
		view->details_top = 0;
	}
}

static void next_server(struct screen_view *view, size_t step, size_t servers)
{
	view->server = servers ? (view->server + step) % servers : 0;
	view->details = false;
}

static bool press_choose(struct screen_view *view, uint32_t key, size_t servers)
{
	switch (key) {
	case 's':
		sort(view, 1);
		return true;
	case 'S':
		sort(view, -1);
		return true;
	case 'r':
		view->place[view->tab].reverse = !view->place[view->tab].reverse;
		return true;
	case '/':
		view->typing = true;
		return true;
	case 'w':
		view->longer = !view->longer;
		return true;
	case 'p':
	case ' ':
		view->paused = !view->paused;
		return true;
	case TOP_KEY_ENTER:
		enter(view);
		return true;
	case 'n':
		next_server(view, 1, servers);
		return true;
	case 'N':
		next_server(view, servers - 1, servers);
		return true;
	case '?':
	case 'h':
		view->help = !view->help;
		view->details_top = 0;
		return true;
	}
	return false;
}

/* One step back. */
static void escape(struct screen_view *view)
{
	view->details_top = 0;
	if (view->help)
		view->help = false;
	else if (view->details)
		view->details = false;
	else
		filter_cut(&view->filter, 0);
}

enum top_act top_press(struct screen_view *view, uint32_t key, size_t servers)
{
	static const struct {
		uint32_t key;
		enum top_act act;
	} acts[] = {
		{ 'q', TOP_ACT_QUIT },	       { '+', TOP_ACT_FASTER },
		{ '-', TOP_ACT_SLOWER },       { TOP_KEY_LEFT, TOP_ACT_BACK },
		{ TOP_KEY_RIGHT, TOP_ACT_ON }, { '[', TOP_ACT_MINUTE_BACK },
		{ ']', TOP_ACT_MINUTE_ON },
	};

	view->note = NULL;
	if (view->typing) {
		type(view, key);
		return TOP_ACT_NONE;
	}
	if (key == TOP_KEY_ESCAPE)
		escape(view);
	else if (!press_move(view, key) && !press_choose(view, key, servers))
		for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
			if (acts[i].key == key)
				return acts[i].act;
	return TOP_ACT_NONE;
}
