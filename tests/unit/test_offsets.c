/* SPDX-License-Identifier: BSD-2-Clause */
/* From looks at a server to offsets, on the layouts of real builds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "redis/knowledge.h"
#include "target/offsets.h"
#include "words.h"

#define SERVER_ADDRESS 0x555555600000ULL
#define CLIENT	       0x7f0000001000ULL
#define SCRIPT_CLIENT  0x7f0000008000ULL
#define ARGV	       0x7f0000002000ULL
#define QUERY	       0x7f0000003005ULL
#define ECHO_COMMAND   0x555555701000ULL
#define HELLO_COMMAND  0x555555702000ULL
#define CLIENT_BYTES   512

/* Where a build of the server keeps what; 0 = it has none. Offsets as offsetof() of
 * the build's source or debug information says them. */
struct build {
	const char *name;
	uint32_t server_bytes;
	uint32_t current_client, executing_client; /* in server */
	uint32_t script_caller, lua_client; /* in server */
	uint32_t argc, argv, argv_len; /* in client */
	uint32_t cmd, lastcmd, realcmd; /* in client */
	uint32_t querybuf; /* in client */
	enum server_product product; /* whose objects it has, as of... */
	int major, minor;
};

static const struct build builds[] = {
	{ "redis 5.0.14", 3296, 560, 0, 3032, 3024, 64, 72, 0, 80, 88, 0, 32, PRODUCT_REDIS, 5, 0 },
	{ "redis 6.2.16", 3960, 696, 0, 3592, 3584, 72, 80, 0, 112, 120, 0, 40, PRODUCT_REDIS, 6,
	  2 },
	{ "Debian redis 7.0.15", 4368, 752, 0, 4040, 0, 72, 80, 88, 112, 120, 128, 40,
	  PRODUCT_REDIS, 7, 0 },
	{ "redis 7.2.6", 5648, 1472, 1480, 0, 0, 88, 96, 104, 128, 136, 144, 56, PRODUCT_REDIS, 7,
	  2 },
	{ "Debian valkey 8.0.1", 6128, 1576, 1584, 0, 0, 88, 96, 104, 152, 160, 168, 56,
	  PRODUCT_VALKEY, 8, 0 },
	{ "Debian valkey 8.1.1", 6336, 1488, 1496, 0, 0, 40, 32, 44, 80, 88, 96, 16, PRODUCT_VALKEY,
	  8, 1 },
	{ "Debian valkey 9.1.2", 6336, 1488, 1496, 0, 0, 40, 32, 44, 112, 120, 128, 16,
	  PRODUCT_VALKEY, 9, 1 },
};

#define DEBIAN_7_0 (&builds[2])
#define VALKEY_8_0 (&builds[4])
#define VALKEY_8_1 (&builds[5])
#define VALKEY_9_1 (&builds[6])
#define NONCE	   "0123456789abcdef"

/* What calibration saw of a server of that build. */
struct sight {
	const struct build *build;
	struct redmem_calibration plain, longer, script;
	uint8_t idle[CALIBRATION_CLIENT_BYTES];
	struct looks looks;
};

/* The word of the client at @offset names a command, as robj ** and as command *. */
static void put_name(struct redmem_calibration *seen, uint32_t offset, const char *name)
{
	strcpy(seen->word[offset / 8].name, name);
}

static struct redmem_object_layout layout_of(const struct build *b)
{
	return knowledge_object_layout(&(struct server_release){ b->product, b->major, b->minor });
}

/* An object of one reference that says @text; @expires: with room for an expiry time. */
static void put_object(uint8_t *object, const struct redmem_object_layout *layout, const char *text,
		       bool expires)
{
	uint64_t head = 0x80 | 1ULL << layout->refcount_shift;
	int offset;

	if (layout->refcount_shift >= 32)
		head |= 0x5a5a5aULL << 8; /* lru */
	if (layout->value_bit)
		head |= 1ULL << layout->value_bit | (uint64_t)expires << layout->expire_bit;
	put_word(object, 0, head);
	offset = object_text_offset(layout, head);
	if (offset > 0)
		strcpy((char *)object + offset, text);
}

