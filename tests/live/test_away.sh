#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server whose process is not to be seen from here, as one on another host or a managed one:
# what it says itself goes through the same ledger and rules; what needs the host is null, and
# one line says why. Here redmem is in a pid namespace of its own, which has no server.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_root
need_programs unshare

away() # COMMAND ARGUMENT...
{
	unshare --pid --fork --mount-proc "$redmem" "$@" -s "$socket" >"$json" 2>"$messages"
	status=$?
}

# Writes that are refused, all through a watch of three seconds.
refused_writes()
{
	while kill -0 "$watch" 2>/dev/null; do
		redis_cli set refused:1 x >/dev/null
		redis_cli get full:1 >/dev/null
	done
}

server_start
"$load" fill -s "$socket" -k full: -n 200000 -S 100 >/dev/null
redis_cli config set min-replicas-to-write 1 >/dev/null

unshare --pid --fork --mount-proc "$redmem" doctor -d 3 --json -s "$socket" >"$json" 2>"$messages" &
watch=$!
own_process "$watch"
refused_writes
wait "$watch"
status=$?
forget_process "$watch"

check ended "status $status: $(said)" test "$status" = 0
check target "$(query .target -c)" holds '.target | .pid == null and .server == "redis" and .role == "master"'
check verdict "$(query '[.findings[].id]' -c)" holds '.findings[0].id == "writes.refused"'
check ledger "$(query '[.ledger[] | {id, bytes}]' -c)" holds '
	(.ledger | map({(.id): .bytes}) | add) as $line |
	$line.rss > 0 and $line.swap == null and $line.allocated > 20000000 and $line.dataset > 10000000 and
	([.ledger[] | select(.parent == "rss") | .bytes] | add) == $line.rss'
check commands "$(query '[.commands[] | {command, calls_total}]' -c)" holds '
	[.commands[] | select(.command == "get") | .calls_total] | length == 1 and .[0] > 0'
check host-unknown "$(query '[.timeline.rows[-1], .host, .self]' -c)" holds '
	(.timeline.columns | index("rss_bytes")) as $rss | (.timeline.columns | index("used_memory_bytes")) as $used |
	[.timeline.rows[][$rss]] == [.timeline.rows[][$used] | null] and
	([.timeline.rows[][$used] | numbers] | length) > 1 and .host.kernel == null'
check said-why "$(query '.sensors | map({(.id): .reason}) | add' -c)" holds '
	[.sensors[] | select(.state == "on") | .id] == ["connection"] and
	([.sensors[] | select(.state == "off") | select((.reason | test("namespace")) and
		(.fix | test("own host")))] | length) == (.sensors | length) - 1'

away memory -d 1
check memory "status $status: $(said)" grep -q 'keys and values' "$json"
check memory-why "$(head -n 6 "$json")" grep -q 'its process cannot be seen from here' "$json"
away alloc -d 1 --json
check alloc "status $status: $(said)" holds '.target.pid == null and .totals.alloc_bytes == null'
away stalls -d 1
check stalls "status $status: $(said)" test "$status" = 1
check stalls-why "$(said)" grep -q "from the server's host" "$messages"
finish
