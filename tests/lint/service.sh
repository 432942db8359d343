#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The systemd unit: it is one, it asks for no more than it did (systemd-analyze's figure for the
# exposure is at most 4.0), and gives no capability without saying what for.
set -u
cd "$(dirname "$0")/../.." || exit 1
unit=tools/packaging/redmem.service
command -v systemd-analyze >/dev/null || {
	echo "skip service: systemd-analyze is not installed"
	exit 0
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

if said=$(systemd-analyze security --offline=yes --threshold=40 --no-pager $unit 2>&1); then
	echo "ok service-exposure"
else
	echo "$said" | grep '✗\|→' | sort -k 2
	echo "not ok service-exposure: above 4.0, see what gives how much above"
fi

# The program is not there yet where it will be.
sed "s|^ExecStart=[^ ]*|ExecStart=$(command -v true)|" $unit >"$work/redmem.service"
said=$(systemd-analyze verify --man=no "$work/redmem.service" 2>&1)
if [ -z "$said" ]; then
	echo "ok service-valid"
else
	echo "not ok service-valid: $said"
fi

given=$(sed -n 's/^CapabilityBoundingSet=//p' $unit | tr ' ' '\n' | sort)
told=$(sed -n 's/^# \(CAP_[A-Z_ ]*\)\t.*/\1/p' $unit | tr ' ' '\n' | grep . | sort)
if [ "$given" = "$told" ] && [ -n "$given" ]; then
	echo "ok service-capabilities"
else
	echo "not ok service-capabilities: given $given; told $told"
fi
