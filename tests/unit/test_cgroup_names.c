/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit, container and pod by the paths of cgroups, as they are written by who makes them. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "host/cgroup_names.h"

static void names_are(const char *text, const char *unit, const char *container)
{
	struct cgroup_names got;

	cgroup_names_parse(text, &got);
	assert_string_equal(got.unit, unit);
	assert_string_equal(got.container, container);
}

static void pod_is(const char *text, const char *pod)
{
	struct cgroup_names got;

	cgroup_names_parse(text, &got);
	assert_string_equal(got.pod, pod);
	assert_string_equal(got.container, *pod ? "3f1c9a4be0d1" : "");
}

#define ID "3f1c9a4be0d1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b"

static void test_names(void **state)
{
	(void)state;
	names_are("", "", "");
	names_are("0::/\n", "", "");
	names_are("nonsense\n1:\n", "", "");
	names_are("0::/system.slice/redis-server.service\n", "redis-server.service", "");
	names_are("0::/system.slice/system-redis.slice/redis@a.service\n", "redis@a.service", "");
	names_are("12:memory:/system.slice/redis.service\n1:name=systemd:/system.slice/"
		  "redis.service\n",
		  "redis.service", "");
	/* A person's session is no service. */
	names_are("0::/user.slice/user-1000.slice/session-3.scope\n", "", "");
	names_are("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n", "", "");
	names_are("0::/system.slice/docker-" ID ".scope\n", "", "3f1c9a4be0d1");
	names_are("4:memory:/docker/" ID "\n", "", "3f1c9a4be0d1");
	names_are("0::/kubepods.slice/kubepods-pod1234.slice/cri-containerd-" ID ".scope\n", "",
		  "3f1c9a4be0d1");
	names_are("0::/machine.slice/libpod-" ID ".scope/container\n", "", "3f1c9a4be0d1");
	names_are("0::/lxc/web1/system.slice/redis.service\n", "redis.service", "web1");
	names_are("0::/lxc.payload.web1/redis.service\n", "redis.service", "web1");
	names_are("0::/machine.slice/systemd-nspawn@db.service/payload/redis.service\n",
		  "redis.service", "db");
	names_are("0::/system.slice/.service\n", "", "");
}

#define POD "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

/* As the kubelet's drivers write them, under containerd, CRI-O and kind. */
static void test_pods(void **state)
{
	(void)state;
	pod_is("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-"
	       "pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice/cri-containerd-" ID ".scope\n",
	       POD);
	pod_is("0::/kubepods.slice/kubepods-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice/crio-" ID
	       ".scope\n",
	       POD);
	pod_is("5:memory:/kubepods/besteffort/pod" POD "/" ID "\n", POD);
	pod_is("0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	       "kubelet-kubepods-burstable-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice/"
	       "cri-containerd-" ID ".scope\n",
	       POD);
	/* A static pod. */
	pod_is("0::/kubepods/pod0a1b2c3d4e5f60718293a4b5c6d7e8f9/" ID "\n",
	       "0a1b2c3d4e5f60718293a4b5c6d7e8f9");
	pod_is("0::/machine.slice/tripod-0a1b2c3d4e5f60718293a4b5c6d7e8f9\n", "");
	pod_is("0::/pod12/podman\n", "");
}

static void call_by(struct cgroup_names *names, const char *log)
{
	char dir[] = "/tmp/redmem-logs-XXXXXX", path[PATH_MAX];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, log);
	assert_int_equal(symlink("/var/log/pods/x", path), 0);
	cgroup_names_call(names, dir);
	unlink(path);
	rmdir(dir);
}

static void test_names_of_logs(void **state)
{
	const struct cgroup_names found = { .container = "3f1c9a4be0d1", .pod = POD };
	struct cgroup_names names = found;

	(void)state;
	cgroup_names_call(&names, "/nonexistent");
	call_by(&names, "cache-0_shop_redis-4" ID ".log");
	call_by(&names, "cache-0_shop-" ID ".log");
	call_by(&names, "3f1c9a4be0d1");
	assert_string_equal(names.pod, POD);
	assert_string_equal(names.name, "");
	call_by(&names, "cache-0_shop_redis-main-" ID ".log");
	assert_string_equal(names.pod, "shop/cache-0");
	assert_string_equal(names.name, "redis-main");
	/* Of no container there is none. */
	names = (struct cgroup_names){ 0 };
	call_by(&names, "cache-0_shop_redis-.log");
	assert_string_equal(names.pod, "");
}

static void test_names_long(void **state)
{
	struct buf text = { 0 };
	struct cgroup_names names;

	(void)state;
	buf_puts(&text, "0::/");
	buf_fill(&text, 'u', 250);
	buf_puts(&text, ".service\n");
	cgroup_names_parse(buf_str(&text), &names);
	assert_int_equal(strlen(names.unit), CGROUP_NAME_MAX - 1);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_names_of_logs),
		cmocka_unit_test(test_names_long),
	};

	return cmocka_run_group_tests_name("cgroup names", tests, NULL, NULL);
}
