/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns as SCAN MATCH and KEYS take them, over bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* '*', '?', [a-z], [^a], and a backslash before what is meant as it is (util.c of the servers,
 * stringmatchlen()). In time of the product of both lengths at most. */
bool glob_fits(const char *pattern, size_t pattern_len, const char *text, size_t len);