static void put_argv(struct redmem_calibration *seen, const struct build *b, uint32_t offset,
		     const char *first)
{
	struct redmem_calibration_word *word = &seen->word[offset / 8];
	struct redmem_object_layout layout = layout_of(b);

	put_word(seen->client, offset, ARGV);
	memset(word, 0, sizeof(*word));
	/* Names of 5 letters leave room for an expiry time, of 4 not. */
	put_object(word->object[0], &layout, first, strlen(first) > 4);
	put_object(word->object[1], &layout, NONCE, false);
	word->nonce_at_1 = 1;
	if (layout.value_bit) {
		word->embedded = 11;
		return;
	}
	word->pointer = 8;
	strcpy(word->first, first);
}

static void put_query(struct redmem_calibration *seen, const struct build *b, const char *command,
		      uint32_t argc)
{
	struct redmem_calibration_word *word = &seen->word[b->querybuf / 8];
	int len = snprintf(word->query, sizeof(word->query), "*%u\r\n$%zu\r\n%s\r\n$16\r\n%s\r\n",
			   argc, strlen(command), command, NONCE);

	put_word(seen->client, b->querybuf, QUERY);
	put_word(seen->client, b->querybuf + 8, len + 7 * (argc - 2));
}

static void fill_client(struct redmem_calibration *seen, const struct build *b, const char *command,
			uint32_t argc)
{
	const uint32_t commands[] = { b->cmd, b->lastcmd, b->realcmd };

	seen->client_bytes = CLIENT_BYTES;
	put_noise(seen->client, CLIENT_BYTES);
	memcpy(seen->nonce, NONCE, CALIBRATION_NONCE);
	put_argv(seen, b, b->argv, command);
	put_query(seen, b, command, argc);
	put_int(seen->client, b->argc, argc);
	if (b->argv_len)
		put_int(seen->client, b->argv_len, argc);
	for (size_t i = 0; i < 3 && commands[i]; i++) {
		put_word(seen->client, commands[i],
			 strcmp(command, "echo") ? HELLO_COMMAND : ECHO_COMMAND);
		put_name(seen, commands[i], command);
	}
}

static void fill_server(struct redmem_calibration *seen, const struct build *b, bool in_script)
{
	seen->server_ok = 1;
	seen->server_bytes = b->server_bytes;
	put_noise(seen->server, b->server_bytes);
	put_word(seen->server, b->current_client, CLIENT);
	if (b->executing_client)
		put_word(seen->server, b->executing_client, in_script ? SCRIPT_CLIENT : CLIENT);
	if (b->script_caller)
		put_word(seen->server, b->script_caller, in_script ? CLIENT : 0);
	if (b->lua_client)
		put_word(seen->server, b->lua_client, SCRIPT_CLIENT);
}

/* resetClient(): no arguments, no command; lastcmd and realcmd stay. */
static void fill_idle(struct sight *sight)
{
	const struct build *b = sight->build;

	memcpy(sight->idle, sight->longer.client, CLIENT_BYTES);
	put_word(sight->idle, b->argv, 0);
	put_word(sight->idle, b->cmd, 0);
	put_int(sight->idle, b->argc, 0);
	if (b->argv_len)
		put_int(sight->idle, b->argv_len, 0);
}

/* ECHO with 2 arguments, HELLO with 5, ECHO in a script. To be freed. */
static struct sight *look_at(const struct build *b)
{
	struct sight *sight = xcalloc(1, sizeof(*sight));

	sight->build = b;
	fill_client(&sight->plain, b, "echo", 2);
	fill_client(&sight->longer, b, "hello", 5);
	fill_client(&sight->script, b, "echo", 2);
	fill_server(&sight->plain, b, false);
	fill_server(&sight->longer, b, false);
	fill_server(&sight->script, b, true);
	sight->plain.client_address = sight->longer.client_address = CLIENT;
	sight->script.client_address = SCRIPT_CLIENT;
	fill_idle(sight);
	sight->looks = (struct looks){
		.plain = { &sight->plain, "echo", 2 },
		.longer = { &sight->longer, "hello", 5 },
		.script = { &sight->script, "echo", 2 },
		.idle = sight->idle,
		.server_address = SERVER_ADDRESS,
		.expected = layout_of(b),
	};
	return sight;
}

