#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `make dist` packs the same bytes each time, and what is in them knows its version without git and
# takes nothing from elsewhere that is not what was packed.
set -u
suite=dist
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
[ -e "$root/.git" ] || {
	echo "skip dist: this is no git repository"
	exit 0
}

pack() # FILE
{
	make -s -C "$root" dist >"$work/said" 2>&1 && cp "$root/$(tail -n 1 "$work/said")" "$1"
}

version=$("$root/tools/version")
check version "redmem says $("$redmem" --version), the sources $version" \
	[ "$("$redmem" --version)" = "redmem $version" ]
check packs "$(tail -n 3 "$work/said")" pack "$work/first"
touch "$root/LICENSE"
check again "a second one is another" eval 'pack "$work/second" && cmp -s "$work/first" "$work/second"'
tar -xzf "$work/first" -C "$work" || exit 1
cd "$work"/redmem-*/ || exit 1
check unpacked-version "without git it is $(tools/version)" [ "$(tools/version)" = "$version" ]
check owner "it holds what is somebody's" \
	[ "$(tar -tvzf "$work/first" | awk '{ print $2 }' | sort -u)" = 0/0 ]
check page "$(cat "$work/said")" eval 'make -s build/gen/page.js >"$work/said" 2>&1'
rm -r build
echo '// not what was packed' >>dygraphs/dygraph.min.js
check checksum "it is built with another library than was packed" eval \
	'! make -s build/gen/page.js >"$work/said" 2>&1 && grep -q dygraph.min.js "$work/said"'
[ "$failures" = 0 ]
