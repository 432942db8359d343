/* SPDX-License-Identifier: BSD-2-Clause */
/* What is shown of texts that are no plain names; see redact_words.h. */
#include "app/redact_words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "redis/knowledge_commands.h"

#define HIDDEN "(hidden)"
/* As long as any errno's text, and no number of one. */
#define ERRNO_MOST 133

/* --- words that are known ----------------------------------------------------------------- */

/* Tables stay as they are. */
/* clang-format off */

/* Of redmem's own threads and the servers', the kernel's, and of programs that everybody has. */
static const char *const tasks[] = {
	"bio_aof",	"bio_aof_fsync", "bio_close_file", "bio_lazy_free", "bio_rdb_save",
	"dockerd",	"io_thd_",	 "io_thread",	   "jemalloc_bg_thd", "jemalloc_bg_thr",
	"kcompactd",	"khugepaged",	 "kswapd",	   "ksoftirqd",	    "kthreadd",
	"kworker/",	"main",		 "migration/",	   "oom_reaper",    "rcu_",
	"redis-benchmar", "redis-check-", "redis-cli",	   "redis-rdb-bgs", "redis-server",
	"redmem",	"swapper/",	 "systemd",	   "valkey-benchma", "valkey-cli",
	"valkey-server",
};

/* Files of the program, as far as distributions and containers have them. */
static const char *const modules[] = {
	"[kernel]",   "[vdso]",	     "ld-linux",     "ld-musl",	    "libc.so",	   "libcrypto.so",
	"libgcc_s.so", "libjemalloc.so", "liblua",   "liblzf.so",   "libm.so",	   "libpthread.so",
	"libssl.so",  "libstdc++.so", "libsystemd.so", "linux-vdso", "redis-server",
	"valkey-server",
};

static const char *const errors[] = {
	"ASK",	     "BUSY",	    "BUSYGROUP", "BUSYKEY",	"CLUSTERDOWN",	"CROSSSLOT",
	"DENIED",    "ERR",	    "EXECABORT", "INPROG",	"IOERR",	"LOADING",
	"MASTERDOWN", "MISCONF",    "MOVED",	 "NOADDR",	"NOAUTH",	"NOGOODSLAVE",
	"NOGROUP",   "NOMASTERLINK", "NOPERM",	 "NOPROTO",	"NOQUORUM",	"NOREPLICAS",
	"NOSCRIPT",  "NOTBUSY",	    "NOTREADY",	 "OOM",		"READONLY",	"REDIRECT",
	"TRYAGAIN",  "UNBLOCKED",   "UNKILLABLE", "VERSION",	"WRONGPASS",	"WRONGTYPE",
	"ERRORSTATS_DISABLED", "ERRORSTATS_OVERFLOW",
};

/* src/latency.c, and where latencyAddSampleIfNeeded() is called. */
static const char *const events[] = {
	"active-defrag-cycle", "aof-fsync-always", "aof-fstat", "aof-rename",
	"aof-rewrite-diff-write",
	"aof-rewrite-done-fsync", "aof-write", "aof-write-active-child", "aof-write-alone",
	"aof-write-pending-fsync", "cluster-config-fsync", "cluster-config-open", "command",
	"command-unblocking", "eviction-cycle", "eviction-del", "eviction-lazyfree", "expire-cycle",
	"expire-del", "fast-command", "fork", "module-acquire-GIL", "rdb-unlink-temp-file",
	"while-blocked-cron",
};

static const char *const types[] = {
	"array", "hash", "list", "module", "none", "set", "stream", "string", "zset",
	"vectorset", "ReJSON-RL", "TSDB-TYPE", "MBbloom--", "MBbloomCF", "CMSk-TYPE", "TopK-TYPE",
	"TDIS-TYPE",
};

/* What redmem itself says in place of a command: sensor/profile.c. */
static const char *const own[] = { "(defrag)", "(eviction)", "(expiry)", "(unknown)" };

/* Of modules that come with Redis 8. */
static const char *const families[] = { "bf.", "cf.", "cms.", "ft.", "json.", "tdigest.", "topk.",
					"ts.", "_ft." };
static const char *const vectors[] = { "vadd", "vcard", "vdim", "vemb", "vgetattr", "vinfo",
				       "vismember", "vlinks", "vrandmember", "vrange", "vrem",
				       "vsetattr", "vsim" };

