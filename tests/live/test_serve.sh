#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem serve`: finds servers, those that come later and those that come again, judges windows
# and answers; reads its configuration again; works beside `redmem doctor`; and leaves nothing
# when it is killed. In a pid namespace of its own, so that all servers are the test's.
# shellcheck disable=SC2119,SC2317 # functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs unshare

# A second time, inside.
if [ "${1-}" != inside ]; then
	unshare --pid --mount --fork --kill-child --mount-proc true 2>/dev/null ||
		skip_all "unshare is not allowed here"
	unshare --pid --mount --fork --kill-child --mount-proc "$0" inside
	exit # its directory goes, too
fi

config=$work/redmem.conf

# configure LINE...: the configuration is of these.
configure()
{
	printf '%s\n' "$@" >"$config"
}

# get PATH: what is answered.
get()
{
	exec 3<>"/dev/tcp/127.0.0.1/$port" || return
	printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
	cat <&3
	exec 3>&-
}

# has LINE: the metrics have a line that begins so.
has()
{
	get /metrics 2>/dev/null | grep -q -F -- "$1"
}

# state LABEL STATE: that server is in that state.
state()
{
	get /metrics 2>/dev/null |
		grep -q -F "redmem_server_state{server=\"$1\",state=\"$2\"} 1"
}

# said_last: what serve said last, for a complaint.
said_last()
{
	tail -n 4 "$messages" | tr '\n' ' '
}

configure 'budget = 1' '[server a' '[server b]'
"$redmem" serve --config "$config" --check-config >"$json" 2>&1
check bad-config "it does not say line 2: $(cat "$json")" grep -q 'line 2' "$json"

server_start
first=$pid
redis_cli mset user:1 a user:2 b cart:1 c >/dev/null
# A pass over the keys is due soon, whenever serve has got to the server.
configure "keys_at = $(for later in 5 10 20 40 80 160; do date -d "+$later sec" +%T; done | tr '\n' ' ')" \
	'[server first]' "socket = $socket"
check check-config "it is right, and refused" \
	"$redmem" serve --config "$config" --check-config >"$json"

# A folder of anybody's is not given to the keeper's user, and an error says who that is.
mkdir -m 777 "$work/anybodys"
chmod 777 "$work/anybodys"
"$redmem" serve --config "$config" --listen 127.0.0.1:0 --state "$work/anybodys" >"$json" 2>&1
check state-anybodys "$(cat "$json")" grep -q 'may be written to by others' "$json"
check state-kept "it was given away" [ "$(stat -c %u "$work/anybodys")" = 0 ]
mkdir -m 700 "$work/closed"
"$redmem" serve --config "$config" --listen 127.0.0.1:0 --state "$work/closed/state" >"$json" 2>&1
check state-user "$(cat "$json")" grep -q 'as user [a-z]' "$json"
"$redmem" serve --config "$config" --listen 127.0.0.1:0 --state "$work/state" 2>"$messages" &
watch=$!
own_process "$watch"
listens()
{
	port=$(sed -n 's/^redmem: listening on port \([0-9]*\).*/\1/p' "$messages")
	[ -n "$port" ]
}
await 20 listens || {
	not_ok starts "$(said_last)"
	finish
}
read -r keeper _ <"/proc/$watch/task/$watch/children"
check attributed "first: $(said_last)" await 20 state first attributed
# Whoever is confined that much makes it all the same.
get / >"$work/page" 2>/dev/null
check page "at / there is $(head -n 1 "$work/page")" grep -q -F 'id="report">null</script>' "$work/page"
check unprivileged "the keeper has capabilities" \
	grep -q '^CapPrm:[[:space:]]*0*$' "/proc/$keeper/status"
# Both stay in memory, or say why they cannot.
locked() # PROCESS
{
	grep -q '^VmLck:[[:space:]]*[1-9]' "/proc/$1/status" || grep -q 'memory is not locked' "$messages"
}
check locked "the watcher's memory" locked "$watch"
check locked-keeper "the keeper's memory" locked "$keeper"

# One more, which goes and comes again under its name.
server_start
later=$socket
check finds "the server that came later: $(said_last)" await 20 state "$later" attributed
kill_process "$pid"
check gone "it was killed: $(said_last)" await 20 state "$later" gone
# shellcheck disable=SC2154 # dir: see server_start
"$server" --port 0 --unixsocket "$later" --dir "$dir" --save '' >/dev/null 2>&1 &
own_process $!
check again "it came again: $(said_last)" await 20 state "$later" attributed

"$redmem" doctor --pid "$first" -d 1 --json >"$json" 2>/dev/null
check beside "redmem doctor is not attributed beside it" holds \
	'[.sensors[] | select(.id == "attribution")][0].state == "on"'

window()
{
	has 'redmem_window_end_timestamp_seconds{server="first"}'
}
check window "no window of the first server came: $(said_last)" await 30 window
check pass "no pass over its keys is told: $(said_last)" \
	await 20 has 'redmem_pass_keys{server="first",prefix="user:*"} 2'
"$redmem" report --state "$work/state" --server first --json >"$json" 2>/dev/null
check pass-reported "the report has nothing of it" \
	holds '.pass.keys_total == 3 and any(.pass.prefixes[]; .prefix == "user:*" and .keys_total == 2)'
# What the API answers is as `redmem schema serve` says; see finish.
for path in servers findings 'report?server=first'; do
	get "/api/v1/$path" | sed '1,/^\r$/d'
done >"$work/serve.kept-json"
check api "it does not answer: $(head -c 300 "$work/serve.kept-json")" jq -e -s \
	'map(.schema) == ["redmem.servers/1", "redmem.findings/1", "redmem.doctor/1"]' \
	"$work/serve.kept-json"
# It is in the history, too.
check history "nothing is kept: $(said_last)" await 10 test -s "$work/state/history.db"

configure '[server' 'x'
kill -HUP "$watch"
check keeps "of a bad file: $(said_last)" await 20 grep -q 'line 1.*all stays as it was' "$messages"
configure 'prefixes = 50' 'history_size = 2G' '[server renamed]' "socket = $(dirname "$later" | sed 's/server2$/server1/')/socket"
kill -HUP "$watch"
check reads-again "of a new name: $(said_last)" await 20 state renamed attributed

check names "what takes a restart: $(said_last)" grep -q 'what it says now of prefixes takes' "$messages"

kill -KILL "$watch"
wait "$watch" 2>/dev/null
forget_process "$watch"
has_ended() { ! kill -0 "$keeper"; }
check keeper-ends "the watcher was killed, and the keeper goes on" await 10 has_ended
# What root reads when nobody writes is still serve's, who is nobody.
"$redmem" history --state "$work/state" >/dev/null 2>&1
check history-owner "beside it is root's: $(find "$work/state" -uid 0)" [ -z "$(find "$work/state" -uid 0)" ]
check unharmed "the server does not answer any more" server_answers
finish
