/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The web side; see web.h. libmicrohttpd speaks HTTP and TLS, without a thread: it has an epoll
 * descriptor, which is in ours beside the listening sockets and the eventfd of what is worked out
 * elsewhere. Connections are accepted here, so that there can be several sockets, and none is
 * lost when certificates change and libmicrohttpd has to begin anew.
 */
#define _GNU_SOURCE 1 /* accept4(), explicit_bzero() */
#include "app/web.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "app/web_answer.h"
#include "app/web_api.h"
#include "app/web_auth.h"
#include "app/web_caller.h"
#include "app/web_config.h"
#include "app/web_listen.h"
#include "app/web_tls.h"
#include "app/work.h"
#include "base/clock.h"

#define LISTENERS    8
#define OF_ONE	     32 /* connections of one address; of one /64 with IPv6 */
#define AT_ONCE	     16 /* are accepted before the caller's loop goes on */
#define MEMORY	     (24 << 10) /* of a connection: the head of a request and of its answer */
#define URL_MOST     2048
#define IDLE_SECONDS 20 /* nothing comes, nothing goes */
#define SLOW_MS	     30000 /* for a request and its answer */
#define CHECKS	     16 /* passwords that wait to be checked */
#define REPORTS	     8 /* reports that wait to be made */

struct web {
	struct web_source source;
	char *config_path; /* NULL = none */
	struct web_file *file; /* NULL = neither TLS nor passwords */
	struct web_file *next_file; /* to be taken when nothing is under way */
	bool renew; /* next_file, or none, is to be taken */
	struct web_auth *auth; /* NULL = nobody is asked */
	struct MHD_Daemon *daemon;
	struct web_listener listeners[LISTENERS];
	size_t listeners_count;
	bool listening; /* they are in @epoll_fd */
	int epoll_fd, event_fd;
	struct web_answers *answers;
	struct work *checks, *reports;
	struct web_callers callers;
	struct web_counts counts;
};

/* --- connections ------------------------------------------------------------------------ */

static void watch_listeners(struct web *web, bool wanted)
{
	if (web->listening == wanted)
		return;
	for (size_t i = 0; i < web->listeners_count; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		epoll_ctl(web->epoll_fd, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
			  web->listeners[i].fd, &event);
	}
	web->listening = wanted;
}

/* As many as there is room for; the others wait with the kernel. */
static void accept_all(struct web *web)
{
	for (size_t i = 0; i < web->listeners_count; i++) {
		for (int n = 0; n < AT_ONCE && web->callers.count < WEB_CALLERS_MAX; n++) {
			struct sockaddr_storage from = {};
			socklen_t len = sizeof(from);
			int fd = accept4(web->listeners[i].fd, (struct sockaddr *)&from, &len,
					 SOCK_CLOEXEC | SOCK_NONBLOCK);

			if (fd < 0)
				break;
			/* Who has one IPv6 address has 2^64 of them. */
			if (from.ss_family == AF_INET6) {
				struct in6_addr *ip = &((struct sockaddr_in6 *)&from)->sin6_addr;

				if (!IN6_IS_ADDR_V4MAPPED(ip))
					memset(&ip->s6_addr[8], 0, 8);
			}
			/* It closes what it does not take: too many of one address. */
			if (MHD_add_connection(web->daemon, fd, (struct sockaddr *)&from, len) !=
			    MHD_YES)
				web->counts.refused++;
		}
	}
	watch_listeners(web, web->callers.count < WEB_CALLERS_MAX && !web->renew);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *session;
	struct web *web = ctx;

	if (code != MHD_CONNECTION_NOTIFY_STARTED) {
		if (*context)
			web_caller_goes(*context);
		return;
	}
	web_caller_comes(&web->callers, connection, context);
	session = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (session && web->file)
		web_tls_ask(session->tls_session, web->file->client_auth);
}

/* --- requests ---------------------------------------------------------------------------- */

static void *on_url(void *ctx, const char *url, struct MHD_Connection *connection)
{
	struct web_caller *caller = web_caller_of(connection);

	(void)ctx;
	caller->url_bytes = strlen(url);
	caller->url_nul = strstr(url, "%00") != NULL;
	caller->since_ns = clock_mono_ns();
	return NULL;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct web_caller *caller = *request;
	struct web *web = ctx;

	(void)connection;
	(void)code;
	if (!caller)
		return;
	if (caller->report)
		web_api_drop(caller->report);
	caller->report = NULL;
	caller->seen = caller->known = caller->denied = caller->reported = false;
	caller->since_ns = clock_mono_ns();
	web->counts.requests++;
}

