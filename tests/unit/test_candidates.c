/* SPDX-License-Identifier: BSD-2-Clause */
/* From candidates of live commands to offsets, on the layouts of real builds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "target/candidates.h"
#include "words.h"

#define SERVER_ADDRESS 0x555555600000ULL
#define CLIENT(n)      (0x7f0000001000ULL + 0x400 * (n))
#define ARGV	       0x7f0000802000ULL
#define COMMAND	       0x555555701000ULL
#define SERVER_WORD(o) (SERVER_ADDRESS + (o))

/* Where a build of the server keeps what; 0 = it has none. */
struct build {
	const char *name;
	uint32_t server_bytes, current_client, executing_client; /* in server */
	uint32_t argc, argv, argv_len, argv_len_sum, qb_pos; /* in client */
	uint32_t cmd, lastcmd, realcmd;
};

static const struct build builds[] = {
	{ "redis 5.0.14", 3296, 560, 0, 64, 72, 0, 0, 40, 80, 88, 0 },
	{ "redis 6.2.16", 3960, 696, 0, 72, 80, 0, 104, 48, 112, 120, 0 },
	{ "Debian redis 7.0.15", 4368, 752, 0, 72, 80, 88, 104, 48, 112, 120, 128 },
	{ "redis 7.2.6", 5648, 1472, 1480, 88, 96, 104, 120, 64, 128, 136, 144 },
	{ "Debian valkey 8.0.1", 6128, 1576, 1584, 88, 96, 104, 120, 64, 152, 160, 168 },
	{ "Debian valkey 8.1.1", 6336, 1488, 1496, 40, 32, 44, 48, 24, 80, 88, 96 },
};

#define REDIS_7_0  (&builds[2])
#define VALKEY_8_0 (&builds[4])
#define VALKEY_8_1 (&builds[5])

/* What was seen of a server of that build. */
struct scene {
	const struct build *build;
	size_t count;
	struct redmem_calibration seen[CANDIDATES_MAX];
};

/* The word at @offset is a client's argv and says @name. */
static void put_argv(struct redmem_calibration *seen, uint32_t offset, const char *name)
{
	put_word(seen->client, offset, ARGV);
	strcpy(seen->word[offset / 8].first, name);
	/* An object of one reference, lru in front of the count. */
	put_word(seen->word[offset / 8].object[0], 0, 0x80 | 0x5a5a5aULL << 8 | 1ULL << 32);
}

static void put_command(struct redmem_calibration *seen, uint32_t offset, const char *name)
{
	put_word(seen->client, offset, COMMAND);
	strcpy(seen->word[offset / 8].name, name);
}

/* Arguments of @bytes together: what counts them, and where they are in the query. */
static void put_argc(struct scene *scene, size_t i, uint32_t argc, uint32_t bytes)
{
	const struct build *b = scene->build;
	uint8_t *client = scene->seen[i].client;

	put_int(client, b->argc, argc);
	if (b->argv_len)
		put_int(client, b->argv_len, argc);
	if (b->argv_len_sum)
		put_word(client, b->argv_len_sum, bytes);
	put_word(client, b->qb_pos, bytes + 10 * argc);
}

static void see_by(struct scene *scene, uint64_t client, const char *sent, const char *name,
		   uint32_t argc)
{
	struct redmem_calibration *seen = &scene->seen[scene->count++];
	const struct build *b = scene->build;

	seen->done = seen->server_ok = 1;
	seen->client_address = client;
	seen->client_bytes = CALIBRATION_CLIENT_BYTES;
	seen->server_bytes = b->server_bytes;
	put_noise(seen->client, CALIBRATION_CLIENT_BYTES);
	put_noise(seen->server, b->server_bytes);
	put_word(seen->server, b->current_client, client);
	if (b->executing_client)
		put_word(seen->server, b->executing_client, 0); /* call() sets it */
	put_argv(seen, b->argv, sent);
	put_command(seen, b->cmd, name);
	put_command(seen, b->lastcmd, name);
	if (b->realcmd)
		put_command(seen, b->realcmd, name);
	put_argc(scene, scene->count - 1, argc, 6 * argc);
}

