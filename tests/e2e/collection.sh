#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A collection of provisioned laptops gets more settings: chosen by what is known of them, listed for those who keep the
# RADIUS server, brought up to date in place, and verified.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

cat >"$work/fleet.json" <<-'END'
	{ "devices": [
	  { "name": "lap-1", "personality": "16.1", "set": { "wireless": "true" } },
	  { "name": "lap-2", "personality": "15", "set": { "wireless": "true" } },
	  { "name": "lap-3", "personality": "15", "set": { "wireless": "true" } },
	  { "name": "lap-old", "personality": "6.2", "set": { "wireless": "true" } },
	  { "name": "desk", "personality": "16.1" },
	  { "name": "fresh", "personality": "16.1", "set": { "wireless": "true" } },
	  { "name": "locked", "personality": "15", "set": { "digest-in-setup": "true", "admin-password": "Nobody-Knows-4" } } ] }
END
start_sim --fleet "$work/fleet.json"
make_site
quick
edit "$PROVOST_SITE" '.groups += [ { name: "laptops" }, { name: "listed" } ]'
import_fleet

# as the older release left them: everything but the last stage, in the group that they were imported into
jq '.stages |= map(select(.stage != "power-policy"))' "$dir/site/standard.json" >"$dir/site/older.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "older", file: "older.json" } ]'
run provision --pipeline older lap-1 lap-2 lap-3 lap-old desk
ok /e2e/collection/provisioned said 0 '5 of 5 Provisioned'
run provision locked
ok /e2e/collection/locked said 1 'locked'

# names ARGUMENT...: the devices that a status with these arguments lists, in one line
names() {
	"$provost" status --json "$@" | jq -r '[.devices[].name] | sort | join(" ")'
}

# --- members by condition and by list

ok /requirements/S07-3.13/all-kinds-of-status same 'status words' \
	"$("$provost" status --json | jq -r '[.devices[].status] | unique | join(",")')" 'Detected,Provisioned,Unknown'
ok /requirements/S07-3.13/exactly-the-provisioned same 'devices' "$(names --status provisioned)" 'desk lap-1 lap-2 lap-3 lap-old'
ok /requirements/S07-3.13/exactly-the-detected same 'devices' "$(names --status DETECTED)" 'locked'
ok /requirements/S07-3.13/exactly-the-unknown same 'devices' "$(names --status Unknown)" 'fresh'
run status --status provision
ok /requirements/S07-3.13/no-part-of-a-word said 64 '--status: one of'

condition='device.wireless && device.amt.version >= 9'
ok /requirements/S07-3.12/condition same 'devices' "$(names --where "$condition")" 'lap-1 lap-2 lap-3'
ok /requirements/S07-3.12/condition-and-status same 'devices' "$(names --where '!device.wireless' --status provisioned)" 'desk'
run set --where "$condition" --group laptops
ok /requirements/S07-3.12/set-by-condition said 0 'changed lap-1: group' 'changed lap-2: group' 'changed lap-3: group'
ok /requirements/S07-3.12/members-by-condition same 'devices' "$(names --group laptops)" 'lap-1 lap-2 lap-3'
printf 'lap-3\ndesk\n' >"$work/list"
xargs "$provost" set --group listed <"$work/list" >"$work/set.log" 2>&1
ok /requirements/S07-3.12/members-by-list same 'devices' "$(names --group listed)" 'desk lap-3'
"$provost" export --group listed --where 'device.name == "lap-3"' >"$work/listed.csv"
run import "$work/listed.csv" --group laptops
ok /requirements/S07-3.12/members-by-file same 'devices' "$(names --group laptops)" 'lap-1 lap-2 lap-3'
run plan --where 'device.group == "nowhere"'
ok /requirements/S07-3.12/nobody-is-no-device said 0 'there are no such devices'

# --- the list for the administrators of the RADIUS server

"$provost" export --status provisioned --group laptops >"$work/radius.csv"
ok /requirements/S07-3.14/columns same 'columns' "$(head -n 1 "$work/radius.csv" | tr -d '\r')" \
	'name,fqdn,uuid,mac,mebx-password,admin-password,group,status,status-time,account,account-dn,certificate-sha256,client-certificates-sha256'
