#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A healthy server gets no warning: neither idle nor under a load it copes with.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs redis-benchmark

# A server that had to wait for a CPU for 1 % of the watch, by the kernel's count, may be said to.
check_healthy() # NAME SECONDS-WAITED
{
	waited=$(query 'if $waited >= 0.01 * .window.duration_seconds then "cpu.contended" else "" end' --argjson waited "$2")
	check "$1" "exit status $status, $2 s waited for a CPU; $(query '[.findings[] | select(.severity != "info") |
		"\(.severity) \(.id): \(.title)"] | join("; ")')" \
		holds '(.findings | type == "array") and (.findings | all(.severity == "info" or .id == $waited))' \
		--arg waited "$waited"
	check "$1-complete" "off: $(query '[.sensors[] | select(.state == "off") | "\(.id): \(.reason)"] | join("; ")')" \
		holds '.target.connected and (["connection", "attribution", "cpu", "fault", "loop", "offcpu", "rss",
			"vm", "reclaim", "life", "flow"] - [.sensors[] | select(.state == "on").id] == [])'
	check "$1-drops" "$(query '"\(.self.drops_total) events lost: \(.self.drops)"')" \
		holds '.self.drops_total == 0'
}

server_start
run_redmem doctor --json -d 4 -s "$socket"
check_healthy idle 0

before=$(run_delay "$pid")
watch_start -s "$socket"
redis-benchmark -s "$socket" -q -t set,get,incr,lpush,rpop,sadd,hset,zadd -n 40000 -r 100000 \
	>/dev/null 2>&1
watch_end
check_healthy loaded "$(awk -v a="$before" -v b="$(run_delay "$pid")" 'BEGIN { print b - a }')"
check loaded-saw "no SET charged" holds '.commands | any(.command == "set" and .cpu_seconds > 0)'
finish
