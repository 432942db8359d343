/* SPDX-License-Identifier: BSD-2-Clause */
/* This program as an ELF file: its symbols are where its code is. Broken copies of it. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "host/elf_wire.h"
#include "host/file.h"
#include "host/proc.h"
#include "skipped.h"

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

static void make_file(char path[64], const void *data, size_t len)
{
	int fd;

	snprintf(path, 64, "/tmp/redmem-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
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

/* This program, as debuginfod's clients keep the debug file of the build @id. */
static void cache_program(const char *directory, const unsigned char *id, size_t len)
{
	char command[512], hex[2 * ELF_ID_MAX + 1];

	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	snprintf(command, sizeof(command), "mkdir %s/%s && cp /proc/%d/exe %s/%s/debuginfo",
		 directory, hex, getpid(), directory, hex);
	assert_int_equal(system(command), 0);
}

/* A stripped program has the names it exports; debuginfod's cache has the others, and is looked
 * into where its servers are named alone. */
static void test_debuginfod_cache(void **state)
{
	char directory[] = "/tmp/redmem-test-XXXXXX", command[512];
	const unsigned char *id;
	struct elf_symbol symbol;
	struct elf_file *file;
	size_t len;

	(void)state;
	if (system("command -v objcopy >/dev/null"))
		skip_because("objcopy is not installed");
	assert_non_null(mkdtemp(directory));
	snprintf(command, sizeof(command), "objcopy --strip-all /proc/%d/exe %s/stripped", getpid(),
		 directory);
	assert_int_equal(system(command), 0);
	assert_int_equal(setenv("DEBUGINFOD_CACHE_PATH", directory, 1), 0);
	snprintf(command, sizeof(command), "%s/stripped", directory);
	for (int named = 0; named < 2; named++) {
		named ? setenv("DEBUGINFOD_URLS", "http://127.0.0.1:9", 1) :
			unsetenv("DEBUGINFOD_URLS");
		assert_int_equal(elf_file_open_path(&file, command, NULL), 0);
		id = elf_file_build_id(file, &len);
		assert_non_null(id);
		if (!named)
			cache_program(directory, id, len);
		assert_int_equal(elf_file_symbol(file, "elf_test_function", ELF_FUNCTION, &symbol),
				 named ? 0 : -ENOENT);
		assert_int_equal(elf_file_has_debug(file), named);
		assert_int_equal(elf_file_lacks_debug(file), !named);
		elf_file_close(file);
	}
	unsetenv("DEBUGINFOD_URLS");
	unsetenv("DEBUGINFOD_CACHE_PATH");
	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
}

static void test_function(void **state)
{
	struct elf_symbol function;
	struct elf_function found, gap;
	struct elf_file *file;

	(void)state;
	assert_int_equal(elf_file_open(&file, getpid(), text_map, NULL), 0);
	assert_int_equal(elf_file_symbol(file, "elf_test_function", ELF_FUNCTION, &function), 0);
	assert_int_equal(elf_file_function(file, function.value, &found), 0);
	assert_string_equal(found.name, "elf_test_function");
	assert_int_equal(found.start, function.value);
	assert_int_equal(found.end, function.value + function.size);
	assert_int_equal(elf_file_function(file, found.end - 1, &found), 0);
	assert_string_equal(found.name, "elf_test_function");
	assert_int_equal(elf_file_function(file, 1, &gap), 0);
	assert_string_equal(gap.name, "");
	assert_true(gap.start <= 1 && gap.end > 1);
	elf_file_close(file);
}

/* A probe goes where the file's instructions stand in memory, not where others do. */
static void test_same_code(void **state)
{
	struct buf whole = { 0 };
	struct elf_symbol function;
	struct elf_file *file;
	uint64_t bias, offset;
	char path[64];

	(void)state;
	assert_int_equal(elf_file_open(&file, getpid(), text_map, NULL), 0);
	assert_int_equal(elf_file_bias(file, text_map, &bias), 0);
	assert_int_equal(elf_file_symbol(file, "elf_test_function", ELF_FUNCTION, &function), 0);
	assert_true(elf_file_same_code(file, getpid(), bias, function.value));
	assert_false(elf_file_same_code(file, getpid(), bias + 1, function.value));
	assert_false(elf_file_same_code(file, getpid(), bias, 1ULL << 40));
	assert_int_equal(elf_file_offset(file, function.value, &offset), 0);
	elf_file_close(file);

	assert_int_equal(file_read("/proc/self/exe", 256 << 20, &whole, NULL), 0);
	whole.data[offset + 5] ^= 1; /* another build of the same program */
	make_file(path, whole.data, whole.len);
	assert_int_equal(elf_file_open_path(&file, path, NULL), 0);
	assert_false(elf_file_same_code(file, getpid(), bias, function.value));
	elf_file_close(file);
	unlink(path);
	buf_free(&whole);
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
	skip_because("the C library is not a file of its own");
}

static void test_refused(void **state)
{
	const Elf32_Ehdr of_32_bits = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB,
						     EV_CURRENT },
					.e_type = ET_DYN,
					.e_machine = EM_386,
					.e_version = EV_CURRENT,
					.e_ehsize = sizeof(of_32_bits) };
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
	make_file(path, (const char *)&of_32_bits, sizeof(of_32_bits));
	assert_int_equal(elf_file_open_path(&file, path, &err), -ENOEXEC);
	assert_non_null(strstr(err.text, "64 bits"));
	unlink(path);
}

