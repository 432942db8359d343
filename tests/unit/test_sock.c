/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's socket tables; and connections of this process with itself. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/sock.h"
#include "host/sock_listen.h"
#include "skipped.h"

#define TCP_LINE                                                                       \
	"   0: 0100007F:18EB 0200A8C0:C350 01 00000000:00000000 00:00000000 00000000 " \
	"  106        0 45312 1 0000000000000000 100 0 0 10 0"
#define TCP6_LINE                                                                               \
	"   1: 00000000000000000000000001000000:18EB 0000000000000000FFFF00000100007F:0001 0A " \
	"00000000:00000000 00:00000000 00000000   106        0 7 1 0000000000000000 100 0"
#define UNIX_LINE "0000000000000000: 00000002 00000000 00010000 0001 01 4242 /run/a b.sock"

static void test_tcp_line(void **state)
{
	static const unsigned char loopback[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
	static const unsigned char remote[16] = { [10] = 0xff, 0xff, 192, 168, 0, 2 };
	static const unsigned char loopback6[16] = { [15] = 1 };
	struct sock_tcp tcp;

	(void)state;
	if (htonl(1) == 1)
		skip_because("the words are written as a little-endian machine keeps them");
	assert_true(sock_tcp_parse(&tcp, TCP_LINE));
	assert_memory_equal(tcp.local, loopback, 16);
	assert_memory_equal(tcp.remote, remote, 16);
	assert_int_equal(tcp.local_port, 6379);
	assert_int_equal(tcp.remote_port, 50000);
	assert_int_equal(tcp.state, 1);
	assert_int_equal(tcp.inode, 45312);
	assert_true(sock_tcp_parse(&tcp, TCP6_LINE));
	assert_memory_equal(tcp.local, loopback6, 16);
	assert_memory_equal(tcp.remote, loopback, 16); /* IPv4 mapped compares with IPv4 */
	assert_int_equal(tcp.state, 10);
	assert_false(sock_tcp_parse(&tcp, "  sl  local_address rem_address   st tx_queue"));
	assert_false(sock_tcp_parse(&tcp, ""));
}

static void test_unix_line(void **state)
{
	struct sock_unix u;

	(void)state;
	assert_true(sock_unix_parse(&u, UNIX_LINE));
	assert_true(u.listens);
	assert_int_equal(u.inode, 4242);
	assert_string_equal(u.path, "/run/a b.sock");
	assert_true(sock_unix_parse(&u, "0: 3 0 0 1 3 9"));
	assert_false(u.listens);
	assert_string_equal(u.path, "");
	assert_false(
		sock_unix_parse(&u, "Num       RefCount Protocol Flags    Type St Inode Path"));
}

static void test_broken_lines(void **state)
{
	static const char *const lines[] = { TCP_LINE, TCP6_LINE, UNIX_LINE };
	struct sock_tcp tcp;
	struct sock_unix u;
	char text[512];

	(void)state;
	srand(8);
	for (int round = 0; round < 30000; round++) {
		const char *line = lines[round % 3];
		size_t len = strlen(line);

		memcpy(text, line, len + 1);
		for (int i = 0; i < round % 4; i++)
			text[(size_t)rand() % len] = (char)rand();
		text[(size_t)rand() % (len + 1)] = '\0';
		sock_tcp_parse(&tcp, text);
		if (sock_unix_parse(&u, text))
			assert_true(strlen(u.path) < sizeof(u.path));
	}
}

/* Closes @fd: is it seen by what this process listened on before? */
static bool is_seen_to_close(int fd)
{
	struct sock_listener *list;
	size_t count;
	bool seen = false;

	assert_int_equal(sock_listeners(getpid(), &list, &count, NULL), 0);
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++)
		assert_true(sock_files_still(getpid(), &list[i].file));
	close(fd);
	for (size_t i = 0; i < count; i++)
		seen |= !sock_files_still(getpid(), &list[i].file);
	free(list);
	return seen;
}

