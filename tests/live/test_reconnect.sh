#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server drops redmem's connection and then shakes hands on none of its addresses: the
# watch goes on meanwhile, second by second, and has its connection again when the server does.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs openssl

port=$((20000 + $$ % 20000))

by_tls()
{
	redis-cli --tls --insecure -h 127.0.0.1 -p "$port" "$@"
}

redmem_clients()
{
	by_tls client list | grep -c 'name=redmem'
}

connected()
{
	[ "$(redmem_clients)" -gt 0 ]
}

stopped()
{
	[ "$(sed 's/.*) //' "/proc/$pid/stat" | cut -c 1)" = T ]
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
	-subj /CN=localhost -keyout "$work/key" -out "$work/certificate" 2>/dev/null ||
	skip_all "openssl makes no certificates here"
dir=$work/server
mkdir "$dir"
"$server" --port 0 --tls-port "$port" --tls-auth-clients no --tls-cert-file "$work/certificate" \
	--tls-key-file "$work/key" --tls-ca-cert-file "$work/certificate" --dir "$dir" --save '' \
	--bind 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.6 127.0.0.7 127.0.0.8 \
	>"$dir/log" 2>&1 &
pid=$!
own_process "$pid"
await 10 grep -q 'eady to accept' "$dir/log" || skip_all "this $server has no TLS"

watch_start --pid "$pid" --tls --insecure
must 10 connected
begin=$(date +%s%N)
by_tls client kill type normal skipme yes >/dev/null
kill -STOP "$pid"
must 5 stopped
sleep 6 # it is the length that matters, nothing is waited for
kill -CONT "$pid"
must 20 connected
check back "redmem has $(redmem_clients) connections" [ "$(redmem_clients)" = 1 ]
seconds=$((($(date +%s%N) - begin) / 1000000000))
watch_end
# One may be late on a busy machine.
check ticks "in $seconds s: $(query '[.timeline.rows[][0]] | tostring')" \
	holds '[.timeline.rows[][0] | select(. - floor < 0.5) | floor] | unique | length >= $seconds - 1' \
	--argjson seconds "$seconds"
check connected "$(query '.target.connect_reason')" holds '.target.connected'
check attribution "$(query '.sensors[] | select(.id == "attribution") | tostring')" \
	holds '.sensors[] | select(.id == "attribution").state == "on"'
finish