# what the directory and the devices themselves hold, in the same columns
wanted() {
	local name uuid
	for name in lap-1 lap-2 lap-3; do
		look "$name"
		uuid=$(value "$name" .uuid)
		jq -r --arg name "$name" --arg uuid "$uuid" --arg sha256 "$(value "$name" .tls.active.sha256)" \
			'"\($name),\($uuid),laptops,Provisioned,\(.name),\(.dn),\($sha256)"' "$(find "$dir/site" -path "*/accounts/$uuid.json")"
	done
}
listed() {
	python3 -c 'import csv, sys
for row in csv.DictReader(open(sys.argv[1], newline="")):
    print(",".join(row[name] for name in ("name", "uuid", "group", "status", "account", "account-dn", "certificate-sha256")))' "$1"
}
wanted >"$work/wanted"
listed "$work/radius.csv" | sort >"$work/listed"
ok /requirements/S07-3.14/rows-are-the-members diff "$work/wanted" "$work/listed"
ok /requirements/S07-3.15/account-as-the-directory-has-it grep -q '^lap-1,.*,lap-1\$iME,' "$work/listed"
ok /requirements/S07-3.15/no-password refuses grep -qF "$("$provost" secret show lap-1 admin --reveal 2>/dev/null)" "$work/radius.csv"
ok /requirements/S07-3.15/json same 'accounts' "$("$provost" export --group laptops --json | jq -r '[.devices[].account] | join(" ")')" \
	'lap-1$iME lap-2$iME lap-3$iME'
run import "$work/radius.csv"
ok /requirements/S07-3.14/can-be-imported said 0 '3 same' '0 changed'

# --- the newer release knows one more stage: the plan says what it would change, and only that is done

changes() {
	"$provost" plan "$@" --json | jq -c '[.devices[] | .name as $name | .stages[] | .stage as $stage | .changes[] | [$name, $stage, .object]]'
}
# counters DEVICE: what must not move without a reason
counters() {
	value "$1" '"\(.counters.commits) \(.tls.active.sha256) \(.state) \(.counters.restarts) \([.keys[].handle] | join(","))"'
}
secrets() {
	local name
	for name in admin mebx account; do "$provost" secret show "$1" "$name" --reveal 2>/dev/null; done
}
writes() { value "$1" .counters.writes; }
simulator set lap-1 power-scheme=0
simulator set lap-2 power-scheme=0
simulator set lap-3 power-scheme=1
for name in lap-1 lap-2 lap-3; do
	look "$name"
	counters "$name" >"$work/$name.before"
	secrets "$name" >"$work/$name.secrets"
	writes "$name" >"$work/$name.writes"
done
run plan --group laptops
ok /requirements/S07-3.6/plan-has-changes said 2 'power-policy' 'lap-1' 'lap-2'
ok /requirements/S07-3.6/plan-is-exactly-that same 'the plan' "$(changes --group laptops)" \
	'[["lap-1","power-policy","power policy"],["lap-2","power-policy","power policy"]]'
for name in lap-1 lap-2 lap-3; do
	look "$name"
	ok "/requirements/S07-3.6/plan-writes-nothing/$name" same 'writes' "$(writes "$name")" "$(cat "$work/$name.writes")"
done
run provision --group laptops
ok /requirements/S07-3.16/collection-updated said 0 '3 of 3 Provisioned'
for name in lap-1 lap-2 lap-3; do
	look "$name"
	differing=1
	[ "$name" = lap-3 ] && differing=0
	ok "/requirements/S07-3.16/only-what-differs-is-written/$name" same 'writes' \
		"$(writes "$name")" "$(($(cat "$work/$name.writes") + differing))"
	ok "/requirements/S07-3.16/certificate-kept/$name" same 'commits, certificate, state, restarts, keys' \
		"$(counters "$name")" "$(cat "$work/$name.before")"
	secrets "$name" >"$work/$name.now"
	ok "/requirements/S07-3.16/passwords-kept/$name" cmp "$work/$name.secrets" "$work/$name.now"
	ok "/requirements/S07-3.1/newer-release-adds-its-stage/$name" same 'of the newest job' \
		"$(stored "$name" '.results[] | select(.stage == "power-policy") | .outcome')" "$([ $differing = 1 ] && echo 'done' || echo already)"
	ok "/requirements/S07-3.1/never-unprovisioned/$name" holds "$name" '.state == "post" and .counters.commits == 1
		and ([.trace[].method | select(test("Unprovision|ResetAMT|FactoryReset"; "i"))] | length == 0)'
done

# --- the directory's object is refreshed, the device left alone

account=$(find "$dir/site" -path "*/accounts/$(value lap-1 .uuid).json")
jq '.spns |= .[2:]' "$account" >"$work/account.json"
cat "$work/account.json" >"$account"
run plan lap-1
ok /requirements/S07-3.16/missing-spn-is-planned said 2 'servicePrincipalName'
run provision lap-1
ok /requirements/S07-3.16/spns-registered-again same 'number of SPNs' "$(jq '.spns | length' "$account")" 6
before=$(writes lap-1)
look lap-1
ok /requirements/S07-3.16/device-left-alone same 'writes' "$(writes lap-1)" "$before"

# --- membership in a group of the directory: off, on

