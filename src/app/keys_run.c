/* SPDX-License-Identifier: BSD-2-Clause */
/* A pass over a server's or cluster's keys; see keys_run.h. */
#include "app/keys_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "app/progress.h"
#include "app/redact.h"
#include "base/array.h"
#include "base/clock.h"
#include "diagnose/keys.h"
#include "host/proc.h"
#include "host/sysmem.h"
#include "redis/cluster_nodes.h"
#include "redis/info.h"
#include "redis/keylook.h"
#include "redis/keypass.h"
#include "redis/throttle.h"

#define CALL_MS	      5000
#define DATABASES_MAX 16384
#define BIG_BYTES     100000 /* from here on a collection may have 10,000 elements */
#define LOOK_MAX      32
#define LOOK_SECONDS  1.0 /* between the two looks at a list */
#define NICE	      10 /* whoever else wants a CPU goes first */

/* One database of one node, in the order of the pass. */
struct part {
	const struct cluster_node *node; /* NULL without a cluster */
	int db;
	int64_t keys; /* at the start; RECORD_UNKNOWN */
};

struct run {
	const struct options *options;
	struct server *server;
	struct record_sink sink;
	const struct model *model; /* fed by the sink, */
	struct model *own; /* or this one, with names; NULL = they are shown */
	struct record_sink shown; /* then: without them */
	char *cursor; /* to go on from; NULL */
	bool elements_asked;
	bool replica; /* the server, where it is no cluster */
	struct cluster_node *nodes;
	struct part *parts;
	size_t parts_count;
	struct keypass_result result;
	int64_t before_total, after_total, expired_total, hidden_total; /* as in record_pass */
	struct keys_progress *progress;
	int64_t start_ns;
};

static double now(const struct run *run)
{
	return (double)(clock_mono_ns() - run->start_ns) / 1e9;
}

/* --- what is to be passed over -------------------------------------------------- */

static void add_part(struct run *run, const struct cluster_node *node, int db, int64_t keys)
{
	run->parts = array_grow(run->parts, run->parts_count, sizeof(*run->parts));
	run->parts[run->parts_count++] = (struct part){ node, db, keys };
}

static int64_t keys_of_db(const struct info *info, int db)
{
	const char *value;
	char name[16];

	snprintf(name, sizeof(name), "db%d", db);
	value = info_get(info, name);
	return value ? info_sub_int(value, "keys") : 0;
}

static void list_databases(struct run *run, const struct info *info)
{
	const struct options *o = run->options;
	const char *role = info_get(info, "role");

	run->replica = role && !strcmp(role, "slave");

	if (o->db_given) {
		add_part(run, NULL, o->db, keys_of_db(info, o->db));
		return;
	}
	for (int db = 0; db < DATABASES_MAX; db++)
		if (keys_of_db(info, db))
			add_part(run, NULL, db, keys_of_db(info, db));
}

static int call(struct conn *conn, const char *line, redisReply **reply, struct err *err)
{
	int ret = conn_call_line(conn, CALL_MS, reply, line);

	if (ret == CONN_WITHHELD)
		return conn_withheld_error(conn, "keys", err);
	if (ret)
		return err_set(err, ret, "keys: %s: %s", line,
			       conn_error(conn)->code ? conn_error(conn)->text : strerror(-ret));
	return 0;
}

static int list_nodes(struct run *run, struct err *err)
{
	const struct cluster_node **chosen;
	size_t count, n;
	char *text;
	int ret = conn_call_text(run->server->conn, CALL_MS, &text, "CLUSTER NODES", err);

	if (ret)
		return ret;
	count = cluster_nodes_parse(text, &run->nodes);
	free(text);
	chosen = xcalloc(count + 1, sizeof(*chosen));
	n = cluster_nodes_choose(run->nodes, count, run->options->keys.replicas, chosen);
	for (size_t i = 0; i < n && !ret; i++) {
		if (!chosen[i]->usable && !chosen[i]->myself)
			ret = err_set(
				err, -EHOSTDOWN,
				"keys: node %.12s (%s:%d) of the cluster is down; wait for its "
				"replica to take over",
				chosen[i]->id, chosen[i]->host, chosen[i]->port);
		add_part(run, chosen[i], 0, RECORD_UNKNOWN);
	}
	free(chosen);
	if (!n)
		return err_set(err, -ENOENT, "keys: no node of the cluster holds a slot");
	return ret;
}