static bool has_listener(int family, int port, const char *text)
{
	struct sock_listener *list;
	size_t count;
	bool has = false;

	assert_int_equal(sock_listeners(getpid(), &list, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		has |= list[i].family == family && list[i].port == port &&
		       !strcmp(family == AF_UNIX ? list[i].path : list[i].address, text);
	free(list);
	return has;
}

/* What @client does not read waits in the kernel under its address. */
static void assert_unread(int accepted, int client, uint16_t port)
{
	static const char much[1 << 16];
	struct sock_unread list[2];
	char address[64];

	assert_int_equal(sock_unread_list(getpid(), port, 1, list, 2), 0);
	while (send(accepted, much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	sock_own_address(client, address, sizeof(address));
	assert_int_equal(sock_unread_list(getpid(), port, 1, list, 2), 1);
	assert_string_equal(list[0].address, address);
	assert_true(list[0].unsent_bytes > 0);
	assert_int_equal(sock_unread_list(getpid(), port, INT32_MAX, list, 2), 0);
}

static void test_tcp(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(address);
	struct err err = { 0 };
	pid_t pid = 0;
	int accepted;

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(server, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(sock_peer_pid(client, &pid, &err), -ENOTCONN);
	assert_int_equal(connect(client, (struct sockaddr *)&address, len), 0);
	assert_int_equal(sock_check_peer(client, getpid(), &err), -EPERM); /* nobody's yet */
	accepted = accept(server, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(sock_check_peer(client, getpid(), &err), 0);
	assert_true(sock_check_peer(client, getppid(), &err) < 0);
	assert_int_equal(sock_peer_pid(client, &pid, &err), 0);
	assert_int_equal(pid, getpid());
	assert_true(has_listener(AF_INET, ntohs(address.sin_port), "127.0.0.1"));
	assert_int_equal(sock_connections(getpid(), ntohs(address.sin_port)), 1);
	assert_unread(accepted, client, ntohs(address.sin_port));
	assert_true(is_seen_to_close(server));
	assert_false(has_listener(AF_INET, ntohs(address.sin_port), "127.0.0.1"));
	close(accepted);
	close(client);
	assert_int_equal(sock_connections(getpid(), ntohs(address.sin_port)), 0);
}

static void test_tcp6(void **state)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int server = socket(AF_INET6, SOCK_STREAM, 0);
	socklen_t len = sizeof(address);

	(void)state;
	if (bind(server, (struct sockaddr *)&address, len))
		skip_because("there is no IPv6 here");
	assert_int_equal(getsockname(server, (struct sockaddr *)&address, &len), 0);
	assert_false(has_listener(AF_INET6, ntohs(address.sin6_port), "::1")); /* not yet */
	assert_int_equal(listen(server, 1), 0);
	assert_true(has_listener(AF_INET6, ntohs(address.sin6_port), "::1"));
	close(server);
}

/* What listens in another network namespace, where the kernel is not asked by sock_diag. */
static void test_elsewhere(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(6379) };
	struct sock_listener *list;
	int ready[2], server;
	size_t count;
	pid_t child;
	char is = 0;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		server = unshare(CLONE_NEWNET) ? -1 : socket(AF_INET, SOCK_STREAM, 0);
		if (server >= 0 && !bind(server, (struct sockaddr *)&address, sizeof(address)) &&
		    !listen(server, 1))
			is = 1;
		if (write(ready[1], &is, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &is, 1), 1);
	if (is)
		assert_int_equal(sock_listeners(child, &list, &count, NULL), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	if (!is)
		skip_because("making a network namespace needs root");
	assert_int_equal(count, 1);
	assert_int_equal(list[0].port, 6379);
	assert_string_equal(list[0].address, "0.0.0.0");
	free(list);
}

/* Likewise of a unix socket, whose other end is named by its process. */
static void assert_unread_unix(int accepted)
{
	static const char much[1 << 16];
	struct sock_unread list[2];
	char owner[32];

	assert_int_equal(sock_unread_unix(getpid(), 1, list, 2), 0);
	while (send(accepted, much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(sock_unread_unix(getpid(), 1, list, 2), 1);
	snprintf(owner, sizeof(owner), "process %d (", getpid());
	assert_memory_equal(list[0].address, owner, strlen(owner));
	assert_true(list[0].unsent_bytes > 0);
	assert_int_equal(sock_unread_unix(getpid(), INT32_MAX, list, 2), 0);
}

static void test_unix(void **state)
{
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct err err = { 0 };
	pid_t pid = 0;
	int accepted;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/redmem-test %d", getpid());
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_true(sock_peer_pid(client, &pid, &err) < 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	unlink(address.sun_path); /* whatever fails from here on; the kernel still tells its name */
	assert_int_equal(sock_peer_pid(client, &pid, &err), 0);
	assert_int_equal(pid, getpid());
	accepted = accept(server, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(sock_check_peer(client, getpid(), &err), 0);
	assert_true(sock_check_peer(client, getppid(), &err) < 0);
	assert_unread_unix(accepted);
	close(accepted);
	assert_true(has_listener(AF_UNIX, 0, address.sun_path));
	assert_false(is_seen_to_close(client));
	assert_true(is_seen_to_close(server));
}

static void test_no_socket(void **state)
{
	struct sock_listener *list;
	struct err err = { 0 };
	size_t count;
	pid_t pid;

	(void)state;
	assert_int_equal(sock_peer_pid(-1, &pid, &err), -EBADF);
	assert_int_equal(err.code, -EBADF);
	assert_int_equal(sock_listeners(INT32_MAX, &list, &count, &err), -ENOENT);
	assert_null(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_line),     cmocka_unit_test(test_unix_line),
		cmocka_unit_test(test_broken_lines), cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_tcp6),	     cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_unix),	     cmocka_unit_test(test_no_socket),
	};

	return cmocka_run_group_tests_name("sock", tests, NULL, NULL);
}
