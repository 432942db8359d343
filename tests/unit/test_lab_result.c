/* SPDX-License-Identifier: BSD-2-Clause */
/* Stored results: what is written is read, what is cut or hostile is told and does no harm. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/version.h"
#include "host/file.h"
#include "host/replace.h"
#include "lab/result.h"
#include "record/record.h"

static char folder[] = "/tmp/redmem-lab-XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/redmem-lab-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/result.jsonl", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static struct lab_about about_two(void)
{
	struct lab_about about = {
		.wall_start_ns = 1790000000000000000,
		.scenario = xstrdup("churn"),
		.load = xstrdup("own, open loop"),
		.seed = 0xffffffffffffffff,
		.precision = 0.01,
		.pairs_most = 60,
		.host = { .kernel = xstrdup("6.1.0"), .cores = 2, .memory_bytes = RECORD_UNKNOWN },
	};

	about.side[LAB_A].label = xstrdup("redis");
	about.side[LAB_B].label = xstrdup("valkey \"8\" <b>\xc3\xa9");
	lab_settings_add(&about.side[LAB_B].settings, "maxmemory", "100mb");
	lab_settings_add(&about.side[LAB_B].environment, "LD_PRELOAD", "/x/y.so");
	return about;
}

static struct lab_sample sample_of(int restart, int side, double ops)
{
	struct lab_sample sample;

	lab_sample_clear(&sample);
	sample.restart = sample.pair = restart;
	sample.side = side;
	sample.seconds = 2;
	sample.operations = 81000;
	sample.value[LAB_OPS] = ops;
	return sample;
}

static void write_result(bool whole)
{
	struct lab_about about = about_two();
	struct lab_sample sample;
	struct lab_writer *writer;

	assert_int_equal(lab_writer_open(&writer, path, &about, NULL), 0);
	for (int i = 0; i < 4; i++) {
		sample = sample_of(i / 2, i % 2, 40000.5 + i);
		sample.aa = i < 2;
		assert_int_equal(lab_writer_sample(writer, &sample, NULL), 0);
	}
	lab_sample_clear(&sample);
	sample.per_run = true;
	sample.value[LAB_BYTES_PER_KEY] = 0;
	assert_int_equal(lab_writer_sample(writer, &sample, NULL), 0);
	assert_int_equal(lab_writer_note(writer, "no calls of the allocator: stripped", NULL), 0);
	if (whole)
		assert_int_equal(lab_writer_end(writer, LAB_INTERRUPTED, "SIGINT", NULL), 0);
	lab_writer_close(writer);
	lab_about_free(&about);
}

static struct lab_result *read_result(void)
{
	struct lab_result *result;
	struct err err = { 0 };

	assert_int_equal(lab_result_read(&result, path, &err), 0);
	return result;
}

/* A disk that is full, or a file as large as files may be: it is told, and not run on in vain. */
static void test_full(void **state)
{
	struct rlimit before, small;
	struct lab_about about = about_two();
	struct lab_sample sample = sample_of(0, LAB_A, 40000.5);
	struct lab_writer *writer;
	struct err err = { 0 };
	int ret = 0;

	(void)state;
	assert_int_equal(lab_writer_open(&writer, path, &about, NULL), 0);
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){ .rlim_cur = 4000, .rlim_max = before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	for (int i = 0; i < 100 && !ret; i++)
		ret = lab_writer_sample(writer, &sample, &err);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(ret, -EFBIG);
	assert_non_null(strstr(err.text, "cannot be written: File too large"));
	lab_writer_close(writer);
	lab_about_free(&about);
}

static void test_round(void **state)
{
	struct lab_result *result;

	(void)state;
	write_result(true);
	result = read_result();
	assert_string_equal(result->about.redmem_version, redmem_version);
	assert_string_equal(result->about.scenario, "churn");
	assert_null(result->about.scenario_title);
	assert_int_equal(result->about.seed, 0xffffffffffffffff);
	assert_true(result->about.precision == 0.01);
	assert_string_equal(result->about.side[LAB_B].label, "valkey \"8\" <b>\xc3\xa9");
	assert_int_equal(result->about.side[LAB_B].settings.count, 1);
	assert_string_equal(result->about.side[LAB_B].environment.rows[0].value, "/x/y.so");
	assert_int_equal(result->about.host.cores, 2);
	assert_int_equal(result->about.host.memory_bytes, RECORD_UNKNOWN);
	assert_int_equal(result->count, 5);
	assert_true(result->samples[0].aa && !result->samples[2].aa);
	assert_int_equal(result->samples[3].side, LAB_B);
	assert_true(result->samples[3].value[LAB_OPS] == 40003.5);
	assert_true(isnan(result->samples[3].value[LAB_RSS]));
	assert_int_equal(result->samples[3].operations, 81000);
	assert_int_equal(result->samples[3].errors, RECORD_UNKNOWN);
	assert_true(result->samples[4].per_run);
	assert_true(result->samples[4].value[LAB_BYTES_PER_KEY] == 0);
	assert_int_equal(result->notes_count, 1);
	assert_int_equal(result->end, LAB_INTERRUPTED);
	assert_string_equal(result->end_detail, "SIGINT");
	assert_int_equal(result->lines_left_out, 0);
	lab_result_free(result);
}

static void put_file(const void *data, size_t len)
{
	assert_int_equal(replace_file(path, data, len, 0600, false, NULL), 0);
}

