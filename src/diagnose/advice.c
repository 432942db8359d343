/* SPDX-License-Identifier: BSD-2-Clause */
/* Advice by command and cause; see advice.h. */
#include "diagnose/advice.h"

#include <math.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "model/cause.h"

/* The end of the string is among the bytes strchr() finds. */
bool advice_command_is(const char *command, const char *name)
{
	size_t len = strlen(name);

	return strncmp(command, name, len) == 0 && strchr("|_", command[len]) != NULL;
}

/* What to use instead, by command; the first match counts. */
static const struct {
	const char *command, *advice;
} advice_table[] = {
	{ "del", "Delete it with UNLINK: the memory is freed by a background thread." },
	{ "flushall", "Use FLUSHALL ASYNC." },
	{ "flushdb", "Use FLUSHDB ASYNC." },
	{ "keys", "Use SCAN, which walks the keyspace in small steps." },
	{ "smembers", "Use SSCAN, or SRANDMEMBER for a few." },
	{ "hgetall", "Use HSCAN, or HMGET for the fields that are needed." },
	{ "hkeys", "Use HSCAN." },
	{ "hvals", "Use HSCAN." },
	{ "lrange", "Ask for shorter ranges." },
	{ "zrange", "Ask for shorter ranges, or use ZSCAN." },
	{ "zrevrange", "Ask for shorter ranges, or use ZSCAN." },
	{ "zrangebyscore", "Use LIMIT, or shorter ranges." },
	{ "sort", "Sort in the client or on a replica, or keep a sorted set." },
	{ "sunion", "Run it on a replica, or keep the result with SUNIONSTORE." },
	{ "sinter", "Run it on a replica, or use SINTERCARD with LIMIT where a count will do." },
	{ "sdiff", "Run it on a replica." },
	{ "zunionstore", "Keep the result as members change, or run it on a replica." },
	{ "zinterstore", "Keep the result as members change, or run it on a replica." },
	{ "zunion", "Run it on a replica, or keep the result with ZUNIONSTORE." },
	{ "zinter", "Run it on a replica, or use ZINTERCARD with LIMIT where a count will do." },
	{ "eval", "Make the script work in small steps, each a call of its own." },
	{ "evalsha", "Make the script work in small steps, each a call of its own." },
	{ "fcall", "Make the function work in small steps, each a call of its own." },
	{ "lrem", "Avoid searching long lists: use a set, or a stream." },
	{ "save", "Use BGSAVE." },
	{ "debug", "DEBUG blocks the server by intention: keep it off production." },
};

const char *advice_command(const char *command)
{
	for (size_t i = 0; i < sizeof(advice_table) / sizeof(advice_table[0]); i++)
		if (advice_command_is(command, advice_table[i].command))
			return advice_table[i].advice;
	return "Ask for less at a time, or run it on a replica.";
}

/* --- by cause ------------------------------------------------------------------- */

static bool is(const struct cause *cause, const char *id)
{
	return strcmp(cause->id, id) == 0;
}

/* Freeing can be left to a background thread; how much of the stall that was is known. */
static void advise_freeing(struct buf *out, const struct model *m, const struct fact_stall *stall)
{
	bool lazy = measure_config_is(m, "lazyfree-lazy-user-del", "no");

	if (*stall->command)
		buf_puts(out, advice_command(stall->command));
	else
		buf_puts(out, "Let big values be freed in the background (lazyfree-lazy-*).");
	if (strcmp(stall->activity, "freeing") != 0)
		return;
	if (lazy && strcmp(stall->command, "del") == 0)
		buf_puts(out, " lazyfree-lazy-user-del yes makes every DEL one.");
	buf_printf(out, " That takes up to %s of the %s off the main thread.",
		   say_seconds(stall->allocator_seconds).s, say_seconds(stall->duration_seconds).s);
}

static void advise_swap(struct buf *out, const struct model *m)
{
	const char *what = "";
	int64_t room = measure_room(m, &what), swapped = m->host_end.cgroup_swap_bytes;

	buf_puts(out, "The memory it touched was in swap: give the server more memory");
	if (room != FACT_UNKNOWN)
		buf_printf(out, " than %s (%s)", what, say_bytes(room).s);
	if (swapped > 0)
		buf_printf(out, ", %s of it are swapped out", say_bytes(swapped).s);
	buf_puts(out, ", or lower maxmemory.");
}

static void advise_cpu(struct buf *out, const struct fact_stall *stall)
{
	if (!*stall->hog)
		buf_puts(out, "Other work had the CPU");
	else if (stall->hog_pid == 0)
		buf_puts(out, "Its cgroup's CPU quota was used up: raise it");
	else if (stall->hog_pid < 0)
		buf_printf(out, "%s, a process outside redmem's pid namespace, had the CPU",
			   say_key(stall->hog, strlen(stall->hog)).s);
	else
		buf_printf(out, "%s (process %lld) had the CPU",
			   say_key(stall->hog, strlen(stall->hog)).s, (long long)stall->hog_pid);
	buf_puts(out, stall->hog_pid == 0 && *stall->hog ?
			      "." :
			      ": give the server a CPU of its own (taskset, cpuset).");
}

static void advise_io(struct buf *out, const struct model *m, const struct fact_stall *stall)
{
	bool aof = strstr(stall->wait_file, "aof") || strstr(stall->wait_file, "appendonly");

	if (aof && measure_config_is(m, "appendfsync", "always"))
		buf_puts(out, "appendfsync always waits for the AOF's disk after each write: use "
			      "everysec, or a faster disk.");
	else if (aof)
		buf_puts(out, "The AOF's disk is slow or busy: give it a disk of its own, or set "
			      "no-appendfsync-on-rewrite yes.");
	else
		buf_puts(out,
			 "The server waited for a disk or a peer: look at what it writes there.");
}

static void advise_turn(struct buf *out, const struct fact_stall *stall)
{
	buf_printf(out,
		   "%s commands came at once and were served in one turn of the loop: send shorter "
		   "pipelines; no single key is to blame.",
		   say_count(stall->commands_total).s);
}

void advice_stall(struct buf *out, const struct model *m, const struct fact_stall *stall)
{
	struct blame blame[CAUSE_MAX];
	const struct cause *cause;

	if (!cause_split(stall, blame))
		return;
	cause = blame[0].cause;
	if (is(cause, "fault_swap"))
		advise_swap(out, m);
	else if (is(cause, "cpu_wait"))
		advise_cpu(out, stall);
	else if (is(cause, "io_wait"))
		advise_io(out, m, stall);
	else if (stall->commands_total > 0 && (is(cause, "command") || is(cause, "allocator")))
		advise_turn(out, stall);
	else if (is(cause, "allocator"))
		advise_freeing(out, m, stall);
	else if (is(cause, "command") && *stall->command)
		buf_puts(out, advice_command(stall->command));
	else if (is(cause, "other") && !strcmp(stall->wait_call, "SIGSTOP"))
		buf_puts(out, "Somebody stopped the process (SIGSTOP, a debugger).");
	else if (is(cause, "other") && advice_command_is(stall->command, "debug"))
		buf_puts(out, advice_command(stall->command));
	else if (cause->advice && (!is(cause, "command") || *stall->command))
		buf_puts(out, cause->advice);
}
