/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenarios of the lab: what is read, what is refused with its line, what commands become. */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lab/command.h"
#include "lab/scenario.h"

static struct lab_scenario *read_bytes(const char *text, size_t len, struct err *err)
{
	struct lab_scenario *s = NULL;

	if (lab_scenario_parse(&s, "dir/my-own.lab", text, len, err))
		assert_null(s);
	return s;
}

static struct lab_scenario *good(const char *text)
{
	struct err err = { 0 };
	struct lab_scenario *s = read_bytes(text, strlen(text), &err);

	if (!s)
		fail_msg("%s", err.text);
	return s;
}

/* @says is a part of the line that refuses it. */
static void refused(const char *text, const char *says)
{
	struct err err = { 0 };
	struct lab_scenario *s = read_bytes(text, strlen(text), &err);

	if (s || !strstr(err.text, says))
		fail_msg("of \"%s\" it is said: %s", text, s ? "nothing" : err.text);
}

static void test_everything(void **state)
{
	struct lab_scenario *s =
		good("# comment\r\n"
		     "\tabout \t two words  \r\n"
		     "config save 3600 1 300 100\ntry io-threads 4\nknob thp always\n"
		     "keys 1000 zipf 0.99\nclients 50\npipeline 16\nrate 25%\n"
		     "slice 1.5\nwarmup 60\nexpect OOM \nexpect NOPERM x\n"
		     "fill 1000 SET k:{n} {value:10}\nop 3 GET k:{key}\n"
		     "op 1 SET k:{key} {value:10-20}\nonce do 500 DEL k:{shuffle:1000}\n"
		     "once save\nonce load 2\nonce idle 0.5\nonce defrag 30");

	(void)state;
	assert_string_equal(s->name, "my-own");
	assert_string_equal(s->path, "dir/my-own.lab");
	assert_string_equal(s->about, "two words");
	assert_int_equal(s->settings_count, 2);
	assert_string_equal(s->settings[0].value, "3600 1 300 100");
	assert_false(s->settings[0].may_refuse);
	assert_string_equal(s->settings[1].name, "io-threads");
	assert_true(s->settings[1].may_refuse);
	assert_string_equal(s->knobs[0].name, "thp");
	assert_string_equal(s->knobs[0].value, "always");
	assert_int_equal(s->keys, 1000);
	assert_true(s->zipf == 0.99);
	assert_int_equal(s->clients, 50);
	assert_int_equal(s->pipeline, 16);
	assert_true(s->rate_share == 0.25 && s->rate == 0);
	assert_true(s->slice_seconds == 1.5 && s->warm_seconds == 60);
	assert_int_equal(s->expect_count, 2);
	assert_string_equal(s->expect[1], "NOPERM x");
	assert_int_equal(s->fills[0].count, 1000);
	assert_int_equal(s->ops_count, 2);
	assert_int_equal(s->ops[0].count, 3);
	assert_int_equal(s->steps_count, 5);
	assert_int_equal(s->steps[0].kind, LAB_STEP_DO);
	assert_int_equal(s->steps[0].op.count, 500);
	assert_int_equal(s->steps[1].kind, LAB_STEP_SAVE);
	assert_true(isnan(s->steps[1].seconds));
	assert_true(s->steps[3].seconds == 0.5);
	assert_int_equal(s->steps[4].kind, LAB_STEP_DEFRAG);
	lab_scenario_free(s);
}

