#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# redmem stalls names what held the server: the command, the key, how long (as SLOWLOG has
# it), and the main cause; a pipeline is no big key; a line tells it while it lasts.
# FULL=1 takes sizes ten times as large.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/top/terminal.sh
. "$root/tests/top/terminal.sh"
trap 'terminal_close; clean_up' EXIT
need_bpf
need_programs script

if [ "${FULL:-0}" = 1 ]; then
	zset=3000000 hash=500000 list=500000 longlist=1000000 keys=2000000
else
	zset=300000 hash=100000 list=100000 longlist=300000 keys=300000
fi

# Longer than a record holds: it is told whole, and looked up in its own database.
name=other:$(printf '%0100d' 7)

# Made in the server, before anybody watches.
make_data()
{
	redis_cli eval '
		for i = 1, tonumber(ARGV[1]) do redis.call("ZADD", "leaderboard:global", i, "member:" .. i) end
		for i = 1, tonumber(ARGV[2]) do redis.call("HSET", "profile:all", "field:" .. i, i) end
		for i = 1, tonumber(ARGV[3]) do redis.call("RPUSH", "scores:today", i * 7919 % 1000003) end
		for i = 1, tonumber(ARGV[4]) do redis.call("RPUSH", "events:log", i) end
		for i = 1, tonumber(ARGV[5]) do redis.call("SET", "user:" .. i, i) end' \
		0 $zset $hash $list $longlist $keys >/dev/null
	redis_cli -n 1 eval 'for i = 1, 100000 do redis.call("ZADD", KEYS[1], i, i) end' 1 "$name" >/dev/null
	redis_cli slowlog reset >/dev/null
}

run_commands()
{
	for line in "HGETALL profile:all" "SORT scores:today" "LRANGE events:log 0 -1" "KEYS *" \
		"DEL leaderboard:global"; do
		# shellcheck disable=SC2086 # words
		(set -f && redis_cli $line) >/dev/null
		stalls_drain # and a quiet moment
	done
	redis_cli eval 'return #redis.call("LRANGE", KEYS[1], 0, -1)' 1 events:log >/dev/null
	stalls_drain
	"$load" pipeline -s "$socket" -n 20000 -c 50 -k small: || exit 1
	stalls_drain
	redis_cli -n 1 eval 'local n = 0 for i = 1, 20 do n = n + #redis.call("ZRANGE", KEYS[1], 0, -1) end return n' \
		1 "$name" >/dev/null
	must 20 stalls 'any(.db == 1 and .key_now != null)'
	redis_cli flushall >/dev/null
	stalls_drain
	redis_cli --json slowlog get 50 >"$work/slowlog"
}

# expect COMMAND KEY CAUSE: its longest stall is of that key, mainly for that cause (waiting
# for a CPU is the machine's fault), as long as SLOWLOG says but for such waiting before and
# after the command, and the blame sums to it.
expect()
{
	check "$1" "$(stalls_said) SLOWLOG $(jq -c 'map({(.[3][0]): .[2]}) | add' "$work/slowlog")" \
		stalls 'map(select(.command == $command and .db != 1)) | max_by(.duration_seconds) | . as $stall |
			([$slowlog[0][] | select(.[3][0] | ascii_downcase == $command)[2] / 1e6] |
				min_by(. - $stall.duration_seconds | fabs)) as $slow |
			.key == (if $key == "" then null else $key end) and
			(own_blame[0].cause == $cause) and
			(([.blame[].seconds] | add) - .duration_seconds | fabs) < 0.01 * .duration_seconds and
			([.blame[] | select(.cause == "cpu_wait").seconds] | add // 0) as $waited |
			(.duration_seconds - $slow | fabs) < ([0.05 * $slow, 0.002] | max) + $waited and
			(.slowlog_seconds - $slow | fabs) < 1e-6' \
		--arg command "$1" --arg key "$2" --arg cause "$3" --slurpfile slowlog "$work/slowlog"
}

ended() # PID
{
	! kill -0 "$1" 2>/dev/null
}

server_start --enable-debug-command yes
make_data
stalls_start --html "$work/page.html"
waited=$(run_delay "$pid")
run_commands
waited=$(awk -v before="$waited" -v after="$(run_delay "$pid")" 'BEGIN { print after - before }')
watch_end
check status "exit status $status: $(said)" [ "$status" = 0 ]
check waiting "the server waited $waited s for a CPU; $(stalls_said)" stalls \
	'[.[].blame[] | select(.cause == "cpu_wait").seconds] | add // 0 | . <= 1.05 * $waited + 0.001' \
	--argjson waited "$waited"
expect del leaderboard:global allocator
expect hgetall profile:all command
expect sort scores:today command
expect lrange events:log command
expect keys '' command
expect eval events:log command
expect flushall '' allocator
check script "$(stalls_said)" stalls 'any(.command == "eval" and .inner == "lrange")'
check activity "$(jq -c -s 'map({(.command // "end"): .activities})' "$json")" \
	stalls '(map(select(.command == "del"))[0].activities[0].activity == "freeing") and
		(map(select(.command == "sort"))[0].activities | any(.activity == "sorting")) and
		(map(select(.command == "hgetall"))[0].activities[0].activity == "building the reply")'
check pipeline "$(stalls_said)" stalls 'all(.command != "set" or .blame[0].cause == "cpu_wait") and
	any(.command == "" and .key == null and .commands_total > 500 and .mix[0].command == "set")'
check key-now "$(jq -c .key_now "$json" | head -n 3)" \
	stalls 'any(.command == "hgetall" and .key_now.type == "hash" and .key_now.bytes > 1000000) and
		any(.command == "del" and .key_now.type == "none" and .freed_bytes > 10000000)'
check advice "$(jq -r .advice "$json")" \
	stalls 'map(select(.command == "del")) | any(.advice | test("UNLINK.* of the ")) or
			(length > 0 and all(.blame[0].cause == "cpu_wait"))'
check advice-keys "$(jq -r .advice "$json")" \
	stalls 'map(select(.command == "keys")) | any(.advice | test("SCAN")) or
			(length > 0 and all(.blame[0].cause == "cpu_wait"))'
check long-name "$(stalls_said)" stalls 'any(.command == "eval" and .key == $name and
	.key_truncated == false)' --arg name "$name"
