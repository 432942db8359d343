/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of every kind with values that are hard to carry. */
#pragma once

#include "record/schema.h"

#define ANY_ROUNDS 5

/* Each kind has so many, which differ in every field. */
void any_record(struct record *record, enum record_kind kind, size_t round);
/* Fails the test unless they do. */
void assert_same_field(const struct record *a, const struct record *b, const struct field *f);
