/* SPDX-License-Identifier: BSD-2-Clause */
/* From looks at a server to offsets, on the layouts of real builds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "target/offsets.h"

#define SERVER_ADDRESS 0x555555600000ULL
#define CLIENT	       0x7f0000001000ULL
#define SCRIPT_CLIENT  0x7f0000008000ULL
#define ARGV	       0x7f0000002000ULL
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
};

static const struct build builds[] = {
	{ "redis 5.0.14", 3296, 560, 0, 3032, 3024, 64, 72, 0, 80, 88, 0 },
	{ "redis 6.2.16", 3960, 696, 0, 3592, 3584, 72, 80, 0, 112, 120, 0 },
	{ "Debian redis 7.0.15", 4368, 752, 0, 4040, 0, 72, 80, 88, 112, 120, 128 },
	{ "redis 7.2.6", 5648, 1472, 1480, 0, 0, 88, 96, 104, 128, 136, 144 },
	{ "Debian valkey 8.0.1", 6128, 1576, 1584, 0, 0, 88, 96, 104, 152, 160, 168 },
	{ "Debian valkey 8.1.1", 6336, 1488, 1496, 0, 0, 40, 32, 44, 80, 88, 96 },
};

#define DEBIAN_7_0 (&builds[2])
#define VALKEY_8_0 (&builds[4])
#define VALKEY_8_1 (&builds[5])

/* What calibration saw of a server of that build. */
struct sight {
	const struct build *build;
	struct redmem_calibration plain, longer, script;
	uint8_t idle[CALIBRATION_CLIENT_BYTES];
	struct looks looks;
};

static void put_word(void *data, size_t offset, uint64_t word)
{
	memcpy((uint8_t *)data + offset, &word, sizeof(word));
}

static void put_int(void *data, size_t offset, uint32_t value)
{
	memcpy((uint8_t *)data + offset, &value, sizeof(value));
}

/* Words that are neither 0, nor small, nor an address in use here. */
static void put_noise(void *data, size_t bytes)
{
	for (size_t offset = 0; offset + 8 <= bytes; offset += 8)
		put_word(data, offset, 0x9e3779b97f4a7c15ULL * (offset + 8));
}

/* The word of the client at @offset names a command, as robj ** and as command *. */
static void put_name(struct redmem_calibration *seen, uint32_t offset, const char *name)
{
	strcpy(seen->word[offset / 8].name, name);
}

static void put_argv(struct redmem_calibration *seen, uint32_t offset, const char *first)
{
	put_word(seen->client, offset, ARGV);
	strcpy(seen->word[offset / 8].first, first);
	seen->word[offset / 8].nonce_at_1 = 1;
	seen->word[offset / 8].object_ptr = 8;
}

static void fill_client(struct redmem_calibration *seen, const struct build *b, const char *command,
			uint32_t argc)
{
	const uint32_t commands[] = { b->cmd, b->lastcmd, b->realcmd };

	seen->client_bytes = CLIENT_BYTES;
	put_noise(seen->client, CLIENT_BYTES);
	put_argv(seen, b->argv, command);
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

static void test_builds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		const struct build *b = &builds[i];
		struct redmem_offsets at = solve(look_at(b));

		same(b, "argc", at.argc, b->argc);
		same(b, "argv", at.argv, b->argv);
		same(b, "cmd", at.cmd, b->cmd);
		same(b, "object_ptr", at.object_ptr, 8);
		same(b, "object_embedded", at.object_embedded, 0);
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

/* Valkey 9.1: the text of short strings is inside the object. */
static void test_embedded_text(void **state)
{
	struct sight *sight = look_at(VALKEY_8_1);
	struct redmem_offsets at;

	(void)state;
	sight->plain.word[VALKEY_8_1->argv / 8].object_embedded = 11;
	sight->longer.word[VALKEY_8_1->argv / 8].object_embedded = 11;
	at = solve(sight);
	assert_int_equal(at.argv, VALKEY_8_1->argv);
	assert_int_equal(at.object_ptr, 8);
	assert_int_equal(at.object_embedded, 11);
}

/* Objects with a word before the pointer. */
static void test_object_pointer(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);
	struct redmem_offsets at;

	(void)state;
	sight->plain.word[DEBIAN_7_0->argv / 8].object_ptr = 16;
	sight->longer.word[DEBIAN_7_0->argv / 8].object_ptr = 16;
	at = solve(sight);
	assert_int_equal(at.object_ptr, 16);
	assert_int_equal(at.object_embedded, 0);
}

/* ECHO renamed: both looks are HELLO, in capitals as its client sent it. */
static void test_hello_twice(void **state)
{
	struct sight *sight = look_at(VALKEY_8_0);
	struct redmem_offsets at;

	(void)state;
	fill_client(&sight->plain, VALKEY_8_0, "hello", 2);
	strcpy(sight->plain.word[VALKEY_8_0->argv / 8].first, "HELLO");
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
	put_argv(&sight->plain, 96, "echo");
	put_argv(&sight->longer, 96, "hello");
	fails(sight, "2 words of the client lead to its arguments");
}