static void busy(const struct web_request *request, const char *text)
{
	web_answer_refusal(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Retry-After", "5", text);
}

/* WEB_RIGHT: go on. Else the request was answered, or with WEB_WAIT it rests. */
static enum web_verdict ask_password(struct web *web, struct web_caller *caller,
				     const struct web_request *request)
{
	enum web_verdict verdict = WEB_WRONG;
	char *user = NULL, *password = NULL;

	if (!web->auth || caller->known)
		return WEB_RIGHT;
	if (!caller->denied) {
		user = MHD_basic_auth_get_username_password(request->connection, &password);
		verdict = web_auth_ask(web->auth, user, password, caller->who, request->now_ns,
				       &caller->check);
		if (password)
			explicit_bzero(password, strlen(password));
		MHD_free(password);
		MHD_free(user);
	}
	switch (verdict) {
	case WEB_RIGHT:
		break;
	case WEB_WAIT:
		web_caller_suspend(caller, WAITS_TURN);
		break;
	case WEB_CHECK:
		verdict = WEB_WAIT;
		if (!web->renew && work_put(web->checks, web_check_job(caller->check))) {
			web_caller_suspend(caller, WAITS_CHECK);
			break;
		}
		web_auth_drop(caller->check);
		caller->check = NULL;
		verdict = WEB_LATER; /* fall through */
	case WEB_LATER:
		web_answer_refusal(request, MHD_HTTP_TOO_MANY_REQUESTS, "Retry-After", "10",
				   "too many passwords were tried; come again later");
		break;
	case WEB_WRONG:
		web->counts.unauthorized++;
		web_answer_refusal(request, MHD_HTTP_UNAUTHORIZED, "WWW-Authenticate",
				   "Basic realm=\"redmem\", charset=\"UTF-8\"",
				   "a user and the right password are wanted");
	}
	return verdict;
}

static enum MHD_Result handle(struct web *web, struct web_caller *caller, const char *path,
			      const char *method)
{
	const struct web_request request = {
		.connection = caller->connection,
		.answers = web->answers,
		.path = path,
		.json = !strncmp(path, "/api/", 5),
		.now_ns = clock_mono_ns(),
	};
	enum web_verdict verdict = ask_password(web, caller, &request);

	if (verdict != WEB_RIGHT)
		return MHD_YES;
	caller->known = true;
	if (caller->url_bytes > URL_MOST || caller->url_nul) {
		web_answer_error(&request,
				 caller->url_nul ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_URI_TOO_LONG,
				 caller->url_nul ? "there is a NUL in the address" :
						   "the address is longer than 2,048 bytes");
		return MHD_YES;
	}
	if (caller->reported) {
		struct work_job *report = caller->report;

		caller->report = NULL;
		web_api_report(&request, report);
		return MHD_YES;
	}
	if (web_api(&request, &web->source, method, &caller->report) == WEB_ANSWERED)
		return MHD_YES;
	if (!web->renew && work_put(web->reports, caller->report))
		return web_caller_suspend(caller, WAITS_REPORT);
	busy(&request, "too many reports are being made; come again later");
	return MHD_YES;
}

static bool has_body(struct MHD_Connection *connection)
{
	const char *length =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

	return (length && strcmp(length, "0")) ||
	       MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding");
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **request)
{
	struct web_caller *caller = web_caller_of(connection);

	(void)version;
	(void)data;
	*request = caller;
	/* The first call comes before the body, and an answer then refuses it, with the connection.
	 * Without a body there is another call, after which the connection is kept. */
	if (!caller->seen && !has_body(connection)) {
		caller->seen = true;
		return MHD_YES;
	}
	caller->seen = true;
	*data_size = 0;
	return handle(ctx, caller, url, method);
}

/* --- what was worked out ----------------------------------------------------------------- */

static void take_finished(struct web *web)
{
	bool checked = false;
	struct work_job *job;
	struct web_caller *caller;

	while ((job = work_take(web->checks))) {
		struct web_check *check = web_check_of(job);

		caller = web_caller_waiting(&web->callers, WAITS_CHECK, check);
		caller->known = web_auth_take(web->auth, check, clock_mono_ns());
		caller->denied = !caller->known;
		caller->check = NULL;
		web_caller_resume(caller);
		checked = true;
	}
	while (checked && (caller = web_caller_waiting(&web->callers, WAITS_TURN, NULL)))
		web_caller_resume(caller);
	while ((job = work_take(web->reports))) {
		caller = web_caller_waiting(&web->callers, WAITS_REPORT, job);
		caller->reported = true;
		web_caller_resume(caller);
	}
}

/* --- beginning and end ------------------------------------------------------------------- */

static int start_daemon(struct web *web, struct err *err)
{
	const struct web_file *file = web->file;
	unsigned int flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;
	struct epoll_event event = { .events = EPOLLIN };
	struct MHD_OptionItem tls[5] = { { MHD_OPTION_END, 0, NULL } };
	size_t n = 0;

	if (file && file->cert) {
		flags |= MHD_USE_TLS;
		tls[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0, file->cert };
		tls[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, file->key };
		tls[n++] = (struct MHD_OptionItem){
			MHD_OPTION_HTTPS_PRIORITIES, 0,
			(void *)(file->tls13_only ? "NORMAL:-VERS-ALL:+VERS-TLS1.3" :
						    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")
		};
		if (file->client_ca)
			tls[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_TRUST, 0,
							    file->client_ca };
		tls[n] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	}
	web->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, web, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MEMORY, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)WEB_CALLERS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned int)OF_ONE,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_SECONDS,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, web, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, web, MHD_OPTION_URI_LOG_CALLBACK, on_url, web, MHD_OPTION_ARRAY, tls,
		MHD_OPTION_END);
	if (!web->daemon)
		return err_set(err, -EINVAL, "web: %s",
			       file && file->cert ?
				       "cert_file, key_file and client_ca_file are no PEM files "
				       "that belong together" :
				       "libmicrohttpd does not start");
	event.data.ptr = web;
	epoll_ctl(web->epoll_fd, EPOLL_CTL_ADD,
		  MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &event);
	return 0;
}

