#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The house rules no formatter knows: every source says its licence first, a
# function has at most 60 lines, a line at most 100 columns.
set -u
cd "$(dirname "$0")/../.." || exit 1
# A tab reaches to the next multiple of 8; of a UTF-8 character only the first byte
# takes a column.
find src include bpf tests -name '*.[ch]' -print0 | sort -z | LC_ALL=C xargs -0 awk '
function complain(line, why)
{
	print "not ok shape: " FILENAME ":" line ": " why
	bad++
}

function columns(text,  i, n)
{
	gsub(/[\200-\277]/, "", text)
	for (i = 1; i <= length(text); i++)
		n = substr(text, i, 1) == "\t" ? n + 8 - n % 8 : n + 1
	return n + 0
}

FNR == 1 {
	begin = 0
	if ($0 !~ /^\/[\/*] SPDX-License-Identifier: BSD-2-Clause/)
		complain(1, "does not begin with the licence identifier")
}
/^\{/ { begin = FNR }
/^\}/ && begin {
	if (FNR - begin + 1 > 60)
		complain(begin, "the function has " FNR - begin + 1 " lines, more than 60")
	begin = 0
}
columns($0) > 100 { complain(FNR, "the line is wider than 100 columns") }
END {
	if (!bad)
		print "ok shape"
	exit bad > 0
}' || exit 1