/* Killed at any byte: what was whole is read. */
static void test_cut(void **state)
{
	struct buf whole = { 0 };
	size_t first;

	(void)state;
	write_result(true);
	assert_int_equal(file_read(path, 1 << 20, &whole, NULL), 0);
	first = (size_t)((char *)memchr(whole.data, '\n', whole.len) - whole.data) + 1;
	for (size_t len = first; len < whole.len; len += 7) {
		struct lab_result *result;

		put_file(whole.data, len);
		result = read_result();
		assert_int_equal(result->end, LAB_CUT);
		assert_int_equal(result->lines_left_out, 0);
		lab_result_free(result);
	}
	buf_free(&whole);
}

static void test_is_there(void **state)
{
	struct lab_about about = about_two();
	struct lab_writer *writer;
	struct err err;

	(void)state;
	write_result(false);
	assert_int_equal(lab_writer_open(&writer, path, &about, &err), -EEXIST);
	assert_null(writer);
	assert_non_null(strstr(err.text, "name another file"));
	lab_about_free(&about);
}

static void refused(const char *text)
{
	struct lab_result *result;
	struct err err = { 0 };

	put_file(text, strlen(text));
	assert_int_equal(lab_result_read(&result, path, &err), -EINVAL);
	assert_null(result);
	assert_non_null(strstr(err.text, "is no result of redmem lab"));
}

static void test_no_result(void **state)
{
	struct lab_result *result;

	(void)state;
	refused("");
	refused("{\"schema\":\"redmem.lab_result/1\"}"); /* not a whole line */
	refused("{\"schema\":\"redmem.doctor/1\"}\n");
	refused("[[[[\n");
	refused("\"redmem.lab_result/1\"\n");
	assert_int_equal(lab_result_read(&result, "/none/there", NULL), -ENOENT);
}

/* Each of these is left out, or leaves out what it says. */
static const char *const odd_lines[] = {
	"",
	"x",
	"[]",
	"7",
	"{}",
	"{\"line\":7}",
	"{\"line\":\"slice\"}",
	"{\"line\":\"slice\",\"phase\":\"ab\",\"side\":\"c\",\"pair\":1,\"restart\":1}",
	"{\"line\":\"slice\",\"phase\":\"ab\",\"side\":\"a\",\"pair\":-1,\"restart\":1}",
	"{\"line\":\"slice\",\"phase\":\"ab\",\"side\":\"a\",\"pair\":1e300,\"restart\":1}",
	"{\"line\":\"slice\",\"phase\":\"ab\",\"side\":\"a\",\"pair\":9999999999,\"restart\":1}",
	"{\"line\":\"slice\",\"phase\":\"ab\",\"side\":\"a\",\"pair\":1,\"restart\":1e999}",
	"{\"line\":\"end\",\"reason\":\"because\"}",
	"{\"line\":\"note\",\"text\":[]}",
};

static void test_odd_lines(void **state)
{
	static const char first[] =
		"{\"schema\":\"redmem.lab_result/1\",\"sides\":[7,{\"label\":[],"
		"\"settings\":[7,{\"name\":\"a\"},{\"name\":\"b\",\"value\":"
		"\"c\"}]}],\"host\":[],\"precision\":\"x\",\"seed\":{}}\n";
	static const char last[] =
		"{\"line\":\"moon\"}\n"
		"{\"line\":\"run\",\"phase\":\"ab\",\"side\":\"b\",\"pair\":1,\"restart\":1,"
		"\"metrics\":"
		"{\"ops_per_second\":-1,\"rss_bytes\":1e300,\"used_bytes\":\"9\",\"unheard_of\":1,"
		"\"bytes_per_key\":7},\"errors\":-4}\n";
	struct buf file = { 0 };
	struct lab_result *result;

	(void)state;
	buf_puts(&file, first);
	for (size_t i = 0; i < sizeof(odd_lines) / sizeof(odd_lines[0]); i++)
		buf_printf(&file, "%s\n", odd_lines[i]);
	buf_puts(&file, last);
	put_file(file.data, file.len);
	buf_free(&file);
	result = read_result();
	assert_int_equal(result->lines_left_out, sizeof(odd_lines) / sizeof(odd_lines[0]));
	assert_null(result->about.side[LAB_B].label);
	assert_int_equal(result->about.side[LAB_B].settings.count, 1);
	assert_true(isnan(result->about.precision));
	assert_int_equal(result->count, 1);
	for (int i = 0; i < LAB_METRICS; i++)
		if (i != LAB_BYTES_PER_KEY)
			assert_true(isnan(result->samples[0].value[i]));
	assert_true(result->samples[0].value[LAB_BYTES_PER_KEY] == 7);
	assert_int_equal(result->samples[0].errors, RECORD_UNKNOWN);
	lab_result_free(result);
}

static void test_metrics(void **state)
{
	struct buf out = { 0 };

	(void)state;
	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++)
		assert_true(lab_metrics[id].least > 0 && lab_metrics[id].coarseness >= 1);
	lab_metric_value(&out, LAB_OPS, 41203.4);
	lab_metric_value(&out, LAB_LATENCY_P99, -0.0123);
	lab_metric_value(&out, LAB_BYTES_PER_KEY, 98.25);
	lab_metric_value(&out, LAB_STALL_BY(0), 0.00412);
	lab_metric_value(&out, LAB_RSS, NAN);
	assert_string_equal(buf_str(&out), "41,203/s-12.3 ms98.2 B0.412 %-");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_result, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_lines, setup, teardown),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
