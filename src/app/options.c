/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line; see options.h. */
#include "app/options.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/redact_names.h"
#include "app/serve_config.h"
#include "base/buf.h"
#include "base/escape.h"
#include "history/history.h"
#include "rdb/rdb.h"
#include "redis/knowledge.h"
#include "report/profile.h"

enum option_key {
	KEY_HELP = 0x100,
	KEY_SHORT_USAGE,
	KEY_USER,
	KEY_TLS,
	KEY_CACERT,
	KEY_CACERTDIR,
	KEY_CERT,
	KEY_KEY,
	KEY_SNI,
	KEY_INSECURE,
	KEY_PID,
	KEY_NO_CONNECT,
	KEY_ALL,
	KEY_JSON,
	KEY_RECORD,
	KEY_REPLAY,
	KEY_NO_BPF,
	KEY_EVERY,
	KEY_THRESHOLD,
	KEY_BUDGET,
	KEY_STACKS,
	KEY_KEYS,
	KEY_CSV,
	KEY_FOLDED,
	KEY_ELEMENTS,
	KEY_EXACT,
	KEY_REPLICAS,
	KEY_SAMPLES,
	KEY_TOP,
	KEY_DEPTH,
	KEY_MIN_BYTES,
	KEY_MAX_MS,
	KEY_MATCH,
	KEY_TYPE,
	KEY_SEPARATOR,
	KEY_CURSOR,
	KEY_TRY,
	KEY_COUNT,
	KEY_COMMAND,
	KEY_DB,
	KEY_AS,
	KEY_FROM,
	KEY_CONFIG,
	KEY_ALLOCATOR,
	KEY_HEX,
	KEY_TOUCH,
	KEY_KEY_SAMPLES,
	KEY_SLOTS,
	KEY_METRICS,
	KEY_HTML,
	KEY_PPROF,
	KEY_FOLDED_FILE,
	KEY_SPEEDSCOPE,
	KEY_SAMPLE_TYPE,
	KEY_URL,
	KEY_API,
	KEY_NAME,
	KEY_TOKEN_FILE,
	KEY_CA_FILE,
	KEY_STATE,
	KEY_SERVER,
	KEY_AT,
	KEY_FOR,
	KEY_SINCE,
	KEY_UNTIL,
	KEY_LAST_DEATH,
	KEY_FAIL_ON,
	KEY_CHECKLIST,
	KEY_OOM,
	KEY_MARKDOWN,
	KEY_MAX_REGRESS,
	KEY_REDACT,
	KEY_REDACT_KEY,
	KEY_LISTEN,
	KEY_SERVE_STATE,
	KEY_SERVE_CONFIG,
	KEY_CHECK_CONFIG,
	KEY_HISTORY_SIZE,
	KEY_SIDE_A,
	KEY_SIDE_B,
	KEY_SET,
	KEY_ENV,
	KEY_KNOB,
	KEY_OUT,
	KEY_PRECISION,
	KEY_LIMIT,
	KEY_RESTARTS,
	KEY_SEED,
};

/* An option and the group it belongs to: 't' target, 'l' how to log in there, 'h' from the host
 * alone, 'a' all servers, 'w' watch, 's' stalls, 'e' stalls one by one, 'i' windows, 'b' budget,
 * 'r' recording, 'R' recordings, 'k' the pass over keys, 'K' what of it dumps have, too, 'f'
 * dumps, 'p' the pass after a watch, 'm' what only `redmem memory` does, 'c' rows of keys, 'F'
 * what is no file, 'S' slots, '1' one key, 'x' metrics, 'P' profiles, 'u' whom they are sent to,
 * 'H' the history, 'A' a time of it, 'y' a stretch of it, 'd' what only `redmem doctor` says, 'g'
 * stacks of samples, 'n' no option but a command's name, 'N' names, 'W' a page, 'L' the lab,
 * 'o' output, 'O' what all commands have, 'V' the service. */
struct grouped_option {
	char group;
	struct argp_option option;
};

