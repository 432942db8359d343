/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of keys: of a sample, of a pass over all, of one; see record.h. */
#pragma once

#include "record/bytes.h"
#include "redmem/tables.h"

/*
 * Strings of one size class that lie in the allocator's memory, by their heads in some of its
 * pages, drawn at random (target/strings.h). Some may be free again.
 */
struct record_strings {
	double t_seconds;
	int64_t class_bytes;
	int64_t found_total; /* that begin in those pages */
	int64_t requested_bytes; /* what was asked for them, in sum */
	int64_t looked_bytes; /* of these pages... */
	int64_t resident_bytes; /* ...of so many that are there, by how many of the drawn were */
};

/* A bounded, no-touch look at a key. */
struct record_key {
	struct bytes key;
	int64_t name_bytes; /* of its name, where key is something else; 0 and less: it is not */
	int64_t db;
	const char *type; /* "none" when it is gone */
	const char *encoding;
	int64_t bytes;
	int64_t elements;
	double ttl_seconds; /* -1 = no expiry; NAN unknown */
	bool inferred; /* type and encoding: from other keys whose names differ in numbers only */
	enum redmem_key_source source;
	double pass_seconds; /* when in the pass; NAN */
	/* Of a stream, over its groups; RECORD_UNKNOWN where that may not be asked without
	 * touching it. */
	int64_t groups_total, consumers_total, pending_total;
	/* What only a dump tells; @dumped = it comes from one. */
	bool dumped;
	int64_t largest_bytes; /* its longest element */
	int64_t idle_seconds, frequency; /* since it was used, at the dump; LFU's counter */
	int64_t slot; /* where the dump tells it */
	int64_t dump_bytes; /* it takes in the dump */
	int64_t saved_bytes; /* LZF saved there */
	bool older; /* of a dump with which another is compared: only its prefix counts */
};

static inline int64_t record_key_name_bytes(const struct record_key *key)
{
	return key->name_bytes > 0 ? key->name_bytes : (int64_t)key->key.len;
}

/* The pass over all keys goes on to this database or node; the keys that follow are its. */
struct record_pass_part {
	const char *node; /* id of the cluster's node, "" without a cluster */
	const char *address;
	const char *role; /* "master", "replica", "" */
	int64_t db;
	int64_t dbsize; /* what the server said at the start; RECORD_UNKNOWN */
};

/* So many chunks of the pass took so long to be answered. */
struct record_pass_reply {
	int64_t ns;
	int64_t replies_total;
};

/* How a pass over all keys went; comes when it is over, also when it ended early. */
struct record_pass {
	const char *end; /* "complete", "interrupted", "latency", "memory", "lost" */
	const char *cursor; /* to go on from, "" when complete */
	bool no_touch; /* the server was asked not to count the looks (CLIENT NO-TOUCH) */
	bool elements_asked; /* lengths of all collections, not only of big ones */
	int64_t repeats_total; /* keys that SCAN gave twice */
	int64_t gone_total;
	/* DBSIZE before and after, and how many keys the server deleted meanwhile because their
	 * time was past: it does so when SCAN meets them. RECORD_UNKNOWN. */
	int64_t before_total, after_total, expired_total;
	int64_t hidden_total; /* of replicas: held, and not given by SCAN; RECORD_UNKNOWN */
	int64_t refused_total;
	const char *refused; /* the first refusal, "" */
	int64_t inferred_total; /* keys whose type and encoding were not asked */
	int64_t commands_total; /* sent */
	int64_t hits_total, misses_total; /* of keyspace_hits and _misses, by them */
	double seconds;
	double rested_seconds;
	int64_t own_rss_bytes; /* redmem's largest */
	double own_cpu_seconds;
	double access_seconds, copy_byte_seconds; /* what memory costs on this host; NAN */
};

/* A row of what a scheduled pass over all keys has found: first all of them, then prefixes by
 * bytes, falling, then the largest keys. */
struct record_passed {
	double t_seconds; /* when the pass was over */
	const char *what; /* "all", "prefix", "key" */
	struct bytes key; /* or prefix */
	int64_t db; /* of a key */
	const char *type; /* of a key, "" */
	int64_t elements; /* of a key */
	int64_t keys_total; /* of all, and of a prefix */
	int64_t no_ttl_total; /* of them those that never expire */
	int64_t bytes; /* MEMORY USAGE */
	const char *end; /* of all: as record_pass.end */
	double seconds; /* of all: the pass took */
};

/* One key that was asked for at length; comes again at the end of the watch of it. */
struct record_one_key {
	double t_seconds;
	struct bytes key;
	int64_t db;
	const char *type; /* "none" when it is gone */
	const char *encoding;
	int64_t bytes; /* MEMORY USAGE */
	int64_t bytes_samples; /* elements that looked at; 0 = all */
	const char *bytes_reason; /* why it was not asked, "" */
	int64_t elements; /* bytes of a string */
	double ttl_seconds; /* -1 = no expiry; NAN */
	int64_t idle_seconds; /* unknown under an LFU policy, and frequency under any other */
	int64_t frequency; /* the logarithmic counter of LFU, 0 to 255 */
	bool no_touch; /* the server has promised that looks do not count (CLIENT NO-TOUCH) */
	bool touched; /* it was asked also what counts as use */
	const char *refused; /* the first refusal, "" */
	const char *elements_reason; /* why none, or not all that was wanted, was looked at; "" */
	const char *content; /* of a string: "json", "number", "text", "compressed", "binary", "" */
	double compressed_ratio; /* what zlib makes of the bytes looked at; NAN */
	int64_t content_bytes; /* looked at */
	double score_min, score_max; /* of a sorted set; NAN */
	int64_t groups_total; /* of a stream, as all below */
	int64_t nodes_total; /* that its entries lie in */
	int64_t added_total; /* entries ever added */
	const char *first_id, *last_id; /* "1700000000000-0", "" */
	int64_t commands_total; /* sent for all this */
	int64_t reply_bytes; /* of elements and ranges that came back */
	double seconds; /* that it took */
	double element_seconds; /* MEMORY USAGE took for one, by the server's own clock; NAN */
	double access_seconds, copy_byte_seconds; /* what memory costs on this host; NAN */
};

/* One element that was looked at. */
struct record_key_element {
	const char *place; /* "head", "tail" of a list or stream, "random" */
	int64_t name_bytes; /* of a field; RECORD_UNKNOWN where elements have no name */
	int64_t bytes; /* of the value, member, item, or all of a stream's entry */
	double score; /* NAN */
};

/* A consumer group of a stream. */
struct record_key_group {
	struct bytes name;
	int64_t consumers_total;
	int64_t pending_total;
	int64_t lag; /* entries it has not been given; RECORD_UNKNOWN */
	double oldest_pending_seconds; /* since that was delivered the last time; NAN */
	int64_t consumers_seen; /* looked at one by one; RECORD_UNKNOWN = none was */
	int64_t consumers_gone; /* of them: idle for a day or more */
	int64_t pending_of_gone;
};