static int list_parts(struct run *run, struct err *err)
{
	struct info *info;
	char *text;
	int ret = conn_call_text(run->server->conn, CALL_MS, &text, "INFO", err);

	if (ret)
		return ret;
	info = info_parse(text);
	free(text);
	conn_learn(run->server->conn, info);
	if (info_int(info, "cluster_enabled") == 1 && !run->options->keys.alone)
		ret = list_nodes(run, err);
	else if (run->options->keys.replicas)
		ret = err_set(err, -EINVAL,
			      "keys: --replicas is for a cluster; give the replica itself with -h "
			      "and -p");
	else
		list_databases(run, info);
	info_free(info);
	return ret;
}

/* --- one part --------------------------------------------------------------------- */

static bool is_to_end(const struct options *o)
{
	return interrupted() || (o->keys.stop && __atomic_load_n(o->keys.stop, __ATOMIC_RELAXED)) ||
	       (o->keys.until_ns && clock_mono_ns() >= o->keys.until_ns);
}

static bool on_tick(void *ctx, const struct keypass_result *so_far)
{
	struct run *run = ctx;

	if (run->progress)
		keys_progress_show(run->progress, so_far->scanned_total);
	return is_to_end(run->options);
}

static void take(void *ctx, const struct record *record)
{
	struct record own = *record;
	struct run *run = ctx;

	own.key.pass_seconds = now(run);
	record_emit(&run->sink, &own);
}

static void take_later(void *ctx, const struct record *record)
{
	struct run *run = ctx;
	struct record own = *record;
	bool there = strcmp(record->key.type, "none") != 0;

	/* What keylook.c asked: TYPE, OBJECT ENCODING, PTTL, perhaps the length. */
	if (there)
		run->result.hits_total += 3 + (record->key.elements != RECORD_UNKNOWN);
	else
		run->result.misses_total += 3;
	own.key.source = KEY_SOURCE_AGAIN;
	own.key.pass_seconds = now(run);
	record_emit(&run->sink, &own);
}

/* The big lists of this part. */
static size_t big_lists(const struct run *run, double since, int db, struct bytes *out)
{
	const struct keyspace *keyspace = (run->own ? run->own : run->model)->keyspace;
	const struct keyspace_type *lists = keyspace ? keyspace_find_type(keyspace, "list") : NULL;
	size_t count = 0;

	for (size_t i = 0; lists && i < lists->by_bytes.count && count < LOOK_MAX; i++) {
		const struct keyspace_key *key = &lists->by_bytes.keys[i];

		if (key->seen_seconds >= since && key->key.db == db && !key->cut &&
		    key_level(&key->key) > KEY_NORMAL)
			out[count++] = key->key.key;
	}
	return count;
}

/* Lists that nobody drains grow: look at the big ones again after a while. */
static void look_again(struct run *run, struct conn *conn, double since, int db)
{
	struct bytes keys[LOOK_MAX];
	size_t count = big_lists(run, since, db, keys);

	if (!count || server_drive(conn, LOOK_SECONDS, false) || is_to_end(run->options))
		return;
	if (!keylook_start(conn, &(struct record_sink){ take_later, run }, keys, count))
		server_drive(conn, CALL_MS / 1e3, true);
}

static struct keypass_options pass_options(const struct options *o, const char *cursor)
{
	const struct keys_options *k = &o->keys;

	return (struct keypass_options){
		.cursor = cursor,
		.match = k->match,
		.exact = k->exact || k->csv || k->elements_all,
		.samples = k->samples,
		.elements = k->elements_all ? ELEMENTS_ALL :
			    k->elements_big ? ELEMENTS_BIG :
					      ELEMENTS_NO_TOUCH,
		.big_bytes = BIG_BYTES,
		.max_seconds = isnan(k->max_ms) ? THROTTLE_MAX_SECONDS : k->max_ms / 1e3,
		.interval_seconds = k->interval_seconds,
	};
}