static const struct grouped_option all_options[] = {
	{ 't',
	  { NULL, 0, NULL, 0,
	    "Which server (as redis-cli; default: the only one on this host):", 1 } },
	{ 't', { "host", 'h', "HOST", 0, "Server's host name or address", 1 } },
	{ 't', { "port", 'p', "PORT", 0, "Server's TCP port", 1 } },
	{ 't', { "socket", 's', "PATH", 0, "Server's unix socket", 1 } },
	{ 't', { "uri", 'u', "URI", 0, "redis://[[USER:]PASSWORD@]HOST[:PORT][/DB]", 1 } },
	{ 'l',
	  { "pass", 'a', "PASSWORD", 0, "Password; better in the environment, as REDISCLI_AUTH",
	    1 } },
	{ 'l', { "user", KEY_USER, "NAME", 0, "User name for AUTH (ACL)", 1 } },
	{ 't', { NULL, 'n', "DB", 0, "Database number", 1 } },
	{ 'l', { "tls", KEY_TLS, NULL, 0, "Connect with TLS", 1 } },
	{ 'l',
	  { "cacert", KEY_CACERT, "FILE", 0, "CA to trust (default: those the system trusts)",
	    1 } },
	{ 'l', { "cacertdir", KEY_CACERTDIR, "DIR", 0, "Directory of CAs to trust", 1 } },
	{ 'l', { "cert", KEY_CERT, "FILE", 0, "Certificate to show to the server", 1 } },
	{ 'l', { "key", KEY_KEY, "FILE", 0, "Its private key", 1 } },
	{ 'l',
	  { "sni", KEY_SNI, "NAME", 0,
	    "Name to ask for, which the server's certificate must be for (default: the host)",
	    1 } },
	{ 'l',
	  { "insecure", KEY_INSECURE, NULL, 0, "Take any certificate, of whomever it may be", 1 } },
	{ 't', { "pid", KEY_PID, "PID", 0, "The server's process", 1 } },
	{ 'h',
	  { "no-connect", KEY_NO_CONNECT, NULL, 0,
	    "Only look from the host; never talk to the server", 1 } },
	{ 'a',
	  { "all", KEY_ALL, NULL, 0,
	    "Every server on this host at once (doctor: a line each, then the report of the worst)",
	    1 } },
	{ 'w', { NULL, 0, NULL, 0, "The watch:", 2 } },
	{ 'w',
	  { "duration", 'd', "SECONDS", 0,
	    "Length of the watch (default 10; memory 3; stalls and top no end); Ctrl-C ends it "
	    "early",
	    2 } },
	{ 'i',
	  { "every", KEY_EVERY, "SECONDS", 0,
	    "Also report each SECONDS of the watch as they end, as vmstat and perf stat -I do: "
	    "a line each, with -v a whole report, with --json a document a line; then the "
	    "whole watch. Without -d there is no end",
	    2 } },
	{ 'b',
	  { "budget", KEY_BUDGET, "PERCENT", 0,
	    "Most that watching may take from the server, of one core (default 1)", 2 } },
	{ 'g',
	  { "stacks", KEY_STACKS, NULL, 0,
	    "Follow the stacks of samples, as profiles do, so that a recording has them for later; "
	    "names of functions come from debuginfod, too, where DEBUGINFOD_URLS is set",
	    2 } },
	{ 's', { "threshold", KEY_THRESHOLD, "MS", 0, "Shortest stall to report (default 5)", 2 } },
	{ 'w',
	  { "no-bpf", KEY_NO_BPF, NULL, 0, "Load no BPF program: only /proc and the server", 2 } },
	{ 'e', { "count", KEY_COUNT, "N", 0, "End after N stalls", 2 } },
	{ 'e',
	  { "command", KEY_COMMAND, "NAME", 0,
	    "Only stalls of this command; \"loop\" for the event loop's own", 2 } },
	{ 'r', { "record", KEY_RECORD, "FILE", 0, "Also write the records seen to FILE", 2 } },
	{ 'R',
	  { "replay", KEY_REPLAY, "FILE", 0, "Report from a recording; needs no root and no server",
	    2 } },
	{ 'p', { "keys", KEY_KEYS, NULL, 0, "Also pass over all keys, as redmem keys does", 2 } },
	{ 'k', { NULL, 0, NULL, 0, "The pass (without -n: all databases):", 2 } },
	{ 'K', { "match", KEY_MATCH, "GLOB", 0, "Only keys that match, as SCAN MATCH", 2 } },
	{ 'K', { "type", KEY_TYPE, "TYPE", 0, "Only keys of this type: string, hash...", 2 } },
	{ 'K', { "top", KEY_TOP, "N", 0, "Length of the lists of keys (default 10)", 2 } },
	{ 'K',
	  { "min-bytes", KEY_MIN_BYTES, "N", 0, "List only keys of at least N bytes; all count",
	    2 } },
	{ 'k',
	  { "elements", KEY_ELEMENTS, "big", OPTION_ARG_OPTIONAL,
	    "Ask for the number of elements even where that counts as use of the key (before "
	    "Redis 7.2): of every key, or of the big ones only",
	    2 } },
	{ 'k',
	  { "exact", KEY_EXACT, NULL, 0,
	    "Ask every key for its type and encoding; else those of most small keys are inferred "
	    "from keys whose names differ in numbers only (--csv and --elements ask all)",
	    2 } },
	{ 'k',
	  { "samples", KEY_SAMPLES, "N", 0,
	    "Elements MEMORY USAGE looks at in each key (default: the server's, 5)", 2 } },
	{ 'K',
	  { "separator", KEY_SEPARATOR, "CHARS", 0,
	    "What separates the parts of a name (default :./-_|{}#)", 2 } },
	{ 'K', { "depth", KEY_DEPTH, "N", 0, "Parts of a name that make a prefix", 2 } },
	{ 'k',
	  { "max-ms", KEY_MAX_MS, "MS", 0,
	    "Bound for the server's latency; the pass slows down for it (default 1)", 2 } },
	{ 'k', { "interval", 'i', "SECONDS", 0, "Rest after each 1,000 keys", 2 } },
	{ 'k',
	  { "replicas", KEY_REPLICAS, NULL, 0, "Of a cluster: one replica of each primary", 2 } },
	{ 'k',
	  { "cursor", KEY_CURSOR, "CURSOR", 0, "Go on where a pass has stopped, as it said", 2 } },
	{ 'F', { NULL, 0, NULL, 0, "A server in place of a file (logging in as redis-cli):", 1 } },
	{ 'F',
	  { "from", KEY_FROM, "ADDRESS", 0,
	    "Ask the server at HOST:PORT, or a unix socket's path, for a full synchronisation, as "
	    "a replica does: it forks for it. Can be given for several servers",
	    1 } },
	{ 'f', { NULL, 0, NULL, 0, "The keys:", 2 } },
	{ 'f', { "db", KEY_DB, "N", 0, "Only keys of this database", 2 } },
	{ 'f',
	  { "as", KEY_AS, "SERVER", 0,
	    "Say what they would take there: redis-7.0, redis-7.2, redis-8, valkey-7.2, "
	    "valkey-8.0, valkey-8.1 or valkey-9 (default: the server that wrote the dump, or "
	    "the nearest before it). Twice: also how much more or less on the second",
	    2 } },
	{ 'f',
	  { "config", KEY_CONFIG, "FILE", 0,
	    "Settings of the server they are loaded into: its redis.conf, or what redis-cli "
	    "CONFIG GET '*' has said; those that pack values count (hash-max-listpack-entries...)",
	    2 } },
	{ 'f',
	  { "allocator", KEY_ALLOCATOR, "BUILD", 0,
	    "jemalloc as it comes with the server's sources (bundled, the default), or as "
	    "distributions build it (system): sizes of allocations differ",
	    2 } },
	{ 'S',
	  { "slots", KEY_SLOTS, NULL, 0,
	    "Also by a cluster's slot; dumps of clusters have that without", 2 } },
	{ 'm',
	  { "try", KEY_TRY, "ACTION", 0,
	    "Say what ACTION should free, do it, and say what it freed; `purge` runs MEMORY PURGE",
	    2 } },
	{ '1',
	  { NULL, 0, NULL, 0,
	    "The key (NAME as it is, or in double quotes as redis-cli "
	    "shows it: '\"a\\x00b\"'):",
	    4 } },
	{ '1', { "hex", KEY_HEX, NULL, 0, "NAME is given as hex digits", 4 } },
	{ '1',
	  { "samples", KEY_KEY_SAMPLES, "N", 0,
	    "Elements MEMORY USAGE looks at; 0 = all: exact, and redmem says before for how long "
	    "that will hold the server (default: all of few, thousands of many)",
	    4 } },
	{ '1',
	  { "touch", KEY_TOUCH, NULL, 0,
	    "Ask for elements even where that counts as use of the key (before Redis 7.2)", 4 } },
	{ 'H', { NULL, 0, NULL, 0, "The history (of `redmem serve`):", 1 } },
	{ 'H', { "state", KEY_STATE, "DIR", 0, "Where it is kept (default " HISTORY_DIR ")", 1 } },
	{ 'H',
	  { "server", KEY_SERVER, "NAME", 0,
	    "Which server, by its label in the metrics (default: the only one; history: all)",
	    1 } },
	{ 'A',
	  { "at", KEY_AT, "TIME", 0,
	    "Where the report begins: 03:00 (the last one, local), \"2026-11-28 03:00\", "
	    "2026-11-28T03:00:00Z, -10m, or now (the default), which is where it ends",
	    1 } },
	{ 'A', { "for", KEY_FOR, "LENGTH", 0, "Of how long: 10m (the default), 90s, 1h30m", 1 } },
	{ 'A',
	  { "last-death", KEY_LAST_DEATH, NULL, 0,
	    "Of the last ten minutes before the newest death: who grew, which limit was met, what "
	    "it held, what was under way",
	    1 } },
	{ 'y',
	  { "since", KEY_SINCE, "TIME", 0,
	    "From when on (default -24h): 03:00, \"2026-11-28 03:00\", 2026-11-28T03:00:00Z, -7d",
	    1 } },
	{ 'y', { "until", KEY_UNTIL, "TIME", 0, "Until when (default now)", 1 } },
	{ 'u', { NULL, 0, NULL, 0, "Where to:", 3 } },
	{ 'u',
	  { "url", KEY_URL, "URL", 0,
	    "http://HOST:PORT, https://HOST or https://USER@HOST; the path of the API is added",
	    3 } },
	{ 'u',
	  { "api", KEY_API, "NAME", 0,
	    "pyroscope (POST /ingest, the default) or parca (POST /api/profiles/writeraw)", 3 } },
	{ 'u',
	  { "name", KEY_NAME, "NAME", 0, "What the profiles are called there (default redmem)",
	    3 } },
	{ 'u',
	  { "token-file", KEY_TOKEN_FILE, "FILE", 0,
	    "The token is the first line of FILE, which only its owner may read; with a USER in "
	    "the URL it is that one's password. It is never sent over http to another host",
	    3 } },
	{ 'u',
	  { "ca-file", KEY_CA_FILE, "FILE", 0,
	    "CA to trust for https (default: those the system trusts)", 3 } },
	{ 'V', { NULL, 0, NULL, 0, "The service:", 2 } },
	{ 'V',
	  { "config", KEY_SERVE_CONFIG, "FILE", 0,
	    "redmem.conf(5) (default " SERVE_CONFIG_PATH ", if there is one)", 2 } },
	{ 'V',
	  { "check-config", KEY_CHECK_CONFIG, NULL, 0,
	    "Only read the configuration and say whether it is right", 2 } },
	{ 'V',
	  { "listen", KEY_LISTEN, "ADDR:PORT", 0, "Where HTTP is answered (default 127.0.0.1:9122)",
	    2 } },
	{ 'V',
	  { "state", KEY_SERVE_STATE, "DIR", 0, "Where the history is (default /var/lib/redmem)",
	    2 } },
	{ 'V',
	  { "history-size", KEY_HISTORY_SIZE, "BYTES", 0,
	    "Most that the history may take on disk (default 1G)", 2 } },
	{ 'o', { NULL, 0, NULL, 0, "Output:", 3 } },
	{ 'x',
	  { "metrics", KEY_METRICS, "FILE", 0,
	    "Metrics for Prometheus in FILE instead of a report, as the textfile collector of "
	    "node_exporter reads them (- = stdout). Counters begin with the watch: with --every "
	    "the file is written after each window, and they go on",
	    3 } },
	{ 'P',
	  { "pprof", KEY_PPROF, "FILE", 0,
	    "Also write a profile to FILE, as go tool pprof and its relatives read it: who "
	    "allocated, freed, grew, computed, stalled and faulted, by command, prefix of keys and "
	    "function (- = on stdout, in place of the report)",
	    3 } },
	{ 'P',
	  { "folded", KEY_FOLDED_FILE, "FILE", 0,
	    "Also write folded stacks to FILE, for a flame graph; one thing counted, "
	    "--sample-type says which",
	    3 } },
	{ 'P',
	  { "speedscope", KEY_SPEEDSCOPE, "FILE", 0,
	    "Also write a profile to FILE, as speedscope opens it", 3 } },
	{ 'P',
	  { "sample-type", KEY_SAMPLE_TYPE, "NAME", 0,
	    "What is in folded stacks, and shown first in other profiles: alloc_space, free_space, "
	    "growth, cpu, stall, faults or inuse_space, which takes a pass over the keys (default: "
	    "the first of these that was measured). In folded stacks growth is below (grown) and "
	    "(shrunk)",
	    3 } },
	{ 'd',
	  { "checklist", KEY_CHECKLIST, "daily", 0,
	    "A page instead of a report: the daily, weekly or monthly checklist of a server's "
	    "memory, each box ticked with figures: [x] is fine, [!] needs attention, [ ] is not "
	    "known. The weekly and the monthly one also pass over all keys, as --keys does",
	    3 } },
	{ 'd',
	  { "oom", KEY_OOM, NULL, 0,
	    "A page instead of a report: how long until each limit is met, and what to free "
	    "first, by gain and risk",
	    3 } },
	{ 'd',
	  { "fail-on", KEY_FAIL_ON, "warning", 0,
	    "For cron and Nagios: exit with 3 where the verdict of a report (of any server with "
	    "--all, of any window with --every) has a finding that is a warning or worse, or, with "
	    "`critical`, critical. Harm without a known cause is a warning. A failure stays 1, "
	    "and so is a server of which nothing could be learned",
	    3 } },
	{ 'L',
	  { "max-regress", KEY_MAX_REGRESS, "PERCENT", 0,
	    "For CI: exit with 3 where B is worse in any metric that could be judged by more than "
	    "PERCENT of A; 1 where none could be",
	    3 } },
	{ 'L',
	  { "markdown", KEY_MARKDOWN, "FILE", 0,
	    "Also the verdict as Markdown for a pull request, in FILE (- = stdout, instead of the "
	    "text)",
	    3 } },
	{ 'W',
	  { "html", KEY_HTML, "FILE", 0,
	    "Also a page for a browser in FILE, with the same report in pictures; it needs "
	    "nothing else, no network either, and is readable for its owner only, for it may "
	    "name keys (- = stdout, instead of the text)",
	    3 } },
	{ 'L',
	  { NULL, 0, NULL, 0, "What is compared (a: or b: before NAME: only of that side):", 1 } },
	{ 'L',
	  { "a", KEY_SIDE_A, "SERVER", 0,
	    "Side A: a server's binary, or a folder, which is an unpacked package or the root of "
	    "a container (default: redis-server or valkey-server by PATH)",
	    1 } },
	{ 'L', { "b", KEY_SIDE_B, "SERVER", 0, "Side B, likewise", 1 } },
	{ 'L',
	  { "set", KEY_SET, "[a:]NAME=VALUE", 0, "A setting of the server, as b:maxmemory=1gb",
	    1 } },
	{ 'L',
	  { "env", KEY_ENV, "[a:]NAME=VALUE", 0,
	    "A variable of its environment, as b:LD_PRELOAD=/usr/lib/libjemalloc.so", 1 } },
	{ 'L',
	  { "knob", KEY_KNOB, "[a:]NAME=VALUE", 0,
	    "A knob of the host, while that side is at work: thp, thp_defrag, overcommit_memory, "
	    "swappiness; or memory_max, the limit of a cgroup of its own. All are restored",
	    1 } },
	{ 'L', { NULL, 0, NULL, 0, "How long, and how sure:", 2 } },
	{ 'L',
	  { "precision", KEY_PRECISION, "PERCENT", 0,
	    "End when intervals are so narrow to either side (default 1)", 2 } },
	{ 'L', { "limit", KEY_LIMIT, "SECONDS", 0, "End after so long (default 540)", 2 } },
	{ 'L', { "restarts", KEY_RESTARTS, "N", 0, "Start the servers N times at most", 2 } },
	{ 'L', { "seed", KEY_SEED, "N", 0, "Of all that is random (default: the time)", 2 } },
	{ 'L',
	  { "out", KEY_OUT, "FILE", 0,
	    "Where every sample is written (default: SCENARIO-TIME.jsonl here)", 3 } },
	{ 'o',
	  { "json", KEY_JSON, NULL, 0,
	    "JSON instead of text: one document; stalls and windows: a line each", 3 } },
	{ 'N',
	  { "redact", KEY_REDACT, NULL, 0,
	    "Show and keep no names: each part of a key's, client's, user's, file's or host's name "
	    "is a keyed hash, but for words in everybody's: session:90937 is session:3f2a9c81d5e0 "
	    "(redmem-security(7))",
	    3 } },
	{ 'N',
	  { "redact-key", KEY_REDACT_KEY, "FILE", 0,
	    "With --redact, which this is, too: the key of the hashes is what is in FILE, so that "
	    "the same name is the same hash in each run (default: a new key, of this run)",
	    3 } },
	{ 'c',
	  { "csv", KEY_CSV, NULL, 0,
	    "One line a key instead of a report, with the columns of rdb-tools; names a "
	    "spreadsheet would take for a formula (= + - @) have a ' in front",
	    3 } },
	{ 'c',
	  { "folded", KEY_FOLDED, NULL, 0,
	    "Bytes by prefix as folded stacks instead of a report, for a flame graph", 3 } },
	{ 'o',
	  { "verbose", 'v', NULL, 0,
	    "Everything instead of a screenful; twice: say what redmem does", 3 } },
	{ 'O', { "help", KEY_HELP, NULL, 0, "This text", -1 } },
	{ 'O', { "usage", KEY_SHORT_USAGE, NULL, 0, "The options in short", -1 } },
};

