/* SPDX-License-Identifier: BSD-2-Clause */
/* Advice by command and cause; see advice.h. */
#include "diagnose/advice.h"

#include <math.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/stall_owner.h"
#include "diagnose/stall_work.h"
#include "redis/knowledge_commands.h"

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
	{ "client|list", "Ask less often, for one client (ID) or type (TYPE), or for their number "
			 "in INFO clients." },
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
	{ "getrange", "Ask for shorter ranges, and keep large values in several keys." },
	{ "bitcount", "Count ranges, or keep counts as bits change; a replica can do it, too." },
	{ "bitop", "Keep bitmaps in several shorter keys, and combine one pair at a time." },
	{ "setbit", "Number bits from 0: a string is as long as its highest one; or keep bitmaps "
		    "in several keys." },
	{ "copy", "Copy it in parts, through a client that scans it." },
	{ "restore", "Split the key: a value is built in one go." },
	{ "migrate", "Split the key: it is dumped, sent and built in one go, and the server waits "
		     "for the other side up to the timeout." },
	{ "sunion", "Run it on a replica, or keep the result with SUNIONSTORE." },
	{ "sinter", "Run it on a replica, or use SINTERCARD with LIMIT where a count will do." },
	{ "sdiff", "Run it on a replica." },
	{ "sunionstore", "Keep the result as members change, or work on smaller sets." },
	{ "sinterstore", "Keep the result as members change, or work on smaller sets." },
	{ "sdiffstore", "Keep the result as members change, or work on smaller sets." },
	{ "zrangestore", "Store shorter ranges." },
	{ "zunionstore", "Keep the result as members change, or run it on a replica." },
	{ "zinterstore", "Keep the result as members change, or run it on a replica." },
	{ "zunion", "Run it on a replica, or keep the result with ZUNIONSTORE." },
	{ "zinter", "Run it on a replica, or use ZINTERCARD with LIMIT where a count will do." },
	{ "exec",
	  "Send fewer commands between MULTI and EXEC: nobody else is served until the last "
	  "of them is done." },
	{ "eval", "Make the script work in small steps, each a call of its own." },
	{ "evalsha", "Make the script work in small steps, each a call of its own." },
	{ "fcall", "Make the function work in small steps, each a call of its own." },
	{ "lpos", "Avoid searching long lists: use a set or a sorted set beside it." },
	{ "linsert", "Avoid searching long lists: use a sorted set." },
	{ "lrem", "Avoid searching long lists: use a set, or a stream." },
	{ "ltrim", "Trim often, or in steps of some thousand elements." },
	{ "spop", "Take some thousand members at a time." },
	{ "zremrangebyrank", "Remove some thousand members at a time." },
	{ "zremrangebyscore", "Remove some thousand members at a time." },
	{ "zremrangebylex", "Remove some thousand members at a time." },
	{ "xtrim", "Trim often, with MAXLEN ~ and a LIMIT." },
	{ "rename", "UNLINK first what it replaces, or set lazyfree-lazy-server-del yes." },
	{ "scan", "Ask with a COUNT of some hundred, and go on from the cursor." },
	{ "sscan", "Ask with a COUNT of some hundred, and go on from the cursor." },
	{ "hscan", "Ask with a COUNT of some hundred, and go on from the cursor." },
	{ "zscan", "Ask with a COUNT of some hundred, and go on from the cursor." },
	{ "xrange", "Use COUNT, and go on from the last id." },
	{ "xrevrange", "Use COUNT, and go on from the last id." },
	{ "xpending", "Ask for fewer at a time, and acknowledge (XACK) what is done." },
	{ "geosearch", "Use COUNT ... ANY, or a smaller area." },
	{ "pfmerge", "Merge fewer at a time, or as they change." },
	{ "pfcount", "Count fewer at a time, or keep the union with PFMERGE." },
	{ "mset", "Send some hundred keys at a time." },
	{ "mget", "Ask for some hundred keys at a time, and less where values are large." },
	{ "memory|usage", "Leave SAMPLES at its default for big keys." },
	{ "publish", "Use fewer subscribers and patterns: each is sent every message." },
	{ "spublish", "Use fewer subscribers of a channel: each is sent every message." },
	{ "save", "Use BGSAVE." },
	{ "debug", "DEBUG blocks the server by intention: keep it off production." },
};

const char *advice_command(const char *command)
{
	for (size_t i = 0; i < sizeof(advice_table) / sizeof(advice_table[0]); i++)
		if (advice_command_is(command, advice_table[i].command))
			return advice_table[i].advice;
	if (command_stores(command) || command_frees(command)) /* no replica takes it */
		return "Do less at a time.";
	return "Ask for less at a time, or run it on a replica.";
}

/* --- keys that may not be needed ------------------------------------------------- */

const char *advice_idle_question(const struct model *m)
{
	const char *policy = model_config(m, "maxmemory-policy");

	return policy && strstr(policy, "-lfu") ? "OBJECT FREQ" : "OBJECT IDLETIME";
}

void advice_unused(const struct model *m, struct finding *f, int64_t bytes, struct phrase look)
{
	finding_action(f, bytes, look.s,
		       "See %s. If nobody needs it, UNLINK frees it in the background; DEL would "
		       "hold the server.",
		       strcmp(advice_idle_question(m), "OBJECT FREQ") ?
			       "for how many seconds nobody has used it" :
			       "how often it is used");
}

/* --- by cause ------------------------------------------------------------------- */

