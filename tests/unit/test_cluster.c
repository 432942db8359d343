/* SPDX-License-Identifier: BSD-2-Clause */
/* CLUSTER NODES: who holds which keys, and whom to ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "redis/cluster.h"

static const char text[] =
	"bbb 10.0.0.2:7001@17001,host-b,shard-id=x master - 0 1426238317239 2 connected "
	"5461-10922\r\n"
	"aaa 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460 [5461->-bbb]\r\n"
	"ccc fe80::1:7002@17002 master - 0 1 3 connected 10923-16383\r\n"
	"ddd 10.0.0.4:7003@17003 slave bbb 0 1 2 connected\r\n"
	"eee 10.0.0.5:7004@17004 slave,fail ccc 1 1 3 disconnected\r\n"
	"fff 10.0.0.6:7005@17005 master - 0 1 6 connected\r\n" /* no slots: no keys */
	"ggg :0@0 master,noaddr - 1 1 7 disconnected 5\r\n"
	"nonsense\r\n\r\n";

static void test_parse(void **state)
{
	struct cluster_node *nodes;
	size_t count = cluster_nodes_parse(text, &nodes);

	(void)state;
	assert_int_equal(count, 6);
	assert_string_equal(nodes[0].id, "bbb");
	assert_string_equal(nodes[0].host, "10.0.0.2");
	assert_int_equal(nodes[0].port, 7001);
	assert_true(nodes[1].myself && nodes[1].is_primary && nodes[1].usable);
	assert_string_equal(nodes[2].host, "fe80::1");
	assert_string_equal(nodes[3].primary, "bbb");
	assert_false(nodes[4].usable);
	free(nodes);
	assert_int_equal(cluster_nodes_parse("", &nodes), 0);
	free(nodes);
}

static void test_choose(void **state)
{
	const struct cluster_node *chosen[8];
	struct cluster_node *nodes;
	size_t count = cluster_nodes_parse(text, &nodes);

	(void)state;
	assert_int_equal(cluster_nodes_choose(nodes, count, false, chosen), 3);
	assert_string_equal(chosen[0]->id, "aaa");
	assert_string_equal(chosen[1]->id, "bbb");
	assert_string_equal(chosen[2]->id, "ccc");
	/* A primary without a usable replica stands for itself. */
	assert_int_equal(cluster_nodes_choose(nodes, count, true, chosen), 3);
	assert_string_equal(chosen[0]->id, "aaa");
	assert_string_equal(chosen[1]->id, "ddd");
	assert_string_equal(chosen[2]->id, "ccc");
	free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