#define OPTION_COUNT (sizeof(all_options) / sizeof(all_options[0]))

static void wipe(char *text)
{
	explicit_bzero(text, strlen(text));
}

static long number(struct argp_state *state, const char *what, const char *text, long min, long max)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max)
		argp_error(state, "%s must be a whole number from %ld to %ld, not '%s'", what, min,
			   max, text);
	return value;
}

static double seconds(struct argp_state *state, const char *what, const char *text, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0) || value > max)
		argp_error(state, "%s must be a number above 0 and at most %g, not '%s'", what, max,
			   text);
	return value;
}

static void set_password(struct options *o, const char *password)
{
	if (o->password)
		wipe(o->password);
	free(o->password);
	o->password = xstrdup(password);
}

/* What stands before "://" is no secret. */
static void take_uri(struct argp_state *state, struct options *o, char *argument)
{
	char *secret = strstr(argument, "://");
	struct err err = {};

	if (o->uri.text)
		argp_error(state, "-u can be given only once");
	if (uri_parse(&o->uri, argument, &err))
		argp_error(state, "%s", err.text);
	if (secret)
		memset(secret + 3, 'x', strlen(secret + 3));
	o->tls |= o->uri.scheme[strlen(o->uri.scheme) - 1] == 's' &&
		  strcmp(o->uri.scheme, "redis") != 0;
	if (o->uri.user)
		o->user = o->uri.user;
	if (o->uri.password)
		set_password(o, o->uri.password);
	if (o->uri.host)
		o->host = o->uri.host;
	if (o->uri.port)
		o->port = number(state, "URI: port", o->uri.port, 1, 65535);
	if (o->uri.db) {
		o->db_given = true;
		o->db = number(state, "URI: database", o->uri.db, 0, 1 << 20);
	}
}

