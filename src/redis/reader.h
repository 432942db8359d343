/* SPDX-License-Identifier: BSD-2-Clause */
/* hiredis's reader of the protocol, without its trust in the length a server gives a list. */
#pragma once

#include <hiredis/hiredis.h>

/* Of one list, and more than any that redmem asks for; a longer one is an error of the reader's. */
#define READER_ELEMENTS_MAX (1 << 20)

/* redisReaderFree() it. NULL without memory. */
redisReader *reader_new(void);
