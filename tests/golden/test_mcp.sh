#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem mcp` by a conversation that is kept here (mcp.in, and mcp.out as the answers), and by
# what no client would send. Needs no root and no server. UPDATE=1 rewrites the answers.
set -u
suite="mcp"
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
here=$root/tests/golden
unset REDISCLI_AUTH
export LC_ALL=C

# Lines with one answer each, of which the version of redmem is no part.
say() # OPTION...
{
	timeout 60 "$redmem" mcp "$@" 2>"$work/messages" | sed 's/\("name":"redmem","version":\)"[^"]*"/\1"VERSION"/'
}

say <"$here/mcp.in" | jq -c . >"$work/out"
[ "${UPDATE:-0}" = 0 ] || cp "$work/out" "$here/mcp.out"
check conversation "$(diff "$here/mcp.out" "$work/out" | cut -c 1-300)" cmp -s "$here/mcp.out" "$work/out"
check quiet "$(cat "$work/messages")" [ ! -s "$work/messages" ]
check answers "not one for each request: $(jq -c 'if type == "array" then .[].id else .id end' "$work/out" | tr '\n' ' ')" \
	[ "$(grep -c . "$work/out")" = 24 ]

ping='{"jsonrpc":"2.0","id":1,"method":"ping"}'
pong='{"jsonrpc":"2.0","id":1,"result":{}}'

# answered NAME WHAT IT SAYS FIRST: what comes on stdin, and a ping after it, which is answered.
answered()
{
	{
		cat
		printf '\n%s\n' "$ping"
	} | say >"$work/out"
	check "$1" "$(head -c 300 "$work/out")" [ "$(tail -n 1 "$work/out")" = "$pong" ]
	check "$1-said" "$(head -c 300 "$work/out")" [ "$(jq -r .error.code "$work/out" | head -n 1)" = "$2" ]
}
head -c 3000000 /dev/zero | tr '\0' 'x' | answered long-line -32600
head -c 1000 /dev/zero | answered zeros -32700
head -c 100000 /dev/zero | tr '\0' '[' | answered deep -32700
printf '{"jsonrpc":"2.0","id":9,"method":"\\u0000"}' | answered nul -32700
printf '{"jsonrpc":"2.0","id":9,"method":"\xff"}' | answered not-utf8 -32700
printf '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"explain","arguments":{"id":"%s"}}}' \
	"$(head -c 5000 /dev/zero | tr '\0' 'x')" | answered long-argument -32602
head -c 20000 /dev/urandom | tr '\n' ' ' | answered noise -32700

# The last line needs no newline to be left alone, and the end of stdin is the end.
printf %s "$ping" | say >"$work/out"
check unfinished "$(cat "$work/out")" [ ! -s "$work/out" ]
"$redmem" mcp </dev/null >"$work/out" 2>"$work/messages"
status=$?
check end "status $status" [ "$status $(wc -c <"$work/out")" = "0 0" ]

holds() # NAME FILTER
{
	local held=no

	! jq -e "$2" "$work/out" >"$work/held" || held=yes
	check "$1" "$(cut -c 1-300 "$work/out")" [ $held = yes ]
}
# Every tool is known to only read, and says what it takes.
say <<<'{"jsonrpc":"2.0","id":1,"method":"tools/list"}' >"$work/out"
holds read-only '.result.tools | length >= 5 and all(.annotations.readOnlyHint and
	.inputSchema.type == "object" and .inputSchema.additionalProperties == false)'
say <<<'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"servers"}}' >"$work/out"
holds servers '.result.isError == false and
	(.result.content[0].text | fromjson | .running | type == "array")'
