/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of several keys. Work is charged to the first one, which need not be the one that took
 * it: the server's log of slow commands has their arguments, the first 32 of them.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "record/record.h"

/* May @command have several keys that it works on? */
bool command_takes_keys(const char *command);

/* Fill in what the entry @slow of the log tells of its keys: how many, and those besides its key.
 * @arguments are the entry's, at least one, and have what is borrowed. */
void slowlog_keys(const redisReply *arguments, struct record_slowlog *slow);
