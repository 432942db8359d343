/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workloads for the live tests and the bench: one program, one subcommand each.
 * They connect, make a load whose every detail is known, and exit with 1 and one
 * line on stderr when anything goes wrong.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the command line said; every subcommand uses some of it. */
struct load_options {
	const char *socket_path; /* -s; NULL = TCP */
	int port; /* -p */
	double seconds; /* -d */
	long keys; /* -n */
	const char *key; /* -k: a key, or the prefix of many */
	size_t value_bytes; /* -S */
	double delete_fraction; /* -x */
	int depth; /* -P: commands under way on a connection */
	int clients; /* -c */
	const char *operation; /* -o: "set" or "get", or what to make */
	int seed; /* -r */
	double rate; /* -R: calls a second; 0 = as many as there can be */
};

/* Print one line on stderr and exit with 1. */
_Noreturn void load_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* CLOCK_MONOTONIC in seconds. */
double load_now(void);
/* A pseudo-random number below @limit; the same ones in every run. */
uint64_t load_random(uint64_t limit);
/* Other ones, the same for the same seed; 0 is that of every run. */
void load_seed(int seed);
/* Bytes that do not compress, so that swap in compressed memory is no cheaper than on disk. */
void load_random_bytes(char *out, size_t len);

/* The kernel's count of how long the main thread of a process could have run and waited for
 * a CPU (run_delay of /proc/PID/schedstat): opened once, read as often as wanted. */
int load_schedstat_open(pid_t pid);
int64_t load_run_delay_ns(int fd);

/* Connect as the options say, with REDISCLI_AUTH as the password. */
redisContext *load_connect(const struct load_options *o);
/* Send a command and wait for its reply; an error reply ends the program. */
redisReply *load_call(redisContext *c, const char *format, ...);
/* The same when the reply does not matter. */
void load_do(redisContext *c, const char *format, ...);
/* Read the replies of @count commands already appended. */
void load_drain(redisContext *c, long count);

void load_keys(const struct load_options *o);
void load_encodings(redisContext *c, const struct load_options *o);
void load_tell(const struct load_options *o);
void load_streams(const struct load_options *o);
void load_mixed(const struct load_options *o);
void load_fill(const struct load_options *o);
void load_get(const struct load_options *o);
void load_delete(const struct load_options *o);
void load_unread(const struct load_options *o);
void load_hold(const struct load_options *o);
void load_steady(const struct load_options *o);
void load_inject(const struct load_options *o);
void load_pipeline(const struct load_options *o);
void load_gaps(const struct load_options *o);
void load_delays(const struct load_options *o);
void load_bytes(const struct load_options *o);
void load_sizes(const struct load_options *o);
