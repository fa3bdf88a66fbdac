#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tells which classes and methods the plugins' tests have sent and compared with the protocol's documents: a case for
# each row of requests.json. The comparing itself is in those tests, see tests/lib/request-check.h. Prints TAP.
set -u

build=${PV_TOP_BUILDDIR:-.}
rows=${PV_TOP_SRCDIR:?}/tests/conformance/requests.json
logs=("$build"/plugins/*/*-test.log)
count=0

if [ ! -e "${logs[0]}" ]; then
	echo "1..0 # SKIP the plugins' tests have not run"
	exit 0
fi
compared=$(sed -n 's/^# compared //p' "${logs[@]}" | sort | uniq -c)
while read -r name cites; do
	times=$(awk -v name="$name" '$2 == name { print $1 }' <<<"$compared")
	count=$((count + 1))
	if [ -n "$times" ]; then
		echo "# compared $times times with $cites"
	else
		echo "# no test of a plugin sends it: its row shows nothing"
		printf 'not '
	fi
	echo "ok $count /conformance/$name"
done < <(jq -r '.[] | "\(.request) \(.cites)"' "$rows")
echo "# $count pairs of class and method"
echo "1..$count"
