#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Rooms include only rooms before them. Also checks the checker: each breach it
# is there for, put alone into a small tree, must be found.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

if tools/check-layers; then
	echo "ok layers"
else
	echo "not ok layers: see the messages above"
	bad=1
fi

# try WANTED NAME ROOM LINE: a tree with LINE in src/ROOM/x.c is found good (0) or bad (1).
try()
{
	rm -rf "$work/src"
	mkdir -p "$work/src/$3"
	printf '/* head */\n%s\n' "$4" >"$work/src/$3/x.c"
	tools/check-layers "$work" >"$work/said"
	status=$?
	if [ $status = "$1" ]; then
		echo "ok layers-$2"
	else
		echo "not ok layers-$2: status $status and not $1 for $3: $4"
		bad=1
	fi
}

try 0 upwards model '#include "record/record.h"'
try 1 downwards host '#include "redis/info.h"'
try 1 no-room base '#include "buf.h"'
try 1 unknown-room base '#include "attic/buf.h"'
try 1 stray-room attic '#include "base/buf.h"'
try 0 skeleton-in-sensor sensor '#include "redmem.skel.h"'
try 1 skeleton-in-redis redis '#include "redmem.skel.h"'
try 0 tables-in-record record '#include "redmem/tables.h"'
try 1 events-in-model model '#include "redmem/events.h"'
try 1 hiredis-in-target target '#include <hiredis/hiredis.h>'
try 0 hiredis-in-redis redis '#include <hiredis/hiredis.h>'
try 1 curses-elsewhere app '#include <curses.h>'
try 1 libbpf-in-redis redis '#include <bpf/libbpf.h>'
try 0 libbpf-in-host host '#include <bpf/libbpf.h>'
try 1 open-in-model model 'int f(void) { return open("/proc", 0); }'
try 1 file-in-report report '	FILE *f = fopen(path, "w");'
try 1 socket-in-diagnose diagnose '	int fd = socket(1, 2, 3);'
try 0 open-in-host host 'int f(void) { return open("/proc", 0); }'
try 0 open-in-a-comment model '/* open("x") reads nothing here */'
try 0 open-in-a-string model '	text = "open(2) failed";'
try 0 open-as-a-member model '	sink->write(sink, 1); valve_open(v);'
try 1 print-in-redis redis '	printf("hello\n");'
try 0 print-in-app app '	printf("hello\n");'
try 0 print-into-memory report '	snprintf(text, sizeof(text), "%d", 1);'
[ "$bad" = 0 ]
