/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug files of a server's program and libraries, from debuginfod: distributions strip their
 * programs, and then only what libraries export has a name. As gdb and perf do: where
 * DEBUGINFOD_URLS is set, by elfutils' libdebuginfod, which verifies nothing but keeps what it
 * brought in its own cache; there host/elf.h finds it, and reads it in the fenced helper alone.
 */
#pragma once

struct image;

/*
 * Bring those of @image's files that have no symbols here. It takes a minute at most, Ctrl-C
 * ends it, and what does not come is told on stderr and no error: functions then have no names.
 * Nothing is asked of anybody without DEBUGINFOD_URLS. For commands that somebody waits for, before
 * they watch: who watches for months uses what is in the cache, and asks nobody.
 */
void debug_files_fetch(const struct image *image);
