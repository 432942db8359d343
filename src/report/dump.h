/* SPDX-License-Identifier: BSD-2-Clause */
/* What is to be said of dumps beside the keys in them. */
#pragma once

#include "diagnose/diagnose.h"
#include "model/model.h"
#include "rdb/limits.h"
#include "report/comparison.h"
#include "report/report.h"

/* One file. Unknown numbers are RECORD_UNKNOWN, unknown texts "". */
struct report_dump {
	const char *name;
	bool valkey;
	int64_t version; /* of the format */
	const char *server_version; /* of who wrote it */
	int64_t created_unix; /* by the writer's clock */
	int64_t used_memory_bytes; /* as the writer said */
	int64_t bytes; /* read, after decompression */
	int64_t keys_total, modules_total, functions_total;
	bool checksum; /* it has one, and it is right */
	bool log_follows; /* commands of an AOF follow it, and are not read */
	const char *problem; /* why it was not read to its end, "" when it was */
};

/* All of them, and what their keys would take. */
struct report_dumps {
	const struct report_dump *files;
	size_t count;
	const char *server; /* the one that is modelled: "valkey-8.1" */
	const char *allocator; /* "bundled", "system" */
	const char *config; /* whose settings the limits are, "" = the server's own defaults */
	const struct packed_limits *limits;
	bool filtered; /* some keys were left out, but not of the tables */
	int64_t keys_bytes; /* of used_memory */
	int64_t tables_bytes; /* likewise, of the databases' tables */
	const struct report_comparison *comparison; /* NULL = with no other server */
	double seconds;
	int64_t own_rss_bytes;
};

void report_dumps_text(struct buf *out, const struct model *m, const struct findings *f,
		       const struct report_dumps *dumps, const struct report_style *style);
/* {"schema":"redmem.rdb/1",...} */
void report_dumps_json(struct buf *out, const struct model *m, const struct findings *f,
		       const struct report_dumps *dumps);
