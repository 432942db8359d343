/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS, where hiredis brings it (hiredis_ssl, from 1.0 on). The build defines
 * HAVE_HIREDIS_SSL when its header is there; Debian 12's hiredis 0.14 has none.
 */
#include <errno.h>

#include "redis/conn_socket.h"

#ifdef HAVE_HIREDIS_SSL

#include <pthread.h>
#include <stdlib.h>

#include <hiredis/hiredis_ssl.h>

static pthread_once_t openssl_once = PTHREAD_ONCE_INIT;

static void openssl_init(void)
{
	redisInitOpenSSL();
}

int conn_tls_check(const char *name, struct err *err)
{
	(void)name;
	(void)err;
	return 0;
}

int conn_tls_start(redisContext *redis, const struct conn_options *options, const char *name,
		   struct err *err)
{
	/* Without a file: where the system keeps its certificates. */
	const char *directory = options->tls_ca_cert ? NULL : "/etc/ssl/certs";
	redisSSLContextError reason = REDIS_SSL_CTX_NONE;
	struct conn_sigpipe sigpipe;
	redisSSLContext *ssl;
	int rc = 0;

	pthread_once(&openssl_once, openssl_init);
	ssl = redisCreateSSLContext(options->tls_ca_cert, directory, options->tls_cert,
				    options->tls_key, options->tls_server_name, &reason);
	if (!ssl)
		return err_set(err, -EINVAL,
			       "connection: %s: TLS: %s; check --cacert, --cert and --key", name,
			       redisSSLContextGetError(reason));
	conn_sigpipe_block(&sigpipe);
	if (redisInitiateSSLWithContext(redis, ssl) != REDIS_OK)
		rc = err_set(err, -EPROTO,
			     "connection: %s: TLS: %s; does the server speak TLS here, and is its "
			     "certificate known (--cacert)?",
			     name, redis->errstr);
	conn_sigpipe_restore(&sigpipe);
	redisFreeSSLContext(ssl); /* the session holds its own reference */
	return rc;
}

#else

int conn_tls_check(const char *name, struct err *err)
{
	return err_set(err, -ENOTSUP,
		       "connection: %s: this build has no TLS; rebuild redmem where hiredis_ssl is "
		       "installed (Debian 13, Ubuntu 24.04: libhiredis-dev), or connect over the "
		       "unix socket",
		       name);
}

int conn_tls_start(redisContext *redis, const struct conn_options *options, const char *name,
		   struct err *err)
{
	(void)redis;
	(void)options;
	return conn_tls_check(name, err);
}

#endif
