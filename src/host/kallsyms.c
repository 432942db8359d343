/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel functions by address; see kallsyms.h. */
#include "host/kallsyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "host/file.h"

/* Names lie in one piece of memory, well below 4 GiB. */
struct entry {
	uint64_t address;
	uint32_t name;
};

struct kallsyms {
	struct entry *entry;
	size_t count;
	size_t room;
	size_t hidden; /* text symbols with address 0 */
	struct buf names;
};

/* "ffffffff81000000 T _text", with a tab and "[module]" behind those of modules. */
static int symbol_line(void *ctx, char *line, size_t len)
{
	struct kallsyms *t = ctx;
	uint64_t address;
	char *p;

	(void)len;
	address = strtoull(line, &p, 16);
	if (p == line || p[0] != ' ' || !p[1] || !strchr("tTwW", p[1]) || p[2] != ' ' || !p[3])
		return 0;
	if (!address) {
		t->hidden++;
		return 0;
	}
	p += 3;
	p[strcspn(p, "\t ")] = '\0';
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 4096;
		t->entry = xrealloc(t->entry, t->room * sizeof(*t->entry));
	}
	t->entry[t->count++] = (struct entry){ address, (uint32_t)t->names.len };
	buf_add(&t->names, p, strlen(p) + 1);
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return (x->name > y->name) - (x->name < y->name);
}

static int finish(struct kallsyms **out, struct kallsyms *t, int ret, struct err *err)
{
	if (!ret && !t->count)
		ret = err_set(err, t->hidden ? -EPERM : -ENOENT,
			      "kallsyms: %s; run as root, or set kernel.kptr_restrict to 0 or 1",
			      t->hidden ? "the kernel hides its addresses" : "no symbols");
	if (ret) {
		kallsyms_free(t);
		return ret;
	}
	qsort(t->entry, t->count, sizeof(*t->entry), compare_entries);
	*out = t;
	return 0;
}

int kallsyms_parse(struct kallsyms **out, const char *text, size_t len, struct err *err)
{
	struct kallsyms *t = xcalloc(1, sizeof(*t));

	return finish(out, t, text_lines(text, len, symbol_line, t), err);
}

int kallsyms_read(struct kallsyms **out, struct err *err)
{
	struct kallsyms *t = xcalloc(1, sizeof(*t));

	return finish(out, t, file_lines("/proc/kallsyms", symbol_line, t, err), err);
}

void kallsyms_free(struct kallsyms *table)
{
	if (!table)
		return;
	free(table->entry);
	buf_free(&table->names);
	free(table);
}

size_t kallsyms_count(const struct kallsyms *table)
{
	return table->count;
}

const char *kallsyms_find(const struct kallsyms *table, uint64_t address)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->entry[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? table->names.data + table->entry[low - 1].name : NULL;
}
