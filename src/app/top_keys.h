/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys do to the view of `redmem top`. */
#pragma once

#include <stdint.h>

#include "report/screen_state.h"

/* A key: a character of Unicode, or one of these. */
enum top_key {
	TOP_KEY_NONE,
	TOP_KEY_ESCAPE = 27,
	TOP_KEY_UP = 0x200000,
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_BACKSPACE,
	TOP_KEY_BACK_TAB,
	TOP_KEY_RESIZE,
};

/* What the view alone cannot do. */
enum top_act {
	TOP_ACT_NONE,
	TOP_ACT_QUIT,
	TOP_ACT_FASTER,
	TOP_ACT_SLOWER,
	TOP_ACT_BACK,
	TOP_ACT_ON,
	TOP_ACT_MINUTE_BACK,
	TOP_ACT_MINUTE_ON,
};

/* @servers: how many there are. */
enum top_act top_press(struct screen_view *view, uint32_t key, size_t servers);