static int read_config(struct web_file **file, const char *path, struct err *err)
{
	int ret;

	*file = NULL;
	if (!path)
		return 0;
	ret = web_config_read(file, path, err);
	if (!ret)
		ret = web_tls_check(*file, err);
	if (ret) {
		web_config_free(*file);
		*file = NULL;
	}
	return ret;
}

int web_check(const char *web_config_path, struct err *err)
{
	struct web_file *file;
	int ret = read_config(&file, web_config_path, err);

	web_config_free(file);
	return ret;
}

static void take_config(struct web *web, struct web_file *file)
{
	web_auth_free(web->auth);
	web_config_free(web->file);
	web->file = file;
	web->auth = file && file->users_count ? web_auth_new(file) : NULL;
}

static int listen_all(struct web *web, const struct web_config *config, struct err *err)
{
	static const char *const usual[] = { WEB_LISTEN };
	const char *const *where = config->listen_count ? config->listen : usual;
	size_t count = config->listen_count ? config->listen_count : 1;
	int ret = 0;

	if (count > LISTENERS)
		return err_set(err, -EINVAL, "web: it listens at %d addresses at most", LISTENERS);
	for (size_t i = 0; i < count && !ret; i++) {
		ret = web_listen(&web->listeners[i], where[i], err);
		if (!ret)
			web->listeners_count++;
	}
	return ret;
}

int web_start(struct web **out, const struct web_config *config, const struct web_source *source,
	      struct err *err)
{
	struct web *web = xcalloc(1, sizeof(*web));
	struct epoll_event event = { .events = EPOLLIN };
	struct web_file *file = NULL;
	int ret;

	web->source = *source;
	web->config_path = config->web_config_path ? xstrdup(config->web_config_path) : NULL;
	web->callers.slow_ns = (config->slow_ms ? config->slow_ms : SLOW_MS) * 1000000LL;
	web->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	web->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	web->answers = web_answers_new();
	web->checks = work_new(CHECKS, web->event_fd);
	web->reports = work_new(REPORTS, web->event_fd);
	if (web->epoll_fd < 0 || web->event_fd < 0 ||
	    epoll_ctl(web->epoll_fd, EPOLL_CTL_ADD, web->event_fd, &event))
		ret = err_set(err, -errno, "web: no descriptor to be had: %s", strerror(errno));
	else
		ret = read_config(&file, web->config_path, err);
	if (!ret) {
		take_config(web, file);
		ret = listen_all(web, config, err);
	}
	if (!ret)
		ret = start_daemon(web, err);
	if (ret) {
		web_stop(web);
		return ret;
	}
	watch_listeners(web, true);
	*out = web;
	return 0;
}

