/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the targets share. Each is one file with LLVMFuzzerTestOneInput(), which libFuzzer calls
 * with inputs: it gives them to what reads bytes of others, and aborts where what comes out cannot
 * be right. See tests/fuzz/run for how they are run.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What must hold of every input. */
#define must(what)                                                                         \
	do {                                                                               \
		if (!(what)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                           \
		}                                                                          \
	} while (0)

/* The input as a file that only its owner may read: a path by which it can be opened. One file at
 * a time. */
const char *file_of(const uint8_t *data, size_t len);
/* A new folder in $TMPDIR, which goes when whoever set that removes it. */
const char *own_folder(void);
