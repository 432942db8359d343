/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's commands by the address of their struct redisCommand, learnt as
 * they turn up: name (read from the server's memory) and where the first key is.
 * And the arguments of the one it executes; it does not notice either.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "redmem/events.h"

struct target_commands;

/*
 * @fullname_offset: where in redisCommand the sds with the full name is
 * ("config|get", since 7.0); 0 = it has none, the first field names it.
 * @rules_fd: the BPF map of key rules to fill, -1 for none; @target: the server's index there.
 */
struct target_commands *target_commands_new(pid_t pid, uint32_t fullname_offset, int rules_fd,
					    uint32_t target);
void target_commands_free(struct target_commands *commands);

/* Full lower-case name, or NULL when the address holds no command. The first call
 * for a command reads it and tells its key rule to the BPF programs. */
const char *target_commands_name(struct target_commands *commands, uint64_t address);
/* Name of the only command learnt so far that begins with @start, or NULL. */
const char *target_commands_begin(const struct target_commands *commands, const char *start);
/* Its key rule; KEY_NONE for what is no command. */
struct redmem_key_rule target_commands_rule(struct target_commands *commands, uint64_t address);
/* The rule of a command by its name, learnt or not. */
struct redmem_key_rule target_commands_rule_named(const struct target_commands *commands,
						  const char *name);

/*
 * A command that has turned up and is in no table, a module's or newer: the server is to be
 * asked for it. Each is named once, then NULL.
 */
const char *target_commands_unknown(struct target_commands *commands);
/* What the server says: the first key is argv[@first_key], 0 = it has none. */
void target_commands_told(struct target_commands *commands, const char *name, int first_key);

/*
 * Offset of the full name: the word of the command struct at @address, other than
 * the first, that points to an sds with the text @name. 0 when there is none.
 */
uint32_t target_find_fullname(pid_t pid, uint64_t address, const char *name);

/*
 * The argument that begins with the @len bytes at @begin, of the command under way: copies
 * it to @out and returns its length. -ENOENT when there is none (any more), -EMSGSIZE when
 * it is longer than @max.
 */
int target_argument(pid_t pid, const struct redmem_offsets *at, const char *begin, size_t len,
		    char *out, size_t max);
