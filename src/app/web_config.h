/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The web config file, as Prometheus's exporters have it (exporter-toolkit,
 * docs/web-configuration.md), the part of it that is served here:
 *
 *	tls_server_config:
 *	  cert_file: server.crt          PEM; relative to the folder of this file
 *	  key_file: server.key           not readable by others
 *	  client_auth_type: NoClientCert
 *	  client_ca_file: clients.crt
 *	  min_version: TLS12             or TLS13
 *	basic_auth_users:
 *	  alice: $2y$10$...              bcrypt
 *
 * Nothing else: an unknown key is an error that names its line.
 */
#pragma once

#include <stddef.h>
#include <stdbool.h>

#include "base/err.h"

#define WEB_USERS_MAX 64
/* A password's check takes twice as long for each; this one some two seconds. */
#define WEB_BCRYPT_COST_MAX 15

enum web_client_auth {
	WEB_CLIENT_NONE, /* NoClientCert */
	WEB_CLIENT_ASK, /* RequestClientCert: whatever comes is fine, also none */
	WEB_CLIENT_ANY, /* RequireAnyClientCert: one, by whomever signed */
	WEB_CLIENT_VERIFY, /* VerifyClientCertIfGiven */
	WEB_CLIENT_REQUIRE, /* RequireAndVerifyClientCert */
	WEB_CLIENT_KINDS
};

struct web_user {
	char *name;
	char *hash; /* "$2y$10$..." */
};

struct web_file {
	/* PEM, as read from the files; NULL = plain HTTP */
	char *cert, *key;
	char *client_ca; /* NULL = none */
	enum web_client_auth client_auth;
	bool tls13_only;
	struct web_user *users; /* none = everybody */
	size_t users_count;
};

/* Read @path and the files it names. 0, or a negative errno with one line that names file and
 * line: -EINVAL for what is not understood or no text, -EPERM for a key that others may read,
 * -EAGAIN for a file that is being written. */
int web_config_read(struct web_file **out, const char *path, struct err *err);
void web_config_free(struct web_file *file); /* may be NULL; wipes keys and hashes */
