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
unset REQUIRE PASSED LIMIT

# check NAME STATUS SUMMARY [ARGUMENTS]: runs the runner and compares.
check()
{
	name=$1 wanted=$2 summary=$3
	shift 3
	TEST_TIMEOUT=1 "$work/tests/run" "$@" >"$work/said" 2>&1
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

try passes 0 '2 passed, 0 failed, 0 skipped' 'echo ok a; echo chatter; echo ok b'
try fails 1 '1 passed, 1 failed, 0 skipped' 'echo ok a; echo "not ok b: why"; exit 1'
try fails-with-status-0 1 '0 passed, 1 failed, 0 skipped' 'echo "not ok b: why"'
try skips 0 '1 passed, 0 failed, 1 skipped' 'echo ok a; echo "skip b: no reason"'
try only-skips 1 '0 passed, 0 failed, 1 skipped' 'echo "skip b: no reason"'
try cmocka-skip 0 '1 passed, 0 failed, 1 skipped' 'echo 1..2; echo "not ok 1 # SKIP a"; echo "ok 2 - b"'
try crashes 1 '1 passed, 1 failed, 0 skipped' 'echo ok a; kill -SEGV $$'
try exits 1 '1 passed, 1 failed, 0 skipped' 'echo ok a; exit 3'
try sanitizer 1 '0 passed, 2 failed, 0 skipped' 'echo "not ok a: why"; exit 99'
try says-nothing 1 '0 passed, 1 failed, 0 skipped' ':'
try stops-short 1 '1 passed, 1 failed, 0 skipped' 'echo 1..2; echo "ok 1 - a"'
try hangs 1 '1 passed, 1 failed, 0 skipped' 'echo ok a; sleep 30'
REQUIRE=1
export REQUIRE
try required 1 '1 passed, 2 failed, 0 skipped' 'echo ok a; echo "skip b: no disk"; echo "skip c: no disk"'
if grep -qx 'required, but skipped 2 times: no disk' "$work/said"; then
	echo "ok runner-required-reasons"
else
	echo "not ok runner-required-reasons: $(tail -n 3 "$work/said")"
	bad=1
fi
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
[ "$bad" = 0 ]
