#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What Prometheus' own tool says of the metrics of golden recordings, and `redmem doctor --metrics
# FILE`, which leaves a whole file or the one that was there.
# shellcheck disable=SC2154 # lib.bash sets them
set -u
suite=metrics
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
here=$root/tests/golden
unset REDISCLI_AUTH

clean() # FILE: promtool finds no fault
{
	promtool check metrics <"$1" >"$work/said" 2>&1 && [ ! -s "$work/said" ] && return
	head -n 5 "$work/said" | sed 's/^/# /'
	return 1
}

write() # FILE [OPTION...]
{
	local file=$1

	shift
	"$redmem" doctor --replay "$work/rec" --metrics "$file" "$@" >"$work/said" 2>&1
}

if command -v promtool >/dev/null; then
	for file in "$here"/*.prom; do
		check "promtool-$(basename "$file" .prom)" "promtool finds fault with it" clean "$file"
	done
else
	echo "skip metrics-promtool: promtool is not installed"
fi

gzip -n -c "$here/allocating.jsonl" >"$work/rec" || exit 1
mkdir "$work/collector"
file=$work/collector/redmem.prom
"$redmem" doctor --replay "$work/rec" --metrics - >"$work/stdout" 2>/dev/null

check file "it differs from what stdout gets" eval \
	'write "$file" && [ ! -s "$work/said" ] && [ -s "$file" ] && cmp -s "$file" "$work/stdout"'
check mode "the collector may not read it" [ "$(stat -c %a "$file")" = 644 ]
check again "a file that is there is not replaced" eval \
	'echo old >"$file" && write "$file" && [ -s "$file" ] && cmp -s "$file" "$work/stdout"'
check alone "something is left beside it" [ "$(ls "$work/collector")" = redmem.prom ]
check no-directory "it does not say why" eval \
	'! write "$work/none/x.prom" && grep -q "^redmem: metrics: .*/none/x.prom.*No such file" "$work/said"'
# A directory cannot be replaced, and what was made beside it goes.
mkdir "$work/collector/taken.prom"
check taken "it does not say why, or leaves something" eval \
	'! write "$work/collector/taken.prom" && grep -q "cannot be replaced" "$work/said" &&
	[ "$(ls "$work/collector" | wc -l)" = 2 ]'
check json "--json and --metrics are both taken" eval '! write - --json && grep -q exclude "$work/said"'
if [ -e /dev/full ]; then
	check full "it does not tell a full disk" eval \
		'! "$redmem" doctor --replay "$work/rec" --metrics - >/dev/full 2>&1'
fi
[ "$failures" = 0 ]
