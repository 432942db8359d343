#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Stalls that are nobody's command: a busy neighbour, a slow disk, eviction, expiry, a fork
# and the copies after it, swap; each is called by its name. FULL=1 takes larger sizes, and
# a hash table that grows.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs taskset

full=${FULL:-0}
script_loop='local x = 0 for i = 1, tonumber(ARGV[1]) do x = x + i % 7 end'
fill_zset='for i = 1, tonumber(ARGV[1]) do redis.call("ZADD", KEYS[1], i, "member:" .. i) end'

# seconds CAUSE: jq for the time of a stall by that cause.
seconds()
{
	echo "([.blame[] | select(.cause == \"$1\").seconds] | add // 0)"
}

test_hog()
{
	server_start
	taskset -pc 0 "$pid" >/dev/null
	cp "$(command -v dash || command -v sh)" "$work/noisy"
	stalls_start
	# Before all others in everything, so that it is the one whatever else runs on this machine.
	taskset -c 0 nice -n -15 "$work/noisy" -c 'while :; do :; done' &
	hog=$!
	own_process $hog
	waited=$(run_delay "$pid")
	redis_cli eval "$script_loop" 1 report:hourly 5000000 >/dev/null
	# Did it have the CPU while the server waited, or did others, too?
	alone=$(awk -v before="$waited" -v after="$(run_delay "$pid")" \
		'{ print ($1 / 1e9 > 0.9 * (after - before) ? "true" : "false") }' "/proc/$hog/schedstat")
	kill_process "$hog"
	stalls_drain
	watch_end
	check hog "alone: $alone; $(stalls_said) $(jq -c '[.hog, .hog_pid]' "$json")" \
		stalls "map(select(.command == \"eval\"))[0] |
			$(seconds cpu_wait) > 0.5 * .duration_seconds and (.hog | length > 0) and
			(.hog == \"noisy\" or ($alone | not)) and (.hog as \$hog | .advice | contains(\$hog))"
	kill_process "$pid"
}

# ran PID: seconds of CPU it has had.
ran()
{
	awk '{ print $1 / 1e9 }' "/proc/$1/schedstat"
}

# One has the CPU for most of the time the server waits, another one for a moment before the
# server gets it back: it is the first who is to blame.
test_hog_and_last()
{
	command -v chrt >/dev/null || {
		skip last "chrt is not installed"
		return
	}
	"${CC:-cc}" -O1 -o "$work/waker" "$root/tests/live/waker.c" || {
		not_ok last "tests/live/waker.c does not compile"
		return
	}
	server_start
	taskset -pc 0 "$pid" >/dev/null
	cp "$(command -v dash || command -v sh)" "$work/noisy"
	stalls_start
	taskset -c 0 chrt -f 1 "$work/waker" &
	waker=$!
	own_process $waker
	taskset -c 0 nice -n -15 "$work/noisy" -c 'while :; do :; done' &
	hog=$!
	own_process $hog
	waited=$(run_delay "$pid")
	redis_cli eval "$script_loop" 1 report:daily 5000000 >/dev/null
	had="noisy $(ran "$hog"), waker $(ran "$waker") of $waited to $(run_delay "$pid") s"
	most=$(awk -v hog="$(ran "$hog")" -v waited="$waited" -v now="$(run_delay "$pid")" \
		'BEGIN { print (hog > 0.6 * (now - waited) ? "true" : "false") }')
	kill_process "$hog"
	kill_process "$waker"
	stalls_drain
	watch_end
	check last "$had; $(stalls_said) $(jq -c '[.hog, .hog_pid]' "$json")" \
		stalls "map(select(.command == \"eval\"))[0] |
			$(seconds cpu_wait) > 0.5 * .duration_seconds and (.hog == \"noisy\" or ($most | not))"
	kill_process "$pid"
}

test_disk()
{
	disk_start "$work" 20 || {
		skip disk "writes cannot be throttled here"
		return
	}
	launcher=$work/enter
	server_start --appendonly yes --appendfsync always
	launcher=
	stalls_start
	for i in 1 2 3 4 5; do
		redis_cli set "paid:$i" "$i" >/dev/null
	done
	stalls_drain
	watch_end
	check disk "$(stalls_said) $(jq -c '[.wait_call, .wait_file]' "$json")" \
		stalls 'map(select(.blame[0].cause == "io_wait" and (.wait_file | test("appendonly")) and
			(.wait_call | test("sync")))) | length >= 3 and all(.advice | test("everysec"))'
	kill_process "$pid"
}

evicted()
{
	[ "$(redis_cli info memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p')" -lt $((used / 2)) ]
}

test_eviction()
{
	server_start --maxmemory-policy allkeys-lru
	for i in 1 2 3 4; do
		redis_cli eval "$fill_zset" 1 "board:$i" 100000 >/dev/null
	done
	used=$(redis_cli info memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p')
	stalls_start
	redis_cli config set maxmemory $((used / 2)) >/dev/null
	redis_cli set small value >/dev/null
	await 10 evicted
	stalls_drain
	watch_end
	check eviction "$(stalls_said)" stalls 'any([.blame[] | select(.cause != "cpu_wait")][0].cause == "eviction")'
	kill_process "$pid"
}

all_expired()
{
	[ "$(redis_cli dbsize)" = 0 ]
}

test_expiry()
{
	server_start --enable-debug-command yes
	redis_cli debug set-active-expire 0 >/dev/null
	redis_cli eval 'for i = 1, 200000 do redis.call("SET", "session:" .. i, i, "PX", 10) end' 0 >/dev/null
	stalls_start
	redis_cli debug set-active-expire 1 >/dev/null
	await 20 all_expired
	stalls_drain
	watch_end
	check expiry "$(stalls_said)" stalls 'any(.command == "" and
		[.blame[] | select(.cause != "cpu_wait")][0].cause == "expiry")'
	kill_process "$pid"
}

