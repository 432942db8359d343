/* SPDX-License-Identifier: BSD-2-Clause */
/* cmocka's skip() tells no reason; tests/run takes it from the line before. After cmocka.h. */
#pragma once

#define skip_because(why)                              \
	do {                                           \
		print_message("# skipped: %s\n", why); \
		skip();                                \
	} while (0)
