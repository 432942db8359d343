#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# tests/run itself: what it counts, what it calls a failure, what it exits with.
# Each case is a small tree with one script and a copy of the runner.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tests/lint" "$work/tests/golden"
cp tests/run "$work/tests/run"
bad=0
unset REQUIRE PASSED LIMIT STAT_FILE AGAIN LANES

# check NAME STATUS SUMMARY [ARGUMENTS]: runs the runner and compares.
check()
{
	name=$1 wanted=$2 summary=$3
	shift 3
	TEST_TIMEOUT=${seconds:-1} "$work/tests/run" "$@" >"$work/said" 2>&1
	status=$?
	if [ $status = "$wanted" ] && [ "$(tail -n 1 "$work/said")" = "$summary" ]; then
		echo "ok runner-$name"
	else
		sed 's/^/	/' "$work/said"
		echo "not ok runner-$name: status $status and not $wanted, or not \"$summary\""
		bad=1
	fi
}

# try NAME STATUS SUMMARY SCRIPT: with SCRIPT as the only test.
try()
{
	printf '#!/bin/sh\n%s\n' "$4" >"$work/tests/lint/x.sh"
	chmod +x "$work/tests/lint/x.sh"
	check "$1" "$2" "$3"
}

# said NAME PATTERN: a line of what was said is that.
said()
{
	if grep -qxe "$2" "$work/said"; then
		echo "ok runner-$1"
	else
		sed 's/^/	/' "$work/said"
		echo "not ok runner-$1: no line is $2"
		bad=1
	fi
}

try passes 0 '2 passed, 0 failed, 0 skipped' 'echo ok a; echo chatter; echo ok b'
try fails 1 '1 passed, 1 failed, 0 skipped' 'echo ok a; echo "not ok b: why"; exit 1'
try fails-with-status-0 1 '0 passed, 1 failed, 0 skipped' 'echo "not ok b: why"'
try skips 0 '1 passed, 0 failed, 1 skipped' 'echo ok a; echo "skip b: no reason"'
said skip-reason 'skipped 1 times: no reason'
try only-skips 1 '0 passed, 0 failed, 1 skipped' 'echo "skip b: no reason"'
try cmocka-skip 0 '1 passed, 0 failed, 1 skipped' 'echo 1..2; echo "not ok 1 # SKIP a"; echo "ok 2 - b"'
said cmocka-no-reason 'skipped 1 times: a, which does not say why'
try cmocka-reason 0 '1 passed, 0 failed, 2 skipped' \
	'echo 1..3; echo "# skipped: no disk"; echo "not ok 1 # SKIP a"; echo "not ok 2 # SKIP b"; echo "ok 3 - c"'
said cmocka-reason-told 'skipped 1 times: no disk'
try crashes 1 '1 passed, 1 failed, 0 skipped' 'echo ok a; kill -SEGV $$'
try exits 1 '1 passed, 1 failed, 0 skipped' 'echo ok a; exit 3'
try sanitizer 1 '0 passed, 2 failed, 0 skipped' 'echo "not ok a: why"; exit 99'
try says-nothing 1 '0 passed, 1 failed, 0 skipped' ':'
try stops-short 1 '1 passed, 1 failed, 0 skipped' 'echo 1..2; echo "ok 1 - a"'
try hangs 1 '1 passed, 1 failed, 0 skipped' 'echo ok a; sleep 30'
REQUIRE=1
export REQUIRE
try required 1 '1 passed, 2 failed, 0 skipped' 'echo ok a; echo "skip b: no disk"; echo "skip c: no disk"'
said required-reasons 'required, but skipped 2 times: no disk'
try required-passes 0 '1 passed, 0 failed, 0 skipped' 'echo ok a'
unset REQUIRE
check nothing-selected 1 '0 passed, 0 failed, 0 skipped' no-such-test

echo 'echo ok a' >"$work/tests/golden/x.sh"
chmod +x "$work/tests/golden/x.sh"
printf '.PHONY: tests\ntests:\n\tfalse\n' >"$work/Makefile"
check build-fails 1 '0 passed, 1 failed, 0 skipped' golden
printf '.PHONY: tests\ntests: ;\n' >"$work/Makefile"
check selects 0 '1 passed, 0 failed, 0 skipped' golden

# What has passed is not run again: it would fail.
printf '#!/bin/sh\necho ok a; echo ok b; echo "skip c: no reason"\n' >"$work/tests/golden/x.sh"
export PASSED="$work/passed"
try keeps 1 '2 passed, 1 failed, 1 skipped' 'echo "not ok d: why"'
printf '#!/bin/sh\necho not ok a: why\n' >"$work/tests/golden/x.sh"
try goes-on 0 '3 passed, 0 failed, 1 skipped' 'echo ok d'
try has-been 0 '3 passed, 0 failed, 1 skipped' 'echo "not ok d: why"'
rm "$PASSED"
export LIMIT=0
check limit 3 'not finished'
unset PASSED LIMIT

# Two at a time: the first waits for the second, and what they say comes in order all the same.
rm "$work/tests/lint/x.sh"
# shellcheck disable=SC2016 # the script's own
printf '#!/bin/sh\necho ok a\nwhile [ ! -e "%s" ]; do sleep 0.01; done\necho not ok b: why\n' \
	"$work/second" >"$work/tests/golden/x.sh"
