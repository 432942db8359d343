/* SPDX-License-Identifier: BSD-2-Clause */
/* The helper that reads ELF files, and what it is asked; see elf_ask.h. */
#define _GNU_SOURCE 1 /* close_range() */
#include "host/elf_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "host/fence.h"
#include "host/proc.h"

/* A file on a disk that is slow to answer, read on a machine that is busy. */
#define DEADLINE_MS 5000

/* Whose files: processes with one user and one mount namespace chose theirs together. */
struct owner {
	uint64_t namespace; /* 0: of one file only */
	int64_t uid;
};

struct helper {
	struct owner owner;
	struct fence_process process;
	int socket; /* -1: not running */
	uint32_t generation; /* of the processes it had */
	int64_t asked_ns; /* when it was asked last */
	struct elf_file *file[ELF_FILES];
	struct helper *next;
};

/* Of this thread: a server's files hold up no other server, and a helper ends with the thread
 * that started it (PR_SET_PDEATHSIG). */
static _Thread_local struct helper *helpers;
static int deadline_ms = DEADLINE_MS;

void elf_set_deadline(int ms)
{
	deadline_ms = ms;
}

/* --- what the helper says ------------------------------------------------------------- */

static bool text_ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool records_fit(const struct elf_records *records)
{
	bool fits = records->segments <= ELF_SEGMENTS && records->id_len <= ELF_ID_MAX &&
		    records->needed_count <= ELF_NEEDED && text_ends(records->soname, ELF_SONAME);

	for (size_t i = 0; fits && i < records->needed_count; i++)
		fits = text_ends(records->needed[i], ELF_SONAME);
	for (size_t i = 0; fits && i < records->segments; i++) {
		const struct elf_segment *s = &records->segment[i];

		/* No sum of these overflows, here or where they are used. */
		fits = s->vaddr < 1ULL << 62 && s->offset < 1ULL << 62 &&
		       s->file_bytes < 1ULL << 62 && s->memory_bytes < 1ULL << 62;
	}
	return fits;
}

static bool starts_fit(const struct elf_answer *answer)
{
	if (answer->count > ELF_STARTS)
		return false;
	for (size_t i = 1; i < answer->count; i++)
		if (answer->start[i] <= answer->start[i - 1])
			return false;
	return true;
}

static bool row_fits(const struct elf_frame_row *row, uint64_t at)
{
	bool fits = row->start <= at && at < row->end && row->function <= at &&
		    row->cfa < ELF_CFAS && row->cfa_register < ELF_REGISTERS &&
		    row->return_register < ELF_REGISTERS && row->signal <= 1 && row->outermost <= 1;

	for (size_t i = 0; fits && i < ELF_SAVED_REGISTERS; i++)
		fits = row->rule[i].rule < ELF_RULES && row->rule[i].of < ELF_REGISTERS;
	return fits;
}

bool elf_answer_fits(const struct elf_answer *answer, size_t len,
		     const struct elf_question *question)
{
	const struct elf_function *function = &answer->function;

	if (len != sizeof(*answer) || answer->ask != question->ask)
		return false;
	if (answer->code)
		return answer->code < 0 && answer->code > -4096;
	switch (question->ask) {
	case ELF_ASK_OPEN:
		return records_fit(&answer->records);
	case ELF_ASK_FUNCTION:
		return text_ends(function->name, ELF_NAME_MAX) && function->start <= question->at &&
		       function->end > question->at;
	case ELF_ASK_STARTS:
		return starts_fit(answer);
	case ELF_ASK_FRAME_ROW:
		return row_fits(&answer->row, question->at);
	}
	return true;
}

/* --- helpers ------------------------------------------------------------------------- */

static void stop_helper(struct helper *helper)
{
	if (helper->socket >= 0)
		close(helper->socket);
	helper->socket = -1;
	fence_end(&helper->process);
}

/* In the child: become the program again, with nothing open but the socket. */
static void become_helper(int socket)
{
	char *argv[] = { (char *)elf_helper_name, NULL }, *envp[] = { NULL };
	int null = open("/dev/null", O_RDWR);

	socket = fcntl(socket, F_DUPFD, 16); /* out of the way of what follows */
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	dup2(socket, ELF_HELPER_FD);
	close_range(ELF_HELPER_FD + 1, ~0U, 0);
	/* Still with our rights: the program may be one only root can start. */
	execve("/proc/self/exe", argv, envp);
	_exit(1);
}

