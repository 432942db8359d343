/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS of the web side, which libmicrohttpd does with GnuTLS: what is to be checked before it and
 * asked of clients within. With REDMEM_STATIC (make static) there is none.
 */
#pragma once

#include "app/web_config.h"
#include "base/err.h"

/* Do certificate, key and CA fit together? @file may be NULL. 0, or -EINVAL with the reason;
 * -ENOTSUP where @file asks for TLS and there is none. */
int web_tls_check(const struct web_file *file, struct err *err);
/* Ask the client of @session, a gnutls_session_t that begins, for what is wanted of it. */
void web_tls_ask(void *session, enum web_client_auth wanted);
