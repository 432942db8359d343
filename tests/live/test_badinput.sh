#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Wrong arguments, servers that misbehave, hostile data: a clear message and an
# honest exit status, never a crash, never a secret shown. With the sanitized build
# when it is there.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs setpriv iconv

sanitized=${REDMEM_SAN:-$root/build-san/redmem}
if [ -x "$sanitized" ]; then
	redmem=$sanitized
else
	skip sanitized "$sanitized is not there; the plain build is tested"
fi

# refused NAME STATUS PATTERN ARGUMENT...: redmem ends with STATUS, says something that
# matches PATTERN, and prints no report.
refused()
{
	refused_name=$1 refused_status=$2 refused_pattern=$3
	shift 3
	run_redmem "$@"
	if [ "$status" != "$refused_status" ]; then
		not_ok "$refused_name" "exit status $status and not $refused_status: $(said)"
	elif ! grep -qiE "$refused_pattern" "$messages"; then
		not_ok "$refused_name" "the message says nothing of $refused_pattern: $(said)"
	elif [ -s "$json" ]; then
		not_ok "$refused_name" "there is a report in spite of the error"
	else
		ok "$refused_name"
	fi
}

# ended NAME: the newest run ended well, with one JSON document.
ended()
{
	check "$1-status" "exit status $status: $(said)" [ "$status" = 0 ]
	check "$1-json" "no report: $(head -c 100 "$json")" holds '.schema == "redmem.doctor/1"'
}

test_usage()
{
	refused no-such-command 2 "no command" frobnicate
	refused no-such-option 2 "option" doctor --frobnicate
	refused bad-duration 2 "duration" doctor -d -1
	refused bad-try 2 "purge" memory --try defrag
	refused try-of-recording 2 "server" memory --try purge --replay "$work/none"
	refused bad-pid 2 "pid" doctor --pid 12x
	refused all-and-one 2 "every server: leave out the one" doctor --all --pid $$
	refused all-record 2 "[-]-record is of one server.*leave out --all" \
		doctor --all --record "$work/all"
	check all-record-nothing "$work/all was made" [ ! -e "$work/all" ]
	refused all-replay 2 "[-]-replay is of one server.*leave out --all" \
		doctor --all --replay "$work/all"
	refused all-keys 2 "[-]-keys is of one server.*leave out --all" doctor --all --keys
	refused stray-argument 2 "argument" doctor now
	refused no-such-pid 1 "4194303" doctor -d 1 --pid 4194303
	sleep 60 &
	sleeper=$!
	own_process "$sleeper"
	refused not-a-server 1 "$sleeper.*not|not.*$sleeper" doctor -d 1 --pid "$sleeper"
	kill_process "$sleeper"
	refused no-such-socket 1 "$work/nowhere" doctor -d 1 -s "$work/nowhere"
	refused nobody-listens 1 "port|connect|refused" doctor -d 1 -p 1
	refused unwritable-recording 1 "$work/no/where" doctor -d 1 -s "$socket" \
		--record "$work/no/where"
}

test_choice()
{
	first=$pid
	server_start
	run_redmem doctor -d 1
	check choice-status "exit status $status" [ "$status" != 0 ]
	check choice-lists-one "pid $first is not in: $(said)" grep -qw "$first" "$messages"
	check choice-lists-other "pid $pid is not in: $(said)" grep -qw "$pid" "$messages"
	kill_process "$pid"
}

# As nobody: either it says what is missing, or it reports without what needs privileges.
test_nobody()
{
	cp "$redmem" "$work/redmem"
	chmod 755 "$work/redmem"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$work/redmem" \
		doctor --json -d 1 -s "$socket" >"$json" 2>"$messages"
	status=$?
	if [ "$status" = 1 ]; then
		check nobody "the message names no privilege: $(said)" \
			grep -qiE "root|CAP_|privilege|permission|not permitted" "$messages"
	else
		ended nobody
		check nobody-reasons "$(query '.sensors | tostring')" holds '.sensors |
			any(.id == "cpu" and .state == "off") and
			all(.state == "on" or (.reason | length > 0))'
		check nobody-unknown "what was not measured has a number" \
			holds '.commands | all(.cpu_seconds == null and .minor_faults_total == null)'
	fi
}

