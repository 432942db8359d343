/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A row of the table of options, and what its argument becomes in struct options: by the type
 * of the member it goes INTO(), or BY() a function of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/options.h"

struct argp_state;
struct option_row;

/* An option as it was given. */
struct given {
	struct argp_state *state; /* for argp_error() */
	const struct option_row *row;
	char *arg; /* NULL = none */
	struct options *o; /* where it goes */
};

/* Does not come back where the argument is wrong: argp_error() says so and exits. */
typedef void option_taker(const struct given *given);

struct option_row {
	char group; /* see options_table.c */
	char letter; /* 0 = none */
	const char *name; /* NULL = none */
	const char *arg; /* what it is called in --help; NULL = it takes none */
	int section; /* of --help, as argp orders them */
	const char *doc;
	option_taker *take; /* NULL = a headline */
	size_t at; /* of the member in struct options, if it goes into one */
	struct {
		long min, max;
	} range; /* of a number */
	bool optional; /* the argument */
};

/* clang-format off */
#define TAKER_OF(member) _Generic((member), \
	bool: take_flag, const char *: take_text, int: take_int, \
	long: take_long, uint64_t: take_long, double: take_real)
/* clang-format on */

/* A flag, a text, a whole number from MIN to MAX, or a number above 0 and at most MAX. */
#define INTO(member, ...)                                   \
	.take = TAKER_OF(((struct options *)NULL)->member), \
	.at = offsetof(struct options, member), .range = { __VA_ARGS__ }
#define BY(taker, ...)	       .take = (taker), .range = { __VA_ARGS__ }
#define HEADLINE(number, text) .section = (number), .doc = (text)

option_taker take_flag, take_text, take_int, take_long, take_real;
/* The server. */
option_taker take_uri, take_password, take_db;
/* The watch and the pass over the keys. */
option_taker take_every, take_command_name, take_elements, take_separators, take_try;
/* Dumps. */
option_taker take_from, take_as, take_allocator;
/* Profiles, and whom they are sent to. */
option_taker take_sample_type, take_api, take_push_name;
/* The service, and what `redmem doctor` alone says. */
option_taker take_listen, take_history_size, take_checklist, take_fail_on;
/* The lab. */
option_taker take_set, take_env, take_knob;
/* What all commands have. */
option_taker take_verbose, take_redact_key, take_help, take_usage;

/* What stands behind the options. */
void take_argument(struct argp_state *state, struct options *o, char *arg);
/* The bytes of the key's name, once it is known how it was given. */
void take_key_name(struct argp_state *state, struct options *o);
