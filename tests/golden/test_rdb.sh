#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Dumps that real servers wrote (dumps/SERVER.rdb) against what those servers said of their
# keys once they had loaded them (SERVER.tsv: database, key, type, encoding, length, MEMORY
# USAGE SAMPLES 0, PEXPIRETIME). The file's own server is modelled; of the five built by
# distributions with their jemalloc.
# Then the ways in: a pipe, gzip, an AOF with a preamble, a manifest; and what is no dump.
set -u
suite=rdb
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
dumps=$root/tests/golden/dumps

allocator() # SERVER
{
	case $1 in redis-7.2.6) echo bundled ;; *) echo system ;; esac
}

for file in "$dumps"/*.rdb; do
	server=$(basename "$file" .rdb)
	"$redmem" rdb --csv --allocator "$(allocator "$server")" "$file" >"$work/csv" 2>"$work/said"
	status=$?
	check "$server-status" "$(cat "$work/said")" [ $status = 0 ]
	different=$(awk -F '\t' -f "$root/tests/golden/rdb.awk" "$dumps/$server.tsv" "$work/csv")
	check "$server" "$(echo "$different" | head -5 | tr '\n' ';')" [ -z "$different" ]
done

# The same report, whichever way it comes in.
report() # FILE...
{
	"$redmem" rdb --json "$@" 2>"$work/said" | jq -c '[.types, .encodings, .prefixes, .ttl,
		.loaded, .files[].rdb_version]'
}
file=$dumps/redis-7.0.15.rdb
wanted=$(report "$file")
check json "no report: $(cat "$work/said")" [ -n "$wanted" ]
check pipe "another report" [ "$(report - <"$file")" = "$wanted" ]
gzip -c "$file" >"$work/dump.gz"
check gzip "another report: $(cat "$work/said")" [ "$(report "$work/dump.gz")" = "$wanted" ]
check gzip-pipe "another report" [ "$(report - <"$work/dump.gz")" = "$wanted" ]
check gzip-members "another report" [ "$({ head -c 3000 "$file" | gzip && tail -c +3001 "$file" |
	gzip; } | report -)" = "$wanted" ]
zstd -qc "$file" >"$work/dump.zst"
check zstd "another report: $(cat "$work/said")" [ "$(report "$work/dump.zst")" = "$wanted" ]
check zstd-frames "another report" [ "$({ head -c 3000 "$file" | zstd -qc && tail -c +3001 "$file" |
	zstd -qc --no-check; } | report -)" = "$wanted" ]
{ cat "$file" && printf '*1\r\n$4\r\nPING\r\n'; } >"$work/appendonly.aof"
check aof "another report" [ "$(report "$work/appendonly.aof")" = "$wanted" ]
check aof-said "it does not say that commands follow" [ "$("$redmem" rdb --json \
	"$work/appendonly.aof" | jq '.files[0].aof_follows')" = true ]
cp "$file" "$work/a.1.base.rdb"
printf 'file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n' >"$work/a.manifest"
check manifest "another report: $(cat "$work/said")" [ "$(report "$work/a.manifest")" = "$wanted" ]
check two-files "not the sum" [ "$("$redmem" rdb --json "$file" "$work/dump.gz" |
	jq '.scanned_total / (.files[0].keys_total + .files[1].keys_total)')" = 1 ]
check db "not the key of database 5" [ "$("$redmem" rdb --csv --db 5 "$file" |
	sed -n 2p | cut -d , -f 1-3)" = '5,string,"other"' ]
check match "not the keys that match" [ "$("$redmem" rdb --csv --match 'hash:*' "$file" |
	grep -c ,hash,)" = 5 ]

# Two servers: each is what it is alone, and types, prefixes and tables add up to the whole.
loaded() # SERVER
{
	"$redmem" rdb --json --as "$1" --db 0 "$file" | jq .loaded.used_memory_bytes
}
"$redmem" rdb --json --as redis-7.0 --as valkey-8.1 --db 0 --top 1000 "$file" >"$work/two"
check two-servers "not as each alone" [ "$(jq -c '.comparison | [.first_bytes, .second_bytes,
	.difference_bytes]' "$work/two")" = "$(jq -nc --argjson a "$(loaded redis-7.0)" \
	--argjson b "$(loaded valkey-8.1)" '[$a, $b, $b - $a]')" ]
check two-servers-sums "the parts are not the whole" [ "$(jq '.loaded.keys_bytes as $keys |
	.comparison | [.types, .prefixes] | map(map(.first_bytes) | add == $keys) | all' \
	"$work/two")" = true ]
check two-servers-less "no prefix takes less" [ "$(jq '.comparison | .difference_ratio < -0.1 and
	([.prefixes[] | select(.prefix == "hash:*:*") | .difference_ratio] | .[0] < -0.1)' \
	"$work/two")" = true ]
check two-servers-text "not said" [ "$("$redmem" rdb --as redis-7.0 --as valkey-8.1 "$file" |
	grep -c '^valkey-8.1: [0-9]* % less (redis-7.0 ')" = 1 ]
check_schema schema rdb "$work/two"
check one-server "something is compared" [ "$("$redmem" rdb --json "$file" | jq .comparison)" = null ]
check type "not the sum of that type" [ "$("$redmem" rdb --json --type hash --db 0 "$file" |
	jq '.loaded.keys_bytes')" = "$(jq '[.comparison.types[] | select(.type == "hash")][0].first_bytes' \
	"$work/two")" ]

# Folded stacks: the bytes of all keys, in frames that are their prefixes' segments.
"$redmem" rdb --folded "$file" >"$work/folded"
check folded "not all bytes" [ "$(awk '{ sum += $NF } END { print sum }' "$work/folded")" = \
	"$(echo "$wanted" | jq '.[0] | map(.bytes) | add')" ]
check folded-frames "$(head -3 "$work/folded")" grep -q '^hash:;\*:;\* [1-9][0-9]*$' "$work/folded"
check folded-separator "not at the separator" [ "$("$redmem" rdb --folded --separator h \
	--match 'hash:600:5' "$file" | sed 's/ .*//')" = 'h;ash;:600:5' ]
