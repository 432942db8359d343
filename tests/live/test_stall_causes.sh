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
	check hog "alone: $alone; $(stalls_said) $(jq -c '[.hog, .hog_pid]' "$json")" \
		stalls "map(select(.key == \"report:hourly\"))[0] |
			$(seconds cpu_wait) > 0.5 * .duration_seconds and (.hog | length > 0) and
			(.hog == \"noisy\" or ($alone | not)) and (.hog as \$hog | .advice | contains(\$hog))"
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
	taskset -c 0 chrt -f 1 "$work/waker" 1000 50 &
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
	check last "$had; $(stalls_said) $(jq -c '[.hog, .hog_pid]' "$json")" \
		stalls "map(select(.key == \"report:daily\"))[0] |
			$(seconds cpu_wait) > 0.5 * .duration_seconds and (.hog == \"noisy\" or ($most | not))"
}

# Seconds of waiting for a CPU in all that has been told.
told_waiting()
{
	jq -s '[.[] | select(has("schema") | not).blame[] | select(.cause == "cpu_wait").seconds] | add // 0' "$json"
}

has_waited()
{
	awk -v before="$waited" -v now="$(run_delay "$pid")" 'BEGIN { exit !(now - before > 1) }'
}

# It sleeps, is woken by its own clock while another has its CPU, and then does so little that no
# sample comes: what it waited is told all the same.
test_woken()
{
	redis_cli config set hz 100 >/dev/null # so often it wakes up
	told=$(told_waiting)
	waited=$(run_delay "$pid")
	taskset -c 0 chrt -f 1 "$work/waker" 30000 25000 & # each wait is one of some 20 ms
	waker=$!
	own_process $waker
	must 20 has_waited
	kill_process "$waker"
	waited=$(awk -v before="$waited" -v now="$(run_delay "$pid")" 'BEGIN { print now - before }')
	redis_cli config set hz 10 >/dev/null
	stalls_drain
	told=$(awk -v before="$told" -v now="$(told_waiting)" 'BEGIN { print now - before }')
	check woken "it waited $waited s and $told are told: $(stalls_said)" \
		awk -v told="$told" -v waited="$waited" 'BEGIN { exit !(told > 0.75 * waited) }'
}

# Those that take a program which goes before all others on the server's CPU.
test_before_others()
{
	command -v chrt >/dev/null || {
		skip last "chrt is not installed"
		skip woken "chrt is not installed"
		return
	}
	"${CC:-cc}" -O1 -o "$work/waker" "$root/tests/live/waker.c" || {
		not_ok last "tests/live/waker.c does not compile"
		return
	}
	test_hog_and_last
	test_woken
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

used_memory()
{
	redis_cli info memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p'
}

evicted()
{
	[ "$(used_memory)" -lt "$kept" ]
}

# Only the boards may go, and half of them has to.
test_eviction()
{
	kept=$(($(used_memory) - boards / 2))
	must 30 samples_often
	redis_cli config set maxmemory $kept >/dev/null
	redis_cli set small value >/dev/null
	must 10 evicted
	stalls_drain
	check eviction "$(stalls_said)" stalls 'any(own_blame[0].cause == "eviction")'
	redis_cli config set maxmemory 0 >/dev/null
}

all_expired()
{
	[ "$(redis_cli dbsize)" = "$lasting" ]
}

test_expiry()
{
	must 30 samples_often
	redis_cli debug set-active-expire 1 >/dev/null
	must 20 all_expired
	stalls_drain
	check expiry "$(stalls_said)" stalls 'any(.command == "" and
		own_blame[0].cause == "expiry")'
}

# The fork is as long as the server says, and what follows pays for copies.
test_fork()
{
	must 30 samples_often
	redis_cli bgsave >/dev/null
	redis_cli -x setrange map:copied 0 <"$work/zeros" >/dev/null
	fork=$(redis_cli info stats | sed -n 's/^latest_fork_usec:\([0-9]*\).*/\1/p')
	stalls_drain
	check fork "latest_fork_usec $fork, $(stalls_said)" \
		stalls "map(select(.command == \"bgsave\"))[0] | own_blame[0].cause == \"fork\" and
			([0.1 * $fork / 1e6, 0.0005] | max) as \$slack |
			($(seconds fork) < $fork / 1e6 + \$slack) and
			($(seconds fork) + $(seconds cpu_wait) + $(seconds stolen) > $fork / 1e6 - \$slack)"
	# Twenty megabytes moved are the command's own, and on some machines dearer than the copies.
	check copies "$(stalls_said)" stalls 'map(select(.command == "setrange"))[0] | .key == "map:copied" and
		[own_blame[] | select(.cause != "command")][0].cause == "fault_cow"'
}

# What is there before anybody watches, so that the server is idle then: pages, a string, boards
# that may be evicted, and sessions that are past their time.
make_data()
{
	megabytes=300
	[ "$full" = 0 ] || megabytes=2048
	"$load" fill -s "$socket" -n $((megabytes * 250)) -k page: -S 4000 || exit 1
	head -c 20000000 /dev/zero >"$work/zeros"
	redis_cli -x setrange map:copied 0 <"$work/zeros" >/dev/null
	boards=$(used_memory)
	for i in 1 2 3 4; do
		redis_cli eval "$fill_zset" 1 "board:$i" 100000 >/dev/null
		redis_cli expire "board:$i" 3600 >/dev/null
	done
	boards=$(($(used_memory) - boards))
	lasting=$(redis_cli dbsize)
	redis_cli debug set-active-expire 0 >/dev/null
	redis_cli eval 'for i = 1, 200000 do redis.call("SET", "session:" .. i, i, "PX", 10) end' 0 >/dev/null
}

# One watch of one server for all that needs no limit of its own.
test_one_server()
{
	server_start --enable-debug-command yes --maxmemory-policy volatile-lru
	make_data
	cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$pid/status")
	stalls_start --threshold 1
	taskset -pc 0 "$pid" >/dev/null
	cp "$(command -v dash || command -v sh)" "$work/noisy"
	test_hog
	test_before_others
	taskset -pc "$cpus" "$pid" >/dev/null
	test_expiry
	test_eviction
	test_fork
	watch_end
	kill_process "$pid"
}

# Every swap-in of these GETs is in a stall, so the sums are the same: what the kernel made
# the server reclaim or wait for a CPU meanwhile is a cause of its own there, as long as the
# kernel counted it. A megabyte copied into a socket is the command's own, and as dear as the
# swap-in on a machine that swaps fast: it may stand first.
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
				(map(select([.blame[] | select(.cause | IN("cpu_wait", "reclaim", "command") | not)][0].cause ==
					"fault_swap")) | length) > 0.8 * length)' --argjson kernel "$kernel"
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
		else any(own_blame[0].cause | IN("rehash", "allocator", "fault_minor")) end' \
		--argjson slow "$slow"
	kill_process "$pid"
}

test_one_server
test_disk
test_swap
[ "$full" = 0 ] || test_table
finish
