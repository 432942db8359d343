# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# For the tests that ask redmem about dumps; sourced with $suite set, what their results' names
# begin with. Sets root and redmem, and work, a directory that goes with the test.
# shellcheck disable=SC2034,SC2154 # those are for, and from, who sources it
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
redmem=${REDMEM:-$root/build/redmem}
failures=0

check() # NAME WHY COMMAND...
{
	local name=$1 why=$2

	shift 2
	if "$@"; then
		echo "ok $suite-$name"
	else
		echo "not ok $suite-$name: $why"
		failures=$((failures + 1))
	fi
}

# Holds documents that redmem printed against the schema that it prints of them.
check_schema() # NAME COMMAND FILE...
{
	local name=$1 said

	shift
	python3 -c 'import jsonschema' 2>/dev/null || {
		echo "skip $suite-$name: no python3-jsonschema"
		return
	}
	said=$(REDMEM=$redmem "$root/tests/schema" "$@" 2>&1)
	check "$name" "$said" [ $? = 0 ]
}

[ -x "$redmem" ] || {
	echo "not ok $suite: $redmem is not there; run make first"
	exit 1
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
