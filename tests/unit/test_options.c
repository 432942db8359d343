/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: what it takes, what it refuses and how, what it hides. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/options.h"
#include "base/buf.h"

#define ARGS_MAX      24
#define STATUS_PARSED 77 /* of a child whose options_parse() returned */

static const struct command doctor = {
	.name = "doctor",
	.doc = "The doc comes first.",
	.examples = "Examples:\n  the examples come last",
	.takes = "tlhwsbrRPo",
};
static const struct command check = { .name = "check", .doc = "", .examples = "", .takes = "tlo" };
static const struct command key = { .name = "key",
				    .doc = "",
				    .examples = "",
				    .takes = "tlw1brRo",
				    .arguments = "NAME" };
static const struct command demo = { .name = "demo", .doc = "", .examples = "", .takes = "o" };

/* A command line in memory that can be written to, as main() gets it. */
struct line {
	int argc;
	char *argv[ARGS_MAX + 1];
	char *text; /* behind argv */
};

/* @words: the arguments with a blank between two; '~' stands for an empty one. */
static struct line line_of(const char *words)
{
	struct line line = { .argc = 1 };
	char *save = NULL;

	line.text = xmemdup(words, strlen(words));
	line.argv[0] = (char *)"doctor";
	for (char *word = strtok_r(line.text, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		assert_true(line.argc < ARGS_MAX);
		if (!strcmp(word, "~"))
			*word = '\0';
		line.argv[line.argc++] = word;
	}
	return line;
}

/* Options of `redmem doctor` for a line that is right. */
static struct options parsed(struct line *line)
{
	struct options o;

	memset(&o, 0xff, sizeof(o));
	options_parse(&o, &doctor, line->argc, line->argv);
	return o;
}

/* The same for a line of options that do not point into argv. */
static struct options parse_words(const char *words)
{
	struct line line = line_of(words);
	struct options o = parsed(&line);

