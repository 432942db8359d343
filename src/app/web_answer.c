/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers to HTTP requests; see web_answer.h. */
#include "app/web_answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/escape.h"
#include "base/gzip.h"
#include "report/html.h"
#include "report/json.h"
#include "report/schema.h"

#define FRESH_NS   1000000000LL
#define KEPT	   16 /* bodies */
#define SHORT	   1024 /* bytes that are not worth compressing */
#define LARGEST	   (32UL << 20) /* of a body */
#define MOST_BYTES (96UL << 20) /* of all that have not been sent yet, and those kept */

struct kept {
	char *key; /* NULL = free */
	struct MHD_Response *response; /* ours; whoever is being answered has another hold on it */
	int64_t made_ns;
};

struct web_answers {
	struct kept kept[KEPT];
	size_t bytes; /* of all bodies that live */
};

/* A body, and whom to tell when it is gone. */
struct body {
	struct web_answers *answers;
	size_t len;
	char *data;
};

/* --- bodies ------------------------------------------------------------------------------ */

static void free_body(void *ctx)
{
	struct body *body = ctx;

	body->answers->bytes -= body->len;
	free(body->data);
	free(body);
}

/* Takes the text of @text over. */
static struct MHD_Response *make_response(struct web_answers *answers, struct buf *text)
{
	struct body *body = xcalloc(1, sizeof(*body));
	struct MHD_Response *response;

	body->answers = answers;
	body->len = text->len;
	body->data = text->data;
	*text = (struct buf){};
	answers->bytes += body->len;
	response = MHD_create_response_from_buffer_with_free_callback_cls(
		body->len, body->data ? body->data : (char *)"", free_body, body);
	if (!response)
		out_of_memory();
	return response;
}

static void header(struct MHD_Response *response, const char *name, const char *value)
{
	if (MHD_add_response_header(response, name, value) != MHD_YES)
		out_of_memory();
}

static void usual_headers(struct MHD_Response *response, const char *type)
{
	struct buf policy = {};

	header(response, "Content-Type", type);
	header(response, "Cache-Control", "no-store");
	header(response, "X-Content-Type-Options", "nosniff");
	if (strcmp(type, WEB_HTML) != 0)
		return;
	html_policy(&policy, true);
	buf_puts(&policy, "; frame-ancestors 'none'"); /* a page cannot say that of itself */
	header(response, "Content-Security-Policy", buf_str(&policy));
	header(response, "Referrer-Policy", "no-referrer");
	buf_free(&policy);
}

/* A scrape is read at once: time counts more than size. */
static void compress_body(struct buf *text)
{
	struct buf out = {};

	gzip_add(&out, buf_str(text), text->len, 1);
	buf_free(text);
	*text = out;
}

/* --- what the client takes -------------------------------------------------------------- */

/* An element of a list in a header: "text/plain;version=0.0.4;q=0.5". */
struct element {
	const char *name; /* not terminated */
	size_t len;
	double q;
	const char *version; /* NULL = none */
	size_t version_len;
};

static void take_parameter(struct element *e, const char *at, size_t len)
{
	const char *equals = memchr(at, '=', len), *value;
	char number[8] = "";
	size_t value_len;

	if (!equals)
		return;
	value = equals + 1;
	value_len = len - (size_t)(value - at);
	if (equals - at == 1 && (*at == 'q' || *at == 'Q')) {
		memcpy(number, value, value_len < 7 ? value_len : 7);
		e->q = strtod(number, NULL);
	} else if (equals - at == 7 && !strncasecmp(at, "version", 7)) {
		e->version = value;
		e->version_len = value_len;
	}
}

/* The next element at *@at, which moves on; false at the end. */
static bool next_element(const char **at, struct element *e)
{
	const char *part;

	*at += strspn(*at, " \t,");
	if (!**at)
		return false;
	*e = (struct element){ .name = *at, .len = strcspn(*at, ";, \t"), .q = 1 };
	*at += e->len;
	*at += strspn(*at, " \t");
	while (**at == ';') {
		part = *at + 1 + strspn(*at + 1, " \t");
		*at = part + strcspn(part, ";,");
		take_parameter(e, part, strcspn(part, ";, \t"));
	}
	*at += strcspn(*at, ",");
	return true;
}

static bool is_named(const struct element *e, const char *name)
{
	return e->len == strlen(name) && !strncasecmp(e->name, name, e->len);
}

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
	const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

	return value ? value : "";
}

