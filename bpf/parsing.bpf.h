/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose arguments are being read? Most of a SET's memory is allocated before there
 * is a current client: while the server reads the value from the socket. The client
 * is then a local variable of readQueryFromClient(), processInputBuffer() and
 * processMultibulkBuffer(): in a register they must keep, or near the top of the
 * stack. A word is taken for it only when it looks like one in every way: no command
 * yet, some arguments, the first of them a string object with a command's name; or
 * none, and a last command.
 */
#pragma once

#include "attribution.bpf.h"
#include "arch.bpf.h"

#define STACK_WORDS    64
#define ARGUMENTS_MAX  (1 << 20) /* of one command; the server's limit is 1024 * 1024 */
#define NAME_BYTES_MAX 20

struct stack_words {
	u64 word[SAVED_REGISTERS + STACK_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_words);
} stack_words SEC(".maps") __weak;

static __always_inline bool is_heap_pointer(u64 word)
{
	return word >= 0x10000 && word < (1ULL << 47) && !(word & 7);
}

/* Fill @who when @client is one whose arguments are being read; 1 when it is. */
__weak __noinline int try_parsing(struct redmem_target *target, u64 client, struct redmem_who *who)
{
	u64 argv, text, name = 0;
	u32 argc = 0, len;

	if (!target || !who || !is_heap_pointer(client) ||
	    bpf_probe_read_user(&argc, sizeof(argc), (void *)(client + target->settings.at.argc)) ||
	    argc > ARGUMENTS_MAX)
		return 0;
	if (target->settings.at.cmd && read_word(client + target->settings.at.cmd))
		return 0;
	if (client == target->settings.own_client) {
		/* Without arguments it may be a word left over from when it was its turn. */
		if (!argc)
			return 0;
		if (argc > target->own_arguments)
			target->own_arguments = argc;
		who->state = WHO_OWN;
		return 1;
	}
	/* How many are made: most compilers have the server count one before it is made
	 * (c->argv[c->argc++] = createStringObject(...), networking.c). */
	if (!target->settings.argument_first && argc)
		argc--;
	if (!argc) {
		/* Between two commands, while argv and the name are made: no other word of
		 * memory is likely to have a command's address there. */
		who->command = last_command(target, client);
		if (who->command)
			who->state = WHO_AFTER;
		return who->command != 0;
	}
	argv = read_word(client + target->settings.at.argv);
	if (!is_heap_pointer(argv))
		return 0;
	text = read_word(argv);
	text = is_heap_pointer(text) ? object_text(target, text) : 0;
	if (!text)
		return 0;
	len = sds_length(text);
	if (!len || len > NAME_BYTES_MAX ||
	    bpf_probe_read_user(&name, len < 8 ? len & 7 : 8, (void *)text) ||
	    (name & 0xdf) < 'A' || (name & 0xdf) > 'Z')
		return 0;
	who->state = WHO_PARSING;
	who->command = name;
	if (argc > 1) {
		who->key_guessed = KEY_GUESSED;
		read_key(target, who, argv, 1);
	}
	return 1;
}

/* For the main thread in WHO_LOOP. */
static __always_inline void who_is_parsing(struct redmem_target *target, struct redmem_who *who)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stack_words *words;
	u32 zero = 0;
	u64 stack;

	words = bpf_map_lookup_elem(&stack_words, &zero);
	if (!words)
		return;
	stack = saved_registers((struct pt_regs *)bpf_task_pt_regs(task), words->word);
	if (bpf_probe_read_user(words->word + SAVED_REGISTERS, STACK_WORDS * 8, (void *)stack))
		return;
	for (u32 i = 0; i < REDMEM_RECENT_PLACES; i++) {
		u32 place = target->recent_places[i];

		if (place < SAVED_REGISTERS + STACK_WORDS &&
		    try_parsing(target, words->word[place], who))
			return;
	}
	for (u32 i = 0; i < SAVED_REGISTERS + STACK_WORDS; i++) {
		if (!is_heap_pointer(words->word[i]) || !try_parsing(target, words->word[i], who))
			continue;
		target->recent_places[target->recent_next++ & (REDMEM_RECENT_PLACES - 1)] = i;
		return;
	}
}
