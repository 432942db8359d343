/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a key most likely is, by its name and size: names that differ in numbers only
 * ("user:1:cart", "user:2:cart") have mostly been made by one line of a program. When the
 * first sixteen of a shape were of one type and encoding, a small one whose size lies between
 * theirs is taken for another; every sixteenth is asked all the same, and a shape that has
 * once had two kinds is never trusted again.
 *
 * Fixed memory (256 KiB); shapes are told apart by 64 bits of a hash.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_shapes;

struct key_shapes *key_shapes_new(void);
void key_shapes_free(struct key_shapes *shapes); /* may be NULL */

/* What was asked and answered of one key of @bytes. Strings are borrowed for as long as the
 * shapes live; the same text has to be the same pointer. */
void key_shapes_learn(struct key_shapes *shapes, const void *name, size_t len, int64_t bytes,
		      const char *type, const char *encoding);
/* May it be a stream? True of a shape nobody has asked of, or one that has had a stream. */
bool key_shapes_may_stream(struct key_shapes *shapes, const void *name, size_t len);
/* True when it need not be asked: @type and @encoding are set. */
bool key_shapes_infer(struct key_shapes *shapes, const void *name, size_t len, int64_t bytes,
		      const char **type, const char **encoding);
