#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem alloc` on servers built in other ways: Valkey, an upstream build with its own
# jemalloc, one whose library looks like jemalloc but does not behave so, and under another
# C library (musl) one whose library has no symbols, and one whose program has none and its
# allocator in it, as Alpine builds.
#
# UPSTREAM names an upstream-style redis-server that is there already.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/live/alloc.sh
. "$(dirname "$0")/alloc.sh"
# shellcheck source=tests/live/upstream.sh
. "$(dirname "$0")/upstream.sh"
need_bpf

# 60,000 new keys of 1,000 bytes: what is allocated is known to some percent. Bursts have time to
# see calls of some classes.
watch_growth()
{
	growth_load 60000 1000 0 >"$work/load"
	before=$(used_memory)
	watch_start -s "$socket" --budget 100
	send "$work/load"
	truth=$(($(used_memory) - before))
	must 20 sent_and_looked
	watch_end
}

# Sends the same once more, which leaves nothing behind, and is true after twenty bursts.
sent_and_looked()
{
	send "$work/load"
	[ "$(grep -c 'pause: look' "$messages")" -ge 20 ]
}

grown() # prints nothing when the growth is right
{
	query '.growth.prefixes[0] // {} |
		if .prefix == "grow:*" and ((.net_bytes - $truth) / $truth | fabs) < 0.15 then empty
		else "\(.prefix) \(.net_bytes) instead of \($truth)" end' --argjson truth "$truth"
}

check_flow() # NAME
{
	check "$1-flow-on" "$(query '.sensors[] | select(.id == "flow")')" holds \
		'.sensors[] | select(.id == "flow") | .state == "on"'
	check "$1-burst-on" "$(query '.sensors[] | select(.id == "burst")')" holds \
		'.sensors[] | select(.id == "burst") | .state == "on"'
	check "$1-growth" "$(grown)" [ -z "$(grown)" ]
	check "$1-set" "$(query '.commands')" holds '.commands[0].command == "set"'
	check "$1-classes" "$(query '.size_classes')" holds \
		'[.size_classes[] | select(.calls_total > 0)] | length > 3'
}

server=valkey-server
server_start
watch_growth
check_flow valkey
kill_process "$pid"

# A fourth of the values is of these classes, and the server keeps them.
class_is_filled()
{
	holds '[.size_classes[] | select(.size_bytes > 1000 and .size_bytes <= 1280) |
		.cache_in_bytes] | add // 0 | . / (60000 * 1024) | . > 0.1 and . < 0.6'
}

if [ -n "${UPSTREAM:-}" ] && upstream=$UPSTREAM || upstream_build; then
	server=$upstream
	server_start
	watch_growth
	check_flow upstream
	# jemalloc before 5.3 is followed in its caches, later ones by their own events.
	if redis_cli info memory | grep -q 'mem_allocator:jemalloc-5\.[012]'; then
		check upstream-class "$(query '.size_classes')" class_is_filled
	fi
	kill_process "$pid"
else
	skip upstream "no source package with jemalloc: $(tail -n 1 "$work/upstream.log")"
fi

# A library that says it is jemalloc: counters that never move, and nothing that tells.
"${CC:-cc}" -shared -fPIC -Wl,-soname,libjemalloc.so.2 -o "$work/libjemalloc.so.2" \
	"$root/tests/live/fake_jemalloc.c" ||
	not_ok fake "cannot compile the library"
server=redis-server
LD_LIBRARY_PATH=$work
export LD_LIBRARY_PATH
server_start
unset LD_LIBRARY_PATH
run_redmem alloc -d 1 --json -s "$socket"
check fake-refused "$(query '.sensors[] | select(.id == "flow")')" holds \
	'.sensors[] | select(.id == "flow") | .state == "off" and (.reason | test("no function"))'
check fake-unknown "$(query '.totals')" holds '.totals.alloc_bytes == null'
check fake-answers "the server does not answer" server_answers

# Optimized together with a server, jemalloc's functions have 30 KiB of local variables: who
# called them stands above.
mkdir "$work/deep"
"${CC:-cc}" -O1 -fno-omit-frame-pointer -fno-builtin -DLOCAL_BYTES=30000 -shared -fPIC -s \
	-Wl,-soname,libjemalloc.so.2 -o "$work/deep/libjemalloc.so.2" "$root/tests/live/tells.c" ||
	not_ok deep "cannot compile the library"
growth_load 20000 1000 0 >"$work/load"
export LD_LIBRARY_PATH="$work/deep"
server_start
unset LD_LIBRARY_PATH
before=$(used_memory)
watch_start -s "$socket" --budget 100
send "$work/load"
truth=$(($(used_memory) - before))
watch_end
check deep-growth "$(grown)" [ -z "$(grown)" ]
kill_process "$pid"

# Which function tells of bytes is found by running the library under the very loader that the
# process has, and what it tells is counted: 100,000 values of 1,024 bytes.
done_with() # COUNT
{
	[ "$(wc -l <"$work/musl/out")" = "$1" ]
}

compile() # ARGUMENT...
{
	musl-gcc -O1 -fno-builtin -DBLOCKS=100000 -DBYTES=1024 "$@"
}

compile_library()
{
	compile -shared -fPIC -s -Wl,-soname,libjemalloc.so.2 -o "$work/musl/libjemalloc.so.2" "$tells" &&
		compile -DPROGRAM -o "$work/musl/program" "$tells" "$work/musl/libjemalloc.so.2" \
			-Wl,-rpath,"$work/musl"
}

# All of it is one program, where the allocator's names have the prefix they have in servers.
compile_bundled()
{
	bundled='-Dmalloc=je_malloc -Dfree=je_free -Dcalloc=je_calloc -Drealloc=je_realloc
		-Dmallctl=je_mallctl -Dnallocx=je_nallocx -Dmalloc_stats_print=je_malloc_stats_print'
	# shellcheck disable=SC2086 # words
	compile $bundled -fPIE -c -o "$work/musl/allocator.o" "$tells" &&
		compile $bundled -fPIE -pie -rdynamic -s -DPROGRAM -o "$work/musl/program" "$tells" \
			"$work/musl/allocator.o"
}

test_musl() # NAME COMPILE
{
	command -v musl-gcc >/dev/null || {
		skip "$1" "musl-gcc is not installed"
		return
	}
	mkdir "$work/musl"
	mkfifo "$work/musl/orders"
	tells=$root/tests/live/tells.c
	$2 || {
		not_ok "$1" "cannot compile it"
		return
	}
	"$work/musl/program" <"$work/musl/orders" >"$work/musl/out" &
	pid=$!
	own_process "$pid"
	exec 7>"$work/musl/orders"
	echo >&7
	must 20 done_with 1
	watch_start --pid "$pid" --no-connect --budget 100
	echo >&7
	must 60 done_with 2
	watch_end
	exec 7>&-
	check "$1-flow-on" "$(query '.sensors[] | select(.id == "flow")')" holds \
		'.sensors[] | select(.id == "flow") | .state == "on"'
	check "$1-bytes" "$(query '.totals')" holds '.totals |
		(.alloc_bytes - 102400000 | fabs) < 0.01 * 102400000 and
		(.free_bytes - 102400000 | fabs) < 0.01 * 102400000'
	kill_process "$pid"
	rm -r "$work/musl"
}

test_musl musl compile_library
test_musl bundled compile_bundled
finish
