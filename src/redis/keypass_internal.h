/* SPDX-License-Identifier: BSD-2-Clause */
/* What keypass.c (the chunks and their loop) and keypass_key.c (the questions and
 * answers) share. */
#pragma once

#include "base/buf.h"
#include "redis/keypass.h"
#include "redis/throttle.h"

enum ask { ASK_SCAN, ASK_USAGE, ASK_ENCODING, ASK_TTL, ASK_TYPE, ASK_GROUPS, ASK_LENGTH };

struct pass_key {
	struct batch *batch;
	const redisReply *name; /* in the batch's reply */
	const char *type; /* static or in keypass.names; NULL = not known */
	const char *encoding;
	int64_t bytes;
	int64_t elements;
	int64_t groups, consumers, pending; /* of a stream */
	int64_t samples; /* elements MEMORY USAGE is to look at, if not as many as usual */
	double ttl_seconds;
	unsigned char unanswered;
	bool encoding_asked, type_asked, groups_asked, size_asked, size_again, length_asked;
	bool inferred; /* type and encoding, from others of its shape */
	bool gone;
};

struct batch {
	struct batch *next;
	redisReply *reply;
	char cursor[KEYPASS_CURSOR]; /* SCAN was asked with */
	size_t count, asked, left; /* keys; left: not done */
	struct pass_key keys[];
};

struct question {
	struct pass_key *key;
	enum ask what;
};

#define CHUNK_NAMES 16

struct chunk {
	struct chunk *next;
	struct keypass *pass;
	struct question *question;
	size_t count, room, at; /* at: the next to be answered */
	size_t weight; /* what it takes, in usual commands */
	const char *names[CHUNK_NAMES]; /* of the commands in it; NULL behind the last */
	int64_t sent_ns;
};

#define NAMES_MAX 64 /* types and encodings */

struct keypass {
	struct conn *conn;
	const struct keypass_options *options;
	struct record_sink sink;
	keypass_tick_fn tick;
	void *tick_ctx;
	struct keypass_result *result;
	struct throttle throttle;
	struct recent *recent;
	struct key_shapes *shapes; /* NULL: every key is asked what it is */
	struct err refusal; /* the server does not let us; code 0 = it does */

	char cursor[KEYPASS_CURSOR]; /* of the next SCAN */
	bool scan_out, scan_done;
	int scan_count;
	double scan_stretch; /* by how much more to look at than is to come back */
	double name_bytes; /* average of the last batch */

	struct batch *batches, **batches_end; /* not finished, oldest first */
	struct batch *asking; /* the first with keys not asked about */
	size_t waiting_keys; /* not asked about yet */
	struct question *followups;
	size_t followups_count, followups_room;

	struct chunk *spare;
	size_t under_way; /* chunks */
	struct buf out; /* the chunk that is being made */
	int64_t done_ns, not_before_ns, tick_ns, health_ns;
	size_t rest_keys; /* since the last rest of -i */
	bool ended, draining;

	enum keypass_elements lengths; /* what it comes to on this server */
	bool asks_groups; /* of streams, before their size */
	bool with_ttl; /* some key of the database has an expiry */
	bool raw_is_string; /* no module is loaded */
	int64_t sent_total; /* commands of all kinds on this connection */
	int64_t asked_stats; /* sent_total when INFO stats was last asked */
	int64_t others, others_ns; /* total_commands_processed less ours, and when */
	double used_ratio, used_ratio_start; /* of maxmemory; 0 = no limit */
	char *names[NAMES_MAX];
	size_t names_count;
};

/* --- keypass_key.c --- */
void keypass_release_batches(struct keypass *p);
/* Learn what this server can do. 0, or the connection's error. */
int keypass_prepare(struct keypass *p);
void keypass_ask_health(struct keypass *p);
void keypass_key_init(struct pass_key *key, struct batch *batch, const redisReply *name);
/* Is it to be asked what it is before it is asked for its size? */
bool keypass_asks_kind_first(const struct keypass *p, const struct pass_key *key);
/* The command that asks @what of @key (NULL but for lengths), as in commandstats but in
 * capitals; static. */
const char *keypass_command(const struct pass_key *key, enum ask what);
/* Append the question in the server's protocol. */
void keypass_format(struct keypass *p, struct buf *out, const struct pass_key *key, enum ask what);
/* Takes the reply over. */
void keypass_answered(struct keypass *p, struct pass_key *key, enum ask what, redisReply *reply);
/* The server refuses what the pass cannot do without. */
void keypass_refuse(struct keypass *p, const char *command, const redisReply *reply);
void keypass_names_free(struct keypass *p);
