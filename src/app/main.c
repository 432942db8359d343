/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem COMMAND [TARGET] [OPTIONS]: the table of commands and the choice of one. */
#include <nss.h>
#include <stdio.h>
#include <string.h>

#include "app/check.h"
#include "app/commands.h"
#include "app/manual.h"
#include "app/print.h"
#include "app/profile_file.h"
#include "app/redact.h"
#include "app/web_api.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/version.h"
#include "lab/knobs.h"
#include "lab/report.h"
#include "report/schema.h"
#include "report/screen.h"

/* What the whole program is, and the only file that is made anew for it: see version.c. */
const char redmem_version[] = REDMEM_VERSION;

/* Of `redmem doctor`, and of the demo, which shows what it says. */
#define DOCTOR_SENSORS "cpu fault loop offcpu rss vm reclaim life flow"

#define DOCUMENTS(...) ((const struct schema *const[]){ __VA_ARGS__, NULL })

static const struct command commands[] = {
	{
		.name = "doctor",
		.summary = "the full diagnosis: where the memory is, who took it, what stalls",
		.doc = "Watch a redis-server or valkey-server for some seconds from the kernel's "
		       "side and "
		       "its own, and say where its memory is, which commands and keys are behind "
		       "it, and "
		       "what is wrong.",
		.examples =
			"Examples:\n"
			"  redmem doctor                   the only server on this host, 10 s\n"
			"  redmem doctor -p 6380 -d 30     the one on that port, 30 s\n"
			"  redmem doctor --pid 812 --no-connect   from the host alone\n"
			"  redmem doctor -h cache1         one elsewhere: what it says itself\n"
			"  redmem doctor --all -d 60       every server here, one minute\n"
			"  redmem doctor --every 5         a line each 5 s until Ctrl-C, then all\n"
			"  redmem doctor --fail-on critical >/dev/null || mail -s redis ops\n"
			"  redmem doctor --checklist daily -p 6380\n"
			"  redmem doctor --oom             what to free first\n"
			"  redmem doctor --json | jq '.findings[].title'\n"
			"  redmem doctor --html now.html   to look at, or to send\n"
			"  redmem doctor --record now.rec; redmem doctor --replay now.rec\n"
			"  redmem doctor --pprof now.pb.gz; go tool pprof -top now.pb.gz\n"
			"  redmem doctor --metrics /var/lib/prometheus/node-exporter/redmem.prom",
		.takes = "tlhawsibgrRpxPdWNo",
		.sensors = DOCTOR_SENSORS,
		.documents = DOCUMENTS(&schema_doctor, &schema_doctor_all, &schema_checklist,
				       &schema_oom),
		.confined = CONFINE_LOOK,
		.run = cmd_doctor,
	},
	{
		.name = "alloc",
		.summary = "who allocates and frees: by command, key prefix, thread; how fast",
		.doc = "Watch a server's allocator for some seconds: bytes allocated and freed by "
		       "command, key prefix and thread, what grows, and how long calls of the "
		       "allocator take.",
		.examples =
			"Examples:\n"
			"  redmem alloc                    the only server on this host, 10 s\n"
			"  redmem alloc -d 60 --budget 5   longer, and more of the server's time\n"
			"  redmem alloc --every 1 -d 30    a line each second, then all\n"
			"  redmem alloc --folded - --sample-type growth | flamegraph.pl >grew.svg\n"
			"  redmem alloc --json | jq '.growth.prefixes[0]'",
		.takes = "tlhwibgrRPWNo",
		.sensors = "cpu fault vm life flow burst",
		.documents = DOCUMENTS(&schema_alloc),
		.confined = CONFINE_LOOK,
		.run = cmd_alloc,
	},
	{
		.name = "keys",
		.summary = "one pass over all keys: the biggest, types, prefixes, TTLs, patterns",
		.doc = "Pass once over the keys of a redis-server or valkey-server, of a replica "
		       "or of a whole cluster, and say which are big, what they will do to the "
		       "server, which prefixes hold the memory and what never expires. Keys are "
		       "not touched: no LRU clock and no LFU counter moves.",
		.examples = "Examples:\n"
			    "  redmem keys                      the only server on this host\n"
			    "  redmem keys -h cache1 -p 6380 --top 50\n"
			    "  redmem keys -n 0 --match 'user:*' --depth 2\n"
			    "  redmem keys -i 0.1 --max-ms 0.5  gentler still\n"
			    "  redmem keys --csv --min-bytes 1000000 >big.csv\n"
			    "  redmem keys --json | jq '.prefixes[0]'",
		.takes = "tlKkcWNo",
		.documents = DOCUMENTS(&schema_keys),
		.confined = CONFINE_LOOK,
		.run = cmd_keys,
	},
	{
		.name = "key",
		.summary = "one key: what it is and why, what it holds, who uses it, what it costs",
		.doc = "Say what one key of a redis-server or valkey-server is: type, encoding and "
		       "why, size, how its elements and scores spread, its expiry and last use, "
		       "how it grows and who uses it in a watch of some seconds, how long a "
		       "command over all of it would hold the server, and what to do. The key is "
		       "not touched, values are measured and not shown.",
		.examples =
			"Examples:\n"
			"  redmem key leaderboard:global    of the only server on this host\n"
			"  redmem key -n 3 -d 60 queue:mail\n"
			"  redmem key -h cache1 --samples 0 user:1042\n"
			"  redmem key '\"a\\x00b\"'          a binary name, as redis-cli shows it\n"
			"  redmem key --hex 610062          the same\n"
			"  redmem key cache:home --json | jq .size.bytes",
		.takes = "tlw1brRWNo",
		.arguments = "NAME",
		.sensors = "cpu fault life flow",
		.documents = DOCUMENTS(&schema_one_key),
		.confined = CONFINE_LOOK,
		.run = cmd_key,
	},
	{
		.name = "rdb",
		.summary = "the keys of a dump, offline, and what they would take in memory",
		.doc = "Read dumps of Redis (RDB 1 to 15) or Valkey (to 80) without a server: the "
		       "biggest keys, types, prefixes, TTLs and patterns as redmem keys tells "
		       "them, and what a server that has loaded them would need. FILE is a dump, "
		       "- for stdin, an AOF that begins with one, or an AOF's manifest; gzip and "
		       "zstd are read as they are. Several files, of a cluster's nodes, are one "
		       "report. With --from a server sends its dump as to a replica, and nothing "
		       "is stored; the user needs +sync, +replconf and, to be warned of the cost, "
		       "+info (ACL SETUSER).",
		.examples =
			"Examples:\n"
			"  redmem rdb /var/lib/redis/dump.rdb\n"
			"  redmem rdb --as valkey-8.1 --match 'user:*' dump.rdb\n"
			"  redmem rdb --as redis-7.2 --as valkey-8.1 dump.rdb   how much less?\n"
			"  ssh cache1 cat dump.rdb.gz | redmem rdb -\n"
			"  redmem rdb --from cache1:6379    it forks and sends one\n"
			"  redmem rdb --csv --min-bytes 1000000 dump.rdb >big.csv\n"
			"  redmem rdb --json node*.rdb | jq '.loaded.used_memory_bytes'",
		.arguments = "[FILE...]",
		.takes = "lKfFScWNo",
		.documents = DOCUMENTS(&schema_rdb),
		.confined = CONFINE_LOOK,
		.run = cmd_rdb,
	},
	{
		.name = "diff",
		.summary = "two dumps, or two times, of one server: what changed in between",
		.doc = "Compare two dumps of a redis-server or valkey-server, without one: which "
		       "prefixes and keys grew, and which shrank, in the memory of a server that "
		       "has loaded them. Files as redmem rdb takes them; BEFORE is read twice, so "
		       "it cannot be stdin. Sums by prefix are exact; of single keys the report "
		       "says from which change on none is missing. Where BEFORE and AFTER are "
		       "times and no files, they are two times of the history that redmem serve "
		       "keeps: what changed in the ledger, who allocated and freed in between, "
		       "holes by size class, settings.",
		.examples = "Examples:\n"
			    "  redmem diff yesterday.rdb today.rdb\n"
			    "  ssh cache1 cat dump.rdb.gz | redmem diff yesterday.rdb -\n"
			    "  redmem diff --match 'session:*' --top 50 a.rdb b.rdb\n"
			    "  redmem diff --json a.rdb b.rdb | jq '.prefixes[0]'\n"
			    "  redmem diff -- -24h now         of the only server in the history\n"
			    "  redmem diff --server cache1 03:00 03:30",
		.arguments = "BEFORE AFTER",
		.takes = "KfHWNo",
		.documents = DOCUMENTS(&schema_diff, &schema_changes),
		.confined = CONFINE_FILES,
		.run = cmd_diff,
	},
	{
		.name = "memory",
		.summary = "where the memory is, by size class, and what would give it back",
		.doc = "Say where a server's memory is, which size classes of the allocator have "
		       "holes and which keys lie in them, and what defragmentation, MEMORY PURGE, "
		       "huge pages off or a restart would give back, before anybody tries.",
		.examples =
			"Examples:\n"
			"  redmem memory                   the only server on this host\n"
			"  redmem memory -p 6380 -d 60     with who allocates and frees in 60 s\n"
			"  redmem memory --try purge       run MEMORY PURGE, compare with the "
			"forecast\n"
			"  redmem memory --json | jq '.size_classes | max_by(.holes_bytes)'",
		.takes = "tlhwibrRmWNo",
		.sensors = "cpu fault rss vm reclaim life flow burst",
		.documents = DOCUMENTS(&schema_memory),
		.confined = CONFINE_LOOK,
		.run = cmd_memory,
	},
	{
		.name = "stalls",
		.summary = "why the server stopped, while it is stopped: command, key and causes",
		.doc = "Tell each time the event loop does not move on for longer than the "
		       "threshold: "
		       "the command and the key that held it, and its time split over the causes "
		       "(own computing, allocator, page faults, swap, reclaim, waiting for a CPU "
		       "or a disk, fork, expiry, eviction, defrag, rehash). On a terminal a line "
		       "tells it while it lasts, also when the server answers nobody. At the end "
		       "the stalls are summed up by cause and key prefix.",
		.examples = "Examples:\n"
			    "  redmem stalls                   the only server here, until Ctrl-C\n"
			    "  redmem stalls -p 6380 -d 60 --threshold 20\n"
			    "  redmem stalls --command del --count 1\n"
			    "  redmem stalls --replay monday.rec\n"
			    "  redmem stalls --json | jq 'select(.duration_seconds > 0.1)'",
		.takes = "tlhwseRPWNo",
		.sensors = "cpu fault loop offcpu rss vm reclaim life",
		.documents = DOCUMENTS(&schema_stall, &schema_stalls),
		.confined = CONFINE_LOOK,
		.run = cmd_stalls,
	},
	{
		.name = "top",
		.summary =
			"one screen of what goes on: memory, commands, faults, stalls as they last",
		.doc = "Show a redis-server or valkey-server as it is now, each second anew: the "
		       "verdict of the last ten seconds, its memory and its limit, commands, "
		       "faults, what stalls it while it is stalled, and tables of key prefixes, "
		       "commands, clients, size classes, stalls, findings and servers. With "
		       "--replay a recording, faster or slower, from any time "
		       "on.",
		.examples = "Examples:\n"
			    "  redmem top                      the only server on this host\n"
			    "  redmem top -p 6380\n"
			    "  redmem top --all                every server here\n"
			    "  redmem top --record now.rec     and keep what was seen\n"
			    "  redmem top --replay now.rec\n\n"
			    "Keys:\n" SCREEN_KEYS,
		.takes = "tlhawsbrRN",
		.sensors = DOCTOR_SENSORS,
		.confined = CONFINE_LOOK_ON,
		.run = cmd_top,
	},
	{
		.name = "serve",
		.summary = "watch every server of the host for good; metrics, history, alerts",
		.doc = "Watch every redis-server and valkey-server of this host for as long as it "
		       "runs, those that start later, too; keep what happens, answer Prometheus, "
		       "`redmem report` and browsers (the report of any time, as a page). "
		       "redmem.conf(5) says how; SIGHUP reads it again. The "
		       "connection options name one server, which alone is watched then.",
		.examples = "Examples:\n"
			    "  redmem serve                     all, on 127.0.0.1:9122\n"
			    "  redmem serve --check-config\n"
			    "  redmem serve -p 6379 --listen :9122 --state /srv/redmem\n"
			    "  curl -s localhost:9122/metrics",
		.takes = "tlhbsVNo",
		.sensors = "cpu fault loop offcpu rss vm reclaim life flow burst",
		.documents =
			DOCUMENTS(&schema_servers, &schema_findings, &schema_doctor, &schema_error),
		.run = cmd_serve,
	},
	{
		.name = "check",
		.summary = "what can be measured on this host, what cannot, why, and the fix",
		.doc = "Say what redmem can measure on this host and on this server, what it "
		       "cannot, why, "
		       "and what to do about it.",
		.examples = "Examples:\n"
			    "  redmem check\n"
			    "  redmem check -s /run/redis/redis.sock --json",
		.takes = "tlho",
		.documents = DOCUMENTS(&schema_host_check),
		.confined = CONFINE_LOOK,
		.run = cmd_check,
	},
	{
		.name = "report",
		.summary = "what was it then: the diagnosis of a time that is over",
		.doc = "Print the diagnosis of any time that redmem serve has watched, as redmem "
		       "doctor would have printed it then: out of its history, without the "
		       "server. Of the last day every ten seconds are kept, of the week before "
		       "every minute, of what is older every ten. Keys are drawn at random by "
		       "doctor alone: what only they tell of values that nobody used then (big "
		       "keys, how far they were rounded up) is not in it.",
		.examples =
			"Examples:\n"
			"  redmem report --at 03:00        from the last three o'clock on, 10 min\n"
			"  redmem report --at -5m --for 1m --server cache1\n"
			"  redmem report --at 2026-11-28T03:00:00Z --for 1h -v\n"
			"  redmem report --last-death      the minutes before it\n"
			"  redmem report --at 03:00 --json | jq '.findings[].title'",
		.takes = "HAPWNo",
		.documents = DOCUMENTS(&schema_doctor, &schema_death),
		.confined = CONFINE_FILES,
		.run = cmd_report,
	},
	{
		.name = "history",
		.summary = "what happened: stalls, findings, forks, deaths, a line each",
		.doc = "List what happened to the servers that redmem serve watches, a line each: "
		       "stalls of the event loop, findings from when they began until they ended, "
		       "forks, hangs, restarts, deaths; with -v also stalls below 100 ms, and "
		       "findings that are but notes. "
		       "redmem-history(5) describes the tables "
		       "behind it, which sqlite3 can be asked about.",
		.examples = "Examples:\n"
			    "  redmem history                  of the last day\n"
			    "  redmem history --since -7d --server cache1\n"
			    "  redmem history --since 02:00 --until 04:00\n"
			    "  redmem history --json | jq '.events[] | select(.kind == \"death\")'",
		.takes = "HyNo",
		.documents = DOCUMENTS(&schema_history),
		.confined = CONFINE_FILES,
		.run = cmd_history,
	},
	{
		.name = "push",
		.summary = "send a profile to Pyroscope or Parca",
		.doc = "Send a profile to who keeps profiles: Pyroscope, or Parca. FILE is one "
		       "that "
		       "--pprof of redmem doctor, alloc, stalls or report has written; without it "
		       "a server is watched for some seconds. The certificate of an https address "
		       "is verified. What may be over soon (nobody answers, 429, 5xx) is tried "
		       "again, three times within some seconds. redmem sends nothing anywhere by "
		       "itself.",
		.examples = "Examples:\n"
			    "  redmem push --url http://localhost:4040       the only server here, "
			    "10 s\n"
			    "  redmem push --url https://profiles.example --token-file "
			    "/etc/redmem/token "
			    "-p 6380 -d 30\n"
			    "  redmem push --api parca --url http://localhost:7070 now.pb.gz",
		.arguments = "[FILE]",
		.takes = "tlhwbuN",
		.sensors = DOCTOR_SENSORS,
		.confined = CONFINE_LOOK,
		.run = cmd_push,
	},
	{
		.name = "demo",
		.summary = "start a private server with known troubles and diagnose it",
		.doc = "Start a private redis-server on a unix socket in a temporary directory, "
		       "give it "
		       "known troubles (holes after a mass delete, a big sorted set, temporary "
		       "keys "
		       "without expiry, copy-on-write during BGSAVE, swap where the host allows "
		       "it), and "
		       "diagnose it. Everything is removed afterwards.",
		.examples = "Examples:\n"
			    "  redmem demo\n"
			    "  redmem demo -v",
		.takes = "o",
		.sensors = DOCTOR_SENSORS,
		.documents = DOCUMENTS(&schema_doctor),
		.run = cmd_demo,
	},
	{
		.name = "lab",
		.summary = "two servers, or settings, side by side: which is better, how sure",
		.doc = "Compare two builds of a server, or two ways to set one up, under a load "
		       "that a "
		       "scenario describes: private servers, started anew again and again, in "
		       "short slices that alternate in random order. Measured are throughput, "
		       "latency and CPU time, and what other labs do not see: bytes and faults an "
		       "operation, bytes a key, fragmentation, what a save copies, stalls by "
		       "cause. Each metric has an interval, and a verdict: better, worse, or no "
		       "difference larger than so much. A is held against itself as well: what "
		       "this machine cannot tell is not judged. With show the verdict on a stored "
		       "result is told once more; with diff two results are compared, also of "
		       "other "
		       "versions of redmem: what B was to A, and what it is.",
		.examples =
			"Examples:\n"
			"  redmem lab list                 the scenarios\n"
			"  redmem lab list small           one as it is, to be copied\n"
			"  redmem lab run small --b /opt/valkey/bin/valkey-server\n"
			"  redmem lab run queues --set b:list-max-listpack-size=32\n"
			"  redmem lab run mass-delete --env b:LD_PRELOAD=/opt/lib/libc-malloc.so\n"
			"  redmem lab run save --knob a:thp=never --knob b:thp=always\n"
			"  redmem lab show small.jsonl     the verdict on a stored result\n"
			"  redmem lab show small.jsonl --markdown - >>\"$GITHUB_STEP_SUMMARY\"\n"
			"  redmem lab show small.jsonl --max-regress 5 || echo worse\n"
			"  redmem lab diff monday.jsonl today.jsonl",
		.arguments = "run SCENARIO\nlist [SCENARIO]\nshow FILE\ndiff BEFORE AFTER",
		.takes = "LNWo",
		.sensors = DOCTOR_SENSORS " burst",
		.documents = DOCUMENTS(&schema_lab, &schema_lab_diff),
		.run = cmd_lab,
	},
	{
		.name = "schema",
		.summary = "the JSON Schema of what a command prints with --json",
		.doc = "Print the JSON Schema (draft 2020-12) of what COMMAND prints with --json: "
		       "one "
		       "of several documents where its options choose, each line where it prints "
		       "lines; of serve, what its /api/v1 answers. It is made of the tables that "
		       "write the JSON. Fields are only ever "
		       "added while the number in \"schema\" stays; what is not known is null.",
		.examples = "Examples:\n"
			    "  redmem schema doctor >doctor.schema.json\n"
			    "  redmem doctor --json >now.json\n"
			    "  python3 -m jsonschema -i now.json doctor.schema.json",
		.takes = "n",
		.arguments = "COMMAND",
		.confined = CONFINE_FILES,
		.run = cmd_schema,
	},
	{
		.name = "mcp",
		.summary = "answer an assistant's questions (Model Context Protocol)",
		.doc = "Serve the Model Context Protocol on stdin and stdout, for an assistant "
		       "that "
		       "starts this program: which servers run here, the diagnosis of one and who "
		       "allocated, now or at a time that is over, the biggest keys, what happened "
		       "and what changed (out of the history of redmem serve), and what a finding "
		       "means. All of it only reads. Answers are bounded, and names are escaped. "
		       "The "
		       "servers that are looked at are those of this host, or the one that is "
		       "named "
		       "here.",
		.examples = "Examples:\n"
			    "  redmem mcp\n"
			    "  redmem mcp -p 6380 --redact\n"
			    "  {\"mcpServers\": {\"redmem\": {\"command\": \"redmem\", \"args\": "
			    "[\"mcp\"]}}}",
		.takes = "tlhbHN",
		.confined = CONFINE_LOOK,
		.run = cmd_mcp,
	},
	{ NULL },
};

