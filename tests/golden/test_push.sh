#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem push` of a profile of a recording, to stand-ins for Pyroscope and Parca: what comes there
# is the file, as their APIs want it; what is refused is said in a line; a token goes nowhere in the
# clear. Needs no root and no Redis.
# shellcheck disable=SC2034,SC2154,SC2317 # lib.bash sets root, redmem and work, and takes suite
set -u
suite=push
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
command -v python3 >/dev/null || {
	echo "skip push: no python3"
	exit 0
}
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
cd "$work" || exit 1
stands=()
trap 'kill "${stands[@]}" 2>/dev/null; rm -rf "$work"' EXIT

# Sets port, and at, where it keeps what it gets.
stand() # NAME OPTION...
{
	at=$work/$1
	mkdir "$at"
	mkfifo "$at/port"
	"$root/tests/profiles/ingest.py" "$at" "${@:2}" >"$at/port" 2>"$at/err" &
	stands+=($!)
	read -r port <"$at/port"
	[ -n "$port" ] || {
		echo "not ok push-stand-in: $(tail -n 1 "$at/err")"
		exit 1
	}
}

push() # OPTION...
{
	"$redmem" push "$@" >out 2>err
	got=$?
}
said() # STATUS WORDS
{
	[ "$got" = "$1" ] && grep -q -- "$2" out err
}
expect() # NAME STATUS WORDS
{
	check "$1" "exit $got: $(cat out err)" said "$2" "$3"
}
is() # FILTER FILE
{
	jq -e "$1" "$2" >/dev/null
}

gzip -n -c "$root/tests/golden/allocating.jsonl" >a.rec
"$redmem" doctor --replay a.rec --pprof a.pb.gz >/dev/null || exit 1

# --- what comes there ---

stand plain
push --url "http://127.0.0.1:$port" a.pb.gz
expect pyroscope 0 "bytes sent to http://127.0.0.1:$port/ingest$"
check pyroscope-file "$(ls -l a.pb.gz "$at")" cmp a.pb.gz "$at/1.pb.gz"
check pyroscope-query "$(cat "$at/1.json")" is '.name == "redmem{instance=/run/redis/redis.sock}" and
	.from == "1795844886" and .until == "1795844892" and .spyName == "redmem" and
	.sample_type_config.growth == {units: "bytes", aggregation: "sum", cumulative: false, sampled: false} and
	(.sample_type_config | keys | length) == 5' "$at/1.json"
push --url "http://127.0.0.1:$port/" --api parca --name cache_1 a.pb.gz
expect parca 0 "/api/profiles/writeraw$"
check parca-file "$(ls -l a.pb.gz "$at")" cmp a.pb.gz "$at/2.pb.gz"
check parca-labels "$(cat "$at/2.json")" is '.__name__ == "cache_1" and .instance == "/run/redis/redis.sock"' \
	"$at/2.json"
"$root/tests/golden/pprof.py" --sums "$at/2.pb.gz" >sums
check opens "$(cat sums)" grep -qx 'alloc_space 272752688' sums
push --url "http://127.0.0.1:$port/ingest" a.pb.gz
expect path-given 0 "$port/ingest$"
push --url "http://127.0.0.1:$port/nowhere" a.pb.gz
expect not-found 1 'it answers 404: nothing is here$'
check asked-once "$(cat "$at/log")" [ "$(grep -c 404 "$at/log")" = 1 ]
check agent "$(cat "$at/log")" grep -q 'redmem/' "$at/log"

# --- trying again ---

stand busy --answers 503
push --url "http://127.0.0.1:$port" a.pb.gz
expect again 0 'bytes sent'
check again-twice "$(cat "$at/log")" [ "$(wc -l <"$at/log")" = 2 ]
stand moved --answers 302,400,400
push --url "http://127.0.0.1:$port" a.pb.gz
expect moved 1 'it answers 302, which is somewhere else'
push --url "http://127.0.0.1:$port" a.pb.gz
expect refused 1 'it answers 400: not \\x1b\[31mnow$'
check moved-once "$(cat "$at/log")" [ "$(wc -l <"$at/log")" = 2 ]
push --url "http://127.0.0.1:$port" --redact a.pb.gz
expect refused-redacted 1 'it answers 400$'
push --url "http://secretplace.invalid" --redact a.pb.gz
expect nowhere-redacted 1 'push: '
check nowhere-unnamed "$(cat err)" sh -c '! grep -q secretplace err'

# --- secrets ---

(umask 077; printf 'hush\nmore\n' >token)
stand tokens --token 'Bearer hush'
push --url "http://127.0.0.1:$port" a.pb.gz
expect no-token 1 'it answers 401: who are you?; see --token-file'
push --url "http://127.0.0.1:$port" --token-file token a.pb.gz
expect token 0 'bytes sent'
push --url "http://profiles.example" --token-file token a.pb.gz
expect in-the-clear 1 'in the clear; use https'
push --url "http://127.evil.example" --token-file token a.pb.gz
expect in-the-clear-by-name 1 'in the clear; use https'
push --url "http://me:word@127.0.0.1:$port" a.pb.gz
expect password 1 'a password does not belong into a command line'
(umask 022; cp token open; chmod 644 open)
push --url "http://127.0.0.1:$port" --token-file open a.pb.gz
expect open-token 1 'chmod 0600'
stand user --token "Basic $(printf me:hush | base64)"
push --url "http://me@127.0.0.1:$port" --token-file token a.pb.gz
expect user 0 "sent to http://127.0.0.1:$port/ingest$"

# --- TLS ---

if command -v openssl >/dev/null; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem \
		-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost >/dev/null 2>&1
	stand tls --tls cert.pem key.pem --token 'Bearer hush'
	push --url "https://localhost:$port" --token-file token a.pb.gz
	expect unknown-ca 1 'certificate'
	check unknown-ca-not-asked "$(cat "$at/log" 2>&1)" [ ! -e "$at/log" ]
	push --url "https://localhost:$port" --token-file token --ca-file cert.pem a.pb.gz
	expect tls 0 "sent to https://localhost:$port/ingest$"
	push --url "https://127.0.0.1:$port" --token-file token --ca-file cert.pem a.pb.gz
	expect other-name 1 '127.0.0.1'
else
	echo "skip push-tls: no openssl"
fi

# --- what is no profile ---

push --url "http://127.0.0.1:$port" a.rec
expect no-profile 1 'a.rec is no profile in pprof'
push --url "ftp://127.0.0.1" a.pb.gz
expect no-http 1 'begins with http'
push a.pb.gz
expect nowhere 2 'where to? give --url'
push --url "http://127.0.0.1:$port" a.pb.gz -d 3
expect file-or-watch 2 'leave out the file'

[ "$failures" = 0 ]
