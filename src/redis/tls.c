/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS; see tls.h. OpenSSL writes to a socket with write(2), and a server that went away
 * would end redmem by SIGPIPE: the few lines of a BIO of our own do it with MSG_NOSIGNAL.
 */
#include "redis/tls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "redis/endpoint.h"

#ifndef SSL_OP_IGNORE_UNEXPECTED_EOF /* OpenSSL 3.0 */
#define SSL_OP_IGNORE_UNEXPECTED_EOF 0
#endif

struct tls {
	SSL *ssl;
	short events; /* what the last call waits for */
	bool own; /* we have a certificate to show */
	bool heard; /* the server has said something */
	char name[256]; /* of the connection */
	char host[256]; /* the certificate has to be for */
};

/* --- the socket under it ----------------------------------------------------- */

static BIO_METHOD *socket_method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int socket_of(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static bool try_again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int socket_write(BIO *bio, const char *bytes, int len)
{
	ssize_t done = send(socket_of(bio), bytes, (size_t)len, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (done < 0 && try_again())
		BIO_set_retry_write(bio);
	return (int)done;
}

static int socket_read(BIO *bio, char *bytes, int size)
{
	ssize_t done = recv(socket_of(bio), bytes, (size_t)size, 0);

	BIO_clear_retry_flags(bio);
	if (done < 0 && try_again())
		BIO_set_retry_read(bio);
	return (int)done;
}

static long socket_control(BIO *bio, int command, long number, void *ctx)
{
	(void)bio;
	(void)number;
	(void)ctx;
	return command == BIO_CTRL_FLUSH;
}

static int socket_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static void make_method(void)
{
	socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "redmem socket");
	if (!socket_method)
		return;
	BIO_meth_set_write(socket_method, socket_write);
	BIO_meth_set_read(socket_method, socket_read);
	BIO_meth_set_ctrl(socket_method, socket_control);
	BIO_meth_set_create(socket_method, socket_create);
}

/* --- what is trusted ----------------------------------------------------------- */

/* OpenSSL's own words for what went wrong last. */
static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "no reason given";
}

static int file_error(const char *name, const char *option, const char *file, struct err *err)
{
	return err_set(err, -EINVAL, "connection: %s: TLS: %s %s cannot be used: %s", name, option,
		       file, reason());
}

static int load_ca(SSL_CTX *ctx, const struct conn_options *o, const char *name, struct err *err)
{
	struct stat st;

	if (o->tls_insecure)
		return 0;
	if (!o->tls_ca_cert && !o->tls_ca_dir) {
		SSL_CTX_set_default_verify_paths(ctx);
		return 0;
	}
	if (o->tls_ca_cert && !SSL_CTX_load_verify_locations(ctx, o->tls_ca_cert, NULL))
		return file_error(name, "--cacert", o->tls_ca_cert, err);
	/* OpenSSL takes any name for a directory, and finds nothing there. */
	if (o->tls_ca_dir && (stat(o->tls_ca_dir, &st) || !S_ISDIR(st.st_mode)))
		return err_set(err, -EINVAL, "connection: %s: TLS: --cacertdir %s is no directory",
			       name, o->tls_ca_dir);
	if (o->tls_ca_dir && !SSL_CTX_load_verify_locations(ctx, NULL, o->tls_ca_dir))
		return file_error(name, "--cacertdir", o->tls_ca_dir, err);
	return 0;
}

/* Who we are, for servers that ask. */
static int load_own(SSL_CTX *ctx, const struct conn_options *o, const char *name, struct err *err)
{
	if (!o->tls_cert != !o->tls_key)
		return err_set(err, -EINVAL,
			       "connection: %s: TLS: --cert and --key go together; give both",
			       name);
	if (!o->tls_cert)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, o->tls_cert) != 1)
		return file_error(name, "--cert", o->tls_cert, err);
	if (SSL_CTX_use_PrivateKey_file(ctx, o->tls_key, SSL_FILETYPE_PEM) != 1)
		return file_error(name, "--key", o->tls_key, err);
	return 0;
}

/* The name or address the certificate has to be for. An address is no server name that
 * could be asked for (RFC 6066, section 3). */
static bool expect(SSL *ssl, const char *host, bool insecure)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	bool address = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;

	if (!address && SSL_set_tlsext_host_name(ssl, host) != 1)
		return false;
	if (insecure)
		return true;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return address || X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

