/* SPDX-License-Identifier: BSD-2-Clause */
/* Who the BPF programs saw, as names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "sensor/internal.h"
#include "target/commands.h"

/* Three structs redisCommand, as the server has them in its memory: here it is our own. */
struct table_entry {
	const char *name;
	uint64_t rest[8];
};

static const struct table_entry sort_entry = { "SORT", { 0 } }, eval_entry = { "eval", { 0 } };
static const struct table_entry no_entry; /* no command there */

#define SORT	 ((uint64_t)(uintptr_t)&sort_entry)
#define EVAL	 ((uint64_t)(uintptr_t)&eval_entry)
#define NO_TABLE ((uint64_t)(uintptr_t)&no_entry)

/* Room for the eight bytes of a word and a NUL. */
static uint64_t text_word(const char *text)
{
	char bytes[9] = { 0 };
	uint64_t word;

	memcpy(bytes, text, strnlen(text, 8));
	memcpy(&word, bytes, sizeof(word));
	return word;
}

struct fixture {
	struct sensors *s;
	struct redmem_context context;
	struct context_names names;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->s = xcalloc(1, sizeof(*f->s));
	f->s->names.commands = target_commands_new(getpid(), 0, -1, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	target_commands_free(f->s->names.commands);
	free(f->s);
	free(f);
	return 0;
}

static void put_key(struct fixture *f, const char *key)
{
	memset(f->context.key, 0, sizeof(f->context.key));
	memcpy(f->context.key, key, strlen(key));
	f->context.key_len = strlen(key);
}

/* Resolve; @key NULL = there must be none. */
static void assert_names(struct fixture *f, const char *command, const char *inner,
			 const char *thread, const char *key)
{
	memset(&f->names, 0xff, sizeof(f->names));
	assert_true(context_resolve(f->s, &f->context, &f->names));
	assert_string_equal(f->names.command, command);
	assert_string_equal(f->names.inner, inner);
	assert_string_equal(f->names.thread, thread);
	assert_int_equal(f->names.key.len, key ? strlen(key) : 0);
	if (key)
		assert_memory_equal(f->names.key.data, key, strlen(key));
}

static void test_command(void **state)
{
	struct fixture *f = *state;

	f->context = (struct redmem_context){ .state = CONTEXT_COMMAND, .command = SORT };
	assert_names(f, "sort", "", "", NULL);
	put_key(f, "sort:1");
	assert_names(f, "sort", "", "", "sort:1");
	f->context.state = CONTEXT_AFTER;
	f->context.key_len = 0;
	assert_names(f, "sort", "", "", NULL);
	f->context.state = CONTEXT_NO_CALLER;
	assert_names(f, "sort", "", "", NULL);
}

/* redmem's own connection is in no report, whatever it runs. */
static void test_own_connection(void **state)
{
	struct fixture *f = *state;

	f->context =
		(struct redmem_context){ .state = CONTEXT_OWN, .command = SORT, .inner = EVAL };
	put_key(f, "k");
	assert_false(context_resolve(f->s, &f->context, &f->names));
}

static void test_thread(void **state)
{
	struct fixture *f = *state;

	f->context = (struct redmem_context){ .state = CONTEXT_THREAD, .tid = 7 };
	strcpy(f->context.key, "bio_lazy_free");
	assert_names(f, "", "", "bio_lazy_free", NULL);
	/* The kernel's names have 15 bytes; no NUL is needed to end one. */
	memset(f->context.key, 't', sizeof(f->context.key));
	assert_names(f, "", "", "tttttttttttttttt", NULL);
}

static void test_loop_and_unknown(void **state)
{
	struct fixture *f = *state;

	put_key(f, "left over");
	f->context.command = SORT;
	f->context.inner = SORT;
	f->context.state = CONTEXT_LOOP;
	assert_names(f, "", "", "", NULL);
	f->context.state = CONTEXT_UNKNOWN;
	assert_names(f, "(unknown)", "", "", NULL);
}

static void test_unknown_command(void **state)
{
	struct fixture *f = *state;

	f->context = (struct redmem_context){ .state = CONTEXT_COMMAND, .command = NO_TABLE };
	assert_names(f, "(unknown)", "", "", NULL);
	f->context.inner = NO_TABLE;
	assert_names(f, "(unknown)", "(unknown)", "", NULL);
	/* Not looked up yet when it was seen. */
	f->context = (struct redmem_context){ .state = CONTEXT_COMMAND };
	assert_names(f, "", "", "", NULL);
}

static void test_script(void **state)
{
	struct fixture *f = *state;

	f->context =
		(struct redmem_context){ .state = CONTEXT_COMMAND, .command = EVAL, .inner = SORT };
	put_key(f, "sort:1");
	assert_names(f, "eval", "sort", "", "sort:1");
}

/* argv[1], taken before the programs knew the command: a key only where the first
 * argument is one. */
static void test_guessed_key(void **state)
{
	struct fixture *f = *state;

	f->context =
		(struct redmem_context){ .state = CONTEXT_COMMAND, .key_guessed = KEY_GUESSED };
	put_key(f, "argument");
	f->context.command = SORT;
	assert_names(f, "sort", "", "", "argument");
	f->context.command = EVAL;
	assert_names(f, "eval", "", "", NULL);
	f->context.command = NO_TABLE;
	assert_names(f, "(unknown)", "", "", NULL);
	f->context.key_guessed = KEY_KNOWN;
	assert_names(f, "(unknown)", "", "", "argument");
}

/* The key of a script's command is judged by that command, the script's by EVAL. */
static void test_guessed_inner_key(void **state)
{
	struct fixture *f = *state;

	f->context =
		(struct redmem_context){ .state = CONTEXT_COMMAND, .command = EVAL, .inner = SORT };
	put_key(f, "argument");
	f->context.key_guessed = KEY_GUESSED_INNER;
	assert_names(f, "eval", "sort", "", "argument");
	f->context.key_guessed = KEY_GUESSED;
	assert_names(f, "eval", "sort", "", NULL);
	f->context.command = SORT;
	f->context.inner = EVAL;
	f->context.key_guessed = KEY_GUESSED_INNER;
	assert_names(f, "sort", "eval", "", NULL);
}

static void test_binary_key(void **state)
{
	struct fixture *f = *state;

	f->context = (struct redmem_context){ .state = CONTEXT_COMMAND, .command = SORT };
	memset(f->context.key, 0xff, sizeof(f->context.key));
	f->context.key[1] = '\0';
	f->context.key_len = sizeof(f->context.key);
	assert_true(context_resolve(f->s, &f->context, &f->names));
	assert_int_equal(f->names.key.len, sizeof(f->context.key));
	assert_memory_equal(f->names.key.data, f->context.key, sizeof(f->context.key));
}

/* No offset of cmd: the name is what the client sent, as far as it is a word. */
static void test_text_command(void **state)
{
	static const struct {
		const char *sent, *name;
	} texts[] = {
		{ "get", "get" },
		{ "GeT", "get" },
		{ "zunionstore", "zunionst" },
		{ "ft.sugadd", "ft.sugad" },
		{ "a-b_c", "a-b_c" },
		{ "get\r\nDEL", "get" },
		{ "x\033[31m", "x" },
		{ "set key", "set" },
		{ "caf\xc3\xa9", "caf" },
	};
	struct fixture *f = *state;

	f->context.state = CONTEXT_TEXT;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		f->context.command = text_word(texts[i].sent);
		assert_names(f, texts[i].name, "", "", NULL);
	}
}

