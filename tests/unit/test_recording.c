/* SPDX-License-Identifier: BSD-2-Clause */
/* Recordings: whole ones come back, hurt ones are refused with a reason. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "record/recording.h"

static char dir[] = "/tmp/redmem-test-XXXXXX";
static char path[64], other[64];

static int group_setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/watch.redmem", dir);
	snprintf(other, sizeof(other), "%s/hurt.redmem", dir);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(dir); /* fails when a .tmp was left behind */
}

/* In the place of the C library's: whether the data is on the disk before its name. */
static int synced, renamed_unsynced;

int fsync(int fd)
{
	synced++;
	return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
	renamed_unsynced += !synced;
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

#define RECORDS 40

static struct record sample(int i)
{
	struct record record = { .kind = RECORD_PROFILE };

	record.profile = (struct record_profile){
		.event = EVENT_CPU,
		.thread = "",
		.command = i % 2 ? "set" : "get",
		.inner = "",
		.key = { "k\0\xff", 3 },
		.leaf = MODULE_ALLOCATOR,
		.symbol = "",
		.samples = i,
		.events = i * 1.5,
		.seconds = i % 3 ? i / 997.0 : NAN,
	};
	return record;
}

static void write_sample(void)
{
	struct recording *rec;
	struct record_sink sink;
	struct err err = { 0 };

	assert_int_equal(recording_create(&rec, path, &err), 0);
	sink = recording_sink(rec);
	for (int i = 0; i < RECORDS; i++) {
		struct record record = sample(i);

		record_emit(&sink, &record);
	}
	assert_int_equal(recording_close(rec, &err), 0);
	assert_int_equal(err.code, 0);
}

/* Counts, and whether every record was the one that was written. */
struct check {
	int count;
	bool same;
};

static void check_take(void *ctx, const struct record *record)
{
	struct check *check = ctx;
	struct record want = sample(check->count++);

	if (record->kind != want.kind || strcmp(record->profile.command, want.profile.command) ||
	    record->profile.key.len != 3 ||
	    memcmp(record->profile.key.data, want.profile.key.data, 3) != 0 ||
	    record->profile.samples != want.profile.samples ||
	    record->profile.events != want.profile.events ||
	    isnan(record->profile.seconds) != isnan(want.profile.seconds))
		check->same = false;
}

static int replay(const char *file, struct check *check, struct err *err)
{
	struct record_sink sink = { .take = check_take, .ctx = check };

	*check = (struct check){ .same = true };
	*err = (struct err){ 0 };
	return recording_replay(file, &sink, err);
}

static size_t read_file(const char *file, unsigned char **out)
{
	FILE *f = fopen(file, "rb");
	size_t len;

	assert_non_null(f);
	*out = calloc(1, 1 << 20);
	assert_non_null(*out);
	len = fread(*out, 1, 1 << 20, f);
	fclose(f);
	return len;
}

static void write_file(const char *file, const void *data, size_t len)
{
	FILE *f = fopen(file, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void write_gz(const char *text)
{
	gzFile gz = gzopen(other, "wb");

	assert_non_null(gz);
	assert_int_equal(gzwrite(gz, text, (unsigned int)strlen(text)), (int)strlen(text));
	assert_int_equal(gzclose(gz), Z_OK);
}

static void test_whole(void **state)
{
	struct check check;
	struct stat st;
	struct err err;

	(void)state;
	write_sample();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(replay(path, &check, &err), 0);
	assert_int_equal(check.count, RECORDS);
	assert_true(check.same);
}

static void test_truncated(void **state)
{
	unsigned char *data;
	struct check check;
	struct err err;
	size_t len;

	(void)state;
	write_sample();
	len = read_file(path, &data);
	for (size_t cut = 0; cut < len; cut++) {
		write_file(other, data, cut);
		assert_true(replay(other, &check, &err) < 0);
		assert_memory_equal(err.text, "recording: ", 11);
		if (cut > 64) /* past the gzip head it is seen for what it is */
			assert_non_null(strstr(err.text, "truncated"));
	}
	free(data);
}

/* A flipped bit may be harmless (the time stamp of the gzip head), but it must
 * never give other records, or fewer, and call that success. */
static void test_bit_flips(void **state)
{
	unsigned char *data;
	struct check check;
	struct err err;
	size_t len, refused = 0;

	(void)state;
	write_sample();
	len = read_file(path, &data);
	for (size_t bit = 0; bit < len * 8; bit++) {
		data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		write_file(other, data, len);
		if (replay(other, &check, &err) < 0) {
			assert_true(err.text[0] != '\0');
			refused++;
		} else {
			assert_int_equal(check.count, RECORDS);
			assert_true(check.same);
		}
		data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_true(refused >= (len - 10) * 8); /* all behind the gzip head */
	free(data);
}

struct refusal {
	const char *text; /* before compression */
	int code;
	const char *why;
};

#define HEAD "{\"schema\":\"redmem.recording/2\"}\n"

static void test_refused(void **state)
{
	static const struct refusal refusals[] = {
		{ "", -EINVAL, "not a recording" },
		{ "hello\n", -EINVAL, "not a recording" },
		{ "[1]\n", -EINVAL, "not a recording" },
		{ "{\"schema\":\"redmem.recording/1\"}\n", -ENOTSUP,
		  "redmem.recording/1' is of an older redmem" },
		{ "{\"schema\":\"redmem.recording/9\"}\n", -ENOTSUP, "redmem.recording/9" },
		{ "{\"schema\":\"redmem.doctor/1\"}\n", -ENOTSUP, "redmem.doctor/1" },
		{ HEAD, -EBADMSG, "truncated after line 1" },
		{ HEAD "{\"record\":\"tick\"}\n", -EBADMSG, "truncated after line 2" },
		{ HEAD "{\"record\":\"tick\"}\n{\"record\":\"end\",\"records_total\":2}\n",
		  -EBADMSG, "line 3: records are missing" },
		{ HEAD "{\"record\":\"end\"}\n", -EBADMSG, "records are missing" },
		{ HEAD "{\"record\":\"end\",\"records_total\":0}\n{\"record\":\"tick\"}\n",
		  -EBADMSG, "line 3: something follows the end" },
		{ HEAD "{\"record\":\"end\",\"records_total\":0}", -EBADMSG, "truncated" },
		{ HEAD "{\"record\":\"tick\"}\nnonsense\n", -EBADMSG, "line 3" },
		{ HEAD "{\"record\":\"tick\",\"rss_bytes\":\"x\"}\n", -EINVAL, "line 2" },
		{ HEAD "\n", -EBADMSG, "line 2" },
	};
	struct check check;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		write_gz(refusals[i].text);
		assert_int_equal(replay(other, &check, &err), refusals[i].code);
		assert_int_equal(err.code, refusals[i].code);
		assert_non_null(strstr(err.text, refusals[i].why));
	}
	write_file(other, HEAD, strlen(HEAD));
	assert_int_equal(replay(other, &check, &err), -EINVAL);
	assert_non_null(strstr(err.text, "gzip"));
	assert_int_equal(replay("/nonexistent/x", &check, &err), -ENOENT);
	assert_int_equal(replay(dir, &check, &err), -EISDIR);
}

/* A newer redmem of the same schema may write what this one does not know. */
static void test_unknown_kinds_are_skipped(void **state)
{
	struct check check;
	struct err err;

	(void)state;
	write_gz(HEAD "{\"record\":\"novelty\",\"x\":1}\n"
		      "{\"record\":\"profile\",\"event\":\"novelty\"}\n"
		      "{\"record\":\"end\",\"records_total\":2}\n");
	assert_int_equal(replay(other, &check, &err), 0);
	assert_int_equal(check.count, 0);
}

/* A few KiB that unpack into a line without end must not take the memory. */
static void test_endless_line(void **state)
{
	static char zeros[1 << 16];
	gzFile gz = gzopen(other, "wb1");
	struct check check;
	struct err err;

	(void)state;
	assert_non_null(gz);
	gzputs(gz, HEAD);
	memset(zeros, ' ', sizeof(zeros));
	for (size_t i = 0; i <= RECORDING_LINE_MAX / sizeof(zeros); i++)
		assert_int_equal(gzwrite(gz, zeros, sizeof(zeros)), (int)sizeof(zeros));
	assert_int_equal(gzclose(gz), Z_OK);
	assert_int_equal(replay(other, &check, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "longer than any line"));
}

static void test_create_errors(void **state)
{
	struct recording *rec;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(recording_create(&rec, "/nonexistent/x", &err), -ENOENT);
	assert_null(rec);
	assert_int_equal(recording_create(&rec, "/dev/null", &err), -EINVAL);
	assert_int_equal(recording_create(&rec, dir, &err), -EINVAL);
	/* What is there stays until the new one is whole. */
	write_file(other, "old", 3);
	assert_int_equal(recording_create(&rec, other, &err), 0);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(recording_close(rec, &err), 0);
	assert_int_equal(stat(other, &st), 0);
	assert_true(st.st_size > 3);
}

/* A file of the user's with the name a recording once had for itself, and another
 * recording to the same place: both stay what they are. */
static void test_own_name(void **state)
{
	struct recording *first, *second;
	struct check check;
	struct err err = { 0 };
	char neighbour[80];
	struct stat st;

	(void)state;
	snprintf(neighbour, sizeof(neighbour), "%s.tmp", path);
	write_file(neighbour, "mine", 4);
	assert_int_equal(recording_create(&first, path, &err), 0);
	assert_int_equal(recording_create(&second, path, &err), 0);
	assert_int_equal(recording_close(first, &err), 0);
	assert_int_equal(replay(path, &check, &err), 0);
	assert_int_equal(recording_close(second, &err), 0);
	assert_int_equal(replay(path, &check, &err), 0);
	assert_int_equal(stat(neighbour, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(unlink(neighbour), 0);
}

static void test_synced_before_named(void **state)
{
	(void)state;
	synced = renamed_unsynced = 0;
	write_sample();
	assert_true(synced > 0);
	assert_int_equal(renamed_unsynced, 0);
}

/* A record that could not be read back spoils the recording, and that is said. */
static void test_too_long_a_record(void **state)
{
	struct record record = { .kind = RECORD_INFO, .info = { .phase = "tick" } };
	char *text = malloc(RECORDING_LINE_MAX + 1);
	struct recording *rec;
	struct record_sink sink;
	struct err err = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, 'x', RECORDING_LINE_MAX);
	text[RECORDING_LINE_MAX] = '\0';
	write_file(other, "old", 3);
	assert_int_equal(recording_create(&rec, other, &err), 0);
	sink = recording_sink(rec);
	record.info.text = text;
	record_emit(&sink, &record);
	assert_int_equal(recording_close(rec, &err), -EFBIG);
	assert_non_null(strstr(err.text, "too long"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unknown_kinds_are_skipped),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_create_errors),
		cmocka_unit_test(test_own_name),
		cmocka_unit_test(test_synced_before_named),
		cmocka_unit_test(test_too_long_a_record),
	};

	return cmocka_run_group_tests_name("recording", tests, group_setup, group_teardown);
}
