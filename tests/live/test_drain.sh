#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Nobody takes what the programs record for a second of the server's work, while they record
# as much as they ever do: 997 samples a second, and calls of the allocator. Nothing is lost.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

# The server works for some 8 ms, then pauses for 2, and so on.
script='local x = 0 for i = 1, 1500000 do x = x + i % 7 end'

work_begin()
{
	redis_cli -r -1 -i 0.002 eval "$script" 1 worked:on >/dev/null &
	worker=$!
	own_process "$worker"
}

# What the server has used.
ticks_of_cpu()
{
	echo "$(($(stat_field "$pid" 14) + $(stat_field "$pid" 15)))"
}

# Has the server worked for 0.9 s since there were TICKS?
worked_since() # TICKS
{
	[ "$(($(ticks_of_cpu) - $1))" -ge "$(($(getconf CLK_TCK) * 9 / 10))" ]
}

# Were the allocator's calls looked at so often?
looked() # TIMES
{
	[ "$(grep -c "pause: look" "$messages")" -ge "$1" ]
}

# Nobody takes anything until COMMAND is true.
hold() # COMMAND...
{
	kill -STOP "$watch"
	must 20 "$@"
	kill -CONT "$watch"
}

server_start
stalls_start
work_begin
must 20 worked_since "$(ticks_of_cpu)"
hold worked_since "$(ticks_of_cpu)"
stalls_drain
watch_end
self=$(jq -c -s '.[-1].self' "$json")
check stalls-samples "$self" [ "$(jq -s '.[-1].self.events_total' "$json")" -gt 1000 ]
check stalls-nothing-lost "$self" [ "$(jq -s '.[-1].self.drops_total' "$json")" = 0 ]
kill_process "$worker"

command=alloc
"$load" mixed -s "$socket" -d 600 >/dev/null 2>&1 &
worker=$!
own_process "$worker"
watch_start -s "$socket" --budget 20
must 20 looked 5
hold worked_since "$(ticks_of_cpu)"
must 20 looked 10
watch_end
check alloc-calls "$(query .totals.latency.calls_total) calls" holds '.totals.latency.calls_total > 100'
check alloc-nothing-lost "$(query .self.drops)" holds '.self.drops | test("ring_full") | not'
finish