static void see(struct scene *scene, const char *name, uint32_t argc)
{
	see_by(scene, CLIENT(1), name, name, argc);
}

/* To be freed. */
static struct scene *scene_new(const struct build *b)
{
	struct scene *scene = xcalloc(1, sizeof(*scene));

	scene->build = b;
	return scene;
}

/* Several clients with usual commands. */
static struct scene *mixed_scene(const struct build *b)
{
	struct scene *scene = scene_new(b);

	see(scene, "get", 2);
	see_by(scene, CLIENT(2), "SET", "set", 5);
	see_by(scene, CLIENT(3), "hSet", "hset", 8002);
	see(scene, "ping", 1);
	return scene;
}

/* Solve and free; @used of the candidates must have been of use. */
static struct redmem_offsets solve(struct scene *scene, int used)
{
	struct redmem_offsets at;
	struct err err = { 0 };
	int ret;

	memset(&at, 0xff, sizeof(at)); /* what stood there must not stay */
	ret = candidates_solve(&at, scene->seen, scene->count, SERVER_ADDRESS, &err);
	if (ret < 0)
		fail_msg("%s: %s", scene->build->name, err.text);
	assert_int_equal(ret, used);
	assert_int_equal(at.executing_client, 0);
	assert_int_equal(at.script_caller, 0);
	assert_int_equal(at.commands_done, 0);
	free(scene);
	return at;
}

/* Solve and free; must fail and say @reason. */
static void fails(struct scene *scene, const char *reason)
{
	struct redmem_offsets at;
	struct err err = { 0 };

	assert_int_equal(candidates_solve(&at, scene->seen, scene->count, SERVER_ADDRESS, &err),
			 -ENOENT);
	if (!strstr(err.text, reason))
		fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
	free(scene);
}

static void same(const struct build *b, const char *what, uint64_t found, uint64_t right)
{
	if (found != right)
		fail_msg("%s: %s is %#llx instead of %#llx", b->name, what,
			 (unsigned long long)found, (unsigned long long)right);
}

static void is_right(const struct build *b, const struct redmem_offsets *at)
{
	same(b, "argc", at->argc, b->argc);
	same(b, "argv", at->argv, b->argv);
	same(b, "cmd", at->cmd, b->cmd);
	same(b, "object's pointer", at->object.pointer, 8);
	same(b, "object's embedded", at->object.embedded, 0);
	same(b, "object's references", at->object.refcount_shift, 32);
	same(b, "current_client", at->current_client, SERVER_WORD(b->current_client));
}

static void test_mixed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		struct redmem_offsets at = solve(mixed_scene(&builds[i]), 4);

		is_right(&builds[i], &at);
	}
}

/* One client in a pipeline of the same command: argv_len always equals argc. Also a
 * command nobody knows the arity of. */
static void test_uniform(void **state)
{
	static const char *const names[] = { "set", "ft.search" };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(builds) / sizeof(*builds); i++) {
		const struct build *b = &builds[i / 2];
		struct scene *scene = scene_new(b);
		struct redmem_offsets at;

		while (scene->count < CANDIDATES_MAX)
			see(scene, names[i % 2], 3);
		at = solve(scene, CANDIDATES_MAX);
		is_right(b, &at);
	}
}

/* CONFIG GET and renamed commands: another name than was sent. */
static void test_other_names(void **state)
{
	struct scene *scene = mixed_scene(VALKEY_8_0);
	struct redmem_offsets at;

	(void)state;
	see_by(scene, CLIENT(4), "CONFIG", "get", 3);
	see_by(scene, CLIENT(4), "k7s0", "flushall", 1);
	at = solve(scene, 4);
	is_right(VALKEY_8_0, &at);

	scene = scene_new(VALKEY_8_0);
	for (int i = 0; i < 5; i++)
		see_by(scene, CLIENT(1), "CONFIG", "get", 3);
	see(scene, "get", 2);
	see(scene, "get", 2);
	fails(scene, "7 commands of clients seen, 2 of use, 3 needed");
	fails(scene_new(VALKEY_8_0), "0 commands");
}

