/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "app/confine.h"
#include "app/uri.h"
#include "diagnose/checklist.h"

/* What a pass over the keys is to look at, and how. */
struct keys_options {
	bool wanted; /* doctor --keys */
	bool csv;
	bool folded;
	bool elements_all, elements_big; /* ask for lengths although that touches keys */
	bool exact; /* infer nothing */
	bool replicas; /* of a cluster, instead of its primaries */
	int samples; /* for MEMORY USAGE; -1 = the server's default */
	int top, depth;
	long min_bytes;
	double max_ms; /* NAN = the default */
	double interval_seconds; /* 0 = none */
	const char *match, *type, *separators, *cursor; /* NULL = not given */
	/* Of a pass that serve makes: of this server alone, also in a cluster; when it ends at the
	 * latest (clock_mono_ns(); 0 = never); and whether it is to end now (atomic; NULL = only as
	 * interrupted()). */
	bool alone;
	int64_t until_ns;
	const bool *stop;
};

struct redact_key;
struct server_structures;
struct schema;

/* Where a dump is: a file, or a server that is asked for one. */
struct rdb_input {
	const char *name; /* as it was given */
	bool server;
	char *text; /* of a server; owns its host */
	const char *host, *socket_path; /* NULL = not given */
	int port; /* 0 = not given */
};

/* Which dumps, and loaded into what. */
struct rdb_options {
	struct rdb_input *inputs;
	size_t count;
	const struct server_structures *as; /* NULL = the writer */
	const struct server_structures *beside; /* to be compared with it; NULL = none */
	const char *config; /* a redis.conf; NULL = none */
	bool system; /* jemalloc as distributions build it */
	bool slots;
};

/* Of what `redmem serve` has kept. */
struct past_options {
	const char *state; /* the folder */
	const char *server; /* label; NULL = not given */
	const char *at, *length; /* as given; NULL */
	const char *since, *until;
	bool last_death;
};

/* Of `redmem serve`; NULL = as the configuration says. */
struct serve_options {
	const char *listen, *state, *config;
	int64_t history_bytes; /* 0 = not given */
	bool check_config;
};

/* Which profiles are written beside a report, "-" = on stdout in its place; NULL = none. */
struct profile_options {
	const char *pprof, *folded, *speedscope;
	const char *sample_type; /* what is shown first, by its name; NULL = the first there is */
};

/* To whom a profile is sent. */
enum push_api { PUSH_PYROSCOPE, PUSH_PARCA };
struct push_options {
	const char *url;
	enum push_api api;
	const char *name; /* what the profiles are called there */
	const char *token_file, *ca_file; /* NULL = none; those the system trusts */
	const char *file; /* the profile; NULL = of a watch */
	bool own_words; /* no failure is told with what others say (--redact) */
};

/* Of `redmem lab`. */
enum lab_option_kind { LAB_OPTION_SET, LAB_OPTION_ENV, LAB_OPTION_KNOB };
struct lab_option {
	enum lab_option_kind kind;
	const char *text; /* "a:NAME=VALUE" */
};
#define LAB_WORDS 3
struct lab_options {
	const char *words[LAB_WORDS]; /* what is to be done, and of what */
	size_t count;
	const char *markdown_path; /* also a report for a pull request; "-" = stdout. NULL */
	double max_regress_percent; /* exit 3 where something is worse by more; NAN = never */
	const char *server[2]; /* A and B; NULL = not given */
	struct lab_option *assignments;
	size_t assignments_count;
	const char *out; /* the file of the result; NULL = named by redmem */
	double precision_percent, limit_seconds; /* NAN = the default */
	int restarts; /* at most; 0 = the default */
	uint64_t seed; /* 0 = by the time */
};