static SSL_CTX *make_context(const struct conn_options *o, const char *name, struct err *err)
{
	SSL_CTX *ctx;

	ERR_clear_error();
	pthread_once(&once, make_method);
	ctx = socket_method ? SSL_CTX_new(TLS_client_method()) : NULL;
	if (!ctx) {
		err_set(err, -ENOMEM, "connection: %s: TLS: %s", name, reason());
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* Replies say where they end: a close without a farewell cuts none unseen. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (load_ca(ctx, o, name, err) || load_own(ctx, o, name, err)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static const char *expected_name(const struct conn_options *o)
{
	if (o->tls_server_name)
		return o->tls_server_name;
	if (o->socket_path)
		return "localhost";
	return o->host ? o->host : "127.0.0.1";
}

int tls_new(struct tls **out, const struct conn_options *options, const char *name, struct err *err)
{
	SSL_CTX *ctx = make_context(options, name, err);
	struct tls *tls;
	BIO *bio;

	*out = NULL;
	if (!ctx)
		return -EINVAL;
	tls = xcalloc(1, sizeof(*tls));
	snprintf(tls->name, sizeof(tls->name), "%s", name);
	snprintf(tls->host, sizeof(tls->host), "%s", expected_name(options));
	tls->events = POLLOUT;
	tls->own = options->tls_cert;
	tls->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx); /* the session holds its own reference */
	bio = tls->ssl ? BIO_new(socket_method) : NULL;
	if (!bio || !expect(tls->ssl, tls->host, options->tls_insecure)) {
		BIO_free(bio);
		tls_free(tls);
		return err_set(err, -EINVAL, "connection: %s: TLS: %s", name, reason());
	}
	SSL_set_bio(tls->ssl, bio, bio);
	*out = tls;
	return 0;
}

void tls_start(struct tls *tls, int fd)
{
	BIO_set_data(SSL_get_rbio(tls->ssl), (void *)(intptr_t)fd);
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	free(tls);
}

/* --- the session ---------------------------------------------------------------- */

static int certificate_error(const struct tls *tls, long result, struct err *err)
{
	const char *text = X509_verify_cert_error_string(result);

	if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
		return err_set(err, -EACCES,
			       "connection: %s: TLS: the server's certificate is not for %s; give "
			       "the name it is for with --sni, or look whose server it is",
			       tls->name, tls->host);
	return err_set(err, -EACCES,
		       "connection: %s: TLS: the server's certificate is not trusted (%s); give "
		       "its CA with --cacert, or take any with --insecure",
		       tls->name, text);
}

/* The alerts of a server that wants our certificate (RFC 8446, section 6.2). */
static bool wants_certificate(unsigned long code)
{
	int why = ERR_GET_REASON(code);

	return why == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
	       why == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE || why == SSL_R_TLSV1_ALERT_UNKNOWN_CA ||
	       why == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE;
}

static int session_error(const struct tls *tls, int number, struct err *err)
{
	long result = SSL_get_verify_result(tls->ssl);
	unsigned long code = ERR_peek_last_error();

	if (result != X509_V_OK && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE)
		return certificate_error(tls, result, err);
	if (code && wants_certificate(code))
		return err_set(err, -EACCES,
			       "connection: %s: TLS: %s; the server asks for a certificate it "
			       "knows: give it with --cert and --key",
			       tls->name, reason());
	if (code)
		return err_set(err, -EPROTO,
			       "connection: %s: TLS: %s; does the server speak TLS on this port?",
			       tls->name, reason());
	/* What it said of why is gone when our first words were still unread as it closed. */
	if (!tls->heard && !tls->own && (!number || number == ECONNRESET || number == EPIPE))
		return err_set(err, -ECONNRESET,
			       "connection: %s: TLS: the server closed the connection before it "
			       "said anything; does it speak TLS on this port, and does it ask for "
			       "a certificate (--cert and --key)?",
			       tls->name);
	return endpoint_error(tls->name, number ? -number : -ECONNRESET, err);
}

/* What a call that did not succeed means: -EAGAIN, 0 = closed, or an error. */
static int take_error(struct tls *tls, int ret, struct err *err)
{
	int number = errno;

	switch (SSL_get_error(tls->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		tls->events = POLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->events = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return session_error(tls, number, err);
	}
}

static void begin(struct tls *tls)
{
	ERR_clear_error();
	errno = 0;
	tls->events = 0;
}

int tls_handshake(struct tls *tls, struct err *err)
{
	int ret;

	begin(tls);
	ret = SSL_connect(tls->ssl);
	if (ret == 1)
		return 1;
	ret = take_error(tls, ret, err);
	if (ret == -EAGAIN)
		return 0;
	return ret ? ret : endpoint_error(tls->name, -ECONNRESET, err);
}

ssize_t tls_read(struct tls *tls, void *bytes, size_t size, struct err *err)
{
	int ret;

	begin(tls);
	ret = SSL_read(tls->ssl, bytes, (int)size);
	tls->heard |= ret > 0;
	return ret > 0 ? ret : take_error(tls, ret, err);
}

ssize_t tls_write(struct tls *tls, const void *bytes, size_t len, struct err *err)
{
	int ret;

	begin(tls);
	ret = SSL_write(tls->ssl, bytes, len > INT32_MAX ? INT32_MAX : (int)len);
	if (ret > 0)
		return ret;
	ret = take_error(tls, ret, err);
	return ret ? ret : endpoint_error(tls->name, -ECONNRESET, err);
}

short tls_events(const struct tls *tls)
{
	return tls->events;
}
