/* SPDX-License-Identifier: BSD-2-Clause */
/* A server's address as redis-cli's -u takes it. */
#pragma once

#include "base/err.h"

/* Parts that the URI does not name are NULL. */
struct uri {
	char *text; /* owns the parts */
	const char *scheme; /* "redis", "rediss", "valkey", "valkeys" */
	const char *user;
	char *password;
	const char *host;
	const char *port; /* digits, not checked */
	const char *db; /* likewise */
};

/*
 * redis://[[USER:]PASSWORD@][HOST][:PORT][/DB], percent-encoded where it must be; an
 * IPv6 address in brackets. As in redis-cli, what stands before '@' without a colon is
 * the password. -EINVAL with a reason that does not quote the text.
 */
int uri_parse(struct uri *out, const char *text, struct err *err);
/* HOST[:PORT] alone, an IPv6 address in brackets; in place, and @place owns the parts. -EINVAL. */
int uri_parse_place(struct uri *out, char *place, struct err *err);
/* Wipes the password and frees. */
void uri_free(struct uri *uri);
