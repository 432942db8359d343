/* SPDX-License-Identifier: BSD-2-Clause */
/* Helpers of the tests of src/redis; see replies.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/escape.h"
#include "replies.h"

redisReply *reply_parse(const char *protocol)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	assert_non_null(reader);
	assert_int_equal(redisReaderFeed(reader, protocol, strlen(protocol)), REDIS_OK);
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_non_null(reply);
	redisReaderFree(reader);
	return reply;
}

char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct buf text = { 0 };
	char chunk[4096];
	size_t len;

	if (!file)
		fail_msg("%s: cannot be read; tests run from the top of the tree", path);
	while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&text, chunk, len);
	fclose(file);
	assert_true(text.len > 0);
	return text.data;
}

static void log_key(struct buf *log, const struct record_key *key)
{
	buf_puts(log, "key ");
	escape_redis(log, key->key.data, key->key.len);
	buf_printf(log, " db=%d type=%s encoding=%s", (int)key->db, key->type, key->encoding);
	if (key->bytes != RECORD_UNKNOWN)
		buf_printf(log, " bytes=%lld", (long long)key->bytes);
	if (key->elements != RECORD_UNKNOWN)
		buf_printf(log, " elements=%lld", (long long)key->elements);
	if (!isnan(key->ttl_seconds))
		buf_printf(log, " ttl=%g", key->ttl_seconds);
	if (key->groups_total > 0)
		buf_printf(log, " groups=%lld consumers=%lld pending=%lld",
			   (long long)key->groups_total, (long long)key->consumers_total,
			   (long long)key->pending_total);
	buf_putc(log, '\n');
}

static void log_slowlog(struct buf *log, const struct record_slowlog *entry)
{
	buf_printf(log, "slowlog %lld at %lld %gs %s", (long long)entry->id,
		   (long long)entry->unix_seconds, entry->seconds, entry->command);
	if (entry->key.data) {
		buf_putc(log, ' ');
		escape_redis(log, entry->key.data, entry->key.len);
	}
	buf_putc(log, '\n');
}

static void log_large(struct buf *log, const struct record_large *entry)
{
	buf_printf(log, "large %s %lld at %lld %lld bytes %s", entry->reply ? "reply" : "request",
		   (long long)entry->id, (long long)entry->unix_seconds, (long long)entry->bytes,
		   entry->command);
	if (entry->key.data) {
		buf_putc(log, ' ');
		escape_redis(log, entry->key.data, entry->key.len);
	}
	buf_putc(log, '\n');
}

static void log_client(struct buf *log, const struct record_client *client)
{
	buf_printf(log, "client %lld ", (long long)client->id);
	escape_redis(log, client->address.data, client->address.len);
	buf_putc(log, ' ');
	escape_redis(log, client->name.data, client->name.len);
	buf_printf(log, " %s %s %s memory=%lld output=%lld\n", client->user, client->flags,
		   client->command, (long long)client->memory_bytes,
		   (long long)client->output_bytes);
}

static void log_record(void *ctx, const struct record *record)
{
	struct buf *log = ctx;

	switch (record->kind) {
	case RECORD_CONFIG:
		buf_printf(log, "config %s=%s\n", record->config.name, record->config.value);
		break;
	case RECORD_INFO:
		buf_printf(log, "info %s %s", record->info.phase, record->info.text);
		break;
	case RECORD_MEMORY_STATS:
		buf_printf(log, "memory_stats %s %s", record->memory_stats.phase,
			   record->memory_stats.text);
		break;
	case RECORD_MALLOC_STATS:
		assert_true(record->malloc_stats.reply_seconds >= 0);
		buf_printf(log, "malloc_stats %s %s", record->malloc_stats.phase,
			   record->malloc_stats.text);
		break;
	case RECORD_SLOWLOG:
		log_slowlog(log, &record->slowlog);
		break;
	case RECORD_LARGE:
		log_large(log, &record->large);
		break;
	case RECORD_LATENCY:
		buf_printf(log, "latency %s at %lld %gs max %gs\n", record->latency.event,
			   (long long)record->latency.unix_seconds, record->latency.latest_seconds,
			   record->latency.max_seconds);
		break;
	case RECORD_KEY:
		log_key(log, &record->key);
		break;
	case RECORD_CLIENT:
		log_client(log, &record->client);
		break;
	case RECORD_HELD:
		buf_printf(log, "held %s %lld: %lld of %lld bytes\n", record->held.name,
			   (long long)record->held.objects_total,
			   (long long)record->held.looked_total,
			   (long long)record->held.looked_bytes);
		break;
	case RECORD_OWN_CALLS:
		buf_printf(log, "own %s=%lld\n", record->own_calls.command,
			   (long long)record->own_calls.calls_total);
		break;
	default:
		fail_msg("record kind %d is not of the server's side", (int)record->kind);
	}
}

struct record_sink log_sink(struct buf *log)
{
	return (struct record_sink){ .take = log_record, .ctx = log };
}