static int pass_part(struct run *run, struct conn *conn, const struct part *part,
		     const char *cursor, struct err *err)
{
	struct keypass_options options = pass_options(run->options, cursor);
	struct record_sink sink = { take, run };
	double since = now(run);
	int ret = conn_select(conn, part->db, CALL_MS, err);

	if (ret)
		return ret;
	ret = keypass_run(conn, &options, &sink, on_tick, run, &run->result, err);
	run->elements_asked = run->result.no_touch || options.elements != ELEMENTS_NO_TOUCH;
	if (!ret && run->result.end == PASS_COMPLETE)
		look_again(run, conn, since, part->db);
	return ret;
}

/* A connection of its own to another node of the cluster. */
static int connect_node(struct run *run, const struct cluster_node *node, struct conn **conn,
			struct err *err)
{
	struct conn_options options = run->server->connect;
	redisReply *reply;
	int ret;

	options.socket_path = NULL;
	options.host = node->host[0] ? node->host : options.host;
	options.port = node->port;
	options.db = 0;
	options.tls = run->server->tls;
	options.peer_pid = 0; /* another process */
	ret = conn_open(conn, &options, err);
	if (ret)
		return ret;
	/* On a replica: serve what is ours to look at; on a primary it changes nothing. */
	ret = call(*conn, "READONLY", &reply, err);
	if (ret) {
		conn_close(*conn);
		*conn = NULL;
		return ret;
	}
	freeReplyObject(reply);
	return 0;
}

static int64_t database_size(struct conn *conn)
{
	redisReply *reply;
	int64_t size = RECORD_UNKNOWN;

	if (call(conn, "DBSIZE", &reply, NULL))
		return size;
	if (reply->type == REDIS_REPLY_INTEGER)
		size = reply->integer;
	freeReplyObject(reply);
	return size;
}

static bool is_replica(const struct run *run, const struct part *part)
{
	return part->node ? !part->node->is_primary : run->replica;
}

/* Keys whose time was past when the server deleted them, since its start. */
static int64_t expired_keys(struct conn *conn)
{
	int64_t expired = RECORD_UNKNOWN;
	struct info *info;
	char *text;

	if (conn_call_text(conn, CALL_MS, &text, "INFO stats", NULL))
		return expired;
	info = info_parse(text);
	expired = info_int(info, "expired_keys");
	info_free(info);
	free(text);
	return expired;
}

/* One unknown term makes the sum unknown. */
static void add_known(int64_t *sum, int64_t term)
{
	*sum = *sum == RECORD_UNKNOWN || term == RECORD_UNKNOWN ? RECORD_UNKNOWN : *sum + term;
}

/* What became of a part's keys while it was passed over; @expired and @looked were counted
 * before. */
static void count_left(struct run *run, struct conn *conn, const struct part *part, int64_t expired,
		       int64_t looked)
{
	bool there = run->result.end != PASS_LOST;
	int64_t left = there ? database_size(conn) : RECORD_UNKNOWN;
	int64_t after = there ? expired_keys(conn) : RECORD_UNKNOWN;
	int64_t given = run->result.scanned_total + run->result.gone_total - looked;
	bool all = run->result.end == PASS_COMPLETE && !run->options->keys.match &&
		   !run->options->keys.cursor;

	add_known(&run->before_total, part->keys);
	add_known(&run->after_total, left);
	add_known(&run->expired_total, after == RECORD_UNKNOWN || expired == RECORD_UNKNOWN ?
					       RECORD_UNKNOWN :
					       after - expired);
	if (!is_replica(run, part))
		return;
	/* Writes come in meanwhile: what both ends of the pass held and it was not given. */
	if (part->keys != RECORD_UNKNOWN && part->keys < left)
		left = part->keys;
	add_known(&run->hidden_total, !all || left == RECORD_UNKNOWN ? RECORD_UNKNOWN :
				      left > given		     ? left - given :
								       0);
}

static void emit_part(const struct run *run, const struct part *part, const char *address)
{
	struct record record = { .kind = RECORD_PASS_PART };

	record.pass_part.node = part->node ? part->node->id : "";
	record.pass_part.address = address;
	record.pass_part.role = !part->node ? "" : part->node->is_primary ? "master" : "replica";
	record.pass_part.db = part->db;
	record.pass_part.dbsize = part->keys;
	record_emit(&run->sink, &record);
}