	free(line.text);
	return o;
}

/* --- in a child -------------------------------------------------------------- */

struct outcome {
	int status;
	char out[8192], err[2048];
};

static void read_back(FILE *file, char *text, size_t size)
{
	rewind(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

static void child(const struct command *command, struct line *line, FILE *out, FILE *err)
{
	struct options o;

	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(err), STDERR_FILENO);
	options_parse(&o, command, line->argc, line->argv);
	_exit(STATUS_PARSED);
}

static struct outcome run(const struct command *command, const char *words)
{
	FILE *out = tmpfile(), *err = tmpfile();
	struct line line = line_of(words);
	struct outcome outcome;
	int status;
	pid_t pid;

	assert_non_null(out);
	assert_non_null(err);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		child(command, &line, out, err);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	outcome.status = WEXITSTATUS(status);
	read_back(out, outcome.out, sizeof(outcome.out));
	read_back(err, outcome.err, sizeof(outcome.err));
	free(line.text);
	return outcome;
}

/* Wrong usage: status 2, nothing on stdout, the command's name and @reason on stderr. */
static void refuses(const struct command *command, const char *words, const char *reason)
{
	struct outcome got = run(command, words);
	struct buf start = { 0 };

	buf_printf(&start, "redmem %s: ", command->name);
	if (got.status != 2 || *got.out)
		fail_msg("%s: status %d, stdout '%s'", words, got.status, got.out);
	if (strncmp(got.err, buf_str(&start), start.len) || !strstr(got.err, reason))
		fail_msg("%s: '%s' does not say '%s'", words, got.err, reason);
	buf_free(&start);
}

/* --- what is taken ----------------------------------------------------------- */

static int no_password(void **state)
{
	(void)state;
	return unsetenv("REDISCLI_AUTH");
}

static void test_defaults(void **state)
{
	struct options o = parse_words("");

	(void)state;
	assert_null(o.host);
	assert_int_equal(o.port, 0);
	assert_null(o.socket_path);
	assert_null(o.user);
	assert_null(o.password);
	assert_int_equal(o.db, 0);
	assert_int_equal(o.pid, 0);
	assert_false(o.tls || o.no_connect || o.no_bpf || o.json);
	assert_true(isnan(o.duration_seconds));
	assert_true(isnan(o.threshold_ms));
	assert_null(o.record_path);
	assert_null(o.replay_path);
	assert_int_equal(o.verbose, 0);
	assert_false(options_name_server(&o));
	options_free(&o);
}

static void test_everything(void **state)
{
	struct line line = line_of("-h db.local -p 6380 -s /run/redis.sock --user bob -n 3 --tls "
				   "--no-connect -d 2.5 --record=x -vv");
	struct options o = parsed(&line);

	(void)state;
	assert_string_equal(o.host, "db.local");
	assert_int_equal(o.port, 6380);
	assert_string_equal(o.socket_path, "/run/redis.sock");
	assert_string_equal(o.user, "bob");
	assert_int_equal(o.db, 3);
	assert_true(o.tls && o.no_connect && !o.no_bpf && !o.json);
	assert_true(o.duration_seconds == 2.5);
	assert_string_equal(o.record_path, "x");
	assert_int_equal(o.verbose, 2);
	options_free(&o);
	free(line.text);
	line = line_of("--replay y --json --no-bpf --threshold 0.5 --pid 4194304");
	o = parsed(&line);
	assert_string_equal(o.replay_path, "y");
	assert_true(o.json && o.no_bpf);
	assert_true(o.threshold_ms == 0.5);
	assert_int_equal(o.pid, 4194304);
	options_free(&o);
	free(line.text);
}

static void test_names_server(void **state)
{
	struct options by_host = { .host = "h" }, by_port = { .port = 1 };
	struct options by_socket = { .socket_path = "s" }, by_pid = { .pid = 1, .user = "u" };

	(void)state;
	assert_true(options_name_server(&by_host));
	assert_true(options_name_server(&by_port));
	assert_true(options_name_server(&by_socket));
	assert_false(options_name_server(&by_pid));
}

static void test_tls(void **state)
{
	struct line line =
		line_of("--tls --cacert a --cacertdir b --cert c --key d --sni e --insecure");
	struct options o = parsed(&line);

	(void)state;
	assert_string_equal(o.tls_ca_cert, "a");
	assert_string_equal(o.tls_ca_dir, "b");
	assert_string_equal(o.tls_cert, "c");
	assert_string_equal(o.tls_key, "d");
	assert_string_equal(o.tls_server_name, "e");
	assert_true(o.tls && o.tls_insecure);
	options_free(&o);
	free(line.text);
	refuses(&doctor, "--cacert x", "are for --tls");
	refuses(&doctor, "--insecure -u redis://h", "are for --tls");
	refuses(&doctor, "--tls --cert x", "--cert and --key go together");
	assert_int_equal(run(&doctor, "-u rediss://h --sni x").status, STATUS_PARSED);
}

/* The ends of what each number may be. */
static void test_numbers_at_the_edge(void **state)
{
	struct options o = parse_words("-p 1 -n 0 --pid 1 -d 86400 --threshold 3600000");

	(void)state;
	assert_int_equal(o.port, 1);
	assert_int_equal(o.pid, 1);
	assert_true(o.duration_seconds == 86400);
	assert_true(o.threshold_ms == 3600e3);
	options_free(&o);
	o = parse_words("-p 65535 -n 1048576 -d 0.001");
	assert_int_equal(o.port, 65535);
	assert_int_equal(o.db, 1048576);
	assert_true(o.duration_seconds == 0.001);
	options_free(&o);
}

static void test_uri(void **state)
{
	struct options o = parse_words("-u redis://bob:pass:word@db.local:6380/5");

	(void)state;
	assert_string_equal(o.host, "db.local");
	assert_int_equal(o.port, 6380);
	assert_int_equal(o.db, 5);
	assert_string_equal(o.user, "bob");
	assert_string_equal(o.password, "pass:word");
	assert_false(o.tls);
	options_free(&o);
	o = parse_words("-u rediss://:s3cret@db.local");
	assert_null(o.user);
	assert_string_equal(o.password, "s3cret");
	assert_string_equal(o.host, "db.local");
	assert_int_equal(o.port, 0);
	assert_true(o.tls);
	options_free(&o);
	o = parse_words("-u valkey://10.0.0.1/");
	assert_string_equal(o.host, "10.0.0.1");
	assert_int_equal(o.db, 0);
	assert_null(o.password);
	options_free(&o);
	/* As redis-cli reads it: without a colon it is the password. */
	o = parse_words("-u redis://s3c%20ret@db.local");
	assert_null(o.user);
	assert_string_equal(o.password, "s3c ret");
	assert_string_equal(o.host, "db.local");
	options_free(&o);
	o = parse_words("-u valkeys://u%40x:p@[::1]:7000/3");
	assert_string_equal(o.user, "u@x");
	assert_string_equal(o.host, "::1");
	assert_int_equal(o.port, 7000);
	assert_int_equal(o.db, 3);
	assert_true(o.tls);
	options_free(&o);
	o = parse_words("-u redis://:6380");
	assert_null(o.host);
	assert_int_equal(o.port, 6380);
	options_free(&o);
}

/* The later word counts, and what a URI does not say stays. */
static void test_later_wins(void **state)
{
	struct options o = parse_words("-p 1 -a first -n 9 -u redis://h:2 -a second -p 3");

	(void)state;
	assert_int_equal(o.port, 3);
	assert_int_equal(o.db, 9);
	assert_string_equal(o.host, "h");
	assert_string_equal(o.password, "second");
	options_free(&o);
	o = parse_words("-a first -u redis://:third@h");
	assert_string_equal(o.password, "third");
	options_free(&o);
}

static void assert_key(const char *words, const char *name, size_t len)
{
	struct line line = line_of(words);
	struct options o;

	options_parse(&o, &key, line.argc, line.argv);
	if (o.key_len != len || memcmp(o.key, name, len))
		fail_msg("%s: a key of %zu bytes", words, o.key_len);
	options_free(&o);
	free(line.text);
}

/* As it is, as redis-cli shows it, or as hex digits; any byte may be in it. */
static void test_key_names(void **state)
{
	(void)state;
	assert_key("user:1", "user:1", 6);
	assert_key("-d 1 a\\\\x00 --json", "a\\\\x00", 6);
	assert_key("\"a\\x00\\n\\\"b\\q\"", "a\0\n\"bq", 6);
	assert_key("\"\"", "", 0);
	assert_key("\"", "\"", 1);
	assert_key("--hex 6100fF", "a\0\xff", 3);
	assert_key("-- -x", "-x", 2);
	refuses(&key, "", "give its NAME");
	refuses(&key, "a b", "unexpected argument 'b'");
	refuses(&key, "--hex 6", "--hex takes");
	refuses(&key, "\"a\\\"", "middle of an escape");
	refuses(&key, "--samples -1 a", "samples must be");
	refuses(&doctor, "a", "unexpected argument 'a'");
}

/* --- secrets ------------------------------------------------------------------ */

/* No argument may show @secret any more; the line is as long as it was. */
static void assert_wiped(const struct line *line, const char *words, const char *secret)
{
	size_t bytes = strlen(words);

	for (size_t i = 0; i + strlen(secret) <= bytes; i++)
		if (!memcmp(line->text + i, secret, strlen(secret)))
			fail_msg("%s: still shows %s", words, secret);
	assert_int_equal(line->text[bytes], '\0');
}

static void test_password_leaves_argv(void **state)
{
	static const char *const lines[] = {
		"-a hunter2",		"-ahunter2 -v",
		"--pass hunter2",	"--pass=hunter2",
		"--pas=hunter2 -p 1",	"-va hunter2",
		"-a first -a hunter2",	"-u redis://bob:hunter2@h:1/2",
		"-uredis://:hunter2@h", "--uri=rediss://bob:hunter2@h",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct line line = line_of(lines[i]);
		struct options o = parsed(&line);

		assert_non_null(o.password);
		assert_string_equal(o.password, "hunter2");
		assert_wiped(&line, lines[i], "hunter2");
		assert_wiped(&line, lines[i], "first");
		assert_wiped(&line, lines[i], "bob");
		options_free(&o);
		free(line.text);
	}
}

/* A wrong option after a password: the message does not tell it. */
static void test_password_not_in_messages(void **state)
{
	static const char *const lines[] = {
		"-a hunter2 -p x",
		"-u redis://bob:hunter2@h:x",
		"-u redis://bob:hunter2@h/x",
		"-u redis://bob:hunter2",
		"-u redis://h/hunter2",
		"-u redis://bob:hunter2%00x@h",
		"-u http://bob:hunter2@h",
		"--pass=hunter2 --no-such-option",
		"-a hunter2 extra",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct outcome got = run(&doctor, lines[i]);

		assert_int_equal(got.status, 2);
		assert_true(*got.err);
		assert_null(strstr(got.err, "hunter2"));
	}
}

static void test_password_of_environment(void **state)
{
	struct options o;

	(void)state;
	setenv("REDISCLI_AUTH", "from-env", 1);
	o = parse_words("");
	assert_string_equal(o.password, "from-env");
	assert_null(getenv("REDISCLI_AUTH")); /* for no child */
	options_free(&o);
	setenv("REDISCLI_AUTH", "from-env", 1);
	o = parse_words("-a given");
	assert_string_equal(o.password, "given");
	options_free(&o);
	setenv("REDISCLI_AUTH", "from-env", 1);
	o = parse_words("-u redis://:given@h");
	assert_string_equal(o.password, "given");
	options_free(&o);
	setenv("REDISCLI_AUTH", "from-env", 1);
	o = parse_words("-u redis://h");
	assert_string_equal(o.password, "from-env");
	options_free(&o);
	setenv("REDISCLI_AUTH", "", 1);
	o = parse_words("");
	assert_null(o.password);
	options_free(&o);
}

/* --- what is refused ---------------------------------------------------------- */

static const struct {
	const char *words, *reason;
} bad_numbers[] = {
	{ "-p 0", "port must be a whole number from 1 to 65535, not '0'" },
	{ "-p 65536", "not '65536'" },
	{ "-p -1", "not '-1'" },
	{ "-p 6379x", "not '6379x'" },
	{ "-p 6379.0", "not '6379.0'" },
	{ "-p x", "not 'x'" },
	{ "-p ~", "not ''" },
	{ "-p 99999999999999999999", "not '99999999999999999999'" },
	{ "-p 4295033216", "not '4295033216'" }, /* 2^32 + 65920 */
	{ "-n -1", "database must be a whole number from 0 to 1048576, not '-1'" },
	{ "-n 1048577", "not '1048577'" },
	{ "-n one", "not 'one'" },
	{ "-n ~", "not ''" },
	{ "--pid 0", "pid must be a whole number from 1 to 4194304, not '0'" },
	{ "--pid -1", "not '-1'" },
	{ "--pid 4194305", "not '4194305'" },
	{ "--pid self", "not 'self'" },
	{ "-d 0", "duration must be a number above 0 and at most 86400, not '0'" },
	{ "-d -1", "not '-1'" },
	{ "-d 86400.5", "not '86400.5'" },
	{ "-d nan", "not 'nan'" },
	{ "-d inf", "not 'inf'" },
	{ "-d 1e999", "not '1e999'" },
	{ "-d 10s", "not '10s'" },
	{ "-d ~", "not ''" },
	{ "--threshold 0", "threshold must be a number above 0" },
	{ "--threshold 3600001", "not '3600001'" },
	{ "--threshold nan", "not 'nan'" },
	{ "--threshold 5ms", "not '5ms'" },
	{ "-u redis://h:0", "URI: port must be a whole number from 1 to 65535\n" },
	{ "-u redis://h:65536", "URI: port must be" },
	{ "-u redis://h:", "URI: port must be" },
	{ "-u redis://u:p@h:x/1", "URI: port must be" },
	{ "-u redis://h/-1", "URI: database must be a whole number from 0 to 1048576\n" },
	{ "-u redis://h/1/2", "URI: database must be" },
};

static void test_bad_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_numbers) / sizeof(*bad_numbers); i++)
		refuses(&doctor, bad_numbers[i].words, bad_numbers[i].reason);
}

