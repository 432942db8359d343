/* SPDX-License-Identifier: BSD-2-Clause */
/* The page redmem-metrics(7): the contract of metrics.h in words, and all rows of the table. */
#include "report/metrics_table.h"

static const char before[] =
	".SH NAME\n"
	"redmem-metrics \\- what redmem tells Prometheus\n"
	".SH DESCRIPTION\n"
	".B redmem serve\n"
	"answers\n"
	".B GET /metrics\n"
	"with the metrics of all servers it watches, in Prometheus' text format or, for a client "
	"that "
	"prefers it, in OpenMetrics, and\n"
	".B GET /scrape?target=SERVER\n"
	"with those of one.\n"
	".B redmem doctor --metrics FILE\n"
	"writes those of a watch into a file, as the textfile collector of node_exporter reads it; "
	"its "
	"counters begin with the watch.\n"
	".PP\n"
	"They are made of windows of ten seconds, each when it is over and drained: a scrape shows "
	"what "
	"was up to about a second before the end of the newest window. The label\n"
	".B server\n"
	"is the name of the server in redmem.conf(5), else its unit or container and port, else "
	"its "
	"address: never its process id, and the same after a restart.\n"
	".SH WHAT IS THERE, AND HOW MUCH\n"
	"Counters go back only when redmem restarts, or when a series begins anew. Those that "
	"begin "
	"with redis_ are the server's own, and go back when it restarts.\n"
	".PP\n"
	"What is not known is absent, never 0: a sensor is off, the server did not answer. A "
	"counter "
	"that was known once stays.\n"
	".PP\n";

static const char after_bounds[] =
	"A prefix gets a series while there is room, those with most bytes first. When there is "
	"none, it takes that of the prefix with least in the last ten minutes, if it moved more in "
	"one "
	"window than that one did in all of these; once a minute at most, and who has its series "
	"for "
	"less than ten minutes keeps it. The series that goes vanishes. Its bytes are in\n"
	".B redmem_prefix_gone_allocated_bytes_total\n"
	"and\n"
	".BR redmem_prefix_gone_freed_bytes_total .\n"
	"So at any time\n"
	".PP\n"
	".nf\n"
	"    sum(redmem_prefix_allocated_bytes_total) + redmem_prefix_gone_allocated_bytes_total\n"
	"        = redmem_allocated_bytes_total\n"
	".fi\n"
	".PP\n"
	"to the byte, and over any span the series of prefixes, \"other\" among them, grow by what "
	"redmem_allocated_bytes_total does; likewise bytes freed. The series of commands, "
	"\"other\" "
	"among them, add up to the same; they are kept for good.\n"
	".PP\n"
	"A name that comes later than its server begins at 0 in the window that shows it, and what "
	"it "
	"did in that window is in \"other\": rate() loses nothing, which does not see what a "
	"series "
	"begins with.\n"
	".PP\n"
	"A finding is 1 while it is there and for a minute after, so that no scrape misses it; "
	"then "
	"it stays as 0. Stalls are there by every cause from the start, as 0. The series of a "
	"server "
	"that is gone vanish all at once, some minutes after it went.\n"
	".PP\n"
	"What a server is and where it runs is one series a server, redmem_server_info, whose "
	"labels "
	"namespace, pod and container are empty where there is none; a pod whose name is not known "
	"is "
	"told by its uid, a container by its id. All other series are joined with it by their "
	"label:\n"
	".PP\n"
	".nf\n"
	"    redmem_ledger_bytes * on (server) group_left (namespace, pod) redmem_server_info\n"
	".fi\n"
	".PP\n"
	"No label is the name of a key: prefixes are what is the same in many names (\"user:*\"). "
	"Labels are valid UTF-8; bytes of names that are none are written as redis-cli shows them. "
	"Names that are the same then share a series, and one that is \"other\" shares that.\n"
	".SH METRICS\n"
	"All have the label\n"
	".B server\n"
	"but for those of redmem itself.\n";

static const char between[] =
	".SH METRICS OF REDIS_EXPORTER\n"
	"What redis_exporter 1.45 tells of a server's memory, under its names and with the values "
	"of "
	"the last INFO, so that dashboards made for it work. Where that runs, too, "
	"\"redis_metrics = off\" in redmem.conf(5) leaves them out.\n";

static const char after[] = ".SH SEE ALSO\n"
			    ".BR redmem (1),\n"
			    ".BR redmem-doctor (1),\n"
			    ".BR redmem.conf (5)\n";

static void describe_bounds(struct buf *out)
{
	buf_printf(
		out,
		"Prefixes: at most %d series a server for each metric (\"prefixes\" in "
		"redmem.conf(5)), and \"other\" for all the rest and for what belongs to no key. "
		"Commands: %d and \"other\"; \"(event loop)\" is what the server does for no "
		"command, \"(unseen)\" what was not looked at, as the budget did not allow it. "
		"Errors and threads: %d of each and \"other\". A label is at most %d "
		"bytes long. All else has sets that redmem, or the allocator, fixes.\n"
		".PP\n",
		METRICS_PREFIXES, METRICS_COMMANDS, METRICS_NAMES, METRICS_LABEL_BYTES);
}

static void describe_labels(struct buf *out, const struct metric_group *group)
{
	for (int i = 0; i < METRIC_LABELS && group->labels[i]; i++)
		buf_printf(out, "%s%s", i ? "," : "{", group->labels[i]);
	buf_puts(out, group->labels[0] ? "}" : "");
}

static void describe_table(struct buf *out, const struct metric_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct metric *metric = &table->metric[i];

		buf_printf(out, ".TP\n.BR %s ", metric->name);
		describe_labels(out, &metric_groups[metric->group]);
		buf_printf(out, "\n%s. %s.\n", metric_type_name(metric->type, true), metric->help);
	}
}

void metrics_manual(struct buf *out)
{
	buf_puts(out, before);
	describe_bounds(out);
	buf_puts(out, after_bounds);
	describe_table(out, &metrics_own);
	buf_puts(out, between);
	describe_table(out, &metrics_of_redis);
	buf_puts(out, after);
}
