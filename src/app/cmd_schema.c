/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem schema: the JSON Schema of what another command prints, or answers. */
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/print.h"
#include "report/schema.h"

static const struct command *find(const struct command *commands, const char *name)
{
	for (; commands->name; commands++)
		if (!strcmp(commands->name, name))
			return commands;
	return NULL;
}

int cmd_schema(const struct options *o)
{
	const struct command *command = find(o->commands, o->about);
	struct buf out = {}, title = {};
	int ret;

	if (!command || !command->documents) {
		fprintf(stderr, "redmem: schema: %s '%.40s'; those with --json are:",
			command ? "there is no JSON of" : "no command", o->about);
		for (const struct command *c = o->commands; c->name; c++)
			if (c->documents)
				fprintf(stderr, " %s", c->name);
		fputc('\n', stderr);
		return 2;
	}
	buf_printf(&title, "redmem %s, as JSON", command->name);
	report_schema(&out, buf_str(&title), command->documents);
	ret = print_out(&out);
	buf_free(&title);
	buf_free(&out);
	return ret;
}
