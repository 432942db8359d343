/* SPDX-License-Identifier: BSD-2-Clause */
/* /proc/PID: recorded lines with names chosen to confuse, and this very process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "record/record.h"
#include "host/proc.h"

static const char stat_text[] =
	"812 (a) R 1 (b\n)) S 7 812 812 0 -1 4194624 1234 56 78 9 250 130 0 0 20 0 5 0 "
	"98765 73400320 2170 18446744073709551615 1 1 0 0 0 0 0 4097 17642 0 0 0 17 1 0 0 0 0 0\n";

static void test_stat(void **state)
{
	double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
	struct proc_stat st;

	(void)state;
	assert_int_equal(proc_stat_parse(&st, stat_text), 0);
	assert_int_equal(st.pid, 812);
	assert_string_equal(st.comm, "a) R 1 (b\n)");
	assert_int_equal(st.state, 'S');
	assert_int_equal(st.ppid, 7);
	assert_int_equal(st.minor_faults, 1234);
	assert_int_equal(st.major_faults, 78);
	assert_true(st.user_seconds == 250 * tick);
	assert_true(st.system_seconds == 130 * tick);
	assert_int_equal(st.threads, 5);
	assert_int_equal(st.starttime_ticks, 98765);
}

/* Every beginning of the line is refused, none is half understood. */
static void test_stat_truncated(void **state)
{
	char text[sizeof(stat_text)];
	struct proc_stat st;

	(void)state;
	for (size_t len = 0; len < sizeof(stat_text) - 1; len++) {
		memcpy(text, stat_text, len);
		text[len] = '\0';
		assert_int_equal(proc_stat_parse(&st, text), -EINVAL);
	}
	assert_int_equal(proc_stat_parse(&st, ")(\n"), -EINVAL);
	assert_int_equal(proc_stat_parse(&st, "1 (x) S 1 2 3\n"), -EINVAL);
}

static const char status_text[] = "Name:\tred\\nis\\\\x\n"
				  "State:\tS (sleeping)\n"
				  "Uid:\t106\t107\t107\t107\n"
				  "NSpid:\t8734\t23\t1\n"
				  "VmSize:\t   71680 kB\n"
				  "VmRSS:\t    8680 kB\n"
				  "RssAnon:\t    2100 kB\n"
				  "RssFile:\t    6570 kB\n"
				  "RssShmem:\t      10 kB\n"
				  "VmSwap:\t    4096 kB\n"
				  "THP_enabled:\t0\n"
				  "voluntary_ctxt_switches:\t100\n"
				  "nonvoluntary_ctxt_switches:\t7\n";

static void test_status(void **state)
{
	struct proc_status st;

	(void)state;
	proc_status_parse(&st, status_text, sizeof(status_text) - 1);
	assert_string_equal(st.name, "red\nis\\x");
	assert_int_equal(st.uid, 106);
	assert_int_equal(st.ns_pid, 1);
	assert_int_equal(st.vm_size_bytes, 71680 * 1024);
	assert_int_equal(st.rss_bytes, 8680 * 1024);
	assert_int_equal(st.rss_anon_bytes, 2100 * 1024);
	assert_int_equal(st.rss_file_bytes, 6570 * 1024);
	assert_int_equal(st.rss_shmem_bytes, 10 * 1024);
	assert_int_equal(st.swap_bytes, 4096 * 1024);
	assert_int_equal(st.thp_enabled, 0);
	assert_int_equal(st.voluntary_switches, 100);
	assert_int_equal(st.involuntary_switches, 7);
}

/* What is cut off is unknown, never a smaller number. */
static void test_status_truncated(void **state)
{
	struct proc_status st;

	(void)state;
	for (size_t len = 0; len < sizeof(status_text) - 1; len++) {
		proc_status_parse(&st, status_text, len);
		assert_true(st.rss_bytes == RECORD_UNKNOWN || st.rss_bytes == 8680 * 1024);
		assert_true(st.swap_bytes == RECORD_UNKNOWN || st.swap_bytes == 4096 * 1024);
		assert_true(st.involuntary_switches == RECORD_UNKNOWN);
	}
	proc_status_parse(&st, "Name:\tkthreadd\n", 15);
	assert_true(st.rss_bytes == RECORD_UNKNOWN && st.vm_size_bytes == RECORD_UNKNOWN);
}

