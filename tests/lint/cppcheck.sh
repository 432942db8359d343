#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The static analyser finds nothing in the sources. A false alarm is silenced
# where it stands, with a cppcheck-suppress comment that says why.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v cppcheck >/dev/null || {
	echo "skip cppcheck: it is not installed"
	exit 0
}
# What libraries declare is not looked at, hence no missingIncludeSystem; tables
# that name fields by offsetof cast char pointers to the fields' types, hence no
# invalidPointerCast. Newer releases announce the limits of their analysis as a
# finding: normalCheckLevelMaxBranches. With one job alone it would look across files, too,
# and take every argument that may be NULL for an error.
if cppcheck --quiet -j 4 --std=c11 --language=c --error-exitcode=1 --inline-suppr \
	--enable=warning,performance,portability \
	--suppress=missingIncludeSystem --suppress=invalidPointerCast \
	--suppress=normalCheckLevelMaxBranches \
	--template='{file}:{line}: {severity}: {message} [{id}]' \
	-DREDMEM_VERSION='"0"' --include=tests/lint/macros.h -Isrc -Iinclude src; then
	echo "ok cppcheck"
else
	echo "not ok cppcheck: see the messages above"
	exit 1
fi
