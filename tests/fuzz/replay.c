/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The targets without libFuzzer, in the build with sanitizers:
 *
 *	replay TARGET SECONDS INPUT...
 *
 * gives TARGET each INPUT, then changes of them in the same order every time, until SECONDS of CPU
 * are over, and says how many inputs that were. What it gave last, when it dies, is in the file
 * "failed" of $TMPDIR.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX    65536 /* as in tests/fuzz/run */
#define HANG_SECONDS 100

typedef int target_fn(const uint8_t *data, size_t len);

static struct input {
	uint8_t *data;
	size_t len;
} current;

static uint64_t draw_state = 1;

/* xorshift64*, the high bits. */
static size_t draw(size_t below)
{
	draw_state ^= draw_state >> 12;
	draw_state ^= draw_state << 25;
	draw_state ^= draw_state >> 27;
	return (size_t)((draw_state * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static void leave_input(void)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/failed", getenv("TMPDIR"));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, current.data, current.len) < 0)
		perror(path);
}

static void died(int signal)
{
	leave_input();
	raise(signal); /* again, and then as ever */
}

/* What a sanitizer ends and what ends by itself. */
static void leave_input_at_death(void)
{
	static const int signals[] = { SIGABRT, SIGALRM };
	struct sigaction action = { .sa_handler = died,
				    .sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };

	__sanitizer_set_death_callback(leave_input);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		must(!sigaction(signals[i], &action, NULL));
}

/* From memory of its own size, so that a sanitizer sees what is read behind it. */
static void give(target_fn *target, const uint8_t *data, size_t len)
{
	current.data = malloc(len);
	must(current.data || !len);
	memcpy(current.data, data, len);
	current.len = len;
	alarm(HANG_SECONDS);
	target(current.data, len);
	alarm(0);
	free(current.data);
	current = (struct input){ 0 };
}

static struct input read_input(const char *path)
{
	struct input in = { .data = malloc(INPUT_MAX) };
	FILE *file = fopen(path, "re");

	if (!file) {
		perror(path);
		exit(2);
	}
	must(in.data);
	in.len = fread(in.data, 1, INPUT_MAX, file);
	fclose(file);
	return in;
}

/* One change of @data, which has room for INPUT_MAX bytes: a bit, a byte, a number at its border,
 * less, something twice, a part of another input. Returns its new length. */
static size_t change(uint8_t *data, size_t len, const struct input *other)
{
	static const uint64_t borders[] = { 0,	   1,	      127,	  128,	     255,
					    65535, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX };
	size_t at = draw(len), some = 1 + draw(len - at < 64 ? len - at : 64), from;

	switch (draw(6)) {
	case 0:
		data[at] ^= (uint8_t)(1 << draw(8));
		break;
	case 1:
		data[at] = (uint8_t)draw(256);
		break;
	case 2:
		memcpy(data + at, &borders[draw(sizeof(borders) / sizeof(borders[0]))],
		       some < 8 ? some : 8);
		break;
	case 3:
		memmove(data + at, data + at + some, len - at - some);
		return len - some;
	case 4:
		if (len + some > INPUT_MAX)
			return at + some;
		memmove(data + at + some, data + at, len - at);
		return len + some;
	default:
		from = draw(other->len);
		some = some < other->len - from ? some : other->len - from;
		memcpy(data + at, other->data + from, some);
	}
	return len;
}

static void give_changed(target_fn *target, const struct input *inputs, size_t count)
{
	static uint8_t data[INPUT_MAX];
	const struct input *in = &inputs[draw(count)];
	size_t len = in->len;

	memcpy(data, in->data, len);
	for (size_t changes = 1 + draw(4); changes && len; changes--) {
		const struct input *other = &inputs[draw(count)];

		len = change(data, len, other->len ? other : in);
	}
	give(target, data, len);
}

int main(int argc, char **argv)
{
	size_t count = argc > 3 ? (size_t)argc - 3 : 0, given = 0;
	struct input *inputs = calloc(count + 1, sizeof(*inputs));
	char name[64] = "fuzz_";
	target_fn *target;
	clock_t end;

	if (!count || !inputs || !getenv("TMPDIR")) {
		fprintf(stderr, "TMPDIR=DIR replay TARGET SECONDS INPUT...\n");
		return 2;
	}
	strncat(name, argv[1], sizeof(name) - sizeof("fuzz_"));
	target = (target_fn *)dlsym(RTLD_DEFAULT, name);
	if (!target) {
		fprintf(stderr, "replay: no target is called %s\n", argv[1]);
		return 2;
	}
	leave_input_at_death();
	end = clock() + atoi(argv[2]) * CLOCKS_PER_SEC;
	for (; given < count; given++) {
		inputs[given] = read_input(argv[3 + given]);
		give(target, inputs[given].data, inputs[given].len);
	}
	for (; clock() < end; given++)
		give_changed(target, inputs, count);
	printf("%zu inputs\n", given);
	for (size_t i = 0; i < count; i++)
		free(inputs[i].data);
	free(inputs);
	return 0;
}