/* --- new configuration ------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_tls(const struct web_file *a, const struct web_file *b)
{
	static const struct web_file none = {};

	a = a ? a : &none;
	b = b ? b : &none;
	return same_text(a->cert, b->cert) && same_text(a->key, b->key) &&
	       same_text(a->client_ca, b->client_ca) && a->client_auth == b->client_auth &&
	       a->tls13_only == b->tls13_only;
}

int web_reload(struct web *web, struct err *err)
{
	struct web_file *file;
	int ret = read_config(&file, web->config_path, err);

	if (ret || !web->config_path)
		return ret;
	web_config_free(web->next_file); /* of a reload just before, not yet taken */
	web->next_file = file;
	web->renew = true;
	web_run(web);
	return 0;
}

/* Nothing is under way: certificates and users can change. Connections end where they must. */
static void renew(struct web *web)
{
	struct web_file *file = web->next_file;
	bool same = same_tls(web->file, file);
	struct err err = {};

	web->next_file = NULL;
	web->renew = false;
	if (!same) {
		MHD_stop_daemon(web->daemon);
		web->daemon = NULL;
	}
	take_config(web, file);
	if (!same && start_daemon(web, &err)) {
		/* web_tls_check() liked it: no descriptor or memory is left, and nobody can be
		 * served. */
		log_msg(LOG_WARN, "%s", err.text);
		out_of_memory();
	}
}

/* --- the loop ---------------------------------------------------------------------------- */

int web_fd(const struct web *web)
{
	return web->epoll_fd;
}

int web_wait_ms(const struct web *web)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;
	int least = web_callers_wait_ms(&web->callers), own;

	if (MHD_get_timeout(web->daemon, &ms) != MHD_YES)
		return least;
	own = ms < 60000 ? (int)ms : 60000;
	return least < 0 || own < least ? own : least;
}

void web_run(struct web *web)
{
	uint64_t told;

	if (read(web->event_fd, &told, sizeof(told)) == sizeof(told))
		take_finished(web);
	web_callers_cut_slow(&web->callers, clock_mono_ns());
	MHD_run(web->daemon);
	web_callers_cut_left(&web->callers);
	if (web->renew && !web->callers.waiting)
		renew(web);
	accept_all(web);
	web->counts.connections = web->callers.count;
}

uint16_t web_port(const struct web *web)
{
	return web->listeners[0].port;
}

struct web_counts web_counts(const struct web *web)
{
	return web->counts;
}

/* --- the end ----------------------------------------------------------------------------- */

static void check_left(void *ctx, struct work_job *job)
{
	const struct web *web = ctx;
	struct web_check *check = web_check_of(job);
	struct web_caller *caller = web_caller_waiting(&web->callers, WAITS_CHECK, check);

	web_auth_drop(check);
	caller->check = NULL;
	web_caller_resume(caller);
}

static void report_left(void *ctx, struct work_job *job)
{
	const struct web *web = ctx;

	web_caller_resume(web_caller_waiting(&web->callers, WAITS_REPORT,
					     job)); /* it goes with its request */
}

void web_stop(struct web *web)
{
	struct web_caller *caller;

	if (!web)
		return;
	for (size_t i = 0; i < web->listeners_count; i++)
		web_listen_end(&web->listeners[i]);
	work_end(web->checks, check_left, web);
	work_end(web->reports, report_left, web);
	while ((caller = web_caller_waiting(&web->callers, WAITS_TURN, NULL)))
		web_caller_resume(caller);
	if (web->daemon)
		MHD_stop_daemon(web->daemon);
	web_answers_free(web->answers);
	take_config(web, NULL);
	web_config_free(web->next_file);
	if (web->event_fd >= 0)
		close(web->event_fd);
	if (web->epoll_fd >= 0)
		close(web->epoll_fd);
	free(web->config_path);
	free(web);
}