static uint64_t server_word(uint32_t offset)
{
	return offset ? SERVER_ADDRESS + offset : 0;
}

/* Solve and free; the solution must be found. */
static struct redmem_offsets solve(struct sight *sight)
{
	struct redmem_offsets at;
	struct err err = { 0 };

	memset(&at, 0xff, sizeof(at)); /* what stood there must not stay */
	if (offsets_solve(&at, &sight->looks, &err))
		fail_msg("%s: %s", sight->build->name, err.text);
	assert_int_equal(at.commands_done, 0);
	free(sight);
	return at;
}

/* Solve and free; must fail and say @reason. */
static void fails(struct sight *sight, const char *reason)
{
	struct redmem_offsets at;
	struct err err = { 0 };

	assert_int_equal(offsets_solve(&at, &sight->looks, &err), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_non_null(strstr(err.text, "calibration: "));
	assert_non_null(strstr(err.text, reason));
	assert_int_equal(offsets_solve(&at, &sight->looks, NULL), -ENOENT);
	free(sight);
}

static void same(const struct build *b, const char *what, uint64_t found, uint64_t right)
{
	if (found != right)
		fail_msg("%s: %s is %#llx instead of %#llx", b->name, what,
			 (unsigned long long)found, (unsigned long long)right);
}

static void same_layout(const struct build *b, const struct redmem_object_layout *found,
			const struct redmem_object_layout *right)
{
	same(b, "pointer", found->pointer, right->pointer);
	same(b, "embedded", found->embedded, right->embedded);
	same(b, "value_bit", found->value_bit, right->value_bit);
	same(b, "refcount_shift", found->refcount_shift, right->refcount_shift);
	same(b, "refcount_bits", found->refcount_bits, right->refcount_bits);
}

static void test_builds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		const struct build *b = &builds[i];
		struct redmem_offsets at = solve(look_at(b));
		struct redmem_object_layout layout = layout_of(b);

		same(b, "argc", at.argc, b->argc);
		same(b, "argv", at.argv, b->argv);
		same(b, "cmd", at.cmd, b->cmd);
		same(b, "querybuf", at.querybuf, b->querybuf);
		same_layout(b, &at.object, &layout);
		same(b, "current_client", at.current_client, server_word(b->current_client));
		same(b, "executing_client", at.executing_client, server_word(b->executing_client));
		same(b, "script_caller", at.script_caller, server_word(b->script_caller));
		same(b, "script_client", at.script_client, b->script_caller ? SCRIPT_CLIENT : 0);
	}
}

/* EVAL denied or renamed: executing_client is still the word after current_client,
 * script_caller cannot be found. */
static void test_no_script(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		const struct build *b = &builds[i];
		struct sight *sight = look_at(b);
		struct redmem_offsets at;

		sight->looks.script.seen = NULL;
		at = solve(sight);
		same(b, "argc", at.argc, b->argc);
		same(b, "cmd", at.cmd, b->cmd);
		same(b, "current_client", at.current_client, server_word(b->current_client));
		same(b, "executing_client", at.executing_client, server_word(b->executing_client));
		same(b, "script_caller", at.script_caller, 0);
		same(b, "script_client", at.script_client, 0);
	}
}

/* The table speaks of another version: what is seen counts. */
static void test_layout_departs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++)
		for (size_t j = 0; j < sizeof(builds) / sizeof(*builds); j++) {
			struct sight *sight = look_at(&builds[i]);
			struct redmem_object_layout right = layout_of(&builds[i]);
			struct redmem_offsets at;

			sight->looks.expected = layout_of(&builds[j]);
			at = solve(sight);
			same_layout(&builds[i], &at.object, &right);
		}
}

/* A head no table knows: 5 flags before the references. */
static void test_layout_learnt(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);
	struct redmem_offsets at;

	(void)state;
	for (int i = 0; i < 2; i++) {
		put_word(sight->plain.word[DEBIAN_7_0->argv / 8].object[i], 0, 0x80 | 1ULL << 37);
		put_word(sight->longer.word[DEBIAN_7_0->argv / 8].object[i], 0, 0x80 | 1ULL << 37);
	}
	at = solve(sight);
	assert_int_equal(at.object.refcount_shift, 37);
	assert_int_equal(at.object.pointer, 8);
}

