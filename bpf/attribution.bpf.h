/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is running: the command and key of the server's main thread, read from
 * its memory at a rare event. No probe stands on any of its paths.
 *
 * server.current_client is set while a client's command is processed, from
 * processCommandAndResetClient(); client->cmd and argv say what it is. Scripts,
 * functions and modules run their commands on another client, which
 * server.executing_client (7.2+, Valkey) or server.script_caller (before) show.
 */
#pragma once

#include "shared.bpf.h"

/* What the main thread works on; zeros in the event loop. */
struct running {
	u64 client;
	u64 argv;
	bool in_script;
	bool is_over; /* no command is executed: it was, or will be; false when not known */
};

static __always_inline u64 read_word(u64 address)
{
	u64 word = 0;

	if (bpf_probe_read_user(&word, sizeof(word), (void *)address))
		return 0;
	return word;
}

#define NO_LENGTH      (~0U)
#define KEY_LENGTH_MAX (512U << 20) /* proto-max-bulk-len */

/* Length of an sds string (sds.h: the low 3 bits before the text are its type); NO_LENGTH
 * when it is none. */
static __always_inline u32 sds_length(u64 text)
{
	u8 flags = 0, len8 = 0;
	u16 len16 = 0;
	u32 len32 = 0;

	if (bpf_probe_read_user(&flags, 1, (void *)(text - 1)))
		return 0;
	switch (flags & 7) {
	case 0:
		return flags >> 3;
	case 1:
		bpf_probe_read_user(&len8, 1, (void *)(text - 3));
		return len8;
	case 2:
		bpf_probe_read_user(&len16, 2, (void *)(text - 5));
		return len16;
	case 3:
		bpf_probe_read_user(&len32, 4, (void *)(text - 9));
		return len32;
	case 4:
		bpf_probe_read_user(&len32, 4, (void *)(text - 17));
		return len32;
	default:
		return NO_LENGTH;
	}
}

/* Address of the text of a string object, 0 when it holds none. As object_text_offset() of
 * redis/knowledge.c. */
static __always_inline u64 object_text(const struct redmem_target *target, u64 object)
{
	const struct redmem_object_layout *layout = &target->settings.at.object;
	u64 head = 0;

	if (bpf_probe_read_user(&head, sizeof(head), (void *)object))
		return 0;
	/* type in the low 4 bits, 0 = string; encoding above, 0 = raw, 8 = embstr */
	if ((head & 0xff) != 0x80 && (head & 0xff) != 0x00)
		return 0;
	if (!layout->value_bit || !(head >> (layout->value_bit & 63) & 1))
		return read_word(object + layout->pointer);
	if (head >> (layout->key_bit & 63) & 1)
		return 0;
	if (head >> (layout->expire_bit & 63) & 1)
		object += OBJECT_EXPIRE_BYTES;
	return object + layout->embedded + OBJECT_SDS_HEAD;
}

/* The key is the @len bytes at @text, as much of them as there is room for. */
static __always_inline bool take_key(struct redmem_context *context, u64 text, u32 len)
{
	/* A longer key of an outer command may be there already. */
	__builtin_memset(context->key, 0, sizeof(context->key));
	context->key_len = 0;
	context->key_cut = len > REDMEM_KEY_MAX;
	if (len > REDMEM_KEY_MAX)
		len = REDMEM_KEY_MAX;
	if (len && bpf_probe_read_user(context->key, len, (void *)text))
		return false;
	context->key_len = len;
	return true;
}

/* Where a word or text is, all of it can be read, unless its page is not in memory. */
static __always_inline bool is_absent(u64 address)
{
	u8 byte;

	return address && bpf_probe_read_user(&byte, 1, (void *)address);
}

/* @counted: argc says that the argument is there. */
static __always_inline void read_key(struct redmem_target *target, struct redmem_context *context,
				     u64 argv, u32 index, bool counted)
{
	u64 object = read_word(argv + 8ULL * index);
	u64 text = object ? object_text(target, object) : 0;
	u32 len = text ? sds_length(text) : NO_LENGTH;

	if (len <= KEY_LENGTH_MAX && take_key(context, text, len))
		return;
	/* A command's arguments are made and freed around it: then what is there is no
	 * string any more, or not yet. Nothing is lost but where memory is swapped out. */
	if (counted && (is_absent(argv + 8ULL * index) || is_absent(object) || is_absent(text)))
		drop(target, DROP_KEY_UNREADABLE);
	else
		total_add(target, TOTAL_KEYS_GONE, 1);
}

/* Number of the client's database, plus 1; 0 = not known. */
static __always_inline u32 client_db(const struct redmem_target *target, u64 client)
{
	u64 db = target->settings.at.db ? read_word(client + target->settings.at.db) : 0;
	u32 number;

	if (!db ||
	    bpf_probe_read_user(&number, sizeof(number), (void *)(db + target->settings.at.db_id)))
		return 0;
	return number + 1;
}

