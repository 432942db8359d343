/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands by address, and arguments of the one under way; see commands.h. */
#include <bpf/bpf.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "base/buf.h"
#include "host/proc.h"
#include "redis/knowledge.h"
#include "redis/knowledge_commands.h"
#include "target/commands.h"

#define NAME_MAX_BYTES 64
/* Addresses at which no command was: what was read while it changed. They are looked at again. */
#define NAMELESS_MAX 1024
/* redisCommand is 424 bytes in Redis 7.0 and smaller elsewhere. */
#define COMMAND_BYTES 512

struct known_command {
	uint64_t address;
	char name[NAME_MAX_BYTES]; /* "" = no command there */
	struct redmem_key_rule rule;
	bool unknown; /* to no table: the server is to be asked */
	UT_hash_handle hh;
};

struct target_commands {
	pid_t pid;
	uint32_t fullname_offset;
	int rules_fd;
	uint32_t target;
	struct known_command *known;
	size_t nameless;
};

struct target_commands *target_commands_new(pid_t pid, uint32_t fullname_offset, int rules_fd,
					    uint32_t target)
{
	struct target_commands *commands = xcalloc(1, sizeof(*commands));

	commands->pid = pid;
	commands->fullname_offset = fullname_offset;
	commands->rules_fd = rules_fd;
	commands->target = target;
	return commands;
}

void target_commands_free(struct target_commands *commands)
{
	struct known_command *known, *next;

	if (!commands)
		return;
	HASH_ITER(hh, commands->known, known, next) {
		HASH_DEL(commands->known, known);
		free(known);
	}
	free(commands);
}

/* A command's name has letters, digits and a few signs; anything else is not one. */
static bool clean_name(char *name)
{
	if (!*name)
		return false;
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("|._-", *name))
			return false;
		*name = tolower((unsigned char)*name);
	}
	return true;
}

static bool read_name(const struct target_commands *commands, uint64_t address, char *name)
{
	uint64_t text;

	if (commands->fullname_offset &&
	    !memory_read(commands->pid, address + commands->fullname_offset, &text, sizeof(text)) &&
	    memory_read_string(commands->pid, text, name, NAME_MAX_BYTES) > 0 && clean_name(name))
		return true;
	return !memory_read(commands->pid, address, &text, sizeof(text)) &&
	       memory_read_string(commands->pid, text, name, NAME_MAX_BYTES) > 0 &&
	       clean_name(name);
}

static struct redmem_key_rule rule_of(struct command_key_rule rule)
{
	switch (rule.kind) {
	case COMMAND_KEY_INDEX:
		return (struct redmem_key_rule){ KEY_INDEX, rule.index };
	case COMMAND_KEY_NUMKEYS:
		return (struct redmem_key_rule){ KEY_NUMKEYS, rule.index };
	case COMMAND_KEY_KEYWORD:
		if (rule.keyword && !strcasecmp(rule.keyword, "STREAMS"))
			return (struct redmem_key_rule){ KEY_STREAMS, rule.index };
		return (struct redmem_key_rule){ KEY_NONE, 0 };
	case COMMAND_KEY_NONE:
		break;
	}
	return (struct redmem_key_rule){ KEY_NONE, 0 };
}

static void tell_programs(const struct target_commands *commands, const struct known_command *known)
{
	const struct redmem_command key = { .address = known->address, .target = commands->target };

	if (commands->rules_fd >= 0)
		bpf_map_update_elem(commands->rules_fd, &key, &known->rule, BPF_ANY);
}

static void forget_nameless(struct target_commands *commands)
{
	struct known_command *known, *next;

	HASH_ITER(hh, commands->known, known, next) {
		if (known->name[0])
			continue;
		HASH_DEL(commands->known, known);
		free(known);
	}
	commands->nameless = 0;
}

static struct known_command *learn(struct target_commands *commands, uint64_t address)
{
	struct command_key_rule rule;
	struct known_command *known;

	HASH_FIND(hh, commands->known, &address, sizeof(address), known);
	if (known)
		return known;
	if (commands->nameless == NAMELESS_MAX)
		forget_nameless(commands);
	known = xcalloc(1, sizeof(*known));
	known->address = address;
	if (read_name(commands, address, known->name)) {
		/* Until the server has told of what no table knows, programs take argv[1] and
		 * say so. */
		known->unknown = !command_known_rule(known->name, &rule);
		known->rule = rule_of(known->unknown ? command_key_rule(known->name) : rule);
		if (!known->unknown)
			tell_programs(commands, known);
	} else {
		known->name[0] = '\0';
		commands->nameless++;
	}
	HASH_ADD(hh, commands->known, address, sizeof(known->address), known);
	return known;
}

const char *target_commands_name(struct target_commands *commands, uint64_t address)
{
	const struct known_command *known = learn(commands, address);

	return known->name[0] ? known->name : NULL;
}

const char *target_commands_begin(const struct target_commands *commands, const char *start)
{
	const struct known_command *known, *next;
	const char *found = NULL;

	HASH_ITER(hh, commands->known, known, next) {
		if (strncmp(known->name, start, strlen(start)))
			continue;
		if (found && strcmp(found, known->name))
			return NULL;
		found = known->name;
	}
	return found;
}

