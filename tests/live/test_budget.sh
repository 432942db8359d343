#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The budget is kept: on a server without a moment to spare, what redmem says that it took is
# within what it was given, and what it says of its programs is what the kernel counted. That
# others take the CPU from the server is a context switch to be looked at, and their page
# faults come to redmem's programs, too; none of that is redmem's choice, and as much as the
# kernel counted may come on top.
#
# WINDOW is the length of a watch, in seconds (10).
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs bpftool

# Nanoseconds in each program that the watch holds, as the kernel counts them, and of a run.
programs()
{
	held=$(sed -n 's/^prog_id:[[:space:]]*//p' "/proc/$watch/fdinfo/"* 2>/dev/null | sort -u | paste -sd ,)
	bpftool -j prog show | jq -c --argjson held "[$held]" 'map(select(.id | IN($held[])) |
		{(.name): {ns: (.run_time_ns // 0), mean: ((.run_time_ns // 0) / ([.run_cnt // 0, 1] | max))}}) | add'
}

# How often others took the CPU from the server's threads, its page faults, and all there were.
counts()
{
	cat "/proc/$pid/task/"*/status | awk '/^nonvoluntary_ctxt_switches/ { sum += $2 } END { print sum }'
	stat_field "$pid" 10
	awk '$1 == "pgfault" { print $2 }' /proc/vmstat
}

window_is_over()
{
	[ "$(date +%s%N)" -ge "$until" ]
}

# Watches for a while. Sets seconds, took (in programs), and extra: those of them that are
# no choice of redmem's, for faults of other processes and for being preempted.
watch_busy() # COMMAND [OPTION...]
{
	command=$1
	shift
	watch_start -s "$socket" "$@"
	programs >"$work/before"
	counts >"$work/counts"
	began=$(date +%s%N)
	until=$((began + ${WINDOW:-10} * 1000000000))
	await 600 window_is_over
	seconds=$(awk -v ns=$(($(date +%s%N) - began)) 'BEGIN { print ns / 1e9 }')
	programs >"$work/after"
	counts >>"$work/counts"
	read -r took extra <<-END
		$(jq -rn --slurpfile before "$work/before" --slurpfile after "$work/after" --slurpfile counts "$work/counts" '
			def ns($name): ($after[0][$name].ns // 0) - ($before[0][$name].ns // 0);
			(1 - ($counts[4] - $counts[1]) / ([$counts[5] - $counts[2], 1] | max)) as $foreign |
			"\([$after[0] | keys[] | ns(.)] | add / 1e9) " +
			"\(($foreign * (ns("fault_user") + ns("rss_changed")) +
			  2 * ($counts[3] - $counts[0]) * ($after[0].offcpu_switch.mean // 0)) / 1e9)"')
	END
	watch_end
}

# What a probe costs was measured with an error, which is told; a tenth where it is not.
slack='(.cost | if .probe_seconds then .probe_error_seconds / .probe_seconds else 0.1 end)'

check_budget() # COMMAND PERCENT
{
	watch_busy "$1" --budget "$2"
	check "$1-$2-kept" "$seconds s, of which $extra s for others; $(query .cost -c)" holds \
		".cost | .budget_ratio == $2 / 100 and .spent_ratio > 0 and
		.spent_ratio <= .budget_ratio * (1 + (\$slack)) + $extra / $seconds" --argjson slack "$(query "$slack")"
	check "$1-$2-programs" "the kernel says $took s, $(query .cost -c)" holds \
		".cost.bpf_seconds | . > 0.9 * $took and . < 1.3 * $took + 0.01"
}

server_start
"$load" fill -s "$socket" -k bench: -n 100000 -S 100 || exit 1
mkfifo "$work/orders"
"$load" steady -s "$socket" -o set -P 16 -c 50 -n 100000 <"$work/orders" >/dev/null &
own_process $!
exec 8>"$work/orders" # the load goes on until this is closed
check_budget doctor 1
check_budget alloc 1
check_budget alloc 0.3
# It has no budget of its own to be told, and no probes: what the kernel counts is all.
watch_busy stalls
check stalls-kept "$took s in programs, of them $extra s for others, in $seconds s" \
	awk "BEGIN { exit !($took > 0 && $took <= 0.011 * $seconds + $extra) }"
exec 8>&-
finish
