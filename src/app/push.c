/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles sent by HTTP; see push.h. */
#include "app/push.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "app/progress.h"
#include "app/secret.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/version.h"
#include "report/json.h"
#include "report/pprof_read.h"

#define TOKEN_MAX	16384
#define ANSWER_MAX	2048 /* bytes of an answer that are looked at */
#define TRIES		4
#define REST_MS		1000 /* before the second; twice as long each time */
#define REST_MAX_MS	30000 /* also where the server asks for more */
#define CONNECT_SECONDS 10L
#define SECONDS		60L
#define SLICE_MS	50

struct push {
	const struct push_options *options;
	struct pprof_head head;
	CURL *curl;
	CURLU *url;
	struct curl_slist *headers;
	curl_mime *form; /* of Pyroscope */
	struct buf body; /* of Parca */
	struct buf token;
	struct buf answer;
	char why[CURL_ERROR_SIZE];
};

/* --- where to --------------------------------------------------------------------------- */

static const char
	*const paths[] = { [PUSH_PYROSCOPE] = "/ingest", [PUSH_PARCA] = "/api/profiles/writeraw" };

static int refused(const struct push *p, const char *why, struct err *err)
{
	(void)p;
	return err_set(err, -EINVAL, "push: --url: %s", why);
}

/* What is in it of that kind; NULL without. curl_free() it. */
static char *part_of(const struct push *p, CURLUPart which)
{
	char *text = NULL;

	return curl_url_get(p->url, which, &text, 0) ? NULL : text;
}

static bool is_plain(const struct push *p)
{
	char *scheme = part_of(p, CURLUPART_SCHEME);
	bool plain = scheme && !strcmp(scheme, "http");

	curl_free(scheme);
	return plain;
}

static bool is_loopback(const char *host)
{
	struct in_addr address; /* "127.example.org" is none, but a name */

	return !strcmp(host, "localhost") || !strcmp(host, "[::1]") ||
	       (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* A token is a secret: it goes to this host alone, or where nobody can read it on its way. */
static int check_place(const struct push *p, struct err *err)
{
	char *scheme = part_of(p, CURLUPART_SCHEME), *host = part_of(p, CURLUPART_HOST);
	char *password = part_of(p, CURLUPART_PASSWORD), *user = part_of(p, CURLUPART_USER);
	int ret = 0;

	if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) || !host)
		ret = refused(p, "it begins with http:// or https://", err);
	else if (password)
		ret = refused(p,
			      "a password does not belong into a command line; put it into a "
			      "file and name that with --token-file",
			      err);
	else if (user && !p->options->token_file)
		ret = refused(p, "whoever logs in as a user needs --token-file, too", err);
	else if (p->options->token_file && strcmp(scheme, "https") != 0 && !is_loopback(host))
		ret = refused(p, "a token would go through the network in the clear; use https",
			      err);
	curl_free(scheme);
	curl_free(host);
	curl_free(password);
	curl_free(user);
	return ret;
}

/* The path of the API, behind what the address has already. */
static void add_path(const struct push *p)
{
	const char *path = paths[p->options->api];
	char *given = part_of(p, CURLUPART_PATH);
	size_t len = given ? strlen(given) : 0, own = strlen(path);
	struct buf all = { 0 };

	while (len && given[len - 1] == '/')
		len--;
	if (len)
		buf_add(&all, given, len);
	if (len < own || memcmp(given + len - own, path, own) != 0)
		buf_puts(&all, path);
	curl_url_set(p->url, CURLUPART_PATH, buf_str(&all), 0);
	curl_free(given);
	buf_free(&all);
}

static void add_query(const struct push *p, const char *name, const char *value)
{
	struct buf pair = { 0 };

	buf_printf(&pair, "%s=%s", name, value);
	curl_url_set(p->url, CURLUPART_QUERY, buf_str(&pair), CURLU_APPENDQUERY | CURLU_URLENCODE);
	buf_free(&pair);
}

/* A label's value among others: what would end it becomes '_'. */
static void add_value(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_putc(out,
			 isalnum((unsigned char)*text) || strchr("_.:/-[]@#", *text) ? *text : '_');
}

static void add_number(const struct push *p, const char *name, int64_t value)
{
	struct buf text = { 0 };

	buf_printf(&text, "%lld", (long long)value);
	add_query(p, name, buf_str(&text));
	buf_free(&text);
}

/* Whole seconds, of which the last is not before the first. */
static void add_times(const struct push *p)
{
	int64_t from = p->head.time_ns > 0 ? p->head.time_ns : clock_wall_ms() * 1000000;
	int64_t length = p->head.duration_ns > 0 ? p->head.duration_ns : 0;

	if (length > INT64_MAX - from)
		length = 0;
	add_number(p, "from", from / 1000000000);
	add_number(p, "until", (from + length) / 1000000000 + 1);
}