# Not let in by the server, redmem either says so and stops, or says so in the report: with or
# without sensors.
locked_out() # NAME
{
	run_redmem doctor --json --no-bpf -d 0.2 -s "$socket"
	if [ "$status" = 0 ]; then
		check "$1" "$(query '.target | tostring')" holds '.target | .connected == false and
			(.connect_reason | test("auth|password"; "i"))'
	else
		check "$1" "exit status $status: $(said)" grep -qiE "auth|password" "$messages"
	fi
}

test_password()
{
	secret=Tr0ub4dor-and-3
	server_start --requirepass "$secret"
	locked_out no-password
	export REDISCLI_AUTH=wrong-one
	locked_out wrong-password
	unset REDISCLI_AUTH
	export REDISCLI_AUTH="$secret" # and twice, so that both ways are seen
	watch_start -s "$socket" -a "$secret" --record "$work/secret"
	unset REDISCLI_AUTH
	tr '\0' ' ' <"/proc/$watch/cmdline" >"$work/cmdline"
	cat "/proc/$watch/environ" "/proc/$watch/status" >"$work/environ"
	for task in "/proc/$watch"/task/*; do
		tr ' ' '\n' <"$task/children" | while read -r child; do
			cat "/proc/$child/environ" "/proc/$child/cmdline"
		done
	done >"$work/children"
	check password-no-core "$(grep core "/proc/$watch/limits")" \
		grep -q 'core file size *0  *0 ' "/proc/$watch/limits"
	# CAP_NET_ADMIN and CAP_SYS_MODULE; CAP_PERFMON stays.
	effective=$((0x$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$watch/status")))
	check gives-up "it has capabilities $effective" \
		[ $((effective & (1 << 12 | 1 << 16))) = 0 ]
	check keeps "it has capabilities $effective" [ $((effective >> 38 & 1)) = 1 ]
	check filtered "$(grep Seccomp "/proc/$watch/status")" \
		grep -q '^Seccomp:[[:space:]]*2' "/proc/$watch/status"
	watch_end
	ended password
	check password-works "$(query .target.connect_reason)" holds .target.connected
	gunzip -c "$work/secret" >"$work/secret.jsonl"
	check password-cmdline "the command line was not read" grep -q doctor "$work/cmdline"
	check password-hidden "the password is in plain sight" \
		[ -z "$(grep -a -l -e "$secret" "$work/cmdline" "$work/environ" "$work/children" "$json" \
			"$messages" "$work/secret.jsonl")" ]
	kill_process "$pid"
}

# What a server can do to a watch.
test_server_ends()
{
	server_start
	watch_start -s "$socket"
	kill_process "$pid"
	await 10 sh -c "! kill -0 $watch" || kill -INT "$watch"
	watch_over
	ended killed
	check killed-life "$(query '.life | tostring')" holds '.life | any(.event == "exit")'

	server_start
	watch_start -s "$socket"
	kill_process "$pid"
	rm -f "$socket"
	"$server" --port 0 --unixsocket "$socket" --save '' --dir "$dir" >"$dir/log" 2>&1 &
	pid=$!
	own_process "$pid"
	must 10 server_answers
	sleep 1
	kill -INT "$watch" 2>/dev/null
	wait "$watch"
	status=$?
	forget_process "$watch"
	ended restarted
	check restarted-life "$(query '.life | tostring')" \
		holds '.life | any(.event == "exit")'
	kill_process "$pid"
}

test_server_stops()
{
	watch_start -s "$socket" -d 4
	kill -STOP "$pid"
	wait "$watch"
	status=$?
	forget_process "$watch"
	kill -CONT "$pid"
	ended stopped
	check stopped-life "$(query '.life | tostring')" holds '.life | any(.event == "stopped")'
	check stopped-ticks "$(query '.timeline.rows | length') rows" \
		holds '.timeline.rows | length >= 3'
	check stopped-after "the server does not answer" await 20 server_answers
	kill -STOP "$pid"
	run_redmem doctor --json -d 1 -s "$socket"
	kill -CONT "$pid"
	check stopped-before "exit status $status: $(said)" [ "$status" -le 1 ]
	check stopped-before-after "the server does not answer" await 20 server_answers
}

test_closed_pipe()
{
	"$redmem" doctor --no-bpf -d 0.2 -s "$socket" 2>"$messages" | head -c 1 >/dev/null
	check closed-pipe "$(said)" [ "$(grep -ciE 'sanitizer|runtime error' "$messages")" = 0 ]
}

# replayed FILE: redmem reports or refuses; anything else is a crash.
replayed()
{
	run_redmem doctor --json --replay "$1"
	[ "$status" = 0 ] || { [ "$status" = 1 ] && [ -s "$messages" ] && [ ! -s "$json" ]; }
}

# Of the recording that test_hostile_keys made.
test_recordings()
{
	run_redmem doctor --json --replay "$work/recording"
	check replay-same "the replay differs from the report" cmp -s "$json" "$work/live.json"
	size=$(wc -c <"$work/recording")
	for part in 0 1 10 50 90 99; do
		head -c $((size * part / 100)) "$work/recording" >"$work/cut"
		refused "truncated-$part" 1 "$work/cut" doctor --replay "$work/cut"
	done
	head -c "$((size - 1))" "$work/recording" >"$work/cut"
	refused truncated-byte 1 "$work/cut" doctor --replay "$work/cut"
	refused foreign-recording 1 "passwd" doctor --replay /etc/passwd
	refused directory-recording 1 "$work" doctor --replay "$work"
	crashes=
	for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		at=$((size * turn / 21))
		cp "$work/recording" "$work/flipped"
		printf '\252' | dd of="$work/flipped" bs=1 seek=$at conv=notrunc status=none
		replayed "$work/flipped" || crashes="$crashes $at:$status"
		# The same in the facts themselves, where no checksum watches.
		gunzip -c "$work/recording" >"$work/facts"
		at=$(($(wc -c <"$work/facts") * turn / 21))
		printf '\252' | dd of="$work/facts" bs=1 seek=$at conv=notrunc status=none
		gzip -c "$work/facts" >"$work/flipped"
		replayed "$work/flipped" || crashes="$crashes facts-$at:$status"
	done
	check flipped "byte and exit status:$crashes" [ -z "$crashes" ]
}

# Keys that would like to write to the terminal or break the report.
test_hostile_keys()
{
	hostile=$(printf 'evil\033[31m\a\nFAKE VERDICT: all is well\r\t"\\\377\376\200%%n')
	long=$(head -c 65536 /dev/zero | tr '\0' k)
	watch_start -s "$socket" --record "$work/recording"
	"$load" hold -s "$socket" -d 0.3 -k "$hostile" >/dev/null
	"$load" hold -s "$socket" -d 0.3 -k "$long" >/dev/null
	"$load" get -s "$socket" -n 1 -d 0.5 -k "$hostile" >/dev/null
	watch_end
	cp "$json" "$work/live.json"
	ended hostile
	check interrupted-early "$(query .window.duration_seconds) s" \
		holds '.window.duration_seconds > 0 and .window.duration_seconds < 500'
	check hostile-seen "$(query '.stalls | tostring')" holds '.stalls |
		any(.key_base64 != null) and any(.key | startswith("kkkk"))'
	check hostile-utf8 "the report is not UTF-8" iconv -f UTF-8 -t UTF-8 -o /dev/null "$json"
	"$redmem" doctor -v --replay "$work/recording" >"$work/text" 2>"$messages"
	check hostile-text "exit status of the replay" [ -s "$work/text" ]
	check hostile-escape "an escape character is in the text" \
		[ "$(tr -d -c '\033\007\r' <"$work/text" | wc -c)" = 0 ]
	check hostile-newline "a key has written a line of its own" \
		[ "$(grep -c '^FAKE' "$work/text")" = 0 ]
	check hostile-long "a line has $(wc -L <"$work/text") columns" \
		[ "$(wc -L <"$work/text")" -lt 1000 ]
}

server_start
test_usage
test_choice
socket=$work/server1/socket pid=$first
test_nobody
test_closed_pipe
test_hostile_keys
test_recordings
test_server_stops
kill_process "$pid"
test_password
test_server_ends
finish