static const struct command stalls = { .name = "stalls",
				       .doc = "",
				       .examples = "",
				       .takes = "tlwseo" };

static void test_stalls(void **state)
{
	struct line line = line_of("--count 3 --command config|get --threshold 2");
	struct options o;

	(void)state;
	options_parse(&o, &stalls, line.argc, line.argv);
	assert_int_equal(o.count, 3);
	assert_string_equal(o.command, "config|get");
	options_free(&o);
	free(line.text);
	refuses(&stalls, "--count 0", "count must be a whole number from 1 to 1000000000, not '0'");
	refuses(&stalls, "--command ~", "--command needs the name of a command");
	refuses(&stalls, "--record x", "'--record'");
	refuses(&doctor, "--count 1", "'--count'");
}

static const struct command rdb = { .name = "rdb",
				    .doc = "",
				    .examples = "",
				    .takes = "lKfFSco",
				    .arguments = "[FILE...]" };

static void assert_input(const struct rdb_input *input, const char *host, int port,
			 const char *socket)
{
	assert_true(input->server);
	assert_int_equal(input->port, port);
	assert_int_equal(!input->host, !host);
	assert_int_equal(!input->socket_path, !socket);
	if (host)
		assert_string_equal(input->host, host);
	if (socket)
		assert_string_equal(input->socket_path, socket);
}

