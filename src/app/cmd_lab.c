/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem lab: two servers, or two ways to set one up, beside each other. */
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/lab_show.h"

static const struct {
	const char *word, *arguments;
	size_t least, most; /* words, with its own */
	int (*run)(const struct options *o);
} actions[] = {
	{ "show", "FILE", 2, 2, lab_show },
	{ "diff", "BEFORE AFTER", 3, 3, lab_show_diff },
};

int cmd_lab(const struct options *o)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (!o->lab.count || strcmp(actions[i].word, o->lab.words[0]) != 0)
			continue;
		if (o->lab.count >= actions[i].least && o->lab.count <= actions[i].most)
			return actions[i].run(o);
		fprintf(stderr, "redmem: it is `redmem lab %s %s`\n", actions[i].word,
			actions[i].arguments);
		return 2;
	}
	fprintf(stderr, "redmem: lab does not know '%.40s'; see `redmem lab --help`\n",
		o->lab.count ? o->lab.words[0] : "");
	return 2;
}