/* What could not be copied is no sighting. */
static void test_unreadable(void **state)
{
	struct scene *scene = mixed_scene(REDIS_7_0);
	struct redmem_offsets at;

	(void)state;
	scene->seen[1].server_ok = 0;
	at = solve(scene, 3);
	is_right(REDIS_7_0, &at);
	scene = mixed_scene(REDIS_7_0);
	scene->seen[0].client_bytes = 0;
	scene->seen[1].server_ok = 0;
	fails(scene, "4 commands of clients seen, 2 of use");
}

/* Behind the client is another one, with the same command under way. */
static void test_neighbour(void **state)
{
	struct scene *scene = mixed_scene(REDIS_7_0);
	struct redmem_offsets at;

	(void)state;
	for (size_t i = 0; i < scene->count; i++) {
		struct redmem_calibration *seen = &scene->seen[i];

		put_argv(seen, 368 + REDIS_7_0->argv, seen->word[REDIS_7_0->argv / 8].first);
		put_command(seen, 368 + REDIS_7_0->cmd, seen->word[REDIS_7_0->cmd / 8].name);
	}
	at = solve(scene, 4);
	is_right(REDIS_7_0, &at);
}

/* The same, and nothing in the client itself agrees: that is the other's. */
static void test_only_neighbour(void **state)
{
	struct scene *scene = scene_new(REDIS_7_0);

	(void)state;
	for (int i = 0; i < 4; i++) {
		see_by(scene, CLIENT(1), "CONFIG", "get", 3);
		put_argv(&scene->seen[i], 368 + REDIS_7_0->argv, "BLPOP");
		put_command(&scene->seen[i], 368 + REDIS_7_0->cmd, "blpop");
	}
	fails(scene, "0 of use");
}

static void test_two_argv(void **state)
{
	struct scene *scene = mixed_scene(REDIS_7_0);

	(void)state;
	for (size_t i = 0; i < scene->count; i++)
		put_argv(&scene->seen[i], 200, scene->seen[i].word[REDIS_7_0->argv / 8].first);
	fails(scene, "2 words of the client lead to its arguments");
}

/* Another word leads to the name now and then. */
static void test_chance(void **state)
{
	struct scene *scene = mixed_scene(REDIS_7_0);
	struct redmem_offsets at;

	(void)state;
	put_argv(&scene->seen[0], 16, "get");
	put_command(&scene->seen[1], 24, "set");
	at = solve(scene, 4);
	is_right(REDIS_7_0, &at);
}

/* Padding behind argc holds anything, also small numbers. */
static void test_padding(void **state)
{
	struct scene *scene = mixed_scene(REDIS_7_0);
	struct redmem_offsets at;

	(void)state;
	for (size_t i = 0; i < scene->count; i++)
		put_int(scene->seen[i].client, REDIS_7_0->argc + 4, 1);
	at = solve(scene, 4);
	is_right(REDIS_7_0, &at);
}

/* A word beside argv that is always smaller, but not what the commands take. */
static void test_arity(void **state)
{
	struct scene *scene = scene_new(VALKEY_8_1);
	struct redmem_offsets at;

	(void)state;
	see(scene, "ft.search", 3);
	see(scene, "ft.search", 5);
	see(scene, "hset", 8);
	for (int i = 0; i < 3; i++)
		put_word(scene->seen[i].client, VALKEY_8_1->qb_pos, 2);
	at = solve(scene, 3);
	is_right(VALKEY_8_1, &at);
}

/* Nothing counts what GET takes. */
static void test_arity_contradicts(void **state)
{
	struct scene *scene = mixed_scene(REDIS_7_0);

	(void)state;
	put_argc(scene, 0, 3, 18);
	fails(scene, "counts the arguments");
}

