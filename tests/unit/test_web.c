/* SPDX-License-Identifier: BSD-2-Clause */
/* The web side: what it answers, and what it does not let itself be talked into. */
#define _GNU_SOURCE 1 /* strcasestr() */
#include <sys/resource.h>
#include <sys/stat.h>

#include <jansson.h>
#include <zlib.h>

#include "report/html.h"
#include "web_scene.h"

#define PROMETHEUS_ACCEPTS                                                                  \
	"Accept: application/openmetrics-text;version=1.0.0,"                               \
	"application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5," \
	"*/*;q=0.1\r\n"

static struct scene scene;

static int set_up(void **state)
{
	struct web_config config = { 0 };

	(void)state;
	scene_open(&scene, &config);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	web_stop(scene.web);
	return 0;
}

/* The error of a JSON answer; "" when it is none. */
static const char *json_error(const struct answer *a)
{
	static char error[512];
	json_t *document = json_loads(a->body, 0, NULL);

	*error = '\0';
	if (document &&
	    !strcmp(json_string_value(json_object_get(document, "schema")), "redmem.error/1"))
		snprintf(error, sizeof(error), "%s",
			 json_string_value(json_object_get(document, "error")));
	json_decref(document);
	return error;
}

/* --- what is answered ----------------------------------------------------------------- */

static void test_pages(void **state)
{
	static const struct {
		const char *what, *type, *part;
	} rows[] = {
		{ "GET /metrics", "text/plain; version=0.0.4; charset=utf-8",
		  "redmem_up{server=\"all\"} 1\n" },
		{ "GET /healthz", "text/plain; charset=utf-8", "ok\n" },
		{ "GET /scrape?target=cache", "text/plain; version=0.0.4; charset=utf-8",
		  "{server=\"cache\"}" },
		{ "GET /scrape?target=127.0.0.1:6379", "text/plain; version=0.0.4; charset=utf-8",
		  "{server=\"cache\"}" },
		{ "GET /scrape?target=redis://127.0.0.1:6379",
		  "text/plain; version=0.0.4; charset=utf-8", "{server=\"cache\"}" },
		{ "GET /api/v1/servers", "application/json; charset=utf-8", "redmem.servers/1" },
		{ "GET /api/v1/findings", "application/json; charset=utf-8", "redmem.findings/1" },
		{ "GET /api/v1/findings?server=cache", "application/json; charset=utf-8",
		  "redmem.findings/1" },
		{ "GET /api/v1/report?server=cache&at=-10m&for=5m",
		  "application/json; charset=utf-8", "redmem.doctor/1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = ask(&scene, rows[i].what, ""), head;
		struct buf line = {};

		buf_printf(&line, "Content-Type: %s", rows[i].type);
		if (a.status != 200 || !strstr(a.body, rows[i].part) ||
		    !has_header(&a, buf_str(&line)) ||
		    !has_header(&a, "X-Content-Type-Options: nosniff") ||
		    !has_header(&a, "Cache-Control: no-store"))
			fail_msg("%s: %d\n%s%s", rows[i].what, a.status, a.head, a.body);
		buf_clear(&line);
		buf_printf(&line, "HEAD%s", rows[i].what + 3);
		head = ask(&scene, buf_str(&line), "");
		if (head.status != 200 || head.body_len ||
		    !strcasestr(head.head, "\r\nContent-Length: ") ||
		    has_header(&head, "Content-Length: 0"))
			fail_msg("%s: %d\n%s%s", buf_str(&line), head.status, head.head, head.body);
		buf_free(&line);
	}
}

/* The live page, which is longer than the others' answers: it may ask this server, and no other,
 * and other pages may not frame it. */
static void test_page(void **state)
{
	static const char ask_for[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct buf page = { 0 }, policy = { 0 };
	struct client c;
	struct answer a;

	(void)state;
	html_live(&page);
	html_policy(&policy, true);
	buf_puts(&policy, "; frame-ancestors 'none'");
	client_open(&c, &scene, NULL);
	client_send(&scene, &c, ask_for, strlen(ask_for));
	client_wait(&scene, &c);
	a = answer_of(&c);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_len, page.len);
	assert_memory_equal(c.in.data + c.in.len - page.len, page.data, page.len);
	assert_true(has_header(&a, "Content-Type: text/html; charset=utf-8"));
	assert_true(has_header(&a, "X-Content-Type-Options: nosniff"));
	assert_true(has_header(&a, "Cache-Control: no-store"));
	buf_clear(&page);
	buf_printf(&page, "Content-Security-Policy: %s", buf_str(&policy));
	assert_true(has_header(&a, buf_str(&page)));
	client_close(&c);
	buf_free(&policy);
	buf_free(&page);
}

static void test_servers(void **state)
{
	struct answer a = ask(&scene, "GET /api/v1/servers", "");
	json_t *document = json_loads(a.body, 0, NULL), *row;

	(void)state;
	assert_non_null(document);
	row = json_array_get(json_object_get(document, "servers"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "server")), "cache");
	assert_string_equal(json_string_value(json_object_get(row, "window_end")),
			    "2025-11-28T12:00:00.000Z");
	assert_true(json_is_null(json_object_get(row, "target")));
	row = json_array_get(json_object_get(document, "servers"), 1);
	assert_string_equal(json_string_value(json_object_get(row, "reason")),
			    "it does not answer");
	assert_true(json_is_null(json_object_get(row, "window_end")));
	json_decref(document);
}