/* A second word that leads to the nonce in one look only, or behind another command's
 * name, is not argv and does no harm. */
static void test_argv_losers(void **state)
{
	struct sight *sight = look_at(DEBIAN_7_0);

	(void)state;
	put_argv(&sight->plain, 96, "echo");
	put_argv(&sight->plain, 104, "echo");
	put_argv(&sight->longer, 104, "echo");
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

/* --- counters --------------------------------------------------------------- */

#define COPIES	      4
#define COUNTER_BYTES 256

/* Copies of a server that did 10 commands between two copies, INFO not counted. */
struct counting {
	uint8_t server[COPIES][COUNTER_BYTES];
	struct counter_sighting seen[COPIES];
};

static void count_up(struct counting *c)
{
	for (size_t i = 0; i < COPIES; i++) {
		put_noise(c->server[i], COUNTER_BYTES);
		c->seen[i] =
			(struct counter_sighting){ c->server[i], 1000 + 10 * i, 1010 + 10 * i };
	}
}

static void put_counter(struct counting *c, size_t offset, const int values[COPIES])
{
	for (size_t i = 0; i < COPIES; i++)
		put_word(c->server[i], offset, values[i]);
}

static const int counted[COPIES] = { 1004, 1013, 1028, 1040 };
/* What the loop's round began with: behind, within INFO's bounds. */
static const int round_start[COPIES] = { 1001, 1013, 1022, 1033 };

static long find(const struct counting *c)
{
	return offsets_find_counter(c->seen, COPIES, COUNTER_BYTES);
}

static void test_counter(void **state)
{
	static const int still[COPIES] = { 1010, 1010, 1010, 1010 };
	static const int once_out[COPIES] = { 1004, 1013, 1041, 1040 };
	static const int before_it[COPIES] = { 999, 1013, 1028, 1040 };
	struct counting c;

	(void)state;
	count_up(&c);
	assert_int_equal(find(&c), -ENOENT);
	put_counter(&c, 16, once_out);
	put_counter(&c, 24, before_it);
	put_counter(&c, 32, still);
	assert_int_equal(find(&c), -ENOENT);
	put_counter(&c, 120, counted);
	assert_int_equal(find(&c), 120);
}

/* Both bounds are values that INFO told: either may be the word's. */
static void test_counter_bounds(void **state)
{
	static const int lower[COPIES] = { 1000, 1010, 1020, 1030 };
	struct counting c;

	(void)state;
	count_up(&c);
	put_counter(&c, 8, lower);
	assert_int_equal(find(&c), 8);
	count_up(&c);
	put_counter(&c, 8, (const int[]){ 1010, 1020, 1030, 1040 });
	assert_int_equal(find(&c), 8);
}

/* Redis 7.2 keeps el_cmd_cnt_start, before or after the counter in the struct. */
static void test_counter_leads(void **state)
{
	struct counting c;

	(void)state;
	count_up(&c);
	put_counter(&c, 64, round_start);
	put_counter(&c, 200, counted);
	assert_int_equal(find(&c), 200);
	count_up(&c);
	put_counter(&c, 64, counted);
	put_counter(&c, 200, round_start);
	assert_int_equal(find(&c), 64);
	put_counter(&c, 8, (const int[]){ 1000, 1010, 1021, 1030 });
	assert_int_equal(find(&c), 64);
}

static void test_counter_takes_turns(void **state)
{
	struct counting c;

	(void)state;
	count_up(&c);
	put_counter(&c, 64, counted);
	put_counter(&c, 200, (const int[]){ 1005, 1012, 1028, 1040 });
	assert_int_equal(find(&c), -ENOENT);
}

/* The last word is looked at, half a word and one copy (nothing moves) are not. */
static void test_counter_edges(void **state)
{
	struct counting c;

	(void)state;
	count_up(&c);
	put_counter(&c, COUNTER_BYTES - 8, counted);
	assert_int_equal(find(&c), COUNTER_BYTES - 8);
	assert_int_equal(offsets_find_counter(c.seen, COPIES, COUNTER_BYTES - 4), -ENOENT);
	assert_int_equal(offsets_find_counter(c.seen, 1, COUNTER_BYTES), -ENOENT);
	assert_int_equal(offsets_find_counter(c.seen, COPIES, 4), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builds),
		cmocka_unit_test(test_no_script),
		cmocka_unit_test(test_embedded_text),
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
		cmocka_unit_test(test_counter),
		cmocka_unit_test(test_counter_bounds),
		cmocka_unit_test(test_counter_leads),
		cmocka_unit_test(test_counter_takes_turns),
		cmocka_unit_test(test_counter_edges),
	};

	return cmocka_run_group_tests_name("offsets", tests, NULL, NULL);
}
