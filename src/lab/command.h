/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command with places in it that are filled in anew each time, as a scenario writes it:
 *
 *	SET key:{key} {value:100-200}
 *	HSET user:{n} ( field:{i} {value:20} )*10
 *
 * Read once, and written in the server's protocol as often as needed without an allocation.
 * The places are told in redmem-lab(5).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "lab/draw.h"

#define LAB_COMMAND_BYTES (64 << 20) /* most that a command may take in the protocol */

struct lab_command;

/* What the places are filled from; of one thread. */
struct lab_source {
	struct lab_random random;
	uint64_t keys; /* {key} is below */
	struct lab_zipf zipf; /* how they are drawn; count 0 = all alike */
	const char *noise; /* values are cut from it: at least LAB_NOISE longer than the largest */
};
#define LAB_NOISE (64 << 10)

/* @text is one line without its newline. 0, or -EINVAL with what is wrong with which word. */
int lab_command_parse(struct lab_command **out, const char *text, size_t len, struct err *err);
void lab_command_free(struct lab_command *command); /* may be NULL */

/* As it was written; and its first word. */
const char *lab_command_text(const struct lab_command *command);
const char *lab_command_name(const struct lab_command *command);
/* Most bytes that one takes in the protocol; the largest value in it; does it have a {key}? */
size_t lab_command_bytes(const struct lab_command *command);
size_t lab_command_value(const struct lab_command *command);
bool lab_command_has_key(const struct lab_command *command);

/* Write it to @out, which has room for lab_command_bytes(), and return its end. @n is {n}. */
char *lab_command_write(const struct lab_command *command, char *out, struct lab_source *source,
			uint64_t n);
