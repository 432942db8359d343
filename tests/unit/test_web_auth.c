/* SPDX-License-Identifier: BSD-2-Clause */
/* The web config file: what it may say, passwords, and TLS. */
#define _GNU_SOURCE 1 /* strcasestr() */
#include <sys/stat.h>

#include <crypt.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "app/web_auth.h"
#include "app/web_config.h"
#include "base/escape.h"
#include "web_scene.h"

static struct scene scene;
static char dir[] = "/tmp/redmem-auth-XXXXXX";
static char config_path[64], hash[2][64]; /* of "open sesame": quick, and not so quick */

/* --- files ----------------------------------------------------------------- */

static const char *beside(const char *name)
{
	static char path[2][128];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static void put_file(const char *name, mode_t mode, const char *text, size_t len)
{
	int fd;

	unlink(beside(name));
	fd = open(beside(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void put_config(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void put_config(const char *fmt, ...)
{
	char text[8192];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put_file("web.yml", 0644, text, strlen(text));
}

/* A key, and a certificate for it signed by @issuer (NULL: by itself), as NAME.key and NAME.crt. */
struct identity {
	gnutls_x509_crt_t cert;
	gnutls_x509_privkey_t key;
};

static struct identity make_identity(const char *name, const struct identity *issuer,
				     const char *purpose)
{
	struct identity one;
	unsigned char id[4] = { 1, 2, 3, (unsigned char)name[0] };
	gnutls_datum_t pem;
	char file[64];

	gnutls_x509_privkey_init(&one.key);
	gnutls_x509_privkey_generate(one.key, GNUTLS_PK_ECDSA,
				     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_init(&one.cert);
	gnutls_x509_crt_set_version(one.cert, 3);
	gnutls_x509_crt_set_serial(one.cert, id, sizeof(id));
	gnutls_x509_crt_set_dn_by_oid(one.cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
				      (unsigned int)strlen(name));
	gnutls_x509_crt_set_activation_time(one.cert, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(one.cert, time(NULL) + 86400);
	gnutls_x509_crt_set_basic_constraints(one.cert, purpose ? 0 : 1, -1);
	if (purpose)
		gnutls_x509_crt_set_key_purpose_oid(one.cert, purpose, 0);
	else
		gnutls_x509_crt_set_key_usage(one.cert, GNUTLS_KEY_KEY_CERT_SIGN);
	gnutls_x509_crt_set_key(one.cert, one.key);
	assert_int_equal(gnutls_x509_crt_sign2(one.cert, issuer ? issuer->cert : one.cert,
					       issuer ? issuer->key : one.key, GNUTLS_DIG_SHA256,
					       0),
			 0);
	gnutls_x509_crt_export2(one.cert, GNUTLS_X509_FMT_PEM, &pem);
	snprintf(file, sizeof(file), "%s.crt", name);
	put_file(file, 0644, (char *)pem.data, pem.size);
	gnutls_free(pem.data);
	gnutls_x509_privkey_export2(one.key, GNUTLS_X509_FMT_PEM, &pem);
	snprintf(file, sizeof(file), "%s.key", name);
	put_file(file, 0640, (char *)pem.data, pem.size);
	gnutls_free(pem.data);
	return one;
}

static void drop_identity(struct identity *one)
{
	gnutls_x509_crt_deinit(one->cert);
	gnutls_x509_privkey_deinit(one->key);
}

static int set_up(void **state)
{
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data data = { 0 };
	struct identity one;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(config_path, sizeof(config_path), "%s/web.yml", dir);
	for (int i = 0; i < 2; i++) {
		assert_non_null(crypt_gensalt_rn(i ? "$2y$" : "$2b$", i ? 9 : 4, NULL, 0, salt,
						 sizeof(salt)));
		snprintf(hash[i], sizeof(hash[i]), "%s", crypt_r("open sesame", salt, &data));
	}
	one = make_identity("server", NULL, GNUTLS_KP_TLS_WWW_SERVER);
	drop_identity(&one);
	one = make_identity("other", NULL, GNUTLS_KP_TLS_WWW_SERVER);
	drop_identity(&one);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "web.yml",	  "server.crt", "server.key", "other.crt",
					     "other.key", "ca.crt",	"ca.key",     "good.crt",
					     "good.key",  "bad.crt",	"bad.key",    "wrong.crt",
					     "wrong.key" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(beside(names[i]));
	return rmdir(dir);
}

/* --- what the file may say ----------------------------------------------------------------- */

static void test_config(void **state)
{
	struct web_file *file;
	struct err err = { 0 };

	(void)state;
	put_config("# as the exporters have it\n"
		   "tls_server_config:\n  cert_file: server.crt\n  key_file: %s/server.key\n"
		   "  client_auth_type: \"RequireAndVerifyClientCert\"\n"
		   "  client_ca_file: other.crt\n  min_version: TLS13\n\n"
		   "basic_auth_users: { alice: %s, 'bob the 2nd': '%s' }\n",
		   dir, hash[0], hash[1]);
	if (web_config_read(&file, config_path, &err))
		fail_msg("%s", err.text);
	assert_non_null(strstr(file->cert, "BEGIN CERTIFICATE"));
	assert_non_null(strstr(file->key, "PRIVATE KEY"));
	assert_non_null(strstr(file->client_ca, "BEGIN CERTIFICATE"));
	assert_int_equal(file->client_auth, WEB_CLIENT_REQUIRE);
	assert_true(file->tls13_only);
	assert_int_equal(file->users_count, 2);
	assert_string_equal(file->users[1].name, "bob the 2nd");
	assert_string_equal(file->users[1].hash, hash[1]);
	web_config_free(file);
	/* Nothing in it is nothing wanted. */
	put_config("%s", "");
	assert_int_equal(web_config_read(&file, config_path, &err), 0);
	assert_null(file->cert);
	assert_int_equal(file->users_count, 0);
	web_config_free(file);
	put_config("tls_server_config:\nbasic_auth_users:\n");
	assert_int_equal(web_config_read(&file, config_path, &err), 0);
	web_config_free(file);
}

#define TLS "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"

static void test_config_wrong(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "tls_config:\n", "line 1: unknown key \"tls_config\"" },
		{ "\n\nhttp_server_config:\n  http2: false\n", "line 3: unknown key" },
		{ TLS "  cert_fil: x\n", "line 4: unknown key \"cert_fil\"" },
		{ TLS "  key_file: other.key\n", "line 4: it is there twice: \"key_file\"" },
		{ TLS TLS, "line 4: it is there twice: \"tls_server_config\"" },
		{ TLS "  min_version: TLS10\n", "\"TLS10\" is not one of TLS12, TLS13" },
		{ TLS "  min_version: [TLS12]\n",
		  "line 4: one value is wanted of \"min_version\"" },
		{ TLS "  client_auth_type: yes\n", "\"yes\" is not one of NoClientCert" },
		{ TLS "  client_ca_file: other.crt\n", "has no effect without client_auth_type" },
		{ TLS "  client_auth_type: RequireAndVerifyClientCert\n",
		  "line 4: client_auth_type wants a client_ca_file" },
		{ "tls_server_config:\n  cert_file: server.crt\n", "wants key_file" },
		{ "tls_server_config:\n  key_file: server.key\n", "wants cert_file" },
		{ "tls_server_config: yes\n", "lines \"name: value\" are wanted" },
		{ "tls_server_config:\n  cert_file: nothing\n  key_file: server.key\n",
		  "nothing: No such file" },
		{ "basic_auth_users:\n  alice: secret\n", "line 2: this is no bcrypt hash" },
		{ "basic_auth_users:\n  alice:\n", "no value of \"alice\"" },
		{ "basic_auth_users:\n  a: $2y$31$0123456789012345678901"
		  "0123456789012345678901234567890\n",
		  "take too long" },
		{ "basic_auth_users:\n  a: $2y$03$0123456789012345678901"
		  "0123456789012345678901234567890\n",
		  "no bcrypt hash" },
		{ "basic_auth_users:\n  'a:b': $2y$05$0123456789012345678901"
		  "0123456789012345678901234567890\n",
		  "with a colon" },
		{ "basic_auth_users:\n  - alice\n", "are wanted in \"basic_auth_users\"" },
		{ "just words\n", "are wanted in \"the file\"" },
		{ "\ta: b\n", "line 1: this is not YAML" },
		{ "\"\x1b[2J\": x\n", "this is not YAML" },
		{ "basic_auth_users: {", "this is not YAML" },
		{ "x: &a [*a]\n", "unknown key \"x\"" },
		{ "\"a\\0b\": x\n", "a NUL" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct web_file *file;
		struct err err = { 0 };

		put_config("%s", rows[i].text);
		if (!web_config_read(&file, config_path, &err) || file ||
		    !strstr(err.text, rows[i].part))
			fail_msg("%s\nsays: %s", rows[i].text, err.text);
	}
}

/* What is not read whole, or no text, must not pass for a file that wants less. */
static void test_config_unreadable(void **state)
{
	static const char nul[] = "# \0\nbasic_auth_users:\n";
	static const char shorter[] = "/sys/kernel/mm/transparent_hugepage/enabled";
	struct web_file *file;
	struct err err = { 0 };

	(void)state;
	put_file("web.yml", 0644, nul, sizeof(nul) - 1);
	assert_int_equal(web_config_read(&file, config_path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "web.yml is no text"));
	assert_int_equal(web_config_read(&file, "/proc/self/mem", &err), -EIO);
	assert_non_null(strstr(err.text, "/proc/self/mem: "));
	if (access(shorter, R_OK)) /* says that it has 4096 bytes */
		return;
	put_config("tls_server_config:\n  cert_file: %s\n  key_file: server.key\n", shorter);
	assert_int_equal(web_config_read(&file, config_path, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "enabled: its size changes"));
}

static void test_key_mode(void **state)
{
	static const struct {
		mode_t mode;
		int ret;
	} rows[] = { { 0400, 0 },      { 0600, 0 },	 { 0640, 0 },	   { 0440, 0 },
		     { 0660, -EPERM }, { 0644, -EPERM }, { 0604, -EPERM }, { 0602, -EPERM } };

	(void)state;
	put_config(TLS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct web_file *file;
		struct err err = { 0 };

		chmod(beside("server.key"), rows[i].mode);
		assert_int_equal(web_config_read(&file, config_path, &err), rows[i].ret);
		web_config_free(file);
		if (rows[i].ret)
			assert_non_null(strstr(err.text, "server.key: others may read the key"));
	}
	chmod(beside("server.key"), 0640);
}

/* --- passwords ----------------------------------------------------------------- */

static void open_scene(void)
{
	struct web_config config = { .web_config_path = config_path };

	scene_open(&scene, &config);
}

static int login(const char *from, const char *user, const char *password)
{
	struct buf text = {}, both = {};
	struct answer a;

	buf_printf(&both, "%s:%s", user, password);
	buf_puts(&text, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			"Authorization: Basic ");
	base64_encode(&text, both.data, both.len);
	buf_puts(&text, "\r\n\r\n");
	a = ask_from(&scene, from, buf_str(&text));
	buf_free(&text);
	buf_free(&both);
	return a.status;
}

static void test_passwords(void **state)
{
	struct answer a;

	(void)state;
	put_config("basic_auth_users:\n  alice: %s\n  bob: %s\n", hash[0], hash[1]);
	open_scene();
	a = ask(&scene, "GET /metrics", "");
	assert_int_equal(a.status, 401);
	assert_true(has_header(&a, "WWW-Authenticate: Basic realm=\"redmem\", charset=\"UTF-8\""));
	assert_int_equal(ask(&scene, "GET /nothing", "").status,
			 401); /* nor which pages there are */
	assert_int_equal(ask(&scene, "GET /", "Authorization: Basic !!!\r\n").status, 401);
	assert_int_equal(ask(&scene, "GET /", "Authorization: Basic YWxpY2U=\r\n").status, 401);
	assert_int_equal(ask(&scene, "GET /", "Authorization: Bearer x\r\n").status, 401);
	assert_int_equal(login("127.0.0.2", "alice", "open sesame"), 200);
	assert_int_equal(login("127.0.0.2", "bob", "open sesame"), 200);
	assert_int_equal(login("127.0.0.3", "alice", "open"), 401);
	assert_int_equal(login("127.0.0.4", "eve", "open sesame"), 401);
	assert_int_equal(login("127.0.0.5", "alice", ""), 401);
	assert_int_equal(login("127.0.0.6", "", "open sesame"), 401);
	assert_int_equal(web_counts(scene.web).unauthorized, 9);
	web_stop(scene.web);
}

/* Whoever was wrong waits; whoever is right does not wait for him, and not from his address. */
static void test_guesses(void **state)
{
	int statuses[600] = { 0 }, status, tries = 0;

	(void)state;
	put_config("basic_auth_users:\n  alice: %s\n", hash[1]);
	open_scene();
	assert_int_equal(login("127.0.0.2", "alice", "open sesame"), 200);
	do {
		status = login("127.0.0.3", "alice", "guess");
		assert_in_range(status, 401, 429);
		statuses[status]++;
	} while (statuses[429] < 3 && ++tries < 1000);
	assert_in_range(statuses[401], 1, 20);
	assert_int_equal(login("127.0.0.3", "alice", "open sesame"), 200); /* known to be right */
	assert_int_equal(login("127.0.0.2", "alice", "open sesame"), 200);
	assert_int_equal(login("127.0.0.2", "alice", "open sesamE"), 401);
	web_stop(scene.web);
}

/* Many at once with a password that nobody has checked yet: it is checked once, all wait. */
static void test_first_scrapes(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
				   "Authorization: Basic YWxpY2U6b3BlbiBzZXNhbWU=\r\n\r\n";
	struct client c[30];

	(void)state;
	put_config("basic_auth_users:\n  alice: %s\n", hash[1]);
	open_scene();
	for (size_t i = 0; i < 30; i++) {
		client_open(&c[i], &scene, NULL);
		client_send(&scene, &c[i], text, sizeof(text) - 1);
	}
	for (size_t i = 0; i < 30; i++) {
		client_wait(&scene, &c[i]);
		assert_int_equal(answer_of(&c[i]).status, 200);
		client_close(&c[i]);
	}
	web_stop(scene.web);
}

/* It ends while a password is checked and others wait for that. */
static void test_stop_with_checks(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n"
				   "Authorization: Basic YWxpY2U6eA==\r\n\r\n";
	struct client c[3];

	(void)state;
	put_config("basic_auth_users:\n  alice: %s\n", hash[1]);
	open_scene();
	for (size_t i = 0; i < 3; i++) {
		client_open(&c[i], &scene, NULL);
		client_send(&scene, &c[i], text, sizeof(text) - 1);
	}
	scene_turn(&scene, -1, 0);
	web_stop(scene.web);
	for (size_t i = 0; i < 3; i++)
		client_close(&c[i]);
}

/* The same in numbers: the clock is handed in. */
static void test_waiting_times(void **state)
{
	struct web_user user = { .name = (char *)"alice", .hash = hash[0] };
	const struct web_file file = { .users = &user, .users_count = 1 };
	struct web_auth *auth = web_auth_new(&file);
	const int64_t second = 1000000000;
	struct web_check *check;
	int64_t now = second;

	(void)state;
	for (int n = 0; n < 12; n++) {
		int64_t wait = (second / 10) << (n < 7 ? n : 7);

		assert_int_equal(web_auth_ask(auth, "alice", "x", 7, now, &check), WEB_CHECK);
		web_check_job(check)->run(web_check_job(check));
		assert_false(web_auth_take(auth, check, now));
		assert_int_equal(web_auth_ask(auth, "alice", "x", 7, now + wait - 1, &check),
				 WEB_LATER);
		now += wait;
	}
	/* From elsewhere at once; and one at a time. */
	assert_int_equal(web_auth_ask(auth, "alice", "open sesame", 8, now, &check), WEB_CHECK);
	{
		struct web_check *second_check;

		assert_int_equal(web_auth_ask(auth, "alice", "y", 8, now, &second_check), WEB_WAIT);
	}
	web_check_job(check)->run(web_check_job(check));
	assert_true(web_auth_take(auth, check, now));
	assert_int_equal(web_auth_ask(auth, "alice", "open sesame", 7, now, &check), WEB_RIGHT);
	/* Of a user that is not there nothing is ever right, not even the first one's password. */
	assert_int_equal(web_auth_ask(auth, "eve", "open sesame", 9, now, &check), WEB_CHECK);
	web_check_job(check)->run(web_check_job(check));
	assert_false(web_auth_take(auth, check, now));
	/* A minute later it is forgiven. */
	now += 61 * second;
	assert_int_equal(web_auth_ask(auth, "alice", "x", 7, now, &check), WEB_CHECK);
	web_auth_drop(check);
	web_auth_free(auth);
}

static void test_reload(void **state)
{
	struct err err = { 0 };

	(void)state;
	put_config("basic_auth_users:\n  alice: %s\n", hash[0]);
	open_scene();
	assert_int_equal(login(NULL, "alice", "open sesame"), 200);
	put_config("basic_auth_users:\n  bob: %s\n", hash[0]);
	assert_int_equal(web_reload(scene.web, &err), 0);
	assert_int_equal(login(NULL, "alice", "open sesame"), 401);
	assert_int_equal(login("127.0.0.2", "bob", "open sesame"), 200);
	/* What is wrong changes nothing. */
	put_config("basic_auth_user:\n  eve: %s\n", hash[0]);
	assert_int_equal(web_reload(scene.web, &err), -EINVAL);
	assert_int_equal(login("127.0.0.2", "bob", "open sesame"), 200);
	web_stop(scene.web);
}

/* --- TLS ----------------------------------------------------------------- */

/* The status of /healthz; 0 = no handshake, or no answer. @name: the client's own identity. */
static int tls_status(const char *name, const char *priorities)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	const int64_t until = clock_mono_ns() + PATIENCE_NS;
	gnutls_certificate_credentials_t own;
	gnutls_session_t session;
	char crt[64], key[64], in[4096] = "";
	struct client c;
	ssize_t got;
	int status = 0;

	gnutls_certificate_allocate_credentials(&own);
	if (name) {
		snprintf(crt, sizeof(crt), "%s.crt", name);
		snprintf(key, sizeof(key), "%s.key", name);
		assert_int_equal(gnutls_certificate_set_x509_key_file(own, beside(crt), beside(key),
								      GNUTLS_X509_FMT_PEM),
				 0);
	}
	gnutls_init(&session,
		    GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT);
	gnutls_priority_set_direct(session, priorities, NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, own);
	client_open(&c, &scene, NULL);
	gnutls_transport_set_int(session, c.fd);
	while ((got = gnutls_handshake(session)) < 0 && !gnutls_error_is_fatal((int)got) &&
	       clock_mono_ns() < until)
		scene_turn(&scene, c.fd, gnutls_record_get_direction(session) ? POLLOUT : POLLIN);
	if (!got)
		got = gnutls_record_send(session, text, sizeof(text) - 1);
	while (got > 0 || got == GNUTLS_E_AGAIN) {
		got = gnutls_record_recv(session, in, sizeof(in) - 1);
		if (got > 0 && sscanf(in, "HTTP/1.1 %d", &status) == 1)
			break;
		if (clock_mono_ns() > until)
			break;
		scene_turn(&scene, c.fd, POLLIN);
	}
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(own);
	client_close(&c);
	return status;
}

static void test_tls(void **state)
{
	struct err err = { 0 };

	(void)state;
	put_config(TLS "basic_auth_users:\n");
	open_scene();
	assert_int_equal(tls_status(NULL, "NORMAL"), 200);
	assert_int_equal(tls_status(NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2"), 200);
	assert_int_equal(tls_status(NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.1"), 0);
	assert_int_equal(tls_status("other", "NORMAL"), 200); /* nobody asked for it */
	assert_int_equal(ask(&scene, "GET /healthz", "").status, 0); /* plain */
	put_config(TLS "  min_version: TLS13\n");
	assert_int_equal(web_reload(scene.web, &err), 0);
	assert_int_equal(tls_status(NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2"), 0);
	assert_int_equal(tls_status(NULL, "NORMAL"), 200);
	/* A key of another: told, and all is as it was. */
	put_config("tls_server_config:\n  cert_file: server.crt\n  key_file: other.key\n");
	assert_int_equal(web_reload(scene.web, &err), -EINVAL);
	assert_non_null(strstr(err.text, "do not belong together"));
	put_config("tls_server_config:\n  cert_file: web.yml\n  key_file: server.key\n");
	assert_int_equal(web_reload(scene.web, &err), -EINVAL);
	assert_int_equal(tls_status(NULL, "NORMAL"), 200);
	/* And back to plain HTTP, on the same port. */
	put_config("basic_auth_users:\n");
	assert_int_equal(web_reload(scene.web, &err), 0);
	assert_int_equal(ask(&scene, "GET /healthz", "").status, 200);
	web_stop(scene.web);
}

static void test_client_certificates(void **state)
{
	static const struct {
		const char *type;
		int none, good, bad, wrong; /* statuses */
	} rows[] = {
		{ "RequestClientCert", 200, 200, 200, 200 },
		{ "RequireAnyClientCert", 0, 200, 200, 200 },
		{ "VerifyClientCertIfGiven", 200, 200, 0, 0 },
		{ "RequireAndVerifyClientCert", 0, 200, 0, 0 },
	};
	struct identity ca = make_identity("ca", NULL, NULL),
			good = make_identity("good", &ca, GNUTLS_KP_TLS_WWW_CLIENT),
			bad = make_identity("bad", NULL, GNUTLS_KP_TLS_WWW_CLIENT),
			wrong = make_identity("wrong", &ca, GNUTLS_KP_TLS_WWW_SERVER);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_config(TLS "  client_auth_type: %s\n  client_ca_file: ca.crt\n", rows[i].type);
		open_scene();
		if (tls_status(NULL, "NORMAL") != rows[i].none ||
		    tls_status("good", "NORMAL") != rows[i].good ||
		    tls_status("bad", "NORMAL") != rows[i].bad ||
		    tls_status("wrong", "NORMAL") != rows[i].wrong ||
		    tls_status("bad", "NORMAL:-VERS-ALL:+VERS-TLS1.2") != rows[i].bad ||
		    tls_status("good", "NORMAL:-VERS-ALL:+VERS-TLS1.2") != rows[i].good)
			fail_msg("%s", rows[i].type);
		web_stop(scene.web);
	}
	drop_identity(&ca);
	drop_identity(&good);
	drop_identity(&bad);
	drop_identity(&wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_wrong),
		cmocka_unit_test(test_config_unreadable),
		cmocka_unit_test(test_key_mode),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_guesses),
		cmocka_unit_test(test_first_scrapes),
		cmocka_unit_test(test_stop_with_checks),
		cmocka_unit_test(test_waiting_times),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_client_certificates),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
