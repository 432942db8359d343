/* SPDX-License-Identifier: BSD-2-Clause */
/* Names as keyed hashes; see redact_names.h. */
#include "app/redact_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "app/secret.h"
#include "model/prefix.h"

#define KEY_BYTES     32
#define KEY_LEAST     16 /* of a file */
#define KEY_FILE_MOST 4096
/* Of a hash, as shown: 47 bits of what varies; of words, of which there are few, 26; of the digits
 * at a word's end 33. */
#define HEX	12
#define LETTERS 6
#define DIGITS	10

struct redact_key {
	unsigned char bytes[KEY_BYTES];
};

struct redact_names {
	EVP_MAC_CTX *mac;
	const char *separators;
};

/* --- the key ------------------------------------------------------------------------------- */

static int read_key(struct redact_key *key, const char *path, struct err *err)
{
	struct buf text = { 0 };
	struct stat st;
	int ret = secret_read(&text, path, KEY_FILE_MOST, &st, "redact", err);

	if (!ret)
		ret = secret_check(path, &st, "redact", err);
	while (text.len && text.data[text.len - 1] == '\n')
		text.len--;
	if (!ret && text.len < KEY_LEAST)
		ret = err_set(err, -EINVAL,
			      "redact: %s has fewer than %d bytes: whoever guesses them can look "
			      "names up; make it with: openssl rand -hex 32",
			      path, KEY_LEAST);
	if (!ret && !EVP_Digest(text.data, text.len, key->bytes, NULL, EVP_sha256(), NULL))
		out_of_memory();
	secret_wipe(&text);
	return ret;
}

int redact_key_open(struct redact_key **out, const char *path, struct err *err)
{
	struct redact_key *key = xcalloc(1, sizeof(*key));
	int ret = 0;

	if (path)
		ret = read_key(key, path, err);
	else if (getrandom(key->bytes, sizeof(key->bytes), 0) != sizeof(key->bytes))
		ret = err_set(err, -EIO, "redact: the kernel gives no random numbers");
	*out = ret ? NULL : key;
	if (ret)
		redact_key_free(key);
	return ret;
}

void redact_key_free(struct redact_key *key)
{
	if (key)
		explicit_bzero(key, sizeof(*key));
	free(key);
}

struct redact_names *redact_names_new(const struct redact_key *key, const char *separators)
{
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	struct redact_names *r = xcalloc(1, sizeof(*r));
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	r->separators = separators;
	r->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	if (!r->mac || !EVP_MAC_init(r->mac, key->bytes, sizeof(key->bytes), parameters))
		out_of_memory();
	EVP_MAC_free(hmac);
	return r;
}

void redact_names_free(struct redact_names *r)
{
	if (r)
		EVP_MAC_CTX_free(r->mac);
	free(r);
}

/* --- words that say nothing ----------------------------------------------------------------- */

/* clang-format off */
/* In order. In keys and names of clients; of servers' files; of cgroups and file systems. */
static const char *const common[] = {
	"account",   "accounts", "aof",	     "aofs",	  "api",      "app",	   "appendonly",
	"appendonlydir", "auth", "base",     "bin",	  "bull",     "cache",	   "cart",
	"celery",    "cgroup",	 "config",   "count",	  "counter",  "data",	   "db",
	"default",   "dev",	 "docker",   "dump",	  "etc",      "event",	   "events",
	"exe",	     "fs",	 "group",    "groups",	  "hash",     "home",	   "html",
	"id",	     "ids",	 "incr",     "index",	  "init",     "item",	   "items",
	"job",	     "jobs",	 "key",	     "keys",	  "kubepods", "lib",	   "limit",
	"list",	     "local",	 "lock",     "locks",	  "log",      "logs",	   "lxc",
	"machine",   "manifest", "map",	     "memory",	  "message",  "messages",  "meta",
	"opt",	     "order",	 "orders",   "page",	  "pages",    "pid",	   "pipe",
	"proc",	     "product",	 "products", "profile",	  "queue",    "queues",	   "rate",
	"rdb",	     "redis",	 "root",     "run",	  "scope",    "sentinel",  "server",
	"service",   "services", "session",  "sessions",  "set",      "share",	   "sidekiq",
	"slice",     "sock",	 "socket",   "srv",	  "state",    "stats",	   "status",
	"stream",    "sys",	 "system",   "task",	  "tasks",    "temp",	   "test",
	"tmp",	     "token",	 "tokens",   "user",	  "users",    "usr",	   "valkey",
	"var",	     "view",	 "views",    "worker",	  "workers",  "zset",
};

/* clang-format on */

static int compare_words(const void *a, const void *b)
{
	const struct bytes *word = a;
	const char *other = *(const char *const *)b;
	int order = strncmp(word->data, other, word->len);

	return order ? order : -(other[word->len] != '\0');
}

bool redact_is_common(const char *word, size_t len)
{
	struct bytes key = { word, len };

	return len && memchr(word, '\0', len) == NULL &&
	       bsearch(&key, common, sizeof(common) / sizeof(common[0]), sizeof(common[0]),
		       compare_words);
}

/* --- names --------------------------------------------------------------------------------- */

static void hash(struct redact_names *r, unsigned char out[32], const char *part, size_t len)
{
	size_t bytes;

	/* With no key it begins anew with the one it has. */
	if (!EVP_MAC_init(r->mac, NULL, 0, NULL) ||
	    !EVP_MAC_update(r->mac, (const unsigned char *)part, len) ||
	    !EVP_MAC_final(r->mac, out, &bytes, 32))
		out_of_memory();
}

