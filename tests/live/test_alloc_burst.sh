#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Bursts: what calls of the allocator take, by command; the budget; and that a child
# forked in the middle of one, and a server whose watcher is killed, live on.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/live/alloc.sh
. "$(dirname "$0")/alloc.sh"
need_bpf
need_programs bpftool

# --- latency ------------------------------------------------------------------------

# RPUSH of a few bytes stays in the thread's cache. SETRANGE makes strings of a mebibyte:
# each is memory of its own, fresh from the kernel.
slow_load()
{
	awk -v number="$1" "$resp"'
	BEGIN {
		for (i = 0; i < number; i++) {
			for (n = 0; n < 2; n++) {
				resp("RPUSH", "small:" n, "x")
				resp("LPOP", "small:" n)
			}
			resp("SETRANGE", "large:" i, 1048000, "x")
		}
	}'
}

# Of the time RPUSH spends in the allocator next to nothing brings pages in; of what
# SETRANGE spends there, most.
by_path() # COMMAND PATH
{
	query '[.commands[] | select(.command == $command) | .latency |
		([.paths[].seconds] | add) as $all | select($all > 0) |
		.paths[$path].seconds / $all] | add // 0' \
		--arg command "$1" --arg path "$2"
}

above() # NUMBER LIMIT
{
	awk -v number="$1" -v limit="$2" 'BEGIN { exit !(number > limit) }'
}

looked() # LOOKS
{
	[ "$(grep -c 'pause: look' "$messages")" -ge "$1" ]
}

# Sends the load once more, and is true when so many looks have been made.
sent_and_looked() # LOOKS
{
	send "$work/load"
	redis_cli flushall >/dev/null
	looked "$1"
}

test_latency()
{
	redis_cli config set save '' >/dev/null
	slow_load 100 >"$work/load"
	watch_start -s "$socket" --budget 50
	must 60 sent_and_looked 21 # the last one may be out and not counted yet
	watch_end
	check bursts "$(query '.cost.bursts_total') bursts" holds '.cost.bursts_total >= 20'
	check calls "$(query '.totals.latency')" holds '.totals.latency.calls_total > 300'
	check latency-by-command "$(query '[.commands[] | [.command, .latency.calls_total]]' -c)" holds \
		'[.commands[] | select(.latency.calls_total > 20) | .command] as $seen |
		["rpush", "lpop", "setrange"] - $seen == []'
	check probe-cost "$(query '.cost')" holds \
		'.cost.probe_seconds > 0 and .cost.probe_error_seconds > 0'
	check slow-setrange "of its time $(by_path setrange fault) faulting, $(by_path setrange slow) slow" \
		above "$(awk "BEGIN { print $(by_path setrange fault) + $(by_path setrange slow) }")" 0.5
	check classes "$(query '.size_classes')" holds '[.size_classes[] |
		select(.calls_total > 0 and (.requested_bytes_mean > .size_bytes or .rounding_ratio < 0))] == []'
}

# --- the cost of probes ---------------------------------------------------------------