printf '#!/bin/sh\necho not ok c: why\ntouch "%s"\n' "$work/second" >"$work/tests/golden/y.sh"
chmod +x "$work/tests/golden/y.sh"
export LANES=2
seconds=60 # a busy machine may take long to begin the second
check lanes 1 '1 passed, 2 failed, 0 skipped'
seconds=
wanted='ok a,not ok b: why,not ok c: why'
if [ "$(grep -E '^(not )?ok ' "$work/said" | paste -sd,)" = "$wanted" ]; then
	echo "ok runner-lanes-order"
else
	sed 's/^/	/' "$work/said"
	echo "not ok runner-lanes-order: not $wanted"
	bad=1
fi
# Both are interrupted. Each counts once, though it may hear of it twice: timeout(1) signals its child
# and then the whole group.
await_lines() # FILE COUNT: so many different ones
{
	for _ in $(seq 200); do
		[ ! -e "$1" ] || [ "$(sort -u "$1" | wc -l)" != "$2" ] || return 0
		sleep 0.1
	done
	return 1
}

printf '#!/bin/sh\ntrap "echo $$ >>%s; exit 1" TERM\necho $$ >>%s\nsleep 30 &\nwait\n' \
	"$work/ended" "$work/waits" | tee "$work/tests/golden/x.sh" >"$work/tests/golden/y.sh"
"$work/tests/run" >"$work/said" 2>&1 &
await_lines "$work/waits" 2
kill $!
wait $!
status=$?
if [ $status = 130 ] && await_lines "$work/ended" 2; then
	echo "ok runner-lanes-interrupted"
else
	sed 's/^/	/' "$work/said"
	echo "not ok runner-lanes-interrupted: status $status, $(wc -l <"$work/ended") of 2 were ended"
	bad=1
fi
rm "$work/tests/golden/y.sh"
unset LANES

# A live test that fails is run once more, and what was stolen of the CPU time is told.
rm "$work"/tests/golden/x.sh
mkdir "$work/tests/live"
export STAT_FILE="$work/stat"

# try_live NAME STATUS SUMMARY STOLEN SCRIPT: as try, with SCRIPT as a live test in whose every
# run STOLEN of 1,000 ticks are stolen. In it $runs is how many there were before.
try_live()
{
	cat >"$work/tests/live/test_x.sh" <<-EOF
		#!/bin/sh
		read -r _ idle _ _ _ _ _ _ stolen _ <"$STAT_FILE"
		echo "cpu \$((idle + 1000 - $4)) 0 0 0 0 0 0 \$((stolen + $4)) 0 0" >"$STAT_FILE"
		runs=\$(wc -l <"$work/runs")
		echo >>"$work/runs"
		$5
	EOF
	chmod +x "$work/tests/live/test_x.sh"
	echo 'cpu 70000 0 0 0 0 0 0 5000 0 0' >"$STAT_FILE"
	: >"$work/runs"
	check "$1" "$2" "$3"
}

# shellcheck disable=SC2016 # the script's own
once='if [ $runs = 0 ]; then echo "not ok a: late"; else echo ok a; fi'
# shellcheck disable=SC2016 # the script's own
always='echo "not ok a: wrong in run $runs"'
try_live again 0 '1 passed, 0 failed, 0 skipped' 31 "$once"
said again-first '--- output of the first run, while 3.1 % of the CPU time was stolen'
said again-output 'not ok a: late'
said again-told 'live/test_x .* 1 passed .* s, run again'
said again-summary 'failed once and run again: live/test_x'
try_live again-not-stolen 0 '1 passed, 0 failed, 0 skipped' 0 "$once"
said again-not-stolen-first '--- output of the first run, while 0.0 % of the CPU time was stolen'
try_live again-wrong 1 '0 passed, 1 failed, 0 skipped' 31 "$always"
said again-wrong-first 'not ok a: wrong in run 0'
said again-wrong-second 'not ok a: wrong in run 1'
try_live again-crash 0 '1 passed, 0 failed, 0 skipped' 0 'echo ok a; [ $runs != 0 ] || kill -SEGV $$'
try_live again-passes 0 '1 passed, 0 failed, 0 skipped' 0 'echo ok a; [ $runs = 0 ] || echo not ok b'
export AGAIN=0
try_live again-off 1 '0 passed, 1 failed, 0 skipped' 500 "$once"
unset AGAIN
export PASSED="$work/passed"
try_live again-kept 0 '1 passed, 0 failed, 0 skipped' 0 "$once"
try_live again-goes-on 0 '1 passed, 0 failed, 0 skipped' 0 "$always"
unset PASSED
for more in 2 3 4 5; do
	cp "$work/tests/live/test_x.sh" "$work/tests/live/test_x$more.sh"
done

# again_times NAME TIMES: so many tests of the last run were run again.
again_times()
{
	times=$(grep -c 's, run again$' "$work/said")
	if [ "$times" = "$2" ]; then
		echo "ok runner-$1"
	else
		echo "not ok runner-$1: $times tests of 5 were run again"
		bad=1
	fi
}

try_live again-often 1 '0 passed, 5 failed, 0 skipped' 0 "$always"
again_times again-limit 3
export AGAIN=1
try_live again-seldom 1 '0 passed, 5 failed, 0 skipped' 0 "$always"
again_times again-limit-given 1
[ "$bad" = 0 ]
