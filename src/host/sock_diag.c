/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets as the kernel tells them by netlink; see sock_diag.h. */
#include "host/sock_diag.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"

#define DIAG_BYTES   (32 << 10)
#define DIAG_ANSWERS 1000 /* a machine of a hundred thousand sockets sends as many */

struct question {
	const void *ask;
	size_t bytes;
	bool all; /* many messages and an end, not one */
	void (*take)(void *ctx, const struct nlmsghdr *message);
	void *ctx;
};

static int send_question(int diag, const struct question *q)
{
	struct nlmsghdr head = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(q->bytes),
				 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				 .nlmsg_flags = NLM_F_REQUEST | (q->all ? NLM_F_DUMP : 0) };
	struct iovec pieces[] = { { &head, NLMSG_HDRLEN }, { (void *)q->ask, q->bytes } };
	const struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };

	return sendmsg(diag, &message, 0) < 0 ? -errno : 0;
}

static int error_of(const struct nlmsghdr *head)
{
	const struct nlmsgerr *error = NLMSG_DATA(head);

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) || error->error >= 0)
		return -EPROTO;
	return error->error;
}

/* The messages of one answer: 1 when there are more to come, 0 after the last. */
static int take_answer(const struct question *q, const struct nlmsghdr *head, size_t len)
{
	for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
		if (head->nlmsg_type == NLMSG_DONE)
			return 0;
		if (head->nlmsg_type == NLMSG_ERROR)
			return error_of(head);
		if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			q->take(q->ctx, head);
	}
	return q->all;
}

static int take_answers(int diag, const struct question *q)
{
	struct nlmsghdr *answer = xcalloc(1, DIAG_BYTES);
	int ret = 1;

	for (int i = 0; i < DIAG_ANSWERS && ret > 0; i++) {
		ssize_t len = recv(diag, answer, DIAG_BYTES, 0);

		if (len > 0)
			ret = take_answer(q, answer, (size_t)len);
		else
			ret = len ? -errno : -EPIPE;
	}
	free(answer);
	return ret > 0 ? -E2BIG : ret;
}

static int ask_kernel(const struct question *q)
{
	int diag = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), ret;

	if (diag < 0)
		return -errno;
	ret = send_question(diag, q);
	if (!ret)
		ret = take_answers(diag, q);
	close(diag);
	return ret;
}

int sock_diag_each(const void *ask, size_t bytes,
		   void (*take)(void *ctx, const struct nlmsghdr *message), void *ctx)
{
	return ask_kernel(&(struct question){ ask, bytes, true, take, ctx });
}

int sock_diag_one(const void *ask, size_t bytes,
		  void (*take)(void *ctx, const struct nlmsghdr *message), void *ctx)
{
	return ask_kernel(&(struct question){ ask, bytes, false, take, ctx });
}
