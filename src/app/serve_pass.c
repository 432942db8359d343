/* SPDX-License-Identifier: BSD-2-Clause */
/* Scheduled passes over the keys; see serve_pass.h. */
#include "app/serve_pass.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/keys_run.h"
#include "app/serve_log.h"
#include "base/clock.h"
#include "base/thread.h"
#include "host/elf.h"
#include "redis/info.h"

#define KEYS	 50 /* that are told, */
#define PREFIXES 100 /* and of them */

struct serve_pass {
	struct options options;
	int64_t of; /* enum serve_keys_of */
	char *label;
	pthread_t thread;
	struct model *m; /* what was seen */
	struct err err; /* why it ended */
	bool made;
	bool stop, done; /* atomic */
};

/* --- in its thread ---------------------------------------------------------------------- */

static bool is_meant(struct serve_pass *pass, struct conn *conn)
{
	struct info *info;
	bool replica;
	char *text;

	if (pass->of == SERVE_KEYS_ANY)
		return true;
	if (conn_call_text(conn, 5000, &text, "INFO replication", &pass->err))
		return false;
	info = info_parse(text);
	replica = info_get(info, "role") && !strcmp(info_get(info, "role"), "slave");
	info_free(info);
	free(text);
	return replica == (pass->of == SERVE_KEYS_REPLICA);
}

static int make(struct serve_pass *pass, struct server *server)
{
	struct keyspace_options options = keys_keyspace_options(&pass->options);
	struct record_sink sink = model_sink(pass->m);
	int ret = server_ask(server, &pass->options, &sink, &pass->err);

	if (ret)
		return ret;
	model_set_keyspace(pass->m, &options);
	ret = keys_run(&pass->options, server, &sink, pass->m, &pass->err);
	pass->made = pass->m->keyspace && (pass->m->keyspace->keys_total || !ret);
	model_finish(pass->m);
	return ret;
}

static void *run(void *ctx)
{
	struct serve_pass *pass = ctx;
	struct server server = { 0 };
	int ret = server_open_connected(&server, &pass->options, &pass->err);

	if (!ret && is_meant(pass, server.conn))
		ret = make(pass, &server);
	if (ret || pass->err.code)
		serve_log("%s: the pass over its keys: %s", pass->label, pass->err.text);
	else if (pass->made)
		serve_log("%s: passed over %lld keys in %.0f s%s", pass->label,
			  (long long)pass->m->keyspace->keys_total, pass->m->keyspace->seconds,
			  pass->m->keyspace->complete ? "" : ", not all of them");
	server_close(&server);
	elf_thread_end();
	__atomic_store_n(&pass->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* --- what it has found ------------------------------------------------------------------- */

static void emit(const struct record_sink *sink, struct record_passed row, double t_seconds)
{
	struct record record = { .kind = RECORD_PASSED, .passed = row };

	record.passed.t_seconds = t_seconds;
	record_emit(sink, &record);
}

static const struct record_passed nothing = {
	.type = "",
	.end = "",
	.db = RECORD_UNKNOWN,
	.elements = RECORD_UNKNOWN,
	.keys_total = RECORD_UNKNOWN,
	.no_ttl_total = RECORD_UNKNOWN,
	.bytes = RECORD_UNKNOWN,
	.seconds = NAN,
};

static void emit_all(const struct keyspace *k, double t, const struct record_sink *sink)
{
	struct record_passed row = nothing;

	row.what = "all";
	row.keys_total = k->keys_total;
	row.no_ttl_total = k->no_ttl_total;
	row.bytes = k->bytes;
	row.end = k->complete ? "complete" : k->end ? k->end : "interrupted";
	row.seconds = k->seconds;
	emit(sink, row, t);
}

static void emit_prefixes(const struct keyspace *k, double t, const struct record_sink *sink)
{
	for (size_t i = 0; i < k->prefixes.count && i < PREFIXES; i++) {
		const struct keyspace_prefix *prefix = &k->prefixes.rows[i];
		struct record_passed row = nothing;

		row.what = "prefix";
		row.key = (struct bytes){ prefix->prefix, prefix->prefix_len };
		row.keys_total = prefix->keys_total;
		row.no_ttl_total = prefix->no_ttl_total;
		row.bytes = prefix->bytes;
		emit(sink, row, t);
	}
}

static void emit_keys(const struct keyspace *k, double t, const struct record_sink *sink)
{
	for (size_t i = 0; i < k->top.count && i < KEYS; i++) {
		const struct record_key *key = &k->top.keys[i].key;
		struct record_passed row = nothing;

		row.what = "key";
		row.key = key->key;
		row.db = key->db;
		row.type = key->type;
		row.elements = key->elements;
		row.bytes = key->bytes;
		emit(sink, row, t);
	}
}

void serve_pass_emit(const struct serve_pass *pass, double t_seconds,
		     const struct record_sink *sink)
{
	if (!pass->made)
		return;
	emit_all(pass->m->keyspace, t_seconds, sink);
	emit_prefixes(pass->m->keyspace, t_seconds, sink);
	emit_keys(pass->m->keyspace, t_seconds, sink);
}

/* --- its life ----------------------------------------------------------------------------- */

struct serve_pass *serve_pass_start(const struct options *o, const struct serve_config *config,
				    const char *label)
{
	struct serve_pass *pass = xcalloc(1, sizeof(*pass));

	pass->options = *o;
	pass->options.keys.top = KEYS;
	pass->options.keys.alone = true;
	pass->options.keys.until_ns = clock_mono_ns() + (int64_t)(config->keys_seconds * 1e9);
	pass->options.keys.stop = &pass->stop;
	pass->of = config->keys_of;
	pass->label = xstrdup(label);
	pass->m = model_new();
	if (!thread_start(&pass->thread, run, pass))
		return pass;
	free(pass->label);
	model_free(pass->m);
	free(pass);
	return NULL;
}

bool serve_pass_done(const struct serve_pass *pass)
{
	return __atomic_load_n(&pass->done, __ATOMIC_ACQUIRE);
}

void serve_pass_free(struct serve_pass *pass)
{
	if (!pass)
		return;
	__atomic_store_n(&pass->stop, true, __ATOMIC_RELAXED);
	pthread_join(pass->thread, NULL);
	model_free(pass->m);
	free(pass->label);
	free(pass);
}