/* The files and names of TLS; false when it is no such key. */
static bool parse_tls(int key, const char *arg, struct options *o)
{
	switch (key) {
	case KEY_TLS:
		o->tls = true;
		return true;
	case KEY_CACERT:
		o->tls_ca_cert = arg;
		return true;
	case KEY_CACERTDIR:
		o->tls_ca_dir = arg;
		return true;
	case KEY_CERT:
		o->tls_cert = arg;
		return true;
	case KEY_KEY:
		o->tls_key = arg;
		return true;
	case KEY_SNI:
		o->tls_server_name = arg;
		return true;
	case KEY_INSECURE:
		o->tls_insecure = true;
		return true;
	}
	return false;
}

static error_t parse_target(int key, char *arg, struct argp_state *state, struct options *o)
{
	switch (key) {
	case 'h':
		o->host = arg;
		return 0;
	case 'p':
		o->port = number(state, "port", arg, 1, 65535);
		return 0;
	case 's':
		o->socket_path = arg;
		return 0;
	case 'u':
		take_uri(state, o, arg);
		return 0;
	case 'a':
		/* Blotted out where ps(1) would show it. */
		set_password(o, arg);
		memset(arg, 'x', strlen(arg));
		return 0;
	case 'n':
		o->db_given = true;
		o->db = number(state, "database", arg, 0, 1 << 20);
		return 0;
	case KEY_USER:
		o->user = arg;
		return 0;
	case KEY_PID:
		o->pid = number(state, "pid", arg, 1, 1 << 22);
		return 0;
	case KEY_NO_CONNECT:
		o->no_connect = true;
		return 0;
	case KEY_ALL:
		o->all = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_keys(int key, char *arg, struct argp_state *state, struct keys_options *k)
{
	switch (key) {
	case KEY_KEYS:
		k->wanted = true;
		return 0;
	case KEY_CSV:
		k->csv = true;
		return 0;
	case KEY_FOLDED:
		k->folded = true;
		return 0;
	case KEY_EXACT:
		k->exact = true;
		return 0;
	case KEY_ELEMENTS:
		if (arg && strcmp(arg, "big") != 0 && strcmp(arg, "all") != 0)
			argp_error(state, "--elements is 'all' or 'big', not '%s'", arg);
		k->elements_all = !arg || !strcmp(arg, "all");
		k->elements_big = !k->elements_all;
		return 0;
	case KEY_REPLICAS:
		k->replicas = true;
		return 0;
	case KEY_SAMPLES:
		k->samples = (int)number(state, "samples", arg, 1, 100000);
		return 0;
	case KEY_TOP:
		k->top = (int)number(state, "top", arg, 1, 1000);
		return 0;
	case KEY_DEPTH:
		k->depth = (int)number(state, "depth", arg, 1, 100);
		return 0;
	case KEY_MIN_BYTES:
		k->min_bytes = number(state, "min-bytes", arg, 0, LONG_MAX);
		return 0;
	case KEY_MAX_MS:
		k->max_ms = seconds(state, "max-ms", arg, 60e3);
		return 0;
	case 'i':
		k->interval_seconds = seconds(state, "interval", arg, 3600);
		return 0;
	case KEY_MATCH:
		k->match = arg;
		return 0;
	case KEY_TYPE:
		k->type = arg;
		return 0;
	case KEY_SEPARATOR:
		if (!*arg)
			argp_error(state, "--separator needs at least one character");
		k->separators = arg;
		return 0;
	case KEY_CURSOR:
		k->cursor = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void set_as(struct argp_state *state, struct rdb_options *rdb, const char *name)
{
	const struct server_structures *row;
	size_t i = 0;

	while ((row = knowledge_structures_at(i)) && strcmp(row->name, name) != 0)
		i++;
	if (!row)
		argp_error(state, "--as knows no server '%s'; --help names those it knows", name);
	if (rdb->beside)
		argp_error(state, "--as compares two servers, not three");
	if (rdb->as)
		rdb->beside = row;
	else
		rdb->as = row;
}

static struct rdb_input *add_input(struct rdb_options *rdb, const char *name)
{
	struct rdb_input *input;

	rdb->inputs = xrealloc(rdb->inputs, (rdb->count + 1) * sizeof(*rdb->inputs));
	input = &rdb->inputs[rdb->count++];
	*input = (struct rdb_input){ .name = name };
	return input;
}

/* HOST[:PORT], an IPv6 address in brackets where a port follows, or a socket's path. */
static void add_server(struct argp_state *state, struct rdb_options *rdb, const char *address)
{
	struct rdb_input *input = add_input(rdb, address);
	const char *colon = strchr(address, ':');
	struct uri place = {};
	struct err err = {};

	input->server = true;
	if (strchr(address, '/')) {
		input->socket_path = address;
		return;
	}
	input->text = xstrdup(address);
	if (address[0] != '[' && colon && strchr(colon + 1, ':'))
		place.host = input->text;
	else if (uri_parse_place(&place, input->text, &err))
		argp_error(state, "--from: %s", err.text);
	input->host = place.host;
	if (place.port)
		input->port = (int)number(state, "--from: port", place.port, 1, 65535);
}

static error_t parse_rdb(int key, char *arg, struct argp_state *state, struct options *o)
{
	switch (key) {
	case KEY_DB:
		o->db_given = true;
		o->db = (int)number(state, "database", arg, 0, INT_MAX);
		return 0;
	case KEY_SLOTS:
		o->rdb.slots = true;
		return 0;
	case KEY_AS:
		set_as(state, &o->rdb, arg);
		return 0;
	case KEY_CONFIG:
		o->rdb.config = arg;
		return 0;
	case KEY_FROM:
		add_server(state, &o->rdb, arg);
		return 0;
	case KEY_ALLOCATOR:
		if (strcmp(arg, "bundled") != 0 && strcmp(arg, "system") != 0)
			argp_error(state, "--allocator is 'bundled' or 'system', not '%s'", arg);
		o->rdb.system = arg[0] == 's';
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_serve(int key, char *arg, struct argp_state *state, struct serve_options *o)
{
	switch (key) {
	case KEY_LISTEN:
		o->listen = arg;
		return 0;
	case KEY_SERVE_STATE:
		o->state = arg;
		return 0;
	case KEY_SERVE_CONFIG:
		o->config = arg;
		return 0;
	case KEY_CHECK_CONFIG:
		o->check_config = true;
		return 0;
	case KEY_HISTORY_SIZE:
		if (!serve_config_size(&o->history_bytes, arg))
			argp_error(state, "--history-size takes bytes, as 300M or 1G, at least 4M");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_verdict(int key, const char *arg, struct argp_state *state,
			     struct lab_options *o)
{
	switch (key) {
	case KEY_MARKDOWN:
		o->markdown_path = arg;
		return 0;
	case KEY_MAX_REGRESS:
		o->max_regress_percent = seconds(state, "max-regress", arg, 1e6);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void add_assignment(struct lab_options *o, enum lab_option_kind kind, const char *text)
{
	o->assignments =
		xrealloc(o->assignments, (o->assignments_count + 1) * sizeof(*o->assignments));
	o->assignments[o->assignments_count++] = (struct lab_option){ kind, text };
}

static error_t parse_lab(int key, const char *arg, struct argp_state *state, struct lab_options *o)
{
	switch (key) {
	case KEY_SIDE_A:
	case KEY_SIDE_B:
		o->server[key == KEY_SIDE_B] = arg;
		return 0;
	case KEY_SET:
		add_assignment(o, LAB_OPTION_SET, arg);
		return 0;
	case KEY_ENV:
		add_assignment(o, LAB_OPTION_ENV, arg);
		return 0;
	case KEY_KNOB:
		add_assignment(o, LAB_OPTION_KNOB, arg);
		return 0;
	case KEY_OUT:
		o->out = arg;
		return 0;
	case KEY_PRECISION:
		o->precision_percent = seconds(state, "precision", arg, 100);
		return 0;
	case KEY_LIMIT:
		o->limit_seconds = seconds(state, "limit", arg, 86400);
		return 0;
	case KEY_RESTARTS:
		o->restarts = (int)number(state, "restarts", arg, 1, 10000);
		return 0;
	case KEY_SEED:
		o->seed = (uint64_t)number(state, "seed", arg, 1, LONG_MAX);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* Its name, once what was given is complete. */
static void decode_key(struct argp_state *state, struct options *o)
{
	size_t len = o->key ? strlen(o->key) : 0;
	struct buf name = { 0 };

	if (!o->key)
		argp_error(state, "which key? give its NAME");
	if (o->key_hex && hex_decode(&name, o->key))
		argp_error(state, "--hex takes pairs of hex digits, not '%.80s'", o->key);
	else if (!o->key_hex && len > 1 && o->key[0] == '"' && o->key[len - 1] == '"' &&
		 unescape_redis(&name, o->key + 1, len - 2))
		argp_error(state, "the quoted name ends in the middle of an escape");
	if (!name.data)
		buf_add(&name, o->key, len);
	free(o->key);
	o->key = name.data;
	o->key_len = name.len;
}

static error_t parse_key(int key, char *arg, struct argp_state *state, struct options *o)
{
	switch (key) {
	case KEY_HEX:
		o->key_hex = true;
		return 0;
	case KEY_TOUCH:
		o->touch = true;
		return 0;
	case KEY_KEY_SAMPLES:
		o->key_samples = number(state, "samples", arg, 0, LONG_MAX);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_past(int key, const char *arg, struct past_options *past)
{
	switch (key) {
	case KEY_STATE:
		past->state = arg;
		return 0;
	case KEY_SERVER:
		past->server = arg;
		return 0;
	case KEY_AT:
		past->at = arg;
		return 0;
	case KEY_FOR:
		past->length = arg;
		return 0;
	case KEY_SINCE:
		past->since = arg;
		return 0;
	case KEY_UNTIL:
		past->until = arg;
		return 0;
	case KEY_LAST_DEATH:
		past->last_death = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_profile(int key, const char *arg, struct argp_state *state,
			     struct profile_options *profile)
{
	switch (key) {
	case KEY_PPROF:
		profile->pprof = arg;
		return 0;
	case KEY_FOLDED_FILE:
		profile->folded = arg;
		return 0;
	case KEY_SPEEDSCOPE:
		profile->speedscope = arg;
		return 0;
	case KEY_SAMPLE_TYPE:
		if (profile_kind_of(arg) == PROFILE_KINDS)
			argp_error(state,
				   "--sample-type is alloc_space, free_space, "
				   "growth, cpu, stall, "
				   "faults or inuse_space, not '%s'",
				   arg);
		profile->sample_type = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_push(int key, const char *arg, struct argp_state *state,
			  struct push_options *push)
{
	switch (key) {
	case KEY_URL:
		push->url = arg;
		return 0;
	case KEY_API:
		if (strcmp(arg, "pyroscope") != 0 && strcmp(arg, "parca") != 0)
			argp_error(state, "--api is 'pyroscope' or 'parca', not '%s'", arg);
		push->api = !strcmp(arg, "parca") ? PUSH_PARCA : PUSH_PYROSCOPE;
		return 0;
	case KEY_NAME:
		if (!*arg || arg[strspn(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789._-")])
			argp_error(state,
				   "--name is letters, digits, '.', '_' and '-', "
				   "not '%s'",
				   arg);
		push->name = arg;
		return 0;
	case KEY_TOKEN_FILE:
		push->token_file = arg;
		return 0;
	case KEY_CA_FILE:
		push->ca_file = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void set_checklist(struct argp_state *state, struct options *o, const char *name)
{
	o->checklist = CHECKLIST_DAILY;
	while (o->checklist < CHECKLISTS && strcmp(checklist_name(o->checklist), name) != 0)
		o->checklist++;
	if (o->checklist == CHECKLISTS)
		argp_error(state, "--checklist is 'daily', 'weekly' or 'monthly', not '%s'", name);
}

static error_t parse_doctor(int key, char *arg, struct argp_state *state, struct options *o)
{
	switch (key) {
	case KEY_CHECKLIST:
		set_checklist(state, o, arg);
		return 0;
	case KEY_OOM:
		o->oom = true;
		return 0;
	case KEY_FAIL_ON:
		if (!strcmp(arg, severity_name(SEVERITY_WARNING)))
			o->fail_on = SEVERITY_WARNING;
		else if (!strcmp(arg, severity_name(SEVERITY_CRITICAL)))
			o->fail_on = SEVERITY_CRITICAL;
		else
			argp_error(state, "--fail-on is 'warning' or 'critical', not '%s'", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_watch(int key, char *arg, struct argp_state *state, struct options *o)
{
	switch (key) {
	case 'd':
		o->duration_seconds = seconds(state, "duration", arg, 86400);
		return 0;
	case KEY_EVERY:
		o->every_seconds = (double)number(state, "every", arg, 1, 86400);
		return 0;
	case KEY_THRESHOLD:
		o->threshold_ms = seconds(state, "threshold", arg, 3600e3);
		return 0;
	case KEY_BUDGET:
		o->budget_percent = seconds(state, "budget", arg, 100);
		return 0;
	case KEY_STACKS:
		o->stacks = true;
		return 0;
	case KEY_COUNT:
		o->count = number(state, "count", arg, 1, 1000000000);
		return 0;
	case KEY_COMMAND:
		if (!*arg)
			argp_error(state, "--command needs the name of a command");
		o->command = arg;
		return 0;
	case KEY_NO_BPF:
		o->no_bpf = true;
		return 0;
	case KEY_TRY:
		if (strcmp(arg, "purge") != 0)
			argp_error(state, "--try knows only purge, not '%s'", arg);
		o->try_purge = true;
		return 0;
	case KEY_RECORD:
		o->record_path = arg;
		return 0;
	case KEY_REPLAY:
		o->replay_path = arg;
		return 0;
	case KEY_METRICS:
		o->metrics_path = arg;
		return 0;
	case KEY_HTML:
		o->html_path = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The pages of `redmem doctor` are of one server and a whole watch. */
static void check_pages(const struct argp_state *state, const struct options *o)
{
	const char *page = o->oom ? "--oom" : o->checklist ? "--checklist" : NULL;

	if (o->metrics_path && (page || o->fail_on != SEVERITY_INFO))
		argp_error(state, "--metrics is no report: leave out %s, or --metrics",
			   page ? page : "--fail-on");
	if (!page)
		return;
	if (o->html_path)
		argp_error(state, "--html is of a report, which %s is not: leave out one", page);
	if (o->oom && o->checklist)
		argp_error(state, "--checklist and --oom are two pages: ask for one");
	if (o->all)
		argp_error(state, "%s is of one server: leave out --all", page);
	if (!isnan(o->every_seconds))
		argp_error(state, "%s is of a whole watch: leave out --every", page);
}

/* A page is of a report; as what stdout gets it is alone there. */
static void check_html(const struct argp_state *state, const struct options *o)
{
	const char *no_report = o->metrics_path ? "--metrics" : o->keys.csv ? "--csv" : NULL;
	const char *more = o->json				   ? "--json" :
			   o->keys.folded			   ? "--folded" :
			   !isnan(o->every_seconds)		   ? "--every" :
			   options_is_stdout(o->lab.markdown_path) ? "--markdown -" :
								     NULL;

	if (options_is_stdout(o->lab.markdown_path) && o->json)
		argp_error(state, "--markdown - and --json would both go to "
				  "stdout: name a file");
	if (!o->html_path)
		return;
	if (no_report)
		argp_error(state, "--html is of a report, which %s is not: leave out one",
			   no_report);
	if (options_is_stdout(o->html_path) && more)
		argp_error(state, "--html - and %s would both go to stdout: name a file", more);
}

static void check_push(const struct argp_state *state, const struct options *o)
{
	if (!o->push.url)
		argp_error(state, "where to? give --url");
	if (o->push.file && (o->pid || options_name_server(o) || !isnan(o->duration_seconds)))
		argp_error(state, "a profile is sent from a file or from a watch: "
				  "leave out the "
				  "file, or the server and -d");
}

/* On stdout there is one thing. */
static void check_profiles(const struct argp_state *state, const struct options *o)
{
	const struct profile_options *p = &o->profile;
	int here = options_is_stdout(p->pprof) + options_is_stdout(p->folded) +
		   options_is_stdout(p->speedscope);
	const char *other = o->json			       ? "--json" :
			    !isnan(o->every_seconds)	       ? "--every" :
			    options_is_stdout(o->metrics_path) ? "--metrics -" :
			    options_is_stdout(o->html_path)    ? "--html -" :
								 NULL;

	if (o->all && (p->pprof || p->folded || p->speedscope))
		argp_error(state, "a profile is of one server: leave out --all");
	if (here > 1)
		argp_error(state, "one profile on stdout: name a file for the other");
	if (here && other)
		argp_error(state,
			   "a profile on stdout takes the place of the report: "
			   "leave out %s, or "
			   "name a file",
			   other);
}

static void check_exclusions(const struct argp_state *state, const struct options *o)
{
	bool no_server = o->replay_path || o->no_connect;
	const char *one_server = o->record_path ? "--record" :
				 o->replay_path ? "--replay" :
				 o->keys.wanted ? "--keys" :
						  NULL;

	if (!o->tls && (o->tls_ca_cert || o->tls_ca_dir || o->tls_cert || o->tls_key ||
			o->tls_server_name || o->tls_insecure))
		argp_error(state, "--cacert, --cacertdir, --cert, --key, --sni and "
				  "--insecure are "
				  "for --tls; give that, too");
	if (!o->tls_cert != !o->tls_key)
		argp_error(state, "--cert and --key go together; give both");
	if (o->record_path && o->replay_path)
		argp_error(state, "--record and --replay exclude each other");
	if (o->keys.wanted && no_server)
		argp_error(state, "--keys needs the server itself");
	if (o->keys.csv + o->keys.folded + o->json > 1)
		argp_error(state, "--csv, --folded and --json exclude each other");
	if (o->metrics_path && o->json)
		argp_error(state, "--metrics and --json exclude each other");
	if (o->all && (o->pid || options_name_server(o)))
		argp_error(state, "--all is every server: leave out the one");
	if (o->all && one_server)
		argp_error(state,
			   "%s is of one server and --all of every one: leave out "
			   "--all, or %s",
			   one_server, one_server);
	if (o->all && !isnan(o->every_seconds))
		argp_error(state, "--every is of one server: leave out --all");
	if (o->past.last_death && (o->past.at || o->past.length))
		argp_error(state, "--last-death says which time it is of: leave "
				  "out --at and --for");
	if (o->try_purge && no_server)
		argp_error(state, "--try needs a server to talk to");
}

/* What stands behind the options: the name of a key, of a command of ours, or files. */
static bool takes_key(const struct options *o)
{
	return o->of->arguments && strchr(o->of->takes, '1');
}

static bool takes_command(const struct options *o)
{
	return o->of->arguments && strchr(o->of->takes, 'n');
}

static bool takes_profile(const struct options *o)
{
	return o->of->arguments && strchr(o->of->takes, 'u');
}

static bool takes_words(const struct options *o)
{
	return strchr(o->of->takes, 'L') != NULL;
}

static bool takes_files(const struct options *o)
{
	return o->of->arguments && !takes_key(o) && !takes_command(o) && !takes_profile(o) &&
	       !takes_words(o);
}

static bool is_dump_type(const char *name)
{
	for (enum rdb_type type = 0; type < RDB_TYPES; type++)
		if (!strcmp(rdb_type_name(type), name))
			return true;
	return false;
}

static void check_files(const struct argp_state *state, const struct options *o)
{
	bool two = !strcmp(o->of->name, "diff");

	if (!o->rdb.count)
		argp_error(state, "no file; name a dump, - for stdin%s",
			   two ? "" : ", or a server with --from");
	if (o->keys.type && !is_dump_type(o->keys.type))
		argp_error(state,
			   "no key of a dump is a '%s'; types are string, list, "
			   "set, zset, hash, "
			   "stream, array and module",
			   o->keys.type);
	if (two && o->rdb.count != 2)
		argp_error(state, "diff compares two dumps: name the one before, "
				  "and the one after");
	if (two && o->rdb.beside)
		argp_error(state, "diff compares dumps on one server: give --as once");
	if (two && !strcmp(o->rdb.inputs[0].name, "-"))
		argp_error(state, "the dump before is read twice, which stdin "
				  "cannot be: name a file");
}

static void take_argument(struct argp_state *state, struct options *o, char *arg)
{
	if (!o->of->arguments || o->key || o->about || o->push.file || o->lab.count == LAB_WORDS)
		argp_error(state, "unexpected argument '%s'", arg);
	if (takes_key(o)) {
		o->key = xstrdup(arg);
		return;
	}
	if (takes_words(o))
		o->lab.words[o->lab.count++] = arg;
	else if (takes_command(o))
		o->about = arg;
	else if (takes_profile(o))
		o->push.file = arg;
	else
		add_input(&o->rdb, arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_JSON:
		o->json = true;
		return 0;
	case KEY_REDACT_KEY:
		o->redact_key_path = arg;
		/* fall through */
	case KEY_REDACT:
		o->hide_names = true;
		return 0;
	case 'v':
		o->verbose++;
		return 0;
	case KEY_SHORT_USAGE:
		argp_state_help(state, stdout, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
		return 0;
	case KEY_HELP:
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case ARGP_KEY_ARG:
		take_argument(state, o, arg);
		return 0;
	case ARGP_KEY_END:
		if (takes_files(o))
			check_files(state, o);
		if (takes_command(o) && !o->about)
			argp_error(state, "which command? give its name");
		check_exclusions(state, o);
		check_pages(state, o);
		check_html(state, o);
		check_profiles(state, o);
		o->stacks |= o->profile.pprof || o->profile.folded || o->profile.speedscope ||
			     takes_profile(o);
		if (takes_profile(o))
			check_push(state, o);
		if (takes_key(o) && !o->replay_path)
			decode_key(state, o);
		return 0;
	}
	if (parse_watch(key, arg, state, o) == 0 || parse_keys(key, arg, state, &o->keys) == 0 ||
	    parse_rdb(key, arg, state, o) == 0 || parse_key(key, arg, state, o) == 0 ||
	    parse_profile(key, arg, state, &o->profile) == 0 ||
	    parse_push(key, arg, state, &o->push) == 0 || parse_past(key, arg, &o->past) == 0 ||
	    parse_doctor(key, arg, state, o) == 0 || parse_serve(key, arg, state, &o->serve) == 0 ||
	    parse_verdict(key, arg, state, &o->lab) == 0 ||
	    parse_lab(key, arg, state, &o->lab) == 0)
		return 0;
	return parse_tls(key, arg, o) ? 0 : parse_target(key, arg, state, o);
}

bool options_is_stdout(const char *path)
{
	return path && !strcmp(path, "-");
}

bool options_profile_alone(const struct options *o)
{
	return options_is_stdout(o->profile.pprof) || options_is_stdout(o->profile.folded) ||
	       options_is_stdout(o->profile.speedscope);
}

bool options_name_server(const struct options *o)
{
	return o->host || o->port || o->socket_path;
}

static bool is_taken(const struct command *command, const struct grouped_option *one)
{
	return one->group == 'O' || strchr(command->takes, one->group);
}

/* How much of it is the first thing that it says. */
static int first_words(const char *doc)
{
	static const char *const ends[] = { ". ", ": ", "; ", " (" };
	size_t length = strlen(doc);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const char *end = strstr(doc, ends[i]);

		if (end && (size_t)(end - doc) < length)
			length = (size_t)(end - doc);
	}
	return (int)length;
}

void options_list(const struct command *command)
{
	const char *arguments = command->arguments ? command->arguments : "";

	printf("%s\t\t\t", command->name);
	for (; *arguments; arguments++) /* another form of the command is another line in --help */
		fputs(*arguments == '\n' ? " | " : (const char[]){ *arguments, 0 }, stdout);
	printf("\t%s\n", command->summary);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct argp_option *option = &all_options[i].option;
		bool may = option->flags & OPTION_ARG_OPTIONAL;

		if (!option->name && !option->key)
			continue; /* a headline */
		if (!is_taken(command, &all_options[i]))
			continue;
		printf("%s\t", command->name);
		if (option->key < KEY_HELP)
			printf("-%c", option->key);
		printf("\t%s%s\t", option->name ? "--" : "", option->name ? option->name : "");
		if (option->arg)
			printf(may ? "[%s]" : "%s", option->arg);
		printf("\t%.*s\n", first_words(option->doc), option->doc);
	}
}

void options_parse(struct options *o, const struct command *command, int argc, char **argv)
{
	struct argp_option list[OPTION_COUNT + 1] = {};
	char *password = getenv("REDISCLI_AUTH");
	struct buf doc = {}, name = {};
	struct argp argp = { .options = list, .parser = parse, .args_doc = command->arguments };
	size_t count = 0;

	*o = (struct options){ .of = command,
			       .duration_seconds = NAN,
			       .every_seconds = NAN,
			       .threshold_ms = NAN,
			       .budget_percent = NAN,
			       .sensors = command->sensors,
			       .key_samples = -1,
			       .push = { .name = "redmem" },
			       .past = { .state = HISTORY_DIR },
			       .lab = { .max_regress_percent = NAN,
					.precision_percent = NAN,
					.limit_seconds = NAN },
			       .keys = { .samples = -1, .top = 10, .max_ms = NAN } };
	if (password && *password)
		o->password = xstrdup(password);
	/* Whatever is started from here on has none in its environment. */
	if (password)
		wipe(password);
	unsetenv("REDISCLI_AUTH");
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (is_taken(command, &all_options[i]))
			list[count++] = all_options[i].option;
	buf_printf(&doc, "%s\v%s", command->doc, command->examples);
	argp.doc = buf_str(&doc);
	buf_printf(&name, "redmem %s", command->name);
	argv[0] = (char *)buf_str(&name);
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, o);
	buf_free(&doc);
	/* argv[0] stays in use by argp's messages only while parsing */
	argv[0] = (char *)"redmem";
	buf_free(&name);
}

void options_free(struct options *o)
{
	if (o->password)
		wipe(o->password);
	free(o->password);
	for (size_t i = 0; i < o->rdb.count; i++)
		free(o->rdb.inputs[i].text);
	free(o->rdb.inputs);
	free(o->lab.assignments);
	free(o->key);
	uri_free(&o->uri);
	redact_key_free(o->redact);
}
