#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The scripts of the HTML report: nothing in them makes markup, a style attribute or code out of
# text, they say their licence and are strict, and they call causes as the tables do.
set -u
cd "$(dirname "$0")/../.." || exit 1
page=src/report/page
bad=0

refuse() # WHAT PATTERN FILE...
{
	what=$1 pattern=$2
	shift 2
	if grep -nE "$pattern" "$@" /dev/null; then
		echo "not ok page-$what: see the lines above"
		bad=1
	else
		echo "ok page-$what"
	fi
}

refuse markup 'innerHTML|outerHTML|insertAdjacent(HTML|$)|document\.write|DOMParser|createContextualFragment|srcdoc|setHTML' \
	$page/*.js
refuse style "setAttribute(NS)?\(.?['\"\`]style|cssText|style: *['\"\`]|insertRule|adoptedStyleSheets" $page/*.js
refuse code "eval\(|new Function|set(Timeout|Interval)\(['\"\`]|javascript:|import\(|\.on[a-z]+ = " $page/*.js
refuse inline '[ "]on[a-z]+=| style=|src=|href=' $page/page.html
refuse outside '@import|url\(|https?:' $page/*.css
refuse asks "https?://[^w]|XMLHttpRequest|WebSocket|EventSource|sendBeacon|new Image" $page/*.js

for file in "$page"/*.js; do
	case $(head -1 "$file") in
	'/* SPDX-License-Identifier: BSD-2-Clause */') ;;
	*) echo "not ok page-licence: $file does not begin with it" && bad=1 ;;
	esac
	grep -q "'use strict';" "$file" || { echo "not ok page-strict: $file is not" && bad=1; }
done
wide=$(expand -t 4 "$page"/*.js | awk 'length > 100' | head -3)
[ -z "$wide" ] || { echo "not ok page-width: wider than 100 columns: $wide" && bad=1; }

# Whatever is indented as it began ends it; each file's own function around all is none.
long=$(awk '
function tabs() { match($0, /^\t*/); return RLENGTH }
FNR == 1 { delete begin }
/(function.*|=>) \{$/ && !/^\(function/ { begin[tabs()] = FNR }
/^\t*\}/ && begin[tabs()] {
	if (FNR - begin[tabs()] >= 60)
		print FILENAME ":" begin[tabs()] " has " FNR - begin[tabs()] + 1 " lines"
	begin[tabs()] = 0
}' "$page"/*.js tests/page/*.js)
[ -z "$long" ] || { echo "not ok page-shape: functions of more than 60 lines: $long" && bad=1; }

# Both as "name words".
told=$(sed -n '/define REDMEM_CAUSES/,/X(OTHER/s/.*X([A-Z_]*, "\([a-z_]*\)", "\([^"]*\)".*/\1 \2/p' \
	include/redmem/tables.h)
drawn=$(sed -n "/const CAUSES = {/,/};/s/^[[:space:]]*\([a-z_]*\): \['\([^']*\)'.*/\1 \2/p" $page/stalls.js)
if [ -n "$told" ] && [ "$told" = "$drawn" ]; then
	echo "ok page-causes"
else
	echo "not ok page-causes: include/redmem/tables.h and $page/stalls.js differ: $told / $drawn"
	bad=1
fi
[ "$bad" = 0 ]
