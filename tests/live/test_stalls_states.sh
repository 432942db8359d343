#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Stalls of a server that lets nobody in: every place for a client is taken, or it is
# still loading its dataset.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

loading()
{
	redis_cli info persistence | grep -q '^loading:1'
}

refused()
{
	jq -e -s '.[-1].target | .connected == false and (.connect_reason | test("no free client slot"))' \
		"$json" >/dev/null
}

# The load has the only place, also while redmem finds out by watching.
server_start --enable-debug-command yes --maxclients 1
"$load" inject -s "$socket" -n 200 >"$work/truth" &
loader=$!
own_process "$loader"
must 20 grep -q begin "$work/truth"
run_redmem stalls --json --pid "$pid" -d 5
check full-status "exit status $status: $(said)" [ "$status" = 0 ]
check full-refused "$(tail -n 1 "$json" | jq -c .target)" refused
check full-stalls "$(stalls_said)" stalls 'any(.command | IN("del", "eval", "debug")) and
	all((([.blame[].seconds] | add) - .duration_seconds | fabs) <= 0.01 * .duration_seconds)'
kill_process "$loader"
kill_process "$pid"

# Replies come only now and then, and nothing but INFO is answered.
server_start --enable-debug-command yes
redis_cli debug populate 100000 key 100 >/dev/null
redis_cli save >/dev/null
dump=$dir/dump.rdb
kill_process "$pid"
server_start --dir "${dump%/*}" --key-load-delay 50 --loading-process-events-interval-bytes 20000
check loading "the server has loaded its dataset already" loading
run_redmem stalls --json -s "$socket" -d 2
check loading-status "exit status $status: $(said)" [ "$status" = 0 ]
check loading-stalls "$(stalls_said)" stalls 'length > 3 and all(.command == "")'
finish
