#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The unit tests, built for arm64 and run by qemu's user mode. Its user mode has no
# process_vm_readv(2), ptrace(2) as a debugger needs it, seccomp(2) or bpf(2): the tests that
# take these are run by tests/kernels, on a kernel of that machine. The slowest are left out,
# and what holds real time (top). tests/run builds them, -O1 to be quick.
set -u
cd "$(dirname "$0")/../.." || exit 1
export root=${SYSROOT:-/var/cache/redmem-arm64}

# Whole programs, and single tests.
take_a_kernel='bpf_load commands confine elf experiment fence pages probe_owner'
export take_a_kernel_too='find:test_id_used_again find:test_no_server find:test_gvisor proc:test_self sock:test_unix
	stacks:test_names unwind:test_own_stack unwind:test_order
	profile_rows:test_command profile_rows:test_script profile_rows:test_guessed_key
	profile_rows:test_guessed_inner_key'
slow='chunk history hostile info keyspace malloc_stats metrics pack profile recording stalls top web window'

if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64-static >/dev/null ||
	[ ! -e "$root/unpacked" ]; then
	echo "skip arm64: no cross compiler, qemu or libraries; tools/deps arm64 gets them"
	exit 0
fi

# run_unit NAME: its failures but for those that are known, or one line that it passed.
run_unit()
{
	local known said status=0

	said=$(CMOCKA_MESSAGE_OUTPUT=TAP qemu-aarch64-static -L "$root" \
		"build-arm64/tests/unit/test_$1" 2>&1 </dev/null) || status=$?
	known=$(tr -s ' \t\n' '\n' <<<"$take_a_kernel_too" | sed -n "s/^$1://p")
	# A cmocka program's status is the number of its failures.
	awk -v unit="$1" -v status="$status" -v known="${known//$'\n'/ }" '
	BEGIN { split(known, names, " "); for (i in names) is_known[names[i]] = 1 }
	/^ok / { passed++ }
	/^not ok / {
		failed++
		if ($NF in is_known)
			next
		print "not ok arm64-" unit ": " $NF
		wrong++
	}
	END {
		if (!passed || status + 0 != failed + 0)
			print "not ok arm64-" unit ": status " status ", " passed + 0 " passed"
		else if (!wrong)
			print "ok arm64-" unit
	}' <<<"$said"
}
export -f run_unit

for file in tests/unit/test_*.c; do
	name=$(basename "$file" .c)
	name=${name#test_}
	case " $take_a_kernel $slow " in *" $name "*) continue ;; esac
	echo "$name"
done | xargs -P "$(nproc)" -I NAME bash -c 'run_unit NAME'
