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
#include "app/web_config.h"
#include "app/web_listen.h"
#include "app/web_tls.h"
#include "app/work.h"
#include "base/clock.h"

#define LISTENERS    8
#define CONNECTIONS  128
#define OF_ONE	     32 /* connections of one address; of one /64 with IPv6 */
#define AT_ONCE	     16 /* are accepted before the caller's loop goes on */
#define MEMORY	     (24 << 10) /* of a connection: the head of a request and of its answer */
#define URL_MOST     2048
#define IDLE_SECONDS 20 /* nothing comes, nothing goes */
#define SLOW_MS	     30000 /* for a request and its answer, however many bytes come */
#define CHECKS	     16 /* passwords that wait to be checked */
#define REPORTS	     8 /* reports that wait to be made */

/* What a request is waiting for. */
enum waiting { WAITS_NOT, WAITS_CHECK, WAITS_TURN, WAITS_REPORT };

/* A connection, and the request that is on it. */
struct caller {
	struct web *web;
	struct caller *next, *previous;
	struct MHD_Connection *connection;
	int fd;
	int64_t since_ns; /* of this request, or of the end of the last */
	uint64_t who; /* a hash of the address */
	/* Of the request: */
	size_t url_bytes;
	bool url_nul; /* has a %00 */
	bool seen; /* the handler was called for it */
	bool known; /* the password was right */
	bool denied; /* it was wrong */
	enum waiting waiting;
	struct web_check *check;
	struct work_job *report;
	bool reported; /* @report is made */
};

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
	struct caller *callers; /* newest first */
	int callers_count, waiting; /* of them: those that wait */
	struct web_counts counts;
	int64_t slow_ns;
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
		for (int n = 0; n < AT_ONCE && web->callers_count < CONNECTIONS; n++) {
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
	watch_listeners(web, web->callers_count < CONNECTIONS && !web->renew);
}

