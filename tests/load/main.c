/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of the workloads, and what they share. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: load SUBCOMMAND (-s SOCKET | -p PORT) [OPTION]...\n"
	"  mixed   -d SEC               eight kinds of commands for the same time each, every\n"
	"                               kind on keys of its own; -d 0 only makes the keys\n"
	"  fill    -n N -k PREFIX -S B  SET PREFIX0 to PREFIX<N-1> to B bytes each,\n"
	"          [-x FRACTION]        then delete that part of them at random\n"
	"  delete  -n N -k PREFIX -x FRACTION  only that\n"
	"  get     -n N -k PREFIX -d SEC  GET random ones of them; prints calls per second\n"
	"  unread  -n N -k KEY          GET KEY N times and read no reply until stdin ends\n"
	"  hold    -d SEC -k KEY        one EVAL that takes about SEC seconds\n"
	"  keys    -o types|encodings|shapes|distinct|churn [-n N] [-d SEC] [-r SEED]\n"
	"                               a keyspace: every type; every encoding; 30 prefixes\n"
	"                               made at random, which are printed; as many prefixes as\n"
	"                               keys; one that is written and deleted for SEC seconds\n"
	"  tell                         a line of every key: what the server says of it\n"
	"  streams                      lines of every stream: groups, consumers, pending entries\n"
	"  steady  -o set|get -P DEPTH -c CLIENTS [-n N] [-S B] [-R RATE]\n"
	"                               load until stdin ends, of RATE calls a second; a line "
	"\"slice SEC\" is answered\n"
	"                               with \"calls_per_second p50_seconds p99_seconds\"\n"
	"  gaps    -n N -k PREFIX -d SEC  one GET after another; prints each time between two\n"
	"                               replies that is longer than usual\n"
	"  delays  -n PID               what the kernel counted of a server's delays\n"
	"  inject  -n N                 N stalls of random kind and length; prints what they were\n"
	"  bytes   -o set|append|hset|lpush|zadd|setrange|xadd|multi -n N -k PREFIX -S B\n"
	"          -c CLIENTS -P DEPTH  N writes of B bytes (0: of any size to 4000), when a line\n"
	"                               came; prints \"ready\" before and \"done\" after\n"
	"  sizes                        SCAN, and MEMORY USAGE of every key; prints how many, and\n"
	"                               their bytes\n"
	"  pipeline -n N -c CLIENTS     N small SETs at once, over that many connections\n";

static const struct {
	const char *name;
	void (*run)(const struct load_options *o);
} loads[] = {
	{ "mixed", load_mixed },       { "fill", load_fill },	  { "get", load_get },
	{ "delete", load_delete },     { "unread", load_unread }, { "hold", load_hold },
	{ "steady", load_steady },     { "keys", load_keys },	  { "inject", load_inject },
	{ "pipeline", load_pipeline }, { "gaps", load_gaps },	  { "delays", load_delays },
	{ "bytes", load_bytes },       { "sizes", load_sizes },	  { "tell", load_tell },
	{ "streams", load_streams },
};

void load_die(const char *format, ...)
{
	va_list args;

	fputs("load: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

double load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int load_schedstat_open(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		load_die("%s cannot be read", path);
	return fd;
}

int64_t load_run_delay_ns(int fd)
{
	char text[96];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long long ran, delay;

	if (n <= 0)
		load_die("the server has ended");
	text[n] = '\0';
	if (sscanf(text, "%lld %lld", &ran, &delay) != 2)
		load_die("schedstat has another form: %s", text);
	return delay;
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

void load_seed(int seed)
{
	random_state += (uint64_t)(unsigned int)seed * 0xbf58476d1ce4e5b9;
	if (!random_state)
		random_state = 1;
	for (int i = 0; i < 16; i++) /* so that near seeds are far apart */
		load_random(2);
}

/* xorshift64*: Marsaglia 2003, Vigna 2014. */
uint64_t load_random(uint64_t limit)
{
	uint64_t x = random_state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random_state = x;
	return (x * 0x2545f4914f6cdd1d >> 11) % limit;
}

void load_random_bytes(char *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (char)load_random(256);
}

static redisContext *connect_once(const struct load_options *o)
{
	return o->socket_path ? redisConnectUnix(o->socket_path) :
				redisConnect("127.0.0.1", o->port);
}

/* More than the server has taken yet wait in line, and where a unix socket's is full, connect()
 * fails with EAGAIN (man 2 connect). */
#define CONNECT_SECONDS 10

redisContext *load_connect(const struct load_options *o)
{
	const char *password = getenv("REDISCLI_AUTH");
	double end = load_now() + CONNECT_SECONDS;
	redisContext *c = connect_once(o);

	while (c && c->err && strstr(c->errstr, strerror(EAGAIN)) && load_now() < end) {
		redisFree(c);
		usleep(1000);
		c = connect_once(o);
	}
	if (!c || c->err)
		load_die("connect: %s", c ? c->errstr : "no memory");
	if (password && *password)
		load_do(c, "AUTH %s", password);
	return c;
}

static redisReply *checked(redisContext *c, void *reply)
{
	redisReply *r = reply;

	if (!r)
		load_die("server: %s", c->errstr);
	if (r->type == REDIS_REPLY_ERROR)
		load_die("server: %s", r->str);
	return r;
}

redisReply *load_call(redisContext *c, const char *format, ...)
{
	va_list args;
	void *reply;

	va_start(args, format);
	reply = redisvCommand(c, format, args);
	va_end(args);
	return checked(c, reply);
}

void load_do(redisContext *c, const char *format, ...)
{
	va_list args;
	void *reply;

	va_start(args, format);
	reply = redisvCommand(c, format, args);
	va_end(args);
	freeReplyObject(checked(c, reply));
}

void load_drain(redisContext *c, long count)
{
	void *reply;

	while (count-- > 0) {
		if (redisGetReply(c, &reply) != REDIS_OK)
			reply = NULL;
		freeReplyObject(checked(c, reply));
	}
}

static void parse(struct load_options *o, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:p:d:n:k:S:x:P:c:o:r:R:")) != -1) {
		switch (option) {
		case 's':
			o->socket_path = optarg;
			break;
		case 'p':
			o->port = atoi(optarg);
			break;
		case 'd':
			o->seconds = atof(optarg);
			break;
		case 'n':
			o->keys = atol(optarg);
			break;
		case 'k':
			o->key = optarg;
			break;
		case 'S':
			o->value_bytes = strtoul(optarg, NULL, 10);
			break;
		case 'x':
			o->delete_fraction = atof(optarg);
			break;
		case 'P':
			o->depth = atoi(optarg);
			break;
		case 'c':
			o->clients = atoi(optarg);
			break;
		case 'r':
			o->seed = atoi(optarg);
			break;
		case 'R':
			o->rate = atof(optarg);
			break;
		case 'o':
			o->operation = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (o->keys < 1 || o->depth < 1 || o->clients < 1 || (!o->socket_path && !o->port)) {
		fputs(usage, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct load_options o = {
		.seconds = 10,
		.keys = 100000,
		.key = "key:",
		.value_bytes = 100,
		.depth = 1,
		.clients = 50,
		.operation = "set",
	};

	for (size_t i = 0; argc > 1 && i < sizeof(loads) / sizeof(loads[0]); i++) {
		if (strcmp(argv[1], loads[i].name))
			continue;
		parse(&o, argc - 1, argv + 1);
		loads[i].run(&o);
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
