# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Two equal servers, `a` and `b`, on the first CPU, each with a steady load on the second: what
# benches that compare a watched server with one that is not share. Sourced; the caller has set
# $work (a folder of its own), $load and $keys, and $half for alone().
# shellcheck disable=SC2154

declare -A server loader orders answers

await() # SECONDS COMMAND...
{
	local turns=$(($1 * 50))

	shift
	until "$@" >/dev/null 2>&1; do
		turns=$((turns - 1))
		[ "$turns" -gt 0 ] || return 1
		sleep 0.02
	done
}

start_server() # TWIN
{
	taskset -c 0 redis-server --port 0 --unixsocket "$work/$1" --dir "$work" --save '' \
		>"$work/log" 2>&1 &
	server[$1]=$!
	await 10 redis-cli -s "$work/$1" ping || die "redis-server: $(tail -n 1 "$work/log")"
	"$load" fill -s "$work/$1" -k bench: -n "$keys" -S 100
}

start_load() # TWIN OPERATION DEPTH [OPTION...]
{
	local to from

	rm -f "$work/orders" "$work/answers"
	mkfifo "$work/orders" "$work/answers"
	taskset -c 1 "$load" steady -s "$work/$1" -o "$2" -P "$3" -c 50 -n "$keys" "${@:4}" \
		<"$work/orders" >"$work/answers" &
	loader[$1]=$!
	exec {to}>"$work/orders" {from}<"$work/answers"
	orders[$1]=$to answers[$1]=$from
}

stop_load() # TWIN
{
	local to=${orders[$1]} from=${answers[$1]}

	exec {to}>&- {from}<&-
	kill "${loader[$1]}" 2>/dev/null || : # the other load may hold its orders open
	wait "${loader[$1]}" || :
	unset "loader[$1]"
}

# CPU time of the server's main thread so far, in nanoseconds.
server_nanoseconds() # TWIN
{
	read -r ran _ <"/proc/${server[$1]}/schedstat"
	echo "$ran"
}

# One twin has the machine: "{calls_per_second, p99_seconds, cpu_ns}". What was under way when its
# load was stopped is over before it is measured.
alone() # TWIN
{
	local other=a rate p99 before ran

	[ "$1" = b ] || other=b
	kill -STOP "${loader[$other]}"
	kill -CONT "${loader[$1]}"
	sleep 0.05
	before=$(server_nanoseconds "$1")
	echo "slice $half" >&"${orders[$1]}"
	read -r rate _ p99 <&"${answers[$1]}" || die "the load has ended"
	ran=$(($(server_nanoseconds "$1") - before))
	kill -CONT "${loader[$other]}"
	echo "{\"calls_per_second\": $rate, \"p99_seconds\": $p99, \"cpu_ns\": $ran}"
}

# CPU time of a process so far, in nanoseconds; clock ticks would be too coarse.
cpu_nanoseconds() # PID
{
	# A thread may end meanwhile.
	{ cat "/proc/$1/task"/*/schedstat 2>/dev/null || :; } | awk '{ sum += $1 } END { printf "%.0f", sum }'
}

build_id() # PROGRAM
{
	sha256sum "$1" | cut -c 1-16
}
