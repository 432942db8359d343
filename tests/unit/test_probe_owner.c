/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two watched servers have one library, and a probe in it that was put in for one of them:
 * the other's calls do not count, also where the kernel lets it meet the probe.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "host/kernel.h"
#include "host/maps.h"
#include "host/uprobe.h"
#include "sensor/internal.h"
#include "skipped.h"

#define CALLS 100

__attribute__((noinline)) static void probed(void)
{
	__asm__ volatile("");
}

static unsigned long probed_offset(void)
{
	uint64_t address = (uintptr_t)probed;
	const struct map *map;
	unsigned long offset;
	struct maps *maps;

	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	map = maps_find(maps, address);
	assert_non_null(map);
	offset = address - map->start + map->offset;
	maps_free(maps);
	return offset;
}

/* A process that calls it, when it is told to. */
struct caller {
	pid_t pid;
	int ask, answer;
};

static void serve(int ask, int answer)
{
	char byte;

	while (read(ask, &byte, 1) == 1) {
		for (int i = 0; i < CALLS; i++)
			probed();
		if (write(answer, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static struct caller caller_new(void)
{
	struct caller caller;
	int ask[2], answer[2];

	assert_int_equal(pipe(ask) | pipe(answer), 0);
	caller.pid = fork();
	assert_true(caller.pid >= 0);
	if (!caller.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ask[1]);
		close(answer[0]);
		serve(ask[0], answer[1]);
	}
	close(ask[0]);
	close(answer[1]);
	caller.ask = ask[1];
	caller.answer = answer[0];
	return caller;
}

static void caller_call(const struct caller *caller)
{
	char byte = 0;

	assert_int_equal(write(caller->ask, &byte, 1), 1);
	assert_int_equal(read(caller->answer, &byte, 1), 1);
}

static void caller_free(const struct caller *caller)
{
	kill(caller->pid, SIGKILL);
	close(caller->ask);
	close(caller->answer);
	waitpid(caller->pid, NULL, 0);
}

static void ignore(void *ctx, const struct record *record)
{
	(void)ctx, (void)record;
}

static struct sensors *watched(struct engine *e, pid_t pid)
{
	const struct sensor_config config = { .pid = pid, .sink = { ignore, NULL } };
	struct sensors *s;

	assert_int_equal(sensors_open(&s, e, &config, NULL), 0);
	s->target->settings.watched = 1;
	return s;
}

static uint64_t hits(const struct sensors *s)
{
	return s->target->totals[TOTAL_FLOW_HITS];
}

static void test_owner(void **state)
{
	const struct engine_config machine = { .servers = 2, .wanted = "flow" };
	struct caller one, other;
	struct sensors *first, *second;
	struct bpf_link *link = NULL;
	unsigned long offset = probed_offset();
	struct uprobe_place place = { -1, "/proc/self/exe", 0 };
	struct engine *e;

	(void)state;
	if (kernel_bpf_usable(NULL))
		skip_because("no BPF can be used here");
	one = caller_new();
	other = caller_new();
	assert_int_equal(engine_open(&e, &machine, NULL), 0);
	assert_non_null(e->bpf);
	first = watched(e, one.pid);
	second = watched(e, other.pid);
	place.cookie = PROBE_COOKIE(second->index, 0);
	assert_int_equal(uprobe_attach(e->bpf->progs.flow_event, &place, &offset, 1, &link), 0);
	caller_call(&one);
	caller_call(&other);
	uprobe_detach(&link, 1);
	assert_int_equal(hits(second), CALLS);
	assert_int_equal(hits(first), 0);
	sensors_close(first);
	sensors_close(second);
	engine_close(e);
	caller_free(&one);
	caller_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_owner) };

	return cmocka_run_group_tests_name("probe_owner", tests, NULL, NULL);
}
