#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What redmem itself takes of the server's memory is small: its connection holds little more
# than an idle redis-cli's, and a server near its maxmemory is asked only what is small.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

# FIELD of INFO.
info() # FIELD
{
	redis_cli info everything | tr -d '\r' | sed -n "s/^$1://p"
}

# What CLIENT LIST says of a client's memory, largest first; redmem's goes by its name.
client_memory() # PATTERN
{
	redis_cli client list | grep "$1" | grep -o 'tot-mem=[0-9]*' | cut -d = -f 2 | sort -n | tail -n 1
}

# The most that redmem's connection had while it watched.
watch_memory()
{
	most=0
	while kill -0 "$watch" 2>/dev/null; do
		now=$(client_memory name=redmem)
		[ "${now:-0}" -le "$most" ] || most=$now
	done
	wait "$watch"
	status=$?
	forget_process "$watch"
}

check_connection() # COMMAND ARGUMENT...
{
	: >"$messages"
	"$redmem" "$@" -s "$socket" --json >"$json" 2>"$messages" &
	watch=$!
	own_process "$watch"
	watch_memory
	check "$1-connection" "$most bytes, an idle redis-cli $idle; status $status" \
		[ "$status" = 0 -a "$most" -gt 0 -a "$most" -le $((idle + 32768)) ]
}

server_start --enable-debug-command local --slowlog-log-slower-than 0 \
	--maxmemory-policy allkeys-lru
redis_cli debug populate 20000 key 100 >/dev/null
# A fresh connection that has asked one thing, as an idle redis-cli has.
mkfifo "$work/cli"
redis-cli -s "$socket" <"$work/cli" >"$work/cli.out" &
own_process $!
exec 8>"$work/cli"
echo "client setname idle" >&8
must 10 grep -q OK "$work/cli.out"
idle=$(client_memory name=idle)

check_connection memory -d 1
check_connection alloc -d 1
check_connection keys
check_connection doctor -d 1
# Its own commands are in no report, whatever the slow log holds.
check own-slowlog "$(query '[.slowlog[]? | .command] | unique | tostring')" \
	holds '[.slowlog[]? | .client_name] | all(. != "redmem")'

# Near its limit it is asked only what is small, and redmem says what is missing for that.
redis_cli config set maxmemory $(($(info used_memory) + 2000000)) >/dev/null
run_redmem doctor --json -d 1 -s "$socket"
check near-limit "$(query '.sensors[] | select(.id == "connection") | tostring')" \
	holds '.sensors[] | select(.id == "connection").reason | test("within 4 MB of maxmemory")'
check near-limit-evicts "evicted $(info evicted_keys); status $status: $(said)" \
	[ "$status" = 0 -a "$(info evicted_keys)" = 0 ]
exec 8>&-

# A server with 100 KB left, on which one client writes over the same small keys. Everything is
# asked over one connection that was there before, and by commands that have been used.
ask() # COMMAND...
{
	asked=$((asked + 1))
	echo "$*" >&7
	echo "echo answered-$asked" >&7
	must 10 grep -q "answered-$asked" "$work/answers"
}

# FIELD of the newest INFO.
answered() # FIELD
{
	tr -d '\r' <"$work/answers" | sed -n "s/^$1://p" | tail -n 1
}

two_slices()
{
	[ "$(wc -l <"$dir/slices")" = 2 ]
}

# What the server still has after redmem has been there.
check_kept() # NAME STATUS
{
	ask info
	check "little-$1-kept" "evicted $(answered evicted_keys), status $status: $(said) $(cat "$dir/load")" \
		[ "$status" = "$2" -a "$(answered evicted_keys)" = 0 -a ! -s "$dir/load" ]
}

# A pass over the keys takes five commands: the server is to have used them before.
check_little_keys() # NAME
{
	run_redmem keys --json -s "$socket"
	check_kept "$1-keys-unused" 1
	check "little-$1-keys-unused-told" "$(said)" \
		grep -q "within 4 MB of its maxmemory.*scan, memory|usage.*CONFIG SET maxmemory" "$messages"
	ask config set maxmemory 0
	for words in "scan 0" "memory usage key:0" "object encoding key:0" "type key:0" "pttl key:0"; do
		ask "$words"
	done
	ask info
	ask config set maxmemory $(($(answered used_memory) + 102400))
	run_redmem keys --json -s "$socket"
	check_kept "$1-keys" 0
	check "little-$1-keys-complete" "$(query '{complete, "end": .end, scanned_total}')" holds '.complete and .scanned_total >= 1000'
}

check_little_room() # POLICY
{
	server_start --slowlog-log-slower-than -1 --maxmemory-policy "$1"
	name=${server##*/}-$1
	asked=0
	mkfifo "$dir/ask" "$dir/orders"
	: >"$work/answers"
	redis-cli -s "$socket" <"$dir/ask" >"$work/answers" &
	own_process $!
	exec 7>"$dir/ask"
	"$load" steady -s "$socket" -o set -P 1 -c 1 -n 1000 -S 16 <"$dir/orders" >"$dir/slices" \
		2>"$dir/load" &
	writer=$!
	own_process "$writer"
	exec 9>"$dir/orders"
	ask config set maxmemory 0
	echo "slice 1" >&9 # all keys are there after it
	must 10 test -s "$dir/slices"
	ask info
	ask config set maxmemory $(($(answered used_memory) + 102400))
	echo "slice 3" >&9
	must 10 two_slices
	ask info
	check "little-$name-alone" "evicted $(answered evicted_keys): $(cat "$dir/load")" \
		[ "$(answered evicted_keys)" = 0 -a ! -s "$dir/load" ]
	run_redmem doctor --json -d 1 -s "$socket"
	check_kept "$name" 0
	check "little-$name-told" "$(query '.sensors[] | select(.id == "connection") | tostring')" \
		holds '.sensors[] | select(.id == "connection").reason |
			test("not asked within 4 MB of maxmemory.*memory\\|stats")'
	check_little_keys "$name"
	exec 7>&- 9>&-
	kill_process "$writer"
}

for server in $server valkey-server; do
	command -v "$server" >/dev/null || {
		skip "little-$server" "$server is not installed"
		continue
	}
	check_little_room allkeys-lru
	check_little_room noeviction
done
finish
