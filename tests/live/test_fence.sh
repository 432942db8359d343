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
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static uint64_t allocated, deallocated;
int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
{
	(void)old_len, (void)new, (void)new_len;
	if (old && !strcmp(name, "thread.allocatedp"))
		*(uint64_t **)old = &allocated;
	else if (old && !strcmp(name, "thread.deallocatedp"))
		*(uint64_t **)old = &deallocated;
	else
		return ENOENT;
	return 0;
}
void malloc_stats_print(void (*write)(void *, const char *), void *to, const char *options)
{
	(void)write, (void)to, (void)options;
}
size_t nallocx(size_t size, int flags)
{
	(void)flags;
	return (size + 15) & ~(size_t)15;
}
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
	"${CC:-cc}" -shared -fPIC ${build_id:+"-Wl,--build-id=0x$build_id"} -Wl,-soname,libjemalloc.so.2 -o "$work/$1/libjemalloc.so.2" \
		"$work/$1/fake.c" || not_ok "$1" "cannot compile the library"
	export LD_LIBRARY_PATH="$work/$1" HARMLESS=1
	server_start
	unset LD_LIBRARY_PATH HARMLESS
	timeout 60 "$redmem" alloc -d 1 --json -s "$socket" >"$json" 2>"$messages"
	status=$?
	check "$1-goes-on" "exit status $status: $(said)" [ "$status" = 0 ]
	check "$1-reason" "$(query '.sensors[] | select(.id == "flow")')" holds \
		'.sensors[] | select(.id == "flow") | .state == "off" and (.reason | test($why))' \
		--arg why "$2"
	check "$1-answers" "the server does not answer" server_answers
	kill_process "$pid"
}

hostile hangs 'took more than' <<'END'
static void harm(void)
{
	for (;;)
		pause();
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
run_redmem alloc -d 1 --json -s "$socket"
check genuine "$(query '.sensors[] | select(.id == "flow")')" holds \
	'.sensors[] | select(.id == "flow") | .state == "on"'
kill_process "$pid"
hostile build-id 'no function' <<'END'
static void harm(void)
{
}
END
build_id=
finish
