/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of the screen, in each of its tabs. */
#pragma once

#include "report/screen_line.h"

/* The table of the view's tab, or what is known of its row. */
void screen_table(struct screen_pen *pen, const struct screen_server *servers, size_t count);