/* Ask everything of a file that may be anything. */
static void ask_all(const char *path)
{
	struct elf_symbol symbol;
	struct elf_function function;
	struct elf_file *file;
	uint64_t n, *starts;
	size_t len;

	if (elf_file_open_path(&file, path, NULL))
		return;
	if (!elf_file_symbol(file, "elf_test_object", ELF_OBJECT, &symbol))
		elf_file_offset(file, symbol.value, &n);
	elf_file_bias(file, text_map, &n);
	elf_file_build_id(file, &len);
	elf_file_function(file, 4096, &function);
	if (!elf_file_function_starts(file, &starts, &len, NULL))
		free(starts);
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
		assert_true(!i || starts[i] > starts[i - 1]);
		found += starts[i] + bias == (uintptr_t)elf_test_function;
	}
	assert_int_equal(found, 1);
	free(starts);
	elf_file_close(file);
}

/* --- the helper --------------------------------------------------------------------------- */

static void test_answers(void **state)
{
	struct elf_question question = { .ask = ELF_ASK_OPEN };
	struct elf_answer fine = { .ask = ELF_ASK_OPEN }, bad;

	(void)state;
	assert_true(elf_answer_fits(&fine, sizeof(fine), &question));
	assert_false(elf_answer_fits(&fine, sizeof(fine) - 1, &question));
	assert_false(elf_answer_fits(&fine, 0, &question));
	bad = fine;
	bad.ask = ELF_ASK_SYMBOL; /* of another question */
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	bad.code = 1;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	bad.records.segments = ELF_SEGMENTS + 1;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	bad.records.segments = 1;
	bad.records.segment[0].file_bytes = UINT64_MAX;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	bad.records.id_len = ELF_ID_MAX + 1;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	bad.records.needed_count = ELF_NEEDED + 1;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	memset(bad.records.soname, 'x', sizeof(bad.records.soname));
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
}

static void test_answers_functions(void **state)
{
	struct elf_question question = { .ask = ELF_ASK_FUNCTION, .at = 100 };
	struct elf_answer fine = { .ask = ELF_ASK_FUNCTION, .function = { 100, 101, "f" } }, bad;

	(void)state;
	assert_true(elf_answer_fits(&fine, sizeof(fine), &question));
	bad = fine;
	bad.function.start = 101;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	bad.function.end = 100;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	memset(bad.function.name, 'x', sizeof(bad.function.name));
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));

	question = (struct elf_question){ .ask = ELF_ASK_STARTS };
	fine = (struct elf_answer){ .ask = ELF_ASK_STARTS, .count = 3, .start = { 1, 2, 9 } };
	assert_true(elf_answer_fits(&fine, sizeof(fine), &question));
	bad = fine;
	bad.count = ELF_STARTS + 1;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
	bad = fine;
	bad.start[2] = 2;
	assert_false(elf_answer_fits(&bad, sizeof(bad), &question));
}

/* The helper of this process's files: the child of ours that is called so. */
static pid_t helper_pid(void)
{
	pid_t *children, found = 0;
	size_t count;

	assert_int_equal(proc_children(getpid(), &children, &count, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		struct buf name = { 0 };
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/cmdline", children[i]);
		file_read(path, 4096, &name, NULL);
		if (!strcmp(buf_str(&name), elf_helper_name))
			found = children[i];
		buf_free(&name);
	}
	free(children);
	return found;
}

/* One that has gone is replaced, and open files are open again in the new one. */
static void test_new_helper(void **state)
{
	struct elf_symbol symbol;
	struct elf_file *file;
	pid_t first, second;

	(void)state;
	assert_int_equal(elf_file_open(&file, getpid(), text_map, NULL), 0);
	first = helper_pid();
	assert_true(first > 0);
	kill(first, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)first, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	assert_int_equal(elf_file_symbol(file, "elf_test_function", ELF_FUNCTION, &symbol), 0);
	second = helper_pid();
	assert_true(second > 0 && second != first);
	elf_file_close(file);
}

/* One that does not answer is an error of the file, in time, and the next file is read. */
static void test_late_helper(void **state)
{
	struct elf_symbol symbol;
	struct elf_file *file, *other;
	struct err err = { 0 };
	uint64_t *starts;
	size_t count;

	(void)state;
	assert_int_equal(elf_file_open(&file, getpid(), text_map, NULL), 0);
	elf_set_deadline(200);
	kill(helper_pid(), SIGSTOP);
	assert_int_equal(elf_file_function_starts(file, &starts, &count, &err), -ETIMEDOUT);
	assert_true(strstr(err.text, "took more than") != NULL);
	elf_set_deadline(60000);
	assert_true(elf_file_symbol(file, "elf_test_function", ELF_FUNCTION, &symbol) < 0);
	assert_int_equal(elf_file_open(&other, getpid(), text_map, NULL), 0);
	assert_int_equal(elf_file_symbol(other, "elf_test_function", ELF_FUNCTION, &symbol), 0);
	elf_file_close(file);
	elf_file_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_debuginfod_cache),
		cmocka_unit_test(test_function),
		cmocka_unit_test(test_build_id),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_function_starts),
		cmocka_unit_test(test_same_code),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answers_functions),
		cmocka_unit_test(test_new_helper),
		cmocka_unit_test(test_late_helper),
	};

	/* used, so that the linker keeps them */
	if (elf_test_function(0) == 1)
		return 1;
	return cmocka_run_group_tests_name("elf", tests, open_maps, close_maps);
}
