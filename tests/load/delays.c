/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel itself counted of the delays of a server's main thread, since it was
 * started: waiting for a CPU, for a page from swap, in reclaim and in copies on write. One
 * line on stdout:
 *
 *	cpu_seconds swapin_seconds reclaim_seconds copy_seconds swapins reclaims
 *
 * From taskstats (Documentation/accounting/delay-accounting.rst), which counts only what was
 * started while kernel.task_delayacct was 1.
 */
#include <linux/genetlink.h>
#include <linux/taskstats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

struct request {
	struct nlmsghdr head;
	struct genlmsghdr command;
	char attributes[128];
};

static void add(struct request *r, unsigned short type, const void *data, size_t len)
{
	struct nlattr *a = (struct nlattr *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->nla_type = type;
	a->nla_len = (unsigned short)(NLA_HDRLEN + len);
	memcpy((char *)a + NLA_HDRLEN, data, len);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

/* Sends @r and reads the answer to @answer. */
static ssize_t ask(int fd, struct request *r, char *answer, size_t size)
{
	const struct nlmsghdr *head = (const struct nlmsghdr *)answer;
	ssize_t n;

	if (send(fd, r, r->head.nlmsg_len, 0) < 0)
		load_die("netlink: cannot send");
	n = recv(fd, answer, size, 0);
	if (n < (ssize_t)NLMSG_HDRLEN || head->nlmsg_type == NLMSG_ERROR)
		load_die("netlink: the kernel has no taskstats");
	return n;
}

static struct request request_of(unsigned short type, unsigned char command)
{
	struct request r = { .head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST },
			     .command = { .cmd = command, .version = 1 } };

	r.head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	return r;
}

/* The first attribute of @type between @at and @end; its payload. */
static char *find(char *at, const char *end, unsigned short type)
{
	while (at + NLA_HDRLEN <= end) {
		struct nlattr *a = (struct nlattr *)at;

		if (a->nla_len < NLA_HDRLEN)
			break;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return at + NLA_HDRLEN;
		at += NLA_ALIGN(a->nla_len);
	}
	load_die("netlink: the kernel's answer lacks something");
}

static unsigned short family(int fd)
{
	struct request r = request_of(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	char answer[4096];
	ssize_t n;
	unsigned short id;

	add(&r, CTRL_ATTR_FAMILY_NAME, TASKSTATS_GENL_NAME, sizeof(TASKSTATS_GENL_NAME));
	n = ask(fd, &r, answer, sizeof(answer));
	memcpy(&id, find(answer + NLMSG_LENGTH(GENL_HDRLEN), answer + n, CTRL_ATTR_FAMILY_ID),
	       sizeof(id));
	return id;
}

void load_delays(const struct load_options *o)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	uint32_t pid = (uint32_t)o->keys;
	struct taskstats stats = {};
	struct request r;
	char answer[4096] = "", *both; /* an older kernel sends less than the struct has */
	ssize_t n;

	if (fd < 0)
		load_die("netlink: no socket");
	r = request_of(family(fd), TASKSTATS_CMD_GET);
	add(&r, TASKSTATS_CMD_ATTR_PID, &pid, sizeof(pid));
	n = ask(fd, &r, answer, sizeof(answer));
	both = find(answer + NLMSG_LENGTH(GENL_HDRLEN), answer + n, TASKSTATS_TYPE_AGGR_PID);
	/* A newer kernel sends more than this header knows. */
	memcpy(&stats, find(both, answer + n, TASKSTATS_TYPE_STATS), sizeof(stats));
	/* Version 15 has other fields in the middle; later ones have them at the end. */
	if (stats.version == 15)
		load_die("taskstats of version %d have another form", stats.version);
	printf("%.6f %.6f %.6f %.6f %llu %llu\n", (double)stats.cpu_delay_total / 1e9,
	       (double)stats.swapin_delay_total / 1e9, (double)stats.freepages_delay_total / 1e9,
#if TASKSTATS_VERSION >= 13
	       (double)stats.wpcopy_delay_total / 1e9,
#else
	       0.0,
#endif
	       (unsigned long long)stats.swapin_count, (unsigned long long)stats.freepages_count);
	close(fd);
}