/* Where dumps come from. */
static void test_inputs(void **state)
{
	struct line line = line_of("--from h:7000 a.rdb --from h --from [::1]:7001 --from ::1 "
				   "--from :7002 --from /run/s --user u -a p --tls -");
	struct options o;

	(void)state;
	options_parse(&o, &rdb, line.argc, line.argv);
	assert_int_equal(o.rdb.count, 8);
	/* getopt puts what is no option last. */
	assert_input(&o.rdb.inputs[0], "h", 7000, NULL);
	assert_input(&o.rdb.inputs[1], "h", 0, NULL);
	assert_input(&o.rdb.inputs[2], "::1", 7001, NULL);
	assert_input(&o.rdb.inputs[3], "::1", 0, NULL);
	assert_input(&o.rdb.inputs[4], NULL, 7002, NULL);
	assert_input(&o.rdb.inputs[5], NULL, 0, "/run/s");
	assert_string_equal(o.rdb.inputs[6].name, "a.rdb");
	assert_false(o.rdb.inputs[6].server);
	assert_string_equal(o.rdb.inputs[7].name, "-");
	assert_string_equal(o.user, "u");
	assert_string_equal(o.password, "p");
	assert_true(o.tls);
	options_free(&o);
	free(line.text);
	refuses(&rdb, "", "no file; name a dump, - for stdin, or a server with --from");
	refuses(&rdb, "--from h:0", "--from: port must be a whole number from 1 to 65535, not '0'");
	refuses(&rdb, "--from ~", "--from needs the name of a host");
	refuses(&rdb, "--from []", "--from needs the name of a host");
	refuses(&rdb, "--from [::1:7000", "--from: the IPv6 address has no closing ']'");
	refuses(&rdb, "-h h a.rdb", "'h'");
	refuses(&rdb, "--as redis-5 a.rdb", "--as knows no server 'redis-5'");
	refuses(&rdb, "--as redis-8 --as valkey-9 --as redis-7.0 a.rdb", "two servers, not three");
}

