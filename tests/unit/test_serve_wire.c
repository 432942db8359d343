/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames between watcher and keeper: what is put is what is got, and of what is none nothing is. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/serve_pipe.h"
#include "app/serve_wire.h"

static const struct wire_frame frames[] = {
	{ .kind = WIRE_SERVER, .id = 7, .server = { "cache", "127.0.0.1:6379", 4711 } },
	{ .kind = WIRE_CHUNK, .id = 7, .chunk = { "a\0b", 3 } },
	{ .kind = WIRE_LOST, .id = 7 },
	{ .kind = WIRE_STATE, .id = 7, .state = { SERVE_HUNG, "it does not answer" } },
	{ .kind = WIRE_SELF, .self = { 1.5, 4096, 0.25, 3 } },
	{ .kind = WIRE_SETTINGS, .settings = { true, true, 1 << 30 } },
	{ .kind = WIRE_END },
};
#define FRAMES (sizeof(frames) / sizeof(frames[0]))

static void same(const struct wire_frame *a, const struct wire_frame *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->id, b->id);
	switch (a->kind) {
	case WIRE_SERVER:
		assert_string_equal(a->server.label, b->server.label);
		assert_string_equal(a->server.address, b->server.address);
		assert_int_equal(a->server.pid, b->server.pid);
		break;
	case WIRE_CHUNK:
		assert_int_equal(a->chunk.len, b->chunk.len);
		assert_memory_equal(a->chunk.data, b->chunk.data, a->chunk.len);
		break;
	case WIRE_STATE:
		assert_int_equal(a->state.state, b->state.state);
		assert_string_equal(a->state.reason, b->state.reason);
		break;
	case WIRE_SELF:
		assert_memory_equal(&a->self, &b->self, sizeof(a->self));
		break;
	case WIRE_SETTINGS:
		assert_int_equal(a->settings.ok, b->settings.ok);
		assert_int_equal(a->settings.redis_metrics, b->settings.redis_metrics);
		assert_int_equal(a->settings.history_bytes, b->settings.history_bytes);
		break;
	default:
		break;
	}
}

static void put_all(struct buf *out)
{
	for (size_t i = 0; i < FRAMES; i++)
		assert_int_equal(wire_put(out, &frames[i]), 0);
}

static void test_round_trip(void **state)
{
	struct buf bytes = { 0 };
	struct wire_frame frame;
	size_t at = 0;

	(void)state;
	put_all(&bytes);
	for (size_t i = 0; i < FRAMES; i++) {
		long len = wire_get(&frame, bytes.data + at, bytes.len - at);

		assert_true(len > 0);
		same(&frames[i], &frame);
		/* One that is not all there is not read beyond. */
		for (long part = 0; part < len; part++) {
			char *cut = xmemdup(bytes.data + at, (size_t)part);

			assert_int_equal(wire_get(&frame, cut, (size_t)part), 0);
			free(cut);
		}
		at += (size_t)len;
	}
	assert_int_equal(at, bytes.len);
	buf_free(&bytes);
}

static void test_bounds(void **state)
{
	char *text = xcalloc(1, 4 * WIRE_TEXT_MAX);
	struct wire_frame frame = { .kind = WIRE_STATE, .state = { SERVE_FAILED, text } }, got;
	struct buf bytes = { 0 };

	(void)state;
	memset(text, 'x', 4 * WIRE_TEXT_MAX - 1);
	assert_int_equal(wire_put(&bytes, &frame), 0);
	assert_int_equal(wire_get(&got, bytes.data, bytes.len), bytes.len);
	assert_int_equal(strlen(got.state.reason), WIRE_TEXT_MAX - 1);
	free(text);
	buf_clear(&bytes);
	frame = (struct wire_frame){ .kind = WIRE_CHUNK, .chunk = { "", WIRE_FRAME_MAX } };
	assert_int_equal(wire_put(&bytes, &frame), -EMSGSIZE);
	assert_int_equal(bytes.len, 0);
	buf_free(&bytes);
}

/* Every byte of a frame in turn changed in every bit: it is refused, waited for or read, never
 * read beyond (the sanitizers look). */
