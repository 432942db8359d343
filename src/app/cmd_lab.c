/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem lab: two servers, or two ways to set one up, beside each other. */
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/lab_show.h"
#include "app/lab_work.h"
#include "app/print.h"
#include "lab/scenario.h"

static int list(const struct options *o)
{
	struct buf out = {};
	struct err err = {};
	int ret = o->lab.count > 1 ? lab_scenario_show(&out, o->lab.words[1], &err) :
				     lab_scenario_list(&out, &err);

	ret = ret ? print_failure(&err) : print_out(&out);
	buf_free(&out);
	return ret;
}

static const struct {
	const char *word, *arguments;
	size_t least, most; /* words, with its own */
	int (*run)(const struct options *o);
} actions[] = {
	{ "run", "SCENARIO", 2, 2, lab_work },
	{ "list", "[SCENARIO]", 1, 2, list },
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