struct redmem_key_rule target_commands_rule(struct target_commands *commands, uint64_t address)
{
	return learn(commands, address)->rule;
}

static struct known_command *find_named(const struct target_commands *commands, const char *name)
{
	struct known_command *known, *next;

	HASH_ITER(hh, commands->known, known, next) {
		if (!strcmp(known->name, name))
			return known;
	}
	return NULL;
}

struct redmem_key_rule target_commands_rule_named(const struct target_commands *commands,
						  const char *name)
{
	const struct known_command *known = commands ? find_named(commands, name) : NULL;

	return known ? known->rule : rule_of(command_key_rule(name));
}

const char *target_commands_unknown(struct target_commands *commands)
{
	struct known_command *known, *next;

	HASH_ITER(hh, commands->known, known, next) {
		if (!known->unknown)
			continue;
		known->unknown = false;
		return known->name;
	}
	return NULL;
}

void target_commands_told(struct target_commands *commands, const char *name, int first_key)
{
	struct known_command *known = find_named(commands, name);

	if (!known)
		return;
	known->rule = rule_of(command_told_rule(first_key));
	tell_programs(commands, known);
}

uint32_t target_find_fullname(pid_t pid, uint64_t address, const char *name)
{
	uint64_t words[COMMAND_BYTES / 8];
	size_t count = COMMAND_BYTES / 8;
	char text[NAME_MAX_BYTES];

	while (count && memory_read(pid, address, words, count * 8))
		count /= 2;
	for (size_t i = 1; i < count; i++) {
		uint8_t flags;

		if (words[i] == words[0] || words[i] < 0x10000 ||
		    memory_read_string(pid, words[i], text, sizeof(text)) != (int)strlen(name) ||
		    strcasecmp(text, name) || memory_read(pid, words[i] - 1, &flags, 1))
			continue;
		/* sds.h: a type 5 header holds the length in the flags byte, a type 8
		 * header two bytes before it. */
		if ((flags & 7) == 0 && flags >> 3 == (int)strlen(name))
			return i * 8;
		if ((flags & 7) == 1 && !memory_read(pid, words[i] - 3, &flags, 1) &&
		    flags == strlen(name))
			return i * 8;
	}
	return 0;
}

/* --- arguments of the command under way ---------------------------------- */

#define ARGUMENTS_LOOKED 8 /* a key is among the first of them */

static uint64_t word(pid_t pid, uint64_t address)
{
	uint64_t value = 0;

	return address && !memory_read(pid, address, &value, sizeof(value)) ? value : 0;
}

/* Address of the text of a string object, 0 when it holds none. */
static uint64_t object_text(pid_t pid, const struct redmem_object_layout *layout, uint64_t object)
{
	int offset = object_text_offset(layout, word(pid, object));

	if (!object || offset < 0)
		return 0;
	return offset ? object + (uint64_t)offset : word(pid, object + layout->pointer);
}

/* Length of an sds string (sds.h: the low 3 bits before the text are its type). */
static size_t text_length(pid_t pid, uint64_t text)
{
	static const struct {
		int back, bytes;
	} heads[] = { { 1, 0 }, { 3, 1 }, { 5, 2 }, { 9, 4 }, { 17, 8 } };
	uint64_t len = 0;
	uint8_t flags;

	if (memory_read(pid, text - 1, &flags, 1) || (flags & 7) > 4)
		return 0;
	if (!(flags & 7))
		return flags >> 3;
	if (memory_read(pid, text - (uint64_t)heads[flags & 7].back, &len,
			(size_t)heads[flags & 7].bytes))
		return 0;
	return len;
}

static int read_argument(pid_t pid, const struct redmem_object_layout *layout, uint64_t object,
			 char *out, size_t max)
{
	uint64_t text = object_text(pid, layout, object);
	size_t len = text ? text_length(pid, text) : 0;

	if (!len)
		return -ENOENT;
	if (len > max)
		return -EMSGSIZE;
	return memory_read(pid, text, out, len) ? -ENOENT : (int)len;
}

static int find_argument(pid_t pid, const struct redmem_offsets *at, uint64_t client,
			 const char *begin, size_t len, char *out, size_t max)
{
	uint64_t argv = client ? word(pid, client + at->argv) : 0;
	uint32_t argc = 0;
	int got, ret = -ENOENT;

	if (!argv || memory_read(pid, client + at->argc, &argc, sizeof(argc)))
		return -ENOENT;
	for (uint32_t i = 1; i < argc && i < ARGUMENTS_LOOKED; i++) {
		got = read_argument(pid, &at->object, word(pid, argv + 8ULL * i), out, max);
		if (got >= (int)len && !memcmp(out, begin, len))
			return got;
		if (got == -EMSGSIZE)
			ret = got;
	}
	return ret;
}

int target_argument(pid_t pid, const struct redmem_offsets *at, const char *begin, size_t len,
		    char *out, size_t max)
{
	uint64_t inner = at->executing_client ? word(pid, at->executing_client) : 0;
	int ret = find_argument(pid, at, word(pid, at->current_client), begin, len, out, max);

	return ret < 0 && inner ? find_argument(pid, at, inner, begin, len, out, max) : ret;
}