/* What prefixes fold away, and take for an identifier: hex with a digit. */
static void put_hex(struct redact_names *r, struct buf *out, const char *part, size_t len)
{
	unsigned char sum[32];

	hash(r, sum, part, len);
	buf_putc(out, (char)('0' + sum[0] % 10));
	for (int i = 1; i < HEX; i++)
		buf_putc(out, "0123456789abcdef"[sum[i] % 16]);
}

/* What they keep: letters that are no hex digits, so that no more than they is taken for one. */
static void put_letters(struct redact_names *r, struct buf *out, const char *part, size_t len)
{
	static const char letters[] = "ghijklmnopqrstuvwxyz";
	unsigned char sum[32];

	hash(r, sum, part, len);
	for (int i = 0; i < LETTERS; i++)
		buf_putc(out, letters[sum[i] % (sizeof(letters) - 1)]);
}

static void put_digits(struct redact_names *r, struct buf *out, const char *part, size_t len)
{
	unsigned char sum[32];

	hash(r, sum, part, len);
	for (int i = 0; i < DIGITS; i++)
		buf_putc(out, (char)('0' + sum[i] % 10));
}

/* A segment that stays in prefixes; of prefixes themselves "*" stands for what is gone. */
static void put_word(struct redact_names *r, struct buf *out, const char *part, size_t len)
{
	size_t name = len && part[len - 1] == '*' ? len - 1 : len;

	if (redact_is_common(part, name))
		buf_add(out, part, name);
	else if (name)
		put_letters(r, out, part, name);
	buf_add(out, part + name, len - name);
}

static void put_segment(struct redact_names *r, struct buf *out, const char *part,
			struct prefix_segment segment)
{
	if (segment.varies) {
		put_hex(r, out, part, segment.used);
		return;
	}
	put_word(r, out, part, segment.name);
	if (segment.name < segment.used)
		put_digits(r, out, part + segment.name, segment.used - segment.name);
}

/* At most @most bytes: what has no room is one hash of all that is left. */
static void put_name(struct redact_names *r, struct buf *out, struct bytes name, size_t most)
{
	bool has_at = prefix_has_at(name.data, name.len);
	const char *at = name.data, *end = name.data + name.len;
	size_t before = out->len;

	buf_puts(out, "");
	while (at < end) {
		struct prefix_segment segment;

		if (out->len - before > most - LETTERS - DIGITS - HEX) {
			put_hex(r, out, at, (size_t)(end - at));
			return;
		}
		if (prefix_is_separator(*at, r->separators)) {
			buf_putc(out, *at++);
			continue;
		}
		segment = prefix_segment(at, (size_t)(end - at), r->separators, has_at);
		put_segment(r, out, at, segment);
		at += segment.used;
	}
}

static void cut(struct buf *out, size_t len)
{
	out->len = len;
	if (out->data)
		out->data[len] = '\0';
}

void redact_name(struct redact_names *r, struct buf *out, const void *name, size_t len)
{
	put_name(r, out, (struct bytes){ name, len }, SIZE_MAX);
}

void redact_key_name(struct redact_names *r, struct buf *out, struct bytes name, bool truncated)
{
	struct bytes head = { name.data, name.len > RECORD_KEY_MAX ? RECORD_KEY_MAX : name.len };
	size_t before = out->len, end = before + RECORD_KEY_MAX;
	unsigned char sum[32];

	put_name(r, out, head, SIZE_MAX);
	if (out->len > end) {
		cut(out, before);
		put_name(r, out, head, RECORD_KEY_MAX);
	}
	if (!truncated && name.len <= RECORD_KEY_MAX)
		return;
	/* Both have so many bytes; behind them are digits, which are folded away. */
	hash(r, sum, head.data, head.len);
	for (size_t i = 0; out->len < end; i++)
		buf_putc(out, (char)(i ? '0' + sum[i % 32] % 10 : '#'));
	if (head.len < name.len)
		put_digits(r, out, name.data + head.len, name.len - head.len);
}

static bool is_loopback(const char *host, size_t len)
{
	static const char *const loopback[] = { "127.0.0.1", "::1", "[::1]", "localhost", "*" };

	for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++)
		if (len == strlen(loopback[i]) && !memcmp(host, loopback[i], len))
			return true;
	return false;
}

/* IPv4 and IPv6, as far as they could be mistaken for names. */
static bool is_number_of_a_host(const char *host, size_t len)
{
	size_t marks = 0;

	for (size_t i = 0; i < len; i++) {
		marks += host[i] == '.' || host[i] == ':';
		if (!prefix_is(host[i], PREFIX_HEX) && !strchr(".:[]%", host[i]))
			return false;
	}
	return marks > 1;
}

void redact_address(struct redact_names *r, struct buf *out, const char *address, size_t len)
{
	size_t host = len;

	while (host && prefix_is(address[host - 1], PREFIX_DIGIT))
		host--;
	host = host && host < len && address[host - 1] == ':' ? host - 1 : len;
	if (is_loopback(address, host))
		buf_add(out, address, host);
	else if (is_number_of_a_host(address, host))
		put_hex(r, out, address, host);
	else
		redact_name(r, out, address, host);
	buf_add(out, address + host, len - host);
}
