/* SPDX-License-Identifier: BSD-2-Clause */
/* See reader.h. */
#include "redis/reader.h"

#include <stdlib.h>

/* hiredis makes room for all elements of a list as soon as it is told how many there will be:
 * "*1700000000" are 13 GB. Before 1.0 it has no setting for that. */
#if HIREDIS_MAJOR >= 1
typedef size_t elements_type;
#else
typedef int elements_type;
#endif

static redisReplyObjectFunctions bounded;
static void *(*create_array)(const redisReadTask *task, elements_type elements);

static void *create_bounded(const redisReadTask *task, elements_type elements)
{
	return elements <= READER_ELEMENTS_MAX ? create_array(task, elements) : NULL;
}

/* Its own functions are known by a reader only. Before main(): threads come later. */
__attribute__((constructor)) static void learn_functions(void)
{
	redisReader *reader = redisReaderCreate();

	if (!reader)
		abort();
	bounded = *reader->fn;
	create_array = bounded.createArray;
	bounded.createArray = create_bounded;
	redisReaderFree(reader);
}

redisReader *reader_new(void)
{
	return redisReaderCreateWithFunctions(&bounded);
}