check other-database "$(jq -c '{db, key_now}' "$json")" stalls 'any(.command == "eval" and .db == 1 and
	.key_now.type == "zset" and .key_now.bytes > 1000000)'
check summary "$(tail -n 1 "$json")" jq -e -s '(map(select(has("schema") | not)) | length) as $n |
	.[-1] | .schema == "redmem.stalls/1" and .stalls_total == $n and .longest.duration_seconds > 0 and
	(.causes | any(.cause == "allocator")) and (.prefixes | any(.prefix == "leaderboard:global"))' "$json"
tail -n 1 "$json" >"$work/end"
said=$("$root/tests/golden/page.py" "$work/page.html" "$work/end" "$work/rest" 2>&1)
check page "$said" [ $? = 0 ]
check page-stalls "$(tail -n 1 "$json" | jq -c '.stalls | length') stalls in its page" \
	jq -e -s 'map(select(has("schema") | not)) as $told | .[-1].stalls == $told' "$json"

# While it lasts: on a terminal, and before anybody gets an answer.
# (The load first runs its script for a moment, to know how fast it is.)
script -qfec "$redmem stalls -s $socket -d 600 --threshold 500 --count 1 --command eval" "$work/screen" >/dev/null &
watch=$!
own_process "$watch"
must 30 grep -q 'watching: ' "$work/screen"
"$load" hold -s "$socket" -d 3 -k report:yearly &
holder=$!
own_process "$holder"
await 20 grep -q 'so far: EVAL report:yearly' "$work/screen"
shown=$?
kill -0 "$holder" 2>/dev/null # it waits for its reply
hanging=$?
wait "$holder"
await 20 ended "$watch"
check counted "its one stall is over, and it still watches" ended "$watch"
kill "$watch" 2>/dev/null
wait "$watch"
status=$?
check live "$(tr '\r' '\n' <"$work/screen" | tail -n 5)" [ "$shown" = 0 ]
check hanging "the server answered before the line came" [ "$hanging" = 0 ]
check count "exit status $status" [ "$status" = 0 ]
check block "$(tail -n 20 "$work/screen")" grep -q 'EVAL report:yearly' "$work/screen"

# The same on the one screen of `redmem top`, which then gives the terminal back.
if command -v tmux >/dev/null; then
	terminal_open 80 24
	terminal_run "$redmem" top -s "$socket" --threshold 500
	must 30 screen_has 'commands/s [0-9]'
	"$load" hold -s "$socket" -d 3 -k report:yearly &
	holder=$!
	own_process "$holder"
	await 20 screen_has '^STALL .* so far: EVAL report:yearly'
	shown=$?
	kill -0 "$holder" 2>/dev/null
	hanging=$?
	sees top-live [ "$shown$hanging" = 00 ]
	wait "$holder"
	await 20 screen_has '^last stall: [2-9].* EVAL report:yearly'
	sees top-over screen_has '^last stall: [2-9].* EVAL report:yearly'
	press q
	sees top-quit terminal_is_back 0
	terminal_close
else
	skip top "tmux is not installed"
fi

# Who is not let in sees them too, but for those under 50 ms, which a marker may be.
kill_process "$pid"
server_start --requirepass secret
stalls_start
REDISCLI_AUTH=secret "$load" hold -s "$socket" -d 0.2 -k report:daily
must 20 stalls 'any(.command == "eval" and .key == "report:daily")'
watch_end
check no-password "$(stalls_said)" stalls 'any(.command == "eval" and .key == "report:daily")'
finish