static void test_self(void **state)
{
	static const char name[] = "x) S (y\n\\";
	struct proc_status status;
	struct proc_stat st;
	char comm[PROC_COMM_SIZE];
	uint64_t start;
	int64_t waited, later;
	int fd;

	(void)state;
	assert_int_equal(prctl(PR_SET_NAME, name), 0);
	assert_int_equal(proc_stat_read(&st, getpid(), NULL), 0);
	assert_int_equal(st.pid, getpid());
	assert_int_equal(st.ppid, getppid());
	assert_string_equal(st.comm, name);
	assert_int_equal(st.state, 'R');
	assert_int_equal(proc_starttime(getpid(), &start), 0);
	assert_int_equal(start, st.starttime_ticks);
	assert_int_equal(proc_comm(getpid(), getpid(), comm), 0);
	assert_string_equal(comm, name);
	assert_int_equal(proc_status_read(&status, getpid(), NULL), 0);
	assert_string_equal(status.name, name);
	assert_int_equal(status.uid, getuid());
	assert_true(status.rss_bytes > 0);
	assert_int_equal(proc_same_net(getpid()), 1);
	fd = proc_waited_open(getpid());
	assert_int_equal(proc_waited_ns(fd, &waited), 0);
	assert_int_equal(proc_waited_ns(fd, &later), 0);
	assert_true(waited >= 0 && later >= waited);
	close(fd);
	assert_true(proc_waited_open(-1) < 0);
	assert_true(proc_waited_ns(-ENOENT, &waited) < 0);
}

static bool contains(const pid_t *pids, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static void test_lists(void **state)
{
	pid_t child = fork(), *pids;
	size_t count;

	(void)state;
	if (!child) {
		pause();
		_exit(0);
	}
	assert_int_equal(proc_pids(&pids, &count, NULL), 0);
	assert_true(contains(pids, count, getpid()));
	for (size_t i = 1; i < count; i++)
		assert_true(pids[i - 1] < pids[i]);
	free(pids);
	assert_int_equal(proc_threads(getpid(), &pids, &count, NULL), 0);
	assert_true(contains(pids, count, getpid()));
	free(pids);
	assert_int_equal(proc_children(getpid(), &pids, &count, NULL), 0);
	assert_true(contains(pids, count, child));
	free(pids);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* It is gone, and so is what can be asked of it. */
	assert_int_equal(proc_children(getpid(), &pids, &count, NULL), 0);
	assert_false(contains(pids, count, child));
	free(pids);
	assert_int_equal(proc_threads(child, &pids, &count, NULL), -ENOENT);
	assert_null(pids);
}

static void test_root_open(void **state)
{
	char path[] = "/tmp/redmem-test-XXXXXX", link[64], fifo[64];
	struct err err = { 0 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(link, sizeof(link), "%s.link", path);
	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = proc_root_open(getpid(), link, O_RDONLY, &err);
	assert_true(fd >= 0);
	close(fd);
	fd = proc_root_open(getpid(), path, O_PATH, &err);
	assert_true(fd >= 0);
	close(fd);
	fd = proc_root_open(getpid(), fifo, O_RDONLY, &err); /* does not wait for a writer */
	assert_true(fd >= 0);
	close(fd);
	unlink(link);
	unlink(fifo);
	unlink(path);
	assert_int_equal(proc_root_open(getpid(), path, O_RDONLY, &err), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),	  cmocka_unit_test(test_stat_truncated),
		cmocka_unit_test(test_status),	  cmocka_unit_test(test_status_truncated),
		cmocka_unit_test(test_self),	  cmocka_unit_test(test_lists),
		cmocka_unit_test(test_root_open),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
