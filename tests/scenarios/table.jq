# The rows of one seed and build as a table for people.
def pad(n): tostring | . + (" " * ([n - length, 1] | max));
def count(f): map(select(f)) | length;
def share(a; b): if b == 0 then "-" else "\(a) of \(b) (\(a * 1000 / b | round / 10) %)" end;

map(select(.build == $build and .set == $set)) |
map(select(.outcome | IN("right", "wrong", "missed", "invented"))) as $judged |
($judged | map(select(.kind != "healthy"))) as $troubles |
($judged | map(select(.kind == "healthy"))) as $healthy |
(["scenario", "runs", "right", "wrong", "missed", "invented", "unnamed", "misnumbered", "unmade", "other"] | map(pad(12)) | "\(.[0] | pad(26))" + (.[1:] | join(""))),
(group_by(.file | [contains("/healthy/"), .])[] |
	[(count(.outcome | IN("right", "wrong", "missed", "invented"))), count(.outcome == "right"), count(.outcome == "wrong"),
	 count(.outcome == "missed"), count((.invented // []) != []), count(.name_right == false),
	 count(.number_right == false), count(.outcome == "unmade"), count(.outcome | IN("skipped", "broken"))] as $n |
	(.[0].scenario | pad(26)) + ($n | map(if . == 0 then "." else . end | pad(12)) | join(""))),
"",
"expected > said first, where they differ:",
($troubles | map(select(.outcome != "right")) | group_by([.expected, .said])[] | "  \(.[0].expected | pad(24))> \(.[0].said | pad(24))\(length)"),
"invented:",
($judged | map(.scenario as $s | .invented[] | [., $s]) | group_by(.)[] | "  \(.[0][0] | pad(24))in \(.[0][1] | pad(24))\(length)"),
"",
"main finding first: \(share($troubles | count(.outcome == "right"); $troubles | length))",
"named right:        \(share($troubles | count(.name_right == true); $troubles | count(.name_right != null)))",
"number right:       \(share($troubles | count(.number_right == true); $troubles | count(.number_right != null)))",
"healthy, nothing invented: \(share($healthy | count(.outcome == "right"); $healthy | length))",
"troubles, something invented: \(share($troubles | count(.invented != []); $troubles | length))"
