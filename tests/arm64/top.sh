#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What is built for arm64 is linked with the shared libraries that its system has, and `redmem top`
# of a recording draws its screen with them, in qemu's user mode. With an archive of libtinfo beside
# a shared libncursesw it died of a SCREEN that each of the two takes for another.
set -u
sysroot=${SYSROOT:-/var/cache/redmem-arm64}
suite=arm64-top
if ! command -v qemu-aarch64-static >/dev/null || ! command -v tmux >/dev/null || [ ! -e "$sysroot/unpacked" ]; then
	echo "skip $suite: no qemu, tmux or libraries; tools/deps test gets them"
	exit 0
fi
REDMEM=$(cd "$(dirname "$0")/../.." && pwd)/build-arm64/redmem
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/../golden/lib.bash"
# shellcheck source=tests/top/terminal.sh
. "$root/tests/top/terminal.sh"
trap 'terminal_close; rm -rf "$work"' EXIT

for library in ncursesw tinfo z cap-ng crypt; do
	check "shared-$library" "it is not among the libraries that are loaded" \
		grep -q "Shared library: \[lib$library\.so" <(readelf -d "$redmem")
done
gzip -n -c "$root/tests/golden/stalling.jsonl" >"$work/stalling.rec"
terminal_open 80 24
terminal_run qemu-aarch64-static -L "$sysroot" "$redmem" top --replay "$work/stalling.rec"
sees screen shows 'q quit'
press q
sees quit terminal_is_back 0
[ "$failures" = 0 ]
