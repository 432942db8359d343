#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tools/monitoring: rules and dashboard are ones that Prometheus takes, every metric in them is
# one that redmem has, alerts fire where they should and nowhere else, and every finding leads to
# one.
set -u
suite=monitoring
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$root/tools/monitoring" || exit 1
command -v promtool >/dev/null || {
	echo "skip monitoring: promtool is not installed"
	exit 0
}

said() # COMMAND...
{
	"$@" >"$work/said" 2>&1
	status=$?
}

said promtool check rules recording.yml alerts.yml
check rules "$(cat "$work/said")" [ $status = 0 ]
said promtool test rules alerts_test.yml
check alerts "$(cat "$work/said")" [ $status = 0 ]

# --- every finding has its alert -------------------------------------------------------------

table()
{
	grep -v '^#' "$root/tests/golden/alerts.tsv"
}

rank() # SEVERITY
{
	case $1 in
	info) echo 0 ;;
	warning) echo 1 ;;
	critical) echo 2 ;;
	*) echo 3 ;; # fires for none alone
	esac
}

# Lines "ID ALERT SEVERITY": what fires, when each finding is there as such a severity.
expected() # SEVERITY
{
	local alert severity least ids id own=" "

	while read -r alert severity least ids; do
		for id in $ids; do
			[ "$(rank "$1")" -lt "$(rank "$least")" ] || echo "$id $alert $severity"
			[ "$severity" != critical ] || own+="$id "
		done
	done < <(table)
	[ "$1" = critical ] || return 0
	for id in "${ids_known[@]}"; do
		[[ $own == *" $id "* ]] || echo "$id RedisCriticalFinding critical"
	done
}

# A unit test of rules in which each finding is alone on a server that is named as it.
findings_test() # SEVERITY
{
	local id alert severity

	echo "  - name: $1"
	echo "    interval: 5m"
	echo "    input_series:"
	for id in "${ids_known[@]}"; do
		echo "      - series: redmem_finding{server=\"$id\",id=\"$id\",severity=\"$1\"}"
		echo "        values: 1x9"
	done
	echo "    promql_expr_test:"
	echo "      - expr: count by (server, alertname, severity) (ALERTS{alertstate=\"firing\"})"
	echo "        eval_time: 40m"
	echo "        exp_samples:"
	expected "$1" | while read -r id alert severity; do
		echo "          - labels: '{server=\"$id\", alertname=\"$alert\", severity=\"$severity\"}'"
		echo "            value: 1"
	done
}

mapfile -t ids_known < <(sed -n 's/^\tROW("\([a-z_.]*\)".*/\1/p' "$root/src/diagnose/rules.h")
known=$(printf '%s\n' "${ids_known[@]}" | sort)
listed=$(table | cut -d ' ' -f 4- | tr ' ' '\n' | sort -u)
check findings-listed "rules.h (<) and alerts.tsv (>) differ: $(diff <(echo "$known") <(echo "$listed"))" \
	[ "$known" = "$listed" ]
{
	printf 'rule_files: [%s/recording.yml, %s/alerts.yml]\nevaluation_interval: 5m\ntests:\n' "$PWD" "$PWD"
	for severity in info warning critical; do
		findings_test $severity
	done
} >"$work/findings.yml"
said promtool test rules "$work/findings.yml"
check findings "$(head -c 3000 "$work/said")" [ $status = 0 ]

# Each says what to type next, names its cause, and is tested.
alerts=$(sed -n 's/^      - alert: //p' alerts.yml)
for alert in $alerts; do
	text=$(awk -v alert="$alert" '/^      - alert: / { on = $3 == alert } on' alerts.yml)
	lacks=$(for word in 'summary: ' 'description: ' 'command: ' 'severity: \(warning\|critical\)$'; do
		grep -q -- " $word" <<<"$text" || echo "$word"
	done)
	check "$alert" "it has no $lacks" [ -z "$lacks" ]
done
check many "only $(wc -w <<<"$alerts") alerts" [ "$(wc -w <<<"$alerts")" -ge 20 ]
untested=$(for alert in $alerts; do
	{ table; expected critical; cat alerts_test.yml; } | grep -qw "$alert" || echo "$alert"
done)
check tested "no test of $untested" [ -z "$untested" ]

# --- the dashboard -----------------------------------------------------------------------------

holds() # NAME FILTER
{
	said jq -e "$2" dashboard.json
	check "$1" "$(jq -c "$3" dashboard.json 2>&1 | head -c 1000)" [ $status = 0 ]
}
holds dashboard-schema '.schemaVersion == 39 and .uid == "redmem"' '{schemaVersion, uid}'
holds dashboard-variables '[.templating.list[] | [.name, .type]] ==
	[["datasource", "datasource"], ["server", "query"]]' .templating.list
holds dashboard-ids '[.panels[].id] | length == (unique | length)' '[.panels[].id]'
# No source but the variable: the file is used as it is, on any Grafana.
holds dashboard-source '[.panels[] | select(.type != "row") | .datasource, .targets[].datasource] |
	all(.type == "prometheus" and .uid == "${datasource}")' '[.panels[].datasource]'
holds dashboard-titles 'all(.panels[]; .title != "") and ([.panels[].title] | length == (unique | length))' \
	'[.panels[].title]'
# In rows of 24 columns, none on another.
holds dashboard-places '[.panels[] | .gridPos | {x: range(.x; .x + .w), y: range(.y; .y + .h)}] |
	length == (unique | length) and all(.x < 24)' '[.panels[].gridPos]'
check dashboard-format "write it as jq --tab . does" cmp -s dashboard.json <(jq --tab . dashboard.json)

# Its queries, with Grafana's variables as they are when it asks.
queries()
{
	jq -r '[.panels[].targets[]?.expr, (.annotations.list[].expr // empty)] | unique[]' dashboard.json |
		sed 's/\$__rate_interval/5m/g; s/\$server/.*/g'
}
queries | jq -Rcs '{groups: [{name: "dashboard", rules: [split("\n")[] | select(. != "")] | to_entries |
	map({record: "dashboard:query:\(.key)", expr: .value})}]}' >"$work/dashboard.yml"
said promtool check rules "$work/dashboard.yml"
check dashboard-queries "$(cat "$work/said")" [ $status = 0 ]

# --- names ---------------------------------------------------------------------------------------

expressions()
{
	queries
	awk 'FNR == 1 || /^      - / { on = 0 } /^        [a-z]*:/ { on = 0 } /^        expr: / { on = 1; sub(/.*expr: /, "") } on && !/^ *#/' \
		recording.yml alerts.yml
}

names()
{
	expressions | sed 's/"[^"]*"//g' | grep -o '[a-zA-Z_:][a-zA-Z0-9_:]*' | grep '^redmem_\|^redis_\|:' | sort -u
}

# What redmem exports, by the table it is made from; a histogram has three names.
exported()
{
	sed -n 's/.*ROW("\([a-z_]*\)", \([A-Z]*\),.*/redmem_\1 \2/p; s/.*REDIS_[A-Z]*("\([a-z_]*\)".*/redis_\1 INFO/p' \
		"$root/src/report/metrics_table.c" |
		sed 's/^\(.*\) HISTOGRAM$/\1_bucket\n\1_sum\n\1_count/; s/ .*//'
}
unknown=$(names | grep -vxF -e up -f <(exported; sed -n 's/^ *- record: //p' recording.yml))
check names "redmem has no $unknown" [ -z "$unknown" ]