# The fork is as long as the server says, and what follows pays for copies.
test_fork()
{
	megabytes=300
	[ "$full" = 0 ] || megabytes=2048
	server_start --maxmemory-policy noeviction
	"$load" fill -s "$socket" -n $((megabytes * 250)) -k page: -S 4000 || exit 1
	head -c 20000000 /dev/zero >"$work/zeros"
	redis_cli -x setrange map:copied 0 <"$work/zeros" >/dev/null
	stalls_start --threshold 1
	redis_cli bgsave >/dev/null
	redis_cli -x setrange map:copied 0 <"$work/zeros" >/dev/null
	fork=$(redis_cli info stats | sed -n 's/^latest_fork_usec:\([0-9]*\).*/\1/p')
	stalls_drain
	watch_end
	check fork "latest_fork_usec $fork, $(stalls_said)" \
		stalls "map(select(.command == \"bgsave\"))[0] | [.blame[] | select(.cause != \"cpu_wait\")][0].cause == \"fork\" and
			([0.1 * $fork / 1e6, 0.0005] | max) as \$slack |
			($(seconds fork) < $fork / 1e6 + \$slack) and
			($(seconds fork) + $(seconds cpu_wait) > $fork / 1e6 - \$slack)"
	# Twenty megabytes moved are the command's own, and on some machines dearer than the copies.
	check copies "$(stalls_said)" stalls 'map(select(.command == "setrange"))[0] | .key == "map:copied" and
		[.blame[] | select(.cause != "cpu_wait" and .cause != "command")][0].cause == "fault_cow"'
	kill_process "$pid"
}

# Every swap-in of these GETs is in a stall, so the sums are the same: what the kernel made
# the server reclaim or wait for a CPU meanwhile is a cause of its own there, as long as the
# kernel counted it.
test_swap()
{
	delays_start || {
		skip swap "the kernel counts no delays"
		return
	}
	keys=120
	if ! swap_start 256 || ! cgroup_start; then
		skip swap "no swap file or no memory cgroup can be made here"
		return
	fi
	launcher=$work/enter
	server_start
	launcher=
	"$load" fill -s "$socket" -n $keys -k photo: -S 1000000 || exit 1
	cgroup_squeeze 200 48
	: >"$messages"
	watch_start -s "$socket" --threshold 2
	before=$(delays)
	i=0
	while [ $i -lt $keys ]; do
		redis_cli get photo:$i >/dev/null
		i=$((i + 1))
	done
	kernel=$(jq -cn --argjson before "$before" --argjson after "$(delays)" \
		'$after | with_entries(.value -= $before[.key])')
	watch_end
	check swap "$(query '[.stalls[] | select(.command == "get").blame[]] | group_by(.cause) | map({(.[0].cause): (map(.seconds) | add)}) | add | tostring'), $(query '.commands[] | select(.command == "get").swap_fault_seconds') s of swap-in; the kernel counted $kernel" \
		holds '([.commands[] | select(.command == "get").swap_fault_seconds] | add) as $all |
			[.stalls[] | select(.command == "get")] as $stalls |
			([$stalls[].blame[] | select(.cause == "fault_swap").seconds] | add) as $swap |
			([$stalls[].blame[] | select(.cause == "reclaim").seconds] | add // 0) as $reclaim |
			([$stalls[].blame[] | select(.cause == "cpu_wait").seconds] | add // 0) as $waited |
			$swap + $reclaim + $waited > 0.9 * $all and $swap < 1.02 * $all and
			$swap > 0.9 * $all - 1.1 * $kernel.reclaim - 1.05 * $kernel.cpu and
			$reclaim <= 1.1 * $kernel.reclaim + 0.005 and $waited <= 1.05 * $kernel.cpu + 0.001 and
			($stalls | length > 20 and all(.key | startswith("photo:")) and
				(map(select([.blame[] | select(.cause | IN("cpu_wait", "reclaim") | not)][0].cause == "fault_swap")) |
					length) > 0.8 * length)' --argjson kernel "$kernel"
	kill_process "$pid"
}

# The key that makes the main table double. Whether that holds the server for a millisecond
# SLOWLOG says.
test_table()
{
	server_start --enable-debug-command yes --slowlog-log-slower-than 1000
	redis_cli debug populate 2097152 >/dev/null
	stalls_start --threshold 1
	for i in 1 2 3; do
		redis_cli set "one:more:$i" 1 >/dev/null
	done
	stalls_drain
	watch_end
	slow=$(redis_cli --json slowlog get -1 | jq '[.[] | select((.[3][0] | ascii_downcase) == "set" and .[2] > 1500)] | length')
	check table "SLOWLOG has $slow; $(stalls_said)" stalls 'map(select(.command == "set")) |
		if $slow == 0 then all(.duration_seconds < 0.002 or .blame[0].cause == "cpu_wait")
		else any([.blame[] | select(.cause != "cpu_wait")][0].cause | IN("rehash", "allocator", "fault_minor")) end' \
		--argjson slow "$slow"
	kill_process "$pid"
}

test_hog
test_hog_and_last
test_disk
test_eviction
test_expiry
test_fork
test_swap
[ "$full" = 0 ] || test_table
finish
