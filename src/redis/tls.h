/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS over a socket that does not block, by OpenSSL itself: hiredis' own layer knows no
 * host names, and the hiredis of Debian 12 has none. For stream.c only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "redis/endpoint.h"

struct tls;

/*
 * Prepare a session. The peer's certificate must lead to a known CA and be for options'
 * tls_server_name, or else its host; with tls_insecure anything will do. -EINVAL when a
 * file given cannot be used.
 */
int tls_new(struct tls **out, const struct conn_options *options, const char *name,
	    struct err *err);
/* The connected socket it goes over, which stays the caller's. */
void tls_start(struct tls *tls, int fd);
void tls_free(struct tls *tls); /* NULL is fine */

/* 1 = done, 0 = not yet, -EACCES when the certificate is not accepted, -EPROTO. */
int tls_handshake(struct tls *tls, struct err *err);
/* As stream_read() and stream_write(). */
ssize_t tls_read(struct tls *tls, void *bytes, size_t size, struct err *err);
ssize_t tls_write(struct tls *tls, const void *bytes, size_t len, struct err *err);

/* What poll() has to wait for before tls_handshake() is called again. */
short tls_events(const struct tls *tls);