static void test_refused(void **state)
{
	(void)state;
	refused("", "dir/my-own.lab: a line \"about WHAT IT IS\" is missing");
	refused("about a\n", "neither a line \"op WEIGHT COMMAND\" nor one \"load PROGRAM\"");
	refused("op 1 PING\n", "about");
	refused("\n\nfoo 1\n", "dir/my-own.lab:3: \"foo\" is no word that a line begins with");
	refused("about\n", ":1: about: a value is missing");
	refused("config maxmemory\n", "a value is missing");
	refused("clients 0\n", "no whole number from 1 to 1000");
	refused("clients 1001\n", "no whole number from 1 to 1000");
	refused("clients 1.5\n", "no whole number");
	refused("clients -1\n", "no whole number");
	refused("clients 1e2\n", "no whole number");
	refused("clients inf\n", "no whole number");
	refused("keys 99999999999999999999999999\n", "no whole number");
	refused("about a\nknob tph always\n", ":2: there is no knob 'tph'; there are thp,");
	refused("knob memory_max lots\n", "knob memory_max takes bytes, as 512M, not 'lots'");
	refused("keys 10 normal\n", "\"normal\" is neither uniform nor zipf");
	refused("keys 10 zipf\n", "keys: zipf: \"\" is no number");
	refused("keys 10 zipf nan\n", "no number");
	refused("rate 0\n", "rate");
	refused("rate 101%\n", "rate: %");
	refused("slice 0\n", "slice: \"0\" is no number from 0.001 to 86400");
	refused("warmup 1e9\n", "warmup");
	refused("op 0 PING\n", "op: \"0\" is no whole number");
	refused("op 1\n", "a command is missing");
	refused("op 1 SHUTDOWN NOSAVE\n", "may not have SHUTDOWN");
	refused("op 1 replicaof 10.0.0.1 6379\n", "may not have REPLICAOF");
	refused("op 1 Subscribe x\n", "may not have SUBSCRIBE");
	refused("about a\nop 1 GET {key}\n", "GET {key}: {key} needs a line \"keys COUNT\"");
	refused("about a\nop 1 PING\nonce do 5 GET {key}\n", "needs a line \"keys COUNT\"");
	refused("once\n", "once: a value is missing");
	refused("once wait 5\n", "\"wait\" is none of do, save, load, idle, defrag");
	refused("once save now\n", "nothing may follow");
	refused("once idle\n", "idle: \"\" is no number");
	refused("load wrk -c 5\n", "\"wrk\" is none of redis-benchmark");
	refused("load redis-benchmark -h 10.0.0.1\n",
		"which server is asked is not up to the scenario");
	refused("load memtier_benchmark --server=x\n", "not up to the scenario");
	refused("use ../../etc/passwd\n", "is no name of a scenario");
	refused("use no-such-scenario-anywhere\n", "there is no such scenario");
	refused("keys 1\nuse small\n", "only one, and before every line but about");
	refused("about a\nclients 1000\npipeline 1000\nop 1 SET k {value:100000}\n",
		"more than 1024 MiB");
}

static void test_refused_commands(void **state)
{
	(void)state;
	refused("op 1 GET {foo}\n", "\"{foo}\" is no place to fill in");
	refused("op 1 GET {key\n", "\"{key\" is no place to fill in");
	refused("op 1 GET {}\n", "\"{}\" is no place");
	refused("op 1 GET {value:}\n", "is no place");
	refused("op 1 GET {value:9-1}\n", "is no place");
	refused("op 1 GET {value:0~9}\n", "is no place");
	refused("op 1 GET {value:99999999999}\n", "is no place");
	refused("op 1 GET {random:0}\n", "is no place");
	refused("op 1 GET {shuffle:0}\n", "is no place");
	refused("op 1 GET {shuffle:99999999999999999}\n", "is no place");
	refused("op 1 {n} x\n", "the name of the command has a place");
	refused("op 1 SET \"a b\n", "quotes that do not end");
	refused("op 1 SET \"a\"b\n", "quotes that do not end, or not at a blank");
	refused("op 1 SET \"a\\\n", "quotes that do not end");
	refused("op 1 HSET a ( b c\n", "a \"(\" without a \")*TIMES\"");
	refused("op 1 HSET a )*5\n", "without words and a \"(\" before it");
	refused("op 1 HSET a ( )*5\n", "without words and a \"(\" before it");
	refused("op 1 HSET a ( b )*0\n", "a group ends in");
	refused("op 1 HSET a ( b )*9-5\n", "a group ends in");
	refused("op 1 HSET a ( b )*2000000\n", "a group ends in");
	refused("op 1 HSET a ( b )*2 ( c )*2\n", "a second \"(\"");
	refused("op 1 SET a ( {value:1000000} )*1000000\n", "MiB are the most");
	refused("op 1 GET {n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}\n", "no place");
}

