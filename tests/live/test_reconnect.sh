#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server drops redmem's connection and then takes no new one on any of its addresses: the
# watch goes on meanwhile, second by second, and has its connection again when the server does.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

port=$((20000 + $$ % 20000))
addresses='127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.6 127.0.0.7 127.0.0.8'

# Take all places of those who wait to be accepted.
fill_queue() # OPTION...
{
	for _ in 1 2 3 4; do
		redis-cli "$@" ping >/dev/null 2>&1 &
		own_process $!
	done
}

redmem_clients()
{
	redis_cli client list | grep -c 'name=redmem'
}

connected()
{
	[ "$(redmem_clients)" -gt 0 ]
}

stopped()
{
	[ "$(sed 's/.*) //' "/proc/$pid/stat" | cut -c 1)" = T ]
}

# shellcheck disable=SC2086 # one word each
server_start --port "$port" --bind $addresses --tcp-backlog 1 --protected-mode no
watch_start --pid "$pid"
await 10 connected
begin=$(date +%s%N)
redis_cli client kill type normal skipme yes >/dev/null
kill -STOP "$pid"
await 5 stopped
fill_queue -s "$socket"
for address in $addresses; do
	fill_queue -h "$address" -p "$port"
done
sleep 6 # it is the length that matters, nothing is waited for
kill -CONT "$pid"
await 10 connected
check back "redmem has $(redmem_clients) connections" [ "$(redmem_clients)" = 1 ]
seconds=$((($(date +%s%N) - begin) / 1000000000))
watch_end
ticks=$(query '.timeline.rows | length')
check ticks "$ticks ticks in more than $seconds s" [ "$ticks" -ge "$seconds" ]
check connected "$(query '.target.connect_reason')" holds '.target.connected'
check attribution "$(query '.sensors[] | select(.id == "attribution") | tostring')" \
	holds '.sensors[] | select(.id == "attribution").state == "on"'
finish