/* Text in the object behind flags that are not known: better no key than a wrong one. */
static void test_layout_unknown(void **state)
{
	struct sight *sight = look_at(VALKEY_9_1);

	(void)state;
	sight->plain.word[VALKEY_9_1->argv / 8].embedded = 17;
	fails(sight, "the layout of objects is not known");
}

/* Objects with a word before the pointer. */
static void test_object_pointer(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	sight->plain.word[DEBIAN_7_0->argv / 8].pointer = 16;
	sight->longer.word[DEBIAN_7_0->argv / 8].pointer = 16;
	assert_int_equal(solve(sight).object.pointer, 16);
}

/* The buffer held more than the one command, or something else stands behind it. */
static void test_no_querybuf(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	put_word(sight->plain.client, DEBIAN_7_0->querybuf + 8, 99);
	assert_int_equal(solve(sight).querybuf, 0);
	sight = look_at(DEBIAN_7_0);
	sight->longer.word[DEBIAN_7_0->querybuf / 8].query[0] = 'x';
	assert_int_equal(solve(sight).querybuf, 0);
}

/* ECHO renamed: both looks are HELLO, in capitals as its client sent it. */
static void test_hello_twice(void **state)
{
	struct sight *sight = look_at(VALKEY_8_0);
	struct redmem_offsets at;

	(void)state;
	fill_client(&sight->plain, VALKEY_8_0, "hello", 2);
	put_argv(&sight->plain, VALKEY_8_0, VALKEY_8_0->argv, "HELLO");
	sight->looks.plain.command = "hello";
	at = solve(sight);
	assert_int_equal(at.argv, VALKEY_8_0->argv);
	assert_int_equal(at.argc, VALKEY_8_0->argc);
	assert_int_equal(at.cmd, VALKEY_8_0->cmd);
}

/* The client could not be read while it waited: lastcmd and cmd look the same. */
static void test_no_idle(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);
	struct redmem_offsets at;

	(void)state;
	sight->looks.idle = NULL;
	at = solve(sight);
	assert_int_equal(at.cmd, 0);
	assert_int_equal(at.argc, DEBIAN_7_0->argc);
	assert_int_equal(at.argv, DEBIAN_7_0->argv);
	assert_int_equal(at.current_client, server_word(DEBIAN_7_0->current_client));
}

/* Probed at processCommand(), before the command is looked up. */
static void test_no_command_yet(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);
	struct redmem_offsets at;

	(void)state;
	put_word(sight->plain.client, DEBIAN_7_0->cmd, 0);
	sight->plain.word[DEBIAN_7_0->cmd / 8].name[0] = '\0';
	at = solve(sight);
	assert_int_equal(at.cmd, 0);
	assert_int_equal(at.argv, DEBIAN_7_0->argv);
}

/* lastcmd and realcmd lose to cmd also when they come first. */
static void test_cmd_after_lastcmd(void **state)
{
	struct build b = *DEBIAN_7_0;

	(void)state;
	b.lastcmd = 96;
	b.realcmd = 104;
	assert_int_equal(solve(look_at(&b)).cmd, DEBIAN_7_0->cmd);
}

/* argv_len counts the same, as far from argv as argc is: the lower one is argc. A
 * count further away loses, below as above. */
static void test_argc_candidates(void **state)
{
	static const uint32_t counts[] = { 40, 200 };
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		put_int(sight->plain.client, counts[i], 2);
		put_int(sight->longer.client, counts[i], 5);
		put_int(sight->idle, counts[i], 0);
	}
	assert_int_equal(solve(sight).argc, DEBIAN_7_0->argc);
}

/* An int nearer to argv that counts the same but stays when the client waits. */
static void test_argc_is_zero_in_rest(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);
	const uint32_t nearer = DEBIAN_7_0->argv - 4;

	(void)state;
	put_int(sight->plain.client, nearer, 2);
	put_int(sight->longer.client, nearer, 5);
	put_int(sight->idle, nearer, 5);
	assert_int_equal(solve(sight).argc, DEBIAN_7_0->argc);
}