/* Long, many, NUL: with the line where it is. */
static void test_hostile(void **state)
{
	static char text[400000];
	struct err err = { 0 };
	char *at = text;

	(void)state;
	assert_null(read_bytes("about a\nop 1 PI\0NG\n", 19, &err));
	assert_non_null(strstr(err.text, ":2: a NUL byte"));
	memset(text, 'x', sizeof(text) - 1);
	assert_null(read_bytes(text, 300000, &err));
	assert_non_null(strstr(err.text, "more than 256 KiB"));
	assert_null(read_bytes(text, 9000, &err));
	assert_non_null(strstr(err.text, ":1: a line of more than 8192 bytes"));
	assert_null(read_bytes(text, 8000, &err));
	assert_non_null(strstr(err.text, "is no word that a line begins with"));
	for (int i = 0; i < 300; i++)
		at += sprintf(at, "op 1 PING\n");
	refused(text, ":257: more than 256 lines of this kind");
	at = text + sprintf(text, "op 1 ");
	for (int i = 0; i < 1100; i++)
		at += sprintf(at, "a ");
	refused(text, "more than 1024 words");
}

/* Whatever is done to a good file, it is read or refused. */
static void test_mutations(void **state)
{
	static const char text[] = "about a\nkeys 100 zipf 1\nrate 5%\nfill 10 HSET h:{n} ( f{i} "
				   "{value:1~9} )*2-3\nop 2 GET \"a\\x41\" {key}\nonce idle 1\n"
				   "expect OOM\nonce do 3 DEL {shuffle:9} {random:1-5}\n";
	static const char bytes[] = "{}()*\"\\:-~%9 \n\0x";
	struct lab_random random;

	(void)state;
	lab_random_seed(&random, 5);
	for (int round = 0; round < 20000; round++) {
		char copy[sizeof(text)];
		struct err err = { 0 };
		struct lab_scenario *s;

		memcpy(copy, text, sizeof(text));
		for (int i = 0; i < 3; i++)
			copy[lab_random_below(&random, sizeof(text) - 1)] =
				bytes[lab_random_below(&random, sizeof(bytes) - 1)];
		s = read_bytes(copy, lab_random_below(&random, sizeof(text)), &err);
		assert_true(s || err.text[0]);
		lab_scenario_free(s);
	}
}

/* --- one that uses another ---------------------------------------------------------------- */

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static struct lab_scenario *read_file(const char *dir, const char *name, struct err *err)
{
	struct lab_scenario *s = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	lab_scenario_read(&s, path, err);
	return s;
}

