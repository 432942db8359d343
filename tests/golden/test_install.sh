#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `make install` puts all there is to where it belongs, below DESTDIR only; a configuration that
# is there already stays as it is.
set -u
suite=install
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
command -v help2man >/dev/null || {
	echo "skip install: help2man is not installed"
	exit 0
}

install() # VARIABLE=VALUE...
{
	make -s -C "$root" install DESTDIR="$work/root" "$@" >"$work/said" 2>&1
	status=$?
}

install PREFIX=/usr
check status "$(tail -n 5 "$work/said")" [ $status = 0 ]
cd "$work/root" || exit 1
for file in usr/bin/redmem usr/share/man/man1/redmem.1 usr/share/man/man1/redmem-doctor.1 \
	usr/share/bash-completion/completions/redmem usr/share/zsh/site-functions/_redmem \
	usr/share/fish/vendor_completions.d/redmem.fish usr/share/doc/redmem/LICENSE \
	usr/share/redmem/recording.yml usr/share/redmem/alerts.yml usr/share/redmem/dashboard.json \
	usr/lib/systemd/system/redmem.service usr/lib/sysusers.d/redmem.conf etc/redmem/redmem.conf; do
	check "$file" "it is not there" [ -s "$file" ]
done
check elsewhere "$(ls)" [ "$(echo *)" = "etc usr" ]
check secret "others may read the configuration, which may hold passwords" \
	[ "$(stat -c %a etc/redmem/redmem.conf)" = 600 ]
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' usr/lib/systemd/system/redmem.service)
check unit "it starts $program" [ -x "$work/root$program" ]

# As the unit, so the container.
capabilities()
{
	sed -n "$2" "$root/tools/packaging/$1" | tr -d '",' | tr ' ' '\n' | sed 's/^CAP_//' | sort
}
check capabilities "a container is to have others than the unit" [ \
	"$(capabilities redmem.service 's/^CapabilityBoundingSet=//p')" = \
	"$(capabilities redmem.yaml 's/^ *add: \[\(.*\)\]/\1/p')" ]

# Over one that is in use, and elsewhere.
echo '# mine' >etc/redmem/redmem.conf
install PREFIX=/usr/local
check again "$(tail -n 5 "$work/said")" [ $status = 0 ]
check kept "the configuration was written over" [ "$(cat etc/redmem/redmem.conf)" = '# mine' ]
check prefix "the unit starts another program" grep -q '^ExecStart=/usr/local/bin/redmem ' \
	usr/local/lib/systemd/system/redmem.service
