#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Set-up by pre-shared key, from the stick to Provisioned: hello, pairs that are known and not, ways that do not fit.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

cat >"$work/fleet.json" <<-END
	{ "devices": [
	  { "name": "key", "personality": "6.2" }, { "name": "newer", "personality": "8.1" },
	  { "name": "cert", "personality": "6.2" }, { "name": "wrong", "personality": "6.2" } ] }
END
start_sim --fleet "$work/fleet.json"
make_site
quick
jq '(.stages[] | select(.stage == "tls")).mode = "psk" | .stages |= map(select(.stage != "kerberos"))' \
	"$dir/site/standard.json" >"$dir/site/psk.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "psk", file: "psk.json" } ]
    | .groups += [ { name: "psk", tls: "legacy", pipeline: "psk" }, { name: "strict", pipeline: "psk" } ]'
import_fleet
run site check
ok /e2e/psk/site-check-names-the-group said 1 'group strict: its pipeline psk sets devices up by pre-shared key'

# the stick: a pair for each computer; what MEBx takes from it is given to the simulated ones here
printf 'N3w!passw0rd' >"$work/mebx"
run setup-bin create "$work/setup.bin" --format 1 --records 3 "new-password=file:$work/mebx"
ok /e2e/psk/stick said 0 ''
"$provost" setup-bin show "$work/setup.bin" --reveal --json >"$work/stick.json" 2>/dev/null
pair() { jq -r --argjson i "$1" --arg name "$2" '.records[$i].entries[] | select(.name == $name).value' "$work/stick.json"; }
n=0
for device in key newer wrong; do
	simulator set "$device" "pid=$(pair $n pid)" "pps=$(pair $n pps)"
	n=$((n + 1))
done
for device in key newer cert wrong; do "$provost" --quiet set "$device" --group psk; done

# nobody has said yet which device has which PID
run provision key
ok /e2e/psk/pid-unknown said 1 'its PID is not known'
tell() { pair "$2" pps | "$provost" --quiet psk add "$(pair "$2" pid)" --device "$1"; }
tell key 0
tell newer 1
tell wrong 2
"$provost" --quiet set key --group strict
run provision key
ok /e2e/psk/only-with-the-legacy-policy said 1 'needs the TLS policy'
look key
ok /e2e/psk/not-dialled-so-far holds key '.counters.requests == 0'
"$provost" --quiet set key --group psk

# what another computer got
simulator set wrong "pps=$(pair 0 pps)"
run provision wrong
ok /e2e/psk/wrong-pps said 1 "refused the pre-shared key of PID $(pair 2 pid)"
look wrong
ok /e2e/psk/wrong-pps-changes-nothing holds wrong '.state == "in" and .counters.writes == 0'

run provision key newer
ok /requirements/S12-07.2/psk-provisioned said 0 '2 of 2 Provisioned'
for device in key newer; do
	look "$device"
	ok "/e2e/psk/committed-once/$device" holds "$device" '.state == "post" and .counters.commits == 1 and .tls.active.enabled'
	ok "/e2e/psk/certificate-in-the-end/$device" holds "$device" '.tls.active.sha256 == $known' \
		known "$(stored "$device" '.facts["certificate.sha256"]')"
	ok "/e2e/psk/no-login-failed/$device" holds "$device" '.counters["logins-failed"] == 0'
	value "$device" '.counters | "\(.writes) \(.commits)"' >>"$work/before"
done
run provision key newer
ok /e2e/psk/again said 0 '2 of 2 Provisioned'
for device in key newer; do
	look "$device"
	value "$device" '.counters | "\(.writes) \(.commits)"' >>"$work/after"
done
ok /e2e/psk/again-writes-nothing cmp "$work/before" "$work/after"

# firmware that takes the pair with its dashes
jq '(.stages[] | select(.stage == "tls"))["psk-form"] = "dashed"' "$dir/site/psk.json" >"$dir/site/dashed.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "dashed", file: "dashed.json" } ]'
simulator set wrong "pps=$(pair 2 pps)" switch:psk-identity=dashed switch:psk-key=dashed
run provision wrong
ok /e2e/psk/refuses-it-plain said 1 "refused the pre-shared key of PID $(pair 2 pid)"
run provision --pipeline dashed wrong
ok /e2e/psk/takes-it-dashed said 0 '1 of 1 Provisioned'

# a device that waits for a certificate, and a pipeline that has no way for it
"$provost" --quiet set cert --group legacy
tell cert 2
run provision cert
ok /e2e/psk/way-does-not-fit said 1 'waits to be set up by pre-shared key'

pair 0 pps >"$work/secrets"
pair 1 pps >>"$work/secrets"
ok /e2e/psk/not-in-the-store refuses grep -raqF -f "$work/secrets" "$dir/site"
done_testing
