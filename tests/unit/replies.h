/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of src/redis: replies from protocol text, records as text, files. */
#pragma once

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "record/record.h"

/* The reply that this protocol text is; fails the test when it is not one. */
redisReply *reply_parse(const char *protocol);

/* A whole file, to be freed; fails the test when it cannot be read. */
char *read_file(const char *path);

/* A sink that appends a line for each record of the server's side to @log. */
struct record_sink log_sink(struct buf *log);