const char *stall_preemptor(const struct stall *stall)
{
	/* The idle task has pid 0: the CPU was free, and the server was not let on it. */
	return stall->preemptor_pid == 0 ? "nobody: a CPU quota, or the hypervisor" :
					   stall->preemptor;
}

void advice_big_key(const struct model *m, struct finding *f, const char *command, struct bytes key)
{
	const struct record_key *k = key_looked_at(m, key);

	finding_action(f, RECORD_UNKNOWN, "", "%s", advice_command(command));
	if (!strcmp(command, "del") && measure_config_is(m, "lazyfree-lazy-user-del", "no"))
		finding_action(f, RECORD_UNKNOWN,
			       say_cli(m, "CONFIG SET lazyfree-lazy-user-del yes").s,
			       "Or let the server treat every DEL as UNLINK (6.0 and later).");
	if (k != NULL && key_level(k) != KEY_NORMAL)
		finding_action(f, RECORD_UNKNOWN, say_key_cli(m, key, k->db, "MEMORY USAGE", "").s,
			       "Split the key (%s, %s): every command over all of it will block.",
			       k->type,
			       k->bytes != RECORD_UNKNOWN ? say_bytes(k->bytes).s : "size unknown");
	finding_action(f, RECORD_UNKNOWN, "",
		       "`redmem keys` lists the other big keys, `redmem stalls` each stall as it "
		       "happens.");
}

/* Freeing can be left to a background thread; how much of the stall that was is known. */
static void advise_freeing(struct buf *out, const struct model *m, const struct stall *stall)
{
	bool lazy = measure_config_is(m, "lazyfree-lazy-user-del", "no");

	if (*stall->command)
		buf_puts(out, advice_command(stall->command));
	else
		buf_puts(out, "Let big values be freed in the background (lazyfree-lazy-*).");
	if (!stall_frees(stall))
		return;
	if (lazy && strcmp(stall->command, "del") == 0)
		buf_puts(out, " lazyfree-lazy-user-del yes makes every DEL one.");
	buf_printf(out, " That takes up to %s of the %s off the main thread.",
		   say_seconds(stall->seconds[CAUSE_ALLOCATOR]).s,
		   say_seconds(stall->duration_seconds).s);
}

static void advise_swap(struct buf *out, const struct model *m)
{
	const char *what = "";
	int64_t room = measure_room(m, &what), swapped = m->host_end.cgroup_swap_bytes;

	buf_puts(out, "The memory it touched was in swap: give the server more memory");
	if (room != RECORD_UNKNOWN)
		buf_printf(out, " than %s (%s)", what, say_bytes(room).s);
	if (swapped > 0)
		buf_printf(out, ", %s of it are swapped out", say_bytes(swapped).s);
	buf_puts(out, ", or lower maxmemory.");
}

static void advise_cpu(struct buf *out, const struct stall *stall)
{
	if (stall->preemptor_pid != 0 && !*stall->preemptor)
		buf_puts(out, "Other work had the CPU");
	else if (stall->preemptor_pid == 0)
		buf_puts(out, "Its cgroup's CPU quota was used up: raise it.");
	else if (stall->preemptor_pid < 0)
		buf_printf(out, "%s, a process outside redmem's pid namespace, had the CPU",
			   say_key(stall->preemptor, strlen(stall->preemptor)).s);
	else
		buf_printf(out, "%s (process %lld) had the CPU",
			   say_key(stall->preemptor, strlen(stall->preemptor)).s,
			   (long long)stall->preemptor_pid);
	if (stall->preemptor_pid != 0)
		buf_puts(out, ": give the server a CPU of its own (taskset, cpuset).");
}

static void advise_io(struct buf *out, const struct model *m, const struct stall *stall)
{
	bool aof = stall_waits_for_aof(stall);

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

static void advise_turn(struct buf *out, const struct stall *stall)
{
	buf_printf(out,
		   "%s commands came at once and were served in one turn of the loop: send shorter "
		   "pipelines; no single key is to blame.",
		   say_count(stall->commands_total).s);
}

void advice_stall(struct buf *out, const struct model *m, const struct stall *stall)
{
	struct blame blame[CAUSES];
	enum redmem_cause cause;

	if (!blame_split(stall, blame))
		return;
	cause = blame[0].cause;
	if (cause == CAUSE_FAULT_SWAP)
		advise_swap(out, m);
	else if (cause == CAUSE_CPU_WAIT)
		advise_cpu(out, stall);
	else if (cause == CAUSE_IO_WAIT)
		advise_io(out, m, stall);
	else if (stall->commands_total > 0 && (cause == CAUSE_COMMAND || cause == CAUSE_ALLOCATOR))
		advise_turn(out, stall);
	else if (cause == CAUSE_ALLOCATOR)
		advise_freeing(out, m, stall);
	else if (cause == CAUSE_COMMAND && *stall->command)
		buf_puts(out, advice_command(stall->command));
	else if (cause == CAUSE_OTHER && !strcmp(stall->wait_call, "SIGSTOP"))
		buf_puts(out, "Somebody stopped the process (SIGSTOP, a debugger).");
	else if (cause == CAUSE_OTHER && advice_command_is(stall->command, "debug"))
		buf_puts(out, advice_command(stall->command));
	else if (cause_table[cause].advice && (cause != CAUSE_COMMAND || *stall->command))
		buf_puts(out, cause_table[cause].advice);
}