static int run_part(struct run *run, struct part *part, const char *cursor, struct err *err)
{
	const struct cluster_node *node = part->node;
	struct conn *conn = run->server->conn;
	int64_t looked = run->result.scanned_total + run->result.gone_total, expired;
	struct conn *own = NULL;
	char address[300] = "";
	int ret;

	if (node) {
		snprintf(address, sizeof(address), "%s:%d", node->host, node->port);
		ret = connect_node(run, node, &own, err);
		if (ret)
			return ret;
		conn = own;
		part->keys = database_size(conn);
	}
	emit_part(run, part, address);
	expired = expired_keys(conn);
	ret = pass_part(run, conn, part, cursor, err);
	count_left(run, conn, part, expired, looked);
	conn_close(own);
	return ret;
}

/* --- the whole ---------------------------------------------------------------------- */

/* "[NODE/]DB:CURSOR" or just "CURSOR": the part to begin with, and its cursor. */
static int find_cursor(const struct run *run, const char *text, size_t *first, const char **cursor,
		       struct err *err)
{
	const char *slash = strchr(text, '/'), *colon = strrchr(text, ':');
	int db = colon ? atoi(slash ? slash + 1 : text) : run->options->db;

	*cursor = colon ? colon + 1 : text;
	*first = run->parts_count;
	for (size_t i = run->parts_count; i-- > 0;) {
		const struct part *part = &run->parts[i];
		bool same_node =
			!slash ||
			(part->node && !strncmp(part->node->id, text, (size_t)(slash - text)) &&
			 !part->node->id[slash - text]);

		if (same_node && part->db == db)
			*first = i;
	}
	if (!**cursor || strspn(*cursor, "0123456789") != strlen(*cursor) ||
	    strlen(*cursor) >= KEYPASS_CURSOR || *first == run->parts_count)
		return err_set(
			err, -EINVAL,
			"keys: '%.80s' is no cursor of this server; give it as an earlier pass "
			"has printed it",
			text);
	return 0;
}

static void set_cursor(struct run *run, const struct part *part)
{
	struct buf text = { 0 };

	if (run->result.end == PASS_COMPLETE)
		return;
	if (part->node)
		buf_printf(&text, "%s/", part->node->id);
	buf_printf(&text, "%d:%s", part->db, run->result.cursor[0] ? run->result.cursor : "0");
	free(run->cursor);
	run->cursor = xstrdup(buf_str(&text));
	buf_free(&text);
}

static const char *end_name(enum keypass_end end)
{
	static const char *const names[] = { [PASS_COMPLETE] = "complete",
					     [PASS_INTERRUPTED] = "interrupted",
					     [PASS_LATENCY] = "latency",
					     [PASS_MEMORY] = "memory",
					     [PASS_LOST] = "lost" };

	return names[end];
}

static void emit_replies(const struct run *run)
{
	const struct hist *latency = &run->result.latency;
	struct record record = { .kind = RECORD_PASS_REPLY };

	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		if (!latency->bucket[i])
			continue;
		record.pass_reply.ns = (int64_t)hist_value(latency, i);
		record.pass_reply.replies_total = (int64_t)latency->bucket[i];
		record_emit(&run->sink, &record);
	}
}

static void emit_account(const struct run *run)
{
	const struct keypass_result *r = &run->result;
	struct record record = { .kind = RECORD_PASS };
	struct host_speed speed;

	emit_replies(run);
	host_speed_measure(&speed);
	record.pass = (struct record_pass){
		.end = end_name(r->end),
		.cursor = run->cursor ? run->cursor : "",
		.no_touch = r->no_touch,
		.elements_asked = run->elements_asked,
		.repeats_total = r->repeats_total,
		.gone_total = r->gone_total,
		.before_total = run->before_total,
		.after_total = run->after_total,
		.expired_total = run->expired_total,
		.hidden_total = run->hidden_total,
		.refused_total = r->refused_total,
		.refused = r->refused,
		.inferred_total = r->inferred_total,
		.commands_total = r->commands_total,
		.hits_total = r->hits_total,
		.misses_total = r->misses_total,
		.seconds = r->seconds,
		.rested_seconds = r->rested_seconds,
		.own_rss_bytes = proc_own_peak_bytes(),
		.own_cpu_seconds = (double)clock_cpu_ns() / 1e9,
		.access_seconds = speed.access_seconds,
		.copy_byte_seconds = speed.copy_byte_seconds,
	};
	record_emit(&run->sink, &record);
}

