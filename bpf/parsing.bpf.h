/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose arguments are being read? Most of a SET's memory is allocated before there
 * is a current client: while the server reads the value from the socket. The client
 * is then a local variable of readQueryFromClient(), processInputBuffer() and
 * processMultibulkBuffer(): in a register they must keep, or near the top of the
 * stack.
 *
 * Command and key stand in the client's query buffer, a little before the place that is
 * read from it (qb_pos), from the first allocation for a command on: so argv, name, key
 * and values are all charged to the same key, as they are when they are freed. Where the
 * command's begin has gone (large values, many arguments) name and key have been made: they
 * are in argv.
 */
#pragma once

#include "background.bpf.h"

#define NAME_BYTES_MAX 20
#define QUERY_BACK     128 /* looked through for the command's begin */
#define QUERY_WINDOW   256 /* a power of two */

static __always_inline bool is_heap_pointer(u64 word)
{
	return word >= 0x10000 && word < (1ULL << REDMEM_ADDRESS_BITS) && !(word & 7);
}

struct query_window {
	u8 byte[QUERY_WINDOW];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct query_window);
} query_window SEC(".maps") __weak;

static __always_inline struct query_window *this_window(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&query_window, &zero);
}

static __always_inline u8 byte_at(const struct query_window *window, u32 at)
{
	return window->byte[at & (QUERY_WINDOW - 1)];
}

static __always_inline bool is_digit(u8 c)
{
	return c >= '0' && c <= '9';
}

#define NUMBER_AT_BITS 16 /* below a number: the place behind its end of line */

/*
 * The number behind the sign at @at ("*3", "$16"), and where to go on; 0 when there is none.
 * Global, as the next: the verifier then looks at their loops once.
 */
__weak __noinline u64 read_number(u32 sign, u32 at)
{
	const struct query_window *window = this_window();
	u64 number = 0;

	if (!window || byte_at(window, at) != (u8)sign)
		return 0;
	at++;
	for (int i = 0; i < 9 && is_digit(byte_at(window, at)); i++, at++)
		number = number * 10 + byte_at(window, at) - '0';
	if (byte_at(window, at) != '\r')
		return 0;
	return number << NUMBER_AT_BITS | ((at + 2) & (QUERY_WINDOW - 1));
}

#define BACK_AT_ONCE 8

/* Where of the BACK_AT_ONCE places before @at of the window a command begins; @at when none
 * does. */
__weak __noinline u32 command_begin_near(u32 at)
{
	const struct query_window *window = this_window();

	for (u32 back = 1; window && back <= BACK_AT_ONCE && back <= at; back++) {
		u32 here = at - back;

		if (byte_at(window, here) == '*' && is_digit(byte_at(window, here + 1)) &&
		    (!here || byte_at(window, here - 1) == '\n'))
			return here;
	}
	return at;
}

/* Where in the window the command begins that is being read at @at; @at when it does not
 * begin there. */
static __always_inline u32 command_begin(u32 at)
{
	for (u32 back = 0; back < QUERY_BACK && back < at; back += BACK_AT_ONCE) {
		u32 here = command_begin_near(at - back);

		if (here != at - back)
			return here;
	}
	return at;
}

/* Does the text between two commands begin at @at, or an argument that looks like it? */
static __always_inline bool is_between(const struct query_window *window, u32 at)
{
	u32 back = 3; /* over "\r\n" */

	if (byte_at(window, at) != '*' || !is_digit(byte_at(window, at + 1)) ||
	    (at && byte_at(window, at - 1) != '\n'))
		return false;
	for (int i = 0; i < 9 && back <= at && is_digit(byte_at(window, at - back)); i++)
		back++;
	return !at || back > at || byte_at(window, at - back) != '$';
}

#define NUMBER(found)	 ((u32)((found) >> NUMBER_AT_BITS))
#define NUMBER_AT(found) ((u32)(found) & (QUERY_WINDOW - 1))

/* First 8 bytes of a command's name, as CONTEXT_TEXT has them; 0 when it is none. */
static __always_inline u64 name_of(u64 text, u32 len)
{
	u64 name = 0;

	if (!len || len > NAME_BYTES_MAX ||
	    bpf_probe_read_user(&name, len < 8 ? len & 7 : 8, (void *)text) ||
	    (name & 0xdf) < 'A' || (name & 0xdf) > 'Z')
		return 0;
	return name;
}

static __always_inline bool is_of_word(u8 c)
{
	return c > ' ' && c != '"' && c != '\'';
}

#define WORD_BYTES_MAX 80

/* How many bytes the word has that begins at @at of the window. Global: the verifier would look at
 * the second word's loop once for each length of the first (7.3 does). */
