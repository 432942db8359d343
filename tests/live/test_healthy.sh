#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A healthy server gets no warning: neither idle nor under a load it copes with.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs redis-benchmark

# What the kernel counted of a busy machine, or of one that is stolen from, may be told.
check_healthy() # NAME
{
	check "$1" "exit status $status; $(machine); $(query '[.findings[] | select(.severity != "info") |
		"\(.severity) \(.id): \(.title)"] | join("; ")')" \
		holds_of_server '(.findings | type == "array") and (.findings | all(.severity == "info"))'
	check "$1-complete" "off: $(query '[.sensors[] | select(.state == "off") | "\(.id): \(.reason)"] | join("; ")')" \
		holds '.target.connected and (["connection", "attribution", "cpu", "fault", "loop", "offcpu", "rss",
			"vm", "reclaim", "life", "flow"] - [.sensors[] | select(.state == "on").id] == [])'
	check "$1-drops" "$(query '"\(.self.drops_total) events lost: \(.self.drops)"')" \
		holds '.self.drops_total == 0'
}

server_start
run_redmem doctor --json -d 4 -s "$socket"
check_healthy idle

watch_start -s "$socket"
redis-benchmark -s "$socket" -q -t set,get,incr,lpush,rpop,sadd,hset,zadd -n 40000 -r 100000 \
	>/dev/null 2>&1
watch_end
check_healthy loaded
check loaded-saw "no SET charged" holds '.commands | any(.command == "set" and .cpu_seconds > 0)'
finish
