/* SPDX-License-Identifier: BSD-2-Clause */
/* The rule table (rules.h) and the run over it. */
#include <stdlib.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/rules.h"

#define RULE_ENTRY(id, name) { id, rule_##name },
const struct rule rules[] = { RULES(RULE_ENTRY) };
#undef RULE_ENTRY
const size_t rules_count = sizeof(rules) / sizeof(rules[0]);

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { "info", "warning", "critical" };

	return names[severity];
}

/* Critical first, then by cost; the id makes equal costs come in one order. */
static int finding_compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->cost != y->cost)
		return x->cost > y->cost ? -1 : 1;
	return strcmp(x->id, y->id);
}

struct findings *diagnose(const struct model *m)
{
	return diagnose_some(m, "");
}

struct findings *diagnose_some(const struct model *m, const char *ids)
{
	struct findings *all = xcalloc(1, sizeof(*all));

	all->items = xcalloc(rules_count, sizeof(*all->items));
	for (size_t i = 0; i < rules_count; i++) {
		struct finding *f = &all->items[all->count];

		if (strncmp(rules[i].id, ids, strlen(ids)) != 0)
			continue;
		f->id = rules[i].id;
		if (rules[i].evaluate(m, f))
			all->count++;
		else
			finding_clear(f);
	}
	qsort(all->items, all->count, sizeof(*all->items), finding_compare);
	return all;
}

void findings_free(struct findings *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->count; i++)
		finding_clear(&f->items[i]);
	free(f->items);
	free(f);
}