/* clang-format on */

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool is_of(const char *const *list, size_t count, const char *word, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (!strncmp(list[i], word, len) && !list[i][len])
			return true;
	return false;
}

/* Is it one of the list, and then only bytes of @more: the number of a thread, of a version? */
static bool is_of_and(const char *const *list, size_t count, const char *more, const char *text,
		      size_t len)
{
	for (size_t i = 0; i < count; i++) {
		size_t begin = strlen(list[i]);

		if (begin <= len && !strncmp(list[i], text, begin) &&
		    strspn(text + begin, more) >= len - begin)
			return true;
	}
	return false;
}

#define IS_OF(list, word, len)		 is_of(list, COUNT(list), word, len)
#define IS_OF_AND(list, more, text, len) is_of_and(list, COUNT(list), more, text, len)

/* --- single words ----------------------------------------------------------------------------- */

static bool is_known_command(const char *name, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz._";
	char *whole = xmemdup(name, len), *bar = strchr(whole, '|');
	struct command_key_rule rule;
	bool known = !len || IS_OF(own, whole, len) || IS_OF(vectors, whole, len) ||
		     IS_OF_AND(families, letters, whole, len);

	if (bar) /* of subcommands the container is what the table has */
		*bar = '\0';
	known |= command_known_rule(whole, &rule) && (!bar || command_is_container(whole));
	free(whole);
	return known;
}

static void put_command(struct redact_names *r, struct buf *out, const char *name, size_t len)
{
	if (is_known_command(name, len))
		buf_add(out, name, len);
	else
		redact_name(r, out, name, len);
}

/* "cmdstat_get", "errorstat_ERR", "refused get", "keyspace_hits", "get". */
static void put_counter(struct redact_names *r, struct buf *out, const char *name, size_t len)
{
	static const char *const lookups[] = { "keyspace_hits", "keyspace_misses" };
	static const char *const of_commands[] = { "cmdstat_", "latency_percentiles_usec_",
						   "refused " };
	static const char error[] = "errorstat_";
	size_t skip = 0;

	for (size_t i = 0; i < COUNT(of_commands); i++)
		if (!strncmp(name, of_commands[i], strlen(of_commands[i])))
			skip = strlen(of_commands[i]);
	if (!strncmp(name, error, strlen(error))) {
		skip = strlen(error);
		buf_add(out, name, skip);
		if (IS_OF(errors, name + skip, len - skip))
			buf_add(out, name + skip, len - skip);
		else
			redact_name(r, out, name + skip, len - skip);
		return;
	}
	buf_add(out, name, skip);
	if (IS_OF(lookups, name, len))
		buf_add(out, name, len);
	else
		put_command(r, out, name + skip, len - skip);
}

static void put_known(struct redact_names *r, struct buf *out, bool known, const char *text)
{
	if (known)
		buf_puts(out, text);
	else
		redact_name(r, out, text, strlen(text));
}

/* Functions are the program's own; what has no name is called by its file. */
static void put_frames(struct redact_names *r, struct buf *out, const char *text)
{
	for (; *text; text += *text == ';') {
		size_t len = strcspn(text, ";");
		const char *plus = memchr(text, '+', len), *end = text + len;

		if (plus && !IS_OF_AND(modules, "-.0123456789_osx", text, (size_t)(plus - text))) {
			redact_name(r, out, text, (size_t)(plus - text));
			text = plus;
		}
		buf_add(out, text, (size_t)(end - text));
		text = end;
		if (*text)
			buf_putc(out, ';');
	}
}

/* --- sentences -------------------------------------------------------------------------------- */

/* The kernel's files, but for those that are named after somebody. */
static bool is_kernels(const char *path, size_t len)
{
	static const char *const files[] = { "/proc/",	"/sys/kernel/", "/sys/module/", "/dev/nvme",
					     "/dev/sd", "/dev/vd",	"/dev/xvd" };

	for (size_t i = 0; i < COUNT(files); i++)
		if (len > strlen(files[i]) && !strncmp(path, files[i], strlen(files[i])))
			return !memchr(path, ':', len) || path[len - 1] == ':';
	return false;
}

static bool opens(const char *text, const char *at)
{
	return (*at == '\'' || *at == '"') &&
	       (at == text || strchr(" (", at[-1])); /* and no apostrophe */
}

