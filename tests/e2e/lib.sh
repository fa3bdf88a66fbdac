# SPDX-License-Identifier: LGPL-2.1-or-later
# What the end-to-end tests share: a simulated fleet, a site for it, and TAP.
# Sourced by bash; the caller's folder is a temporary one that goes away with the test.

set -u
PV_TOP_SRCDIR=$(cd "${PV_TOP_SRCDIR:-.}" && pwd)
PV_TOP_BUILDDIR=$(cd "${PV_TOP_BUILDDIR:-.}" && pwd)
provost=$PV_TOP_BUILDDIR/provost
provostd=$PV_TOP_BUILDDIR/provostd
sim=$PV_TOP_BUILDDIR/provost-sim
tap_count=0
tap_failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/pv-e2e-XXXXXX")
chmod 700 "$work"
pids=()

# every test has a loopback net of its own, so that they can run side by side
net=127.$((1 + $$ / 250 % 250)).$((1 + $$ % 250))

finish() {
	local pid
	for pid in "${pids[@]:-}"; do
		[ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	if [ "${PV_TEST_KEEP:-}" = 1 ]; then echo "# kept: $work"; else rm -rf "$work"; fi
}
trap finish EXIT

# ok NAME COMMAND...: one case that passes when the command does
ok() {
	local name=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@" >"$work/case.log" 2>&1; then
		echo "ok $tap_count $name"
	else
		echo "not ok $tap_count $name"
		tap_failed=$((tap_failed + 1))
		sed 's/^/# /' "$work/case.log" | tail -n 25
	fi
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count $1 # SKIP $2"
}

done_testing() {
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
}

bail() {
	echo "Bail out! $*"
	exit 1
}

# start_sim OPTION...: a fleet in $net, control socket $work/sim.sock; waits until it is ready
start_sim() {
	[ -d "$work/pki" ] || "$sim" pki "$work/pki" --suffix example.com >"$work/pki.log" 2>&1 || bail "provost-sim pki: $(cat "$work/pki.log")"
	mkfifo "$work/sim.ready.$#"
	"$sim" run --base "$net.1" --suffix example.com --roots "$work/pki/root.pem" --control "$work/sim.sock" \
		--log "$work/sim.log" --fleet-csv "$work/fleet.csv" "$@" >"$work/sim.ready.$#" 2>"$work/sim.err" &
	sim_pid=$!
	pids+=("$sim_pid")
	local line=
	read -r -t 60 line <"$work/sim.ready.$#" || bail "provost-sim did not start: $(cat "$work/sim.err")"
	case $line in
	ready*) ;;
	*) bail "provost-sim said '$line': $(cat "$work/sim.err")" ;;
	esac
}

# make_site: a site for that fleet in $work/site, devices imported and addressed
make_site() {
	"$provost" site init "$work/site" --suffix example.com --provisioning-certificate "$work/pki/chain.pem" \
		--provisioning-key "$work/pki/key.pem" --plugin-path "$PV_TOP_BUILDDIR/plugins" \
		--pipelines "$PV_TOP_SRCDIR/data/pipelines" "$@" >"$work/init.log" 2>&1 || bail "site init: $(cat "$work/init.log")"
	export PROVOST_SITE=$work/site/site.json
}

import_fleet() {
	"$provost" import "$work/fleet.csv" "$@" >"$work/import.log" 2>&1 || bail "import: $(cat "$work/import.log")"
	local name rest address
	while read -r name address rest; do
		"$provost" set "$name" --address "$address" >/dev/null || bail "set $name"
	done < <("$sim" list --control "$work/sim.sock" --plain)
}

# dump DEVICE JQ: one value of a device's state
dump() {
	"$sim" dump "$1" --control "$work/sim.sock" | jq -r "$2"
}
