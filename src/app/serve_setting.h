/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings that redmem.conf may have, as fields and as rows of a table, with what each takes,
 * its bounds and what the manual says of it. A new one is a field here and a row in
 * serve_setting.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

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

enum serve_setting_type {
	VALUE_TEXT,
	VALUE_TIMES, /* this and the next two are texts, too */
	VALUE_LISTEN,
	VALUE_USER,
	VALUE_SWITCH,
	VALUE_CHOICE, /* one of the words of @takes */
	VALUE_WHOLE,
	VALUE_NUMBER,
	VALUE_BYTES,
	VALUE_UID
};

struct serve_setting {
	const char *name;
	enum serve_setting_type type;
	size_t at; /* in struct serve_config, or serve_server */
	double min, max; /* of numbers; of VALUE_NUMBER the least is not reached */
	const char *takes, *otherwise; /* for the manual */
	const char *help;
};

#define SERVE_SETTINGS_MAX 32 /* of one of these tables, which end with a row without a name */
extern const struct serve_setting serve_settings_of_all[]; /* of struct serve_config */
extern const struct serve_setting serve_settings_of_server[]; /* of struct serve_server */

/* The row of that name; NULL = none. */
const struct serve_setting *serve_setting_find(const struct serve_setting *table, const char *name);
/* Put @text where @setting says, in @of. False when it is no such value. */
bool serve_setting_take(const struct serve_setting *setting, void *of, const char *text);
/* What it takes, for a message: "a whole number from 1 to 65535". */
void serve_setting_describe(const struct serve_setting *setting, char *out, size_t size);
/* Have @a and @b the same value of it? */
bool serve_setting_same(const struct serve_setting *setting, const void *a, const void *b);
/* Bytes as "300M", in the bounds of @setting. False when @text is none. */
bool serve_setting_bytes(const struct serve_setting *setting, const char *text, int64_t *out);
/* Free all texts in @of; nothing of them stays in memory. */
void serve_settings_wipe(const struct serve_setting *table, void *of);
/* Append each as a part of a manual page. */
void serve_settings_manual(struct buf *out, const struct serve_setting *table);
