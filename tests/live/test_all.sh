#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem doctor --all`: servers watched by one process, each told right, whatever another
# one does: hang, restart, come meanwhile. In a pid namespace of its own, so that all servers
# are the test's.
#
#	SERVERS	how many (16)
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs unshare redis-benchmark

# A second time, inside.
if [ "${1-}" != inside ]; then
	unshare --pid --mount --fork --kill-child --mount-proc true 2>/dev/null ||
		skip_all "unshare is not allowed here"
	unshare --pid --mount --fork --kill-child --mount-proc "$0" inside
	exit # its directory goes, too
fi

servers=${SERVERS:-16}
declare -a pids sockets loads

# of PID FILTER [JQ OPTION...]: true when FILTER is true of that server's report.
of()
{
	of_pid=$1 of_filter=$2
	shift 2
	holds "[.servers[] | select(.target.pid == \$of)] | length == 1 and (.[0] | $of_filter)" \
		--argjson of "$of_pid" "$@"
}

# What a report says of its commands, for a complaint.
said_of() # PID
{
	query '.servers[] | select(.target.pid == $of) | {commands: [.commands[] |
		{command, calls_total, cpu_seconds}], prefixes: [.prefixes[].prefix],
		stalls: [.stalls[] | {command, key, duration_seconds}], drops: .self.drops,
		off: [.sensors[] | select(.state == "off") | .id]} | tostring' \
		--argjson of "$1" | cut -c 1-800
}

for ((i = 0; i < servers; i++)); do
	server_start --enable-debug-command yes
	pids[i]=$pid
	sockets[i]=$socket
done

: >"$messages"
"$redmem" doctor --all -d 600 -vv --json >"$json" 2>"$messages" &
watch=$!
own_process "$watch"
all_watched()
{
	[ "$(grep -c 'watching process' "$messages")" -ge "$servers" ]
}
await 60 all_watched || not_ok watching "$(grep -c 'watching process' "$messages") of $servers"

# The first two do different things with different keys, as their clients count them.
for ((i = 0; i < 2; i++)); do
	operation=set name=alpha
	[ "$i" = 0 ] || operation=lpush name=beta
	redis-benchmark -s "${sockets[i]}" -c 2 -P 4 -n 200000 -r 1000 -q \
		"$operation" "$name:__rand_int__" value >/dev/null 2>&1 &
	own_process $!
	loads+=($!)
done
# The third stalls twice with a key of its own, the fourth hangs, the fifth restarts.
redis-cli -s "${sockets[2]}" eval 'for i = 1, 300000 do redis.call("zadd", KEYS[1], i, i) end' \
	1 big:key >/dev/null
redis-cli -s "${sockets[2]}" del big:key >/dev/null
kill -STOP "${pids[3]}"
kill_process "${pids[4]}"
restarted=${pids[4]}
server_start --enable-debug-command yes
again=$pid
own_process "$again"
watch_again()
{
	grep -q "watching process $again" "$messages"
}
check restarted-found "the new process is not watched: $(said)" await 10 watch_again
redis-benchmark -s "$socket" -c 1 -P 4 -n 20000 -q hset again:1 f value >/dev/null 2>&1
sleep 3 # the fourth hangs so long
kill -CONT "${pids[3]}"
wait "${loads[@]}"
watch_end

check status "exit status $status: $(said)" [ "$status" = 0 ]
check all "$(query '[.servers[].target.pid] | tostring')" holds \
	'.schema == "redmem.doctor_all/1" and (.servers | length) == $n and
	all(.servers[]; .schema == "redmem.doctor/1")' --argjson n $((servers + 1))
check lost "$(query '[.servers[].self | select(.drops_total > 0) | .drops] | tostring')" holds \
	'all(.servers[].self.drops; test("ring_full|threads_full|profile_full") | not)'
check set "$(said_of "${pids[0]}")" of "${pids[0]}" '
	any(.commands[]; .command == "set" and .calls_total >= 200000 and .cpu_seconds > 0) and
	any(.prefixes[]; .prefix == "alpha:*") and
	all(.prefixes[]; .prefix | startswith("beta:") | not)'
check lpush "$(said_of "${pids[1]}")" of "${pids[1]}" '
	any(.commands[]; .command == "lpush" and .calls_total >= 200000 and .cpu_seconds > 0) and
	any(.prefixes[]; .prefix == "beta:*") and
	all(.prefixes[]; .prefix | startswith("alpha:") | not)'
check stalls "$(said_of "${pids[2]}")" of "${pids[2]}" '
	any(.stalls[]; .command == "eval" and .key == "big:key")'
check stalls-only-there "$(query '[.servers[] | {(.target.pid | tostring): [.stalls[].key]}] | tostring')" \
	holds 'all(.servers[]; .target.pid == $pid or all(.stalls[]; .key != "big:key"))' \
	--argjson pid "${pids[2]}"
check hung "$(query '.servers[] | select(.target.pid == $of) | .life | tostring' --argjson of "${pids[3]}")" \
	of "${pids[3]}" 'any(.life[]; .event == "hang" or .event == "stopped")'
check ended "$(query '.servers[] | select(.target.pid == $of) | .life | tostring' --argjson of "$restarted")" \
	of "$restarted" 'any(.life[]; .event == "exit")'
check again "$(said_of "$again")" of "$again" '
	any(.commands[]; .command == "hset" and .calls_total >= 20000)'
# The others were left alone, and that is what their reports say.
quiet=0
for ((i = 5; i < servers; i++)); do
	if of "${pids[i]}" '(.sensors | all(.state == "on" or .id == "flow")) and
		all(.commands[]; .command | IN("set", "lpush", "eval", "hset") | not) and
		all(.life[]; .event != "hang")'; then
		quiet=$((quiet + 1))
	else
		said_of "${pids[i]}"
	fi
done
check others "$quiet of $((servers - 5))" [ "$quiet" = $((servers - 5)) ]
finish