static int set_place(struct push *p, struct err *err)
{
	int ret;

	p->url = curl_url();
	if (!p->url)
		out_of_memory();
	if (curl_url_set(p->url, CURLUPART_URL, p->options->url, 0))
		return refused(p, "it is no address", err);
	ret = check_place(p, err);
	if (ret)
		return ret;
	add_path(p);
	if (p->options->api == PUSH_PYROSCOPE) {
		struct buf name = { 0 };

		buf_puts(&name, p->options->name);
		if (*p->head.server) {
			buf_puts(&name, "{instance=");
			add_value(&name, p->head.server);
			buf_putc(&name, '}');
		}
		add_query(p, "name", buf_str(&name));
		add_query(p, "format", "pprof");
		add_query(p, "spyName", "redmem");
		add_times(p);
		buf_free(&name);
	}
	return 0;
}

/* --- what is sent ---------------------------------------------------------------------- */

/* Each value is of the window alone and adds up with that of the next. */
static void sample_types(const struct push *p, struct buf *out)
{
	json_t *all = json_object();

	for (size_t i = 0; i < p->head.types_count; i++) {
		json_t *o = json_object();

		put(o, "units", value_text(p->head.types[i].unit));
		put(o, "aggregation", json_string("sum"));
		put(o, "cumulative", json_false());
		put(o, "sampled", json_false());
		json_object_set_new(all, p->head.types[i].type, o);
	}
	json_write(out, all);
}

static void add_file(struct push *p, const char *name, const char *file, const struct buf *data)
{
	curl_mimepart *part = curl_mime_addpart(p->form);

	if (!part || curl_mime_name(part, name) || curl_mime_filename(part, file) ||
	    curl_mime_data(part, buf_str(data), data->len))
		out_of_memory();
}

static void set_form(struct push *p, const struct buf *data)
{
	struct buf types = { 0 };

	p->form = curl_mime_init(p->curl);
	if (!p->form)
		out_of_memory();
	sample_types(p, &types);
	add_file(p, "profile", "profile.pb.gz", data);
	add_file(p, "sample_type_config", "sample_type_config.json", &types);
	curl_easy_setopt(p->curl, CURLOPT_MIMEPOST, p->form);
	buf_free(&types);
}

static void add_label(json_t *labels, const char *name, const char *value)
{
	json_t *o = json_object();

	put(o, "name", json_string(name));
	put(o, "value", value_text(value));
	put_last(labels, o);
}

static void set_json(struct push *p, const struct buf *data)
{
	json_t *o = json_object(), *series = json_array(), *one = json_object();
	json_t *labels = json_array(), *set = json_object();
	json_t *samples = json_array(), *sample = json_object();
	struct buf base64 = { 0 };

	add_label(labels, "__name__", p->options->name);
	if (*p->head.server)
		add_label(labels, "instance", p->head.server);
	put(set, "labels", labels);
	put(one, "labels", set);
	base64_encode(&base64, buf_str(data), data->len);
	put(sample, "rawProfile", json_string(buf_str(&base64)));
	put_last(samples, sample);
	put(one, "samples", samples);
	put_last(series, one);
	put(o, "series", series);
	put(o, "normalized", json_true());
	json_write(&p->body, o);
	buf_free(&base64);
	p->headers = curl_slist_append(p->headers, "Content-Type: application/json");
	curl_easy_setopt(p->curl, CURLOPT_POSTFIELDS, buf_str(&p->body));
	curl_easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body.len);
}

/* --- how ------------------------------------------------------------------------------- */

static size_t take_answer(char *data, size_t one, size_t len, void *ctx)
{
	struct push *p = ctx;
	size_t room = ANSWER_MAX - p->answer.len;

	(void)one;
	buf_add(&p->answer, data, len < room ? len : room);
	return len;
}

static int stop(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)ctx;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return interrupted();
}

/* The first line of the file: behind "Bearer", or a user's password where the address has one. */
static int set_token(struct push *p, struct err *err)
{
	const char *path = p->options->token_file;
	char *user = part_of(p, CURLUPART_USER);
	struct stat st;
	int ret = 0;

	if (path)
		ret = secret_read(&p->token, path, TOKEN_MAX, &st, "push", err);
	if (path && !ret)
		ret = secret_check(path, &st, "push", err);
	if (path && !ret) {
		p->token.len = strcspn(buf_str(&p->token), "\r\n");
		p->token.data[p->token.len] = 0;
		if (!p->token.len || !utf8_is_plain(p->token.data, p->token.len))
			ret = err_set(err, -EINVAL, "push: %s: its first line is no token", path);
	}
	if (path && !ret && user) {
		curl_easy_setopt(p->curl, CURLOPT_PASSWORD, p->token.data);
	} else if (path && !ret) {
		curl_easy_setopt(p->curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(p->curl, CURLOPT_XOAUTH2_BEARER, p->token.data);
	}
	curl_free(user);
	return ret;
}

static void set_how(struct push *p)
{
	CURL *curl = p->curl;
	struct buf agent = {};

	curl_easy_setopt(curl, CURLOPT_CURLU, p->url);
	if (p->options->token_file && is_plain(p)) /* to this host, and through no proxy */
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (p->options->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, p->options->ca_file);
	buf_printf(&agent, "redmem/%s", redmem_version);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, buf_str(&agent)); /* which it copies */
	buf_free(&agent);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, SECONDS);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, p->why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, p);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop);
	/* It is sent at once, not after a server that does not know of it has been waited for. */
	p->headers = curl_slist_append(p->headers, "Expect:");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, p->headers);
}