/* A word that held our client while we looked twice, but not in the script, is not
 * current_client (and not executing_client, when it is not the script's client). */
static void test_current_client_stays_in_script(void **state)
{
	struct sight *sight = look_at(VALKEY_8_0);
	struct redmem_offsets at;

	(void)state;
	put_word(sight->plain.server, 64, CLIENT);
	put_word(sight->longer.server, 64, CLIENT);
	put_word(sight->script.server, 64, 0);
	at = solve(sight);
	assert_int_equal(at.current_client, server_word(VALKEY_8_0->current_client));
	assert_int_equal(at.executing_client, server_word(VALKEY_8_0->executing_client));
}

/* A word that held our client once is nothing. */
static void test_current_client_in_both(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	put_word(sight->plain.server, 64, CLIENT);
	put_word(sight->longer.server, 72, CLIENT);
	assert_int_equal(solve(sight).current_client, server_word(DEBIAN_7_0->current_client));
}

/* The last word of the struct counts too. */
static void test_last_word(void **state)
{
	struct build b = *DEBIAN_7_0;

	(void)state;
	b.script_caller = b.server_bytes - 8;
	assert_int_equal(solve(look_at(&b)).script_caller, server_word(b.script_caller));
}

static void test_argv_not_unique(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	put_argv(&sight->plain, DEBIAN_7_0, 96, "echo");
	put_argv(&sight->longer, DEBIAN_7_0, 96, "hello");
	fails(sight, "2 words of the client lead to its arguments");
}

/* A second word that leads to the nonce in one look only, or behind another command's
 * name, is not argv and does no harm. */
static void test_argv_losers(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	put_argv(&sight->plain, DEBIAN_7_0, 96, "echo");
	put_argv(&sight->plain, DEBIAN_7_0, 104, "echo");
	put_argv(&sight->longer, DEBIAN_7_0, 104, "echo");
	assert_int_equal(solve(sight).argv, DEBIAN_7_0->argv);
}

static void test_no_argv(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	sight->longer.word[DEBIAN_7_0->argv / 8].nonce_at_1 = 0;
	fails(sight, "0 words of the client lead to its arguments");
}

/* What only one of the looks could copy counts for nothing. */
static void test_short_copy(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	sight->longer.client_bytes = DEBIAN_7_0->argv;
	fails(sight, "0 words of the client lead to its arguments");
	sight = look_at(DEBIAN_7_0);
	sight->plain.client_bytes = 0;
	fails(sight, "0 words of the client lead to its arguments");
}

static void test_no_argc(void **state)
{
	struct sight *sight = look_at(VALKEY_8_1);

	(void)state;
	put_int(sight->idle, VALKEY_8_1->argc, 1);
	put_int(sight->idle, VALKEY_8_1->argv_len, 1);
	fails(sight, "no word of the client counts its arguments");
}

static void test_no_current_client(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	put_word(sight->longer.server, DEBIAN_7_0->current_client, 0);
	fails(sight, "no word of `server` points to the current client");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builds),
		cmocka_unit_test(test_no_script),
		cmocka_unit_test(test_layout_departs),
		cmocka_unit_test(test_layout_learnt),
		cmocka_unit_test(test_layout_unknown),
		cmocka_unit_test(test_no_querybuf),
		cmocka_unit_test(test_object_pointer),
		cmocka_unit_test(test_hello_twice),
		cmocka_unit_test(test_no_idle),
		cmocka_unit_test(test_no_command_yet),
		cmocka_unit_test(test_cmd_after_lastcmd),
		cmocka_unit_test(test_argc_candidates),
		cmocka_unit_test(test_argc_is_zero_in_rest),
		cmocka_unit_test(test_current_client_stays_in_script),
		cmocka_unit_test(test_current_client_in_both),
		cmocka_unit_test(test_last_word),
		cmocka_unit_test(test_argv_not_unique),
		cmocka_unit_test(test_argv_losers),
		cmocka_unit_test(test_no_argv),
		cmocka_unit_test(test_short_copy),
		cmocka_unit_test(test_no_argc),
		cmocka_unit_test(test_no_current_client),
	};

	return cmocka_run_group_tests_name("offsets", tests, NULL, NULL);
}
