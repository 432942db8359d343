/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem.conf: what `redmem serve` watches, and how. Lines "key = value", "# comment", and
 * sections "[server NAME]" for those servers that need more than the defaults. The keys are
 * rows of a table (serve_setting.c), from which redmem.conf(5) is made, too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/serve_setting.h"
#include "base/buf.h"
#include "base/err.h"

#define SERVE_CONFIG_PATH "/etc/redmem/redmem.conf"

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

/* All keys, as a part of redmem.conf(5): each with what it takes, its default and what it is. */
void serve_config_manual(struct buf *out);
