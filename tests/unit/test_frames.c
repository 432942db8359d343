/* SPDX-License-Identifier: BSD-2-Clause */
/* What the words of a stack say of on whose behalf the server works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "base/buf.h"
#include "target/frames.h"

#define NO_SYSCALL (~0ULL)

/* Functions of 0x100 bytes at these addresses. */
enum {
	EVICT = 0x1000,
	EXPIRE = 0x2000,
	REHASH = 0x3000,
	FREE = 0x4000,
	REPLY = 0x5000,
	EVAL = 0x6000,
	DEFRAG = 0x8000,
	MOVE = 0x8100
};

static struct frames *program(void)
{
	static const struct {
		const char *name;
		uint64_t at;
	} functions[] = {
		{ "evalGenericCommand", EVAL }, { "performEvictions", EVICT },
		{ "decrRefCount", FREE },	{ "activeExpireCycle", EXPIRE },
		{ "addReplyBulk", REPLY },	{ "dictRehash", REHASH },
		{ "nobodyKnows", 0x7000 },	{ "activeDefragCycle", DEFRAG },
		{ "activeDefragAlloc", MOVE },
	};
	struct frames *frames = frames_new();

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		frames_add(frames, functions[i].name,
			   (struct redmem_range){ functions[i].at, functions[i].at + 0x100 });
	return frames;
}

/* Where a user-mode sample with these words on its stack is, nearest first. */
static enum redmem_frame place_of(uint64_t ip, size_t count, const uint64_t *words,
				  uint64_t kernel_ip, uint64_t syscall)
{
	struct redmem_sample *sample = xcalloc(1, sizeof(*sample));
	struct frames *frames = program();
	enum redmem_frame place;

	sample->user_ip = ip;
	sample->kernel_ip = kernel_ip;
	sample->syscall = syscall;
	sample->words = count;
	if (count)
		memcpy(sample->word, words, count * sizeof(*words));
	place = frames_place(frames, sample);
	frames_close(frames);
	free(sample);
	return place;
}

static enum redmem_frame user(uint64_t ip, size_t count, const uint64_t *words)
{
	return place_of(ip, count, words, 0, NO_SYSCALL);
}

static void test_nothing_known(void **state)
{
	const uint64_t words[] = { 0, 7, 0x7010, 0x900000, 0x7fff00001234 };

	(void)state;
	assert_int_equal(user(0x7020, 5, words), FRAME_NONE);
	assert_int_equal(user(0x7020, 0, NULL), FRAME_NONE);
}

static void test_leaf_and_callers(void **state)
{
	const uint64_t freeing[] = { 12, FREE + 5, 99 };
	const uint64_t starts[] = { FREE, FREE + 0x100 }; /* no return addresses */

	(void)state;
	assert_int_equal(user(REPLY + 1, 0, NULL), FRAME_REPLY);
	assert_int_equal(user(0x9000, 3, freeing), FRAME_FREE);
	assert_int_equal(user(0x9000, 2, starts), FRAME_NONE);
}

/* Freeing for an eviction is the eviction's; of activities the nearest counts. */
static void test_weights(void **state)
{
	const uint64_t evicting[] = { FREE + 5, REHASH + 9, EVICT + 7 };
	const uint64_t expiring[] = { REHASH + 9, EXPIRE + 7 };
	const uint64_t rehash_in_free[] = { REHASH + 9, FREE + 5 };
	const uint64_t reply_in_script[] = { REPLY + 5, EVAL + 5 };
	const uint64_t free_in_reply[] = { FREE + 5, REPLY + 5, EVAL + 5 };
	const uint64_t script[] = { EVAL + 5 };

	(void)state;
	assert_int_equal(user(0x9000, 3, evicting), FRAME_EVICTION);
	assert_int_equal(user(0x9000, 2, expiring), FRAME_EXPIRY);
	assert_int_equal(user(0x9000, 2, rehash_in_free), FRAME_REHASH);
	assert_int_equal(user(0x9000, 2, reply_in_script), FRAME_REPLY);
	assert_int_equal(user(0x9000, 3, free_in_reply), FRAME_FREE);
	assert_int_equal(user(0x9000, 1, script), FRAME_SCRIPT);
}

/*
 * The loop calls expiry and defragmentation one after the other, and neither calls the other:
 * what one has left on the stack does not make it the one that is at work.
 */
static void test_left_over(void **state)
{
	const uint64_t moving[] = { MOVE + 5, EXPIRE + 7, DEFRAG + 7 };
	const uint64_t moving_too[] = { MOVE + 5, DEFRAG + 7, EXPIRE + 7 };
	const uint64_t expiring[] = { FREE + 5, EXPIRE + 7, MOVE + 5, DEFRAG + 7 };
	const uint64_t evicting[] = { REHASH + 9, EVICT + 7, EXPIRE + 7 };
	const uint64_t freeing[] = { FREE + 5, DEFRAG + 7, EXPIRE + 7 };

	(void)state;
	assert_int_equal(user(0x9000, 3, moving), FRAME_DEFRAG);
	assert_int_equal(user(0x9000, 3, moving_too), FRAME_DEFRAG);
	assert_int_equal(user(0x9000, 4, expiring), FRAME_EXPIRY);
	assert_int_equal(user(0x9000, 3, evicting), FRAME_EVICTION);
	assert_int_equal(user(0x9000, 3, freeing), FRAME_DEFRAG);
}

static void test_kernel(void **state)
{
	const uint64_t freeing[] = { FREE + 5 }, evicting[] = { FREE + 5, EVICT + 5 };

	(void)state;
	assert_int_equal(place_of(0x9000, 0, NULL, 1, NO_SYSCALL), FRAME_FAULT);
	assert_int_equal(place_of(0x9000, 1, evicting, 1, NO_SYSCALL), FRAME_FAULT);
	assert_int_equal(place_of(0x9000, 1, freeing, 1, SYS_madvise), FRAME_GIVE_PAGES);
	assert_int_equal(place_of(0x9000, 2, evicting, 1, SYS_munmap), FRAME_EVICTION);
	assert_int_equal(place_of(0x9000, 0, NULL, 1, SYS_mmap), FRAME_GET_PAGES);
	assert_int_equal(place_of(0x9000, 0, NULL, 1, SYS_clone), FRAME_FORK);
	assert_int_equal(place_of(0x9000, 0, NULL, 1, SYS_getpid), FRAME_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_leaf_and_callers),
		cmocka_unit_test(test_weights),	      cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_kernel),
	};

	return cmocka_run_group_tests_name("markers", tests, NULL, NULL);
}