static int start_helper(struct helper *helper, struct err *err)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(err, -errno, "elf: no socket for the helper: %s", strerror(errno));
	pid = fence_fork(&helper->process, err);
	if (!pid)
		become_helper(pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	helper->socket = pair[0];
	helper->generation++;
	return 0;
}

static struct owner owner_of(pid_t pid)
{
	struct proc_status status;
	struct owner owner = {};
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (!stat(path, &st) && !proc_status_read(&status, pid, NULL))
		owner = (struct owner){ st.st_ino, status.uid };
	return owner;
}

static struct helper *helper_for(pid_t pid)
{
	struct owner owner = pid ? owner_of(pid) : (struct owner){};
	struct helper *helper;

	LL_FOREACH(helpers, helper)
		if (owner.namespace && helper->owner.namespace == owner.namespace &&
		    helper->owner.uid == owner.uid)
			return helper;
	helper = xcalloc(1, sizeof(*helper));
	helper->owner = owner;
	helper->socket = -1;
	helper->process.pidfd = -1;
	LL_PREPEND(helpers, helper);
	return helper;
}

static void leave_helper(struct elf_file *file)
{
	struct helper *helper = file->helper;

	helper->file[file->number] = NULL;
	for (size_t i = 0; i < ELF_FILES; i++)
		if (helper->file[i])
			return;
	/* That of a process stays: its server is looked at again soon. */
	if (helper->owner.namespace)
		return;
	stop_helper(helper);
	LL_DELETE(helpers, helper);
	free(helper);
}

void elf_thread_rest(double seconds)
{
	int64_t since = clock_mono_ns() - (int64_t)(seconds * 1e9);

	for (struct helper *helper = helpers; helper; helper = helper->next)
		if (helper->socket >= 0 && helper->asked_ns < since)
			stop_helper(helper);
}

void elf_thread_end(void)
{
	while (helpers) {
		struct helper *helper = helpers;

		helpers = helper->next;
		stop_helper(helper);
		free(helper);
	}
}

static int join_helper(struct elf_file *file, struct helper *helper, struct err *err)
{
	for (uint32_t i = 0; i < ELF_FILES; i++) {
		if (helper->file[i])
			continue;
		helper->file[i] = file;
		file->helper = helper;
		file->number = i;
		return 0;
	}
	return err_set(err, -ENFILE, "elf: %s: too many files are open", file->name);
}

/* --- talking ------------------------------------------------------------------------- */

