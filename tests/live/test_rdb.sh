#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A dump of every type and encoding, written by a real server, and loaded by it again: type,
# encoding, length and expiry of each key are what the server says, and of streams groups,
# consumers and pending entries; 99 of 100 keys are modelled within 5 % of MEMORY USAGE SAMPLES 0,
# and all together within 2 % of what used_memory grew by. The same once more in a server with
# settings of its own. Then the server itself is asked for a dump while it is written to, and the
# report is that of the file: what it sends is what it leaves in its directory (not diskless), or
# of the keys that nobody writes (diskless). SERVERS: paths of others, as PATH or PATH=bundled
# where the server has the jemalloc of its sources. SEED: of the keys.
# shellcheck disable=SC2086,SC2119 # lists of words
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs redis-server valkey-server redis-cli

keys=1500

used_memory()
{
	redis_cli info memory | tr -d '\r' | sed -n 's/^used_memory://p'
}

not_loading()
{
	redis_cli info persistence | grep -q '^loading:0'
}

# The keys of a dump, but for those that are written meanwhile.
quiet_keys() # ARGUMENT...
{
	"$redmem" rdb --csv "$@" 2>"$work/said" | grep -v churn | sort
}

report() # ARGUMENT...
{
	"$redmem" rdb --json "$@" 2>"$work/said" | jq -c 'del(.reading, .files[].name, .parts[].address)'
}

no_replica()
{
	redis_cli info replication | grep -q '^connected_slaves:0'
}

from_server() # NAME
{
	"$load" keys -o churn -n 2000 -d 100 -s "$socket" >"$work/load" 2>&1 &
	writer=$!
	own_process $writer
	redis_cli config set repl-diskless-sync no >"$work/set"
	report --from "$socket" >"$work/from"
	check "$1-from-warns" "$(cat "$work/said")" grep -q 'makes the server fork' "$work/said"
	check "$1-from" "another report: $(cat "$work/said")" \
		[ "$(report "$dump") $(jq '.scanned_total >= '$keys "$work/from")" = \
			"$(cat "$work/from") true" ]
	redis_cli config set repl-diskless-sync yes repl-diskless-sync-delay 0 >"$work/set"
	quiet_keys --from "$socket" >"$work/from"
	check "$1-from-diskless" "other keys: $(cat "$work/said")" \
		[ "$(wc -l <"$work/from") $(cksum <"$work/from")" = \
			"$((keys + 1)) $(quiet_keys "$dump" | cksum)" ]
	kill_process $writer
	check "$1-from-gone" "it has a replica" await 10 no_replica
	redis_cli acl setuser dumper on '>secret' +sync +replconf >"$work/set"
	report --from "$socket" --user dumper -a secret >"$work/from"
	check "$1-from-acl" "not with +sync +replconf: $(cat "$work/said")" \
		[ "$(jq '.files[0].complete' "$work/from")" = true ]
	redis_cli acl setuser dumper -sync >"$work/set"
	check "$1-from-refused" "$(cat "$work/said")" \
		[ "$(report --from "$socket" --user dumper -a secret) \
			$(grep -c 'needs +sync' "$work/said")" = " \
			1" ]
}

# Every key of the dump against the server that has loaded it.
check_keys() # NAME ALLOCATOR OPTION...
{
	name=$1
	shift
	"$redmem" rdb --csv --allocator "$@" "$dump" >"$work/csv" 2>"$work/said"
	status=$?
	check "$name-status" "$(cat "$work/said")" [ $status = 0 ]
	"$load" tell -s "$socket" >"$work/server.tsv" || exit 1
	awk -F '\t' -f "$root/tests/golden/rdb.awk" "$work/server.tsv" "$work/csv" >"$work/apart"
	check "$name-keys" "$(grep differs "$work/apart" | head -n 3)" \
		[ "$(grep -c differs "$work/apart")" = 0 ]
	check "$name-count" "not all are there" [ "$(wc -l <"$work/server.tsv")" = $keys ]
	check "$name-bytes" "$(head -n 3 "$work/apart")" \
		[ "$(grep -c bytes "$work/apart")" -le $((keys / 100)) ]
}

check_server() # NAME ALLOCATOR
{
	server_start
	before=$(used_memory)
	"$load" keys -o encodings -n $keys -r "${SEED:-0}" -s "$socket" || exit 1
	redis_cli save >"$work/saved"
	check "$1-saved" "$(cat "$work/saved")" grep -q OK "$work/saved"
	dump=$dir/dump.rdb
	kill_process "$pid"
	server_start --dir "${dump%/*}"
	must 10 not_loading
	grown=$(($(used_memory) - before))
	check_keys "$1" "$2"
	modelled=$("$redmem" rdb --json --allocator "$2" "$dump" | jq .loaded.used_memory_bytes)
	check "$1-sum" "used_memory grew by $grown, modelled $modelled" \
		[ $((modelled * 100)) -ge $((grown * 98)) -a $((modelled * 100)) -le $((grown * 102)) ]
	kill_process "$pid"
	# The old names, which all servers know.
	server_start --dir "${dump%/*}" --hash-max-ziplist-entries 10 --hash-max-ziplist-value 20 \
		--zset-max-ziplist-entries 3 --zset-max-ziplist-value 9 --set-max-intset-entries 20 \
		--list-max-ziplist-size 4
	must 10 not_loading
	redis_cli config get '*' >"$work/conf"
	check_keys "$1-config" "$2" --config "$work/conf"
	from_server "$1"
	kill_process "$pid"
}

for server in redis-server valkey-server ${SERVERS:-}; do
	allocator=system
	case $server in *=bundled) allocator=bundled ;; esac
	server=${server%=bundled}
	check_server "$("$server" --version | sed 's/^\([^ ]*\).* v=\([^ ]*\).*/\1-\2/' |
		tr '[:upper:]' '[:lower:]')" $allocator
done
finish