__weak __noinline u32 word_bytes(u32 at)
{
	const struct query_window *window = this_window();
	u32 bytes = 0;

	while (window && bytes < WORD_BYTES_MAX && is_of_word(byte_at(window, at + bytes)))
		bytes++;
	return bytes;
}

/* Read the query from some way before @position on; returns where the window begins in it,
 * NO_LENGTH when it cannot be read. */
static __always_inline u64 open_window(u64 query, u64 position, u64 len)
{
	struct query_window *window = this_window();
	u64 from = position > QUERY_BACK ? position - QUERY_BACK : 0;
	u32 bytes = len - from < QUERY_WINDOW ? len - from : QUERY_WINDOW;

	if (!window)
		return NO_LENGTH;
	/* What is behind the query's end must not be taken for a part of it. */
	__builtin_memset(window, 0, sizeof(*window));
	if (bpf_probe_read_user(window, bytes > QUERY_WINDOW ? QUERY_WINDOW : bytes,
				(void *)(query + from)))
		return NO_LENGTH;
	return from;
}

/* What is allocated between two commands is none's: the queue of those that were read
 * (Valkey 9). QUERY_LINE: read_line() tells. */
enum query_found { QUERY_NONE, QUERY_COMMAND, QUERY_BETWEEN, QUERY_LINE };

/* May a line of words begin where the query is read? Not behind a command's first argument. */
enum query_line { LINE_NEVER, LINE_MAYBE, LINE_ONLY };

/* Command and key from the query buffer @query, read up to @position: enum query_found.
 * @line: enum query_line. */
__weak __noinline int read_query(u64 query, u64 position, u32 line, struct redmem_context *context)
{
	u64 len = sds_length(query), from, name, found;
	const struct query_window *window = this_window();
	u32 arguments, at;

	if (!context || len > KEY_LENGTH_MAX || position >= len)
		return QUERY_NONE;
	from = open_window(query, position, len);
	if (from == NO_LENGTH)
		return QUERY_NONE;
	if (!window || is_between(window, position - from))
		return QUERY_BETWEEN;
	found = line == LINE_ONLY ? 0 : read_number('*', command_begin(position - from));
	arguments = NUMBER(found);
	found = read_number('$', NUMBER_AT(found));
	name = arguments ? name_of(query + from + NUMBER_AT(found), NUMBER(found)) : 0;
	if (!name && line != LINE_NEVER)
		return QUERY_LINE;
	if (!name)
		return QUERY_NONE;
	context->state = CONTEXT_PARSING;
	context->command = name;
	at = NUMBER_AT(found) + NUMBER(found) + 2;
	found = arguments > 1 ? read_number('$', at) : 0;
	query += from + NUMBER_AT(found);
	if (found && from + NUMBER_AT(found) + NUMBER(found) <= len) {
		context->key_guessed = KEY_GUESSED;
		take_key(context, query, NUMBER(found));
	}
	return QUERY_COMMAND;
}

/*
 * The same where read_query() has found a line of words ("SET key value", as people type it and
 * `redis-cli --pipe` takes it), of what it has read. A word in quotes is no key: it is told
 * without. Called beside it and not by it: 6.1 gives all calls that are open 512 bytes of stack.
 */
__weak __noinline int read_line(u64 query, u64 position, struct redmem_context *context)
{
	const struct query_window *window = this_window();
	u32 at = position < QUERY_BACK ? position : QUERY_BACK, bytes;
	u64 name;

	barrier_var(at); /* or the bound of byte_at(), which the compiler can spare, is left out */
	if (!context || !window || (at && byte_at(window, at - 1) != '\n'))
		return QUERY_NONE;
	bytes = word_bytes(at);
	at += bytes;
	if (byte_at(window, at) != ' ' && byte_at(window, at) != '\r')
		return QUERY_NONE;
	name = name_of(query + position, bytes);
	if (!name)
		return QUERY_NONE;
	context->state = CONTEXT_PARSING;
	context->command = name;
	if (byte_at(window, at) == '\r')
		return QUERY_COMMAND;
	query += position + bytes + 1;
	at++;
	bytes = word_bytes(at);
	if (bytes && (byte_at(window, at + bytes) == ' ' || byte_at(window, at + bytes) == '\r')) {
		context->key_guessed = KEY_GUESSED;
		take_key(context, query, bytes);
	}
	return QUERY_COMMAND;
}

/* The same from those of its @made arguments that are objects already. */
static __always_inline int read_made(struct redmem_target *target, u64 argv, u32 made,
				     struct redmem_context *context)
{
	u64 object, text, name;

	if (!is_heap_pointer(argv))
		return 0;
	object = read_word(argv);
	text = is_heap_pointer(object) ? object_text(target, object) : 0;
	name = text ? name_of(text, sds_length(text)) : 0;
	if (!name)
		return 0;
	context->command = name;
	context->state = CONTEXT_PARSING;
	if (made > 1) {
		context->key_guessed = KEY_GUESSED;
		read_key(target, context, argv, 1, false);
	}
	return 1;
}

