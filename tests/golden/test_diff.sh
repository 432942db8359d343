#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem diff` on two dumps made here: what grew, shrank, came and went, by prefix and by key,
# as text and as JSON; and what it refuses.
set -u
suite="diff"
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"

string() # BYTES
{
	head -c "$1" /dev/zero | tr '\0' 'x'
}

byte() # NUMBER
{
	# shellcheck disable=SC2059 # the number is made into a character
	printf "\\$(printf %o "$1")"
}

# A dump without a checksum of strings: NAME BYTES, both below 64 bytes, each.
dump() # NAME BYTES...
{
	printf 'REDIS0010\372\011redis-ver\0067.0.15\376\000'
	while [ $# -gt 0 ]; do
		printf '\000'
		byte ${#1}
		printf %s "$1"
		byte "$2"
		string "$2"
		shift 2
	done
	printf '\377\0\0\0\0\0\0\0\0'
}

dump user:1 10 user:2 10 user:3 10 job:a 60 job:b 60 same:1 20 gone 63 >"$work/before.rdb"
dump user:1 60 user:2 10 user:3 10 user:4 50 job:a 1 same:1 20 new 62 >"$work/after.rdb"
"$redmem" diff --json "$work/before.rdb" "$work/after.rdb" >"$work/json" 2>"$work/said"
status=$?
check status "$(cat "$work/said")" [ $status = 0 ]

holds() # NAME FILTER
{
	jq -e "$2" "$work/json" >"$work/held"
	status=$?
	check "$1" "$(jq -c . "$work/json" | cut -c 1-2000)" [ $status = 0 ]
}
check_schema schema-of diff "$work/json"
holds schema '.schema == "redmem.diff/1" and .loaded.server == "redis-7.0"'
holds keys '.before_keys_total == 7 and .after_keys_total == 7 and .before.keys_total == 7'
holds grown '[.grown[] | [.key, .before_bytes == null, .change_bytes == .after_bytes - (.before_bytes // 0)]]
	== [["new", true, true], ["user:4", true, true], ["user:1", false, true]]'
holds shrunk '[.shrunk[] | [.key, .after_bytes == null]] == [["gone", true], ["job:b", true], ["job:a", false]]'
holds exact '.grown_exact_from_bytes == 0 and .shrunk_exact_from_bytes == 0'
holds prefixes '[.prefixes[] | select(.prefix | test("^(job|user):")) |
	[.prefix, .before_keys_total, .after_keys_total]] | sort == [["job:a", 1, 1], ["job:b", 1, 0], ["user:*", 3, 4]]'
holds sums '.after_bytes - .before_bytes == ([.prefixes[].change_bytes] | add) and
	.after_bytes - .before_bytes == ([.grown[], .shrunk[] | .change_bytes] | add)'
holds unchanged 'all(.prefixes[]; .prefix | startswith("same") | not)'
# The sum of what `redmem rdb` says of each.
alone()
{
	"$redmem" rdb --json --as redis-7.0 "$1" | jq .loaded.used_memory_bytes
}
check loaded "not what rdb says of each" [ "$(jq -c .loaded "$work/json" |
	jq -r '"\(.before_used_memory_bytes) \(.after_used_memory_bytes)"')" = \
	"$(alone "$work/before.rdb") $(alone "$work/after.rdb")" ]
"$redmem" diff "$work/before.rdb" "$work/after.rdb" >"$work/text"
check text "$(cat "$work/text")" grep -q '^ *+[0-9.]* B  *-  *[0-9.]* B  string   0  new$' "$work/text"
check itself "$("$redmem" diff "$work/after.rdb" "$work/after.rdb")" [ "$("$redmem" diff --json \
	"$work/after.rdb" "$work/after.rdb" | jq -c '[.prefixes, .grown, .shrunk]')" = '[[],[],[]]' ]
check stdin "not as the file" [ "$("$redmem" diff --json "$work/before.rdb" - <"$work/after.rdb" |
	jq -c '[.prefixes, .grown]')" = "$(jq -c '[.prefixes, .grown]' "$work/json")" ]
check match "not those alone" [ "$("$redmem" diff --json --match 'job:*' "$work/before.rdb" \
	"$work/after.rdb" | jq -c '[.grown, [.shrunk[].key]]')" = '[[],["job:b","job:a"]]' ]

# refused NAME STATUS WORDS FILE...
refused()
{
	local name=$1 status=$2 words=$3 got

	shift 3
	"$redmem" diff --json "$@" >"$work/out" 2>"$work/said" </dev/null
	got=$?
	check "$name" "exit status $got: $(cat "$work/said" "$work/out")" \
		[ "$got $(grep -c "$words" "$work/said") $(wc -c <"$work/out")" = "$status 1 0" ]
}
head -c 100 "$work/after.rdb" >"$work/cut.rdb"
refused cut 1 'the dump ends here, before its end' "$work/before.rdb" "$work/cut.rdb"
refused no-file 1 'No such file' "$work/none" "$work/after.rdb"
refused one 2 'diff compares two dumps' "$work/after.rdb"
refused stdin-before 2 'is read twice' - "$work/after.rdb"
exit $((failures > 0))
