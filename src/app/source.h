/* SPDX-License-Identifier: BSD-2-Clause */
/* Where bytes come from. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* As read(2), with an error's text. */
typedef ssize_t (*source_fn)(void *ctx, void *data, size_t size, struct err *err);