/* Two words take turns in being the smaller one. */
static void test_argc_not_sure(void **state)
{
	struct scene *scene = scene_new(REDIS_7_0);

	(void)state;
	for (int i = 0; i < 4; i++) {
		see(scene, "ft.search", 5);
		put_int(scene->seen[i].client, REDIS_7_0->argv_len, i % 2 ? 4 : 6);
	}
	fails(scene, "counts the arguments");
}

/* A replica whose only client is its master: server.master holds it too. */
static void test_master(void **state)
{
	struct scene *scene = scene_new(REDIS_7_0);
	struct redmem_offsets at;

	(void)state;
	for (int i = 0; i < 4; i++) {
		see(scene, "set", 3);
		put_word(scene->seen[i].server, 3000, CLIENT(1));
	}
	at = solve(scene, 4);
	is_right(REDIS_7_0, &at);
}

/* A word before it that holds one of the clients is not the current one. */
static void test_one_client(void **state)
{
	struct scene *scene = mixed_scene(REDIS_7_0);
	struct redmem_offsets at;

	(void)state;
	for (size_t i = 0; i < scene->count; i++)
		put_word(scene->seen[i].server, 96, CLIENT(1));
	at = solve(scene, 4);
	is_right(REDIS_7_0, &at);
}

static void test_no_current_client(void **state)
{
	struct scene *scene = mixed_scene(REDIS_7_0);

	(void)state;
	put_word(scene->seen[2].server, REDIS_7_0->current_client, CLIENT(9));
	fails(scene, "no word of `server` points to the current client");
}

/* From inside a command, of a client or of a script that it runs. */
static void test_executing(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(builds) / sizeof(*builds); i++) {
		const struct build *b = &builds[i / 2];
		uint64_t executing = CLIENT(i % 2 ? 7 : 1);
		struct scene *scene = scene_new(b);
		struct redmem_offsets at = { .current_client = SERVER_WORD(b->current_client) };

		see(scene, "eval", 3);
		scene->seen[0].client_address = executing;
		if (b->executing_client)
			put_word(scene->seen[0].server, b->executing_client, executing);
		candidates_find_executing(&at, &scene->seen[0], SERVER_ADDRESS);
		same(b, "executing_client", at.executing_client,
		     b->executing_client ? SERVER_WORD(b->executing_client) : 0);
		free(scene);
	}
}

/* Not seen, not copied, or current_client is the last word. */
static void test_executing_unseen(void **state)
{
	struct scene *scene = scene_new(VALKEY_8_0);
	struct redmem_offsets at = { .current_client = SERVER_WORD(VALKEY_8_0->current_client) };
	struct redmem_calibration *inside = &scene->seen[0];

	(void)state;
	see(scene, "get", 2);
	put_word(inside->server, VALKEY_8_0->executing_client, CLIENT(1));
	inside->done = 0;
	candidates_find_executing(&at, inside, SERVER_ADDRESS);
	assert_int_equal(at.executing_client, 0);
	inside->done = 1;
	inside->server_ok = 0;
	candidates_find_executing(&at, inside, SERVER_ADDRESS);
	assert_int_equal(at.executing_client, 0);
	inside->server_ok = 1;
	inside->server_bytes = VALKEY_8_0->executing_client;
	candidates_find_executing(&at, inside, SERVER_ADDRESS);
	assert_int_equal(at.executing_client, 0);
	inside->server_bytes += 8;
	candidates_find_executing(&at, inside, SERVER_ADDRESS);
	assert_int_equal(at.executing_client, SERVER_WORD(VALKEY_8_0->executing_client));
	free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_other_names),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_neighbour),
		cmocka_unit_test(test_only_neighbour),
		cmocka_unit_test(test_two_argv),
		cmocka_unit_test(test_chance),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_arity),
		cmocka_unit_test(test_arity_contradicts),
		cmocka_unit_test(test_argc_not_sure),
		cmocka_unit_test(test_master),
		cmocka_unit_test(test_one_client),
		cmocka_unit_test(test_no_current_client),
		cmocka_unit_test(test_executing),
		cmocka_unit_test(test_executing_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