for option in --type=hash --db=0 '--match=hash:*' --min-bytes=1 --depth=2 --top=99 --separator=:; do
	check "hash$option" "not the same hashes" [ "$("$redmem" rdb --csv --type hash "$option" \
		"$file" | cksum)" = "$("$redmem" rdb --csv "$file" | grep -E '^data|^[0-9]*,hash,' |
		cksum)" ]
done
check min-bytes "keys below it are listed" [ "$("$redmem" rdb --json --min-bytes 4000 "$file" |
	jq '.scanned_total > 40 and (.top | length) > 3 and (.top | map(.bytes >= 4000) | all)')" = true ]
check top "not three" [ "$("$redmem" rdb --json --top 3 "$file" | jq '.top | length')" = 3 ]
check depth "a prefix of more" [ "$("$redmem" rdb --json --depth 1 "$file" |
	jq '[.prefixes[].prefix | select(test(":.*:"))] | length')" = 0 ]

# Settings: a redis.conf with either name of one, or what CONFIG GET has answered.
encodings() # CONFIG
{
	printf '%b' "$1" >"$work/conf"
	"$redmem" rdb --csv --config "$work/conf" --db 0 "$file" 2>"$work/said" |
		awk -F , '{ gsub(/"/, "", $3); print $3, $5 }' |
		grep -E '^(hash:20:30|hash:1:3|zset:20:30|intset:100:30000) ' | sort | tr '\n' ' '
}
check config-default "$(encodings '')" [ "$(encodings '' | grep -o listpack | wc -l)" = 3 ]
check config-others "$(encodings '')" [ "$(encodings '')" = "$(encodings '# no hash-max-ziplist-entries 1
maxmemory 100mb\nsave 3600 1 300 100\n')" ]
packed='hash-max-listpack-entries\n0\nset-max-intset-entries\n0\nzset-max-listpack-entries\n0\n'
check config-get "$(encodings "$packed")" [ "$(encodings "$packed" | grep -c listpack)" = 0 ]
check config-old-names "not as by their new ones" [ "$(encodings "$packed")" = "$(encodings \
	'HASH-max-ziplist-entries "0"\nset-max-intset-entries 0\n zset-max-ziplist-entries 0')" ]
check config-json "not told" [ "$("$redmem" rdb --json --config <(echo 'zset-max-listpack-value 1kb') \
	"$file" | jq '.loaded.settings["zset-max-listpack-value"]')" = 1024 ]
bad_config() # NAME CONFIG WORDS
{
	local status

	printf '%b' "$2" >"$work/conf"
	"$redmem" rdb --config "$work/conf" "$file" >"$work/out" 2>"$work/said"
	status=$?
	check "config-$1" "$(cat "$work/said")" \
		[ "$status $(grep -c "$3" "$work/said") $(wc -l <"$work/said")" = "1 1 1" ]
}
bad_config value 'save ""\nhash-max-listpack-entries many\n' \
	"line 2: hash-max-listpack-entries cannot be 'many'"
bad_config unit 'hash-max-listpack-value 64x' "line 1: hash-max-listpack-value cannot be '64x'"
bad_config below 'set-max-intset-entries -1' 'set-max-intset-entries cannot be'
bad_config over 'list-max-listpack-size 3000000000' 'list-max-listpack-size cannot be'
bad_config two '\n\nhash-max-listpack-entries 1 2' 'line 3: hash-max-listpack-entries takes one value'
bad_config none 'maxmemory 0\nhash-max-listpack-entries\n' \
	'line 2: hash-max-listpack-entries has no value'

# Last use, frequency and slots, where a dump has them; LZF by what it saved.
printf 'REDIS0012\376\000\364\007\003\000\370\200\000\001\121\200\000\001a\001x\371\005\000\001b\001y\000\001c\303\005\025\000a\340\013\000\377\0\0\0\0\0\0\0\0' \
	>"$work/used.rdb"
"$redmem" rdb --json "$work/used.rdb" >"$work/json" 2>"$work/said"
check_schema used-schema rdb "$work/json"
used() # NAME FILTER
{
	jq -e "$2" "$work/json" >"$work/held"
	check "$1" "$(cat "$work/said") $(jq -c '[.idle, .frequency, .slots, .saved_bytes]' "$work/json")" \
		[ $? = 0 ]
}
used idle '[.idle[] | select(.keys_total > 0) | [.id, .keys_total]] == [["7d", 1]]'
used frequency '[.frequency[] | select(.keys_total > 0) | [.id, .keys_total]] == [["5", 1]]'
used slots '.slots == [{slot: 7, keys_total: 3, bytes: .bytes}]'
used saved '.saved_bytes == 16 and ([.prefixes[].saved_bytes] | add) == 16'
check columns "not what the dump has: $("$redmem" rdb --csv "$work/used.rdb")" \
	[ "$("$redmem" rdb --csv "$work/used.rdb" | cut -d , -f 3,9-11,16 | tr '\n' ' ')" = \
	'key,slot,idle_seconds,frequency,saved_bytes "a",7,86400,,0 "b",7,,5,0 "c",7,,,16 ' ]
check slots-asked "not by the names" [ "$("$redmem" rdb --json --slots "$file" |
	jq '([.slots[].keys_total] | add) == .scanned_total')" = true ]
check slots-not-asked "slots of no cluster" [ "$("$redmem" rdb --json "$file" | jq .slots)" = null ]
rm "$work/used.rdb"

# Whose fields expire does not change with their order: Valkey says it behind the value.
expiring() # BYTES BYTES
{
	# shellcheck disable=SC2059 # bytes, as printf has them
	printf "VALKEY080\\376\\000\\026\\001h\\002\\001a\\001v$1\\001b\\001v$2\\377\\0\\0\\0\\0\\0\\0\\0\\0" \
		>"$work/hash.rdb"
	"$redmem" rdb --csv --as valkey-9 "$work/hash.rdb" | sed -n 2p | cut -d , -f 4-7
}
never='\377\377\377\377\377\377\377\377' then='\001\002\003\004\005\006\000\000'
check fields-that-expire "$(expiring $never $then) and $(expiring $then $never)" \
	[ "$(expiring $never $then)" = "$(expiring $then $never)" ]
rm "$work/hash.rdb"

# refused NAME WORDS: exit status 1, the reason in one line; a report of what was read.
refused()
{
	local status

	"$redmem" rdb --json "$work/bad" >"$work/out" 2>"$work/said"
	status=$?
	check "$1" "exit status $status, message: $(cat "$work/said")" \
		[ "$status $(grep -c "$2" "$work/said") $(wc -l <"$work/said")" = "1 1 1" ]
}
head -c 5000 "$file" >"$work/bad"
refused cut 'the dump ends here, before its end'
check cut-report "nothing of what was read" \
	[ "$(jq '.scanned_total > 5 and (.complete | not)' "$work/out")" = true ]
{ head -c 1000 "$file" && printf '\377' && tail -c +1002 "$file"; } >"$work/bad"
refused changed 'redmem: rdb: '
{ cat "$file" && echo rubbish; } >"$work/bad"
refused rubbish-behind 'what follows is no AOF'
gzip -c "$file" | head -c 3000 >"$work/bad"
refused gzip-cut 'gzip: the file ends too early'
head -c 3000 "$work/dump.zst" >"$work/bad"
refused zstd-cut 'zstd: the file ends too early'
{ head -c 2000 "$work/dump.zst" && printf 'changed' && tail -c +2008 "$work/dump.zst"; } >"$work/bad"
refused zstd-changed 'zstd: '
{ head -c 2000 "$work/dump.gz" && printf 'changed' && tail -c +2008 "$work/dump.gz"; } >"$work/bad"
refused gzip-changed 'gzip: '
printf 'REDIS0099\372\011redis-ver\00499.0\376\000\043' >"$work/bad"
refused unknown-type 'offset 27: type 35 of Redis.s RDB 99 is not known'
printf 'REDIS0099\043' >"$work/bad"
check unknown-at-once "loaded into no server" [ "$("$redmem" rdb "$work/bad" 2>&1 |
	grep -c 'Loaded into')" = 0 ]
check type-unknown "not refused" [ "$("$redmem" rdb --type strings "$file" 2>&1 |
	grep -c "no key of a dump is a 'strings'")" = 1 ]
echo hello >"$work/bad"
refused no-dump 'this is no dump'
rm "$work/bad"
refused no-file 'No such file'
exit $((failures > 0))
