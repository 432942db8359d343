#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The budget is kept: on a server without a moment to spare, what redmem says that it took is
# within what it was given, and what it says of its programs, the server's time and other
# processes', is what the kernel counted. What those pay is not told as taken from the server:
# an idle one beside busy neighbours pays next to nothing. How often they take the CPU from a
# busy server is not redmem's choice, and each time is looked at: what that took comes on top,
# of the time in the program of switches as large a part as the kernel counts of such ones.
#
# WINDOW is the length of a watch, in seconds (7).
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs bpftool

# Nanoseconds in the programs that the watch holds, as the kernel counts them: all, and in
# that of switches; and the switches of the server's threads, forced ones and all.
counts()
{
	held=$(sed -n 's/^prog_id:[[:space:]]*//p' "/proc/$watch/fdinfo/"* 2>/dev/null | sort -u | paste -sd ,)
	bpftool -j prog show | jq -r --argjson held "[$held]" 'map(select(.id | IN($held[]))) |
		"\(map(.run_time_ns // 0) | add // 0) " +
		"\(map(select(.name == "offcpu_switch").run_time_ns // 0) | add // 0)"'
	cat "/proc/$pid/task/"*/status | awk '/^nonvoluntary_ctxt_switches/ { forced += $2 }
		/ctxt_switches/ { all += $2 } END { print forced, all }'
}

window_is_over()
{
	[ "$(date +%s%N)" -ge "$until" ]
}

# Watches for a while. Sets seconds; took: what the kernel counts in programs; extra: that of it
# for being preempted; and waited: the seconds the server waited for a CPU.
watch_while() # COMMAND [OPTION...]
{
	command=$1
	shift
	watch_start -s "$socket" "$@"
	counts >"$work/counts"
	waited=$(run_delay "$pid")
	began=$(date +%s%N)
	until=$((began + ${WINDOW:-7} * 1000000000))
	must 600 window_is_over
	seconds=$(awk -v ns=$(($(date +%s%N) - began)) 'BEGIN { print ns / 1e9 }')
	waited=$(awk -v before="$waited" -v now="$(run_delay "$pid")" 'BEGIN { print now - before }')
	counts >>"$work/counts"
	read -r took extra <<-END
		$(tr '\n' ' ' <"$work/counts" | awk '{ print ($5 - $1) / 1e9,
			($8 > $4 ? ($6 - $2) * ($7 - $3) / ($8 - $4) : 0) / 1e9 }')
	END
	watch_end
}

# All that the kernel counts is told as one's or the other's. The watch is longer than the time
# between the counts: by bpftool's, which a busy machine may make as long as the rest.
check_programs() # NAME
{
	check "$1" "the kernel says $took s in $seconds s, $(query '[.window.duration_seconds, .cost, .self]' -c)" holds \
		".window.duration_seconds as \$all | (.self.bpf_seconds + .self.other_bpf_seconds) |
		. > 0.9 * $took and . < 1.2 * $took * ([\$all / $seconds, 1] | max) + 0.01"
}

# What a probe costs was measured with an error, which is told; a tenth where it is not.
slack='(.cost | if .probe_seconds then .probe_error_seconds / .probe_seconds else 0.1 end)'

check_budget() # COMMAND PERCENT
{
	watch_while "$1" --budget "$2"
	check "$1-$2-kept" "preempted for $extra of $seconds s: $(query .cost -c)" holds \
		".cost | .budget_ratio == $2 / 100 and .spent_ratio > 0 and
		.spent_ratio <= .budget_ratio * (1 + (\$slack)) + $extra / $seconds" --argjson slack "$(query "$slack")"
	check_programs "$1-$2-programs"
}

server_start
# Neighbours that come and go, with a switch and some hundred faults each.
while :; do /bin/true; done &
neighbour=$!
own_process "$neighbour"
watch_while doctor
kill_process "$neighbour"
check idle-pays-little "of $took s: $(query '[.cost, .self]' -c)" holds \
	".cost.bpf_seconds < 0.3 * $took and .cost.spent_ratio < 0.5 * .cost.budget_ratio and
	.self.other_bpf_seconds > 0.5 * $took"
check_programs idle-programs
"$load" fill -s "$socket" -k bench: -n 100000 -S 100 || exit 1
mkfifo "$work/orders"
"$load" steady -s "$socket" -o set -P 16 -c 50 -n 100000 <"$work/orders" >/dev/null &
own_process $!
exec 8>"$work/orders" # the load goes on until this is closed
check_budget doctor 1
check_budget alloc 1
# One that has to share its CPU earns only while it does not wait.
every_cpu=$(taskset -pc "$pid" | sed 's/.*: //')
taskset -pc "${every_cpu%%[-,]*}" "$pid" >/dev/null
taskset -c "${every_cpu%%[-,]*}" sh -c 'while :; do :; done' &
hog=$!
own_process "$hog"
watch_while alloc --budget 0.3
kill_process "$hog"
taskset -pc "$every_cpu" "$pid" >/dev/null
check starved-kept "waited $waited and was preempted for $extra of $seconds s: $(query .cost -c)" holds \
	".cost | .spent_ratio > 0 and .spent_ratio <= .budget_ratio * (1 - $waited / $seconds) *
	(1 + (\$slack)) + $extra / $seconds" --argjson slack "$(query "$slack")"
# It has no budget of its own to be told, and no probes: what its programs took is all.
watch_while stalls
own='[., inputs] | map(.self // empty) | last | .bpf_seconds'
check stalls-kept "$(query "$own") of $took s in programs, preempted for $extra of $seconds s" holds \
	"$own | . > 0 and . <= 0.011 * $seconds + $extra"
exec 8>&-
finish
