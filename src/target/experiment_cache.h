/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Results of the allocator experiment are kept in /var/cache/redmem, under the digest of all
 * bytes that took part: a build-id is only what a file says of itself, and a container's file
 * may say it of another's. Only root writes and believes the cache, and only a file that root
 * alone can write.
 */
#pragma once

#include "target/experiment.h"

#define EXPERIMENT_DIGEST_CHARS 64 /* SHA-256 in hex */
#define EXPERIMENT_CACHE	"/var/cache/redmem"

/* False when a file cannot be read. */
bool experiment_digest(char out[EXPERIMENT_DIGEST_CHARS + 1], const struct experiment_files *files);
bool experiment_recall(struct experiment_result *out, const char *digest, const char *directory);
/* Whole or not at all. */
void experiment_keep(const struct experiment_result *result, const char *digest,
		     const char *directory);