static bool send_packet(int socket, const void *data, size_t len, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec piece = { (void *)data, len };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
		control.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS,
						 .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

/* This host's, or one below the root of the process. */
static int open_installed(const struct elf_file *file, const struct elf_question *question)
{
	char id[2 * ELF_ID_MAX + 1];
	struct buf path = {};
	int fd;

	hex_encode(id, sizeof(id), question->id, question->id_len);
	buf_printf(&path, "/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
	fd = open(buf_str(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && file->pid)
		fd = proc_root_open(file->pid, buf_str(&path), O_RDONLY, NULL);
	buf_free(&path);
	return fd;
}

/* Where debuginfod's clients keep what they brought (debuginfod-find(1), CACHE). */
static bool put_cache(struct buf *path)
{
	const char *cache = getenv("DEBUGINFOD_CACHE_PATH"), *home = getenv("HOME");
	const char *caches = getenv("XDG_CACHE_HOME");

	if (cache) {
		buf_puts(path, cache);
		return true;
	}
	if (home) {
		buf_printf(path, "%s/.debuginfod_client_cache", home); /* before 0.184 */
		if (!access(buf_str(path), F_OK))
			return true;
		buf_clear(path);
	}
	if (caches)
		buf_printf(path, "%s/debuginfod_client", caches);
	else if (home)
		buf_printf(path, "%s/.cache/debuginfod_client", home);
	return caches || home;
}

/* What a server had not is there as an empty file, which is the debug file of nothing. */
static int open_cached(const struct elf_question *question)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	char id[2 * ELF_ID_MAX + 1];
	struct buf path = {};
	int fd = -1;

	if (urls && *urls && put_cache(&path)) {
		hex_encode(id, sizeof(id), question->id, question->id_len);
		buf_printf(&path, "/%s/debuginfo", id);
		fd = open(buf_str(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	buf_free(&path);
	return fd;
}

/* The debug file of the build @question names. -1 when there is none. */
static int open_debug_file(const struct elf_file *file, const struct elf_question *question)
{
	int fd;

	if (question->id_len < 2 || question->id_len > ELF_ID_MAX)
		return -1;
	fd = open_installed(file, question);
	return fd >= 0 ? fd : open_cached(question);
}

static bool answer_debug_question(struct elf_file *file, const struct elf_question *question)
{
	uint32_t nothing = 0;
	int fd = open_debug_file(file, question);
	bool sent = send_packet(file->helper->socket, &nothing, sizeof(nothing), fd);

	file->stripped = true;
	if (fd >= 0)
		close(fd);
	return sent;
}

/* The helper's answer; what keeps it from coming is the file's fault. */
static int await_answer(struct elf_file *file, const struct elf_question *question,
			struct elf_answer *answer, struct err *err)
{
	int64_t until = clock_mono_ns() + deadline_ms * 1000000LL;
	int asks = 0;

	for (;;) {
		struct pollfd ready = { .fd = file->helper->socket, .events = POLLIN };
		int64_t left_ms = (until - clock_mono_ns()) / 1000000;
		int got = left_ms > 0 ? poll(&ready, 1, (int)left_ms) : 0;
		ssize_t len;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(err, -ETIMEDOUT, "elf: %s: reading it took more than %d ms",
				       file->name, deadline_ms);
		len = recv(file->helper->socket, answer, sizeof(*answer), MSG_DONTWAIT | MSG_TRUNC);
		if (len <= 0)
			return err_set(err, -EBADMSG, "elf: %s: the helper died of reading it",
				       file->name);
		if (answer->ask == ELF_ASK_DEBUG_FILE &&
		    (size_t)len == sizeof(struct elf_question) && !asks++ &&
		    answer_debug_question(file, (const struct elf_question *)(void *)answer))
			continue;
		if (!elf_answer_fits(answer, (size_t)len, question))
			return err_set(err, -EBADMSG,
				       "elf: %s: what the helper says of it makes no sense",
				       file->name);
		return 0;
	}
}

static int ask_raw(struct elf_file *file, struct elf_question *question, int fd,
		   struct elf_answer *answer, struct err *err)
{
	struct helper *helper = file->helper;
	int ret = 0;

	question->file = file->number;
	helper->asked_ns = clock_mono_ns();
	if (!send_packet(helper->socket, question, sizeof(*question), fd))
		ret = err_set(err, -EPIPE, "elf: %s: the helper is gone", file->name);
	else
		ret = await_answer(file, question, answer, err);
	if (!ret)
		return 0;
	stop_helper(helper);
	file->bad = true;
	log_msg(LOG_INFO, "elf: %s: a new helper for the next file", file->name);
	return ret;
}

/* Have the helper open the file, again after one has died of another. */
static int open_in_helper(struct elf_file *file, struct err *err)
{
	struct elf_question question = { .ask = ELF_ASK_OPEN };
	struct elf_answer answer;
	int ret;

	if (file->helper->socket < 0) {
		ret = start_helper(file->helper, err);
		if (ret)
			return ret;
	}
	ret = ask_raw(file, &question, file->fd, &answer, err);
	if (ret)
		return ret;
	if (answer.code)
		return err_set(err, answer.code, "elf: %s: not an ELF file of 64 bits", file->name);
	file->generation = file->helper->generation;
	file->records = answer.records;
	return 0;
}

int elf_ask(struct elf_file *file, struct elf_question *question, struct elf_answer *answer,
	    struct err *err)
{
	/* One that had gone before it was asked is no fault of this file. */
	struct pollfd gone = { .fd = file->helper->process.pidfd, .events = POLLIN };
	int ret;

	if (file->bad)
		return err_set(err, -EBADMSG, "elf: %s: cannot be read", file->name);
	if (file->helper->socket >= 0 && poll(&gone, 1, 0) > 0)
		stop_helper(file->helper);
	if (file->helper->socket < 0 || file->generation != file->helper->generation) {
		ret = open_in_helper(file, err);
		if (ret)
			return ret;
	}
	ret = ask_raw(file, question, -1, answer, err);
	return ret ? ret : answer->code;
}

int elf_join(struct elf_file *file, struct err *err)
{
	int ret = join_helper(file, helper_for(file->pid), err);

	return ret ? ret : open_in_helper(file, err);
}

void elf_leave(struct elf_file *file)
{
	struct elf_question question = { .ask = ELF_ASK_CLOSE };
	struct elf_answer answer;

	if (!file->helper)
		return;
	if (!file->bad && file->helper->owner.namespace && file->helper->socket >= 0 &&
	    file->generation == file->helper->generation)
		ask_raw(file, &question, -1, &answer, NULL);
	leave_helper(file);
}
