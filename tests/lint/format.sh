#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The sources are as .clang-format wants them; --fix makes them so. Releases of
# clang-format differ in what they make of the same settings, so only the one
# the settings are written for is asked.
set -u
cd "$(dirname "$0")/../.." || exit 1
release=14

tool=$(command -v clang-format-$release || command -v clang-format) || {
	echo "skip format: clang-format is not installed"
	exit 0
}
"$tool" --version | grep -q "version $release\." || {
	echo "skip format: the style is checked with clang-format $release, here is" \
		"$("$tool" --version | grep -o 'version [0-9.]*')"
	exit 0
}
files=$(find src include bpf tests -name '*.[ch]' | sort)
if [ "${1:-}" = --fix ]; then
	# shellcheck disable=SC2086 # no file name has blanks
	exec "$tool" -i $files
fi
# Many at once are fast; one by one they are named.
if echo "$files" | xargs -n 40 -P "$(nproc)" "$tool" --dry-run -Werror 2>/dev/null; then
	echo "ok format"
	exit 0
fi
for file in $files; do
	"$tool" --dry-run -Werror "$file" 2>/dev/null ||
		echo "not ok format: $file: differs from the house style; run make format"
done
exit 1