# What calls take by the process's own clock while they are watched, and with the probes' cost
# taken out. One call in eight takes some 50 us, so that noise of a microsecond is no matter; but
# it makes the mean of few calls uncertain: their deviation is sqrt(7) of it, of which thrice
# is allowed. What a probe adds is another time where the kernel steps over the first instruction of
# a function: a call that does next to nothing is told as such, whichever it is.
test_known()
{
	jemalloc=$(sed -n 's/.* r-xp .* \(\/.*libjemalloc\.so[^ ]*\)$/\1/p' "/proc/$pid/maps" | head -n 1)
	"${CC:-cc}" -O1 -o "$work/known" "$root/tests/live/known.c" "$jemalloc" || {
		not_ok known "cannot compile it"
		return
	}
	"$work/known" >"$work/known.sums" &
	known=$!
	own_process "$known"
	must 20 test -s "$work/known.sums"
	before=$(wc -l <"$work/known.sums")
	run_redmem alloc --pid "$known" --no-connect -d 4 --budget 30 --json --record "$work/known.rec"
	kill_process "$known"
	truth=$(tail -n "+$before" "$work/known.sums" | awk 'NR == 1 { seconds = $1; calls = $2 }
		END { printf "%.9f\n", ($1 - seconds) / ($2 - calls) }')
	check known "the process says $truth, redmem $(query '.totals.latency' -c) $(said)" holds \
		'.totals.latency.calls_total > 100 and $truth > 0 and
		((.totals.latency.mean_seconds - $truth) | fabs) <
			(0.2 + 3 * (7 / .totals.latency.calls_total | sqrt)) * $truth + .cost.probe_error_seconds' \
		--argjson truth "$truth"
	gunzip -c "$work/known.rec" | jq -cn '[inputs | select(.record == "call" and .function != "" and
			(.requested_bytes // 0) < 100) | {function, ns, probe: .probe_seconds, error: .probe_error_seconds}] |
		group_by(.function) | map(sort_by(.ns)[length / 2 | floor])' >"$work/medians"
	check known-probes "$(cat "$work/medians")" holds_in "$work/medians" 'length == 2 and
		all((.ns / 1e9 - .probe | fabs) < 5e-7 + 2 * .error)'
}

# --- long calls -----------------------------------------------------------------------

# Calls that take longer than any look are seen with all their time, and none for longer: one
# in a hundred of an allocator that takes 30 ms for it.
test_long()
{
	mkdir "$work/long"
	mkfifo "$work/long/orders"
	{ "${CC:-cc}" -O1 -fno-builtin -DSLOW_BYTES=5000000 -shared -fPIC -Wl,-soname,libjemalloc.so.2 \
		-o "$work/long/libjemalloc.so.2" "$root/tests/live/tells.c" &&
		"${CC:-cc}" -O1 -fno-builtin -DSLOW_BYTES=5000000 -DPROGRAM -DBLOCKS=1000000 -DBYTES=64 \
			-o "$work/long/program" "$root/tests/live/tells.c" "$work/long/libjemalloc.so.2" \
			-Wl,-rpath,"$work/long"; } || {
		not_ok long "cannot compile it"
		return
	}
	"$work/long/program" <"$work/long/orders" >"$work/long/out" &
	long=$!
	own_process "$long"
	exec 7>"$work/long/orders"
	watch_start --pid "$long" --no-connect --budget 100
	echo >&7
	must 60 looked 20
	watch_end
	kill_process "$long"
	exec 7>&-
	truth=$(tail -n 1 "$work/long/out")
	check long "the longest took $truth, redmem $(query .totals.latency -c)" holds '.totals.latency |
		.paths.slow.calls_total > 0 and .max_seconds > 0.03 and .max_seconds < 1.01 * $truth + 0.001' \
		--argjson truth "$truth"
}

# --- children -----------------------------------------------------------------------

saved()
{
	redis_cli info persistence | tr -d '\r' >"$work/persistence"
	grep -qx rdb_bgsave_in_progress:0 "$work/persistence" &&
		grep -qx rdb_last_bgsave_status:ok "$work/persistence"
}

# Saves all through a watch with as many bursts as there can be: probes stand some third
# of the time, so that some of the forks meet them. SAVES is how many at least (12).
test_children()
{
	"$load" fill -s "$socket" -n 100000 -k save: -S 100 || exit 1
	watch_start -s "$socket" --budget 100
	bad=
	save=0
	while [ "$save" -lt "${SAVES:-12}" ] || { ! looked 11 && [ "$save" -lt 100 ]; }; do
		save=$((save + 1))
		"$load" get -s "$socket" -n 100000 -k save: -d 0.25 >/dev/null &
		getting=$!
		redis_cli bgsave >/dev/null
		wait "$getting"
		await 20 saved || bad="$bad $save"
	done
	watch_end
	check saves "these failed:$bad; $(tail -n 1 "$dir/log")" [ -z "$bad" ]
	check saves-bursts "$(query '.cost.bursts_total') bursts" holds '.cost.bursts_total > 10'
	check saves-log "$(grep -i signal "$dir/log")" eval '! grep -qi "by signal" "$dir/log"'
}

# --- budget -----------------------------------------------------------------------------

# 0.3 % is far less than a busy server's flow alone would take. Totals stay exact whatever
# was seen.
test_budget()
{
	growth_load 40000 1000 >"$work/once"
	cat "$work/once" "$work/once" >"$work/load"
	redis_cli flushall >/dev/null
	truth=$(jemalloc_bytes_of "$work/load")
	redis_cli flushall >/dev/null
	watch_start -s "$socket" --budget 0.3
	send "$work/load"
	watch_end
	check budget-told "$(query '.cost')" holds '.cost.budget_ratio == 0.003 and .cost.spent_ratio > 0'
	echo "$(query '.totals.alloc_bytes') $truth" >"$work/totals"
	check budget-total "redmem and jemalloc: $(cat "$work/totals")" totals_agree "$work/totals" 0.05
}

# --- kill -9 ------------------------------------------------------------------------------

left_over()
{
	bpftool -j prog show | jq -r '.[] | select(.name // "" | test("^(flow|burst)_")) | .id' |
		sort >"$work/programs"
	bpf_held prog | comm -23 "$work/programs" -
}

nothing_left()
{
	[ -z "$(left_over)" ]
}

test_killed()
{
	"$load" fill -s "$socket" -n 20000 -k kill: -S 100 || exit 1
	for after in 0.4 0.8 1.1 1.5 2.0; do
		"$redmem" alloc -d 60 --budget 100 -s "$socket" >/dev/null 2>&1 &
		victim=$!
		own_process "$victim"
		"$load" get -s "$socket" -n 20000 -k kill: -d "$after" >/dev/null
		kill_process "$victim"
	done
	await 20 nothing_left
	gone=$?
	check killed "left: $(left_over)" [ "$gone" = 0 ]
	check killed-answers "the server does not answer" server_answers
	cat /sys/kernel/tracing/uprobe_events >"$work/events" 2>/dev/null || :
	check killed-no-event "$(cat "$work/events")" eval '! grep -q redmem "$work/events"'
}

server_start
test_latency
test_known
test_long
test_children
test_budget
test_killed
finish