groups() { jq -c '.groups' "$account"; }
ok /requirements/S07-3.11/off-writes-no-group same 'groups' "$(groups)" '[]'
edit "$dir/site/directory/groups.json" '.groups += [ { name: "AMT Computers" } ]'
run provision lap-1
ok /requirements/S07-3.11/off-writes-no-group-that-is-there same 'groups' "$(groups)" '[]'
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "ad-account")).groups = [ "AMT Computers" ]'
run plan lap-1
ok /requirements/S07-3.11/on-is-planned said 2 'memberOf' 'AMT Computers'
run provision lap-1
ok /requirements/S07-3.11/on-sets-membership same 'groups' "$(groups)" '["AMT Computers"]'
run plan lap-1
ok /requirements/S07-3.11/on-once said 0
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "ad-account")).groups = []'

# --- one line at the end of each job, with its number

ends() {
	"$provost" log "$1" --json | jq -rs '[.[] | select(.text | test("^job [0-9]+ (done|failed): ")) | "\(.job) \(.text | split(" ")[1:3] | join(" "))"] | .[]'
}
of_jobs() {
	stored "$1" '[.jobs[] | "\(.id) \(.id) \(.state):"] | reverse | .[]'
}
for name in lap-1 desk locked; do
	ok "/requirements/S07-3.17/one-line-for-each-job/$name" same 'last lines' "$(ends "$name")" "$(of_jobs "$name")"
done
"$provost" log locked >"$work/out" 2>&1
code=0
ok /requirements/S07-3.17/failure-has-its-reason said 0 'job ' 'failed: stage '

# --- verify

run verify --group laptops
ok /requirements/S07-3.18/nothing-differs said 0 'lap-1' 'lap-2' 'lap-3' ' ok '
ok /requirements/S07-3.18/evidence-is-renewed same 'evidence' "$(stored lap-2 .evidence)" 'verified: pipeline standard has nothing to change'
ok /requirements/S07-3.18/is-audited same 'entries' \
	"$("$provost" log --audit --json | jq -rs '[.[] | select(.action == "verify") | .text] | join(";")')" \
	'3 devices: 3 ok, 0 differ, 0 cannot be verified'
simulator set lap-1 AMT_GeneralSettings.HostName=evil power-scheme=0
look lap-1
before=$(writes lap-1)
run verify lap-1 lap-2
ok /requirements/S07-3.18/differences said 2 'differs: 2' 'network-identity, power-policy' ' ok '
look lap-1
ok /requirements/S07-3.18/writes-nothing same 'writes' "$(writes lap-1)" "$before"
ok /requirements/S07-3.18/status-stays same 'status' "$(stored lap-1 '"\(.status): \(.evidence)"')" \
	'Provisioned: verified: pipeline standard has 2 rows to change'
"$provost" verify lap-1 --json >"$work/verify.json"
ok /requirements/S07-3.18/json same 'members' "$(jq -c '.devices[0] | [.result, .differs, .user, .certificate_sha256]' "$work/verify.json")" \
	"[\"differs\",2,\"admin\",\"$(value lap-1 .tls.active.sha256)\"]"
until=$(openssl s_client -connect "$(value lap-1 .address):16993" </dev/null 2>/dev/null | openssl x509 -noout -enddate | cut -d= -f2)
ok /requirements/S07-3.18/certificate-until same 'date' "$(date -u -d "$(jq -r '.devices[0].certificate_until' "$work/verify.json")" +%s)" \
	"$(date -u -d "$until" +%s)"

# what shows a certificate of its own making is no longer the device that was set up, and learns no password
simulator reset lap-2 --state in
look lap-2
answers() {
	: 3<>"/dev/tcp/$(value lap-2 .address)/16993"
}
ok /requirements/S07-3.18/stranger-answers await 10 answers
before=$(value lap-2 '.counters["logins-failed"] + .counters["logins-ok"]')
run verify lap-2 lap-3
ok /requirements/S07-3.18/other-certificate said 1 'cannot be verified' 'unknown issuer' 'lap-3' ' ok '
look lap-2
ok /requirements/S07-3.18/no-login-to-a-stranger same 'logins' "$(value lap-2 '.counters["logins-failed"] + .counters["logins-ok"]')" "$before"
simulator off lap-3
run verify lap-3
ok /requirements/S07-3.18/unreachable said 1 'cannot be verified' 'connect'
ok /requirements/S07-3.18/unreachable-stays-provisioned same 'status' "$(stored lap-3 '"\(.status): \(.evidence)"')" \
	'Provisioned: verified: pipeline standard has nothing to change'
run verify fresh
ok /requirements/S07-3.18/never-set-up said 1 'was not set up by this site'
done_testing