/* Address of the text of argv[index], 0 when it has none. Global, as context_running() is. */
__weak __noinline u64 argument_text(const struct redmem_target *target, u64 argv, u32 index)
{
	u64 object = target ? read_word(argv + 8ULL * index) : 0;

	return object ? object_text(target, object) : 0;
}

/* Does argv[index] say STREAMS? (XREAD [COUNT n] [BLOCK ms] STREAMS key ...) */
static __always_inline bool is_streams(const struct redmem_target *target, u64 argv, u32 index)
{
	u64 text = argument_text(target, argv, index);
	u64 word = text ? read_word(text) : 0;

	/* "STREAMS\0", either case */
	return (word & 0x00dfdfdfdfdfdfdfULL) == 0x00534d4145525453ULL && word >> 56 == 0;
}

/* argv[index] as a small number: is it "0"? */
static __always_inline bool is_zero(const struct redmem_target *target, u64 argv, u32 index)
{
	u64 text = argument_text(target, argv, index);
	u16 two = 0;

	if (!text || bpf_probe_read_user(&two, 2, (void *)text))
		return true;
	return two == '0';
}

/* Which argument from argv[index] on stands behind STREAMS; 0 = none. Global, as
 * context_running() is. */
__weak __noinline u32 streams_index(const struct redmem_target *target, u64 argv, u32 argc,
				    u32 index)
{
	if (!target)
		return 0;
	for (int i = 0; i < 8 && index < argc; i++, index++)
		if (is_streams(target, argv, index))
			break;
	return index < argc ? index + 1 : 0;
}

/* Which argument of the command is its first key; 0 = none. */
static __always_inline u32 key_index(const struct redmem_target *target,
				     struct redmem_context *context, u64 cmd, u64 argv, u32 argc)
{
	const struct redmem_command command = { cmd, target->settings.index, 0 };
	struct redmem_key_rule *rule = bpf_map_lookup_elem(&key_rules, &command);
	u32 index;

	if (!rule) {
		context->key_guessed = KEY_GUESSED;
		return argc > 1 ? 1 : 0;
	}
	index = rule->index;
	switch (rule->kind) {
	case KEY_INDEX:
		break;
	case KEY_NUMKEYS:
		index = index < argc && !is_zero(target, argv, index) ? index + 1 : 0;
		break;
	case KEY_STREAMS:
		index = streams_index(target, argv, argc, index);
		break;
	default:
		return 0;
	}
	return index < argc ? index : 0;
}

#define ARGC_UNKNOWN 0

/* The first key of the command @cmd, which is one of the @argc arguments at @argv. Global, as
 * context_running() is. */
__weak __noinline int read_first_key(struct redmem_target *target, struct redmem_context *context,
				     u64 cmd, u64 argv, u32 argc)
{
	u32 index;

	if (!target || !context)
		return 0;
	index = key_index(target, context, cmd, argv,
			  argc == ARGC_UNKNOWN ? REDMEM_ARGUMENTS_MAX : argc);
	if (index)
		read_key(target, context, argv, index, argc != ARGC_UNKNOWN);
	return 0;
}

static __always_inline bool is_lower(u8 c)
{
	return c >= 'a' && c <= 'z';
}

/* The command a client ran before; 0 when there is none. In client lastcmd follows cmd,
 * and a command begins with its name (server.h, all versions so far). */
static __always_inline u64 last_command(const struct redmem_target *target, u64 client)
{
	u64 last = target->settings.at.cmd ? read_word(client + target->settings.at.cmd + 8) : 0;
	u64 name = last && !(last & 7) ? read_word(last) : 0, text = name ? read_word(name) : 0;

	return is_lower(text) && is_lower(text >> 8) ? last : 0;
}

#define CLIENT_WORDS 72 /* behind argv; the original arguments are among them */

/* A client's words from argv on. */
struct client_words {
	u64 word[CLIENT_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct client_words);
} client_words SEC(".maps") __weak;

/* Are these the arguments of @command, by its name? */
__weak __noinline int is_argv_of(const struct redmem_target *target, u64 argv, u64 command)
{
	u64 object, text, name, said = 0, known = 0;

	if (!target || argv < 0x10000 || argv >> REDMEM_ADDRESS_BITS || (argv & 7))
		return 0;
	object = read_word(argv);
	text = object && !(object & 7) ? object_text(target, object) : 0;
	name = text ? read_word(command) : 0;
	/* Two letters, of either case; then the text behind is a string's. */
	return name && !bpf_probe_read_user(&said, 2, (void *)text) &&
	       !bpf_probe_read_user(&known, 2, (void *)name) && ((said ^ known) & 0xdfdf) == 0 &&
	       known;
}

/*
 * A command that was rewritten for replicas (XADD's *, EXPIRE, SPOP...) keeps its original
 * arguments in the client until it is reset, and they are freed after the new ones: where in
 * the client differs from release to release, so they are known by the command's name.
 *
 * What is done with them stands behind the loop: in it the verifier would look at it once a
 * word, which was nine tenths of what it took to load any program.
 */
