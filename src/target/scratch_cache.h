/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the experiments found, kept in /var/cache/redmem, so that one is made once a library
 * and not once a watch. A result is kept under the digest of all bytes that took part: a
 * build-id is only what a file says of itself, and a container's file may say it of another's.
 * Only root writes and believes the cache, and only a file that root alone can write.
 */
#pragma once

#include <stdbool.h>

#include "target/scratch.h"

#define SCRATCH_DIGEST_CHARS 64 /* SHA-256 in hex */

/* Digest of the files' whole contents, in this order. False when one cannot be read. */
bool scratch_cache_digest(char out[SCRATCH_DIGEST_CHARS + 1], const int *fds, size_t count);

bool scratch_cache_read(struct scratch_result *out, const char *digest);
void scratch_cache_write(const struct scratch_result *result, const char *digest);

/* For tests: the same in another directory. */
bool scratch_cache_read_in(struct scratch_result *out, const char *digest, const char *directory);
void scratch_cache_write_in(const struct scratch_result *result, const char *digest,
			    const char *directory);