/* FNV-1a of the address alone: the port is another each time. */
static uint64_t hash_address(const struct sockaddr *address)
{
	const unsigned char *bytes = NULL;
	size_t len = 0;
	uint64_t hash = 14695981039346656037u;

	if (address->sa_family == AF_INET) {
		bytes = (const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr;
		len = 4;
	} else if (address->sa_family == AF_INET6) {
		bytes = (const unsigned char *)&((const struct sockaddr_in6 *)address)->sin6_addr;
		len = 16;
	}
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 1099511628211u;
	return hash ^ hash >> 32;
}

static void caller_comes(struct web *web, struct MHD_Connection *connection, void **context)
{
	struct caller *caller = xcalloc(1, sizeof(*caller));
	const union MHD_ConnectionInfo *session;

	caller->web = web;
	caller->connection = connection;
	caller->fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	caller->who =
		hash_address(MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
				     ->client_addr);
	caller->since_ns = clock_mono_ns();
	caller->next = web->callers;
	if (caller->next)
		caller->next->previous = caller;
	web->callers = caller;
	web->callers_count++;
	*context = caller;
	session = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (session && web->file)
		web_tls_ask(session->tls_session, web->file->client_auth);
}

static void caller_goes(struct web *web, struct caller *caller)
{
	if (caller->next)
		caller->next->previous = caller->previous;
	*(caller->previous ? &caller->previous->next : &web->callers) = caller->next;
	web->callers_count--;
	free(caller);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		caller_comes(ctx, connection, context);
	else if (*context)
		caller_goes(ctx, *context);
}

static struct caller *caller_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

/* Whoever takes too long is cut off; who is being worked for is not. */
static void cut_slow(struct web *web, int64_t now_ns)
{
	for (struct caller *caller = web->callers; caller; caller = caller->next)
		if (!caller->waiting && now_ns - caller->since_ns >= caller->web->slow_ns)
			shutdown(caller->fd, SHUT_RDWR); /* libmicrohttpd sees it, and closes */
}

/* --- requests ---------------------------------------------------------------------------- */

static void *on_url(void *ctx, const char *url, struct MHD_Connection *connection)
{
	struct caller *caller = caller_of(connection);

	(void)ctx;
	caller->url_bytes = strlen(url);
	caller->url_nul = strstr(url, "%00") != NULL;
	caller->since_ns = clock_mono_ns();
	return NULL;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct caller *caller = *request;
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

/* The request rests until resume_caller(). */
static enum MHD_Result suspend(struct caller *caller, enum waiting what)
{
	caller->waiting = what;
	caller->web->waiting++;
	MHD_suspend_connection(caller->connection);
	return MHD_YES;
}

static void resume_caller(struct caller *caller)
{
	caller->waiting = WAITS_NOT;
	caller->web->waiting--;
	caller->since_ns = clock_mono_ns();
	MHD_resume_connection(caller->connection);
}

static void busy(const struct web_request *request, const char *text)
{
	web_answer_refusal(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Retry-After", "5", text);
}

/* WEB_RIGHT: go on. Else the request was answered, or with WEB_WAIT it rests. */
static enum web_verdict ask_password(struct caller *caller, const struct web_request *request)
{
	struct web *web = caller->web;
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
		suspend(caller, WAITS_TURN);
		break;
	case WEB_CHECK:
		verdict = WEB_WAIT;
		if (!web->renew && work_put(web->checks, web_check_job(caller->check))) {
			suspend(caller, WAITS_CHECK);
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

static enum MHD_Result handle(struct caller *caller, const char *path, const char *method)
{
	struct web *web = caller->web;
	const struct web_request request = {
		.connection = caller->connection,
		.answers = web->answers,
		.path = path,
		.json = !strncmp(path, "/api/", 5),
		.now_ns = clock_mono_ns(),
	};
	enum web_verdict verdict = ask_password(caller, &request);

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
		return suspend(caller, WAITS_REPORT);
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
	struct caller *caller = caller_of(connection);

	(void)ctx;
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
	return handle(caller, url, method);
}

/* --- what was worked out ----------------------------------------------------------------- */

static struct caller *caller_waiting(struct web *web, enum waiting what, const void *job)
{
	struct caller *caller = web->callers;

	while (caller && (caller->waiting != what ||
			  (what == WAITS_CHECK && (const void *)caller->check != job) ||
			  (what == WAITS_REPORT && (const void *)caller->report != job)))
		caller = caller->next;
	return caller;
}

static void take_finished(struct web *web)
{
	bool checked = false;
	struct work_job *job;
	struct caller *caller;

	while ((job = work_take(web->checks))) {
		struct web_check *check = web_check_of(job);

		caller = caller_waiting(web, WAITS_CHECK, check);
		caller->known = web_auth_take(web->auth, check, clock_mono_ns());
		caller->denied = !caller->known;
		caller->check = NULL;
		resume_caller(caller);
		checked = true;
	}
	while (checked && (caller = caller_waiting(web, WAITS_TURN, NULL)))
		resume_caller(caller);
	while ((job = work_take(web->reports))) {
		caller = caller_waiting(web, WAITS_REPORT, job);
		caller->reported = true;
		resume_caller(caller);
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
		(size_t)MEMORY, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
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
	web->slow_ns = (config->slow_ms ? config->slow_ms : SLOW_MS) * 1000000LL;
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
	int64_t now_ns = clock_mono_ns(), least = -1;

	if (MHD_get_timeout(web->daemon, &ms) == MHD_YES)
		least = ms < 60000 ? (int64_t)ms : 60000;
	for (const struct caller *caller = web->callers; caller; caller = caller->next) {
		/* A millisecond more: not a moment before it is over. */
		int64_t left = (caller->since_ns + web->slow_ns - now_ns) / 1000000 + 1;

		if (!caller->waiting && (least < 0 || left < least))
			least = left > 0 ? left : 0;
	}
	return (int)least;
}

void web_run(struct web *web)
{
	uint64_t told;

	if (read(web->event_fd, &told, sizeof(told)) == sizeof(told))
		take_finished(web);
	cut_slow(web, clock_mono_ns());
	MHD_run(web->daemon);
	if (web->renew && !web->waiting)
		renew(web);
	accept_all(web);
	web->counts.connections = web->callers_count;
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
	struct web_check *check = web_check_of(job);
	struct caller *caller = caller_waiting(ctx, WAITS_CHECK, check);

	web_auth_drop(check);
	caller->check = NULL;
	resume_caller(caller);
}

static void report_left(void *ctx, struct work_job *job)
{
	resume_caller(caller_waiting(ctx, WAITS_REPORT, job)); /* it goes with its request */
}

void web_stop(struct web *web)
{
	struct caller *caller;

	if (!web)
		return;
	for (size_t i = 0; i < web->listeners_count; i++)
		web_listen_end(&web->listeners[i]);
	work_end(web->checks, check_left, web);
	work_end(web->reports, report_left, web);
	while ((caller = caller_waiting(web, WAITS_TURN, NULL)))
		resume_caller(caller);
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