/* Files, hosts and what is quoted go. */
static void put_sentence(struct redact_names *r, struct buf *out, const char *text)
{
	const char *at = text;

	while (*at) {
		size_t len = strcspn(at, " ");
		const char *quote = opens(text, at) ? strchr(at + 1, *at) : NULL;

		while (len > 1 && strchr(":;,.)", at[len - 1])) /* come by themselves */
			len--;
		if (quote) {
			len = (size_t)(quote - at) + 1;
			buf_puts(out, HIDDEN);
		} else if (is_kernels(at, len)) {
			buf_add(out, at, len);
		} else if (memchr(at, '/', len) || (len > 1 && memchr(at, ':', len - 1))) {
			redact_address(r, out, at, len);
		} else {
			buf_add(out, at, len);
		}
		at += len;
		if (*at == ' ')
			buf_putc(out, *at++);
	}
}

/* Of an error what redmem itself, libc or the server's table of errors would say; the rest may be
 * anybody's words. */
static const char *reason_of(const char *text)
{
	static const char *const ours[] = {
		"switched off by --no-connect",
		"the server asks for a password; give it with -a or in REDISCLI_AUTH (and --user "
		"where it has ACLs)",
		"the server's protected mode refuses remote clients; connect from its own host, or "
		"use its unix socket",
		"the server has no free client slot; raise maxclients, or run redmem with "
		"--no-connect",
		"wrong password",
		"the server knows no user names",
		"the server does not answer",
		"the server did not answer",
		"it was not given the password",
		"listens on no port and no socket that can be seen",
		"the server's process cannot be seen",
	};

	for (size_t i = 0; i < COUNT(ours); i++)
		if (strstr(text, ours[i]))
			return ours[i];
	for (int code = 1; code <= ERRNO_MOST; code++)
		if (strstr(text, strerror(code)))
			return strerror(code);
	return NULL;
}

static void put_refusal(struct buf *out, const char *text)
{
	const char *reason = reason_of(text);

	if (reason) {
		buf_puts(out, reason);
		return;
	}
	while (*text) {
		size_t len = strcspn(text, " :;,()");

		if (len && IS_OF(errors, text, len)) {
			buf_add(out, text, len);
			buf_putc(out, ' ');
		}
		text += len + (text[len] != '\0');
	}
	buf_puts(out, HIDDEN);
}

/* --- what the server tells at length ---------------------------------------------------------- */

/* Sections of INFO that are the server's; modules have some, too. */
static const char *const sections[] = {
	"Server",      "Clients",  "Memory",   "Persistence",  "Threads",    "Stats",
	"Replication", "CPU",	   "Modules",  "Commandstats", "Errorstats", "Latencystats",
	"Cluster",     "Keyspace", "Keysizes", "Hotkeys",      "Sentinel",   "Scripting Engines",
};

/* Fields whose values are the server's own words, or the system's. */
static const char *const spoken[] = {
	"arch_bits",
	"atomicvar_api",
	"gcc_version",
	"maxmemory_policy",
	"mem_allocator",
	"monotonic_clock",
	"multiplexing_api",
	"os",
	"paused_actions",
	"paused_reason",
	"process_supervised",
	"redis_build_id",
	"redis_git_dirty",
	"redis_git_sha1",
	"redis_mode",
	"redis_version",
	"role",
	"server_mode",
	"server_name",
	"valkey_release_stage",
	"valkey_version",
	/* inside a value */
	"state",
	"type",
};

static bool ends_with(const char *name, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && !memcmp(name + len - n, end, n);
}

static bool is_spoken(const char *name, size_t len)
{
	return IS_OF(spoken, name, len) || ends_with(name, len, "_status") ||
	       ends_with(name, len, "_state");
}

/* With a unit, perhaps: "1.52", "-1", "12.3M", "97.20%"; and no address. */
static bool is_number(const char *text, size_t len)
{
	size_t digits = 0, points = 0;

	for (size_t i = 0; i < len; i++) {
		digits += isdigit((unsigned char)text[i]) != 0;
		points += text[i] == '.';
		if (!isdigit((unsigned char)text[i]) && !strchr(".+-eKMGTB%", text[i]))
			return false;
	}
	return (digits && points <= 1) || (len && !strncmp(text, "nan", len)) ||
	       (len && !strncmp(text, "inf", len));
}