static void test_bad_lines(void **state)
{
	(void)state;
	refuses(&doctor, "6379", "unexpected argument '6379'");
	refuses(&doctor, "--record a --replay b", "--record and --replay exclude each other");
	refuses(&doctor, "--replay b --record a", "--record and --replay exclude each other");
	refuses(&doctor, "--no-such-option", "'--no-such-option'");
	refuses(&doctor, "-x", "'x'");
	refuses(&doctor, "-p", "'p'"); /* needs an argument */
	refuses(&doctor, "-h", "'h'"); /* is the host, as in redis-cli, and no help */
	refuses(&doctor, "-u redis:/h", "URI must begin with redis:// or rediss://");
	refuses(&doctor, "-u ~", "URI must begin with redis:// or rediss://");
	refuses(&doctor, "-u redis://a:b", "URI: port must be a whole number from 1 to 65535");
	refuses(&doctor, "-u redis://a%00:b@h", "URI: there is a NUL (%00)");
	refuses(&doctor, "-u redis://a:b%00c@h", "URI: there is a NUL (%00)");
	refuses(&doctor, "-u http://h", "URI must begin with redis:// or rediss://");
}

static void test_long_uri(void **state)
{
	char words[2048] = "-u redis://";
	size_t start = strlen(words);

	(void)state;
	memset(words + start, 'h', sizeof(words) - start - 1);
	assert_int_equal(run(&doctor, words).status, STATUS_PARSED);
}