/* What a lab that was killed has left is undone by whichever command comes next. */
static void undo_labs(void)
{
	struct buf folder = {}, said = {};
	struct err err = {};

	knobs_folder(&folder);
	if (folder.len && knobs_recover(buf_str(&folder), &said, &err))
		log_msg(LOG_WARN, "%s", err.text);
	if (said.len)
		log_msg(LOG_WARN, "a lab that was killed is undone: %s", buf_str(&said));
	buf_free(&folder);
	buf_free(&said);
}

static void usage(FILE *out)
{
	fputs("redmem: where a redis-server's memory is, who took it, what stalls it\n\n"
	      "Usage: redmem COMMAND [TARGET] [OPTIONS]\n\n",
	      out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  redmem %-8s %s\n", c->name, c->summary);
	fputs("\n`redmem COMMAND --help` explains one. Start with `redmem check`, then `redmem "
	      "doctor`.\n",
	      out);
}

/* What is to be right before anything begins. */
static int set_up(struct options *o)
{
	enum confine_for what = o->of->confined;
	struct err err = {};

	if (o->hide_names && redact_key_open(&o->redact, o->redact_key_path, &err))
		return print_failure(&err);
	print_hide_names(o);
	if (print_check(o) || profile_file_check(o))
		return 1;
	/* Who replays a recording looks at no server; but top has a terminal to look after. */
	if (o->replay_path && o->of->run != cmd_top)
		what = CONFINE_FILES;
	return confine_command(what, &err) ? print_failure(&err) : 0;
}

#ifdef REDMEM_STATIC
#define WHICH "one static file: names are looked up in files and DNS; `redmem serve` has no HTTPS\n"
/* What is in the file itself does it: modules of the system's C library were made for that one. */
static void look_up_alone(void)
{
	static const char *const databases[] = { "passwd", "group", "initgroups", "services" };

	for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++)
		__nss_configure_lookup(databases[i], "files");
	__nss_configure_lookup("hosts", "files dns");
}
#else
#define WHICH ""
static void look_up_alone(void)
{
}
#endif

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "--help";
	struct options options;
	int ret;

	if (!strcmp(name, "--help") || !strcmp(name, "help")) {
		usage(stdout);
		return argc > 1 ? 0 : 2;
	}
	if (!strcmp(name, "--version")) {
		printf("redmem %s\n" WHICH, redmem_version);
		return 0;
	}
	if (!strcmp(name, "manual")) /* for the build */
		return manual_print(argc > 2 ? argv[2] : NULL);
	if (!strcmp(name, "options")) { /* for completion in shells */
		for (const struct command *c = commands; c->name; c++)
			options_list(c);
		return 0;
	}
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name))
			continue;
		options_parse(&options, c, argc - 1, argv + 1);
		options.commands = commands;
		if (options.verbose > 1)
			log_set_level(options.verbose > 2 ? LOG_DEBUG : LOG_INFO);
		undo_labs();
		ret = set_up(&options) ? 1 : c->run(&options);
		print_hide_names(NULL);
		options_free(&options);
		return ret;
	}
	fprintf(stderr, "redmem: no command '%.40s'; see `redmem --help`\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	if (print_start())
		return 1;
	look_up_alone();
	confine_memory();
	return print_finish(run(argc, argv));
}
