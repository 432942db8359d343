#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What `redmem lab show` and `lab diff` say of the two stored results in lab/, in every form. The
# first has names that are made to hurt, and worse and better metrics; of the second the end is
# missing. Both were drawn from known noise, with B 3.2 % faster and 5 % more bytes a key at first.
#
# To make the expected output anew, after a change that is meant: GOLDEN=write tests/golden/test_lab.sh
set -u
suite=lab
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
here=$root/tests/golden/lab
export COLUMNS=100 LC_ALL=C.UTF-8 TZ=UTC
cd "$here" || exit 1

# Against the file of that name.
same() # FILE ARGUMENT...
{
	local expected=$1

	shift
	"$redmem" lab "$@" >"$work/$expected" 2>"$work/said"
	status=$?
	[ "${GOLDEN:-}" != write ] || cp "$work/$expected" "$here/$expected"
	check "$expected" "status $status: $(cat "$work/said")
$(diff "$here/$expected" "$work/$expected" | head -20)" cmp -s "$work/$expected" "$here/$expected"
}

same show.txt show monday.result
same show.json show --json monday.result
same show.md show --markdown - monday.result
same diff.txt diff monday.result today.result
same diff.json diff --json monday.result today.result
same diff.md diff --markdown - monday.result today.result
same cut.txt show today.result
check_schema schema lab show.json lab diff.json

# No name does anything.
for form in show.txt diff.txt show.json show.md diff.md; do
	check "bytes-$form" "it has bytes that a terminal obeys" \
		[ "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <"$here/$form" | wc -c)" = 0 ]
done
check markup "$(grep -nE '<(b|img|script|/td|/script)[ >]|[^&]#1|@all|\]\(' show.md diff.md)" \
	[ -z "$(grep -E '<(b|img|script|/td|/script)[ >]|[^&]#1|@all|\]\(' show.md diff.md)" ]
check cells "rows of the tables have another number of cells" \
	[ "$(grep '^|' show.md | tr -cd '|\n' | sort -u | wc -l)" = 1 ]

# What was not known as well as was wanted then, and is as well as is asked for now.
verdict=$("$redmem" lab show --json --precision 7 monday.result |
	jq -r '.metrics[] | select(.name == "latency_p999_seconds") | "\(.verdict) \(.wanted)"')
check precision "p99.9 is $verdict" [ "$verdict" = "no_difference 0.7" ]

# The page: its data is the document.
for what in 'show monday.result' 'diff monday.result today.result'; do
	# shellcheck disable=SC2086 # two words or three
	"$redmem" lab $what --json --html "$work/page.html" >"$work/document"
	said=$("$root/tests/golden/page.py" "$work/page.html" "$work/document" "$work/rest" 2>&1)
	check "page-${what%% *}" "$said" [ $? = 0 ]
done

# For whom names are not meant. What is hidden becomes letters by chance, six of them or more: a
# word of fewer is looked for as a whole.
names='hunter|onerror|stripped|[^a-z]x(\||&#124;)y[^a-z]'
for form in '' --json '--markdown -'; do
	# shellcheck disable=SC2086 # none, one or two words
	"$redmem" lab show --redact $form monday.result >"$work/hidden"
	check "redact$form" "$(grep -E "$names" "$work/hidden")" \
		[ -z "$(grep -E "$names" "$work/hidden")" ]
	check "redact-says$form" "what is no name is gone" grep -q '7[&#46;.]*0[&#46;.]*15' "$work/hidden"
done

status() # NAME STATUS PATTERN ARGUMENT...
{
	local name=$1 expected=$2 pattern=$3

	shift 3
	"$redmem" lab "$@" >"$work/out" 2>"$work/said"
	got=$?
	check "$name" "status $got: $(cat "$work/said")" [ $got = "$expected" ]
	check "$name-line" "$(cat "$work/said")" [ "$(grep -c "$pattern" "$work/said")" = 1 ]
}

sed 's/"evictions_per_op":[^,}]*,\{0,1\}//' monday.result >"$work/ratios.result"
status regress-none 3 'B is worse in keys evicted an operation by what A has none of' \
	show --max-regress 50 monday.result
status regress 3 'worse in bytes a key by 5.0 %, and --max-regress is 4 %' \
	show --max-regress 4 "$work/ratios.result"
"$redmem" lab show --max-regress 6 "$work/ratios.result" >"$work/out" 2>"$work/said"
check regress-less "status $?: $(cat "$work/said")" [ $? = 0 ]
head -30 monday.result >"$work/early.result"
status regress-unknown 1 'no metric could be judged' show --max-regress 5 "$work/early.result"
status no-result 1 'is no result of redmem lab' show show.json
status not-there 1 'none: No such file' show "$work/none"
status list-json 2 '[-]-json is of a verdict' list --json
status show-set 2 '[-]-set, --env and --knob: of that only' show --set a:maxmemory=1 monday.result
status show-out 2 '[-]-out: of that only' show --out x monday.result
status diff-regress 2 '[-]-max-regress is of one result' diff --max-regress 5 monday.result monday.result
status no-file 2 'it is .redmem lab show FILE.$' show
status word 2 "lab does not know 'moon'" moon
status stdout 2 'markdown - and --json' show --json --markdown - monday.result
exit $((failures > 0))