static void test_openmetrics(void **state)
{
	static const struct {
		const char *accept;
		bool openmetrics;
	} rows[] = {
		{ PROMETHEUS_ACCEPTS, true },
		{ "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
		  "application/openmetrics-text;version=0.0.1;q=0.4,"
		  "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
		  "text/plain;version=0.0.4;q=0.2,*/*;q=0.1\r\n",
		  true },
		{ "Accept: application/openmetrics-text\r\n", true },
		{ "Accept: Application/OpenMetrics-Text\r\n", true },
		{ "accept:APPLICATION/OpenMetrics-Text ; version=1.0.0 ; q=0.9 , "
		  "text/plain;q=0.8\r\n",
		  true },
		{ "Accept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\n", false },
		{ "Accept: application/openmetrics-text;q=0.3,text/plain;q=0.5\r\n", false },
		{ "Accept: application/openmetrics-text;q=0\r\n", false },
		{ "Accept: application/openmetrics-text;version=2.0.0\r\n", false },
		{ "Accept: */*\r\n", false },
		{ "Accept: ,;,;q,;q=,=,\t;;;;text/\r\n", false },
		{ "Accept: application/openmetrics-textual\r\n", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = ask(&scene, "GET /metrics", rows[i].accept);
		bool is = has_header(
			&a,
			"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8");

		if (a.status != 200 || is != rows[i].openmetrics ||
		    is != (strstr(a.body, "# EOF\n") != NULL))
			fail_msg("%s\n%s%s", rows[i].accept, a.head, a.body);
	}
}

static void test_gzip(void **state)
{
	static const struct {
		const char *accept;
		bool gzip;
	} rows[] = {
		{ "Accept-Encoding: gzip\r\n", true },
		{ "Accept-Encoding: deflate, gzip;q=0.5\r\n", true },
		{ "Accept-Encoding: *\r\n", true },
		{ "Accept-Encoding: gzip;q=0, *\r\n", false },
		{ "Accept-Encoding: identity\r\n", false },
		{ "", false },
	};
	char plain[65536];

	(void)state;
	scene.body_bytes = 50000;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = ask(&scene, "GET /metrics", rows[i].accept);
		z_stream z = { .next_in = (unsigned char *)a.body,
			       .avail_in = (unsigned)a.body_len,
			       .next_out = (unsigned char *)plain,
			       .avail_out = sizeof(plain) };

		assert_int_equal(a.status, 200);
		assert_int_equal(has_header(&a, "Content-Encoding: gzip"), rows[i].gzip);
		assert_true(has_header(&a, "Vary: Accept, Accept-Encoding"));
		if (!rows[i].gzip) {
			assert_true(a.body_len > 50000);
			continue;
		}
		assert_true(a.body_len < 5000);
		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		inflateEnd(&z);
		assert_true(z.total_out > 50000);
		assert_memory_equal(plain, "# TYPE redmem_up gauge\n", 23);
	}
	/* A line is not worth it. */
	assert_false(strcasestr(ask(&scene, "GET /healthz", "Accept-Encoding: gzip\r\n").head,
				"Content-Encoding") != NULL);
}

