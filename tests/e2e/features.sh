#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a device offers and where it is at home: on, off, lacking, refused; never locked out by accident; and a program of
# the site's own. What is said of a device is what the simulator holds.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

cat >"$work/fleet.json" <<-END
	{ "devices": [
	  { "name": "modern" },
	  { "name": "ancient", "personality": "3.2" },
	  { "name": "old", "personality": "6.2" },
	  { "name": "standard", "personality": "11.8", "set": { "sku": "standard" } },
	  { "name": "fixed", "set": { "optin-modifiable": "false", "web-ui": "refused" } } ] }
END
start_sim --fleet "$work/fleet.json"
make_site
quick
edit "$PROVOST_SITE" '.plugins = (.plugins + ["features", "environment", "exec"] | unique)'
import_fleet

# pipeline STAGE...: the standard one with these at its end
standard=$(cat "$dir/site/standard.json")
pipeline() {
	local stages
	stages=$(printf '%s\n' "$@" | jq -s .)
	jq --argjson more "$stages" '.stages |= map(select(.stage != "features" and .stage != "environment")) + $more' \
		<<<"$standard" >"$dir/site/standard.json"
}
writes() { simulator dump "$1" | jq .counters.writes; }

# All is off, and is to be on.
for device in modern ancient old standard fixed; do
	simulator set "$device" AMT_RedirectionService.EnabledState=32768 AMT_WebUIService.EnabledState=3 \
		AMT_GeneralSettings.PingResponseEnabled=false AMT_GeneralSettings.RmcpPingResponseEnabled=false
done
for device in modern old fixed; do simulator set "$device" CIM_KVMRedirectionSAP.EnabledState=3; done
for device in modern standard fixed; do simulator set "$device" IPS_OptInService.OptInRequired=4294967295; done
pipeline '{ "stage": "features", "web-ui": true, "sol": true, "ide-redirection": true, "kvm": true, "ping": true,
	"rmcp-ping": true, "user-consent": "none", "unavailable": "skip" }' \
	'{ "stage": "environment", "domains": ["example.com", "home.example"] }'
run provision --all
ok /e2e/features/provisioned said 0 '5 of 5 Provisioned'
for device in modern ancient old standard; do
	look "$device"
	ok "/requirements/S12-11.5/web-interface-on/$device" holds "$device" '.features."web-ui" == "2"'
	ok "/requirements/S12-11.6/redirection-on/$device" \
		holds "$device" '.features | .redirection == "32771" and .listener == "true" and ."port-16995"'
	ok "/requirements/S12-11.7/ping-on/$device" holds "$device" '.features | .ping == "true" and ."rmcp-ping" == "true"'
	ok "/e2e/environment/home-domains/$device" holds "$device" '(.outside | not)
		and .written["AMT_EnvironmentDetectionSettingData"].DetectionStrings == ["example.com", "home.example"]'
done
ok /e2e/features/kvm-on holds modern '.features | .kvm == "6" and ."opt-in-required" == "0"'
ok /e2e/features/kvm-on-without-consent-class holds old '.features | .kvm == "6" and ."opt-in-required" == null'
ok /e2e/features/standard-manageability-has-no-kvm holds standard '.features.kvm == null'
ok /e2e/features/ancient-has-neither holds ancient '.features | .kvm == null and ."opt-in-required" == null'
ok /e2e/features/only-kvm-was-asked-for same 'the fact' "$(stored ancient '.facts["features.unavailable"]')" kvm
ok /e2e/features/lack-is-known same 'the fact' "$(stored standard '.facts["features.unavailable"]')" kvm
look fixed
ok /e2e/features/fixed-consent-stays holds fixed '.features | ."opt-in-required" == "4294967295" and .kvm == "6"'
ok /e2e/features/refused-web-ui-stays holds fixed '.features."web-ui" == "3"'
ok /e2e/features/both-are-known same 'the fact' "$(stored fixed '.facts["features.unavailable"]')" 'user-consent web-ui'

# Once more, and nothing is written.
for device in modern ancient old standard fixed; do writes "$device"; done >"$work/before"
run provision --all
ok /e2e/features/again said 0 '5 of 5 Provisioned'
for device in modern ancient old standard fixed; do writes "$device"; done >"$work/after"
ok /e2e/features/again-without-a-write cmp "$work/before" "$work/after"

