/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line; see options.h. */
#include "app/options.h"

#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/options_rules.h"
#include "app/options_table.h"
#include "app/redact_names.h"
#include "base/buf.h"
#include "history/history.h"

static void wipe(char *text)
{
	explicit_bzero(text, strlen(text));
}

/* By this and its place in the table argp knows an option; a letter is below. */
#define FIRST_KEY 0x100

static const struct option_row *row_of(int key)
{
	if (key >= FIRST_KEY && (size_t)(key - FIRST_KEY) < option_rows_count)
		return &option_rows[key - FIRST_KEY];
	for (size_t i = 0; i < option_rows_count; i++)
		if (option_rows[i].letter == key)
			return &option_rows[i];
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	const struct option_row *row;

	switch (key) {
	case ARGP_KEY_ARG:
		take_argument(state, o, arg);
		return 0;
	case ARGP_KEY_END:
		options_check(state, o);
		o->stacks |= o->profile.pprof || o->profile.folded || o->profile.speedscope ||
			     options_has_group(o->of, 'u');
		o->push.own_words = o->hide_names;
		if (options_has_group(o->of, '1') && !o->replay_path)
			take_key_name(state, o);
		return 0;
	}
	row = row_of(key);
	if (!row)
		return ARGP_ERR_UNKNOWN;
	row->take(&(struct given){ state, row, arg, o });
	return 0;
}

/* How much of it is the first thing that it says. */
static int first_words(const char *doc)
{
	static const char *const ends[] = { ". ", ": ", "; ", " (" };
	size_t length = strlen(doc);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const char *end = strstr(doc, ends[i]);

		if (end && (size_t)(end - doc) < length)
			length = (size_t)(end - doc);
	}
	return (int)length;
}

void options_list(const struct command *command)
{
	const char *arguments = command->arguments ? command->arguments : "";

	printf("%s\t\t\t", command->name);
	for (; *arguments; arguments++) /* another form of the command is another line in --help */
		fputs(*arguments == '\n' ? " | " : (const char[]){ *arguments, 0 }, stdout);
	printf("\t%s\n", command->summary);
	for (size_t i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->take || !options_has_group(command, row->group))
			continue;
		printf("%s\t", command->name);
		if (row->letter)
			printf("-%c", row->letter);
		printf("\t%s%s\t", row->name ? "--" : "", row->name ? row->name : "");
		if (row->arg)
			printf(row->optional ? "[%s]" : "%s", row->arg);
		printf("\t%.*s\n", first_words(row->doc), row->doc);
	}
}

/* The options of @command as argp wants them, after which comes one of zeros. */
static struct argp_option *list_for(const struct command *command)
{
	struct argp_option *list = xcalloc(option_rows_count + 1, sizeof(*list)), *next = list;

	for (size_t i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		int key = row->letter ? row->letter : FIRST_KEY + (int)i;

		if (options_has_group(command, row->group))
			*next++ = (struct argp_option){
				.name = row->name,
				.key = row->take ? key : 0, /* a headline has none */
				.arg = row->arg,
				.flags = row->optional ? OPTION_ARG_OPTIONAL : 0,
				.doc = row->doc,
				.group = row->section,
			};
	}
	return list;
}

void options_parse(struct options *o, const struct command *command, int argc, char **argv)
{
	struct argp_option *list = list_for(command);
	char *password = getenv("REDISCLI_AUTH");
	struct buf doc = {}, name = {};
	struct argp argp = { .options = list, .parser = parse, .args_doc = command->arguments };

	*o = (struct options){ .of = command,
			       .duration_seconds = NAN,
			       .every_seconds = NAN,
			       .threshold_ms = NAN,
			       .budget_percent = NAN,
			       .sensors = command->sensors,
			       .key_samples = -1,
			       .push = { .name = "redmem" },
			       .past = { .state = HISTORY_DIR },
			       .lab = { .max_regress_percent = NAN,
					.precision_percent = NAN,
					.limit_seconds = NAN },
			       .keys = { .samples = -1, .top = 10, .max_ms = NAN } };
	if (password && *password)
		o->password = xstrdup(password);
	/* Whatever is started from here on has none in its environment. */
	if (password)
		wipe(password);
	unsetenv("REDISCLI_AUTH");
	buf_printf(&doc, "%s\v%s", command->doc, command->examples);
	argp.doc = buf_str(&doc);
	buf_printf(&name, "redmem %s", command->name);
	argv[0] = (char *)buf_str(&name);
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, o);
	buf_free(&doc);
	free(list);
	/* argv[0] stays in use by argp's messages only while parsing */
	argv[0] = (char *)"redmem";
	buf_free(&name);
}

void options_free(struct options *o)
{
	if (o->password)
		wipe(o->password);
	free(o->password);
	for (size_t i = 0; i < o->rdb.count; i++)
		free(o->rdb.inputs[i].text);
	free(o->rdb.inputs);
	free(o->lab.assignments);
	free(o->key);
	uri_free(&o->uri);
	redact_key_free(o->redact);
}
