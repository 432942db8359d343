/* SPDX-License-Identifier: BSD-2-Clause */
/* This program as an ELF file: its symbols are where its code is. Broken copies of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "host/elf.h"
#include "host/file.h"

int elf_test_object[3] = { 0x12345678, 2, 3 };
int elf_test_bss[1000];
int elf_test_function(int x);

__attribute__((noinline)) int elf_test_function(int x)
{
	return x + elf_test_object[0] + elf_test_bss[0];
}

static struct maps *maps;
static const struct map *text_map;

static int open_maps(void **state)
{
	(void)state;
	if (maps_read(&maps, getpid(), NULL))
		return -1;
	text_map = maps_find(maps, (uintptr_t)elf_test_function);
	return text_map ? 0 : -1;
}

static int close_maps(void **state)
{
	(void)state;
	maps_free(maps);
	return 0;
}

static void test_addresses(void **state)
{
	struct elf_symbol object, function, bss;
	struct elf_file *file;
	uint64_t bias, offset;
	uint32_t value;

	(void)state;
	assert_int_equal(elf_file_open(&file, getpid(), text_map, NULL), 0);
	assert_int_equal(elf_file_bias(file, text_map, &bias), 0);
	assert_int_equal(elf_file_symbol(file, "elf_test_object", ELF_OBJECT, &object), 0);
	assert_int_equal(elf_file_symbol(file, "elf_test_function", ELF_FUNCTION, &function), 0);
	assert_true(bias + object.value == (uintptr_t)elf_test_object);
	assert_true(bias + function.value == (uintptr_t)elf_test_function);
	assert_int_equal(object.size, sizeof(elf_test_object));
	/* the file holds the initial value at the offset found */
	assert_int_equal(elf_file_offset(file, object.value, &offset), 0);
	assert_int_equal(pread(elf_file_fd(file), &value, sizeof(value), (off_t)offset),
			 sizeof(value));
	assert_int_equal(value, 0x12345678);
	/* .bss has an address and no place in the file */
	assert_int_equal(elf_file_symbol(file, "elf_test_bss", ELF_OBJECT, &bss), 0);
	assert_int_equal(elf_file_offset(file, bss.value + sizeof(elf_test_bss) - 1, &offset),
			 -ENOENT);
	elf_file_close(file);
}

static void test_not_found(void **state)
{
	struct elf_symbol symbol;
	struct elf_file *file;
	struct map wrong = *text_map;
	uint64_t bias;

	(void)state;
	assert_int_equal(elf_file_open(&file, getpid(), text_map, NULL), 0);
	assert_int_equal(elf_file_symbol(file, "elf_test_nothing", ELF_OBJECT, &symbol), -ENOENT);
	assert_int_equal(elf_file_symbol(file, "elf_test_object", ELF_FUNCTION, &symbol), -ENOENT);
	assert_int_equal(elf_file_symbol(file, "malloc", ELF_OBJECT, &symbol), -ENOENT);
	wrong.offset = 1ull << 40;
	assert_int_equal(elf_file_bias(file, &wrong, &bias), -ENOENT);
	elf_file_close(file);
}

static void test_symtab(void **state)
{
	struct elf_symbol function;
	struct elf_symtab *table;
	struct elf_file *file;
	uint64_t behind;

	(void)state;
	assert_int_equal(elf_file_open(&file, getpid(), text_map, NULL), 0);
	assert_int_equal(elf_symtab_read(&table, file, NULL), 0);
	assert_true(elf_symtab_count(table) > 5);
	elf_file_symbol(file, "elf_test_function", ELF_FUNCTION, &function);
	elf_file_close(file); /* the table stands on its own */
	assert_string_equal(elf_symtab_find(table, function.value, &behind), "elf_test_function");
	assert_int_equal(behind, 0);
	assert_string_equal(elf_symtab_find(table, function.value + function.size - 1, &behind),
			    "elf_test_function");
	assert_int_equal(behind, function.size - 1);
	assert_null(elf_symtab_find(table, 0, NULL));
	assert_null(elf_symtab_find(table, 1, &behind));
	elf_symtab_free(table);
}

