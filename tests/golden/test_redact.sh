#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# --redact: recordings and dumps told without a name of theirs, in every form, and with the same
# numbers as with names; the same name the same in two runs with the same key; a key that others
# may read, and one that is short, are refused. A server and what it keeps: `make redaction`.
set -u
suite=redact
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
here=$root/tests/golden
export COLUMNS=200 LC_ALL=C TZ=UTC
key=$work/key
(umask 077 && echo 0123456789abcdef >"$key")

# What somebody chose, of five bytes and more, and the parts of it that are numbers or addresses.
names_in() # RECORDING
{
	jq -r '[.key, .gone_key, .client, .client_name, .address, .socket, .wait_file, .file, .preemptor]
		| map(strings | select(length > 4 and test("[a-z0-9]"))) | .[]' "$1" |
		grep -v '^redis-server$\|^127\.0\.0\.1:\|^kswapd\|^main$\|^/run/redis/redis\.sock' | sort -u
}

# The numbers of a report, whatever the order of rows that are alike.
numbers() # FILE
{
	jq -S '[.. | numbers] | sort' "$1"
}

for recording in "$here"/*.jsonl; do
	name=$(basename "$recording" .jsonl)
	gzip -c "$recording" >"$work/$name.rec"
	command=doctor
	[ "$name" = "${name%.key}" ] || command=key
	names_in "$recording" >"$work/names"
	"$redmem" $command --replay "$work/$name.rec" --json >"$work/shown.json" 2>"$work/err"
	"$redmem" $command --replay "$work/$name.rec" --json --redact >"$work/hidden.json" 2>>"$work/err"
	numbers "$work/shown.json" >"$work/shown" && numbers "$work/hidden.json" >"$work/hidden"
	check "$name-numbers" "$(diff "$work/shown" "$work/hidden" | head -n 5) $(cat "$work/err")" \
		cmp -s "$work/shown" "$work/hidden"
	"$redmem" $command --replay "$work/$name.rec" -v --redact --html "$work/hidden.html" >"$work/hidden.txt" 2>&1
	if [ $command = doctor ]; then
		"$redmem" stalls --replay "$work/$name.rec" --json --redact >"$work/hidden.stalls" 2>&1
		"$redmem" alloc --replay "$work/$name.rec" -v --redact --pprof "$work/hidden.pb.gz" \
			--folded "$work/hidden.folded" --speedscope "$work/hidden.speedscope" >"$work/hidden.alloc" 2>&1
		gzip -dc "$work/hidden.pb.gz" >"$work/hidden.pb"
		"$redmem" doctor --replay "$work/$name.rec" --metrics - --redact >"$work/hidden.prom" 2>&1
	fi
	# Not in the comments of the page's own code; as a word, for hashes have digits, too.
	grep -a -w -F -f "$work/names" "$work"/hidden.* | grep -a -v ":[[:space:]]*/\* " >"$work/found" 2>&1
	check "$name-names" "$(grep -c . "$work/names") names; $(head -c 300 "$work/found")" [ ! -s "$work/found" ]
	rm "$work"/hidden.*
done

# What cannot be written, said of files that were named.
for option in --html --pprof --metrics; do
	"$redmem" doctor --replay "$work/stalling.rec" --redact $option "$work/secretplace/secretfile" >"$work/said" 2>&1
	check "unwritten$option" "$(cat "$work/said")" sh -c 'grep -q "^redmem: " "$1" && ! grep -q secret "$1"' sh "$work/said"
done

# Two runs agree where they have the same key, and only there.
by_key() # OPTION...
{
	"$redmem" stalls --replay "$work/stalling.rec" --json "$@" | jq -r '.key // empty' | sort -u
}
check same-key "they differ" [ "$(by_key --redact-key "$key")" = "$(by_key --redact-key "$key")" ]
check other-key "they are the same" [ "$(by_key --redact-key "$key")" != "$(by_key --redact)" ]
chmod 644 "$key"
"$redmem" doctor --replay "$work/stalling.rec" --redact-key "$key" >"$work/out" 2>&1
check open-key "$(cat "$work/out")" grep -q "chmod 0600" "$work/out"

# A dump with all there is, under a name that nobody shall see.
for dump in "$here"/dumps/*.rdb; do
	cp "$dump" "$work/zoes-dump.rdb"
	for form in "--json --slots" --csv --folded -v; do
		# shellcheck disable=SC2086 # two words
		"$redmem" rdb "$work/zoes-dump.rdb" $form >"$work/shown" 2>"$work/err"
		# shellcheck disable=SC2086
		"$redmem" rdb "$work/zoes-dump.rdb" $form --redact >"$work/hidden" 2>"$work/err"
		[ "$form" != --csv ] ||
			sed 1d "$work/shown" | cut -d , -f 3 | tr -d "\"'" | grep '[0-9].*[0-9]' >"$work/names"
		grep -a -F -e zoes-dump "$work/hidden" >>"$work/leaks"
		[ "$form" != --csv ] || grep -a -F -f "$work/names" "$work/hidden" >>"$work/leaks"
	done
done
check dumps "$(head -c 300 "$work/leaks")" [ ! -s "$work/leaks" ]
exit $((failures > 0))