/* A command whose name is no word, or could not be read, is unknown: it is not the
 * event loop, which has none. */
static void test_text_is_no_word(void **state)
{
	struct fixture *f = *state;

	f->context.state = CONTEXT_TEXT;
	f->context.command = text_word("\001\002");
	assert_names(f, "(unknown)", "", "", NULL);
	f->context.command = 0;
	assert_names(f, "(unknown)", "", "", NULL);
}

/* Before the target room answers, nothing is known and nothing crashes. */
static void test_no_names(void **state)
{
	struct fixture *f = *state;

	target_commands_free(f->s->names.commands);
	f->s->names.commands = NULL;
	f->context = (struct redmem_context){
		.state = CONTEXT_COMMAND, .command = SORT, .inner = EVAL, .key_guessed = KEY_GUESSED
	};
	put_key(f, "k");
	assert_names(f, "(unknown)", "(unknown)", "", "k");
	f->context = (struct redmem_context){ .state = CONTEXT_TEXT,
					      .command = text_word("PING"),
					      .key_guessed = KEY_GUESSED };
	put_key(f, "k");
	assert_names(f, "ping", "", "", ""); /* it has none */
	f->context = (struct redmem_context){ .state = CONTEXT_TEXT,
					      .command = text_word("GET"),
					      .key_guessed = KEY_GUESSED };
	put_key(f, "k");
	assert_names(f, "get", "", "", "k");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loop_and_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_script, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guessed_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guessed_inner_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_binary_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text_is_no_word, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_names, setup, teardown),
	};

	return cmocka_run_group_tests_name("profile_rows", tests, NULL, NULL);
}
