#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# provostd takes a fleet from its first hello to Provisioned. It is stopped on the way, and what it had begun goes on
# after a restart. A computer that nobody imported stays what it was.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

start_sim --devices 4 --state pre
make_site
quick
# long enough that jobs are parked when the service stops
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "commit")).wait = 6'
edit "$PROVOST_SITE" ".listener = { address: \"$net.250\" }"
grep -v pc-0004 "$dir/fleet.csv" >"$work/known.csv"
"$provost" --quiet import "$work/known.csv" >/dev/null || bail 'import'

# start: the service, its log from here on in $work/daemon.log
start() {
	: >"$work/daemon.log"
	"$provostd" >"$work/daemon.log" 2>&1 &
	daemon=$!
	pids+=("$daemon")
	ok "$1" await 20 logged 'listening on'
}
logged() {
	grep -qF -- "$1" "$work/daemon.log" && return
	cat "$work/daemon.log"
	return 1
}
# every_job STATE: of the three known devices
every_job() {
	same 'jobs' "$("$provost" status --json | jq -r '.devices[].name' | while read -r name; do
		stored "$name" '.jobs[0].state'
	done | sort | uniq -c | tr -s ' ')" " 3 $1"
}
# hello DEVICE: as its firmware sends it once a local agent has begun set-up
hello() {
	simulator hello "$1" --to "$net.250:9971"
}

start /e2e/daemon/listens
simulator start pc-0004
hello pc-0004
ok /requirements/S07-1.36/unknown-hello-is-told await 20 logged 'unknown device'
for device in pc-0001 pc-0002 pc-0003; do
	simulator start "$device"
	hello "$device"
done
ok /e2e/daemon/jobs-begin-and-wait-for-the-restart await 20 every_job parked
printf 'another-one' >"$work/otp"
run set pc-0002 --otp-file "$work/otp"
ok /requirements/S12-04.1/kept-during-a-job said 1 'a job of the device is not finished'
kill -TERM "$daemon"
wait "$daemon"
ok /e2e/daemon/stops-gracefully same 'exit code' "$?" 0
ok /e2e/daemon/tells-that-it-stops logged 'unfinished jobs go on at the next start'
ok /e2e/daemon/jobs-are-kept every_job parked
ok /e2e/daemon/not-provisioned-yet same 'states' "$("$provost" status --json | jq -r '[.devices[].status] | unique | join(" ")')" \
	'Not Provisioned'

# The same hello again, as firmware repeats it, must not begin a second job.
start /e2e/daemon/starts-again
hello pc-0001
ok /e2e/daemon/jobs-go-on await 30 every_job 'done'
for device in pc-0001 pc-0002 pc-0003; do
	look "$device"
	ok "/requirements/S07-1.1/hello-to-provisioned/$device" holds "$device" '.state == "post" and (.admin.default | not)'
	ok "/e2e/daemon/committed-once/$device" holds "$device" '.counters.commits == 1'
	ok "/requirements/S12-04.4/one-job/$device" same 'jobs' "$(stored "$device" '"\(.jobs | length) \(.status)"')" '1 Provisioned'
	ok "/e2e/daemon/address-from-the-hello/$device" same 'address' "$(stored "$device" .address)" "$(value "$device" .address)"
done
hello pc-0001
ok /e2e/daemon/hello-of-a-provisioned-one-is-told await 20 logged 'the device was set up by this site'
kill -TERM "$daemon"
wait "$daemon"
ok /e2e/daemon/stops-idle same 'exit code' "$?" 0

look pc-0004
ok /requirements/S07-1.36/unknown-device-is-not-provisioned \
	holds pc-0004 '.state == "in" and .counters.writes == 0 and .counters.connections == 0'
run show pc-0004
ok /requirements/S07-1.36/unknown-device-is-not-added said 1
"$provost" log --audit >"$work/audit" 2>&1
ok /requirements/S07-1.36/unknown-hello-is-audited grep -q "hello-unknown $(value pc-0004 .uuid)" "$work/audit"
ok /e2e/daemon/repeated-hello-is-audited grep -q 'hello-from-provisioned' "$work/audit"
run audit verify
ok /e2e/daemon/audit-log-is-intact said 0 'intact'
done_testing
