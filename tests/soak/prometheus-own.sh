# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Alerts that no scenario leads to, most of them of troubles that redmem itself has: part of
# tests/soak/prometheus, which sources it. Each is a row of the table below: the alert, what makes
# the trouble, what ends it. It must fire within two minutes, and clear.
# shellcheck disable=SC2016,SC2034,SC2154,SC2119 # jq has variables too; lib.sh and prometheus set and use variables by name

# A busy server, of which redmem may take what it likes.
busy_budget() # ARGUMENT... of redis-benchmark
{
	[ $# != 0 ] || set -- -c 8 -P 4 -d 2000 -r 20000 set user:__rand_int__ value:__rand_int__
	echo 'budget = 100' >"$work/redmem.conf"
	kill -HUP "$serve"
	server=redis-server
	server_start --maxmemory 1gb --maxmemory-policy allkeys-lru
	redis-benchmark -s "$socket" -q -l "$@" >/dev/null 2>&1 &
	own_process $!
	own_troubles="$pid $!"
}

own_budget()
{
	: >"$work/redmem.conf"
	kill -HUP "$serve"
}

# Scripts that write over values: the server does little but allocate, and every so many kilobytes
# of that tell redmem. Of a whole core that is 4 %.
costly_load()
{
	busy_budget -c 4 eval \
		'for i = 1, 200 do redis.call("set", "key:" .. i, string.rep("x", 100 + i)) end' 0
}

# Of a user who may be anybody.
start_as_nobody()
{
	server=redis-server
	chmod 711 "$work"
	echo 'chmod 777 "$dir"; exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"' >"$work/nobody"
	launcher="env dir=$work/server$((serial + 1)) sh $work/nobody"
	server_start
	launcher=
	own_troubles=$pid
}

# How often serve said so.
watched_times()
{
	[ "$(grep -c 'is watched' "$work/serve.log")" -ge "$1" ]
}

# On one port, five times within the window of the rule.
restart_often()
{
	local turn again seen

	again=$(free_port)
	seen=$(grep -c 'is watched' "$work/serve.log")
	for turn in 1 2 3 4 5; do
		redis-server --port "$again" --save '' --appendonly no >"$work/again.log" 2>&1 &
		own_troubles=$!
		own_process $!
		await 10 redis-cli -p "$again" ping
		await 20 watched_times $((seen + turn))
		[ $turn = 5 ] || kill_process $own_troubles
	done
}

fill_disk()
{
	busy_budget
	cat /dev/zero >"$work/state/filler" 2>/dev/null
}

free_disk()
{
	rm "$work/state/filler"
	own_budget
}

a_server()
{
	server=redis-server
	server_start
	await 20 all_watched
	own_troubles=$pid
}

hold_watcher()
{
	a_server
	sleep 15 # a window, and its scrape
	kill -STOP "$serve"
}

let_watcher_go()
{
	kill -CONT "$serve"
}

# What has come meanwhile had no room.
overflow()
{
	busy_budget
	await 20 all_watched
	sleep 15 # a window, and its scrape
	kill -STOP "$serve"
	sleep 30 # the trouble
	let_watcher_go
}

# On one port, so that it has one name.
one_begins()
{
	redis-server --port "$again" --save '' --appendonly no >"$work/again.log" 2>&1 &
	own_troubles=$!
	own_process $!
	await 10 redis-cli -p "$again" ping
	await 30 all_watched
}

one_goes()
{
	again=$(free_port)
	one_begins
	kill_process "$own_troubles"
	own_troubles=
}

# It stays.
one_returns()
{
	one_begins
	own_troubles=
}

# Many windows a turn, and a keeper that is held up until 8 MiB of them wait. Then it has a tenth of
# the time for a while, so that it is asked before it comes to what was lost.
hold_keeper()
{
	local servers=

	for _ in {1..64}; do
		server=redis-server
		server_start
		servers="$servers $pid"
	done
	await 60 all_watched
	own_troubles=$servers
	keeper=$(pgrep -P "$serve" -x redmem-keeper)
	sleep 15 # a window, and its scrape
	kill -STOP "$keeper"
	sleep 70 # the trouble
	for _ in {1..25}; do
		kill -CONT "$keeper"
		sleep 0.1
		kill -STOP "$keeper"
		sleep 0.9
	done
	kill -CONT "$keeper"
}

# 150 MB that stay as they are, and a prefix that grows by a megabyte a second.
grow_by_prefix()
{
	a_server
	"$load" fill -s "$socket" -n 40000 -k base: -S 4000 -x 0
	sh -c "while redis-cli -s '$socket' eval 'local n = redis.call([[incr]], [[jobs]])
		for i = 1, 50 do redis.call([[set]], [[job:]] .. n .. [[:]] .. i, string.rep([[x]], 4000)) end' 1 job:; do
		sleep 0.2; done" >/dev/null 2>&1 &
	own_process $!
	own_troubles="$own_troubles $!"
}

# Half of the time nobody is served.
stall_much()
{
	a_server
	sh -c "while redis-cli -s '$socket' eval \
		'local t = 0 for i = 1, 30000000 do t = t + i end return t' 0; do sleep 0.1; done" >/dev/null 2>&1 &
	own_process $!
	own_troubles="$own_troubles $!"
}

scrape_all_the_time()
{
	local turn

	own_troubles=
	for turn in 1 2 3; do
		curl -fsS -o /dev/null "http://127.0.0.1:$serve_port/metrics?[1-9999999]" &
		own_process $!
		own_troubles="$own_troubles $!"
	done
}

end_serve()
{
	kill -TERM "$serve"
	wait "$serve"
	forget_process "$serve"
}

# Of a server that was watched with them before.
without_sensors()
{
	a_server
	sleep 15 # a window, and its scrape
	end_serve
	start_serve 'setpriv --bounding-set=-bpf,-perfmon,-sys_admin --inh-caps=-bpf,-perfmon,-sys_admin'
}

with_sensors()
{
	end_serve
	start_serve
}

# ALERT MAKE [END]
own_table='
	RedmemServerNotWatched	start_as_nobody
	RedisRestartsOften	restart_often
	RedisGone		one_goes one_returns
	RedisStallsMuch		stall_much
	RedisGrowsByPrefix	grow_by_prefix
	RedmemHistoryStopped	fill_disk free_disk
	RedmemCostsServers	costly_load own_budget
	RedmemWindowsLate	hold_watcher let_watcher_go
	RedmemDropsEvents	overflow own_budget
	RedmemLosesWindows	hold_keeper
	RedmemCostsHost		scrape_all_the_time
	RedmemSensorOff		without_sensors with_sensors
	RedmemDown		end_serve start_serve
'
# RedisHarmUnexplained takes a fault of redmem's, and nothing that is done to a server: each stall
# has one finding that concludes it (stall_owner.c), and what of harm is left is held against the same
# bounds as the rules are (harm_left.c), so that only a rule that forgets some of it leads there.
# promtool's test of the rules has it.
never_made='RedisHarmUnexplained'

prove_own_one() # ALERT MAKE END
{
	local began fired=0 cleared=0 seconds

	own_troubles=
	before=$(servers_so_far)
	$2
	began=$SECONDS
	while ! firing "$1" | grep -q . && ((SECONDS - began < 150)); do
		sleep 1
	done
	seconds=$((SECONDS - began))
	[ -z "$(firing "$1")" ] || fired=1
	$3
	for process in $own_troubles; do
		kill_process "$process"
	done
	while firing "$1" | grep -q . && ((SECONDS - began < 400)); do
		sleep 1
	done
	[ -n "$(firing "$1")" ] || cleared=1
	row '{kind: "own", scenario: $alert, fired: (if $fired == 0 then "" else $alert end), seconds: $seconds,
		outcome: (if $fired == 0 then "missed" elif $cleared == 0 then "not cleared" else "right" end)}' \
		--arg alert "$1" --argjson fired $fired --argjson cleared $cleared --argjson seconds $seconds
}

# Alerts of the rules that no row of these says to have fired.
never_fired()
{
	jq -rn --arg build "$build" --arg set "$seed" \
		'[inputs | select(.build == $build and .set == $set) | "\(.fired // "") \(.others // "")"] | join(" ")' "$rows" |
		tr -c '[:alnum:]' '\n' | sort -u >"$work/fired"
	sed -n 's/^ *- alert: //p' "$monitoring/alerts.yml" | sort -u | comm -23 - "$work/fired" |
		grep -vxF "$(tr ' ' '\n' <<<"$never_made")"
}

prove_own()
{
	local alert make end unfired

	while read -r alert make end; do
		{ [ -n "$alert" ] && wanted "$alert"; } || continue
		been own "$alert" || {
			out_of_time
			prove_own_one "$alert" "$make" "$end"
		}
	done <<<"$own_table"
	[ -z "${ONLY:-}" ] || return 0
	unfired=$(never_fired | tr '\n' ' ')
	check fired "these never fired: $unfired" [ -z "$unfired" ]
}
