#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Kills provost with SIGKILL again and again, at the boundaries of stages and in between, and looks at what is left.
# By hand, in a build folder: PV_KILLS=200 ../tests/e2e/kill.sh
#   PV_KILLS  how many kills must hit a process at work (50)
#   PV_SEED   where the random numbers begin; printed, to see a failure again
: "${PV_TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
. "$PV_TOP_SRCDIR/tests/e2e/lib.sh"
. "$PV_TOP_SRCDIR/tests/e2e/fleet.sh"

kills=${PV_KILLS:-50}
seed=${PV_SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$((seed % 32768))
begin=$SECONDS
hits=0
table=()
boundary=()

# begin_fleet: fresh devices, a fresh site
begin_fleet() {
	fleet=$((${fleet:-0} + 1))
	dir=$work/$fleet
	start_sim --devices 9 --personality "$generations" --set restart-msec=20 --seed "$seed-$fleet"
	make_site
	edit "$dir/site/standard.json" '(.stages[] | select(.stage == "commit")).wait = 1'
	import_fleet
	fleet_kills=0
	for ((i = 1; i <= stages; i++)); do boundary[i]=${boundary[i]:-0}; done
}

# provision_until TARGET LINES: runs provost and kills it as soon as a line tells that stage TARGET has ended (0: none
# does), or a random moment after LINES lines. Returns 0 when the kill hit, 1 when provost had ended by itself.
provision_until() {
	local line number=0 at='' pid
	rm -f "$dir/progress"
	mkfifo "$dir/progress"
	"$provost" provision --all >"$dir/run.out" 2>"$dir/progress" &
	pid=$!
	exec 7<"$dir/progress"
	while IFS= read -r -t 60 line <&7; do
		printf '%s\n' "$line" >>"$dir/run.log"
		# notes come first; they are no work yet
		[[ $line == *": an unfinished job goes on" ]] || number=$((number + 1))
		if [ "$1" -gt 0 ]; then
			[[ $line == *": $1/$stages "* ]] && at="end of stage $1" && break
		elif [ "$number" -ge "$2" ]; then
			rest "$(printf '0.%03d' $((RANDOM % 40)))"
			at="random, after: $line" && break
		fi
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>"$dir/wait.log"
	local status=$?
	exec 7<&-
	printf 'ended with %s\n' "$status" >>"$dir/run.log"
	if [ "$status" -eq 137 ] && [ -n "$at" ]; then
		hits=$((hits + 1))
		fleet_kills=$((fleet_kills + 1))
		table+=("$(printf '%3d  fleet %d  %s' "$hits" "$fleet" "$at")")
		return 0
	fi
	[ "$status" -eq 0 ] || { provision_failed=1 && tail -n 20 "$dir/run.log" | sed 's/^/# /'; }
	return 1
}

# the boundary with the fewest kills so far
pick_boundary() {
	local i
	target=1
	for ((i = 2; i <= stages; i++)); do
		[ "${boundary[i]}" -lt "${boundary[target]}" ] && target=$i
	done
}

last_run() {
	"$provost" provision --all
}

check_fleet() {
	ok "/e2e/kill/$1/ends-well" last_run
	ok "/e2e/kill/$1/states-are-read" collect
	ok "/requirements/S12-12.1/$1/provisioned" all_provisioned
	ok "/requirements/S12-12.4/$1/passwords" passwords_work
	ok "/requirements/S12-12.4/$1/accounts" accounts_fit
	ok "/requirements/S12-10.4/$1/no-orphans" no_orphans
	ok "/requirements/S12-10.4/$1/one-certificate-each" one_issued_each
	ok "/e2e/kill/$1/no-lock-out" never_locked
	ok "/requirements/S12-12.1/$1/nothing-repeated" nothing_repeated
	ok "/e2e/kill/$1/audit-log" audit_intact
}

echo "# seed $seed, $kills kills"
provision_failed=0
misses=0
turn=0
begin_fleet
while [ "$hits" -lt "$kills" ] && [ "$provision_failed" -eq 0 ] && [ "$misses" -lt 20 ]; do
	if [ $((turn % 2)) -eq 0 ]; then
		pick_boundary
		provision_until "$target" 0 && boundary[target]=$((boundary[target] + 1))
	else
		provision_until 0 $((RANDOM % 12 + 1))
	fi
	if [ $? -eq 0 ]; then
		turn=$((turn + 1))
		misses=0
		continue
	fi
	# this fleet is ready: the next one takes the kill
	misses=$((misses + 1))
	[ "$provision_failed" -ne 0 ] && break
	check_fleet "fleet-$fleet"
	stop_sim
	begin_fleet
done
ok /e2e/kill/all-kills-hit test "$hits" -ge "$kills"
ok /e2e/kill/no-run-failed test "$provision_failed" -eq 0
check_fleet "fleet-$fleet"
stop_sim

# The same for the daemon. Devices in set-up say hello again and again; it is killed while it works on them.
start_daemon() {
	"$provostd" >"$dir/daemon.out" 2>"$dir/daemon.log" &
	daemon=$!
	pids+=("$daemon")
	await 30 grep -q '^provostd: listening' "$dir/daemon.log" || bail "provostd: $(cat "$dir/daemon.log")"
	local name
	for name in $(simulator list --json | jq -r '.[] | select(.state == "in").name'); do
		simulator hello "$name" --to "$net.250:9971" || bail "no hello from $name"
	done
}

unfinished() {
	[ "$("$provost" status --json | jq '[ .devices[] | select(.status != "Provisioned") ] | length')" -gt 0 ]
}

finished() {
	! unfinished
}

begin_fleet
edit "$PROVOST_SITE" ".listener = { address: \"$net.250\", port: 9971 }"
daemon_hits=0
for ((i = 0; i < 8; i++)); do
	start_daemon
	rest "$(printf '0.%03d' $((RANDOM % 200)))"
	kill -KILL "$daemon"
	wait "$daemon" 2>"$dir/wait.log"
	[ $? -eq 137 ] && unfinished || break
	daemon_hits=$((daemon_hits + 1))
	table+=("$(printf '%3d  fleet %d  provostd, at work on %d devices' "$daemon_hits" "$fleet" \
		"$(grep -c ': job .* begins' "$dir/daemon.log")")")
done
ok /e2e/kill/provostd/kills-hit test "$daemon_hits" -ge 3
start_daemon
ok /e2e/kill/provostd/goes-on await 60 finished
kill -TERM "$daemon"
wait "$daemon"
ok /e2e/kill/provostd/stops-well test $? -eq 0
check_fleet provostd
stop_sim

for line in "${table[@]}"; do echo "# $line"; done
printf '# kills at the end of stage:'
for ((i = 1; i <= stages; i++)); do printf ' %d:%d' "$i" "${boundary[i]}"; done
echo
echo "# $hits kills of provost, $daemon_hits of provostd, $fleet fleets, $((SECONDS - begin)) s"
done_testing
