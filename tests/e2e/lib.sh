# SPDX-License-Identifier: LGPL-2.1-or-later
# What the end-to-end tests share: a simulated fleet, a site for it, and TAP.
# Sourced by bash; the caller's folder is a temporary one that goes away with the test.

set -u
PV_TOP_SRCDIR=$(cd "${PV_TOP_SRCDIR:-.}" && pwd)
PV_TOP_BUILDDIR=$(cd "${PV_TOP_BUILDDIR:-.}" && pwd)
# the programs themselves, not the scripts that libtool puts in front of them: these tests start hundreds, and send signals
export LD_LIBRARY_PATH=$PV_TOP_BUILDDIR/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
find_program() {
	local path=$PV_TOP_BUILDDIR/.libs/$1
	if [ -x "$path" ]; then echo "$path"; else echo "$PV_TOP_BUILDDIR/$1"; fi
}
provost=$(find_program provost)
provostd=$(find_program provostd)
sim=$(find_program provost-sim)
tap_count=0
tap_failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/pv-e2e-XXXXXX")
chmod 700 "$work"
# where the simulator, the site and what they write are; a test with several fleets changes it for each
dir=$work
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

# forget PID: it has ended, and its number may be another's by now
forget() {
	local pid rest=()
	for pid in "${pids[@]}"; do
		[ "$pid" = "$1" ] || rest+=("$pid")
	done
	pids=("${rest[@]}")
}

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

# No test may drive a device into its login back-off: asked of each fleet when it stops, or at the end
note_locks() {
	"$sim" list --json --control "$1" 2>>"$work/locks.log" | jq -r '.[] | select(.locked > 0) | "\(.name): \(.locked)"' >>"$work/locks"
}
nobody_locked() {
	cat "$work/locks" && [ ! -s "$work/locks" ]
}

done_testing() {
	local socket
	for socket in "$work"/sim.sock "$work"/*/sim.sock; do
		[ -S "$socket" ] && note_locks "$socket"
	done
	[ ! -e "$work/locks" ] || ok /requirements/S12-09.1/no-device-locked-itself nobody_locked
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
}

bail() {
	echo "Bail out! $*"
	exit 1
}

# await SECONDS COMMAND...: waits until the command succeeds; FALSE when it has not in that time
await() {
	local until=$((SECONDS + $1))
	shift
	until "$@" >"$work/await.log" 2>&1; do
		[ "$SECONDS" -lt "$until" ] || return 1
		rest 0.05
	done
}

# rest SECONDS: without a process of its own, for loops that look often
exec 8<> <(:)
rest() {
	local nothing
	read -r -t "$1" -u 8 nothing
	return 0
}

# start_sim OPTION...: a fleet in $net with control socket $dir/sim.sock; waits until it is ready
start_sim() {
	mkdir -p "$dir"
	[ -d "$work/pki" ] || "$sim" pki "$work/pki" --suffix example.com >"$work/pki.log" 2>&1 ||
		bail "provost-sim pki: $(cat "$work/pki.log")"
	mkfifo "$dir/sim.ready"
	"$sim" run --base "$net.1" --suffix example.com --roots "$work/pki/root.pem" --control "$dir/sim.sock" \
		--log "$dir/sim.log" --fleet-csv "$dir/fleet.csv" "$@" >"$dir/sim.ready" 2>"$dir/sim.err" &
	sim_pid=$!
	pids+=("$sim_pid")
	local line=
	read -r -t 60 line <"$dir/sim.ready" || bail "provost-sim did not start: $(cat "$dir/sim.err")"
	case $line in
	ready*) ;;
	*) bail "provost-sim said '$line': $(cat "$dir/sim.err")" ;;
	esac
}

stop_sim() {
	note_locks "$dir/sim.sock"
	kill "$sim_pid" && wait "$sim_pid"
	local status=$?
	forget "$sim_pid"
	return "$status"
}

# simulator COMMAND...: tells the running simulator
simulator() {
	"$sim" "$@" --control "$dir/sim.sock"
}

# make_site OPTION...: a site for that fleet in $dir/site, with a group for firmware that knows only TLS 1.0; $stages is
# how many stages its pipeline has
make_site() {
	"$provost" site init "$dir/site" --suffix example.com --provisioning-certificate "$work/pki/chain.pem" \
		--provisioning-key "$work/pki/key.pem" --plugin-path "$PV_TOP_BUILDDIR/plugins" "$@" >"$dir/init.log" 2>&1 ||
		bail "site init: $(cat "$dir/init.log")"
	export PROVOST_SITE=$dir/site/site.json
	stages=$(jq '.stages | length' "$dir/site/standard.json")
	edit "$PROVOST_SITE" '.groups = [ { name: "legacy", tls: "legacy" } ]'
}

# edit FILE FILTER: changes a JSON file of the site with jq
edit() {
	local text
	text=$(jq "$2" "$1") || bail "jq '$2' $1"
	printf '%s\n' "$text" >"$1"
}

# every generation that the simulator plays
generations=3.2,6.2,8.1,9.5,11.8,12.0,15,16.1,19

# import_fleet: all devices of the simulator, addressed, the old ones in the group "legacy"
import_fleet() {
	local name address personality group
	"$provost" import "$dir/fleet.csv" >"$dir/import.log" 2>&1 || bail "import: $(cat "$dir/import.log")"
	devices=()
	while read -r name address personality; do
		devices+=("$name")
		group=
		case $personality in [1-9].* | 11.*) group=legacy ;; esac
		"$provost" set "$name" --address "$address" --group "$group" >"$dir/set.log" 2>&1 ||
			bail "set $name: $(cat "$dir/set.log")"
	done < <(simulator list --json | jq -r '.[] | "\(.name) \(.address) \(.personality)"')
	[ "${#devices[@]}" -gt 0 ] || bail "the simulator lists no devices"
}

# dump DEVICE JQ: one value of a device's state
dump() {
	simulator dump "$1" | jq -r "$2"
}
