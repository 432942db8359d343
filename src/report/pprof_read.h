/* SPDX-License-Identifier: BSD-2-Clause */
/* What a profile in pprof's form is of, read from a file that may be anybody's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PPROF_TYPES_MAX 32

struct pprof_head {
	int64_t time_ns, duration_ns; /* 0 = it does not say */
	struct {
		char *type, *unit;
	} types[PPROF_TYPES_MAX];
	size_t types_count;
	size_t samples_count;
	char *server; /* the label of its samples; "" without one */
};

/* @name is the file's, for messages. -EBADMSG for what is no such profile. */
int pprof_read(struct pprof_head *head, const void *data, size_t len, const char *name,
	       struct err *err);
void pprof_head_free(struct pprof_head *head);