# Of each id of a finding the meaning is known: those of the recordings among them.
ids=$(jq -r '.findings[]?.id' "$here"/*.json | sort -u)
for id in $ids; do
	printf '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"explain","arguments":{"id":"%s"}}}\n' "$id"
done | say >"$work/out"
check explained "$(grep -m 1 isError.:true "$work/out")" \
	[ "$(grep -c '"isError":false' "$work/out")" = "$(echo "$ids" | wc -l)" ]

# --- a time that is over ------------------------------------------------------------

# One window, of a recording, at the time that tests/bench/history gives it.
keep=$root/build/tests/bench/history
[ -x "$keep" ] || {
	echo "skip mcp-history: make tests builds what keeps a recording"
	exit $((failures > 0))
}
gzip -n -c "$here/swapping.jsonl" >"$work/swapping.rec" || exit 1
"$keep" keep "$work/state" "$work/swapping.rec" >"$work/out" 2>&1
got=$?
check kept "$(cat "$work/out")" [ "$got" = 0 ]

ask() # TOOL ARGUMENTS OPTION...: the answer is in $work/out
{
	local tool=$1 arguments=$2

	shift 2
	printf '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s","arguments":%s}}\n' \
		"$tool" "$arguments" | say --state "$work/state" "$@" >"$work/said"
	jq -r '.result.content[0].text' "$work/said" >"$work/out"
}
past='"at":"2023-11-14T23:00:00Z","for":"1m"'
ask diagnosis "{$past}"
holds past 'any(.findings[]; .id == "swap.in_path") and (.stalls | length) > 0 and (.verdict | length) > 0'
check then-key "$(cut -c 1-300 "$work/out")" grep -q 'user:815' "$work/out"
ask diagnosis "{$past}" --redact
holds then-redacted 'any(.findings[]; .id == "swap.in_path")'
check then-no-key "$(grep -o '.\{30\}815.\{30\}' "$work/out")" \
	[ "$(grep -c 'user:815\|:815:' "$work/out")" = 0 ]
ask who_allocated "{$past}"
holds then-allocated '.commands | type == "array"'
ask history '{"from":"2023-11-14T00:00:00Z","to":"2023-11-15T00:00:00Z"}'
holds then-happened 'any(.events[]; .id == "swap.in_path") and any(.events[]; .kind == "stall")'
ask history '{"from":"2023-11-14T00:00:00Z","limit":2}' --redact
holds then-newest '(.events | length) == 2 and .left_out_total > 0 and all(.events[]; .text | test("815|session") | not)'
ask diff '{"before":"2023-11-14T23:00:01Z","after":"2023-11-14T23:00:05Z"}'
holds then-changed '.schema == "redmem.changes/1"'
ask servers '{}'
holds then-servers '.in_the_history[0].server == "recorded"'
ask diagnosis '{"at":"2020-01-01T00:00:00Z"}'
check then-nothing "$(cat "$work/said")" [ "$(jq .result.isError "$work/said")" = true ]
# A server is named as it is shown, and what makes no sense is said, as by the commands.
(umask 077 && echo 0123456789abcdef0123456789abcdef >"$work/key")
ask servers '{}' --redact-key "$work/key"
shown=$(jq -r '.in_the_history[0].server' "$work/out")
ask history "{\"from\":\"2023-11-14T00:00:00Z\",\"server\":\"$shown\"}" --redact-key "$work/key"
holds then-hashed '(.events | length) > 0'
wrong() # NAME WORDS TOOL ARGUMENTS
{
	ask "$3" "$4"
	check "$1" "$(cat "$work/said")" grep -q "^{.*\"isError\":true" "$work/said"
	check "$1-said" "$(cat "$work/out")" grep -q "$2" "$work/out"
}
wrong then-no-server "'other'" history '{"server":"other"}'
wrong then-backwards 'before it begins' history '{"from":"-1h","to":"-2h"}'
wrong then-no-change 'is not before' diff '{"before":"-1h","after":"-2h"}'
"$redmem" history --state "$work/state" --since 2023-11-14T00:00:00Z --json >"$work/events.json"
"$redmem" report --state "$work/state" --at 2023-11-14T23:00:00Z --for 1m --json >"$work/report.json"
"$redmem" diff --state "$work/state" --json 2023-11-14T23:00:01Z 2023-11-14T23:00:05Z >"$work/changes.json"
check_schema schema history "$work/events.json" report "$work/report.json" diff "$work/changes.json"
exit $((failures > 0))
