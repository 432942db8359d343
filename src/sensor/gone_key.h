/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of keys that expire or are evicted: no command names them. While the server deletes
 * one, an object with its name lies at an address that is among the words of its stack; it
 * is read from the server's memory, without stopping it, while it may still be there. Of one
 * big key most looks find the same name; of many keys each finds another, and those tell
 * what they are like.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "record/record.h"
#include "redmem/object.h"

#define GONE_KEYS 8

struct gone_key {
	char text[RECORD_KEY_MAX];
	size_t len;
	bool apart; /* the text does not lie behind its object: it is a long one */
	int64_t looks;
};

/*
 * A value may be such an object, too, and be found while it is freed; the key's name is there
 * all the time. So short ones and long ones are counted apart, and those that more looks found
 * are names.
 */
struct gone_keys {
	struct gone_names {
		struct gone_key key[GONE_KEYS]; /* the first so many */
		size_t count;
		int64_t looks; /* that found any */
	} names[2];
};

/* Reads the server's memory like memory_read(). */
typedef int (*gone_read_fn)(pid_t pid, uint64_t address, void *out, size_t len);

/* Is there a string object at @address with a name that could be a key's? */
bool gone_key_at(pid_t pid, uint64_t address, const struct redmem_object_layout *layout,
		 gone_read_fn read, struct gone_key *out);
/* Look through @count words of a stack, innermost first, as far as a name. */
void gone_keys_look(struct gone_keys *keys, pid_t pid, const struct redmem_object_layout *layout,
		    const __u64 *words, size_t count, gone_read_fn read);
/* Looks that found a name. */
int64_t gone_keys_looks(const struct gone_keys *keys);
/* The name that most looks found; NULL when none did. */
const struct gone_key *gone_keys_top(const struct gone_keys *keys);
