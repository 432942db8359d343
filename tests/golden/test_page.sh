#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The pages of --html: of each recording of this directory, of dumps, and of a recording whose
# names are made to hurt. The data of each is what --json prints, and all else of it is the same
# (page.py says what is looked at). Then how the file is written, and what is refused.
set -u
suite=page
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
here=$root/tests/golden
command -v python3 >/dev/null || {
	echo "skip page: python3 is not installed"
	exit 0
}
unset REDISCLI_AUTH NO_COLOR
export COLUMNS=100 LC_ALL=C.UTF-8 TZ=UTC

# Against JSON; without one, what stdout gets with --json beside it.
page() # NAME JSON COMMAND ARGUMENT...
{
	local name=$1 json=$2 said

	shift 2
	[ -n "$json" ] || set -- "$@" --json
	"$redmem" "$@" --html "$work/page.html" >"$work/out" 2>"$work/said"
	status=$?
	check "$name-status" "$(cat "$work/said")" [ $status = 0 ]
	said=$("$here/page.py" "$work/page.html" "${json:-$work/out}" "$work/rest" 2>&1)
	check "$name" "$said" [ $? = 0 ]
	[ -f "$work/constant" ] || cp "$work/rest" "$work/constant"
	check "$name-rest" "more than the data is another than in other pages" \
		cmp -s "$work/rest" "$work/constant"
}

for source in "$here"/*.jsonl; do
	base=$(basename "$source" .jsonl)
	gzip -n -c "$source" >"$work/$base.rec" || exit 1
	case $base in
	*.key) page "$base" "$here/$base.json" key --replay "$work/$base.rec" ;;
	*) page "$base" "$here/$base.json" doctor --replay "$work/$base.rec" ;;
	esac
	check "$base-text" "stdout is not what it is without --html" cmp -s "$work/out" "$here/$base.txt"
done
page memory "$here/fragmented.memory.json" memory --replay "$work/fragmented.rec"
page alloc "$here/allocating.alloc.json" alloc --replay "$work/allocating.rec"
page rdb '' rdb "$here/dumps/redis-7.0.15.rdb"
page diff '' diff "$here/dumps/redis-7.0.15.rdb" "$here/dumps/valkey-8.0.1.rdb"

for base in stalling allocating; do
	"$here/page.py" --hostile "$here/$base.jsonl" | gzip -n >"$work/hostile.rec"
	page "hostile-$base" '' doctor --replay "$work/hostile.rec"
	page "hostile-$base-alloc" '' alloc --replay "$work/hostile.rec"
done
check hostile "no name of the recording is in the page" grep -q 'u003cimg src=x' "$work/page.html"

# How it is written.
recording=$work/healthy.rec
umask 022
echo old >"$work/there.html"
chmod 644 "$work/there.html"
"$redmem" doctor --replay "$recording" --html "$work/there.html" >"$work/out"
check mode "others may read it: $(stat -c %a "$work/there.html")" \
	[ "$(stat -c %a "$work/there.html")" = 600 ]
check beside "something was left beside it" [ "$(echo "$work"/there.html*)" = "$work/there.html" ]
"$redmem" doctor --replay "$recording" --html - >"$work/out"
check stdout "stdout got another page, or more" cmp -s "$work/out" "$work/there.html"
"$redmem" doctor --replay "$recording" --html "$work/there.html" --json >"$work/out"
check json "--json is another with --html" cmp -s "$work/out" "$here/healthy.json"

refused() # NAME STATUS PATTERN ARGUMENT...
{
	local name=$1 status=$2 pattern=$3

	shift 3
	"$redmem" "$@" >"$work/out" 2>"$work/said"
	got=$?
	check "refused-$name" "status $got: $(cat "$work/said")" [ $got = "$status" ]
	check "refused-$name-line" "$(cat "$work/said")" \
		[ "$(grep -c "$pattern" "$work/said")" = 1 ]
	check "refused-$name-stdout" "it printed a report" [ ! -s "$work/out" ]
}

refused folder 1 "^redmem: html: $work/none/x: cannot be made: No such file.*with --html$" \
	doctor --replay "$recording" --html "$work/none/x"
refused device 1 '^redmem: html: /dev/null: cannot be replaced' \
	doctor --replay "$recording" --html /dev/null
refused json 2 'redmem doctor: --html - and --json' doctor --replay "$recording" --json --html -
refused every 2 'redmem doctor: --html - and --every' \
	doctor --replay "$recording" --every 1 --html -
refused metrics 2 'redmem doctor: --html is of a report, which --metrics is not' \
	doctor --replay "$recording" --metrics - --html x
refused oom 2 'redmem doctor: --html is of a report, which --oom is not' \
	doctor --replay "$recording" --oom --html x
refused csv 2 'redmem rdb: --html is of a report, which --csv is not' \
	rdb --csv --html x "$here/dumps/redis-7.0.15.rdb"
refused folded 2 'redmem rdb: --html - and --folded' \
	rdb --folded --html - "$here/dumps/redis-7.0.15.rdb"

# Without the library there is no build, and it says why.
make -s -C "$root" GEN="$work/gen" DYGRAPHS="$work/none" "$work/gen/page.js" >"$work/out" 2>"$work/said"
check build "$(cat "$work/said")" grep -q 'none/dygraph.min.js is not there: install libjs-dygraphs' \
	"$work/said"
exit $((failures > 0))
