/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The version of programs other than redmem: tests, benches. redmem's own is in main.c, where the
 * linker finds it before it looks here; so with a new commit only that is made anew.
 */
#include "base/version.h"

const char redmem_version[] = "unknown";