static int run_parts(struct run *run, struct err *err)
{
	const char *cursor = run->options->keys.cursor;
	size_t first = 0;
	int ret = 0;

	if (cursor)
		ret = find_cursor(run, cursor, &first, &cursor, err);
	for (size_t i = first; i < run->parts_count && !ret; i++) {
		run->result.end = PASS_LOST; /* until it is known */
		run->result.cursor[0] = '\0';
		ret = run_part(run, &run->parts[i], i == first ? cursor : NULL, err);
		set_cursor(run, &run->parts[i]);
		if (run->result.end != PASS_COMPLETE)
			break;
	}
	return ret;
}

static int64_t known_keys(const struct run *run)
{
	int64_t keys = 0;

	for (size_t i = 0; i < run->parts_count; i++) {
		if (run->parts[i].keys == RECORD_UNKNOWN)
			return 0;
		keys += run->parts[i].keys;
	}
	return keys;
}

static int ended_early(const struct run *run, struct err *err)
{
	if (run->result.end == PASS_LATENCY)
		return err_set(err, -EBUSY,
			       "keys: stopped: the server's replies took longer than the bound for "
			       "10 s; go on later with --cursor %s, or with a larger --max-ms",
			       run->cursor);
	if (run->result.end == PASS_MEMORY)
		return err_set(err, -ENOMEM,
			       "keys: stopped: used_memory has run to maxmemory meanwhile; go on "
			       "later with --cursor %s",
			       run->cursor);
	return 0;
}

static void take_both(void *ctx, const struct record *record)
{
	struct run *run = ctx;

	model_take(run->own, record);
	record_emit(&run->shown, record);
}

/* A key that has no name cannot be asked for again. */
static void hide_names(struct run *run, struct redact *redact)
{
	struct keyspace_options options = keys_keyspace_options(run->options);

	run->own = model_new();
	model_set_keyspace(run->own, &options);
	run->shown = redact_sink(redact, &run->sink);
	run->sink = (struct record_sink){ take_both, run };
}

int keys_run(const struct options *o, struct server *server, const struct record_sink *sink,
	     const struct model *m, struct err *err)
{
	struct run *run = xcalloc(1, sizeof(*run));
	struct redact *redact = redact_new_of(o);
	int ret;

	*run = (struct run){ .options = o, .server = server, .sink = *sink, .model = m };
	if (redact)
		hide_names(run, redact);
	run->start_ns = clock_mono_ns();
	setpriority(PRIO_PROCESS, 0, NICE); /* a courtesy: nothing is lost without */
	ret = list_parts(run, err);
	if (!ret) {
		run->progress = o->keys.alone ? NULL : keys_progress_new(known_keys(run));
		ret = run_parts(run, err);
		keys_progress_end(run->progress);
	}
	emit_account(run);
	if (!ret)
		ret = ended_early(run, err);
	model_free(run->own);
	redact_free(redact);
	free(run->cursor);
	free(run->parts);
	free(run->nodes);
	free(run);
	return ret;
}

/* --- what is counted as what ----------------------------------------------------------- */

struct keyspace_options keys_keyspace_options(const struct options *o)
{
	const struct keys_options *k = &o->keys;

	return (struct keyspace_options){
		.top = (size_t)k->top,
		.min_bytes = k->min_bytes,
		.type = k->type,
		.separators = k->separators,
		.depth = k->depth,
		.level = key_level,
		.temporary = key_temporary,
	};
}

int keys_run_beside(const struct options *o, const struct record_sink *sink, const struct model *m,
		    struct err *err)
{
	struct server server = {};
	int ret = server_open_connected(&server, o, err);

	if (!ret)
		ret = keys_run(o, &server, sink, m, err);
	server_close(&server);
	return ret;
}
