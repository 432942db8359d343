/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines for the journal, and the service manager's socket; see serve_log.h. */
#include "app/serve_log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "base/err.h"

/* Lines: so many at once, and so many a second. */
#define LINES_AT_ONCE  100
#define LINES_A_SECOND 1.0

static struct {
	pthread_mutex_t lock;
	struct bucket room;
	long long left_out;
} lines = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* May a line be told? @left_out: how many were not, before it. */
static bool has_room(long long *left_out)
{
	int64_t now = clock_mono_ns();
	bool may;

	pthread_mutex_lock(&lines.lock);
	if (!lines.room.rate)
		bucket_start(&lines.room, LINES_A_SECOND, LINES_AT_ONCE, LINES_AT_ONCE, now);
	may = bucket_level(&lines.room, now) >= 1;
	*left_out = lines.left_out;
	lines.left_out = may ? 0 : lines.left_out + 1;
	if (may)
		bucket_spend(&lines.room, 1);
	pthread_mutex_unlock(&lines.lock);
	return may;
}

void serve_log(const char *format, ...)
{
	long long left_out;
	char text[700];
	va_list args;

	if (!has_room(&left_out))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (left_out)
		log_msg(LOG_WARN, "%lld line%s left out: too many at once", left_out,
			left_out == 1 ? " was" : "s were");
	log_msg(LOG_WARN, "%s", text);
}

void serve_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path));
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* A manager that does not listen is its own trouble. */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

long long serve_watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && atoll(pid) != getpid()))
		return 0;
	return atoll(usec) > 0 ? atoll(usec) * 1000 : 0;
}