static void test_use(void **state)
{
	char dir[] = "/tmp/redmem-test-XXXXXX";
	struct lab_scenario *s;
	struct err err = { 0 };
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "base.lab",
		   "about base\nclients 7\nconfig maxmemory 1gb\nfill 5 SET {n} x\n"
		   "knob thp never\nknob swappiness 1\ntry hz 50\n"
		   "op 1 GET 1\nop 2 GET 2\nexpect OOM\n");
	write_file(dir, "child.lab",
		   "about child\nuse base\npipeline 3\nconfig maxmemory 2gb\n"
		   "knob thp always\nconfig hz 10\nop 9 PING\n");
	write_file(dir, "mute.lab", "use base\n");
	write_file(dir, "self.lab", "about self\nuse self\n");
	s = read_file(dir, "child.lab", &err);
	assert_non_null(s);
	assert_string_equal(s->name, "child");
	assert_string_equal(s->about, "child");
	assert_int_equal(s->clients, 7);
	assert_int_equal(s->pipeline, 3);
	assert_int_equal(s->settings_count, 4);
	assert_string_equal(s->settings[2].value, "2gb");
	assert_false(lab_scenario_counts(s, 0) || lab_scenario_counts(s, 1)); /* tried by base */
	assert_true(lab_scenario_counts(s, 2) && lab_scenario_counts(s, 3));
	assert_string_equal(lab_scenario_knob(s, "thp"), "always");
	assert_string_equal(lab_scenario_knob(s, "swappiness"), "1");
	assert_null(lab_scenario_knob(s, "thp_defrag"));
	assert_int_equal(s->fills_count, 1);
	assert_int_equal(s->ops_count, 1); /* the first op takes the place of all of base's */
	assert_int_equal(s->ops[0].count, 9);
	assert_int_equal(s->expect_count, 1);
	lab_scenario_free(s);
	assert_null(read_file(dir, "mute.lab", &err));
	assert_non_null(strstr(err.text, "mute.lab: a line \"about"));
	assert_null(read_file(dir, "self.lab", &err));
	assert_non_null(strstr(err.text, "more than 4 scenarios that use another"));
	assert_null(read_file(dir, "gone.lab", &err));
	assert_non_null(strstr(err.text, "gone.lab: No such file"));
	for (const char *const *name =
		     (const char *const[]){ "base", "child", "mute", "self", NULL };
	     *name; name++) {
		snprintf(path, sizeof(path), "%s/%s.lab", dir, *name);
		unlink(path);
	}
	rmdir(dir);
}

/* A scenario is added by a file alone: it is in the list, can be shown and is found by its name.
 * One that cannot be read is in the list with the reason. */
static void test_list(void **state)
{
	static const char mine[] = "# mine\nabout my own load\nop 1 PING\n";
	char dir[] = "/tmp/redmem-test-XXXXXX", before[4096];
	struct buf out = { 0 }, path = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(lab_scenario_list(&out, &err), -ENOENT);
	write_file(".", "mine.lab", mine);
	write_file(".", "broken.lab", "about broken\nop x PING\n");
	write_file(".", "redis.conf", "maxmemory 1gb\n");
	assert_int_equal(lab_scenario_list(&out, &err), 0);
	assert_string_equal(buf_str(&out),
			    "broken  lab: ./broken.lab:2: op: \"x\" is no whole number "
			    "from 1 to 1000000\nmine    my own load\n");
	buf_clear(&out);
	assert_int_equal(lab_scenario_show(&out, "mine", &err), 0);
	assert_string_equal(buf_str(&out), mine);
	assert_int_equal(lab_scenario_find(&path, "mine", &err), 0);
	assert_string_equal(buf_str(&path), "mine.lab");
	assert_int_equal(lab_scenario_show(&out, "yours", &err), -ENOENT);
	assert_non_null(strstr(err.text, "yours: there is no such scenario; `redmem lab list`"));
	unlink("mine.lab");
	unlink("broken.lab");
	unlink("redis.conf");
	assert_int_equal(chdir(before), 0);
	rmdir(dir);
	buf_free(&out);
	buf_free(&path);
}

/* All that come with redmem can be read, and say what they are in a line of a terminal. */
static void test_shipped(void **state)
{
	glob_t found;

	(void)state;
	assert_int_equal(glob("tools/lab/*.lab", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 12);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct lab_scenario *s;
		struct err err = { 0 };

		if (lab_scenario_read(&s, found.gl_pathv[i], &err))
			fail_msg("%s", err.text);
		assert_true(strlen(s->about) <= 56);
		lab_scenario_free(s);
	}
	globfree(&found);
}

/* --- commands ----------------------------------------------------------------------------- */

static struct lab_source source(uint64_t seed)
{
	static char noise[LAB_NOISE + 1000];
	struct lab_source s = { .keys = 1000, .noise = noise };

