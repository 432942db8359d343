/* SPDX-License-Identifier: BSD-2-Clause */
/* All options there are, in the order in which completion lists them; see options_take.h. */
#include "app/options_table.h"

#include <limits.h>

#include "app/serve_config.h"
#include "history/history.h"

/* An option and the group it belongs to: 't' target, 'l' how to log in there, 'h' from the host
 * alone, 'a' all servers, 'w' watch, 's' stalls, 'e' stalls one by one, 'i' windows, 'b' budget,
 * 'r' recording, 'R' recordings, 'k' the pass over keys, 'K' what of it dumps have, too, 'f'
 * dumps, 'p' the pass after a watch, 'm' what only `redmem memory` does, 'c' rows of keys, 'F'
 * what is no file, 'S' slots, '1' one key, 'x' metrics, 'P' profiles, 'u' whom they are sent to,
 * 'H' the history, 'A' a time of it, 'y' a stretch of it, 'd' what only `redmem doctor` says, 'g'
 * stacks of samples, 'n' no option but a command's name, 'N' names, 'W' a page, 'L' the lab,
 * 'o' output, 'O' what all commands have, 'V' the service. */
const struct option_row option_rows[] = {
	{ 't', HEADLINE(1, "Which server (as redis-cli; default: the only one on this host):") },
	{ 't', 'h', "host", "HOST", 1, "Server's host name or address", INTO(host) },
	{ 't', 'p', "port", "PORT", 1, "Server's TCP port", INTO(port, 1, 65535) },
	{ 't', 's', "socket", "PATH", 1, "Server's unix socket", INTO(socket_path) },
	{ 't', 'u', "uri", "URI", 1, "redis://[[USER:]PASSWORD@]HOST[:PORT][/DB]", BY(take_uri) },
	{ 'l', 'a', "pass", "PASSWORD", 1, "Password; better in the environment, as REDISCLI_AUTH",
	  BY(take_password) },
	{ 'l', 0, "user", "NAME", 1, "User name for AUTH (ACL)", INTO(user) },
	{ 't', 'n', NULL, "DB", 1, "Database number", BY(take_db, 0, 1 << 20) },
	{ 'l', 0, "tls", NULL, 1, "Connect with TLS", INTO(tls) },
	{ 'l', 0, "cacert", "FILE", 1, "CA to trust (default: those the system trusts)",
	  INTO(tls_ca_cert) },
	{ 'l', 0, "cacertdir", "DIR", 1, "Directory of CAs to trust", INTO(tls_ca_dir) },
	{ 'l', 0, "cert", "FILE", 1, "Certificate to show to the server", INTO(tls_cert) },
	{ 'l', 0, "key", "FILE", 1, "Its private key", INTO(tls_key) },
	{ 'l', 0, "sni", "NAME", 1,
	  "Name to ask for, which the server's certificate must be for (default: the host)",
	  INTO(tls_server_name) },
	{ 'l', 0, "insecure", NULL, 1, "Take any certificate, of whomever it may be",
	  INTO(tls_insecure) },
	{ 't', 0, "pid", "PID", 1, "The server's process", INTO(pid, 1, 1 << 22) },
	{ 'h', 0, "no-connect", NULL, 1, "Only look from the host; never talk to the server",
	  INTO(no_connect) },
	{ 'a', 0, "all", NULL, 1,
	  "Every server on this host at once (doctor: a line each, then the report of the worst)",
	  INTO(all) },
	{ 'w', HEADLINE(2, "The watch:") },
	{ 'w', 'd', "duration", "SECONDS", 2,
	  "Length of the watch (default 10; memory 3; stalls and top no end); Ctrl-C ends it early",
	  INTO(duration_seconds, 0, 86400) },
	{ 'i', 0, "every", "SECONDS", 2,
	  "Also report each SECONDS of the watch as they end, as vmstat and perf stat -I do: a "
	  "line each, with -v a whole report, with --json a document a line; then the whole watch. "
	  "Without -d there is no end",
	  BY(take_every, 1, 86400) },
	{ 'b', 0, "budget", "PERCENT", 2,
	  "Most that watching may take from the server, of one core (default 1, of serve 0.5)",
	  INTO(budget_percent, 0, 100) },
	{ 'g', 0, "stacks", NULL, 2,
	  "Follow the stacks of samples, as profiles do, so that a recording has them for later; "
	  "names of functions come from debuginfod, too, where DEBUGINFOD_URLS is set",
	  INTO(stacks) },
	{ 's', 0, "threshold", "MS", 2, "Shortest stall to report (default 5)",
	  INTO(threshold_ms, 0, 3600 * 1000) },
	{ 'w', 0, "no-bpf", NULL, 2, "Load no BPF program: only /proc and the server",
	  INTO(no_bpf) },
	{ 'e', 0, "count", "N", 2, "End after N stalls", INTO(count, 1, 1000000000) },
	{ 'e', 0, "command", "NAME", 2,
	  "Only stalls of this command; \"loop\" for the event loop's own", BY(take_command_name) },
	{ 'r', 0, "record", "FILE", 2, "Also write the records seen to FILE", INTO(record_path) },
	{ 'R', 0, "replay", "FILE", 2, "Report from a recording; needs no root and no server",
	  INTO(replay_path) },
	{ 'p', 0, "keys", NULL, 2, "Also pass over all keys, as redmem keys does",
	  INTO(keys.wanted) },
	{ 'k', HEADLINE(2, "The pass (without -n: all databases):") },
	{ 'K', 0, "match", "GLOB", 2, "Only keys that match, as SCAN MATCH", INTO(keys.match) },
	{ 'K', 0, "type", "TYPE", 2, "Only keys of this type: string, hash...", INTO(keys.type) },
	{ 'K', 0, "top", "N", 2, "Length of the lists of keys (default 10)",
	  INTO(keys.top, 1, 1000) },
	{ 'K', 0, "min-bytes", "N", 2, "List only keys of at least N bytes; all count",
	  INTO(keys.min_bytes, 0, LONG_MAX) },
	{ 'k', 0, "elements", "big", 2,
	  "Ask for the number of elements even where that counts as use of the key (before Redis "
	  "7.2): of every key, or of the big ones only",
	  BY(take_elements), .optional = true },
	{ 'k', 0, "exact", NULL, 2,
	  "Ask every key for its type and encoding; else those of most small keys are inferred "
	  "from keys whose names differ in numbers only (--csv and --elements ask all)",
	  INTO(keys.exact) },
	{ 'k', 0, "samples", "N", 2,
	  "Elements MEMORY USAGE looks at in each key (default: the server's, 5, and more in "
	  "proportion to its size)",
	  INTO(keys.samples, 1, 100000) },
	{ 'K', 0, "separator", "CHARS", 2, "What separates the parts of a name (default :./-_|{}#)",
	  BY(take_separators) },
	{ 'K', 0, "depth", "N", 2, "Parts of a name that make a prefix", INTO(keys.depth, 1, 100) },
	{ 'k', 0, "max-ms", "MS", 2,
	  "Bound for the server's latency; the pass slows down for it (default 1)",
	  INTO(keys.max_ms, 0, 60 * 1000) },
	{ 'k', 'i', "interval", "SECONDS", 2, "Rest after each 1,000 keys",
	  INTO(keys.interval_seconds, 0, 3600) },
	{ 'k', 0, "replicas", NULL, 2, "Of a cluster: one replica of each primary",
	  INTO(keys.replicas) },
	{ 'k', 0, "cursor", "CURSOR", 2, "Go on where a pass has stopped, as it said",
	  INTO(keys.cursor) },
	{ 'F', HEADLINE(1, "A server in place of a file (logging in as redis-cli):") },
	{ 'F', 0, "from", "ADDRESS", 1,
	  "Ask the server at HOST:PORT, or a unix socket's path, for a full synchronisation, as a "
	  "replica does: it forks for it. Can be given for several servers",
	  BY(take_from) },
	{ 'f', HEADLINE(2, "The keys:") },
	{ 'f', 0, "db", "N", 2, "Only keys of this database", BY(take_db, 0, INT_MAX) },
	{ 'f', 0, "as", "SERVER", 2,
	  "Say what they would take there: redis-7.0, redis-7.2, redis-8, valkey-7.2, valkey-8.0, "
	  "valkey-8.1 or valkey-9 (default: the server that wrote the dump, or the nearest before "
	  "it). Twice: also how much more or less on the second",
	  BY(take_as) },
	{ 'f', 0, "config", "FILE", 2,
	  "Settings of the server they are loaded into: its redis.conf, or what redis-cli CONFIG "
	  "GET '*' has said; those that pack values count (hash-max-listpack-entries...)",
	  INTO(rdb.config) },
	{ 'f', 0, "allocator", "BUILD", 2,
	  "jemalloc as it comes with the server's sources (bundled, the default), or as "
	  "distributions build it (system): sizes of allocations differ",
	  BY(take_allocator) },
	{ 'S', 0, "slots", NULL, 2, "Also by a cluster's slot; dumps of clusters have that without",
	  INTO(rdb.slots) },
	{ 'm', 0, "try", "ACTION", 2,
	  "Say what ACTION should free, do it, and say what it freed; `purge` runs MEMORY PURGE",
	  BY(take_try) },
	{ '1', HEADLINE(4, "The key (NAME as it is, or in double quotes as redis-cli shows it: "
			   "'\"a\\x00b\"'):") },
	{ '1', 0, "hex", NULL, 4, "NAME is given as hex digits", INTO(key_hex) },
	{ '1', 0, "samples", "N", 4,
	  "Elements MEMORY USAGE looks at; 0 = all: exact, and redmem says before for how long "
	  "that will hold the server (default: all of few, thousands of many)",
	  INTO(key_samples, 0, LONG_MAX) },
	{ '1', 0, "touch", NULL, 4,
	  "Ask for elements even where that counts as use of the key (before Redis 7.2)",
	  INTO(touch) },
	{ 'H', HEADLINE(1, "The history (of `redmem serve`):") },
	{ 'H', 0, "state", "DIR", 1, "Where it is kept (default " HISTORY_DIR ")",
	  INTO(past.state) },
	{ 'H', 0, "server", "NAME", 1,
	  "Which server, by its label in the metrics (default: the only one; history: all)",
	  INTO(past.server) },
	{ 'A', 0, "at", "TIME", 1,
	  "Where the report begins: 03:00 (the last one, local), \"2026-11-28 03:00\", "
	  "2026-11-28T03:00:00Z, -10m, or now (the default), which is where it ends",
	  INTO(past.at) },
	{ 'A', 0, "for", "LENGTH", 1, "Of how long: 10m (the default), 90s, 1h30m",
	  INTO(past.length) },
	{ 'A', 0, "last-death", NULL, 1,
	  "Of the last ten minutes before the newest death: who grew, which limit was met, what it "
	  "held, what was under way",
	  INTO(past.last_death) },
	{ 'y', 0, "since", "TIME", 1,
	  "From when on (default -24h): 03:00, \"2026-11-28 03:00\", 2026-11-28T03:00:00Z, -7d",
	  INTO(past.since) },
	{ 'y', 0, "until", "TIME", 1, "Until when (default now)", INTO(past.until) },
	{ 'u', HEADLINE(3, "Where to:") },
	{ 'u', 0, "url", "URL", 3,
	  "http://HOST:PORT, https://HOST or https://USER@HOST; the path of the API is added",
	  INTO(push.url) },
	{ 'u', 0, "api", "NAME", 3,
	  "pyroscope (POST /ingest, the default) or parca (POST /api/profiles/writeraw)",
	  BY(take_api) },
	{ 'u', 0, "name", "NAME", 3, "What the profiles are called there (default redmem)",
	  BY(take_push_name) },
	{ 'u', 0, "token-file", "FILE", 3,
	  "The token is the first line of FILE, which only its owner may read; with a USER in the "
	  "URL it is that one's password. It is never sent over http to another host",
	  INTO(push.token_file) },
	{ 'u', 0, "ca-file", "FILE", 3, "CA to trust for https (default: those the system trusts)",
	  INTO(push.ca_file) },
	{ 'V', HEADLINE(2, "The service:") },
	{ 'V', 0, "config", "FILE", 2,
	  "redmem.conf(5) (default " SERVE_CONFIG_PATH ", if there is one)", INTO(serve.config) },
	{ 'V', 0, "check-config", NULL, 2,
	  "Only read the configuration and say whether it is right", INTO(serve.check_config) },
	{ 'V', 0, "listen", "ADDR:PORT", 2, "Where HTTP is answered (default 127.0.0.1:9122)",
	  BY(take_listen) },
	{ 'V', 0, "state", "DIR", 2, "Where the history is (default /var/lib/redmem)",
	  INTO(serve.state) },
	{ 'V', 0, "history-size", "BYTES", 2, "Most that the history may take on disk (default 1G)",
	  BY(take_history_size) },
	{ 'o', HEADLINE(3, "Output:") },
	{ 'x', 0, "metrics", "FILE", 3,
	  "Metrics for Prometheus in FILE instead of a report, as the textfile collector of "
	  "node_exporter reads them (- = stdout). Counters begin with the watch: with --every the "
	  "file is written after each window, and they go on",
	  INTO(metrics_path) },
	{ 'P', 0, "pprof", "FILE", 3,
	  "Also write a profile to FILE, as go tool pprof and its relatives read it: who "
	  "allocated, freed, grew, computed, stalled and faulted, by command, prefix of keys and "
	  "function (- = on stdout, in place of the report)",
	  INTO(profile.pprof) },
	{ 'P', 0, "folded", "FILE", 3,
	  "Also write folded stacks to FILE, for a flame graph; one thing counted, --sample-type "
	  "says which",
	  INTO(profile.folded) },
	{ 'P', 0, "speedscope", "FILE", 3, "Also write a profile to FILE, as speedscope opens it",
	  INTO(profile.speedscope) },
	{ 'P', 0, "sample-type", "NAME", 3,
	  "What is in folded stacks, and shown first in other profiles: alloc_space, free_space, "
	  "growth, cpu, stall, faults or inuse_space, which takes a pass over the keys (default: "
	  "the first of these that was measured). In folded stacks growth is below (grown) and "
	  "(shrunk)",
	  BY(take_sample_type) },
	{ 'd', 0, "checklist", "daily", 3,
	  "A page instead of a report: the daily, weekly or monthly checklist of a server's "
	  "memory, each box ticked with figures: [x] is fine, [!] needs attention, [ ] is not "
	  "known. The weekly and the monthly one also pass over all keys, as --keys does",
	  BY(take_checklist) },
	{ 'd', 0, "oom", NULL, 3,
	  "A page instead of a report: how long until each limit is met, and what to free first, "
	  "by gain and risk",
	  INTO(oom) },
	{ 'd', 0, "fail-on", "warning", 3,
	  "For cron and Nagios: exit with 3 where the verdict of a report (of any server with "
	  "--all, of any window with --every) has a finding that is a warning or worse, or, with "
	  "`critical`, critical. Harm without a known cause is a warning. A failure stays 1, and "
	  "so is a server of which nothing could be learned",
	  BY(take_fail_on) },
	{ 'L', 0, "max-regress", "PERCENT", 3,
	  "For CI: exit with 3 where B is worse in any metric that could be judged by more than "
	  "PERCENT of A; 1 where none could be",
	  INTO(lab.max_regress_percent, 0, 1000000) },
	{ 'L', 0, "markdown", "FILE", 3,
	  "Also the verdict as Markdown for a pull request, in FILE (- = stdout, instead of the "
	  "text)",
	  INTO(lab.markdown_path) },
	{ 'W', 0, "html", "FILE", 3,
	  "Also a page for a browser in FILE, with the same report in pictures; it needs nothing "
	  "else, no network either, and is readable for its owner only, for it may name keys (- = "
	  "stdout, instead of the text)",
	  INTO(html_path) },
	{ 'L', HEADLINE(1, "What is compared (a: or b: before NAME: only of that side):") },
	{ 'L', 0, "a", "SERVER", 1,
	  "Side A: a server's binary, or a folder, which is an unpacked package or the root of a "
	  "container (default: redis-server or valkey-server by PATH)",
	  INTO(lab.server[0]) },
	{ 'L', 0, "b", "SERVER", 1, "Side B, likewise", INTO(lab.server[1]) },
	{ 'L', 0, "set", "[a:]NAME=VALUE", 1, "A setting of the server, as b:maxmemory=1gb",
	  BY(take_set) },
	{ 'L', 0, "env", "[a:]NAME=VALUE", 1,
	  "A variable of its environment, as b:LD_PRELOAD=/usr/lib/libjemalloc.so", BY(take_env) },
	{ 'L', 0, "knob", "[a:]NAME=VALUE", 1,
	  "A knob of the host, while that side is at work: thp, thp_defrag, overcommit_memory, "
	  "swappiness; or memory_max, the limit of a cgroup of its own. All are restored",
	  BY(take_knob) },
	{ 'L', HEADLINE(2, "How long, and how sure:") },
	{ 'L', 0, "precision", "PERCENT", 2,
	  "End when intervals are so narrow to either side (default 1); what is not known as "
	  "well is not judged. With show and diff: judge by this one",
	  INTO(lab.precision_percent, 0, 100) },
	{ 'L', 0, "limit", "SECONDS", 2, "End after so long (default 540)",
	  INTO(lab.limit_seconds, 0, 86400) },
	{ 'L', 0, "restarts", "N", 2, "Start the servers N times at most",
	  INTO(lab.restarts, 1, 10000) },
	{ 'L', 0, "seed", "N", 2, "Of all that is random (default: the time)",
	  INTO(lab.seed, 1, LONG_MAX) },
	{ 'L', 0, "out", "FILE", 3,
	  "Where every sample is written (default: SCENARIO-TIME.jsonl here)", INTO(lab.out) },
	{ 'o', 0, "json", NULL, 3,
	  "JSON instead of text: one document; stalls and windows: a line each", INTO(json) },
	{ 'N', 0, "redact", NULL, 3,
	  "Show and keep no names: each part of a key's, client's, user's, file's or host's name "
	  "is a keyed hash, but for words in everybody's: session:90937 is session:3f2a9c81d5e0 "
	  "(redmem-security(7))",
	  INTO(hide_names) },
	{ 'N', 0, "redact-key", "FILE", 3,
	  "With --redact, which this is, too: the key of the hashes is what is in FILE, so that "
	  "the same name is the same hash in each run (default: a new key, of this run)",
	  BY(take_redact_key) },
	{ 'c', 0, "csv", NULL, 3,
	  "One line a key instead of a report, with the columns of rdb-tools; names a spreadsheet "
	  "would take for a formula (= + - @) have a ' in front",
	  INTO(keys.csv) },
	{ 'c', 0, "folded", NULL, 3,
	  "Bytes by prefix as folded stacks instead of a report, for a flame graph",
	  INTO(keys.folded) },
	{ 'o', 'v', "verbose", NULL, 3,
	  "Everything instead of a screenful; twice: say what redmem does", BY(take_verbose) },
	{ 'O', 0, "help", NULL, -1, "This text", BY(take_help) },
	{ 'O', 0, "usage", NULL, -1, "The options in short", BY(take_usage) },
};

const size_t option_rows_count = sizeof(option_rows) / sizeof(option_rows[0]);