/*
 * Is what @client frees, which has read @argc arguments of a command, no part of that? Before
 * its first argument it frees the array of the command before (Redis 8.0 keeps it for the
 * next one). And the queue of commands that were read, once all of them were executed (Valkey
 * 9, where it stands before cmd: address; length, place and room of 16 bits each); it was
 * allocated between two commands.
 */
__weak __noinline int is_of_others(const struct redmem_target *target, u64 client, u32 argc)
{
	u64 queue[2] = {};
	u16 room;

	if (!argc)
		return 1;
	if (!target || !target->settings.at.cmd ||
	    bpf_probe_read_user(queue, sizeof(queue),
				(void *)(client + target->settings.at.cmd - sizeof(queue))))
		return 0;
	room = queue[1] >> 32;
	return is_heap_pointer(queue[0]) && !(u32)queue[1] && room && !(room & (room - 1));
}

/* Is @client, which has neither command nor arguments, between two commands? No other word of
 * memory is likely to have a command's address there. The first one found is kept. */
static __always_inline void note_idle(const struct redmem_target *target, u64 client)
{
	struct stack_words *words = this_words();

	if (!words || words->idle || client == target->settings.own_client)
		return;
	words->idle_command = last_command(target, client);
	if (words->idle_command)
		words->idle = client;
}

/* Fill @context when @client is one whose arguments are being read, and what is allocated or
 * @freed is theirs; 1 when it is. Nearly all words are no clients', so what tells the most of
 * them is asked first: a query buffer's text is at an odd address (sds.h). */
__weak __noinline int try_parsing(struct redmem_target *target, u64 client,
				  struct redmem_context *context, bool freed)
{
	u64 query[2] = {};
	int found = QUERY_NONE;
	u32 argc = 0, line = LINE_NEVER;

	if (!target || !context || !is_heap_pointer(client))
		return 0;
	if (target->settings.at.querybuf)
		bpf_probe_read_user(query, sizeof(query),
				    (void *)(client + target->settings.at.querybuf));
	if ((query[0] && !(query[0] & 1)) || query[1] > KEY_LENGTH_MAX ||
	    bpf_probe_read_user(&argc, sizeof(argc), (void *)(client + target->settings.at.argc)) ||
	    argc > REDMEM_ARGUMENTS_MAX)
		return 0;
	if (target->settings.at.cmd) {
		if (read_word(client + target->settings.at.cmd))
			return 0;
		if (!argc)
			note_idle(target, client);
	}
	if (!argc)
		line = LINE_MAYBE;
	if (freed && is_of_others(target, client, argc)) {
		/* A line is cut into arguments before there is the first of them. */
		if (argc)
			return 0;
		line = LINE_ONLY;
	}
	if (query[0])
		found = read_query(query[0], query[1], line, context);
	if (found == QUERY_LINE)
		found = read_line(query[0], query[1], context);
	if (found == QUERY_BETWEEN)
		return 0;
	/* Most compilers have the server count an argument before it is made
	 * (c->argv[c->argc++] = createStringObject(...), networking.c). */
	if (argc && !target->settings.at.querybuf)
		argc--;
	if (found != QUERY_COMMAND &&
	    (!argc ||
	     !read_made(target, read_word(client + target->settings.at.argv), argc, context)))
		return 0;
	context->db = client_db(target, client);
	if (client == target->settings.own_client)
		context->state = CONTEXT_OWN;
	return 1;
}

/* In struct multiCmd, behind argv, argc and the room of argv (multi.c, all versions). */
#define MULTI_COMMAND 16

/* Is @word the address of a struct multiCmd? Then @context is its command and key. Words left
 * over on the stack lead to text, too: argv must be that of the command. */
__weak __noinline int try_queued(struct redmem_target *target, u64 word,
				 struct redmem_context *context)
{
	u64 argv;

	if (!target || !context || !is_heap_pointer(word))
		return 0;
	argv = read_word(word);
	return is_heap_pointer(argv) && is_argv_of(target, argv, read_word(word + MULTI_COMMAND)) &&
	       read_made(target, argv, 2, context);
}

/* The same of where @word leads. */
__weak __noinline int try_queued_behind(struct redmem_target *target, u64 word,
					struct redmem_context *context)
{
	return target && context && is_heap_pointer(word) &&
	       try_queued(target, read_word(word), context);
}

/* The same of the words of @client: when the array of its commands is freed, which is last, some
 * servers have its address there only (Redis 8.0), or where one of them leads (Valkey 8.1). */
__weak __noinline int try_queue_of(struct redmem_target *target, u64 client,
				   struct redmem_context *context)
{
	u32 zero = 0;
	struct client_words *words = bpf_map_lookup_elem(&client_words, &zero);