static void test_hostile(void **state)
{
	struct buf bytes = { 0 };
	struct wire_frame frame;

	(void)state;
	for (size_t i = 0; i < FRAMES; i++) {
		buf_clear(&bytes);
		wire_put(&bytes, &frames[i]);
		for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
			char *copy = xcalloc(1, bytes.len);

			memcpy(copy, bytes.data, bytes.len);
			copy[bit / 8] ^= (char)(1 << bit % 8);
			assert_true(wire_get(&frame, copy, bytes.len) <= (long)bytes.len);
			free(copy);
		}
	}
	/* States that there are none of, lengths that cannot be, frames of no kind. */
	buf_clear(&bytes);
	wire_put(&bytes, &frames[3]);
	bytes.data[16] = SERVE_STATES;
	assert_int_equal(wire_get(&frame, bytes.data, bytes.len), -EPROTO);
	memset(bytes.data, 0xff, 4);
	assert_int_equal(wire_get(&frame, bytes.data, bytes.len), -EPROTO);
	memset(bytes.data, 0, 4);
	assert_int_equal(wire_get(&frame, bytes.data, bytes.len), -EPROTO);
	buf_free(&bytes);
}

/* Frames go through a pipe whose reader is slower; none is lost while there is room. */
static void test_pipe(void **state)
{
	struct serve_pipe *pipe_end;
	struct buf want = { 0 }, got = { 0 };
	char piece[1000];
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pipe_end = serve_pipe_new(fds[1]);
	assert_non_null(pipe_end);
	for (int i = 0; i < 1000; i++) {
		put_all(&want);
		for (size_t j = 0; j < FRAMES; j++)
			serve_pipe_put(pipe_end, &frames[j]);
	}
	while (got.len < want.len && (n = read(fds[0], piece, sizeof(piece))) > 0)
		buf_add(&got, piece, (size_t)n);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	assert_int_equal(serve_pipe_lost(pipe_end), 0);
	serve_pipe_end(pipe_end, 1);
	assert_int_equal(read(fds[0], piece, 1), 0);
	close(fds[0]);
	buf_free(&want);
	buf_free(&got);
}

/* Nobody reads: chunks are lost whole, and that is said; nothing waits. */
static void test_full_pipe(void **state)
{
	static char data[1 << 20];
	const struct wire_frame chunk = { .kind = WIRE_CHUNK,
					  .id = 3,
					  .chunk = { data, sizeof(data) } };
	struct serve_pipe *pipe_end;
	struct wire_frame frame;
	struct buf got = { 0 };
	char piece[65536];
	size_t at = 0, chunks = 0, lost = 0;
	int64_t said;
	int fds[2];
	ssize_t n;
	long len;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pipe_end = serve_pipe_new(fds[1]);
	for (int i = 0; i < 40; i++)
		serve_pipe_put(pipe_end, &chunk);
	said = serve_pipe_lost(pipe_end);
	assert_in_range(said, 1, 39);
	while (chunks + lost < 40 && (n = read(fds[0], piece, sizeof(piece))) > 0) {
		buf_add(&got, piece, (size_t)n);
		while ((len = wire_get(&frame, got.data + at, got.len - at)) > 0) {
			chunks += frame.kind == WIRE_CHUNK;
			lost += frame.kind == WIRE_LOST;
			at += (size_t)len;
		}
		assert_int_equal(len, 0);
	}
	assert_int_equal(lost, said);
	assert_int_equal(chunks, 40 - said);
	serve_pipe_end(pipe_end, 1);
	close(fds[0]);
	buf_free(&got);
}

/* The keeper has gone, or stands still: neither holds the watcher up. */
static void test_no_reader(void **state)
{
	static char data[1 << 20];
	const struct wire_frame chunk = { .kind = WIRE_CHUNK, .chunk = { data, sizeof(data) } };
	struct serve_pipe *pipe_end;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	pipe_end = serve_pipe_new(fds[1]);
	serve_pipe_put(pipe_end, &chunk);
	serve_pipe_end(pipe_end, 0.05);
	close(fds[0]);
	assert_int_equal(pipe(fds), 0);
	pipe_end = serve_pipe_new(fds[1]);
	close(fds[0]);
	serve_pipe_put(pipe_end, &chunk);
	serve_pipe_end(pipe_end, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_hostile),	   cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_full_pipe),  cmocka_unit_test(test_no_reader),
	};

	return cmocka_run_group_tests_name("serve_wire", tests, NULL, NULL);
}
