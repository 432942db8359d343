# Of a report and what a scenario expects: one row of truth. See driver for the words.
include "machine";
def all_text: [.title, .cause, (.evidence[] | .text? // .value | tostring), (.action[] | .text, .command)] | join("\n");
def ids: map(.id);

(.findings | map(select(.severity != "info"))) as $warnings |
# What the machine added to a time is not known better: its own time may be told, too.
(if ($expected + $never | any(startswith("cpu."))) then 0 else $machine.waited + $machine.stolen end) as $slack |
(machines_findings($machine) - $never) as $true |
($expected + $also + $true) as $allowed |
(if $kind == "note" then .findings else $warnings end) as $counted |
([$counted[] | select(.id as $id | $expected | index($id))][0]) as $main |
([$warnings[] | select(.id as $id | $true - $expected | index($id) | not)][0].id) as $first |
([.findings[] | select(.id as $id | (.severity != "info" and ($allowed | index($id) | not)) or ($never | index($id))).id] | unique) as $invented |
($main // {} | if . == {} then "" else all_text end) as $text |
{at: now | floor, scenario: $scenario, seed: $seed, kind: $kind, drawn: $drawn,
 outcome: (
	if $made != 1 then "unmade"
	elif $kind == "healthy" then if $invented == [] then "right" else "invented" end
	elif $main == null then "missed"
	elif $kind == "trouble" and ($first as $id | $expected | index($id) | not) then "wrong"
	else "right" end),
 expected: ($expected[0] // "nothing"), said: ($first // (if $kind == "note" and $main then $main.id else "nothing" end)),
 name_right: (if $names == [] or $main == null then null else all($names[]; . as $name | $text | contains($name)) end),
 number_right: (if $numbers == [] or $main == null then null else
	all($numbers[]; . as $n | any($main.evidence[]; ($n.unit == "any" or .unit == $n.unit) and (.value | type) == "number" and
		((.value - $n.truth) | fabs) <= $n.within * ($n.truth | fabs) + (if $n.unit == "seconds" then $slack else 0 end))) end),
 invented: $invented, names: $names, numbers: $numbers, main: ($main | if . then {title, evidence: [.evidence[] | {name, value: (.value // .text), unit}]} else null end),
 findings: [.findings[] | {id, severity, title}], verdict,
 past: $past, machine: $machine, window_seconds: .window.duration_seconds, took_seconds: ($took / 1000),
 server: "\(.target.server) \(.target.version)", drops: .self.drops_total,
 off: [.sensors[] | select(.state == "off").id]}