	if (!target || !context || !words || !client ||
	    bpf_probe_read_user(words, sizeof(*words), (void *)(client + target->settings.at.argv)))
		return 0;
	for (u32 i = 0; i < CLIENT_WORDS; i++)
		if (try_queued(target, words->word[i], context))
			return 1;
	for (u32 i = 0; i < CLIENT_WORDS; i++)
		if (try_queued_behind(target, words->word[i], context))
			return 1;
	return 0;
}

/* When the commands of a transaction of @client are freed: whose arguments are these? Behind
 * context_background(), for what read_stack() has read. */
__weak __noinline int context_is_queued(struct redmem_target *target, u64 client,
					struct redmem_context *context)
{
	struct stack_words *words = this_words();

	if (!target || !context || !words)
		return 0;
	/* Nothing is asked here before the call, which asks it itself: of the loop that the
	 * compiler makes then, 6.1 says that it has a back-edge. */
	for (u32 i = 0; i < SAVED_REGISTERS + BACKGROUND_STACK_WORDS; i++)
		if (try_queued(target, words->word[i], context))
			return 0;
	try_queue_of(target, client, context);
	return 0;
}

#define PARSING_AT_ONCE 17 /* a ninth of them on x86-64 */

/* Is one of PARSING_AT_ONCE words from @from on a client whose arguments are being read?
 * Then @context is its command and key. */
__weak __noinline int parsing_among(struct redmem_target *target, u32 from,
				    struct redmem_context *context, bool freed)
{
	struct stack_words *words = this_words();

	if (!target || !context || !words)
		return 0;
	for (u32 n = 0; n < PARSING_AT_ONCE; n++) {
		u32 i = from + n;

		barrier_var(i); /* or the place is worked out before it is checked */
		if (i >= SAVED_REGISTERS + STACK_WORDS)
			break;
		/* Nothing is allocated above a stack, but the stack. */
		if (!is_heap_pointer(words->word[i]) || words->word[i] >= words->stack ||
		    !try_parsing(target, words->word[i], context, freed))
			continue;
		target->recent_places[target->recent_next++ & (REDMEM_RECENT_PLACES - 1)] = i;
		return 1;
	}
	return 0;
}

/*
 * For the main thread in CONTEXT_LOOP, behind read_stack(). Of all that the stack shows, a client
 * whose arguments are being read: with many clients, those before it are still there, and read
 * nothing.
 */
__weak __noinline int context_parsing(struct redmem_target *target, struct redmem_context *context,
				      bool freed)
{
	struct stack_words *words = this_words();

	if (!target || !context || !words)
		return 0;
	for (u32 i = 0; i < REDMEM_RECENT_PLACES; i++) {
		u32 place = target->recent_places[i];

		if (place < SAVED_REGISTERS + STACK_WORDS &&
		    try_parsing(target, words->word[place], context, freed))
			return 0;
	}
	words->idle = 0;
	for (u32 from = 0; from < SAVED_REGISTERS + STACK_WORDS; from += PARSING_AT_ONCE)
		if (parsing_among(target, from, context, freed))
			return 0;
	if (!words->idle)
		return 0;
	context->command = words->idle_command;
	context->state = CONTEXT_AFTER;
	context->db = client_db(target, words->idle);
	return 0;
}

/*
 * Behind context_parsing(), which has found a client between two commands: the key of the
 * first of those it sent last. The client's place in the list of those to be written to was
 * allocated in its name, as were its replies. The buffer is empty by then, but for its first
 * byte the text is there still.
 */
__weak __noinline int context_replied(struct redmem_target *target, struct redmem_context *context)
{
	struct stack_words *words = this_words();
	struct query_window *window = this_window();
	u32 arguments, at;
	u64 query, found;

	if (!target || !context || !words || !window || !target->settings.at.querybuf)
		return 0;
	query = read_word(words->idle + target->settings.at.querybuf);
	__builtin_memset(window, 0, sizeof(*window));
	if (!(query & 1) || bpf_probe_read_user(window, QUERY_BACK, (void *)query))
		return 0;
	window->byte[0] = '*';
	found = read_number('*', 0);
	arguments = NUMBER(found);
	found = read_number('$', NUMBER_AT(found));
	at = NUMBER_AT(found) + NUMBER(found) + 2;
	found = arguments > 1 && NUMBER(found) && NUMBER(found) <= NAME_BYTES_MAX ?
			read_number('$', at) :
			0;
	if (!found || NUMBER_AT(found) + NUMBER(found) > QUERY_BACK)
		return 0;
	context->key_guessed = KEY_GUESSED;
	take_key(context, query + NUMBER_AT(found), NUMBER(found));
	return 0;
}
