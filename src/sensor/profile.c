/* SPDX-License-Identifier: BSD-2-Clause */
/* The in-kernel aggregates as records: pointers and addresses become names here. */
#include "sensor/internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>

#include "base/buf.h"
#include "base/clock.h"
#include "record/schema.h"
#include "target/commands.h"
#include "target/symbols.h"

static const char *const background_names[BACKGROUND_KINDS] = {
	[BACKGROUND_EXPIRY] = "(expiry)",
	[BACKGROUND_EVICTION] = "(eviction)",
	[BACKGROUND_DEFRAG] = "(defrag)",
};

static bool is_text(const struct redmem_context *context)
{
	return context->state == CONTEXT_TEXT || context->state == CONTEXT_PARSING;
}

/* The first bytes of argv[0], lower case, as far as they are a word; the whole name
 * when all of them are and a command begins so. */
static const char *text_command(struct sensors *s, char text[9], uint64_t word)
{
	const char *whole;

	memcpy(text, &word, 8);
	for (size_t i = 0; i < 8; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
			text[i] = '\0';
		text[i] = tolower((unsigned char)text[i]);
	}
	if (!*text)
		return "(unknown)"; /* "" would be the event loop */
	whole = strlen(text) == 8 && s->names.commands ?
			target_commands_begin(s->names.commands, text) :
			NULL;
	return whole ? whole : text;
}

/* Name of the command that @word of @context stands for. */
static const char *command_of(struct sensors *s, const struct redmem_context *context,
			      uint64_t word, char text[9])
{
	const char *name;

	if (is_text(context))
		return text_command(s, text, word);
	if (!word)
		return "";
	name = s->names.commands ? target_commands_name(s->names.commands, word) : NULL;
	return name ? name : "(unknown)";
}

/* A key read from argv[1] before the place was known: right for most commands. */
static bool key_is_right(struct sensors *s, const struct redmem_context *context,
			 const struct context_names *names)
{
	bool inner = context->key_guessed == KEY_GUESSED_INNER;
	struct redmem_key_rule rule;

	if (context->key_guessed == KEY_KNOWN)
		return true;
	if (is_text(context))
		rule = target_commands_rule_named(s->names.commands,
						  inner ? names->inner : names->command);
	else if (s->names.commands)
		rule = target_commands_rule(s->names.commands,
					    inner ? context->inner : context->command);
	else
		return true;
	return rule.kind == KEY_INDEX && rule.index == 1;
}

bool context_resolve(struct sensors *s, const struct redmem_context *context,
		     struct context_names *names)
{
	*names = (struct context_names){
		.command = "", .inner = "", .thread = "", .db = RECORD_UNKNOWN
	};
	switch (context->state) {
	case CONTEXT_OWN:
		return false;
	case CONTEXT_THREAD:
		snprintf(names->thread_text, sizeof(names->thread_text), "%.16s", context->key);
		names->thread = names->thread_text;
		return true;
	case CONTEXT_UNKNOWN:
		names->command = "(unknown)";
		return true;
	case CONTEXT_LOOP:
		return true;
	case CONTEXT_BACKGROUND:
		names->command = context->command < BACKGROUND_KINDS ?
					 background_names[context->command] :
					 "";
		return true;
	}
	names->command = command_of(s, context, context->command, names->outer_text);
	if (context->inner)
		names->inner = command_of(s, context, context->inner, names->inner_text);
	if (context->db)
		names->db = (int64_t)context->db - 1;
	if (context->key_len && key_is_right(s, context, names)) {
		names->key = (struct bytes){ context->key, context->key_len };
		names->key_truncated = context->key_cut;
	}
	return true;
}

/* "syscall_7"; "" when it was in none. */
static const char *wait_symbol(uint64_t syscall_number, char text[32])
{
	if (syscall_number >= 0xffffffff)
		return "";
	snprintf(text, 32, "syscall_%llu", (unsigned long long)syscall_number);
	return text;
}

void profile_row(struct sensors *s, const struct redmem_profile_key *key,
		 const struct redmem_profile_value *value, const char *stack)
{
	struct record record = { .kind = RECORD_PROFILE };
	struct record_profile *p = &record.profile;
	struct context_names names;
	char wait[32];

	if (key->event >= EVENT_KINDS || !context_resolve(s, &key->context, &names))
		return;
	p->event = key->event;
	p->thread = names.thread;
	p->command = names.command;
	p->inner = names.inner;
	p->key = names.key;
	p->key_truncated = names.key_truncated;
	p->db = names.db;
	p->symbol = "";
	p->stack = stack;
	if (key->event == EVENT_CPU && s->names.symbols)
		p->leaf = target_symbols_leaf(s->names.symbols, key->user_ip, key->kernel_ip,
					      &p->symbol);
	else if (key->event == EVENT_IO_WAIT)
		p->symbol = wait_symbol(key->user_ip, wait);
	p->samples = value->samples;
	p->events = value->events;
	p->scale = event_table[key->event].unit == UNIT_BYTES ? flow_scale(s, key) : NAN;
	p->seconds = value->timed ? value->ns / 1e9 : NAN;
	p->timed = value->timed;
	p->t_seconds = sensor_seconds(s, s->drained_until_ns);
	p->class_bytes = RECORD_UNKNOWN;
	if (key->event == EVENT_ALLOC_CLASS || key->event == EVENT_FREE_CLASS)
		p->class_bytes = (int64_t)key->user_ip;
	record_emit(s->sink, &record);
}