/* One value, or "a=1,b=2". */
static void put_value(struct redact_names *r, struct buf *out, const char *value, size_t len)
{
	const char *end = value + len;

	while (value < end) {
		const char *comma = memchr(value, ',', (size_t)(end - value));
		const char *stop = comma ? comma : end;
		const char *is = memchr(value, '=', (size_t)(stop - value));
		size_t name = is ? (size_t)(is - value) : 0;

		if (is) {
			buf_add(out, value, name + 1);
			value = is + 1;
		}
		if (is_number(value, (size_t)(stop - value)) || (is && is_spoken(is - name, name)))
			buf_add(out, value, (size_t)(stop - value));
		else
			redact_address(r, out, value, (size_t)(stop - value));
		if (comma)
			buf_putc(out, ',');
		value = stop + (comma != NULL);
	}
}

static void put_info_line(struct redact_names *r, struct buf *out, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t name = colon ? (size_t)(colon - line) : 0;

	if (!colon && *line == '#')
		buf_add(out, line, len);
	if (!colon)
		return;
	if (!strncmp(line, "cmdstat_", 8) || !strncmp(line, "errorstat_", 10) ||
	    !strncmp(line, "latency_percentiles_usec_", 25))
		put_counter(r, out, line, name);
	else
		buf_add(out, line, name);
	buf_putc(out, ':');
	if (is_spoken(line, name))
		buf_add(out, colon + 1, len - name - 1);
	else
		put_value(r, out, colon + 1, len - name - 1);
}

/* Lines and their ends; those of modules' sections are left out. */
static void put_info(struct redact_names *r, struct buf *out, const char *text)
{
	bool known = true;

	while (*text) {
		size_t len = strcspn(text, "\r\n"), ends = strspn(text + len, "\r\n");

		if (!strncmp(text, "# ", 2))
			known = IS_OF(sections, text + 2, len - 2);
		if (known) {
			put_info_line(r, out, text, len);
			buf_add(out, text + len, ends);
		}
		text += len + ends;
	}
}

static void put_pairs(struct redact_names *r, struct buf *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n"), name = strcspn(text, " \n");

		buf_add(out, text, name);
		if (name < len) {
			buf_putc(out, ' ');
			if (is_number(text + name + 1, len - name - 1))
				buf_add(out, text + name + 1, len - name - 1);
			else
				redact_name(r, out, text + name + 1, len - name - 1);
		}
		text += len;
		if (*text)
			buf_putc(out, *text++);
	}
}

/* Settings of the allocator come from the environment: prof_prefix is a path. */
static void put_tables(struct buf *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\"");
		const char *end = text[len] ? strpbrk(text + len + 1, "\"\n") : NULL;

		buf_add(out, text, len);
		text += len;
		if (!*text)
			return;
		buf_puts(out, "\"" HIDDEN);
		text = end ? end : text + strlen(text);
		if (*text == '"')
			buf_putc(out, *text++);
	}
}

void redact_words(struct redact_names *r, struct buf *out, enum field_says says, const char *text)
{
	size_t len = strlen(text);

	buf_puts(out, "");
	switch (says) {
	case SAYS_NAME:
		redact_name(r, out, text, len);
		break;
	case SAYS_WORD:
		buf_puts(out, text);
		break;
	case SAYS_COMMAND:
		put_command(r, out, text, len);
		break;
	case SAYS_COUNTER:
		put_counter(r, out, text, len);
		break;
	case SAYS_EVENT:
		put_known(r, out, IS_OF(events, text, len), text);
		break;
	case SAYS_TYPE:
		put_known(r, out, IS_OF(types, text, len), text);
		break;
	case SAYS_ADDRESS:
		redact_address(r, out, text, len);
		break;
	case SAYS_TASK:
		put_known(r, out, IS_OF_AND(tasks, "-/:0123456789Hu", text, len), text);
		break;
	case SAYS_FRAMES:
		put_frames(r, out, text);
		break;
	case SAYS_SENTENCE:
		put_sentence(r, out, text);
		break;
	case SAYS_REFUSAL:
		put_refusal(out, text);
		break;
	case SAYS_INFO:
		put_info(r, out, text);
		break;
	case SAYS_PAIRS:
		put_pairs(r, out, text);
		break;
	case SAYS_TABLES:
		put_tables(out, text);
		break;
	}
}
