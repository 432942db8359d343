#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Libraries that mean harm: what a container may put in the place of its server's
# libjemalloc.so.2. redmem runs a copy of it to see how it behaves, so each of these does
# what it should not be able to, and redmem must say what it sees and go on.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs "${CC:-cc}" readelf
command=alloc
build_id=

# Looks like jemalloc, and nothing in it tells of bytes. In the server, which has HARMLESS
# in its environment, that is all.
cat >"$work/fake.h" <<'END'
#define _GNU_SOURCE
#include "fake_jemalloc.c"
#include <stdlib.h>
#include <unistd.h>
static void harm(void);
__attribute__((constructor)) static void begin(void)
{
	if (!getenv("HARMLESS"))
		harm();
}
END

# hostile NAME REASON: of a library whose harm() is on stdin, redmem says REASON.
hostile()
{
	mkdir "$work/$1"
	{ cat "$work/fake.h" && cat; } >"$work/$1/fake.c"
	"${CC:-cc}" -I"$root/tests/live" -shared -fPIC ${build_id:+"-Wl,--build-id=0x$build_id"} -Wl,-soname,libjemalloc.so.2 -o "$work/$1/libjemalloc.so.2" \
		"$work/$1/fake.c" || not_ok "$1" "cannot compile the library"
	export LD_LIBRARY_PATH="$work/$1" HARMLESS=1
	server_start
	unset LD_LIBRARY_PATH HARMLESS
	timeout 60 "$redmem" alloc -d 0.2 --json -s "$socket" >"$json" 2>"$messages"
	status=$?
	check "$1-goes-on" "exit status $status: $(said)" [ "$status" = 0 ]
	check "$1-reason" "$(query '.sensors[] | select(.id == "flow")')" holds \
		'.sensors[] | select(.id == "flow") | .state == "off" and (.reason | test($why))' \
		--arg why "$2"
	check "$1-answers" "the server does not answer" server_answers
	kill_process "$pid"
}

hostile hangs 'took more than' <<'END'
#include <linux/futex.h>
#include <sys/syscall.h>
static int word;
static void harm(void)
{
	for (;;)
		syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}
END

hostile spins 'took more than' <<'END'
static void harm(void)
{
	for (;;)
		;
}
END

# Says it is the very build the system has, of which redmem has a result in its cache.
build_id=$(readelf -n /usr/lib/*/libjemalloc.so.2 | sed -n 's/.*Build ID: //p' | head -n 1)
server_start
run_redmem alloc -d 0.2 --json -s "$socket"
check genuine "$(query '.sensors[] | select(.id == "flow")')" holds \
	'.sensors[] | select(.id == "flow") | .state == "on"'
kill_process "$pid"
hostile build-id 'no function' <<'END'
static void harm(void)
{
}
END
build_id=

# Speaks in the child's place: stops where the child would, with a greeting of its own.
hostile lies 'makes no sense' <<'END'
static struct {
	uint64_t counter[2], block_bytes, classes[256], count;
} hello = { .block_bytes = 1024, .count = 1000000000 };
static void harm(void)
{
#ifdef __x86_64__
	__asm__ volatile("int3" : : "D"(&hello) : "memory");
#else
	register void *first __asm__("x0") = &hello;
	__asm__ volatile("brk #0" : : "r"(first) : "memory");
#endif
}
END

# Each attempt would hang where it is let, and goes on as a library where it is not.
hostile attempts 'no function' <<END
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#define TRY(attempt) do { if ((attempt) >= 0) for (;;) pause(); } while (0)
static void harm(void)
{
	TRY(fork());
	TRY(vfork());
	TRY(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));

	TRY(socket(AF_UNIX, SOCK_STREAM, 0));
	TRY(socket(AF_INET, SOCK_STREAM, 0));
	TRY(socket(AF_NETLINK, SOCK_RAW, 0));
	TRY(write(1, "x", 1));
	TRY(write(2, "x", 1));
	TRY(kill(1, SIGKILL));
	TRY(kill(-1, 0));
	TRY(ptrace(PTRACE_SEIZE, getppid(), 0, 0));

	TRY(open("/etc/passwd", O_RDONLY));
	TRY(open("/proc/self/maps", O_RDONLY));
	TRY(open("/proc/1/root", O_RDONLY));
	TRY(open("$work/fake.h", O_RDONLY));
	TRY(open("$work/here", O_WRONLY | O_CREAT, 0600));
	TRY(open("/here", O_WRONLY | O_CREAT, 0600));
	TRY(open("/ld.so", O_RDWR));
	TRY(unlink("/ld.so"));
	TRY(open("..", O_RDONLY | O_DIRECTORY) < 0 ? -1 : open("../etc", O_RDONLY));
}
END
check files-none "a file was made" [ ! -e "$work/here" ]

# A program that only root may start still has a helper and a child.
install -m 700 "$redmem" "$work/redmem"
server_start
"$work/redmem" alloc -d 0.2 --json -s "$socket" >"$json" 2>"$messages"
check mode-700 "$(query '.sensors[] | select(.id == "flow")')" holds \
	'.sensors[] | select(.id == "flow") | .state == "on"'
kill_process "$pid"
finish