# One changes: the plan names it, and the others are left alone.
simulator set modern AMT_RedirectionService.EnabledState=32769
run plan modern
ok /e2e/features/drift said 2 'AMT_RedirectionService'
before=$(writes modern)
run provision modern
look modern
ok /e2e/features/drift-mended-by-one-write \
	holds modern '.features.redirection == "32771" and .counters.writes == ($before | tonumber) + 1' before "$before"

# Three independent switches: each goes off, and only what it names.
off() {
	pipeline "$1" '{ "stage": "environment", "domains": [] }'
	run provision modern
	look modern
}
off '{ "stage": "features", "web-ui": false }'
ok /requirements/S12-11.5/web-interface-off holds modern '.features | ."web-ui" == "3" and .redirection == "32771" and .ping == "true"'
ok /e2e/environment/emptied holds modern '.written["AMT_EnvironmentDetectionSettingData"].DetectionStrings == null'
off '{ "stage": "features", "sol": false, "ide-redirection": false, "listener": false }'
ok /requirements/S12-11.6/redirection-off holds modern '.features | .redirection == "32768" and .listener == "false"
	and (."port-16995" | not) and ."web-ui" == "3" and .ping == "true"'
off '{ "stage": "features", "ping": false }'
ok /requirements/S12-11.7/ping-off holds modern '.features | .ping == "false" and ."rmcp-ping" == "true" and ."web-ui" == "3" and .redirection == "32768"'
off '{ "stage": "features", "kvm": false, "user-consent": "all" }'
ok /e2e/features/kvm-off holds modern '.features | .kvm == "3" and ."opt-in-required" == "4294967295"'

# What lacks is an error where nothing else was asked for, before anything is written.
pipeline '{ "stage": "features", "kvm": true, "ping": false }'
before=$(writes standard)
run provision standard
ok /e2e/features/lack-is-an-error said 1 'AMT 11.8.50 has no CIM_KVMRedirectionSAP' 'Standard Manageability'
ok /e2e/features/nothing-was-written same writes "$(writes standard)" "$before"
pipeline '{ "stage": "features", "kvm": false }'
run provision standard
ok /e2e/features/off-is-right-where-it-lacks said 0 '1 of 1 Provisioned'

# A list without the network where the device is.
pipeline '{ "stage": "environment", "domains": ["office.example"] }'
before=$(writes modern)
run provision modern
ok /e2e/environment/lock-out-refused said 1 'the device is in "example.com"' '"lock-out": "allow"'
ok /e2e/environment/nothing-was-written same writes "$(writes modern)" "$before"
pipeline '{ "stage": "environment", "domains": ["office.example"], "lock-out": "allow" }'
run provision modern
look modern
ok /e2e/environment/locked-out-as-told holds modern '.outside'
simulator set modern switch:dhcp-suffix=office.example
home_again() {
	run provision modern
	said 0 '1 of 1 Provisioned'
}
# its ports may still be restarting
ok /e2e/environment/home-again await 20 home_again
look modern
ok /e2e/environment/inside holds modern '.outside | not'

# A program of the site's own keeps a record of the device.
mkdir -p "$work/records"
cp "$PV_TOP_SRCDIR/plugins/exec/sample/inventory" "$work/inventory"
chmod 700 "$work/inventory"
exec_stage=$(jq -n --arg work "$work" '{ stage: "exec", program: "\($work)/inventory", parameters: ["folder=\($work)/records"] }')
pipeline "$exec_stage"
run provision old
ok /e2e/exec/provisioned said 0 '1 of 1 Provisioned'
record=$work/records/$(stored old .uuid).json
ok /e2e/exec/record jq -e '.name == "old" and ."amt-version" == "6.2.61"' "$record"
ok /e2e/exec/fact same 'the fact' "$(stored old '.facts["exec.inventory"]')" recorded
printf '{"name":"old","fqdn":"old.example.com","amt-version":"5.0"}' >"$record"
run plan old
ok /e2e/exec/drift said 2 inventory amt-version 5.0 6.2.61
run provision old
ok /e2e/exec/mended jq -e '."amt-version" == "6.2.61"' "$record"
chmod 777 "$work/inventory"
run plan old
ok /e2e/exec/writable-by-others said 1 'everybody may write'
done_testing
