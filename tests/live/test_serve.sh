#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem serve`: finds servers, those that come later and those that come again, judges windows
# and answers; reads its configuration again; works beside `redmem doctor`; and leaves nothing
# when it is killed. In a pid namespace of its own, so that all servers are the test's.
# shellcheck disable=SC2016,SC2119,SC2317 # "$3" is of the protocol; functions go by name
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

# One whose password serve has not: the log says so once, and the rest goes on.
server_start --requirepass hunter2
kept_out=$socket
check no-password "it goes on: $(said_last)" await 20 state "$kept_out" attributed
check no-password-said "of the password: $(said_last)" \
	[ "$(grep -c -F "$kept_out is watched and attributed, but not connected to" "$messages")" = 1 ]
kill_process "$pid"

# Two that move: one named by its address, which listens elsewhere from now on and then where it did
# before, and one of the configuration that becomes another program (DEBUG RESTART is an exec()).
# Servers are looked over in turn, one as often as a window ends; who moves is seen long before it is
# its turn, however many there are.
window_end() { get /metrics 2>/dev/null | sed -n 's/^redmem_window_end_timestamp_seconds{server="first"} \([0-9]*\).*/\1/p'; }
for moves in 17479 27479 37479 47479; do
	redis-cli -p $moves ping >/dev/null 2>&1 || redis-cli -p $((moves + 1)) ping >/dev/null 2>&1 || break
done
server=$(command -v "$server") # it has to know its own program to become it
server_start --port "$moves" --bind 127.0.0.1
moving=$socket
server_start --enable-debug-command yes
execs=$socket
for _ in 1 2 3; do # between it and its next turn
	server_start
	must 20 state "$socket" attributed
done
configure '[server first]' "socket = $work/server1/socket" '[server execs]' "socket = $execs"
kill -HUP "$watch"
check moves-from "it is not named by its address: $(said_last)" await 20 state "127.0.0.1:$moves" attributed
check execs-from "it is not named by its section: $(said_last)" await 20 state execs attributed
redis-cli -s "$moving" config set port $((moves + 1)) >/dev/null
check moves "it is not known where it listens now: $(said_last)" await 20 state "127.0.0.1:$((moves + 1))" attributed
before=$(window_end)
redis-cli -s "$moving" config set port "$moves" >/dev/null
check moves-back "it is not known where it listens again: $(said_last)" await 20 state "127.0.0.1:$moves" attributed
check moves-again "it did not come again by the metrics" await 20 has "redmem_restarts_total{server=\"127.0.0.1:$moves\"} 1"
windows=$((($(window_end) - before + 5) / 10))
check moves-at-once "meanwhile $windows windows of another server ended" [ "$windows" -le 2 ]
check moves-gone "it is still known where it was: $(said_last)" state "127.0.0.1:$((moves + 1))" gone
lines=$(wc -l <"$messages")
redis-cli -s "$execs" debug restart >/dev/null 2>&1
begins_anew() { tail -n +$((lines + 1)) "$messages" | grep -q '^redmem: execs is watched and attributed'; }
check execs "it is not watched as the program it became: $(said_last)" await 20 begins_anew
check execs-kept "its name went for a while: $(said_last)" [ -z "$(grep 'execs is gone' "$messages")" ]
socket=$work/server1/socket

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
# systemd gives the folder and all in it back to root at each start of the service.
chown -R 0:0 "$work/state"
"$redmem" serve --config "$config" --listen 127.0.0.1:0 --state "$work/state" -s "$socket" 2>"$messages" &
watch=$!
own_process "$watch"
check given-back "it does not begin again: $(said_last)" await 20 grep -q 'listening on port' "$messages"
check counts "those that are left alone, too: $(said_last)" await 20 grep -q 'watching: 1 server so far' "$messages"
check given-back-owner "root's is $(find "$work/state" -uid 0)" [ -z "$(find "$work/state" -uid 0)" ]
# A key that was busy for a second or so in a window is known to be large in that one.
await 20 listens
is_attributed() { grep -q ' is watched and attributed' "$messages"; }
await 20 is_attributed
from=$(date +%s)
redis_cli eval 'for i = 1, 40000 do redis.call("zadd", KEYS[1], i, "member:" .. i) end' 1 large:board >/dev/null
redis-benchmark -s "$socket" -q -c 1 -n 100 zrange large:board 0 -1 >/dev/null 2>&1
window_end() { get /metrics 2>/dev/null | sed -n 's/^redmem_window_end_timestamp_seconds{server="renamed"} \([0-9]*\).*/\1/p'; }
has_window() { [ "$(window_end)" -gt "$from" ]; }
await 40 has_window
"$redmem" report --state "$work/state" --server renamed --at "$from" --for 1s --json >"$json" 2>/dev/null
check busy-key "of the window it was busy in: $(jq -c '[.findings[].title, .window]' "$json")" holds \
	'any(.findings[]; .id == "bigkey.size")'

# What a window's end tells is asked of the last one, too, which is over before its time. And of very
# many clients the one with most is found while it is there, by its id: all are never listed.
clients_bytes() { redis_cli info memory | tr -d '\r' | sed -n 's/^mem_clients_normal://p'; }
has_sent() { [ "$(clients_bytes)" -gt 50000000 ]; }
lists() { redis_cli info commandstats | tr -d '\r' | sed -n 's/^cmdstat_client|list:calls=\([0-9]*\).*/\1/p'; }
has_looked() { [ "$(lists)" -gt "$before" ]; }
is_gone() { ! redis_cli client list | grep -q 'name=halfway '; }
redis-benchmark -s "$socket" -I -c 100 >/dev/null 2>&1 &
own_process $!
idle=$!
from=$(date +%s) before=$(lists)
before=${before:-0}
mkfifo "$work/halfway"
redis-cli -s "$socket" --pipe <"$work/halfway" >/dev/null 2>&1 &
own_process $!
sender=$!
exec 8>"$work/halfway" # the end of it does not come
{
	printf 'CLIENT SETNAME halfway\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$70000000\r\n'
	head -c 60000000 /dev/zero
} >&8
await 20 has_sent
check looks "it has a client of $(clients_bytes) bytes, and nobody looked: $(said_last)" await 20 has_looked
kill_process "$sender"
exec 8>&-
await 20 is_gone
printf 'LPUSH last:list x\r\n%.0s' {1..70} | redis-cli -s "$socket" --pipe >/dev/null 2>&1
kill -INT "$watch"
wait "$watch"
forget_process "$watch"
kill_process "$idle"
"$redmem" report --state "$work/state" --server renamed --at "$from" --for $(($(date +%s) - from + 1))s --json >"$json" 2>/dev/null
check last-window "of its commands: $(jq -c '[.commands[] | {command, calls_total}]' "$json")" holds \
	'any(.commands[]; .command == "lpush" and .calls_total == 70) and any(.ledger[]; .id == "dataset")'
check client "of who had sent much: $(jq -c '[.findings[].title]' "$json")" holds \
	'any(.findings[]; .id == "client.one" and (.title | contains("halfway")))'
check unharmed "the server does not answer any more" server_answers
finish