static void test_build_id(void **state)
{
	struct elf_file *file;
	size_t len;

	(void)state;
	/* libc has one wherever distributions build it */
	for (size_t i = 0; i < maps->count; i++) {
		const struct map *map = &maps->map[i];

		if (map->perms[2] != 'x' || !strstr(map->path, "/libc.so"))
			continue;
		assert_int_equal(elf_file_open(&file, getpid(), map, NULL), 0);
		assert_non_null(elf_file_build_id(file, &len));
		assert_true(len >= 8);
		elf_file_close(file);
		return;
	}
	skip();
}

static void make_file(char path[64], const void *data, size_t len)
{
	int fd;

	snprintf(path, 64, "/tmp/redmem-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void test_refused(void **state)
{
	struct err err = { 0 };
	struct elf_file *file;
	char path[64];

	(void)state;
	assert_int_equal(elf_file_open_path(&file, "/nonexistent", &err), -ENOENT);
	assert_int_equal(elf_file_open_path(&file, "/", &err), -EINVAL);
	make_file(path, "#!/bin/sh\n", 10);
	assert_int_equal(elf_file_open_path(&file, path, &err), -ENOEXEC);
	assert_int_equal(err.code, -ENOEXEC);
	unlink(path);
	make_file(path, "", 0);
	assert_int_equal(elf_file_open_path(&file, path, &err), -ENOEXEC);
	unlink(path);
}

/* Ask everything of a file that may be anything. */
static void ask_all(const char *path)
{
	struct elf_symbol symbol;
	struct elf_symtab *table;
	struct elf_file *file;
	uint64_t n;
	size_t len;

	if (elf_file_open_path(&file, path, NULL))
		return;
	if (!elf_file_symbol(file, "elf_test_object", ELF_OBJECT, &symbol))
		elf_file_offset(file, symbol.value, &n);
	elf_file_bias(file, text_map, &n);
	elf_file_build_id(file, &len);
	if (!elf_symtab_read(&table, file, NULL)) {
		elf_symtab_find(table, 4096, &n);
		elf_symtab_free(table);
	}
	elf_file_close(file);
}

/* Cut short, or with bytes of its headers changed: no crash. */
static void test_broken(void **state)
{
	struct buf whole = { 0 };
	char path[64], *copy;

	(void)state;
	assert_int_equal(file_read("/proc/self/exe", 256 << 20, &whole, NULL), 0);
	srand(6);
	for (int round = 0; round < 100; round++) {
		size_t len = round % 2 ? (size_t)rand() % whole.len : whole.len;

		copy = xmemdup(whole.data, whole.len);
		for (int i = 0; i < round % 7; i++) /* file header and program headers */
			copy[(size_t)rand() % 1024] = (char)rand();
		for (int i = 0; i < round % 5; i++) /* section headers stand at the end */
			copy[whole.len - 1 - (size_t)rand() % 2048] = (char)rand();
		make_file(path, copy, len);
		ask_all(path);
		unlink(path);
		free(copy);
	}
	buf_free(&whole);
}

/* The compiler makes a frame for every function, also without symbols. */
static void test_function_starts(void **state)
{
	struct elf_file *file;
	uint64_t *starts = NULL, bias;
	size_t count = 0, found = 0;

	(void)state;
	assert_int_equal(elf_file_open(&file, getpid(), text_map, NULL), 0);
	assert_int_equal(elf_file_bias(file, text_map, &bias), 0);
	assert_int_equal(elf_file_function_starts(file, &starts, &count, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		assert_true(!i || starts[i] >= starts[i - 1]);
		found += starts[i] + bias == (uintptr_t)elf_test_function;
	}
	assert_int_equal(found, 1);
	free(starts);
	elf_file_close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),	cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_symtab),		cmocka_unit_test(test_build_id),
		cmocka_unit_test(test_refused),		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_function_starts),
	};

	/* used, so that the linker keeps them */
	if (elf_test_function(0) == 1)
		return 1;
	return cmocka_run_group_tests_name("elf", tests, open_maps, close_maps);
}
