/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of an ELF module in the order of their addresses. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "host/elf_internal.h"

struct function {
	uint64_t start;
	uint64_t size;
	size_t name; /* in names */
};

struct elf_symtab {
	struct function *function;
	size_t count;
	size_t room;
	struct buf names;
};

static int add_function(void *ctx, const GElf_Sym *symbol, const char *name)
{
	struct elf_symtab *t = ctx;
	unsigned char type = GELF_ST_TYPE(symbol->st_info);

	if (type != STT_FUNC && type != STT_GNU_IFUNC)
		return 0;
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 1024;
		t->function = xrealloc(t->function, t->room * sizeof(*t->function));
	}
	t->function[t->count++] =
		(struct function){ symbol->st_value, symbol->st_size, t->names.len };
	buf_add(&t->names, name, strlen(name) + 1);
	return 0;
}

/* By address; at one address the longer one first, then the one read first: of
 * aliases that is the one in .dynsym, the name others link to. */
static int compare_functions(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return (x->name > y->name) - (x->name < y->name);
}

int elf_symtab_read(struct elf_symtab **out, struct elf_file *file, struct err *err)
{
	struct elf_symtab *t = xcalloc(1, sizeof(*t));
	size_t n = 0;

	elf_each_symbol(file, SHT_DYNSYM, add_function, t);
	elf_each_symbol(file, SHT_SYMTAB, add_function, t);
	if (!t->count) {
		elf_symtab_free(t);
		return err_set(err, -ENOENT,
			       "elf: the file has no function symbols; install its debug package");
	}
	qsort(t->function, t->count, sizeof(*t->function), compare_functions);
	for (size_t i = 0; i < t->count; i++)
		if (!n || t->function[n - 1].start != t->function[i].start)
			t->function[n++] = t->function[i];
	t->count = n;
	*out = t;
	return 0;
}

void elf_symtab_free(struct elf_symtab *table)
{
	if (!table)
		return;
	free(table->function);
	buf_free(&table->names);
	free(table);
}

size_t elf_symtab_count(const struct elf_symtab *table)
{
	return table->count;
}

const char *elf_symtab_find(const struct elf_symtab *table, uint64_t vaddr, uint64_t *behind)
{
	size_t low = 0, high = table->count;
	const struct function *f;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->function[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	f = &table->function[low - 1];
	if (f->size && vaddr - f->start >= f->size)
		return NULL;
	if (behind)
		*behind = vaddr - f->start;
	return table->names.data + f->name;
}
