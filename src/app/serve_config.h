/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem.conf: what `redmem serve` watches, and how. Lines "key = value", "# comment", and
 * sections "[server NAME]" for those servers that need more than the defaults. The keys are
 * rows of one table (serve_config.c), from which redmem.conf(5) is made, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

#define SERVE_CONFIG_PATH "/etc/redmem/redmem.conf"

/* A section: whom it is about (each pattern that is given must match), and what is so there. */
struct serve_server {
	char *name; /* the label of the server, or what it begins with */
	int line; /* of the file */
	/* Whom: globs but for the port; NULL or 0 = whichever */
	int64_t port;
	char *socket, *unit, *container, *pod;
	/* How to log in. The password is wiped when freed. */
	char *user, *password, *password_file; /* NULL = none; a file is read into password */
	int64_t uid; /* the server's, that a password goes to; -1 = see target_trusted() */
	bool tls, tls_insecure;
	char *tls_ca_cert, *tls_cert, *tls_key, *tls_server_name;
	bool watch; /* off: leave it alone */
	bool connect; /* off: only look from the host */
	bool keys; /* off: no scheduled pass over their keys */
	double budget_percent; /* NAN = as for all */
};

/* Of whom; in the order of the words in the file. */
enum serve_keys_of { SERVE_KEYS_PRIMARY, SERVE_KEYS_REPLICA, SERVE_KEYS_ANY };

struct serve_config {
	char *path; /* it was read from; NULL = there was none, and these are the defaults */
	char *listen; /* addresses with blanks between; NULL = the default of web.h */
	char *web_config; /* TLS and users of the web side; NULL = none */
	char *run_as; /* user the keeper becomes; NULL = see confine.h */
	char *state; /* directory of the history; NULL = the default of history.h */
	bool history;
	int64_t history_bytes; /* most that it may take on disk; 0 = the default of history.h */
	double budget_percent; /* of one core of a server's; NAN = the default */
	double threshold_ms; /* shortest stall that is told; NAN = the default */
	bool redis_metrics; /* redis_exporter's names beside redmem's own */
	char *keys_at; /* when to pass over all keys: when_next(); NULL = never */
	int64_t keys_of; /* enum serve_keys_of */
	double keys_seconds; /* most that a pass may take */
	bool redact; /* hide names */
	char *redact_key; /* file with the key of their hashes; NULL = a new key each start */
	int64_t prefixes; /* series of prefixes a server, beside "other" */
	struct serve_server *servers;
	size_t servers_count;
};

/*
 * Read @path; NULL = SERVE_CONFIG_PATH if that is there, else the defaults. 0, or a negative
 * errno with one line that names file and line: an unknown key, a value that is none, a file
 * that others may read though it holds a password (-EPERM).
 */
int serve_config_read(struct serve_config **out, const char *path, struct err *err);
void serve_config_free(struct serve_config *config); /* may be NULL; wipes passwords */
/* For whoever has no use for them: sections, and their passwords, are wiped. */
void serve_config_forget_servers(struct serve_config *config);
/* history_size as it stands in the file: "300M". False when @text is none. */
bool serve_config_size(int64_t *out, const char *text);

/* Who a server is, for the choice of its section and its label. */
struct serve_who {
	int port; /* 0 = none */
	const char *address; /* "127.0.0.1:6379" or the socket's path; "" */
	const char *socket; /* "" = none */
	const char *unit; /* "redis-server.service", "" */
	const char *container; /* "3f1c9a4be0d1", "" */
	const char *pod; /* "shop/cache-0/redis", with the container's name; "" */
};
/* The first section that fits, or NULL. */
const struct serve_server *serve_config_find(const struct serve_config *config,
					     const struct serve_who *who);
/* Do they say the same? Either may be NULL. */
bool serve_server_same(const struct serve_server *a, const struct serve_server *b);
/* The server's label: always the same for the same @who and section (NULL = none), never a
 * process id. Two servers may get the same: the caller tells them apart. */
void serve_label(struct buf *out, const struct serve_server *section, const struct serve_who *who);

/* All keys, as a part of redmem.conf(5): each with what it takes, its default and what it is. */
void serve_config_manual(struct buf *out);
