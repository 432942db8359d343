# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What is watched of every kind of server: the mixed load and behind it three commands that hold
# the server, and growth whose bytes are known. Sourced behind lib.sh and attribution.sh.
# shellcheck disable=SC2154 # lib.sh sets much of what is used here

# Giants of three kinds. The name of the one that is deleted is of the mixed load's.
make_big_keys()
{
	redis_cli eval '
		for i = 1, 600000 do redis.call("ZADD", "del:leaderboard", i, "member:" .. i) end
		for i = 1, 100000 do redis.call("HSET", "profile:all", "field:" .. i, i) end
		for i = 1, 300000 do redis.call("SET", "user:" .. i, i) end' 0 >/dev/null
}

# Seconds of all EVALs so far.
script_seconds()
{
	command_seconds | jq '.eval // 0'
}

# A script of many short commands, which brings no pages in and is at none of them for most of the
# time. Sets script to its seconds.
run_long_script()
{
	script=$(script_seconds)
	redis_cli eval 'for i = 1, 300000 do redis.call("SETRANGE", KEYS[1], i % 100, "member:" .. i % 7) end' \
		1 eval:long >/dev/null
	after=$(command_seconds)
	script=$(awk -v before="$script" -v now="$(script_seconds)" 'BEGIN { print now - before }')
}

# One watch of the mixed load, and behind it three commands that hold the server.
watch_big_commands() # SECONDS
{
	command=doctor
	"$load" mixed -s "$socket" -d 0 || exit 1
	make_big_keys
	watch_start -s "$socket" --record "$work/recording"
	mixed_load "$1"
	run_long_script
	redis_cli hgetall profile:all >/dev/null
	redis_cli keys '*' >/dev/null
	redis_cli del del:leaderboard >/dev/null
	watch_end
	gunzip -c "$work/recording" >"$work/facts"
}

# used_memory without what clients have: their buffers shrink while the load runs.
used_by_keys()
{
	redis_cli info memory | tr -d '\r' | awk -F : '/^used_memory:/ { used = $2 }
		/^mem_clients_normal:/ { used -= $2 } END { printf "%.0f\n", used }'
}

# Sets grown to what the server grew by while COMMAND ran.
growth_of() # COMMAND...
{
	grown_before=$(used_by_keys)
	"$@"
	grown=$(($(used_by_keys) - grown_before))
}

# New values by many clients, all of them ready at once: on the stack the clients before are
# left over, who read nothing. The server grows by what the prefix grows by.
clients_ready()
{
	mkfifo "$work/orders" "$work/answers"
	"$load" bytes -s "$socket" -o set -S 0 -c 50 -P 16 -k clients: -n 100000 \
		<"$work/orders" >"$work/answers" &
	own_process $!
	loader=$!
	exec 8>"$work/orders" 9<"$work/answers"
	read -r _ <&9 || exit 1
}

clients_run()
{
	echo >&8
	read -r _ <&9 || exit 1
}

clients_end()
{
	exec 8>&- 9<&-
	wait "$loader"
	forget_process "$loader"
	rm "$work/orders" "$work/answers"
}

# "TYPE KEYS AMOUNT" of each type with keys, from redis-cli's summary.
cli_types() # --bigkeys|--memkeys
{
	redis_cli "$1" | sed -nE 's/^([0-9]+) ([a-z]+)s with ([0-9]+) .*/\2 \1 \3/p' |
		awk '$2 > 0' | sort
}

# "TYPE AMOUNT" of the largest of each type.
cli_largest() # --bigkeys|--memkeys
{
	redis_cli "$1" | sed -nE 's/^Biggest +([a-z]+) found .* has ([0-9]+) .*/\1 \2/p' | sort
}