bool web_wants_openmetrics(struct MHD_Connection *connection)
{
	const char *at = request_header(connection, "Accept");
	double openmetrics = 0, text = 0;
	struct element e;

	while (next_element(&at, &e)) {
		if (is_named(&e, "application/openmetrics-text")) {
			if ((!e.version ||
			     (e.version_len == 5 && !memcmp(e.version, "1.0.0", 5))) &&
			    e.q > openmetrics)
				openmetrics = e.q;
		} else if (is_named(&e, "text/plain") && e.q > text) {
			text = e.q;
		}
	}
	return openmetrics > text;
}

static bool takes_gzip(struct MHD_Connection *connection)
{
	const char *at = request_header(connection, "Accept-Encoding");
	struct element e;
	double gzip = -1, any = 0;

	while (next_element(&at, &e)) {
		if (is_named(&e, "gzip") || is_named(&e, "x-gzip"))
			gzip = e.q;
		else if (is_named(&e, "*"))
			any = e.q;
	}
	return (gzip < 0 ? any : gzip) > 0;
}

/* --- answering -------------------------------------------------------------------------- */

struct web_answers *web_answers_new(void)
{
	return xcalloc(1, sizeof(struct web_answers));
}

static void forget(struct kept *kept)
{
	if (!kept->key)
		return;
	free(kept->key);
	MHD_destroy_response(kept->response);
	*kept = (struct kept){};
}

void web_answers_free(struct web_answers *answers)
{
	for (size_t i = 0; i < KEPT; i++)
		forget(&answers->kept[i]);
	free(answers);
}

static void full_key(struct buf *out, const struct web_request *request, const char *key)
{
	buf_puts(out, takes_gzip(request->connection) ? "gzip " : "plain ");
	buf_puts(out, key);
}

bool web_answer_again(const struct web_request *request, const char *key)
{
	struct kept *kept = request->answers->kept;
	struct buf name = {};
	bool found = false;

	full_key(&name, request, key);
	for (size_t i = 0; !found && i < KEPT; i++) {
		if (!kept[i].key)
			continue;
		if (request->now_ns - kept[i].made_ns > FRESH_NS)
			forget(&kept[i]);
		else if (!strcmp(kept[i].key, buf_str(&name)))
			found = MHD_queue_response(request->connection, MHD_HTTP_OK,
						   kept[i].response) == MHD_YES;
	}
	buf_free(&name);
	return found;
}

/* In a free place, or that of the oldest. */
static void keep(const struct web_request *request, const char *key, struct MHD_Response *response)
{
	struct kept *kept = request->answers->kept, *place = kept;
	struct buf name = {};

	for (size_t i = 1; place->key && i < KEPT; i++)
		if (!kept[i].key || kept[i].made_ns < place->made_ns)
			place = &kept[i];
	forget(place);
	full_key(&name, request, key);
	*place =
		(struct kept){ .key = name.data, .response = response, .made_ns = request->now_ns };
}

void web_answer(const struct web_request *request, const char *key, const char *type,
		struct buf *body)
{
	struct MHD_Response *response;
	bool gzip = body->len > SHORT && takes_gzip(request->connection);

	if (body->len > LARGEST || request->answers->bytes + body->len > MOST_BYTES) {
		buf_free(body);
		web_answer_refusal(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Retry-After", "5",
				   "the answer is too large, or too many are being sent");
		return;
	}
	if (gzip)
		compress_body(body);
	response = make_response(request->answers, body);
	usual_headers(response, type);
	header(response, "Vary", "Accept, Accept-Encoding");
	if (gzip)
		header(response, "Content-Encoding", "gzip");
	MHD_queue_response(request->connection, MHD_HTTP_OK, response);
	if (key)
		keep(request, key, response);
	else
		MHD_destroy_response(response);
}

#define REFUSAL(M, MAYBE)            \
	M("status", integer, status) \
	M("error", text, text)
DOCUMENT(error, REFUSAL);

void web_answer_refusal(const struct web_request *request, unsigned int status, const char *name,
			const char *value, const char *text)
{
	struct MHD_Response *response;
	struct buf body = {};

	if (request->json) {
		json_t *o = json_document(&schema_error);

		PUT_MEMBERS(REFUSAL);
		json_write(&body, o);
	} else {
		buf_printf(&body, "%s\n", text);
	}
	response = make_response(request->answers, &body);
	usual_headers(response, request->json ? WEB_JSON : WEB_TEXT);
	if (name)
		header(response, name, value);
	MHD_queue_response(request->connection, status, response);
	MHD_destroy_response(response);
}

void web_answer_error(const struct web_request *request, unsigned int status, const char *text)
{
	web_answer_refusal(request, status, NULL, NULL, text);
}
