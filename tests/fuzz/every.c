/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A dump that has a checksum, cut at every offset and with each of its bytes changed once, in
 * one process: an error every time, and one that says something.
 *
 *	every DUMP STATE
 *
 * How far it came is kept in STATE, and it goes on from there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "told.h"

#define KEPT_EVERY 500 /* offsets */

struct dump {
	uint8_t *data;
	size_t len;
	struct server_release release;
};

static void read_file(const char *path, struct dump *dump)
{
	FILE *file = fopen(path, "re");
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 1) {
		perror(path);
		exit(1);
	}
	rewind(file);
	dump->len = (size_t)size;
	dump->data = malloc(dump->len);
	if (!dump->data || fread(dump->data, 1, dump->len, file) != dump->len) {
		perror(path);
		exit(1);
	}
	fclose(file);
}

/* Steps: each offset at which it is cut, then each byte that is changed. */
static size_t steps_done(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t step = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%zu", &step) != 1)
		step = 0;
	fclose(file);
	return step;
}

static void keep(const char *path, size_t step)
{
	FILE *file = fopen(path, "we");

	if (!file || fprintf(file, "%zu\n", step) < 0 || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void cut(const struct dump *dump, size_t at)
{
	struct told told = read_dump(dump->data, at, SIZE_MAX, &dump->release);

	if (told.ret != -ENODATA) {
		fprintf(stderr, "cut at %zu, it says %d\n", at, told.ret);
		fail("cut, and not said", &told.err);
	}
}

static void change(const struct dump *dump, size_t at)
{
	uint8_t was = dump->data[at];
	struct told told;

	dump->data[at] ^= (uint8_t)(1 + at * 0x9e3779b1 % 255);
	told = read_dump(dump->data, dump->len, SIZE_MAX, &dump->release);
	if (told.ret >= 0) {
		fprintf(stderr, "byte %zu changed from %u to %u\n", at, was, dump->data[at]);
		fail("changed, and not said", &told.err);
	}
	dump->data[at] = was;
}

int main(int argc, char **argv)
{
	struct dump dump = { .release = release_of(0) };
	struct told told;
	size_t step;

	if (argc != 3) {
		fprintf(stderr, "every DUMP STATE\n");
		return 2;
	}
	read_file(argv[1], &dump);
	told = read_dump(dump.data, dump.len, SIZE_MAX, &dump.release);
	if (told.ret != 1)
		fail("the file is no whole dump", &told.err);
	for (step = steps_done(argv[2]); step < 2 * dump.len; step++) {
		if (step % KEPT_EVERY == 0)
			keep(argv[2], step);
		if (step < dump.len)
			cut(&dump, step);
		else
			change(&dump, step - dump.len);
	}
	keep(argv[2], step);
	printf("%zu bytes, %lld keys: cut at each offset and each byte changed once, %zu errors\n",
	       dump.len, (long long)told.keys, step);
	free(dump.data);
	return 0;
}
