/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands by address, read from memory that may hold anything: this process's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "target/commands.h"

#define FULLNAME 400 /* as in Redis 7.0 */
#define WORDS	 53 /* of its struct redisCommand */

/* A struct redisCommand, with the string that its full name is. */
struct fake_command {
	uint64_t words[WORDS];
	char sds[96];
};

static uint64_t address_of(const void *data)
{
	return (uintptr_t)data;
}

/* sds.h: type 5 has its length in the flags byte, type 8 before it, with alloc. */
static uint64_t put_sds5(char *memory, const char *text)
{
	memory[0] = strlen(text) << 3;
	strcpy(memory + 1, text);
	return address_of(memory + 1);
}

static uint64_t put_sds8(char *memory, const char *text)
{
	memory[0] = memory[1] = strlen(text);
	memory[2] = 1;
	strcpy(memory + 3, text);
	return address_of(memory + 3);
}

static void fill(struct fake_command *command, const char *name, const char *fullname)
{
	memset(command, 0, sizeof(*command));
	command->words[0] = address_of(name);
	if (fullname)
		command->words[FULLNAME / 8] = put_sds8(command->sds, fullname);
}

static struct target_commands *own_commands(uint32_t fullname)
{
	return target_commands_new(getpid(), fullname, -1, 0);
}

/* What a command with these names is called; "" = it is none. */
static void assert_called(const char *name, const char *fullname, uint32_t offset,
			  const char *right)
{
	struct target_commands *commands = own_commands(offset);
	struct fake_command command;
	const char *found;

	fill(&command, name, fullname);
	found = target_commands_name(commands, address_of(&command));
	if (strcmp(found ? found : "", right))
		fail_msg("'%s' instead of '%s'", found ? found : "", right);
	if (!*right)
		assert_int_equal(target_commands_rule(commands, address_of(&command)).kind,
				 KEY_NONE);
	target_commands_free(commands);
}

static void test_names(void **state)
{
	(void)state;
	assert_called("get", NULL, 0, "get");
	assert_called("GeoRadius_RO", NULL, 0, "georadius_ro");
	assert_called("hello.list.sum-len", NULL, 0, "hello.list.sum-len");
	/* Since 7.0 the first field is the subcommand's name alone. */
	assert_called("get", "config|get", FULLNAME, "config|get");
	assert_called("get", "Config|GET", FULLNAME, "config|get");
	assert_called("get", "config|get", 0, "get");
	/* No full name to be had: the first field. */
	assert_called("get", NULL, FULLNAME, "get");
	assert_called("get", "", FULLNAME, "get");
	assert_called("get", "con fig", FULLNAME, "get");
}

static void test_no_names(void **state)
{
	char text[65];

	(void)state;
	assert_called("", NULL, 0, "");
	assert_called("two words", NULL, 0, "");
	assert_called("esc\033[31m", NULL, 0, "");
	assert_called("new\nline", NULL, 0, "");
	assert_called("\xff\xfe", NULL, 0, "");
	assert_called("", "\001", FULLNAME, "");
	/* 63 bytes are a name, more are not. */
	memset(text, 'n', sizeof(text));
	text[64] = '\0';
	assert_called(text, NULL, 0, "");
	text[63] = '\0';
	assert_called(text, NULL, 0, text);
}

