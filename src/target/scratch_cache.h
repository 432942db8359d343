/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the scratch child found, kept by the library's build-id in /var/cache/redmem, so
 * that the experiment is made once a library and not once a watch. Only root writes and
 * believes it, and only a file that root alone can write.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "target/scratch.h"

struct elf_file;

/* Append @before, the build-id in hex with @between behind its first byte, and @after;
 * nothing when the file has none. */
void scratch_cache_id(struct buf *out, struct elf_file *file, const char *before,
		      const char *between, const char *after);

bool scratch_cache_read(struct scratch_result *out, struct elf_file *library);
void scratch_cache_write(const struct scratch_result *result, struct elf_file *library);
