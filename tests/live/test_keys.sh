#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A pass over all keys: agrees with redis-cli and MEMORY USAGE, touches nothing, finds
# the prefixes that are there and no others, stays in its memory, ends while the
# keyspace moves, and survives names that would like to write to the terminal.
# FULL=1 takes the sizes of a real server.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/live/servers.sh
. "$(dirname "$0")/servers.sh"
need_programs valkey-server

[ "${FULL:-0}" = 1 ] && scale=10 || scale=1

keys() # ARGUMENT...
{
	run_redmem keys --json -s "$socket" "$@"
}

info() # FIELD
{
	redis_cli info | tr -d '\r' | sed -n "s/^$1://p"
}

# --- agreement with redis-cli ---------------------------------------------------

same() # NAME WANTED GOT
{
	check "$1" "redis-cli: $(echo "$2" | tr '\n' ','); redmem: $(echo "$3" | tr '\n' ',')" \
		[ -n "$2" -a "$2" = "$3" ]
}

# MEMORY USAGE of each listed key is what the list says.
listed_bytes_agree()
{
	query '.top[] | "\(.bytes) \(.key)"' | while read -r bytes key; do
		[ "$(redis_cli memory usage "$key")" = "$bytes" ] || exit 1
	done
}

test_agreement() # NAME [ARGUMENT...]
{
	name=$1
	shift
	"$load" keys -o types -n $((3000 * scale)) -s "$socket"
	keys --samples 5 "$@" # as many as redis-cli has the server look at
	check "$name-status" "exit status $status: $(said)" [ "$status" = 0 ]
	same "$name-bigkeys" "$(cli_types --bigkeys)" \
		"$(query '.types[] | "\(.type) \(.keys_total) \(.elements_total)"' | sort)"
	same "$name-bigkeys-largest" "$(cli_largest --bigkeys)" \
		"$(query '.types[] | "\(.type) \(.largest_by_elements.elements_total)"' | sort)"
	same "$name-memkeys" "$(cli_types --memkeys)" \
		"$(query '.types[] | "\(.type) \(.keys_total) \(.bytes)"' | sort)"
	same "$name-memkeys-largest" "$(cli_largest --memkeys)" \
		"$(query '.types[] | "\(.type) \(.largest_by_bytes.bytes)"' | sort)"
	check "$name-usage" "$(query '.top | tostring')" listed_bytes_agree
	check "$name-dbsize" "$(query .scanned_total) keys" \
		[ "$(query .scanned_total)" = "$(redis_cli dbsize)" ]
	check "$name-patterns" "$(query '.patterns | map(select(.keys_total > 0).id) | tostring')" \
		holds '.patterns | map(select(.keys_total > 0).id) |
			contains(["big_string", "large_hash", "massive_zset", "undrained_list"])'
	# More elements of what is large are looked at where nobody says how many.
	keys "$@"
	check "$name-samples" "$(query '.top | map([.key, .bytes]) | tostring')" \
		[ "$(query '.top[] | select(.key == "list:big").bytes')" = "$(redis_cli memory usage list:big samples 0)" ]
}

# --- no touch ---------------------------------------------------------------------

# The smallest idle time of all keys, in seconds.
least_idle()
{
	redis_cli eval "local least = 1e9
		for _, key in ipairs(redis.call('keys', '*')) do
			least = math.min(least, redis.call('object', 'idletime', key))
		end
		return least" 0
}

frequencies()
{
	redis_cli eval "local all = redis.call('keys', '*')
		table.sort(all)
		for i, key in ipairs(all) do
			all[i] = key .. ' ' .. redis.call('object', 'freq', key)
		end
		return all" 0
}

all_idle()
{
	[ "$(least_idle)" -ge 2 ]
}

test_no_touch() # NAME
{
	must 20 all_idle
	least=$(least_idle)
	before=$(info keyspace_hits)
	keys
	hits=$(($(info keyspace_hits) - before))
	check "$1-idle" "a key was idle for $least s before and $(least_idle) s after" \
		[ "$least" -ge 2 -a "$(least_idle)" -ge "$least" ]
	check "$1-hits" "moved by $hits, said $(query .pass.keyspace_hits_total)" \
		[ "$hits" = "$(query .pass.keyspace_hits_total)" ]
	redis_cli config set maxmemory-policy allkeys-lfu >/dev/null
	redis_cli config set lfu-decay-time 0 >/dev/null
	redis_cli config set lfu-log-factor 0 >/dev/null # each touch counts
	frequencies >"$work/before"
	keys
	frequencies >"$work/after"
	check "$1-frequency" "$(diff "$work/before" "$work/after" | head -n 2 | tr '\n' ' ')" \
		cmp -s "$work/before" "$work/after"
	check "$1-frequency-known" "$(head -n 1 "$work/before")" grep -q ' [0-9]' "$work/before"
}