static void test_rules(void **state)
{
	static const struct {
		const char *name;
		int kind, index;
	} rules[] = {
		{ "get", KEY_INDEX, 1 },       { "bitop", KEY_INDEX, 2 },
		{ "config|get", KEY_NONE, 0 }, { "ping", KEY_NONE, 0 },
		{ "eval", KEY_NUMKEYS, 2 },    { "zunion", KEY_NUMKEYS, 1 },
		{ "xread", KEY_STREAMS, 1 },   { "ft.search", KEY_NONE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct target_commands *commands = own_commands(0);
		struct redmem_key_rule rule;
		struct fake_command command;

		fill(&command, rules[i].name, NULL);
		rule = target_commands_rule(commands, address_of(&command));
		if (rule.kind != rules[i].kind ||
		    (rule.kind != KEY_NONE && rule.index != rules[i].index))
			fail_msg("%s: kind %d index %d", rules[i].name, rule.kind, rule.index);
		target_commands_free(commands);
	}
}

/* A command is read once: what later stands there does not rename it. */
static void test_remembers(void **state)
{
	struct target_commands *commands = own_commands(0);
	struct fake_command get, set;

	(void)state;
	fill(&get, "get", NULL);
	fill(&set, "set", NULL);
	assert_string_equal(target_commands_name(commands, address_of(&get)), "get");
	fill(&get, "del", NULL);
	assert_string_equal(target_commands_name(commands, address_of(&set)), "set");
	assert_string_equal(target_commands_name(commands, address_of(&get)), "get");
	target_commands_free(commands);
	target_commands_free(NULL);
}

/* --- hostile memory ------------------------------------------------------------- */

/* Two pages of which only the first can be read. */
struct edge {
	char *page, *end;
	size_t bytes;
};

static struct edge edge_open(void)
{
	struct edge edge = { .bytes = sysconf(_SC_PAGESIZE) };

	edge.page = mmap(NULL, 2 * edge.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	assert_true(edge.page != MAP_FAILED);
	edge.end = edge.page + edge.bytes;
	assert_int_equal(mprotect(edge.end, edge.bytes, PROT_NONE), 0);
	return edge;
}

static void edge_close(struct edge *edge)
{
	munmap(edge->page, 2 * edge->bytes);
}

static void assert_no_command(uint64_t address, uint32_t fullname)
{
	struct target_commands *commands = own_commands(fullname);

	assert_null(target_commands_name(commands, address));
	assert_null(target_commands_name(commands, address));
	assert_int_equal(target_commands_rule(commands, address).kind, KEY_NONE);
	target_commands_free(commands);
}

static void test_no_memory(void **state)
{
	struct edge edge = edge_open();
	uint64_t bad[] = { 0,
			   1,
			   8,
			   0x7fffffffffffULL,
			   0xffff800000000000ULL,
			   UINT64_MAX,
			   UINT64_MAX - 7,
			   address_of(edge.end),
			   address_of(edge.end) - 4 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct fake_command command;

		assert_no_command(bad[i], 0);
		assert_no_command(bad[i], FULLNAME);
		assert_int_equal(target_find_fullname(getpid(), bad[i], "get"), 0);
		/* Memory that leads there. */
		fill(&command, "get", NULL);
		command.words[FULLNAME / 8] = bad[i];
		assert_int_equal(target_find_fullname(getpid(), address_of(&command), "get"), 0);
		command.words[0] = bad[i];
		assert_no_command(address_of(&command), 0);
		assert_no_command(address_of(&command), FULLNAME);
	}
	edge_close(&edge);
}

/* A full name that cannot be read leaves the first field. */
static void test_fullname_unreadable(void **state)
{
	struct target_commands *commands = own_commands(FULLNAME);
	struct edge edge = edge_open();
	struct fake_command command;

	(void)state;
	fill(&command, "get", NULL);
	command.words[FULLNAME / 8] = address_of(edge.end);
	assert_string_equal(target_commands_name(commands, address_of(&command)), "get");
	/* The struct's own memory ends before it. */
	memcpy(edge.end - 16, command.words, 16);
	assert_string_equal(target_commands_name(commands, address_of(edge.end) - 16), "get");
	target_commands_free(commands);
	edge_close(&edge);
}

/* A name up to the last byte that can be read, and one that runs over it. */
static void test_name_at_the_edge(void **state)
{
	struct edge edge = edge_open();

	(void)state;
	strcpy(edge.end - 4, "set");
	assert_called(edge.end - 4, NULL, 0, "set");
	edge.end[-1] = 't';
	assert_called(edge.end - 4, NULL, 0, "");
	edge_close(&edge);
}

static void test_no_process(void **state)
{
	struct target_commands *commands;
	struct fake_command command;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fill(&command, "get", "get");
	commands = target_commands_new(pid, 0, -1, 0);
	assert_null(target_commands_name(commands, address_of(&command)));
	assert_int_equal(target_find_fullname(pid, address_of(&command), "get"), 0);
	target_commands_free(commands);
}

/* --- where the full name is ------------------------------------------------------- */

static uint32_t find(const struct fake_command *command, const char *name)
{
	return target_find_fullname(getpid(), address_of(command), name);
}

static void test_find_fullname(void **state)
{
	struct fake_command command;

	(void)state;
	fill(&command, "echo", "echo");
	assert_int_equal(find(&command, "echo"), FULLNAME);
	assert_int_equal(find(&command, "hello"), 0);
	command.words[FULLNAME / 8] = put_sds5(command.sds, "echo");
	assert_int_equal(find(&command, "echo"), FULLNAME);
	command.words[FULLNAME / 8] = put_sds8(command.sds, "ECHO");
	assert_int_equal(find(&command, "echo"), FULLNAME);
	/* Valkey has it elsewhere. */
	command.words[27] = command.words[FULLNAME / 8];
	assert_int_equal(find(&command, "echo"), 27 * 8);
}

/* The same text without an sds header, or with one that says another length. */
static void test_find_fullname_losers(void **state)
{
	static const char plain[] = "\0\0\0echo";
	struct fake_command command;

	(void)state;
	fill(&command, "echo", NULL);
	assert_int_equal(find(&command, "echo"), 0);
	/* The first field's string is an sds too, and another field points to it. */
	command.words[0] = command.words[2] = put_sds8(command.sds + 32, "echo");
	assert_int_equal(find(&command, "echo"), 0);
	command.words[3] = address_of(plain + 3);
	assert_int_equal(find(&command, "echo"), 0);
	command.words[4] = put_sds8(command.sds, "echo");
	command.sds[0] = 5;
	assert_int_equal(find(&command, "echo"), 0);
	command.words[4] = put_sds5(command.sds, "echo");
	command.sds[0] = 5 << 3;
	assert_int_equal(find(&command, "echo"), 0);
	/* Type 16 and above are for strings of 256 bytes and more. */
	command.words[4] = put_sds8(command.sds, "echo");
	command.sds[2] = 2;
	assert_int_equal(find(&command, "echo"), 0);
	command.words[5] = put_sds8(command.sds + 16, "echo");
	assert_int_equal(find(&command, "echo"), 40);
}

/* The command may end where its memory does: what is there is searched. */
static void test_find_fullname_at_the_edge(void **state)
{
	struct edge edge = edge_open();
	struct fake_command command;
	char *place = edge.end - 256;

	(void)state;
	fill(&command, "echo", NULL);
	command.words[27] = put_sds8(command.sds, "echo");
	memcpy(place, command.words, 256);
	assert_int_equal(target_find_fullname(getpid(), address_of(place), "echo"), 27 * 8);
	edge_close(&edge);
}

/* A module's command is in no table: it is to be asked for, once, and what the server says
 * counts from then on. */
static void test_unknown(void **state)
{
	struct target_commands *commands = own_commands(0);
	struct fake_command known, module;

	(void)state;
	fill(&known, "get", NULL);
	fill(&module, "ft.add", NULL);
	target_commands_name(commands, address_of(&known));
	assert_null(target_commands_unknown(commands));
	target_commands_name(commands, address_of(&module));
	assert_int_equal(target_commands_rule(commands, address_of(&module)).kind, KEY_NONE);
	assert_string_equal(target_commands_unknown(commands), "ft.add");
	assert_null(target_commands_unknown(commands));
	target_commands_told(commands, "ft.add", 2);
	assert_int_equal(target_commands_rule(commands, address_of(&module)).kind, KEY_INDEX);
	assert_int_equal(target_commands_rule_named(commands, "ft.add").index, 2);
	assert_int_equal(target_commands_rule_named(NULL, "ft.add").kind, KEY_NONE);
	assert_int_equal(target_commands_rule_named(NULL, "hset").index, 1);
	target_commands_free(commands);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_remembers),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_fullname_unreadable),
		cmocka_unit_test(test_name_at_the_edge),
		cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_find_fullname),
		cmocka_unit_test(test_find_fullname_losers),
		cmocka_unit_test(test_find_fullname_at_the_edge),
	};

	return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
