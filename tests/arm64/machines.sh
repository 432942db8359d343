#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A compiler for another machine than the two redmem knows is refused with one line, and
# nothing is built.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

for machine in i686-linux-gnu arm-linux-gnueabihf riscv64-linux-gnu; do
	printf '#!/bin/sh\necho %s\n' $machine >"$work/cc"
	chmod +x "$work/cc"
	if ! said=$(env -u MAKEFLAGS make -n CC="$work/cc" all 2>&1) && [ "$(echo "$said" | grep -c .)" = 1 ] &&
		echo "$said" | grep -q "redmem is for x86-64 and arm64.* compiles for ${machine%%-*}"; then
		echo "ok machines-${machine%%-*}"
	else
		echo "not ok machines-${machine%%-*}: $(echo "$said" | head -n 3 | tr '\n' ' ')"
	fi
done