	memset(noise, 'v', sizeof(noise));
	lab_random_seed(&s.random, seed);
	return s;
}

/* @text, the @n-th time, is @protocol. */
static void becomes(const char *text, uint64_t n, const char *protocol)
{
	struct lab_source from = source(1);
	struct lab_command *command;
	struct err err = { 0 };
	char *out, *end;

	if (lab_command_parse(&command, text, strlen(text), &err))
		fail_msg("%s", err.text);
	out = calloc(1, lab_command_bytes(command) + 1);
	end = lab_command_write(command, out, &from, n);
	assert_true((size_t)(end - out) <= lab_command_bytes(command));
	assert_string_equal(out, protocol);
	free(out);
	lab_command_free(command);
}

static void test_commands(void **state)
{
	(void)state;
	becomes("PING", 0, "*1\r\n$4\r\nPING\r\n");
	becomes(" SET  k:{n}:x\tv ", 1234567,
		"*3\r\n$3\r\nSET\r\n$11\r\nk:1234567:x\r\n$1\r\nv\r\n");
	becomes("SET {{tag}{n} \"a {n}\\r\\x00\\\"\"", 5,
		"*3\r\n$3\r\nSET\r\n$6\r\n{tag}5\r\n$8\r\na {n}\r");
	becomes("SET a \"\"", 0, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n");
	becomes("SET a {value:3}", 0, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nvvv\r\n");
	becomes("SET a x{value:0}", 0, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nx\r\n");
	becomes("D {random:1} {random:7-7} {shuffle:1} {i}", 9,
		"*5\r\n$1\r\nD\r\n$1\r\n0\r\n$1\r\n7\r\n$1\r\n0\r\n$1\r\n0\r\n");
	becomes("HSET h ( f{i} x )*3 tail", 0,
		"*9\r\n$4\r\nHSET\r\n$1\r\nh\r\n$2\r\nf0\r\n$1\r\nx\r\n$2\r\nf1\r\n$1\r\nx\r\n"
		"$2\r\nf2\r\n$1\r\nx\r\n$4\r\ntail\r\n");
	becomes("SADD {n}", UINT64_MAX, "*2\r\n$4\r\nSADD\r\n$20\r\n18446744073709551615\r\n");
}

/* Lengths and numbers stay between their bounds and reach both; a key is one key all over. */
static void test_bounds(void **state)
{
	static const char text[] = "X {key} {key} {random:3-5} {value:2-4} {value:1~3} ( y )*1-2";
	struct lab_source from = source(3);
	unsigned int seen[4][8] = { 0 };
	struct lab_command *command;
	char *out;

	(void)state;
	assert_int_equal(lab_command_parse(&command, text, strlen(text), NULL), 0);
	out = calloc(1, lab_command_bytes(command) + 1);
	for (int i = 0; i < 2000; i++) {
		unsigned int words, key_len, key, again, number, value, log_value;

		*lab_command_write(command, out, &from, 0) = '\0';
		assert_int_equal(sscanf(out, "*%u $1 X $%u %u $%*u %u $1 %u $%u %*s $%u", &words,
					&key_len, &key, &again, &number, &value, &log_value),
				 7);
		assert_true(key < 1000 && key == again);
		assert_true(number >= 3 && number <= 5 && value >= 2 && value <= 4);
		assert_true(log_value >= 1 && log_value <= 3 && words >= 7 && words <= 8);
		seen[0][number]++;
		seen[1][value]++;
		seen[2][log_value]++;
		seen[3][words - 1]++;
	}
	for (int i = 3; i <= 5; i++)
		assert_true(seen[0][i] > 500 && seen[1][i - 1] > 500 && seen[2][i - 2] > 200);
	assert_true(seen[2][1] > seen[2][3] && seen[3][6] > 800 && seen[3][7] > 800);
	free(out);
	lab_command_free(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_commands),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_use),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests_name("scenario", tests, NULL, NULL);
}
