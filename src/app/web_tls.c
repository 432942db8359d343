/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS of the web side; see web_tls.h. */
#include "app/web_tls.h"

#include <errno.h>
#include <string.h>

#ifdef REDMEM_STATIC

int web_tls_check(const struct web_file *file, struct err *err)
{
	if (!file || !file->cert)
		return 0;
	return err_set(err, -ENOTSUP,
		       "web config: cert_file: this redmem is one static file, which speaks no "
		       "HTTPS; install the package, or put a proxy before it");
}

void web_tls_ask(void *session, enum web_client_auth wanted)
{
	(void)session;
	(void)wanted;
}

#else

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/buf.h"

/* Is the client's certificate one that the CA has signed for this? With those that need not
 * have one, none is fine. */
static int verify_client(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
					  .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
	unsigned int status = 0, count = 0;

	if (!gnutls_certificate_get_peers(session, &count) || !count)
		return 0; /* one that is required was asked for so that the handshake fails */
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) || status)
		return GNUTLS_E_CERTIFICATE_ERROR;
	return 0;
}

void web_tls_ask(void *of, enum web_client_auth wanted)
{
	gnutls_session_t session = of;

	if (wanted == WEB_CLIENT_NONE)
		return;
	gnutls_certificate_server_set_request(
		session, wanted == WEB_CLIENT_ANY || wanted == WEB_CLIENT_REQUIRE ?
				 GNUTLS_CERT_REQUIRE :
				 GNUTLS_CERT_REQUEST);
	if (wanted == WEB_CLIENT_VERIFY || wanted == WEB_CLIENT_REQUIRE)
		gnutls_session_set_verify_function(session, verify_client);
}

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){ (unsigned char *)text, (unsigned int)strlen(text) };
}

/* Do its certificates fit together? Told before anything is given up for them. */
int web_tls_check(const struct web_file *file, struct err *err)
{
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t cert, key, ca;
	int ret, trusted = 1;

	if (!file || !file->cert)
		return 0;
	if (gnutls_certificate_allocate_credentials(&credentials))
		out_of_memory();
	cert = datum(file->cert);
	key = datum(file->key);
	ret = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	if (file->client_ca) {
		ca = datum(file->client_ca);
		/* It tells how many there are. */
		trusted = gnutls_certificate_set_x509_trust_mem(credentials, &ca,
								GNUTLS_X509_FMT_PEM);
	}
	gnutls_certificate_free_credentials(credentials);
	if (ret < 0)
		return err_set(err, -EINVAL,
			       "web config: cert_file and key_file do not belong together, or are "
			       "no PEM files: %s",
			       gnutls_strerror(ret));
	if (trusted <= 0)
		return err_set(err, -EINVAL, "web config: client_ca_file holds no certificate");
	return 0;
}

#endif