/* --- trying ---------------------------------------------------------------------------- */

static bool may_pass(CURLcode code, long status)
{
	switch (code) {
	case CURLE_OK:
		return status == 408 || status == 429 || (status >= 500 && status != 501);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return true;
	default:
		return false;
	}
}

static void rest(const struct push *p, int tried)
{
	int64_t ms = REST_MS << (tried - 1), end;
	curl_off_t asked = 0;

	curl_easy_getinfo(p->curl, CURLINFO_RETRY_AFTER, &asked);
	if (asked > 0)
		ms = asked < REST_MAX_MS / 1000 ? (int64_t)asked * 1000 : REST_MAX_MS;
	end = clock_mono_ns() + ms * 1000000;
	while (!interrupted() && clock_mono_ns() < end)
		nanosleep(&(struct timespec){ .tv_nsec = SLICE_MS * 1000000L }, NULL);
}

static int failed(const struct push *p, const char *where, CURLcode code, long status,
		  struct err *err)
{
	struct buf said = { 0 };
	int ret;

	if (interrupted())
		ret = err_set(err, -EINTR, "push: interrupted before %s had it", where);
	else if (code)
		ret = err_set(err, -EIO, "push: %s: %s", where,
			      *p->why && !p->options->own_words ? p->why :
								  curl_easy_strerror(code));
	else if (status >= 300 && status < 400)
		ret = err_set(err, -EIO,
			      "push: %s: it answers %ld, which is somewhere else: name that with "
			      "--url",
			      where, status);
	else {
		if (!p->options->own_words)
			escape_terminal(&said, buf_str(&p->answer), p->answer.len, 200);
		ret = err_set(err, -EIO, "push: %s: it answers %ld%s%s%s", where, status,
			      said.len ? ": " : "", buf_str(&said),
			      status == 401 || status == 403 ? "; see --token-file" : "");
	}
	buf_free(&said);
	return ret;
}

static int try_to_send(struct push *p, const char *where, struct err *err)
{
	long status = 0;
	CURLcode code;

	for (int tried = 1;; tried++) {
		buf_clear(&p->answer);
		code = curl_easy_perform(p->curl);
		if (!code)
			curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
		if (!code && status >= 200 && status < 300)
			return 0;
		if (interrupted() || tried == TRIES || !may_pass(code, status))
			return failed(p, where, code, status, err);
		rest(p, tried);
	}
}

/* The address without whom it is sent as, and the query. */
static void name_place(const struct push *p, struct buf *where)
{
	CURLU *shown = curl_url_dup(p->url);
	char *text = NULL;

	if (!shown)
		out_of_memory();
	curl_url_set(shown, CURLUPART_USER, NULL, 0);
	curl_url_set(shown, CURLUPART_QUERY, NULL, 0);
	if (!curl_url_get(shown, CURLUPART_URL, &text, 0))
		escape_terminal(where, text, strlen(text), 120);
	curl_free(text);
	curl_url_cleanup(shown);
}

static void push_close(struct push *p)
{
	curl_mime_free(p->form);
	curl_easy_cleanup(p->curl);
	curl_slist_free_all(p->headers);
	curl_url_cleanup(p->url);
	secret_wipe(&p->token);
	buf_free(&p->body);
	buf_free(&p->answer);
	pprof_head_free(&p->head);
}

int push_send(const struct push_options *o, const struct buf *data, const char *name,
	      struct buf *where, struct err *err)
{
	struct push p = { .options = o };
	int ret = pprof_read(&p.head, buf_str(data), data->len, name, err);

	if (ret)
		return ret;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	p.curl = curl_easy_init();
	if (!p.curl)
		out_of_memory();
	ret = set_place(&p, err);
	if (!ret)
		ret = set_token(&p, err);
	if (!ret) {
		name_place(&p, where);
		if (o->api == PUSH_PARCA)
			set_json(&p, data);
		else
			set_form(&p, data);
		set_how(&p);
		ret = try_to_send(&p, buf_str(where), err);
	}
	push_close(&p);
	curl_global_cleanup();
	return ret;
}