/* A command refuses the options of groups it does not take. */
static void test_groups(void **state)
{
	(void)state;
	assert_int_equal(run(&doctor, "-p 1 -d 1 --record x -v").status, STATUS_PARSED);
	assert_int_equal(run(&check, "-p 1 --json").status, STATUS_PARSED);
	refuses(&check, "-d 1", "'d'");
	refuses(&check, "--replay x", "'--replay'");
	refuses(&key, "--no-connect x", "'--no-connect'");
	assert_int_equal(run(&demo, "-v --json").status, STATUS_PARSED);
	refuses(&demo, "-p 1", "'p'");
	refuses(&demo, "--duration 1", "'--duration");
	refuses(&demo, "--record x", "'--record'");
}

/* --- help ---------------------------------------------------------------------- */

static void test_help(void **state)
{
	struct outcome got = run(&doctor, "--help");
	const char *doc, *options, *examples;

	(void)state;
	assert_int_equal(got.status, 0);
	assert_string_equal(got.err, "");
	doc = strstr(got.out, "The doc comes first.");
	options = strstr(got.out, "--duration=SECONDS");
	examples = strstr(got.out, "the examples come last");
	assert_true(doc && options && examples && doc < options && options < examples);
	assert_non_null(strstr(got.out, "redmem doctor"));
	assert_non_null(strstr(got.out, "REDISCLI_AUTH"));
	got = run(&demo, "--help");
	assert_int_equal(got.status, 0);
	assert_non_null(strstr(got.out, "--json"));
	assert_null(strstr(got.out, "--port"));
	assert_null(strstr(got.out, "--duration"));
}

static void test_profiles(void **state)
{
	static const struct command push = {
		.name = "push", .doc = "", .examples = "", .takes = "tlwbu", .arguments = "[FILE]"
	};
	struct options o;
	struct line line = line_of("--pprof a --folded - --speedscope b --sample-type growth");

	(void)state;
	options_parse(&o, &doctor, line.argc, line.argv);
	assert_string_equal(o.profile.pprof, "a");
	assert_string_equal(o.profile.folded, "-");
	assert_string_equal(o.profile.speedscope, "b");
	assert_string_equal(o.profile.sample_type, "growth");
	options_free(&o);
	free(line.text);
	refuses(&doctor, "--folded - --json", "leave out --json");
	refuses(&doctor, "--folded - --pprof -", "name a file for the other");
	refuses(&doctor, "--sample-type heap", "not 'heap'");
	line = line_of("--url https://u@h --api parca --name a.b --token-file t file");
	options_parse(&o, &push, line.argc, line.argv);
	assert_int_equal(o.push.api, PUSH_PARCA);
	assert_string_equal(o.push.file, "file");
	options_free(&o);
	free(line.text);
	refuses(&push, "file", "where to? give --url");
	refuses(&push, "--url u one two", "unexpected argument 'two'");
	refuses(&push, "--url u file -p 6380", "leave out the file");
	refuses(&push, "--url u --name a{b", "--name is letters");
	refuses(&push, "--url u --api otlp", "'pyroscope' or 'parca'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profiles),
		cmocka_unit_test_setup(test_defaults, no_password),
		cmocka_unit_test_setup(test_everything, no_password),
		cmocka_unit_test_setup(test_stalls, no_password),
		cmocka_unit_test_setup(test_tls, no_password),
		cmocka_unit_test_setup(test_names_server, no_password),
		cmocka_unit_test_setup(test_numbers_at_the_edge, no_password),
		cmocka_unit_test_setup(test_uri, no_password),
		cmocka_unit_test_setup(test_later_wins, no_password),
		cmocka_unit_test_setup(test_key_names, no_password),
		cmocka_unit_test_setup(test_password_leaves_argv, no_password),
		cmocka_unit_test_setup(test_password_not_in_messages, no_password),
		cmocka_unit_test_setup_teardown(test_password_of_environment, no_password,
						no_password),
		cmocka_unit_test_setup(test_bad_numbers, no_password),
		cmocka_unit_test_setup(test_inputs, no_password),
		cmocka_unit_test_setup(test_bad_lines, no_password),
		cmocka_unit_test_setup(test_long_uri, no_password),
		cmocka_unit_test_setup(test_groups, no_password),
		cmocka_unit_test_setup(test_help, no_password),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