struct options {
	const struct command *of;
	/* which server */
	const char *host; /* NULL = not given */
	int port; /* 0 = not given */
	const char *socket_path;
	const char *user;
	char *password; /* a copy; the argument itself is wiped. NULL = none */
	int db;
	bool db_given;
	bool tls;
	const char *tls_ca_cert, *tls_ca_dir, *tls_cert, *tls_key, *tls_server_name; /* or NULL */
	bool tls_insecure;
	pid_t pid; /* 0 = not given */
	bool no_connect;
	bool ours; /* redmem has started it itself (conn_options.ours); set by the command */
	bool all; /* every server of the host */
	struct uri uri; /* owns what -u said */
	/* what to do */
	double duration_seconds; /* NAN = the command's default */
	double every_seconds; /* a report of each window of so many; NAN = only of the whole */
	double threshold_ms; /* NAN = the default */
	double budget_percent; /* NAN = the default */
	const char *sensors; /* names of those the command wants; NULL = all */
	const char *record_path;
	const char *replay_path;
	const char *metrics_path; /* metrics instead of a report; "-" = stdout. NULL = none */
	const char *html_path; /* also a page of the report; "-" = stdout, instead of it. NULL */
	struct profile_options profile;
	struct push_options push;
	bool no_bpf;
	bool stacks; /* rows of profiles have theirs */
	struct keys_options keys;
	struct rdb_options rdb;
	struct past_options past;
	struct serve_options serve;
	struct lab_options lab;
	char *key; /* name of the one the command is about, decoded; NULL = none was given */
	size_t key_len;
	bool key_hex; /* it was given as hex digits */
	bool touch; /* ask also what counts as use of it */
	long key_samples; /* of it for MEMORY USAGE; 0 = all, -1 = as many as are cheap */
	bool try_purge;
	size_t sample_keys; /* keys to draw at random at the end; set by the command */
	long count; /* stalls after which to end; 0 = no end */
	const char *command; /* only stalls of this one; NULL = of all */
	const char *about; /* the command of ours that is asked about, */
	const struct command *commands; /* and all of them, to one without a name */
	bool hide_names; /* --redact */
	const char *redact_key_path; /* what hashes of names are keyed with; NULL = a new key */
	struct redact_key *redact; /* NULL = names are shown */
	/* how to say it */
	bool oom; /* of `doctor`: how near the limits are, and what to free first */
	enum checklist checklist; /* of `doctor`: this page instead of a report */
	enum severity fail_on; /* exit 3 where the verdict is as bad; SEVERITY_INFO = never */
	bool json;
	int verbose;
};

/* One subcommand. */
struct command {
	const char *name;
	const char *summary; /* one line for `redmem --help` */
	const char *doc; /* what it does; shown first in its own --help */
	const char *examples; /* shown last in its own --help */
	const char *arguments; /* what they are, NULL = it takes none */
	const char *takes; /* names of the groups of options it takes: see options_table.c */
	const char *sensors; /* names of those it wants; NULL = all */
	enum confine_for confined; /* what it gives up when it begins */
	const struct schema *const *documents; /* what --json may print, to a NULL */
	/* Exit status: 0 done, 1 failed, 2 wrong usage, 3 found what --fail-on names. */
	int (*run)(const struct options *options);
};

/* Is it "-"? NULL is not. */
static inline bool options_is_stdout(const char *path)
{
	return path && !strcmp(path, "-");
}

/* Does a profile take the place of the report, on stdout? */
static inline bool options_profile_alone(const struct options *o)
{
	return options_is_stdout(o->profile.pprof) || options_is_stdout(o->profile.folded) ||
	       options_is_stdout(o->profile.speedscope);
}

/* True when the options name a server other than by --pid. */
static inline bool options_name_server(const struct options *o)
{
	return o->host || o->port || o->socket_path;
}

/* Does @command take the options of that group? */
static inline bool options_has_group(const struct command *command, char group)
{
	return group == 'O' || strchr(command->takes, group);
}

/*
 * Parse the arguments after the subcommand's name. Prints usage errors and --help
 * itself and exits (2 or 0), as argp does. Takes passwords out of argv.
 */
void options_parse(struct options *o, const struct command *command, int argc, char **argv);
/*
 * Print what @command takes, for completion in shells: a line of fields with tabs between for
 * itself (its name, two empty fields, what its arguments are, its summary) and one for each option
 * (the command, -x, --long, its value as --help shows it, in [] where it can be left out, what it
 * is in short).
 */
void options_list(const struct command *command);
/* Free what options_parse() made; wipes the password. */
void options_free(struct options *o);