# --- prefixes and memory ------------------------------------------------------------

test_shapes() # SEED
{
	redis_cli flushall >/dev/null
	"$load" keys -o shapes -n $((15000 * scale)) -r "$1" -s "$socket" >"$work/shapes"
	keys
	query '.prefixes[] | "\(.prefix) \(.keys_total) \(.bytes)"' >"$work/found"
	wrong=$(awk 'NR == FNR { keys[$1] = $2; bytes[$1] = $3; next }
		!($1 in keys) { print "invented " $1 " " $2; next }
		{ seen[$1]; if ($3 > bytes[$1] * 1.03 || $3 < bytes[$1] * 0.97) print "bytes of " $1 }
		END { for (name in keys) if (keys[name] && !(name in seen)) print "lost " name }' \
		"$work/shapes" "$work/found")
	check "shapes-$1" "$(echo "$wrong" | head -n 3 | tr '\n' ',')" [ -z "$wrong" ]
}

test_distinct()
{
	redis_cli flushall >/dev/null
	"$load" keys -o distinct -n $((100000 * scale)) -s "$socket"
	keys
	check distinct-total "$(query .scanned_total)" holds '.scanned_total == '"$(redis_cli dbsize)"
	check distinct-sum "$(query '[.prefix_tree[] | select(.depth == 0).keys_total] | add')" \
		holds '([.prefix_tree[] | select(.depth == 0).keys_total] | add) == .scanned_total'
	check distinct-rows "$(query .prefixes_found_total) rows" holds '.prefixes_found_total < 1000'
	small=$(query .pass.own_peak_rss_bytes)
	check distinct-memory "$small bytes" [ "$small" -lt 67108864 ]
	redis_cli debug populate $((400000 * scale)) >/dev/null
	keys
	check populate-memory "$(query .pass.own_peak_rss_bytes) bytes, with fewer keys $small" \
		holds '.pass.own_peak_rss_bytes < 67108864 and
			.pass.own_peak_rss_bytes < 1.15 * '"$small"
	redis_cli flushall >/dev/null
}

# Half of the load's 20,000 keys are there at any moment, once all have been met.
churning()
{
	[ "$(redis_cli dbsize)" -gt $((100000 * scale + 9700)) ]
}

test_churn()
{
	redis_cli debug populate $((100000 * scale)) >/dev/null
	"$load" keys -o churn -d 60 -s "$socket" &
	loader=$!
	own_process "$loader"
	must 10 churning
	before=$(redis_cli dbsize)
	keys
	after=$(redis_cli dbsize)
	kill_process "$loader"
	cp "$json" "$work/churned"
	keys # what it comes to in quiet
	bytes=$(query '[.types[].bytes] | add')
	json=$work/churned
	check churn-status "exit status $status: $(said)" [ "$status" = 0 ]
	check churn-total "$before keys before, $(query .scanned_total) seen, $after after" \
		holds '(.scanned_total - ($before + $after) / 2) / $after | fabs < 0.02' \
		--argjson before "$before" --argjson after "$after"
	check churn-bytes "$(query '[.types[].bytes] | add') bytes, in quiet $bytes" \
		holds '([.types[].bytes] | add) / $bytes - 1 | fabs < 0.02' --argjson bytes "$bytes"
	check churn-complete "$(query .end)" holds .complete
	json=$work/report.json
}

# Types that were not asked are those that are there, and a pass asks little more than sizes.
test_inferred()
{
	redis_cli flushall >/dev/null
	redis_cli eval "for i = 1, 20000 do redis.call('set', 'page:' .. i, string.rep('x', 100)) end
		for i = 1, 5000 do redis.call('hset', 'user:' .. i .. ':profile', 'name', i, 'mail', i) end
		for i = 1, 5000 do if i % 3 == 0 then redis.call('rpush', 'mixed:' .. i, i)
			else redis.call('sadd', 'mixed:' .. i, 'a' .. i) end end" 0 >/dev/null
	keys
	cp "$json" "$work/inferred"
	keys --exact
	check exact "$(query .pass.inferred_total) inferred" holds '.pass.inferred_total == 0'
	check inferred-types "$(jq -c '.types | map([.type, .keys_total, .bytes])' "$work/inferred")" \
		holds '($inferred[0] | [.types, .encodings] | map(map([.type, .encoding, .keys_total, .bytes]) | sort)) ==
			([.types, .encodings] | map(map([.type, .encoding, .keys_total, .bytes]) | sort))' \
		--slurpfile inferred "$work/inferred"
	check inferred-most "$(jq -c .pass "$work/inferred")" holds_in "$work/inferred" \
		'.pass.inferred_total > 20000 and .pass.inferred_total <= 25000'
}

# --- names ---------------------------------------------------------------------------

test_hostile()
{
	redis_cli flushall >/dev/null
	printf 'a\0b' >"$work/name1"
	printf 'line\nTYPES  forged\r' >"$work/name2"
	printf '\033[31m\033]0;owned\007' >"$work/name3"
	printf 'qu"ot,e\134' >"$work/name4"
	printf '\377\376\200' >"$work/name5"
	head -c 65536 /dev/zero | tr '\0' k >"$work/name6"
	printf 'caf\303\251' >"$work/name7"
	for file in "$work"/name?; do
		size=$(wc -c <"$file")
		{
			printf '*3\r\n$3\r\nSET\r\n$%d\r\n' "$size"
			cat "$file"
			printf '\r\n$1\r\nv\r\n'
		} >>"$work/hostile"
	done
	redis_cli --pipe <"$work/hostile" >/dev/null
	keys
	for file in "$work"/name?; do
		base64 -w 0 "$file"
		echo
	done | sort >"$work/wanted_names"
	query '.top[] | .key_base64 // (.key | @base64)' | sort >"$work/json_names"
	check hostile-json "$(query '.top | length') keys" cmp -s "$work/wanted_names" "$work/json_names"
	"$redmem" keys --csv -s "$socket" >"$work/csv"
	# In a field, quotes are doubled; what is left are redis-cli's escapes, which are printf's.
	sed -nE 's/^0,string,"(.*)",[0-9]+,[a-z]+,.*/\1/p' "$work/csv" | sed 's/""/"/g; s/\\"/"/g' |
		while IFS= read -r name; do
			bash -c 'printf %b "$1"' - "$name" | base64 -w 0
			echo
		done | sort >"$work/csv_names"
	check hostile-csv "$(head -c 300 "$work/csv" | tr '\n' '|')" cmp -s "$work/wanted_names" "$work/csv_names"
	check hostile-csv-lines "$(wc -l <"$work/csv") lines" [ "$(wc -l <"$work/csv")" = 8 ]
	"$redmem" keys -v -s "$socket" >"$work/text"
	check hostile-escape "an escape character is in the text" \
		[ "$(tr -d -c '\033\007\r' <"$work/text" | wc -c)" = 0 ]
	check hostile-lines "a name has a line of its own" [ "$(grep -c '^TYPES' "$work/text")" = 1 ]
	check hostile-width "a line has $(wc -L <"$work/text") columns" \
		[ "$(wc -L <"$work/text")" -lt 300 ]
}

# --- early ends -----------------------------------------------------------------------

# A pass that would take a minute, in the background, once it has seen keys.
slow_start()
{
	redis_cli flushall >/dev/null
	redis_cli debug populate 30000 >/dev/null
	"$redmem" keys --json -s "$socket" -i 2 >"$json" 2>"$messages" &
	pass=$!
	own_process "$pass"
	must 10 processed $(($(info total_commands_processed) + 2000))
}

processed() # COMMANDS
{
	[ "$(info total_commands_processed)" -gt "$1" ]
}

slow_end()
{
	wait "$pass"
	status=$?
	forget_process "$pass"
}

test_early_ends()
{
	slow_start
	kill -INT "$pass"
	slow_end
	seen=$(query .scanned_total)
	check interrupt-status "exit status $status: $(said)" [ "$status" = 0 ]
	check interrupt-report "$seen keys, cursor $(query .cursor)" \
		holds '.complete == false and .scanned_total > 500 and .scanned_total < 30000 and
			.end == "interrupted"'
	keys --cursor "$(query .cursor)"
	rest=$(query .scanned_total)
	check resumed "$seen and $rest of 30000" \
		[ $((seen + rest)) -ge 30000 -a $((seen + rest)) -lt 32000 ]
	slow_start
	kill_process "$pid"
	slow_end
	check lost-status "exit status $status" [ "$status" = 1 ]
	check lost-report "$(query .end), cursor $(query .cursor)" \
		holds '.complete == false and .end == "lost" and .scanned_total > 500 and
			(.cursor | test("^0:[0-9]+$"))'
	check lost-message "$(said)" grep -q "cursor" "$messages"
}

# The list grows between the two looks: rate, and time to the limit.
test_growth()
{
	redis_cli config set maxmemory 500mb >/dev/null
	redis_cli eval "for i = 1, 30 do redis.call('rpush', 'queue:work', string.rep('x', 60000)) end" 0 >/dev/null
	(
		while sleep 0.05; do
			redis_cli eval "redis.call('rpush', 'queue:work', string.rep('x', 60000))" 0
		done >/dev/null
	) &
	producer=$!
	own_process "$producer"
	keys
	kill_process "$producer"
	check growth "$(query '.patterns[] | select(.id == "undrained_list") | tostring')" \
		holds '.patterns[] | select(.id == "undrained_list").keys[0] |
			.key == "queue:work" and .growth_bytes_per_second > 100000'
	check growth-finding "$(query '.findings | map(.title) | tostring')" holds '.findings[] |
		select(.id == "keys.undrained_list") |
		any(.evidence[]; .name == "seconds_to_maxmemory" and .value > 0)'
}

test_doctor()
{
	redis_cli zadd leaderboard:global 1 m >/dev/null
	run_redmem doctor --json -d 1 --no-bpf --keys -s "$socket"
	check doctor "exit status $status: $(said)" holds '.census.scanned_total > 0 and
		.census.complete and (.census.types | length > 0)'
}

# What SCAN meets past its time a primary deletes: the pass says so. A replica hides it and keeps it.
linked()
{
	[ "$(redis-cli -s "$copy" dbsize)" = "$(redis_cli dbsize)" ] &&
		redis-cli -s "$copy" info replication | grep -q 'master_link_status:up'
}

server_milliseconds()
{
	redis_cli time | awk 'NR == 1 { seconds = $1 } NR == 2 { printf "%.0f\n", seconds * 1000 + $1 / 1000 }'
}

past() # MILLISECONDS
{
	[ "$(server_milliseconds)" -gt "$1" ]
}

test_past_their_time()
{
	server_start --enable-debug-command yes
	copy=$socket
	server_start --enable-debug-command yes --port "$port" --bind 127.0.0.1 --repl-diskless-sync-delay 0
	redis_cli debug set-active-expire 0 >/dev/null
	redis-cli -s "$copy" replicaof 127.0.0.1 "$port" >/dev/null
	# Within a script it is one time: no key's is over before it is made, however late the script is.
	until=$(redis_cli eval "local now = redis.call('time')
		local till = string.format('%d', now[1] * 1000 + 1000)
		for i = 1, 20000 do redis.call('set', 'old:' .. i, 'x', 'pxat', till) end
		for i = 1, 100 do redis.call('set', 'kept:' .. i, 'x') end
		return till" 0)
	must 10 linked
	must 10 past "$until"
	run_redmem keys --json -s "$copy"
	check past-hidden "$(query .pass -c)" holds '.scanned_total == 100 and .pass.hidden_total == 20000 and
		.pass.expired_total == 0 and .pass.keys_after_total == 20100'
	"$redmem" keys -s "$copy" | tr '\n' ' ' >"$work/text"
	check past-said "$(head -c 400 "$work/text")" grep -q 'are held than SCAN gives' "$work/text"
	run_redmem keys --json -s "$socket"
	check past-deleted "$(query .pass -c)" holds '.scanned_total == 100 and .pass.expired_total == 20000 and
		.pass.keys_before_total == 20100 and .pass.keys_after_total == 100 and .pass.hidden_total == 0'
}

# A key that stalled the server in the watch says so among the keys, and no other does.
test_marks()
{
	redis_cli eval 'for i = 1, 200000 do redis.call("HSET", "profile:all", "field:" .. i, i)
		redis.call("SADD", "tags:all", i) end' 0 >/dev/null
	watch_start --keys -s "$socket"
	redis_cli hgetall profile:all >/dev/null
	watch_end
	check marks "$(query '[.census.top[:3][] | {key, seen_in}] | tostring') $(query '.stalls | map({command, key}) | tostring')" \
		holds '(.census.top | map(select(.key == "profile:all"))[0].seen_in | index("stalls")) and
			(.census.top | map(select(.key == "tags:all"))[0].seen_in | index("stalls") | not)'
}

server_start --enable-debug-command yes
test_agreement redis --elements
test_no_touch redis
test_shapes 1
test_shapes 2
test_distinct
test_churn
test_hostile
test_growth
test_doctor
[ "$(id -u)" != 0 ] || test_marks
test_early_ends
for port in 26579 36579 46579 56579; do
	redis-cli -p $port ping >/dev/null 2>&1 || break
done
test_past_their_time
server=valkey-server
server_start
test_agreement valkey --exact
test_inferred
test_no_touch valkey
finish