static void test_one_body(void **state)
{
	const int64_t start = clock_mono_ns();
	int64_t seconds;

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_int_equal(ask(&scene, "GET /metrics", "").status, 200);
	seconds = (clock_mono_ns() - start) / 1000000000;
	assert_in_range(scene.metrics_calls, 1, seconds + 2);
	/* Another form is another body, and so is another server. */
	scene.metrics_calls = 0;
	assert_non_null(strstr(ask(&scene, "GET /metrics", PROMETHEUS_ACCEPTS).body, "# EOF"));
	assert_non_null(strstr(ask(&scene, "GET /scrape?target=cache", "").body, "\"cache\""));
	assert_int_equal(scene.metrics_calls, 2);
}

static void test_kept_connection(void **state)
{
	static const char first[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
			  two[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
				  "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct client c;

	(void)state;
	client_open(&c, &scene, NULL);
	client_send(&scene, &c, first, sizeof(first) - 1);
	while (!strstr(buf_str(&c.in), "ok\n")) {
		assert_false(c.ended);
		scene_turn(&scene, c.fd, POLLIN);
		client_read(&c);
	}
	client_send(&scene, &c, two, sizeof(two) - 1);
	client_wait(&scene, &c);
	assert_non_null(strstr(buf_str(&c.in), "redmem_up"));
	client_close(&c);
}

static void test_health(void **state)
{
	struct answer a;

	(void)state;
	scene.ill = 1;
	a = ask(&scene, "GET /healthz", "");
	assert_int_equal(a.status, 503);
	assert_string_equal(a.body, "the watcher says nothing any more\n");
}

static void test_reload(void **state)
{
	struct answer a;

	(void)state;
	assert_int_equal(ask(&scene, "POST /-/reload", "Content-Length: 0\r\n").status, 200);
	assert_int_equal(ask(&scene, "PUT /-/reload", "").status, 200);
	assert_int_equal(scene.reload_calls, 2);
	a = ask(&scene, "GET /-/reload", "");
	assert_int_equal(a.status, 405);
	assert_true(has_header(&a, "Allow: POST, PUT"));
	/* A page in a browser on this host sends it. */
	a = ask(&scene, "POST /-/reload", "Sec-Fetch-Site: cross-site\r\n");
	assert_int_equal(a.status, 403);
	assert_int_equal(scene.reload_calls, 2);
	assert_int_equal(ask(&scene, "POST /-/reload", "Sec-Fetch-Site: none\r\n").status, 200);
}

/* --- reports ----------------------------------------------------------------- */

static void test_report(void **state)
{
	struct answer a = ask(&scene,
			      "GET /api/v1/report?server=gone%20one&"
			      "at=2025-11-28T03:00:00%2B00:00&for=90s",
			      "");

	(void)state;
	assert_int_equal(a.status, 200);
	assert_string_equal(scene.asked_server, "gone one");
	assert_int_equal(scene.asked.from_ms, 1764298800000);
	assert_int_equal(scene.asked.to_ms, 1764298890000);
	ask(&scene, "GET /api/v1/report?server=cache", "");
	assert_int_equal(scene.asked.to_ms - scene.asked.from_ms, 600000);
	scene.report_ret = -ENOENT;
	a = ask(&scene, "GET /api/v1/report?server=cache", "");
	assert_int_equal(a.status, 404);
	assert_string_equal(json_error(&a), "nothing is kept of that time");
	scene.report_ret = -EIO;
	assert_int_equal(ask(&scene, "GET /api/v1/report?server=cache", "").status, 503);
}

/* While reports are made everything else is answered; more than can wait are told so. */
static void test_reports_wait(void **state)
{
	static const char text[] =
		"GET /api/v1/report?server=cache HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct client c[12];
	int made = 0, refused = 0, ended = 0;

	(void)state;
	assert_int_equal(pipe(scene.gate), 0);
	for (size_t i = 0; i < 12; i++) {
		client_open(&c[i], &scene, NULL);
		client_send(&scene, &c[i], text, sizeof(text) - 1);
	}
	while (ended < 4) { /* those for which there is no room */
		ended = 0;
		scene_turn(&scene, -1, 0);
		for (size_t i = 0; i < 12; i++) {
			client_read(&c[i]);
			ended += c[i].ended;
		}
	}
	assert_int_equal(ask(&scene, "GET /metrics", "").status, 200);
	assert_int_equal(write(scene.gate[1], "12345678", 8), 8);
	for (size_t i = 0; i < 12; i++) {
		struct answer a;

		client_wait(&scene, &c[i]);
		a = answer_of(&c[i]);
		made += a.status == 200 && strstr(a.body, "redmem.doctor/1");
		refused += a.status == 503 && has_header(&a, "Retry-After: 5");
		client_close(&c[i]);
	}
	assert_int_equal(made, 8);
	assert_int_equal(refused, 4);
	close(scene.gate[0]);
	close(scene.gate[1]);
}

/* It ends while one is being made, others wait, and one has hung up. */
static void test_stop_with_reports(void **state)
{
	static const char text[] = "GET /api/v1/report?server=cache HTTP/1.1\r\nHost: x\r\n\r\n";
	struct client c[3];

	(void)state;
	set_up(NULL);
	assert_int_equal(pipe(scene.gate), 0);
	for (size_t i = 0; i < 3; i++) {
		client_open(&c[i], &scene, NULL);
		client_send(&scene, &c[i], text, sizeof(text) - 1);
	}
	while (!__atomic_load_n(&scene.report_calls, __ATOMIC_SEQ_CST))
		scene_turn(&scene, -1, 0);
	client_close(&c[1]);
	scene_turn(&scene, -1, 0);
	assert_int_equal(write(scene.gate[1], "123", 3), 3);
	web_stop(scene.web);
	client_close(&c[0]);
	client_close(&c[2]);
	close(scene.gate[0]);
	close(scene.gate[1]);
}

/* --- what is refused ----------------------------------------------------------------- */

static void test_refused(void **state)
{
	static const struct {
		int status;
		const char *what, *part;
	} rows[] = {
		{ 404, "GET /nothing", "there is no page /nothing here" },
		{ 404, "GET /metrics/", "there is no page" },
		{ 404, "GET //metrics", "there is no page" },
		{ 404, "GET /../../etc/passwd", "there is no page" },
		{ 404, "GET /%1b[2J", "there is no page /\\x1b[2J here" },
		{ 404, "GET /api/v1/nothing", "there is no page" },
		{ 404, "GET /scrape?target=nobody", "no server \"nobody\"" },
		{ 404, "GET /scrape?target=%22%0a%ff%1b", "no server \"\\\"\\n\\xff\\x1b\"" },
		{ 404, "GET /api/v1/findings?server=%3Cscript%3E", "no server \"<script>\"" },
		{ 400, "GET /scrape", "say which server" },
		{ 400, "GET /scrape?target=", "has no value" },
		{ 400, "GET /scrape?target", "has no value" },
		{ 400, "GET /scrape?target=cache&target=cache", "is there twice" },
		{ 400, "GET /scrape?target=cache&module=x", "no parameter \"module\"" },
		{ 400, "GET /scrape?target=ca%00che", "a NUL" },
		{ 400, "GET /metrics%00", "a NUL" },
		{ 400, "GET /api/v1/servers?x=1", "no parameter \"x\"" },
		{ 400, "GET /api/v1/report", "say of which server" },
		{ 400, "GET /api/v1/report?server=cache&at=yesterday",
		  "\"yesterday\" is not a time" },
		{ 400, "GET /api/v1/report?server=cache&for=-1m", "is not a length of time" },
		{ 400, "GET /api/v1/report?server=cache&for=7h", "6 hours at most" },
		{ 400, "GET /api/v1/report?server=cache&at=2999-01-01T00:00:00Z", "yet to come" },
		{ 405, "POST /metrics", "takes a GET" },
		{ 405, "DELETE /api/v1/servers", "takes a GET" },
		{ 405, "OPTIONS /healthz", "takes a GET" },
		{ 405, "BREW /", "takes a GET" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = ask(&scene, rows[i].what, "");
		bool json = strstr(rows[i].what, " /api/") != NULL;
		const char *text = json ? json_error(&a) : a.body;

		if (a.status != rows[i].status || !strstr(text, rows[i].part))
			fail_msg("%s: %d\n%s%s", rows[i].what, a.status, a.head, a.body);
		assert_true(has_header(&a, json ? "Content-Type: application/json; charset=utf-8" :
						  "Content-Type: text/plain; charset=utf-8"));
		if (a.status == 405)
			assert_true(has_header(&a, "Allow: GET, HEAD"));
		if (!json) /* one line */
			assert_ptr_equal(strchr(a.body, '\n'), a.body + a.body_len - 1);
	}
	assert_int_equal(scene.metrics_calls, 0);
	assert_int_equal(scene.report_calls, 0);
}

static void test_too_much(void **state)
{
	struct buf text = {};

	(void)state;
	buf_puts(&text, "GET /metrics?");
	buf_fill(&text, 'x', 2100);
	assert_int_equal(ask(&scene, buf_str(&text), "").status, 414);
	buf_fill(&text, 'x', 100000); /* more than a connection may hold */
	assert_int_equal(ask(&scene, buf_str(&text), "").status, 414);
	buf_clear(&text);
	buf_puts(&text, "X-Large: ");
	buf_fill(&text, 'x', 100000);
	buf_puts(&text, "\r\n");
	assert_in_range(ask(&scene, "GET /metrics", buf_str(&text)).status, 413, 431);
	buf_clear(&text);
	for (int i = 0; i < 5000; i++)
		buf_puts(&text, "a:b\r\n");
	assert_in_range(ask(&scene, "GET /metrics", buf_str(&text)).status, 413, 431);
	/* A body is not waited for. */
	assert_int_equal(ask(&scene, "POST /metrics", "Content-Length: 99999999999\r\n").status,
			 405);
	assert_int_equal(ask(&scene, "POST /metrics", "Transfer-Encoding: chunked\r\n").status,
			 405);
	assert_int_equal(ask(&scene, "GET /metrics", "").status, 200);
	buf_free(&text);
}

/* A body of more than all may be; what is under way does not add up without end either. */
static void test_large_answers(void **state)
{
	struct answer a;

	(void)state;
	scene.body_bytes = 33 << 20;
	a = ask(&scene, "GET /metrics", "");
	assert_int_equal(a.status, 503);
	assert_true(has_header(&a, "Retry-After: 5"));
}

/* Bytes that are no request, and requests with a few bytes changed. */
static void test_random(void **state)
{
	static const char good[] = "GET /api/v1/report?server=cache&at=-10m&for=5m HTTP/1.1\r\n"
				   "Connection: close\r\nAccept: text/plain;q=0.5, */*\r\n"
				   "Authorization: Basic YTpi\r\nContent-Length: 0\r\n\r\n";
	struct web_config config = { .slow_ms = 1000 };
	unsigned int seed = 1;
	char text[sizeof(good)];

	(void)state;
	scene_open(&scene, &config);
	for (int round = 0; round < 1500; round++) {
		size_t len = sizeof(good) - 1;
		struct client c;

		memcpy(text, good, len);
		if (round % 3 == 0)
			for (size_t i = 0; i < len; i++)
				text[i] = (char)(rand_r(&seed) >> 8);
		for (int n = round % 3 ? 1 + rand_r(&seed) % 6 : 0; n; n--)
			text[(size_t)rand_r(&seed) % len] = (char)(rand_r(&seed) >> 8);
		if (round % 5 == 0)
			len = (size_t)rand_r(&seed) % len;
		client_open(&c, &scene, NULL);
		client_send(&scene, &c, text, len);
		for (int turns = 0; turns < 3; turns++)
			web_run(scene.web);
		client_read(&c);
		client_close(&c);
	}
	while (web_counts(scene.web).connections)
		scene_turn(&scene, -1, 0);
	assert_int_equal(ask(&scene, "GET /metrics", "").status, 200);
	assert_true(web_counts(scene.web).requests > 300);
	web_stop(scene.web);
}

/* --- who takes long, and who are many ----------------------------------- */

static void test_slow(void **state)
{
	struct web_config config = { .slow_ms = 300 };
	struct client drips[30], reader;
	int64_t until = clock_mono_ns() + PATIENCE_NS;
	size_t open = 30;

	(void)state;
	scene_open(&scene, &config);
	scene.body_bytes = 30 << 20;
	for (size_t i = 0; i < 30; i++)
		client_open(&drips[i], &scene, NULL);
	/* One that asks for much, and does not read. */
	client_open(&reader, &scene, NULL);
	client_send(&scene, &reader, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 35);
	while (open && clock_mono_ns() < until) {
		open = 0;
		for (size_t i = 0; i < 30; i++) {
			/* A byte at a time, for ever: none is idle. */
			if (!drips[i].ended)
				client_send(&scene, &drips[i], "x", 1);
			client_read(&drips[i]);
			open += !drips[i].ended;
		}
		scene_turn(&scene, -1, 0);
	}
	assert_int_equal(open, 0);
	while (web_counts(scene.web).connections && clock_mono_ns() < until)
		scene_turn(&scene, -1, 0);
	assert_int_equal(web_counts(scene.web).connections, 0);
	scene.body_bytes = 0;
	assert_int_equal(ask(&scene, "GET /healthz", "").status, 200);
	for (size_t i = 0; i < 30; i++)
		client_close(&drips[i]);
	client_close(&reader);
	web_stop(scene.web);
}

/* Who leaves in the middle of a request keeps others out no longer. */
static void test_left(void **state)
{
	static const char part[] = "GET /metrics HTTP/1.1\r\n";
	struct web_config config = { 0 };
	struct client slow, left[300];
	int64_t until = clock_mono_ns() + PATIENCE_NS;

	(void)state;
	scene_open(&scene, &config);
	client_open(&slow, &scene, NULL);
	client_send(&scene, &slow, part, strlen(part));
	for (int i = 0; i < 300; i++) {
		char from[32];

		snprintf(from, sizeof(from), "127.1.%d.1", i);
		client_open(&left[i], &scene, i < 200 ? from : "127.2.0.1");
		send(left[i].fd, part, strlen(part), MSG_NOSIGNAL);
		client_close(&left[i]);
	}
	assert_int_equal(ask(&scene, "GET /healthz", "").status, 200);
	while (web_counts(scene.web).connections > 1 && clock_mono_ns() < until)
		scene_turn(&scene, -1, 0);
	client_read(&slow);
	assert_false(slow.ended);
	client_close(&slow);
	web_stop(scene.web);
}

/* Who asks several things at once and says that he asks no more is answered all of them. */
static void test_half_closed(void **state)
{
	static const char asked[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	struct web_config config = { 0 };
	struct client c;
	const char *at;
	int answers = 0;

	(void)state;
	scene_open(&scene, &config);
	client_open(&c, &scene, NULL);
	for (int i = 0; i < 20; i++)
		client_send(&scene, &c, asked, strlen(asked));
	shutdown(c.fd, SHUT_WR);
	for (int64_t until = clock_mono_ns() + PATIENCE_NS; !c.ended && clock_mono_ns() < until;
	     client_read(&c))
		scene_turn(&scene, c.fd, POLLIN);
	for (at = buf_str(&c.in); (at = strstr(at, "HTTP/1.1 200")); at++)
		answers++;
	assert_int_equal(answers, 20);
	client_close(&c);
	web_stop(scene.web);
}

#define MANY 1000

/* @count clients, @each of one address; how many got a whole answer. */
static int storm(size_t count, size_t each)
{
	static const char text[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	static struct client c[MANY];
	int64_t until = clock_mono_ns() + PATIENCE_NS;
	size_t open = count;
	int whole = 0;

	for (size_t i = 0; i < count; i++) {
		char from[40];

		snprintf(from, sizeof(from), "127.0.%zu.%zu", 1 + i / each / 200,
			 1 + i / each % 200);
		client_open(&c[i], &scene, from);
		if (i % 100 == 99)
			web_run(scene.web);
	}
	for (size_t i = 0; i < count; i++)
		client_send(&scene, &c[i], text, sizeof(text) - 1);
	while (open && clock_mono_ns() < until) {
		open = 0;
		scene_turn(&scene, -1, 0);
		assert_true(web_counts(scene.web).connections <= 128);
		for (size_t i = 0; i < count; i++) {
			client_read(&c[i]);
			open += !c[i].ended;
		}
	}
	for (size_t i = 0; i < count; i++) {
		struct answer a = answer_of(&c[i]);

		whole += a.status == 200 && strstr(a.body, "redmem_up") != NULL;
		client_close(&c[i]);
	}
	return whole;
}

static void test_many(void **state)
{
	struct client one[100];
	struct rlimit files;
	size_t count = MANY;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < MANY + 200)
		count = files.rlim_cur - 200;
	/* Of many addresses all are answered, however many at once. */
	assert_int_equal(storm(count, 4), count);
	/* Of one address only so many are let in; others do not wait for them. */
	for (size_t i = 0; i < 100; i++)
		client_open(&one[i], &scene, "127.0.0.9");
	while (web_counts(scene.web).refused < 68)
		scene_turn(&scene, -1, 0);
	assert_int_equal(web_counts(scene.web).connections, 32);
	assert_int_equal(ask(&scene, "GET /metrics", "").status, 200);
	for (size_t i = 0; i < 100; i++)
		client_close(&one[i]);
	while (web_counts(scene.web).connections)
		scene_turn(&scene, -1, 0);
}

/* --- where it listens ----------------------------------------------------------------- */

static int listen_at(const char *where, struct err *err)
{
	const char *const list[] = { where };
	const struct web_config config = { .listen = list, .listen_count = 1 };
	const struct web_source source = { .metrics = scene_metrics };
	struct web *web;
	int ret = web_start(&web, &config, &source, err);

	if (!ret)
		web_stop(web);
	return ret;
}

static void test_listen(void **state)
{
	static const char *const wrong[] = { "",
					     ":",
					     "9122",
					     "127.0.0.1",
					     "127.0.0.1:",
					     "::1:9122",
					     "[::1]",
					     "127.0.0.1:99999",
					     "127.0.0.1:-1",
					     "unix:",
					     "example.org:9122",
					     "127.0.0.1:9122x",
					     "[::1:9122" };
	struct err err = { 0 };
	char where[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (listen_at(wrong[i], &err) != -EINVAL)
			fail_msg("%s: %s", wrong[i], err.text);
	assert_int_equal(listen_at("localhost:0", &err), 0);
	assert_int_equal(listen_at(":0", &err), 0);
	assert_int_equal(listen_at("192.0.2.1:0", &err), -EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "this host has no such address"));
	/* Taken by somebody else; this process is not told of. */
	snprintf(where, sizeof(where), "127.0.0.1:%d", web_port(scene.web));
	assert_int_equal(listen_at(where, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "is taken"));
	assert_non_null(strstr(err.text, "--listen"));
}

static void test_unix_socket(void **state)
{
	char dir[] = "/tmp/redmem-web-XXXXXX", where[128];
	const char *const list[] = { where };
	struct web_config config = { .listen = list, .listen_count = 1 };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct client c;
	struct stat st;
	int stale;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(where, sizeof(where), "unix:%s/s", dir);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/s", dir);
	/* One that was left behind is in the way. */
	stale = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(stale, (struct sockaddr *)&to, sizeof(to)), 0);
	close(stale);
	scene_open(&scene, &config);
	assert_int_equal(web_port(scene.web), 0);
	c = (struct client){ .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	assert_int_equal(connect(c.fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
	client_send(&scene, &c, "GET /healthz HTTP/1.0\r\n\r\n", 25);
	client_wait(&scene, &c);
	assert_int_equal(answer_of(&c).status, 200);
	client_close(&c);
	/* It is in use: nobody else takes it. */
	assert_int_equal(listen_at(where, NULL), -EADDRINUSE);
	assert_int_equal(stat(to.sun_path, &st), 0);
	web_stop(scene.web);
	assert_int_equal(stat(to.sun_path, &st), -1);
	rmdir(dir);
}

#define WITH_WEB(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WEB(test_pages),
		WITH_WEB(test_page),
		WITH_WEB(test_servers),
		WITH_WEB(test_openmetrics),
		WITH_WEB(test_gzip),
		WITH_WEB(test_one_body),
		WITH_WEB(test_kept_connection),
		WITH_WEB(test_health),
		WITH_WEB(test_reload),
		WITH_WEB(test_report),
		WITH_WEB(test_reports_wait),
		cmocka_unit_test(test_stop_with_reports),
		WITH_WEB(test_refused),
		WITH_WEB(test_too_much),
		WITH_WEB(test_large_answers),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_half_closed),
		WITH_WEB(test_many),
		WITH_WEB(test_listen),
		cmocka_unit_test(test_unix_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