__weak __noinline int read_original(struct redmem_target *target, u64 client, u64 command,
				    struct redmem_context *context)
{
	struct client_words *words;
	u32 zero = 0;
	u64 argv = 0;

	words = bpf_map_lookup_elem(&client_words, &zero);
	if (!target || !context || !words || !command ||
	    bpf_probe_read_user(words, sizeof(*words), (void *)(client + target->settings.at.argv)))
		return 0;
	for (u32 i = 0; i < CLIENT_WORDS; i++) {
		argv = words->word[i];
		if (is_argv_of(target, argv, command))
			break;
		argv = 0;
	}
	if (!argv)
		return 0;
	read_first_key(target, context, command, argv, ARGC_UNKNOWN);
	return 1;
}

/* Name and first key of what a client runs. False when it cannot be read. Global, as
 * context_running() is. */
__weak __noinline int read_client(struct redmem_target *target, u64 client, u64 *command,
				  struct redmem_context *context, u64 *argv)
{
	u32 argc = 0;

	if (!target || !command || !context || !argv)
		return false;
	*argv = 0;
	if (bpf_probe_read_user(&argc, sizeof(argc), (void *)(client + target->settings.at.argc)) ||
	    bpf_probe_read_user(argv, sizeof(*argv), (void *)(client + target->settings.at.argv))) {
		drop(target, DROP_CLIENT_UNREADABLE);
		return false;
	}
	if (target->settings.at.cmd)
		*command = read_word(client + target->settings.at.cmd);
	context->db = client_db(target, client);
	if (!argc || !*argv) {
		if (!*command)
			*command = last_command(target, client);
		context->state = CONTEXT_AFTER;
		/* The array is freed last (freeClientArgv()): what it led to has just been. */
		if (*argv)
			read_first_key(target, context, *command, *argv, ARGC_UNKNOWN);
		else if (target->settings.at.cmd)
			read_original(target, client, *command, context);
		*argv = 0;
		return true;
	}
	if (!target->settings.at.cmd) {
		u64 text = argument_text(target, *argv, 0);

		*command = text ? read_word(text) : 0;
		context->state = CONTEXT_TEXT;
	} else {
		context->state = CONTEXT_COMMAND;
	}
	read_first_key(target, context, *command, *argv, argc);
	return true;
}

/* A script's, function's or module's inner command on client @inner. Its key, when
 * it has one, is nearer to the work than the outer's. */
static __always_inline void read_inner(struct redmem_target *target, u64 inner,
				       struct redmem_context *context)
{
	u8 outer_state = context->state, outer_guessed = context->key_guessed,
	   outer_len = context->key_len;
	u8 outer_cut = context->key_cut;
	u64 argv;

	context->key_guessed = KEY_KNOWN;
	context->key_len = 0;
	if (read_client(target, inner, &context->inner, context, &argv) &&
	    context->state == CONTEXT_AFTER)
		context->inner = context->key_len = 0; /* between two commands of the script */
	if (context->key_guessed)
		context->key_guessed = KEY_GUESSED_INNER;
	if (!context->key_len) {
		context->key_len = outer_len;
		context->key_cut = outer_cut;
		context->key_guessed = outer_guessed;
	}
	context->state = outer_state;
}

/*
 * Fill @context and @run for the current thread, which must be one of @target's.
 * Both must be all zeros. Global, not inlined: the verifier then looks at it once
 * and not again on each of its callers' paths (0.2 s of CPU at every start).
 */
__weak __noinline int context_running(struct redmem_target *target, u32 tid,
				      struct redmem_context *context, struct running *run)
{
	u64 client, inner = 0, command = 0;

	if (!target || !context || !run)
		return 0;
	if (!is_main(target, tid)) {
		context->state = CONTEXT_THREAD;
		context->tid = tid;
		bpf_get_current_comm(context->key, 16);
		return 0;
	}
	context->state = CONTEXT_UNKNOWN;
	if (!target->settings.attribution)
		return 0;
	if (bpf_probe_read_user(&client, sizeof(client),
				(void *)target->settings.at.current_client)) {
		drop(target, DROP_CLIENT_UNREADABLE);
		return 0;
	}
	if (target->settings.at.executing_client)
		inner = read_word(target->settings.at.executing_client);
	else if (client && target->settings.at.script_caller &&
		 read_word(target->settings.at.script_caller))
		inner = target->settings.at.script_client;
	run->client = client;
	run->is_over = !inner && target->settings.at.executing_client;
	if (!client && !inner) {
		context->state = CONTEXT_LOOP;
		return 0;
	}
	if (!client) {
		read_client(target, inner, &command, context, &run->argv);
		context->command = command;
		context->state = CONTEXT_NO_CALLER;
		return 0;
	}
	if (!read_client(target, client, &command, context, &run->argv))
		return 0;
	context->command = command;
	if (client == target->settings.own_client) {
		context->state = CONTEXT_OWN;
		context->key_len = 0;
	} else if (inner && inner != client) {
		run->in_script = true;
		read_inner(target, inner, context);
	}
	return 0;
}
