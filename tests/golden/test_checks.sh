#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# For cron and programs, from the recordings of this directory: the checklists and the page for
# when memory runs out (NAME.pages.txt and .json, one after the other), the exit status by
# --fail-on, and the schemas that redmem prints of its JSON, against all that is kept here.
# UPDATE=1 rewrites the pages.
set -u
suite="checks"
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
here=$root/tests/golden
unset REDISCLI_AUTH NO_COLOR
export COLUMNS=100 LC_ALL=C TZ=UTC

for source in "$here"/*.jsonl; do
	gzip -n -c "$source" >"$work/$(basename "$source" .jsonl).rec" || exit 1
done

# --- the pages ----------------------------------------------------------------------

pages() # RECORDING OPTION...
{
	local recording=$1 page

	shift
	for page in "--checklist daily" "--checklist weekly" "--checklist monthly" --oom; do
		# shellcheck disable=SC2086 # an option and its value
		"$redmem" doctor --replay "$work/$recording.rec" $page "$@" || return 1
		[ $# -gt 0 ] || echo "----"
	done
}

compare() # NAME RECORDING OPTION...
{
	local name=$1

	shift
	pages "$@" >"$work/$name" 2>"$work/said" || {
		check "$name" "redmem failed: $(head -n 1 "$work/said")" false
		return
	}
	[ "${UPDATE:-0}" = 0 ] || cp "$work/$name" "$here/$name"
	check "$name" "$(diff -u "$here/$name" "$work/$name" | head -n 40)" \
		cmp -s "$here/$name" "$work/$name"
}
for recording in fragmented healthy hung swapping; do
	compare "$recording.pages.txt" "$recording"
	compare "$recording.pages.json" "$recording" --json
done

# --- the exit status ------------------------------------------------------------------

status() # NAME STATUS RECORDING OPTION...
{
	local name=$1 wanted=$2 recording=$3 got

	shift 3
	"$redmem" doctor --replay "$work/$recording.rec" "$@" >"$work/out" 2>"$work/said"
	got=$?
	check "$name" "exit status $got, not $wanted: $(cat "$work/said")" [ "$got" = "$wanted" ]
}
worst() # RECORDING
{
	"$redmem" doctor --replay "$work/$1.rec" --json |
		jq -r '[.findings[].severity] | if any(. == "critical") then "critical"
			elif any(. == "warning") then "warning" else "info" end'
}
check worst "of swapping, fragmented, healthy: $(worst swapping) $(worst fragmented) $(worst healthy)" \
	[ "$(worst swapping) $(worst fragmented) $(worst healthy)" = "critical warning info" ]
status never 0 swapping
status critical 3 swapping --fail-on critical
status critical-is-worse 3 swapping --fail-on warning
status warning 3 fragmented --fail-on warning
status warning-is-less 0 fragmented --fail-on critical
status healthy 0 healthy --fail-on warning
status json 3 swapping --fail-on critical --json
check json-whole "no report" [ "$(jq -r .schema "$work/out")" = redmem.doctor/1 ]
status window 3 swapping --fail-on critical --every 1
status page 3 fragmented --fail-on warning --checklist daily
status oom 3 fragmented --fail-on warning --oom
status not-a-severity 2 healthy --fail-on info
status not-a-checklist 2 healthy --checklist yearly
status two-pages 2 healthy --checklist daily --oom
status pages-of-one 2 healthy --oom --every 1
status no-recording 1 none --fail-on warning
# A recording of which nothing is known is no healthy server.
{
	head -n 2 "$here/healthy.jsonl"
	echo '{"record":"end","records_total":1}'
} | gzip -n -c >"$work/empty.rec"
status unknown 1 empty --fail-on warning
check unknown-said "$(cat "$work/said")" grep -q 'nothing is known of this server' "$work/said"
status unknown-unasked 0 empty

# --- without stdin and stdout -----------------------------------------------------------

# The recording would be read by those numbers, and the report written into it.
"$redmem" doctor --replay "$work/healthy.rec" <&- >&- 2>"$work/said"
got=$?
check closed "exit status $got: $(cat "$work/said")" [ "$got" = 0 ]

# --- a full stdout ----------------------------------------------------------------------

full() # NAME ARGUMENT...
{
	local name=$1

	shift
	"$redmem" "$@" >/dev/full 2>"$work/said"
	got=$?
	check "full-$name" "exit status $got: $(cat "$work/said")" \
		[ "$got $(cat "$work/said")" = "1 redmem: stdout: No space left on device" ]
}
full report doctor --replay "$work/healthy.rec"
full schema schema doctor
full version --version
full help --help
full options options
"$redmem" doctor --replay "$work/healthy.rec" 2>"$work/said" | true
check reads-no-further "$(cat "$work/said")" [ ! -s "$work/said" ]

# --- the schemas ----------------------------------------------------------------------

"$redmem" schema >"$work/out" 2>"$work/said"
got=$?
check schema-of-what "$(cat "$work/said")" [ "$got $(grep -c 'which command' "$work/said")" = "2 1" ]
"$redmem" schema nothing >"$work/out" 2>"$work/said"
got=$?
check schema-of-nothing "$(cat "$work/said")" [ "$got $(grep -c 'doctor' "$work/said")" = "2 1" ]
documents=()
for file in "$here"/*.json; do
	case $file in
	*.alloc.json) documents+=(alloc "$file") ;;
	*.memory.json) documents+=(memory "$file") ;;
	*.key.json) documents+=(key "$file") ;;
	*) documents+=(doctor "$file") ;;
	esac
done
"$redmem" doctor --replay "$work/swapping.rec" --json --every 2 >"$work/windows.json"
documents+=(doctor "$work/windows.json")
check_schema schema "${documents[@]}"
# What serve answers when it refuses; see tests/unit/test_web.c.
echo '{"schema":"redmem.error/1","status":404,"error":"there is no such path"}' >"$work/error.json"
check_schema schema-error serve "$work/error.json"
# A member without a row is told, and so is one of another type or one that is missing.
for change in '.extra = 1' '.target.extra = 1' '.target.pid = "1"' 'del(.findings)' \
	'.commands[0].extra = 1' '.schema = "redmem.other/1"'; do
	jq "$change" "$here/healthy.json" >"$work/changed.json"
	REDMEM=$redmem "$root/tests/schema" doctor "$work/changed.json" >"$work/said" 2>&1
	check "schema-tells $change" "nothing is said of it" [ $? = 1 ]
done
exit $((failures > 0))
